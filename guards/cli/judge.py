"""A resource from a file, judged and planned by the engine exactly as an event's would be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from guards import GUARDS
from guards.engine.catalogue import by_type
from guards.engine.decide import Verdict, decide
from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Body, ComplianceState, Finding, Guard, Mode, Plan
from guards.engine.policy import Policy

_ENVELOPE = {
    "apiVersion",
    "etag",
    "extendedLocation",
    "id",
    "identity",
    "kind",
    "location",
    "managedBy",
    "managedByExtended",
    "name",
    "plan",
    "resourceGroup",
    "sku",
    "subscriptionId",
    "systemData",
    "tags",
    "tenantId",
    "type",
    "zones",
}
"""What stands beside `properties` in ARM's form of a resource."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard would find in one resource, and do about it.

    `resource` is None where the ID is none that can be read, or none is given yet. `unknown` are
    the rules whose setting nobody can tell yet (templates); `findings` has all that
    deviates: what is exempt, and what is unknown, too. `lines` say where its settings stand in
    `file`, by rule, `line` where it begins.
    """

    resource_id: str
    resource: ResourceId | None
    guard: Guard
    body: Body
    state: ComplianceState
    findings: tuple[Finding, ...]
    plan: Plan
    verdict: Verdict
    unknown: frozenset[str] = frozenset()
    file: str = ""
    line: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether nothing has to be done: compliant, or exempt."""
        return self.state in (ComplianceState.COMPLIANT, ComplianceState.EXEMPT)


def judge(row: Any, policy: Policy, now: datetime) -> Judged | None:
    """The verdict on one resource in any form that ARM and az write; None if it is not guarded.

    Raises:
        Unreadable: it is no resource.
    """
    if not isinstance(row, Mapping):
        raise Unreadable(f"a resource is an object, not {type(row).__name__}")
    if not isinstance(row.get("id"), str) and not isinstance(row.get("type"), str):
        raise Unreadable("neither id nor type: not an ARM resource")
    guard = _guard_of(row)
    if guard is None:
        return None
    body = as_arm(row)
    resource = _id_of(row)
    verdict = decide(guard, resource, body, policy, Mode.ENFORCE, now)
    return Judged(
        resource_id=str(row.get("id") or row.get("name") or ""),
        resource=resource,
        guard=guard,
        body=body,
        state=verdict.state,
        findings=verdict.findings + verdict.exempted,
        plan=guard.plan(body, verdict.to_close, verdict.applied.rules),
        verdict=verdict,
    )


def _guard_of(row: Mapping[str, Any]) -> Guard | None:
    type_ = row.get("type")
    if not isinstance(type_, str):
        type_ = ResourceId.parse(row["id"]).type
    return by_type(GUARDS).get(type_.lower())


def _id_of(row: Mapping[str, Any]) -> ResourceId | None:
    """The ID that scopes and exemptions are found by; without one, none of them fits."""
    try:
        return ResourceId.parse(row.get("id"))
    except Unreadable:
        return None


def as_arm(row: Mapping[str, Any]) -> Body:
    """ARM's form: `az disk list` and its like write the properties beside id and type.

    Raises:
        Unreadable: its properties are no object, or left out, as a query's `project` leaves them:
            every setting would count as absent, so as open.
    """
    properties = row.get("properties")
    if isinstance(properties, Mapping):
        return row
    if properties is not None:
        raise Unreadable(f"properties: an object is needed, not {type(properties).__name__}")
    flat = _flat(row)
    if not flat["properties"]:
        raise Unreadable("no settings in it: ask for the whole resource, with its properties")
    for name, value in flat["properties"].items():
        if isinstance(value, list):
            # Child resources (private endpoint connections) are flattened like their parent.
            flat["properties"][name] = [_child(item) for item in value]
    return flat


def _child(value: Any) -> Any:
    flattened = isinstance(value, Mapping) and "id" in value and "properties" not in value
    return _flat(value) if flattened else value


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    around = {key: value for key, value in row.items() if key in _ENVELOPE}
    return {
        **around,
        "properties": {k: v for k, v in row.items() if k not in around and k != "properties"},
    }
