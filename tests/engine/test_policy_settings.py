"""Settings laid over each other, and which of two are stricter."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine.model import Body, Guard, Kind, Mode, Rule, RuleSettings, TypePolicy
from guards.engine.policy.settings import capped, laid, looser, of_profile, strictest
from guards.engine.policy.shape import Profile
from tests.engine.samples import DISK_ACCESS_ID, disk, registry

OTHER_ACCESS = DISK_ACCESS_ID.replace("backup", "archive")


def _some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True) if values else st.just([])


def possible(rule: Rule, mode: Mode) -> bool:
    """Whether a file may give the rule this mode."""
    return rule.kind is not Kind.REPORTED or mode is not Mode.ENFORCE


def _fine(guard: Guard, rule: Rule) -> dict[str, st.SearchStrategy[Any]]:
    """What a file may say of a setting: values, and other settings that are enough."""
    others = [one.id for one in guard.rules if one is not rule and one.kind is Kind.SETTING]
    closed = [value for value in rule.values if value != rule.when_absent]
    values = rule.allowed if rule.when_absent in rule.allowed else closed
    return {"allowed": _some(values), "satisfied_by": _some(others)}


def _named(guard: Guard) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Settings as a file could name them for a type."""
    options: dict[str, st.SearchStrategy[Any]] = {
        "allowed_disk_accesses": _some([DISK_ACCESS_ID, DISK_ACCESS_ID.upper(), OTHER_ACCESS]),
        "when_unreachable": st.sampled_from(["block", "revert"]),
        "unknown_granter": st.sampled_from(["report", "revoke"]),
        "export_pipelines": st.sampled_from(["audit", "delete"]),
    }
    rules = {
        rule.id: st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from([mode for mode in Mode if possible(rule, mode)]),
                **(_fine(guard, rule) if rule.kind is Kind.SETTING else {}),
                **{name: options[name] for name, _ in rule.options},
            },
        )
        for rule in guard.rules
    }
    return st.fixed_dictionaries({}, optional=rules)


@st.composite
def typed(draw: st.DrawFn, count: int) -> tuple[Guard, list[TypePolicy]]:
    """A type, and so many settings for it."""
    guard = draw(st.sampled_from(GUARDS))
    profile = st.sampled_from(list(Profile))
    return guard, [
        laid(guard, of_profile(guard, draw(profile)), draw(_named(guard))) for _ in range(count)
    ]


@st.composite
def changed(draw: st.DrawFn) -> tuple[Guard, TypePolicy, TypePolicy]:
    """A type, settings for it, and what became of them after some of them were changed."""
    guard, (old,) = draw(typed(1))
    return guard, old, laid(guard, old, draw(_named(guard)))


def plain(rules: TypePolicy) -> dict[str, object]:
    """What settings mean: lists are sets, whatever their casing."""

    def words(values: Any) -> object:
        listed = isinstance(values, (list, tuple))
        return frozenset(value.lower() for value in values) if listed else values

    return {
        name: (
            rule.mode,
            words(rule.allowed),
            words(rule.satisfied_by),
            {option: words(value) for option, value in rule.options.items()},
        )
        for name, rule in rules.items()
    }


@settings(max_examples=50)
@given(typed(3))
def test_the_strictest_is_the_same_in_any_order(drawn: tuple[Guard, list[TypePolicy]]) -> None:
    """Commutative, associative, idempotent: so many tags may apply in any order."""
    _, (one, two, three) = drawn
    assert plain(strictest([one, two])) == plain(strictest([two, one]))
    assert plain(strictest([one, strictest([two, three])])) == plain(
        strictest([strictest([one, two]), three])
    )
    assert plain(strictest([one, one])) == plain(strictest([one])) == plain(one)


@settings(max_examples=50)
@given(typed(2))
def test_nothing_is_looser_in_the_strictest(drawn: tuple[Guard, list[TypePolicy]]) -> None:
    """It is at least as strict as each of them."""
    _, (one, two) = drawn
    both = strictest([one, two])
    assert looser(one, both) == looser(two, both) == []


def _bodies(guard: Guard) -> list[Body]:
    if guard.resource_type.endswith("registries"):
        pairs = [(e, p) for e in ("enabled", "disabled", None) for p in ("Enabled", "Disabled")]
        bodies = [registry(export=export, public=public) for export, public in pairs]
        more = {"anonymousPullEnabled": True, "networkRuleBypassOptions": "None"}
        return bodies + [{**body, "properties": body["properties"] | more} for body in bodies]
    return [
        disk(networkAccessPolicy=network, publicNetworkAccess=public, dataAccessAuthMode=auth,
             diskAccessId=access, diskState=state)
        for network in ("AllowAll", "AllowPrivate", "DenyAll")
        for public in ("Enabled", "Disabled")
        for auth in ("None", "AzureActiveDirectory")
        for access in (None, DISK_ACCESS_ID, OTHER_ACCESS)
        for state in ("Unattached", "ActiveSAS", "ActiveUpload")
    ]  # fmt: skip


def _found(guard: Guard, body: Body, rules: TypePolicy) -> dict[str, Mode]:
    return {finding.rule: finding.mode for finding in guard.inspect(body, rules)}


@settings(max_examples=25)
@given(typed(2))
def test_the_strictest_finds_all_that_each_of_them_finds(
    drawn: tuple[Guard, list[TypePolicy]],
) -> None:
    """And closes all that each of them closes."""
    guard, (one, two) = drawn
    both = strictest([one, two])
    for body in _bodies(guard):
        found = _found(guard, body, both)
        for single in (one, two):
            for rule, mode in _found(guard, body, single).items():
                assert list(Mode).index(found[rule]) >= list(Mode).index(mode)


@settings(max_examples=50)
@given(changed())
def test_what_is_not_called_looser_closes_no_less(
    drawn: tuple[Guard, TypePolicy, TypePolicy],
) -> None:
    """If nothing is said, no resource whatever is left open that was closed before."""
    guard, old, new = drawn
    if looser(old, new):
        return
    for body in _bodies(guard):
        after = _found(guard, body, new)
        for rule, mode in _found(guard, body, old).items():
            assert rule in after, (body, old, new)
            assert list(Mode).index(after[rule]) >= list(Mode).index(mode)


def test_a_rule_that_is_off_still_excuses_another() -> None:
    """If it allows more, the other one finds less: that is told."""
    guard = GUARDS[0]
    public = {"satisfied_by": ["networkAccessPolicy"]}
    old, new = (
        laid(
            guard,
            of_profile(guard, Profile.STRICT),
            {"networkAccessPolicy": {"mode": Mode.OFF, **more}, "publicNetworkAccess": public},
        )
        for more in ({}, {"allowed": ["AllowPrivate"]})
    )
    body = disk(networkAccessPolicy="AllowPrivate")
    assert (len(guard.inspect(body, old)), len(guard.inspect(body, new))) == (1, 0)
    assert looser(old, new)


@settings(max_examples=25)
@given(typed(1), st.sampled_from(list(Mode)))
def test_a_cap_only_weakens_modes(drawn: tuple[Guard, list[TypePolicy]], cap: Mode) -> None:
    """Everything else stays."""
    _, (rules,) = drawn
    weaker = capped(rules, cap)
    assert looser(weaker, rules) == []
    assert all(rule.mode == rules[name].mode.capped(cap) for name, rule in weaker.items())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (Mode.ENFORCE, Mode.AUDIT, ["door: mode enforce to audit"]),
        (Mode.ENFORCE, Mode.OFF, ["door: mode enforce to off"]),
        (Mode.AUDIT, Mode.OFF, ["door: mode audit to off"]),
        (Mode.OFF, Mode.AUDIT, []),
        (Mode.AUDIT, Mode.ENFORCE, []),
        (Mode.OFF, Mode.OFF, []),
    ],
)
def test_a_weaker_mode_is_looser(old: Mode, new: Mode, said: list[str]) -> None:
    """In words for an alert."""
    before, after = ({"door": RuleSettings(mode, ("Shut",))} for mode in (old, new))
    assert looser(before, after) == said


def test_each_setting_that_is_looser_is_told() -> None:
    """Lists by what they have now, in any casing; words by their order."""
    before = RuleSettings(
        Mode.ENFORCE,
        ("Shut",),
        (),
        {"allowed_disk_accesses": ("/A",), "when_unreachable": "revert"},
    )
    after = RuleSettings(
        Mode.ENFORCE,
        ("SHUT", "Ajar"),
        ("window",),
        {"allowed_disk_accesses": ("/a", "/b"), "when_unreachable": "block"},
    )
    assert looser({"door": before}, {"door": after}) == [
        "door: allowed now has Ajar",
        "door: satisfied_by now has window",
        "door: allowed_disk_accesses now has /b",
        "door: when_unreachable revert to block",
    ]
    assert looser({"door": after}, {"door": before}) == []
