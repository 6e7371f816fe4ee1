"""What a policy may say of a rule hangs on its kind: a setting, a state, or what is only told."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import disk
from guards.engine import policy
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Kind, Mode, Rule, RuleSettings, Severity
from guards.engine.policy import Policy, PolicyError
from guards.engine.policy.changes import loosened
from guards.engine.policy.settings import laid, loosest, of_profile, strictest
from guards.engine.policy.shape import Profile, schema
from tests.engine.policies import SUB, Data, exemption, rules_of, tag
from tests.engine.samples import ALICE_ID, GROUP
from tests.fakes import START

LID = Rule(
    id="lid",
    path="properties.lid",
    values=("Shut", "Ajar", "Open"),
    allowed=("Shut",),
    desired="Shut",
    when_absent="Open",
    severity=Severity.HIGH,
    options=(("export_pipelines", "audit"),),
)
LOCKED = replace(
    LID, id="locked", values=("true", "false"), allowed=("true",), desired="true",
    when_absent="false", boolean=True, options=(),
)  # fmt: skip
LEAKY = replace(
    LOCKED, id="leaky", values=("false", "true"), allowed=("false",), desired="false",
    default_mode=Mode.OFF,
)  # fmt: skip
LINK = Rule(
    id="link",
    path="properties.state",
    values=("None", "Out"),
    allowed=("None",),
    desired="None",
    when_absent="None",
    severity=Severity.CRITICAL,
    options=(("unknown_granter", "report"),),
    kind=Kind.STATE,
)
GUESTS = replace(
    LINK, id="guests", options=(), default_mode=Mode.OFF, kind=Kind.REPORTED, desired="few"
)

SAFES, DRAWERS = "Microsoft.Test/safes", "Microsoft.Test/safes/drawers"
ROLES, OTHER_ROLES = "Microsoft.Authorization/roleAssignments", "Microsoft.Test/roleAssignments"
SAFE = replace(disk.GUARD, resource_type=SAFES, rules=(LID, LOCKED, LEAKY, LINK, GUESTS))
DRAWER = replace(SAFE, resource_type=DRAWERS, rules=(LID, LINK, GUESTS))
ROLE = replace(SAFE, resource_type=ROLES, rules=(GUESTS,))
CATALOGUE: tuple[Guard, ...] = (
    SAFE,
    DRAWER,
    replace(SAFE, resource_type=f"{DRAWERS}/files", rules=(GUESTS,)),
    ROLE,
    replace(ROLE, resource_type=OTHER_ROLES, rules=(LID,)),
)


def made(**keys: Any) -> Policy:
    """A policy of these top-level keys for this catalogue."""
    return policy.parse(f"version: 1\n{rules_of(**keys)}\n", CATALOGUE, START)


def on_safes(**rules: Data) -> Policy:
    """A policy that says this of safes."""
    return made(resources={SAFES: rules})


def wrong(**keys: Any) -> str:
    """What is said of a policy with mistakes."""
    with pytest.raises(PolicyError) as refused:
        made(**keys)
    return str(refused.value)


def wrong_of_safes(**rules: Data) -> str:
    """What is said of a policy that says this of safes."""
    return wrong(resources={SAFES: rules})


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("lid", "mode, allowed, export_pipelines, satisfied_by"),
        ("locked", "mode, allowed, satisfied_by"),
        ("link", "mode, unknown_granter"),
        ("guests", "mode"),
    ],
)
def test_a_rule_has_the_keys_of_its_kind(rule: str, keys: str) -> None:
    """What is fine can only be said of a setting."""
    told = wrong_of_safes(**{rule: {"x": 1}})
    assert f"resources.{SAFES}.{rule}.x: unknown; allowed: {keys}\n" in f"{told}\n"


@pytest.mark.parametrize("other", ["lid", "link", "guests", "*"])
def test_only_another_setting_can_be_enough(other: str) -> None:
    """A link that is not out makes no open lid fine."""
    told = wrong_of_safes(lid={"satisfied_by": [other]})
    assert f"lid.satisfied_by[0]: '{other}' is not allowed; allowed: 'locked' or 'leaky'" in told
    settings = on_safes(lid={"satisfied_by": ["locked"]}).of(SAFE)["lid"]
    assert settings.satisfied_by == ("locked",)


def test_a_setting_alone_among_other_kinds_has_none_to_be_satisfied_by() -> None:
    """The key is not there at all."""
    told = wrong(resources={DRAWERS: {"lid": {"satisfied_by": []}}})
    assert "lid.satisfied_by: unknown; allowed: mode, allowed, export_pipelines" in told


@pytest.mark.parametrize("word", ["off", "audit"])
def test_what_is_only_told_has_two_modes(word: str) -> None:
    """And a bare off is one of them."""
    text = f"version: 1\nresources: {{{SAFES}: {{guests: {{mode: {word}}}}}}}\n"
    assert policy.parse(text, CATALOGUE, START).of(SAFE)["guests"].mode == Mode(word)


def test_what_the_guard_cannot_change_cannot_be_enforced() -> None:
    """Whoever writes it learns so now, and not from a resource that stays open."""
    text = f"version: 1\nresources:\n  {SAFES}:\n    guests:\n      mode: enforce\n"
    with pytest.raises(PolicyError) as refused:
        policy.parse(text, CATALOGUE, START)
    assert str(refused.value) == (
        f"line 5: resources.{SAFES}.guests.mode: the guard cannot change this, only tell of it; "
        "allowed: 'off' or 'audit' (found 'enforce')"
    )
    told = wrong_of_safes(guests={"mode": "enforced"})
    assert "guests.mode: 'enforced' is not allowed; allowed: 'off' or 'audit'" in told


REPORTED = replace(GUESTS, default_mode=Mode.ENFORCE, minimum=(("mode", Mode.ENFORCE),))


@pytest.mark.parametrize("profile", list(Profile))
def test_no_profile_enforces_what_is_only_told(profile: Profile) -> None:
    """Not even if its guard were to say so."""
    guard = replace(SAFE, rules=(REPORTED,))
    assert of_profile(guard, profile)["guests"].mode is Mode.AUDIT


_MODES = st.sampled_from(list(Mode))


@given(st.sampled_from([None, "off", "audit"]), _MODES, _MODES, st.booleans())
def test_no_scope_enforces_what_is_only_told(
    named: str | None, everywhere: Mode, there: Mode, may: bool
) -> None:
    """A scope or a tag with `mode: enforce` takes a cap away; it never makes a mode stronger."""
    rules = {SAFES: {"guests": {"mode": named}, "lid": {"mode": "enforce"}}} if named else {}
    parsed = made(
        mode=everywhere,
        resources=rules,
        tags_may_exempt=may,
        scopes=[
            {"scope": GROUP, "mode": there, "profile": "strict", "resources": rules},
            {"tag": tag("a", "b"), "mode": "enforce", "resources": rules},
        ],
    )
    safe = ResourceId.parse(f"{GROUP}/providers/{SAFES}/one")
    for tags in ({}, {"a": "b"}):
        found = parsed.applied(SAFE, safe, {"tags": tags}).rules
        assert found["guests"].mode.capped(Mode.AUDIT) is found["guests"].mode
    assert found["lid"].mode is Mode.ENFORCE


def test_what_is_fine_of_a_state_is_the_rules_own() -> None:
    """However settings are laid over one another."""
    rules = on_safes(link={"mode": "audit"}, guests={"mode": "audit"}).of(SAFE)
    assert rules["link"] == RuleSettings(
        Mode.AUDIT, ("None",), options={"unknown_granter": "report"}
    )
    assert rules["guests"] == RuleSettings(Mode.AUDIT, ("None",))  # and not `few`, its `desired`
    below = of_profile(SAFE, Profile.STRICT)
    assert laid(SAFE, below, {"link": {"allowed": ["Out"]}})["link"].allowed == ("None",)
    assert laid(SAFE, below, {"lid": {"allowed": ["Ajar"]}})["lid"].allowed == ("Shut", "Ajar")


@pytest.mark.parametrize(
    ("rule", "option", "lax", "strict"),
    [
        ("link", "unknown_granter", "report", "revoke"),
        ("lid", "export_pipelines", "audit", "delete"),
    ],
)
def test_an_option_is_one_of_two_words(rule: str, option: str, lax: str, strict: str) -> None:
    """The laxer one is meant without a word; of two the stricter one counts for a tag."""
    quiet, loud = made(), on_safes(**{rule: {option: strict}})
    assert quiet.of(SAFE)[rule].options == {option: lax}
    assert loud.of(SAFE)[rule].options == {option: strict}
    both = [quiet.of(SAFE), loud.of(SAFE)]
    for pair in (both, both[::-1]):
        assert strictest(pair)[rule].options == {option: strict}
        assert loosest(pair)[rule].options == {option: lax}
    assert loosened(loud, quiet, START) == [f"{SAFES} {rule}: {option} {strict} to {lax}"]
    assert loosened(quiet, loud, START) == []
    told = wrong_of_safes(**{rule: {option: "ask"}})
    assert f"{rule}.{option}: 'ask' is not allowed; allowed: '{lax}' or '{strict}'" in told


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "'true'"])
def test_a_boolean_may_be_written_as_one(value: str) -> None:
    """With quotes or without; it is kept as the text that bodies are compared with."""
    text = f"version: 1\nresources: {{{SAFES}: {{locked: {{allowed: [{value}]}}}}}}\n"
    assert policy.parse(text, CATALOGUE, START).of(SAFE)["locked"].allowed == ("true",)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("locked", False),
        ("locked", "false"),
        ("locked", 1),
        ("locked", None),
        ("locked", "yes"),
        ("leaky", True),
        ("leaky", "true"),
        ("lid", True),
        ("lid", "Open"),
    ],
)
def test_the_open_value_of_a_boolean_cannot_be_listed_either(rule: str, value: object) -> None:
    """It is what Azure means where nothing is set, or else the one that the rule does not want."""
    assert f"{rule}.allowed[0]: " in wrong_of_safes(**{rule: {"allowed": [value]}})


@pytest.mark.parametrize("value", [False, "false"])
def test_a_boolean_that_is_closed_where_nothing_is_set_can_be_listed(value: object) -> None:
    """Here false is fine, and Azure's own default."""
    assert on_safes(leaky={"allowed": [value]}).of(SAFE)["leaky"].allowed == ("false",)


def test_the_schema_says_the_same_as_the_guard() -> None:
    """An editor underlines what would be refused, and nothing else."""
    known = jsonschema.Draft202012Validator(schema(CATALOGUE))
    fine: list[Data] = [
        {"locked": {"allowed": ["true"]}},
        {"locked": {"allowed": [True]}},
        {"leaky": {"allowed": [False], "mode": "enforce"}},
        {"link": {"mode": "enforce", "unknown_granter": "revoke"}},
        {"guests": {"mode": "audit"}},
    ]
    refused: list[Data] = [
        {"locked": {"allowed": [False]}},
        {"locked": {"allowed": [1]}},
        {"lid": {"allowed": [True]}},
        {"lid": {"satisfied_by": ["link"]}},
        {"link": {"allowed": []}},
        {"link": {"satisfied_by": []}},
        {"guests": {"mode": "enforce"}},
        {"guests": {"allowed": []}},
    ]
    for rules in fine:
        on_safes(**rules)
        known.validate({"version": 1, "resources": {SAFES: rules}})
    for rules in refused:
        wrong_of_safes(**rules)
        assert not known.is_valid({"version": 1, "resources": {SAFES: rules}}), rules


def test_every_model_has_a_name_of_its_own() -> None:
    """Types may end in the same word."""
    names = schema(CATALOGUE)["$defs"]
    for guard in CATALOGUE:
        whole = guard.resource_type.replace("/", "_").replace(".", "_")
        assert whole in names
        assert {f"{whole}_{rule.id}" for rule in guard.rules} <= set(names)
    assert not [name for name in names if "__" in name]


def test_every_type_has_settings_and_routes_and_exemptions() -> None:
    """Also what lies within a resource, and in any casing."""
    route = {"type": [DRAWERS.upper(), ROLES], "channels": ["x"]}
    parsed = made(
        resources={DRAWERS.lower(): {"guests": {"mode": "audit"}}, ROLES: {"guests": {}}},
        notify={"routes": [route]},
        exemptions=[exemption(rules=["guests", "lid"])],
    )
    assert parsed.of(DRAWER)["guests"].mode is Mode.AUDIT
    assert parsed.notify.routes[0].types == (DRAWERS.lower(), ROLES.lower())
    drawer = ResourceId.parse(f"{GROUP}/providers/Microsoft.Test/safes/one/drawers/two")
    (one,) = parsed.applied(DRAWER, drawer, {}).exemptions
    assert one.counts("guests", START)


def test_a_scope_names_a_resource_and_nothing_within_one() -> None:
    """What lies within belongs to its group, to which a scope can be given."""
    deep = f"{GROUP}/providers/Microsoft.Test/safes/one/drawers/two"
    told = wrong(scopes=[{"scope": deep, "mode": "audit"}])
    assert "scopes[0].scope: a scope is /subscriptions/GUID" in told
    other = f"{GROUP}/providers/Microsoft.Web/sites/x"
    told = wrong(scopes=[{"scope": other, "mode": "audit"}])
    assert f"not a guarded type; allowed: {SAFES}, {ROLES}, {OTHER_ROLES} (found " in told
    parsed = made(
        scopes=[
            {"scope": GROUP, "resources": {DRAWERS: {"lid": {"mode": "audit"}}}},
            {"scope": f"{GROUP}/providers/{SAFES}/*", "mode": "off"},
        ]
    )
    assert parsed.applied(DRAWER, ResourceId.parse(deep), {}).rules["lid"].mode is Mode.AUDIT


def test_a_role_of_a_whole_subscription_can_be_exempted_by_itself() -> None:
    """It is in no group; `*` stands for none as well, a name with letters does not."""
    role, other = (
        ResourceId.parse(f"{SUB}/providers/{ROLES}/{number}{ALICE_ID[1:]}") for number in (1, 2)
    )
    for group, covered in (("*", True), ("r*", False), ("*r*", False)):
        scope = f"{SUB}/resourceGroups/{group}/providers/{ROLES}/{role.name}"
        parsed = made(exemptions=[exemption(scope=scope, rules=["guests"])])
        assert bool(parsed.applied(ROLE, role, {}).exemptions) is covered
        assert not parsed.applied(ROLE, other, {}).exemptions
