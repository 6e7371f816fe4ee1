"""Which export operations a role gives: wildcards, what is taken away, entries, casing."""

import re
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine import roles
from guards.engine.policy.scopes import matches
from guards.engine.roles import EXPORTS, Kind, Operation, definition, grants

DISKS = "Microsoft.Compute/disks/beginGetAccess/action"
SNAPSHOTS = "Microsoft.Compute/snapshots/beginGetAccess/action"
DOWNLOAD = "Microsoft.Compute/disks/download/action"
LISTS = ("actions", "notActions", "dataActions", "notDataActions")
LIST_OF = {Kind.ACTION: "actions", Kind.DATA_ACTION: "dataActions"}

type Entry = dict[str, list[str]]


def role(*permissions: Entry) -> dict[str, Any]:
    """A definition with these entries."""
    return {"roleName": "x", "permissions": list(permissions)}


def given_by(*permissions: Entry) -> set[str]:
    """The operations that a role with these entries gives."""
    return {one.operation for one in grants(role(*permissions))}


@st.composite
def covering(draw: st.DrawFn, operation: Operation) -> str:
    """The name with stars for some of it, or for nothing at all."""
    name = operation.name
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(name)))
        name = f"{name[:start]}*{name[draw(st.integers(start, len(name))) :]}"
    return name


OPERATIONS = st.sampled_from(EXPORTS)
OTHERS = st.sampled_from(
    ["*/read", "Microsoft.Compute/disks/write", "Microsoft.Compute", "Microsoft.Web/*", "a"]
)
PATTERNS = OTHERS | OPERATIONS.map(lambda one: one.name) | OPERATIONS.flatmap(covering)
ENTRIES = st.fixed_dictionaries(dict.fromkeys(LISTS, st.lists(PATTERNS, max_size=3)))
ROLES = st.lists(ENTRIES, max_size=3)


def covers(pattern: str, name: str) -> bool:
    """By the rules of file names, which are the same as long as there is no `?` and no `[`."""
    return re.fullmatch(translate(pattern.lower()), name.lower()) is not None


@settings(max_examples=100)
@given(ROLES)
def test_a_role_gives_what_some_entry_gives_and_does_not_take_away(entries: list[Entry]) -> None:
    """Azure's rule, written down once more with regular expressions."""
    wanted = set()
    for one in EXPORTS:
        name = "actions" if one.kind is Kind.ACTION else "dataActions"
        without = "notActions" if one.kind is Kind.ACTION else "notDataActions"
        for entry in entries:
            given_here = any(covers(p, one.name) for p in entry[name])
            if given_here and not any(covers(p, one.name) for p in entry[without]):
                wanted.add((one.name, one.kind))
    assert {(one.operation, one.kind) for one in grants(role(*entries))} == wanted


@settings(max_examples=50)
@given(ROLES.filter(bool), PATTERNS, st.sampled_from(["notActions", "notDataActions"]), st.data())
def test_taking_away_more_never_gives_more(
    entries: list[Entry], pattern: str, name: str, data: st.DataObject
) -> None:
    """In whichever entry."""
    before = given_by(*entries)
    data.draw(st.sampled_from(entries))[name].append(pattern)
    assert given_by(*entries) <= before


@settings(max_examples=50)
@given(OPERATIONS, st.data())
def test_what_an_exact_name_gives_every_wildcard_around_it_gives(
    operation: Operation, data: st.DataObject
) -> None:
    """And says that it was the wildcard."""
    name, pattern = LIST_OF[operation.kind], data.draw(covering(operation))
    (exact,) = grants(role({name: [operation.name]}))
    assert (exact.operation, exact.by) == (operation.name, operation.name)
    assert (operation.name, pattern) in {
        (one.operation, one.by) for one in grants(role({name: [pattern]}))
    }


@settings(max_examples=50)
@given(ROLES, st.randoms(use_true_random=False))
def test_casing_never_matters(entries: list[Entry], random: Any) -> None:
    """Of patterns, and of keys."""

    def mixed(text: str) -> str:
        return "".join(random.choice((c.lower(), c.upper())) for c in text)

    other = [{mixed(k): [mixed(one) for one in v] for k, v in entry.items()} for entry in entries]
    assert given_by(*other) == given_by(*entries)


@settings(max_examples=50)
@given(ROLES, st.randoms(use_true_random=False))
def test_order_never_matters(entries: list[Entry], random: Any) -> None:
    """Of entries and within them: the same grants, by the same patterns."""
    other = [{key: random.sample(v, len(v)) for key, v in entry.items()} for entry in entries]
    random.shuffle(other)
    assert grants(role(*other)) == grants(role(*entries))


def test_what_is_taken_away_in_one_entry_another_still_gives() -> None:
    """`notActions` is no deny, not even within one definition."""
    without = {"actions": ["Microsoft.Compute/*"], "notActions": ["*/beginGetAccess/action"]}
    assert DISKS not in given_by(without)
    assert DISKS in given_by(without, {"actions": ["*/disks/*"]})
    assert DISKS not in given_by(without, {"actions": ["*/read"], "notActions": []})


def test_actions_give_no_data_actions_and_the_other_way_round() -> None:
    """Owner cannot download by `*` alone, and `dataActions` make no link."""
    kinds = {one.name: one.kind for one in EXPORTS}
    assert {kinds[name] for name in given_by({"actions": ["*"]})} == {Kind.ACTION}
    assert {kinds[name] for name in given_by({"dataActions": ["*"]})} == {Kind.DATA_ACTION}
    assert DOWNLOAD in given_by({"dataActions": ["*"], "notActions": ["*"]})
    assert DISKS in given_by({"actions": ["*"], "notDataActions": ["*"]})


def test_the_pattern_that_is_named_is_the_one_that_says_most() -> None:
    """Whoever takes it out of the role sees the wider one next."""
    patterns = ["*", "Microsoft.Compute/*", DISKS.upper(), "*/disks/*"]
    by = {one.operation: one.by for one in grants(role({"actions": patterns}))}
    assert (by[DISKS], by[SNAPSHOTS]) == (DISKS.upper(), "Microsoft.Compute/*")


@pytest.mark.parametrize("patterns", [["*/disks/*", "*t/disks*"], [DISKS, DISKS.upper()]])
def test_of_patterns_that_say_as_much_the_same_one_is_named(patterns: list[str]) -> None:
    """Whichever comes first in the file."""
    one, other = (grants(role({"actions": order})) for order in (patterns, patterns[::-1]))
    assert one == other
    assert one[0].operation == DISKS


def test_a_pattern_of_an_entry_that_takes_it_away_is_not_named() -> None:
    """However much it says."""
    entries = ({"actions": [DISKS], "notActions": ["*/disks/*"]}, {"actions": ["*"]})
    assert {one.by for one in grants(role(*entries))} == {"*"}


@pytest.mark.parametrize("sign", ["\u212a", "\u017f"], ids=["Kelvin", "long s"])
def test_letters_that_only_unicode_calls_alike_take_nothing_away(sign: str) -> None:
    """Azure compares other letters as other letters; a look-alike must not hide a grant."""
    spoilt = DISKS.replace("k" if sign == "\u212a" else "s", sign)
    assert given_by({"actions": [DISKS], "notActions": [spoilt]}) == {DISKS}
    assert given_by({"actions": [spoilt]}) == set()


@pytest.mark.parametrize("pattern", ["*" * 1000, "*" * 50 + "e*" * 3 + "*" * 50])
def test_a_row_of_stars_is_a_star(pattern: str) -> None:
    """It gives everything of its kind that has what stands between the stars."""
    wanted = {one.name for one in EXPORTS if one.kind is Kind.ACTION}
    between = pattern.replace("*", "")
    assert given_by({"actions": [pattern]}) == {
        name for name in wanted if name.count("e") >= len(between)
    }


def test_thousands_of_hostile_patterns_are_each_looked_at_once_for_each_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pattern makes another one cost more; what one costs is tested with `matches`."""
    calls: list[str] = []

    def counted(glob: str, value: str) -> bool:
        calls.append(glob)
        return matches(glob, value)

    monkeypatch.setattr(roles, "matches", counted)
    hostile = [f"{'*s' * 500}{number}" for number in range(2000)]
    assert given_by({"actions": [*hostile, DISKS], "notActions": hostile}) == {DISKS}
    assert len(calls) <= len(EXPORTS) * 2 * (len(hostile) + 1)


def test_a_row_of_stars_costs_no_more_than_a_star() -> None:
    """It is compared as one and shown as it was written."""
    written = "*" * 900 + "a" + "*" * 50
    (entry,) = definition.entries(role({"actions": [written]}))
    (pattern,) = entry.actions
    assert (pattern.text, pattern.folded) == (written, "*a*")


def test_every_operation_says_what_it_allows() -> None:
    """A name of Azure's, once, and a sentence."""
    assert len({one.name.lower() for one in EXPORTS}) == len(EXPORTS)
    for one in EXPORTS:
        assert re.fullmatch(r"Microsoft\.[A-Za-z]+(/[A-Za-z]+)+/(action|write)", one.name)
        assert one.allows
    told = grants(role({"actions": ["*"], "dataActions": ["*"]}))
    assert [(one.operation, one.kind, one.allows) for one in told] == [
        (one.name, one.kind, one.allows) for one in EXPORTS
    ]
