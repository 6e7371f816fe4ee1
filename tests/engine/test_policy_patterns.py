"""Patterns of resource IDs: what they match, whether two can meet, and finding them quickly."""

import re
from fnmatch import translate
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine.ids import ResourceId
from guards.engine.policy.scopes import Index, Scope, _overlap, matches, parts_of
from tests.engine.policies import DISKS, REGISTRIES, SUB, disk_id
from tests.engine.samples import DISK_ID, SUBSCRIPTION

TYPES = [guard.resource_type for guard in GUARDS]
ONE_STAR = re.compile(r"\*+")

GLOBS = st.text("ab*", max_size=6).map(lambda glob: ONE_STAR.sub("*", glob))
VALUES = st.text("ab", max_size=8)
WORDS = ["".join(word) for n in range(7) for word in product("ab", repeat=n)]


def parse(text: str) -> Scope:
    """A scope of the real catalogue."""
    return Scope.parse(text, TYPES)


@settings(max_examples=75)
@given(GLOBS, VALUES)
def test_a_pattern_matches_what_a_file_name_pattern_would(glob: str, value: str) -> None:
    """`*` is any characters, none included; everything else is itself."""
    assert matches(glob, value) == bool(re.fullmatch(translate(glob), value))


@settings(max_examples=40)
@given(GLOBS, st.data())
def test_whatever_a_star_stands_for_matches(glob: str, data: st.DataObject) -> None:
    """Constructed from the pattern itself, with characters of any kind."""
    fill = st.text(st.characters(codec="utf-8"), max_size=5)
    value = "".join(data.draw(fill) if char == "*" else char for char in glob)
    assert matches(glob, value)


@pytest.mark.parametrize("special", ["a.b", "a(b)", "a-b", "a_b", "[ab]", "a?b", "a+b", "^a$"])
def test_nothing_but_the_star_is_special(special: str) -> None:
    """A dot is a dot."""
    assert matches(special, special)
    assert not matches(special, special.replace(special[1], "x"))


@settings(max_examples=75)
@given(GLOBS, GLOBS)
def test_two_patterns_meet_exactly_where_a_common_word_exists(one: str, other: str) -> None:
    """Tried with every word of up to six letters: if there is one, there is a short one."""
    short = one[:3], other[:3]
    common = any(matches(short[0], word) and matches(short[1], word) for word in WORDS)
    assert _overlap(*short) == _overlap(*short[::-1]) == common


@settings(max_examples=50)
@given(GLOBS, st.lists(VALUES, min_size=8, max_size=8), st.data())
def test_patterns_of_the_same_word_meet(glob: str, fills: list[str], data: st.DataObject) -> None:
    """Any two that were made from one word by putting stars into it."""
    word = "".join(fills.pop() if char == "*" else char for char in glob)
    start = data.draw(st.integers(0, len(word)))
    end = data.draw(st.integers(start, len(word)))
    other = f"{word[:start]}*{word[end:]}"
    assert matches(glob, word)
    assert matches(other, word)
    assert _overlap(glob, other)
    assert _overlap(other, glob)


_SCOPES = st.builds(
    lambda parts: Scope("/".join(parts), tuple(parts)),
    st.lists(GLOBS.filter(bool), min_size=1, max_size=4),
)


@settings(max_examples=50)
@given(st.lists(_SCOPES, max_size=12), st.lists(VALUES | GLOBS, max_size=4).map(tuple))
def test_the_index_finds_what_trying_every_scope_finds(
    scopes: list[Scope], parts: tuple[str, ...]
) -> None:
    """Once each, whatever the patterns, for a resource and for a pattern of resources."""
    index = Index((scope, number) for number, scope in enumerate(scopes))
    expected = [number for number, scope in enumerate(scopes) if scope.covers(parts)]
    assert sorted(index.find(parts)) == expected


@pytest.mark.parametrize("size", [1, 2000])
def test_the_index_keeps_entries_apart_however_many(size: int) -> None:
    """Each resource finds its own entry, and those for everything."""
    scopes = [parse(disk_id(group="g", name=f"d{n}-*x")) for n in range(size)]
    index = Index([*((scope, n) for n, scope in enumerate(scopes)), (parse(SUB), -1)])
    for n in range(0, size, 97):
        found = index.find(parts_of(ResourceId.parse(disk_id(group="G", name=f"D{n}-1x"))))
        assert sorted(found) == [-1, n]


@settings(max_examples=50)
@given(_SCOPES, _SCOPES, st.lists(VALUES, max_size=4).map(tuple))
def test_a_scope_within_another_holds_for_nothing_else(
    one: Scope, other: Scope, parts: tuple[str, ...]
) -> None:
    """What a pattern covers of another pattern it covers of everything that one covers."""
    if one.covers(other.parts) and other.covers(parts):
        assert one.covers(parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SUB, (SUBSCRIPTION,)),
        (f"{SUB.upper()}/RESOURCEGROUPS/RG-Data", (SUBSCRIPTION, "rg-data")),
        (
            DISK_ID.upper(),
            (SUBSCRIPTION, "rg-data", "microsoft.compute/disks", "ledger-disk"),
        ),
        ("/subscriptions/*/resourceGroups/a***b", ("*", "a*b")),
        (f"{SUB}/resourceGroups/größe-(1)*", (SUBSCRIPTION, "größe-(1)*")),
    ],
)
def test_a_scope_is_read_in_any_casing(text: str, parts: tuple[str, ...]) -> None:
    """As Azure compares IDs; several stars are one."""
    assert parse(text).parts == parts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a scope is /subscriptions/GUID"),
        ("*", "a scope is /subscriptions/GUID"),
        ("rg-data", "a scope is /subscriptions/GUID"),
        (SUB[1:], "a scope is /subscriptions/GUID"),
        (f"{SUB}/", "a scope is /subscriptions/GUID"),
        (f" {SUB}", "a scope is /subscriptions/GUID"),
        (f"{SUB}/resourceGroups", "a scope is /subscriptions/GUID"),
        (f"{SUB}/groups/x", "a scope is /subscriptions/GUID"),
        (f"{SUB}/resourceGroups/x/disks/Microsoft.Compute/disks/x", "a scope is /subscriptions/"),
        (f"{DISK_ID}/extra/part", "a scope is /subscriptions/GUID"),
        (f"/providers{SUB}", "a scope is /subscriptions/GUID"),
        ("/subscriptions/prod", "the subscription must be a whole GUID, or *"),
        (f"/subscriptions/{SUBSCRIPTION[:8]}*", "the subscription must be a whole GUID, or *"),
        (f"{SUB}/resourceGroups/", "that is no name of a resource group"),
        (f"{SUB}/resourceGroups/a b", "that is no name of a resource group"),
        (f"{SUB}/resourceGroups/a.", "that is no name of a resource group"),
        (f"{SUB}/resourceGroups/{'a' * 91}", "that is no name of a resource group"),
        (f"{SUB}/resourceGroups/[ab]", "that is no name of a resource group"),
        (DISK_ID.replace(DISKS, "Microsoft.Web/sites"), f"not a guarded type; allowed: {DISKS}"),
        (DISK_ID.replace(DISKS, "Microsoft.Compute/*"), f"not a guarded type; allowed: {DISKS}"),
        (disk_id(name=""), "that is no resource name"),
        (disk_id(name="a b"), "that is no resource name"),
        (disk_id(name="a%2fb"), "that is no resource name"),
        (disk_id(name="x" * 261), "that is no resource name"),
        (disk_id(name="a*" * 9), "at most 8 * in a part"),
        (f"{SUB}/{'x' * 2000}", "too long"),
        ("/subscriptions/*", "matches everything; name a subscription, or part of a group's"),
        ("/subscriptions/**", "matches everything"),
        ("/subscriptions/*/resourceGroups/*", "matches everything"),
        (f"/subscriptions/*/resourceGroups/*/providers/{DISKS}/*", "matches everything"),
        (f"/subscriptions/*/resourceGroups/***/providers/{REGISTRIES}/**", "matches everything"),
    ],
)
def test_what_is_no_scope_is_refused_with_what_one_looks_like(text: str, told: str) -> None:
    """Neither a part of a GUID, nor another type, nor everything."""
    with pytest.raises(ValueError, match="^" + re.escape(told)):
        parse(text)


@settings(max_examples=50)
@given(st.text(max_size=80) | st.text("/*a", max_size=40).map(SUB.__add__))
def test_any_text_is_a_scope_or_refused(text: str) -> None:
    """Nothing else is raised, and what is read does not match everything."""
    try:
        scope = parse(text)
    except ValueError:
        return
    assert not scope.covers(("0", "0", "microsoft.compute/disks", "0"))
