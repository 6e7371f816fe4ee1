"""Role assignments: who was given a role with which data can be taken out. Reported, never changed.

What a role gives stands in its definition, which the engine reads beside the assignment. Of Azure's
own roles only *Data Operator for Managed Disks* counts, which has no other use: assignments of
Owner or Contributor are too ordinary to tell of each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId, in_subscription, is_guid
from guards.engine.model import Body, Finding, Guard, Lookup, Mode, Plan, TypePolicy
from guards.engine.roles import reported
from guards.engine.rules import known, text_at

TYPE = "Microsoft.Authorization/roleAssignments"
DATA_OPERATOR = "959f8984-c045-4866-89c7-12bf9737be2e"
"""Data Operator for Managed Disks, in every tenant."""

RULE = reported.rule("properties.roleDefinitionId")
ROLE = "roleDefinition"
"""The name of the lookup."""

_MAX_REASON = 120
_MAX_SCOPE = 120


def lookups(body: Body, policy: TypePolicy) -> tuple[Lookup, ...]:
    """The definition of the role that is assigned, if its ID can be read."""
    role = None if policy[RULE.id].mode is Mode.OFF else _role(body)
    return (Lookup(ROLE, reported.API_VERSION, resource=role),) if role else ()


def _role(body: Body) -> ResourceId | None:
    """The role's definition, by its GUID alone, where the assignment's subscription has it.

    Whatever else `roleDefinitionId` names is not asked.
    """
    try:
        subscription = ResourceId.parse(body.get("id")).subscription
        text = text_at(body, RULE.path) or ""
        named = ResourceId.parse(in_subscription(text, subscription))
    except Unreadable:
        return None
    if named.type.lower() != reported.DEFINITIONS.lower() or not is_guid(named.name):
        return None
    namespace, _, type_ = reported.DEFINITIONS.partition("/")
    return ResourceId(subscription, "", namespace, (type_,), (named.name.lower(),))


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """One finding of an assignment that gives export operations, or may: who, what, where."""
    if policy[RULE.id].mode is Mode.OFF:
        return ()
    role = _told(body)
    return (reported.finding(RULE, f"{_who(body)} has {role}", policy),) if role else ()


def _told(body: Body) -> str:
    """Which role, where, and what for; "" if it lets nobody export, or nobody looked."""
    where = clean(text_at(body, "properties.scope"), _MAX_SCOPE) or "an unknown scope"
    role = _role(body)
    if role is None:  # from Azure it has an ID; a template has none, and is judged when deployed
        return f"a role whose ID could not be read at {where}" if body.get("id") else ""
    found = known(body, ROLE)
    if found is None:
        return ""
    if not isinstance(found, Mapping):
        reason = clean(found, _MAX_REASON)
        return f"role {role.name} at {where}, and its definition could not be read: {reason}"
    exports = _exports(role.name, found)
    return f"{reported.name_of(found)} at {where}, {exports}" if exports else ""


def _exports(guid: str, role: Mapping[str, Any]) -> str:
    if guid != DATA_OPERATOR and not reported.is_custom(role):
        return ""
    return reported.exports_of(role)


def _who(body: Body) -> str:
    kind = clean(text_at(body, "properties.principalType"), 30) or "Principal"
    return f"{kind} {clean(beneficiary(body), 40) or '(unknown)'}"


def beneficiary(body: Body) -> str:
    """The object ID of who has the role, lower case."""
    return (text_at(body, "properties.principalId") or "").lower()


def plan(_body: Body, _findings: Sequence[Finding], _policy: TypePolicy) -> Plan:
    """Nothing: taking rights away is for people."""
    return Plan()


GUARD = Guard(
    resource_type=TYPE,
    api_version=reported.API_VERSION,
    rules=(RULE,),
    operations=(f"{TYPE}/write",),
    own_operations=(),
    permissions=(f"{TYPE}/read",),
    inspect=inspect,
    plan=plan,
    in_group=False,
    lookups=lookups,
    beneficiary=beneficiary,
)
