"""Evaluating a rule on a body: the part that is the same for every setting."""

from collections.abc import Mapping
from typing import Any

from guards.engine.events import clean
from guards.engine.model import Body, Finding, Mode, Rule, TypePolicy


def at(body: Body, path: str) -> Any:
    """The value at a dotted path; None where any part is missing or not an object."""
    value: Any = body
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def text_at(body: Body, path: str) -> str | None:
    """The value at a path as text; None where absent. Another type never looks allowed."""
    value = at(body, path)
    return value if value is None or isinstance(value, str) else repr(value)[:80]


_TERMINAL_STATES = {"succeeded", "failed", "canceled"}


def in_progress(body: Body) -> bool:
    """Whether Azure is still at work on a write of the resource."""
    state = text_at(body, "properties.provisioningState")
    return state is not None and state.lower() not in _TERMINAL_STATES


def nested(path: str, value: str | None) -> dict[str, Any]:
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


def complies(rule: Rule, body: Body) -> bool:
    """Whether the value, or Azure's default where absent, is allowed, whatever its casing."""
    actual = text_at(body, rule.path)
    value = (rule.when_absent if actual is None else actual).lower()
    return any(value == allowed.lower() for allowed in rule.allowed)


def deviation(rule: Rule, body: Body, policy: TypePolicy) -> Finding | None:
    """The finding of one rule, or None if it is off or the value is allowed."""
    mode = policy[rule.id].mode
    if mode is Mode.OFF or complies(rule, body):
        return None
    value = text_at(body, rule.path)
    actual = None if value is None else clean(value)
    return Finding(rule.id, rule.path, actual, rule.desired, rule.severity, mode)
