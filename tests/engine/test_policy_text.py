"""YAML as the policy reads it: nothing loose, nothing executed, nothing that ends the process."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine.policy import PolicyError, text
from tests.engine.policies import exemption, mistakes, parse, rules_of, tag
from tests.engine.samples import GROUP

LOADERS = pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "empty; at least `version: 1` is needed"),
        ("# only a remark\n", "empty; at least `version: 1` is needed"),
        ("just text", "line 1: policy: a mapping with `version: 1`"),
        ("[]", "line 1: policy: a mapping with `version: 1`"),
        ("- version: 1", "line 1: policy: a mapping with `version: 1`"),
        ("~", "line 1: policy: a mapping with `version: 1`"),
        ("version: 1\nscopes: [", "line 3: policy: not YAML"),
        ("version: 1\n  mode: audit", "line 2: policy: not YAML"),
        ("version: 1\nmode: 'audit", "policy: not YAML"),
        ("version: 1\n\tmode: audit", "line 2: policy: not YAML"),
        ("a: \x00", "policy: not YAML"),
        ("a: \ud800", "policy: not YAML"),
        ("version: 1\n---\nmode: off", "line 2: policy: a second document begins here"),
        ("mode: &m audit", "line 1: mode: anchors and aliases are not read"),
        ("&a [*a]", "line 1: [0]: anchors and aliases are not read"),
        ("a: &a {b: 1}\nc: *a", "line 2: c: anchors and aliases are not read; write the settings"),
        ("a: !!python/object/apply:os.system [id]", "line 1: a: the tag tag:yaml.org,2002:python"),
        ("version: !!int 1", "line 1: version: the tag tag:yaml.org,2002:int is not read"),
        ("mode: !secret x", "line 1: mode: the tag !secret is not read"),
        ("resources:\n  <<: {}", "line 2: resources: the merge key << is not read"),
        ("? [a]\n: b", "line 1: policy: a key must be a word"),
        ("? {a: b}\n: c", "line 1: policy: a key must be a word"),
    ],
)
def test_what_is_loose_in_yaml_is_refused_with_its_line(content: str, told: str) -> None:
    """Nothing is guessed, resolved or constructed."""
    assert told in "\n".join(mistakes(content))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version: 1\nversion: 1", "line 2: version: stands there twice"),
        (
            "version: 1\nscopes:\n- tag: {name: a, values: [b]}\n  mode: enforce\n  mode: 'off'",
            "line 5: scopes[0].mode: stands there twice",
        ),
        ("{version: 1, mode: 'off', mode: enforce}", "line 1: mode: stands there twice"),
    ],
)
def test_a_key_that_stands_twice_is_a_mistake(content: str, told: str) -> None:
    """YAML would let the last one win without a word; its line is told."""
    assert mistakes(content) == [told]


@LOADERS
@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "[{", "{a: ", "a: ["])
def test_a_nesting_bomb_is_refused_in_a_sentence(
    opening: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million brackets end neither the recursion nor the process."""
    monkeypatch.setattr(text, "_LOADER", getattr(yaml, loader))
    content = opening * (1_000_000 // len(opening))
    (told,) = mistakes(content) if opening != "? " else mistakes(content)[-1:]
    assert "nested more than 32 levels deep" in told or "not YAML" in told


@pytest.mark.parametrize("size", [(1 << 20) + 1, 5 * 1024 * 1024])
def test_more_than_a_mebibyte_is_not_read(size: int) -> None:
    """Whatever it holds."""
    (told,) = mistakes("version: 1\n#" + "x" * (size - 12))
    assert told == f"policy: {size:,} bytes; at most 1,048,576 are read"


def test_a_mebibyte_is_read() -> None:
    """The limit itself is still fine."""
    start = "version: 1\n#"
    assert parse(start + "x" * ((1 << 20) - len(start))).exemptions == ()


@LOADERS
def test_a_thousand_mistakes_are_told_in_order_as_far_as_anyone_reads(
    loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines count from one; a file of another kind has a mistake on every line."""
    monkeypatch.setattr(text, "_LOADER", getattr(yaml, loader))
    told = mistakes("version: 1\n" + "".join(f"k{n}: 1\n" for n in range(1000)))
    *first, last = told
    assert [line.split(":")[0] for line in first] == [f"line {n}" for n in range(2, 202)]
    assert last == "policy: and 800 mistakes more"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-12-31", "2026-12-31"),
        ("off", "off"),
        ("yes", "yes"),
        ("1e3", "1e3"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("12", 12),
        ("-3", -3),
        ("'12'", "12"),
        ('"true"', "true"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_words_stay_words(written: str, read: object) -> None:
    """Only whole numbers, true, false and nothing are more than text, and only unquoted."""
    assert text.load(f"key: {written}").data == {"key": read}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("scopes",), 3),
        (("scopes", 0), 4),
        (("scopes", 0, "MODE"), 5),
        (("scopes", 1), 6),
        (("scopes", 1, "resources"), 6),
        (("nothing",), 2),
    ],
)
def test_every_place_has_a_line(path: text.Path, line: int) -> None:
    """Its own, or that of the nearest thing around it."""
    content = "# a remark\nversion: 1\nscopes:\n- scope: a\n  mode: off\n- {scope: b}\n"
    assert text.load(content).line(path) == line


_KEYS = st.sampled_from(
    ["version", "mode", "profile", "resources", "scopes", "exemptions", "tags_may_exempt", "scope"]
    + ["tag", "name", "values", "rules", "reason", "owner", "approved_by", "ticket", "expires_on"]
    + [guard.resource_type for guard in GUARDS]
    + [rule.id for guard in GUARDS for rule in guard.rules]
    + ["allowed", "satisfied_by", "allowed_disk_accesses", "when_unreachable"]
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from(["off", "audit", "strict", "DenyAll", "0001-01-01", "9999-12-31", GROUP, "*"])
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_WHOLE: dict[str, Any] = {
    "mode": "audit",
    "resources": {guard.resource_type: {} for guard in GUARDS},
    "scopes": [{"scope": GROUP, "mode": "audit"}, {"tag": tag("a", "b"), "mode": "enforce"}],
    "exemptions": [exemption()],
    "tags_may_exempt": True,
}


def is_policy_or_mistake(content: str) -> None:
    """Nothing but these two, and no mistake without a word."""
    try:
        parsed = parse(content)
    except PolicyError as e:
        told = e.mistakes
    else:
        told = [text.Mistake(0, "none", "none")]
        assert {guard.resource_type for guard in GUARDS} == set(parsed.types)
    assert told
    assert all(mistake.place and mistake.text for mistake in told)


@settings(max_examples=40)
@given(st.text(max_size=60) | st.text(max_size=60).map("version: 1\nresources: {}".format))
def test_any_text_is_a_policy_or_a_named_mistake(content: str) -> None:
    """No file whatever raises anything else."""
    is_policy_or_mistake(content)


@settings(max_examples=50)
@given(_KEYS, _TREES)
def test_any_value_anywhere_is_a_policy_or_a_named_mistake(key: str, value: Any) -> None:
    """Also where the YAML is fine and the shape is not: `scopes: 5`."""
    is_policy_or_mistake(f"version: 1\n{rules_of(**{**_WHOLE, key: value})}")


@settings(max_examples=50)
@given(st.sampled_from(["scopes", "exemptions"]), _KEYS, _TREES)
def test_any_value_in_an_entry_is_a_policy_or_a_named_mistake(
    entries: str, key: str, value: Any
) -> None:
    """The same one level deeper."""
    (first, *rest) = _WHOLE[entries]
    changed = {**_WHOLE, entries: [{**first, key: value}, *rest]}
    is_policy_or_mistake(f"version: 1\n{rules_of(**changed)}")


@settings(max_examples=40)
@given(st.integers(0, 600), st.integers(0, 30), st.text(max_size=3))
def test_a_policy_cut_anywhere_is_a_policy_or_a_named_mistake(at: int, size: int, put: str) -> None:
    """Half a file, or a slip of the hand in a good one."""
    content = f"version: 1\n{rules_of(**_WHOLE)}"
    is_policy_or_mistake(content[:at] + put + content[at + size :])
