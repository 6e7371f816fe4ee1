"""What a policy means: strict by default, a profile for what is left out, modes and caps."""

import hashlib
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS, container_registry, disk, snapshot
from guards.engine import policy
from guards.engine.model import Guard, Mode, RuleSettings, TypePolicy
from guards.engine.policy.shape import schema
from tests.engine.policies import DISKS, FILES, POLICIES, REGISTRIES, Data, made, on_disks, parse
from tests.engine.samples import DISK_ACCESS_ID
from tests.fakes import START

DISK_LIKE = pytest.mark.parametrize("guard", [disk.GUARD, snapshot.GUARD], ids=["disk", "snapshot"])


def modes(rules: TypePolicy) -> dict[str, Mode]:
    """The modes of a type's rules."""
    return {name: rule.mode for name, rule in rules.items()}


@DISK_LIKE
def test_what_the_file_does_not_name_is_strict(guard: Guard) -> None:
    """An empty policy guards everything that is on by default."""
    rules = policy.default(GUARDS).of(guard)
    assert modes(rules) == {
        "networkAccessPolicy": Mode.ENFORCE,
        "publicNetworkAccess": Mode.ENFORCE,
        "dataAccessAuthMode": Mode.OFF,
        "liveExport": Mode.ENFORCE,
        "import": Mode.OFF,
    }
    assert rules["networkAccessPolicy"].allowed == ("DenyAll",)
    assert rules["networkAccessPolicy"].options == {"allowed_disk_accesses": ()}
    assert rules["publicNetworkAccess"].allowed == ("Disabled",)
    assert rules["liveExport"].options == {"unknown_granter": "report"}


def test_registries_are_strict_by_default_and_not_cut_off() -> None:
    """Both rules of exports close, not where nobody could pull any more; the rest is opt-in."""
    rules = policy.default(GUARDS).of(container_registry.GUARD)
    enforced = {name for name, mode in modes(rules).items() if mode is Mode.ENFORCE}
    assert enforced == {"exportPolicy", "publicNetworkAccess"}
    assert rules["exportPolicy"].allowed == ("disabled",)
    assert rules["publicNetworkAccess"].options == {"when_unreachable": "block"}


def test_the_shipped_policy_means_the_same_as_an_empty_one() -> None:
    """policy.yaml shows the defaults and changes none."""
    shipped = parse((Path(__file__).parents[2] / "policy.yaml").read_text())
    assert policy.default(GUARDS).types == shipped.types
    assert (len(shipped.layers), shipped.exemptions, shipped.tags_may_exempt) == (1, (), False)
    assert shipped.exporters == ()


@DISK_LIKE
def test_minimum_is_what_azures_own_policies_ask(guard: Guard) -> None:
    """Either setting is enough, AllowPrivate is fine, and what it closes it closes as strictly.

    They know no links, so one that is out is only reported.
    """
    rules = made(profile="minimum").of(guard)
    network, public = rules["networkAccessPolicy"], rules["publicNetworkAccess"]
    assert (network.allowed, network.satisfied_by) == (
        ("DenyAll", "AllowPrivate"),
        ("publicNetworkAccess",),
    )
    assert (public.allowed, public.satisfied_by) == (("Disabled",), ("networkAccessPolicy",))
    strict = modes(policy.default(GUARDS).of(guard))
    assert modes(rules) == {**strict, "liveExport": Mode.AUDIT}


def test_minimum_leaves_registries_strict() -> None:
    """Azure has no laxer built-in policy for them."""
    strict = policy.default(GUARDS).of(container_registry.GUARD)
    assert strict == made(profile="minimum").of(container_registry.GUARD)


def test_a_named_setting_wins_over_the_profile_and_the_others_stay() -> None:
    """The profile is what is meant where nothing is said."""
    network = {"networkAccessPolicy": {"allowed": ["DenyAll"]}}
    rules = made(profile="minimum", resources=on_disks(**network)).of(disk.GUARD)
    assert rules["networkAccessPolicy"].allowed == ("DenyAll",)
    assert rules["networkAccessPolicy"].satisfied_by == ("publicNetworkAccess",)
    assert rules["publicNetworkAccess"].satisfied_by == ("networkAccessPolicy",)


@pytest.mark.parametrize("allowed", [[], ["AllowPrivate"], ["AllowPrivate", "DenyAll"]])
def test_the_value_that_a_rule_sets_is_always_allowed(allowed: list[str]) -> None:
    """Otherwise the guard's own PATCH would be the next violation."""
    rules = made(resources=on_disks(networkAccessPolicy={"allowed": allowed})).of(disk.GUARD)
    assert {*allowed, "DenyAll"} == set(rules["networkAccessPolicy"].allowed)


@pytest.mark.parametrize("word", ["off", "'off'", "OFF", "Off", "no", "No", "NO", "false"])
def test_a_bare_off_is_off(word: str) -> None:
    """YAML reads a bare off as false; the guard reads what was meant."""
    text = f"version: 1\nresources: {{{DISKS}: {{publicNetworkAccess: {{mode: {word}}}}}}}"
    assert parse(text).of(disk.GUARD)["publicNetworkAccess"].mode == Mode.OFF


def test_types_are_found_in_any_casing() -> None:
    """As Azure writes them, sometimes; in a scope, too."""
    rules = {"microsoft.compute/DISKS": {"publicNetworkAccess": {"mode": "audit"}}}
    scope = "/subscriptions/*/resourceGroups/rg-*"
    parsed = made(resources=rules, scopes=[{"scope": scope, "resources": rules}])
    assert parsed.of(disk.GUARD)["publicNetworkAccess"].mode == Mode.AUDIT
    assert parsed.layers[1].given == {DISKS: {"publicNetworkAccess": {"mode": Mode.AUDIT}}}


def test_a_listed_disk_access_is_kept() -> None:
    """Its ID is what a disk is compared with."""
    network = {"networkAccessPolicy": {"allowed_disk_accesses": [DISK_ACCESS_ID]}}
    rules = made(resources=on_disks(**network)).of(disk.GUARD)
    assert rules["networkAccessPolicy"].options == {"allowed_disk_accesses": (DISK_ACCESS_ID,)}


def test_an_option_of_a_registry_is_kept() -> None:
    """Here it closes even what nobody can reach privately."""
    rules = {REGISTRIES: {"publicNetworkAccess": {"when_unreachable": "revert"}}}
    settings_ = made(resources=rules).of(container_registry.GUARD)["publicNetworkAccess"]
    assert settings_ == RuleSettings(
        Mode.ENFORCE, ("Disabled",), options={"when_unreachable": "revert"}
    )


@pytest.mark.parametrize("cap", list(Mode))
@pytest.mark.parametrize("mode", list(Mode))
def test_the_policys_own_mode_caps_every_rule(cap: Mode, mode: Mode) -> None:
    """It never makes one stronger."""
    rules = made(mode=cap, resources=on_disks(publicNetworkAccess={"mode": mode})).of(disk.GUARD)
    order = list(Mode)
    weaker = order[min(order.index(cap), order.index(mode))]
    assert rules["publicNetworkAccess"].mode == weaker
    assert rules["dataAccessAuthMode"].mode == Mode.OFF


def test_the_hash_is_that_of_the_file() -> None:
    """An alert tells which policy decided; sha256sum of the file finds it."""
    text = "version: 1  # été\n"
    assert hashlib.sha256(text.encode()).hexdigest() == parse(text).hash


@settings(max_examples=25)
@given(POLICIES)
def test_every_policy_knows_every_guarded_type(parsed: policy.Policy) -> None:
    """And every rule of it, so that no look-up ends in an error."""
    found = {type_: set(rules) for type_, rules in parsed.types.items()}
    assert found == {guard.resource_type: {rule.id for rule in guard.rules} for guard in GUARDS}


@settings(max_examples=25)
@given(days=st.integers(0, 366), later=st.integers(0, 10_000))
def test_time_alone_never_makes_a_policy_unreadable(days: int, later: int) -> None:
    """What was read once is read on any later day, the exemption expired or not."""
    until = (START + timedelta(days=days)).isoformat()
    text = (
        "version: 1\nexemptions:\n- {scope: /subscriptions/*/resourceGroups/rg-x, reason: r, "
        "rules: [exportPolicy], owner: o, approved_by: a, ticket: t, "
        f"expires_on: '{until}'}}\n"
    )
    read_later = parse(text, START + timedelta(days=later))
    assert parse(text).exemptions == read_later.exemptions


@settings(max_examples=25)
@given(FILES)
def test_what_the_guard_reads_the_schema_accepts(file: Data) -> None:
    """An editor underlines nothing that is fine."""
    validator = jsonschema.Draft202012Validator(schema(GUARDS))
    validator.validate({"version": 1, **file})
