"""One rule's settings laid over another's, and which of two are stricter."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from guards.engine.model import Guard, Mode, Rule, RuleSettings, TypePolicy
from guards.engine.policy.shape import Profile

type Given = Mapping[str, Mapping[str, Any]]
"""Rule -> the settings that a file names, by their names there."""

_STRICTER_LAST = {"when_unreachable": ("block", "revert")}
"""Options that are one of several words; all others are lists of what is fine."""


def of_profile(guard: Guard, profile: Profile) -> TypePolicy:
    """The settings of a type where the policy says nothing but the profile."""
    found = {rule.id: _strict(rule) for rule in guard.rules}
    if profile is Profile.MINIMUM:
        return laid(guard, found, {rule.id: dict(rule.minimum) for rule in guard.rules})
    return found


def _strict(rule: Rule) -> RuleSettings:
    return RuleSettings(rule.default_mode, rule.allowed, (), dict(rule.options))


def laid(guard: Guard, below: TypePolicy, given: Given) -> TypePolicy:
    """What is named replaces what is below; the value a rule sets is always allowed."""
    found = dict(below)
    for rule in guard.rules:
        named = given.get(rule.id)
        if not named:
            continue
        old = below[rule.id]
        allowed = tuple(named.get("allowed", old.allowed))
        options = {name: _option(name, named.get(name, v)) for name, v in old.options.items()}
        found[rule.id] = RuleSettings(
            mode=named.get("mode", old.mode),
            allowed=allowed if rule.desired in allowed else (rule.desired, *allowed),
            satisfied_by=tuple(named.get("satisfied_by", old.satisfied_by)),
            options=options,
        )
    return found


def _option(name: str, value: Any) -> Any:
    return value if name in _STRICTER_LAST else tuple(value)


def capped(rules: TypePolicy, cap: Mode) -> TypePolicy:
    """The same with no mode above the cap."""
    return {name: replace(rule, mode=rule.mode.capped(cap)) for name, rule in rules.items()}


def strictest(policies: Sequence[TypePolicy]) -> TypePolicy:
    """Of each setting the strictest: so many may apply in any order."""
    return reduce(_stricter, policies)


def _stricter(one: TypePolicy, other: TypePolicy) -> TypePolicy:
    return {name: _rule(settings, other[name]) for name, settings in one.items()}


def _rule(one: RuleSettings, other: RuleSettings) -> RuleSettings:
    return RuleSettings(
        mode=max(one.mode, other.mode, key=list(Mode).index),
        allowed=_both(one.allowed, other.allowed),
        satisfied_by=_both(one.satisfied_by, other.satisfied_by),
        options={
            name: max(value, other.options[name], key=_STRICTER_LAST[name].index)
            if name in _STRICTER_LAST
            else _both(value, other.options[name])
            for name, value in one.options.items()
        },
    )


def _both(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    kept = {value.lower() for value in other}
    return tuple(value for value in one if value.lower() in kept)


def looser(old: TypePolicy, new: TypePolicy) -> list[str]:
    """What the new settings leave open that the old ones did not, a phrase each."""
    found = []
    for name, before in old.items():
        after = new[name]
        order = list(Mode).index
        if order(after.mode) < order(before.mode):
            found.append(f"{name}: mode {before.mode} to {after.mode}")
        if after.mode is Mode.OFF:
            continue  # how little it would ask is of no account then
        lists = [("allowed", before.allowed, after.allowed)]
        lists.append(("satisfied_by", before.satisfied_by, after.satisfied_by))
        for option, value in before.options.items():
            if option not in _STRICTER_LAST:
                lists.append((option, value, after.options[option]))
                continue
            words = _STRICTER_LAST[option]
            if words.index(after.options[option]) < words.index(value):
                found.append(f"{name}: {option} {value} to {after.options[option]}")
        for what, was, now in lists:
            added = [value for value in now if value.lower() not in {v.lower() for v in was}]
            if added:
                found.append(f"{name}: {what} now has {', '.join(added)}")
    return found
