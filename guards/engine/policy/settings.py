"""One rule's settings laid over another's, and which of two are stricter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from guards.engine.model import Guard, Kind, Mode, Rule, RuleSettings, TypePolicy
from guards.engine.policy.shape import Profile

type Given = Mapping[str, Mapping[str, Any]]
"""Rule -> the settings that a file names, by their names there."""

_STRICTER_LAST = {
    "when_unreachable": ("block", "revert"),
    "unknown_granter": ("report", "revoke"),
    "export_pipelines": ("audit", "delete"),
}
"""Options that are one of several words; all others are lists of what is fine."""


def of_profile(guard: Guard, profile: Profile) -> TypePolicy:
    """The settings of a type where the policy says nothing but the profile."""
    found = {rule.id: _strict(rule) for rule in guard.rules}
    if profile is Profile.MINIMUM:
        return laid(guard, found, {rule.id: dict(rule.minimum) for rule in guard.rules})
    return found


def _strict(rule: Rule) -> RuleSettings:
    return RuleSettings(_possible(rule, rule.default_mode), rule.allowed, (), dict(rule.options))


def _possible(rule: Rule, mode: Mode) -> Mode:
    """What the guard cannot change is never enforced, whoever says so."""
    return mode.capped(Mode.AUDIT) if rule.kind is Kind.REPORTED else mode


def laid(guard: Guard, below: TypePolicy, given: Given) -> TypePolicy:
    """What is named replaces what is below; the value that a rule sets is always allowed."""
    found = dict(below)
    for rule in guard.rules:
        named = given.get(rule.id)
        if not named:
            continue
        old = below[rule.id]
        options = {name: _option(name, named.get(name, v)) for name, v in old.options.items()}
        found[rule.id] = RuleSettings(
            mode=_possible(rule, named.get("mode", old.mode)),
            allowed=_allowed(rule, named.get("allowed", old.allowed)),
            satisfied_by=tuple(named.get("satisfied_by", old.satisfied_by)),
            options=options,
        )
    return found


def _allowed(rule: Rule, named: Sequence[str]) -> tuple[str, ...]:
    if rule.kind is not Kind.SETTING:
        return rule.allowed
    return tuple(named) if rule.desired in named else (rule.desired, *named)


def _option(name: str, value: Any) -> Any:
    return value if name in _STRICTER_LAST else tuple(value)


def capped(rules: TypePolicy, cap: Mode) -> TypePolicy:
    """The same with no mode above the cap."""
    return {name: replace(rule, mode=rule.mode.capped(cap)) for name, rule in rules.items()}


def strictest(policies: Sequence[TypePolicy]) -> TypePolicy:
    """Of each setting the strictest: so many may apply in any order."""
    return _of_each(policies, max, _both)


def loosest(policies: Sequence[TypePolicy]) -> TypePolicy:
    """Of each setting the loosest."""
    return _of_each(policies, min, _either)


def _of_each(
    policies: Sequence[TypePolicy],
    word: Callable[..., Any],
    words: Callable[[Sequence[str], Sequence[str]], tuple[str, ...]],
) -> TypePolicy:
    """Settings merged: single words by `word` (min or max), lists by `words`."""

    def merged(one: RuleSettings, other: RuleSettings) -> RuleSettings:
        return RuleSettings(
            mode=word(one.mode, other.mode, key=list(Mode).index),
            allowed=words(one.allowed, other.allowed),
            satisfied_by=words(one.satisfied_by, other.satisfied_by),
            options={
                name: word(value, other.options[name], key=_STRICTER_LAST[name].index)
                if name in _STRICTER_LAST
                else words(value, other.options[name])
                for name, value in one.options.items()
            },
        )

    first, *more = policies
    return {rule: reduce(merged, (m[rule] for m in more), its) for rule, its in first.items()}


def _both(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    kept = {value.lower() for value in other}
    return tuple(value for value in one if value.lower() in kept)


def _either(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    known = {value.lower() for value in one}
    return (*one, *(value for value in other if value.lower() not in known))


def looser(old: TypePolicy, new: TypePolicy) -> list[str]:
    """What the new settings may leave open that the old ones did not, a phrase each.

    Also where a rule is off: what it would accept can still be enough for another one.
    """
    found = []
    for rule, before in old.items():
        after = values(new[rule])
        for name, value in values(before).items():
            change = loosening(name, value, after[name])
            if change:
                found.append(f"{rule}: {change}")
    return found


def values(settings: RuleSettings) -> dict[str, Any]:
    """The settings of a rule by their names in the file."""
    return {
        "mode": settings.mode,
        "allowed": settings.allowed,
        "satisfied_by": settings.satisfied_by,
        **settings.options,
    }


def loosening(name: str, old: Any, new: Any) -> str:
    """How one setting's new value is looser than its old one; "" if it is not."""
    order = tuple(Mode) if name == "mode" else _STRICTER_LAST.get(name)
    if order is not None:
        return f"{name} {old} to {new}" if order.index(new) < order.index(old) else ""
    known = {value.lower() for value in old}
    added = [value for value in new if value.lower() not in known]
    return f"{name} now has {', '.join(added)}" if added else ""
