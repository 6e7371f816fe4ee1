"""Disk accesses: the way through which disks that are AllowPrivate can be exported.

One that the policy lists makes such disks fine; without an approved private endpoint nothing
leads through it, or somebody's request still waits. Azure Policy asks the same
(f39f5f49-4abf-44de-8c70-0756997bfb51).
"""

from collections.abc import Sequence

from guards import managed_disk
from guards.engine.endpoints import CONNECTIONS, approved_endpoint, endpoint_states
from guards.engine.events import clean
from guards.engine.model import Body, Finding, Guard, Kind, Mode, Plan, Rule, Severity, TypePolicy

TYPE = "Microsoft.Compute/diskAccesses"

PRIVATE_ENDPOINT = Rule(
    id="privateEndpoint",
    path=CONNECTIONS,
    values=("approved", "none approved"),
    allowed=("approved",),
    desired="approved",
    when_absent="none approved",
    severity=Severity.MEDIUM,
    default_mode=Mode.OFF,
    kind=Kind.REPORTED,
)


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """The one finding of a disk access, if any: it has no approved private endpoint."""
    rule, mode = PRIVATE_ENDPOINT, policy[PRIVATE_ENDPOINT.id].mode
    if mode is Mode.OFF or approved_endpoint(body):
        return ()
    return (Finding(rule.id, rule.path, _shown(body), rule.desired, rule.severity, mode),)


def _shown(body: Body) -> str | None:
    """Which states there are instead; the same text in whatever order Azure lists them."""
    states = sorted({state or "unknown" for state in endpoint_states(body)})
    return clean(f"none approved: {', '.join(states)}") if states else None


def plan(_body: Body, _findings: Sequence[Finding], _policy: TypePolicy) -> Plan:
    """Nothing: an endpoint is made and approved by people."""
    return Plan()


GUARD = Guard(
    resource_type=TYPE,
    api_version=managed_disk.API_VERSION,
    rules=(PRIVATE_ENDPOINT,),
    operations=(
        f"{TYPE}/write",
        f"{TYPE}/privateEndpointConnections/write",
        f"{TYPE}/privateEndpointConnections/delete",
    ),
    own_operations=(),
    permissions=(f"{TYPE}/read",),
    inspect=inspect,
    plan=plan,
    listed_by="allowed_disk_accesses",
)
