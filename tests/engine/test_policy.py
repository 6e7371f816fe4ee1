"""policy.yaml: strict by default, every mistake named, and never "no policy" by accident."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS, container_registry, disk, snapshot
from guards.engine import policy
from guards.engine.model import Mode
from guards.engine.policy import Policy, PolicyError
from tests.engine.samples import DISK_ACCESS_ID, DISK_ID


def parse(text: str) -> Policy:
    """A policy for the real catalogue."""
    return policy.parse(text, GUARDS)


def one(rule: str, setting: str, type_: str = "Microsoft.Compute/disks") -> str:
    """A policy with one setting."""
    return f"version: 1\nresources:\n  {type_}:\n    {rule}: {{{setting}}}\n"


def mistakes(text: str) -> list[str]:
    """The lines that say what is wrong."""
    with pytest.raises(PolicyError) as refused:
        parse(text)
    return str(refused.value).splitlines()


def test_what_the_file_does_not_name_keeps_the_strict_default() -> None:
    """An empty policy guards everything that is on by default."""
    strict = policy.default(GUARDS)
    for guard in (disk.GUARD, snapshot.GUARD):
        modes = {rule: settings.mode for rule, settings in strict.of(guard).items()}
        assert modes == {
            "networkAccessPolicy": Mode.ENFORCE,
            "publicNetworkAccess": Mode.ENFORCE,
            "dataAccessAuthMode": Mode.OFF,
        }
        assert list(strict.of(guard)["networkAccessPolicy"].options["allowed_disk_accesses"]) == []
    registry = strict.of(container_registry.GUARD)
    assert {Mode.ENFORCE} == {settings.mode for settings in registry.values()}
    assert registry["publicNetworkAccess"].options["when_unreachable"] == "block"


def test_the_shipped_policy_means_the_same_as_an_empty_one() -> None:
    """policy.yaml shows the defaults and changes none."""
    shipped = parse((Path(__file__).parents[2] / "policy.yaml").read_text())
    assert {name: dict(rules) for name, rules in _plain(policy.default(GUARDS)).items()} == _plain(
        shipped
    )


def _plain(parsed: Policy) -> dict[str, dict[str, object]]:
    return {
        type_: {
            rule: (
                settings.mode,
                {
                    key: list(v) if isinstance(v, (list, tuple)) else v
                    for key, v in settings.options.items()
                },
            )
            for rule, settings in rules.items()
        }
        for type_, rules in parsed.types.items()
    }


@pytest.mark.parametrize("word", ["off", "'off'", "OFF", "no", "false"])
def test_a_bare_off_is_off(word: str) -> None:
    """YAML reads a bare off as false; the guard reads what was meant."""
    rules = parse(one("publicNetworkAccess", f"mode: {word}")).of(disk.GUARD)
    assert rules["publicNetworkAccess"].mode == Mode.OFF


@pytest.mark.parametrize("word", ["on", "true", "Enforce", "enforced", "1", "[]", "''", "deny"])
def test_a_mode_nobody_knows_is_a_mistake(word: str) -> None:
    """It is not taken for the nearest one."""
    (line,) = mistakes(one("publicNetworkAccess", f"mode: {word}"))
    assert "publicNetworkAccess" in line
    assert "audit" in line


def test_types_are_found_in_any_casing() -> None:
    """As Azure writes them, sometimes."""
    text = one("publicNetworkAccess", "mode: audit", type_="microsoft.compute/DISKS")
    assert parse(text).of(disk.GUARD)["publicNetworkAccess"].mode == Mode.AUDIT


def test_a_listed_disk_access_is_kept() -> None:
    """Its ID is what a disk is compared with."""
    text = one("networkAccessPolicy", f"allowed_disk_accesses: [{DISK_ACCESS_ID}]")
    options = parse(text).of(disk.GUARD)["networkAccessPolicy"].options
    assert list(options["allowed_disk_accesses"]) == [DISK_ACCESS_ID]


@pytest.mark.parametrize("entry", [DISK_ID, "'*'", "''", f"{DISK_ACCESS_ID}/", "5", "null", "[x]"])
def test_what_is_no_disk_access_is_refused(entry: str) -> None:
    """A typing mistake does not open every disk, or none."""
    (line, *_) = mistakes(one("networkAccessPolicy", f"allowed_disk_accesses: [{entry}]"))
    assert "allowed_disk_accesses" in line


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            one("exportPolicy", "mode: off"),
            "resources.Microsoft.Compute/disks.exportPolicy: no such rule",
        ),
        (one("publicNetworkAccess", "when_unreachable: revert"), "this rule has no such key"),
        (one("publicNetworkAccess", "modes: off"), "modes"),
        (
            one("x", "mode: off", "Microsoft.Web/sites"),
            "resources.Microsoft.Web/sites: not a guarded type",
        ),
        ("version: 2", "version"),
        ("version: '1'", "version"),
        ("resources: {}", "version"),
        ("version: 1\nresource: {}", "resource"),
        ("version: 1\nresources: []", "resources"),
        ("version: 1\nresources: {Microsoft.Compute/disks: 5}", "Microsoft.Compute/disks"),
        ("[]", "policy"),
        ("", "policy"),
        ("just text", "policy"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("x" * 2_000_000, "at most"),
        ("&a [*a]", "policy"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_with_its_place(text: str, word: str) -> None:
    """Nothing is guessed: the reader says what is wrong and where."""
    assert word in "\n".join(mistakes(text))


def test_every_mistake_is_told_at_once() -> None:
    """One look at the message is enough to mend the file."""
    text = (
        "version: 1\nresources:\n"
        "  Microsoft.Compute/disks:\n"
        "    exportPolicy: {mode: audit}\n"
        "    publicNetworkAccess: {when_unreachable: block}\n"
        "  Microsoft.Web/sites: {}\n"
        "  Microsoft.ContainerRegistry/registries: {nothing: {}}\n"
    )
    assert len(mistakes(text)) == 4


def test_mistakes_of_values_and_of_names_are_told_at_once() -> None:
    """Also where one mistake is a wrong value and the other a wrong name."""
    text = (
        "version: 1\nresources:\n"
        "  Microsoft.Compute/disks:\n"
        "    publicNetworkAccess: {mode: wrong}\n"
        "    exportPolicy: {mode: audit}\n"
    )
    assert len(mistakes(text)) == 2


def test_a_type_named_twice_is_a_mistake() -> None:
    """In two casings, one of them would count without a word about the other."""
    text = (
        "version: 1\nresources:\n"
        "  Microsoft.Compute/disks: {publicNetworkAccess: {mode: enforce}}\n"
        "  microsoft.compute/disks: {publicNetworkAccess: {mode: 'off'}}\n"
    )
    assert "disks" in "\n".join(mistakes(text))


def test_the_hash_is_that_of_the_file() -> None:
    """An alert tells which policy decided; sha256sum of the file finds it."""
    text = "version: 1  # été\n"
    assert hashlib.sha256(text.encode()).hexdigest() == parse(text).hash


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text(max_size=60).map("version: 1\nresources: {}".format))
def test_any_text_is_a_policy_or_a_named_mistake(text: str) -> None:
    """No file whatever raises anything else."""
    try:
        parsed = parse(text)
    except PolicyError:
        return
    assert {guard.resource_type for guard in GUARDS} == set(parsed.types)


def test_a_key_that_stands_twice_is_a_mistake() -> None:
    """YAML would let the last one win without a word; its line is told."""
    text = (
        "version: 1\nresources:\n  Microsoft.Compute/disks:\n    publicNetworkAccess:\n"
        "      mode: audit\n      mode: enforce\n"
    )
    (told,) = mistakes(text)
    assert "line 6: 'mode' stands there twice" in told
