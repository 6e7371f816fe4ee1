"""Evaluating a rule on a body: the part that is the same for every setting."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from guards.engine.events import clean
from guards.engine.model import Body, Finding, Mode, Rule, Severity, TypePolicy


def at(body: Body, path: str) -> Any:
    """The value at a dotted path; None where any part is missing or not an object."""
    value: Any = body
    for part in _parts(path):
        # A dictionary by far most often: asking the abstract class first costs as much as all else.
        if not isinstance(value, dict) and not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


@lru_cache(maxsize=256)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def text_at(body: Body, path: str) -> str | None:
    """The value at a path as text; None where absent. Another type never looks allowed."""
    value = at(body, path)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else repr(value)[:80]


KNOWN = "exportGuard"
"""The key under which the engine adds to a body what Azure told elsewhere; ARM has none such."""


def known(body: Body, name: str) -> Any:
    """What a lookup of this name found, or an event said; None where nobody looked."""
    return at(body, f"{KNOWN}.{name}")


def with_known(body: Body, **facts: Any) -> Body:
    """The body with more of what is known beside it."""
    return {**body, KNOWN: {**(body.get(KNOWN) or {}), **facts}}


def wire(rule: Rule, value: str | None) -> Any:
    """A value as ARM's JSON has it."""
    return value if value is None or not rule.boolean else value.lower() == "true"


_TERMINAL_STATES = {"succeeded", "failed", "canceled"}


def in_progress(body: Body) -> bool:
    """Whether Azure is still at work on a write of the resource."""
    state = text_at(body, "properties.provisioningState")
    return state is not None and state.lower() not in _TERMINAL_STATES


def nested(path: str, value: Any) -> dict[str, Any]:
    """`a.b.c`, v -> {"a": {"b": {"c": v}}}."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries laid over each other."""
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            old = result.get(key)
            both = isinstance(old, dict) and isinstance(value, Mapping)
            result[key] = merged(old, value) if both and old is not None else value
    return result


def complies(rule: Rule, body: Body, allowed: tuple[str, ...] | None = None) -> bool:
    """Whether the value, or Azure's default where absent, is allowed, whatever its casing.

    `allowed` is the policy's word; without it, the rule's own.
    """
    actual = text_at(body, rule.path)
    value = rule.when_absent if actual is None else actual
    fine = rule.allowed if allowed is None else allowed
    return value in fine or value.lower() in [one.lower() for one in fine]


def deviations(
    rules: tuple[Rule, ...],
    body: Body,
    policy: TypePolicy,
    excused: Callable[[Rule], bool] = lambda _: False,
    severity: Callable[[Rule, Body], Severity] = lambda rule, _: rule.severity,
) -> tuple[Finding, ...]:
    """The findings of a type's rules; none where another rule that is enough is met.

    `excused` says for which rules a value that is not allowed is fine all the same, `severity` how
    bad a finding is in this body; it is asked only where there is one.
    """
    unmet = [
        rule
        for rule in rules
        if not complies(rule, body, policy[rule.id].allowed) and not excused(rule)
    ]
    names = {rule.id for rule in unmet}
    found = []
    for rule in unmet:
        settings = policy[rule.id]
        if settings.mode is Mode.OFF or not names.issuperset(settings.satisfied_by):
            continue
        value = text_at(body, rule.path)
        actual = None if value is None else clean(value)
        found.append(
            Finding(rule.id, rule.path, actual, rule.desired, severity(rule, body), settings.mode)
        )
    return tuple(found)
