"""What the guards of role definitions and of role assignments share: their rule, and its words."""

from collections.abc import Mapping
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.model import Finding, Kind, Mode, Rule, Severity, TypePolicy
from guards.engine.roles import grants
from guards.engine.rules import text_at

API_VERSION = "2022-04-01"
DEFINITIONS = "Microsoft.Authorization/roleDefinitions"

_DESIRED = "no export permissions"
_MAX_NAME = 60
_MAX_PATTERN = 80
_MAX_REASON = 150
_MAX_ACTUAL = 300


def rule(path: str, when_absent: str = _DESIRED) -> Rule:
    """The rule about what stands at a path; the guard changes nobody's rights, it only tells."""
    return Rule(
        id="exportPermissions",
        path=path,
        values=(_DESIRED,),
        allowed=(_DESIRED,),
        desired=_DESIRED,
        when_absent=when_absent,
        severity=Severity.HIGH,
        default_mode=Mode.AUDIT,
        kind=Kind.REPORTED,
    )


def finding(broken: Rule, actual: str, policy: TypePolicy) -> Finding:
    """The finding of a rule, cut to what people read."""
    return Finding(
        broken.id,
        broken.path,
        clean(actual, _MAX_ACTUAL),
        broken.desired,
        broken.severity,
        policy[broken.id].mode,
    )


def is_custom(role: Mapping[str, Any]) -> bool:
    """Whether a role definition is not Azure's own; one that does not say counts as custom."""
    return (text_at(role, "properties.type") or "").lower() != "builtinrole"


def name_of(role: Mapping[str, Any]) -> str:
    """What people call a role definition."""
    return clean(text_at(role, "properties.roleName"), _MAX_NAME) or "a role without a name"


def exports_of(role: Mapping[str, Any]) -> str:
    """Which export operations a role definition gives, and by which patterns; "" if none.

    What cannot be read is said, so that a slip does not look like a clean role.
    """
    try:
        found = grants(role)
    except Unreadable as e:
        return f"its permissions could not be read: {clean(str(e), _MAX_REASON)}"
    each = [f"{_short(one.operation)} by {clean(one.by, _MAX_PATTERN)}" for one in found]
    number = f"{len(each)} export permission{'s' if len(each) > 1 else ''}"
    return f"{number}: {', '.join(each)}" if each else ""


def _short(operation: str) -> str:
    """Without the provider: `disks/beginGetAccess/action`."""
    return operation.partition("/")[2]
