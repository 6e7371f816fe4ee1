"""What disks and snapshots have in common: their export settings, and how to close them.

Not a guard itself: `guards.disk` and `guards.snapshot` build theirs from it. Azure's rules behind
it: AllowPrivate needs a disk access, and a disk access is refused with any other policy
(ConflictingUserInput), so moving to DenyAll clears `diskAccessId` in the same PATCH.
"""

from collections.abc import Sequence
from typing import Any

from guards.engine.events import clean
from guards.engine.model import (
    Blocked,
    Body,
    Change,
    Finding,
    Guard,
    Mode,
    Patch,
    Plan,
    Rule,
    Severity,
    TypePolicy,
)
from guards.engine.rules import at, complies, deviations, merged, nested, text_at

API_VERSION = "2026-03-02"
"""That of azure-mgmt-compute 39 for disks and snapshots; a test compares them."""

NETWORK_ACCESS = Rule(
    id="networkAccessPolicy",
    path="properties.networkAccessPolicy",
    values=("DenyAll", "AllowPrivate", "AllowAll"),
    allowed=("DenyAll",),
    desired="DenyAll",
    when_absent="AllowAll",
    severity=Severity.HIGH,
    options=(("allowed_disk_accesses", ()),),
    minimum=(
        ("allowed", ("DenyAll", "AllowPrivate")),
        ("satisfied_by", ("publicNetworkAccess",)),
    ),
)
PUBLIC_NETWORK = Rule(
    id="publicNetworkAccess",
    path="properties.publicNetworkAccess",
    values=("Disabled", "Enabled"),
    allowed=("Disabled",),
    desired="Disabled",
    when_absent="Enabled",
    severity=Severity.HIGH,
    minimum=(("satisfied_by", ("networkAccessPolicy",)),),
)
DATA_ACCESS_AUTH = Rule(
    id="dataAccessAuthMode",
    path="properties.dataAccessAuthMode",
    values=("AzureActiveDirectory", "None"),
    allowed=("AzureActiveDirectory",),
    desired="AzureActiveDirectory",
    when_absent="None",
    severity=Severity.MEDIUM,
    default_mode=Mode.OFF,
)
RULES = (NETWORK_ACCESS, PUBLIC_NETWORK, DATA_ACCESS_AUTH)

DISK_ACCESS = "properties.diskAccessId"

_ATTACHED_STATES = {"attached", "reserved", "frozen"}
_LIMITED_NETWORKS = {"denyall", "allowprivate"}
_SAS_STATES = {"activesas", "activesasfrozen", "readytoupload", "activeupload"}


def _listed_private_access(body: Body, policy: TypePolicy) -> bool:
    """AllowPrivate is fine with a disk access the policy lists."""
    if (text_at(body, NETWORK_ACCESS.path) or "").lower() != "allowprivate":
        return False
    listed = policy[NETWORK_ACCESS.id].options["allowed_disk_accesses"]
    access = (text_at(body, DISK_ACCESS) or "").lower()
    return bool(access) and access in {entry.lower() for entry in listed}


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """Findings of a disk or snapshot body."""
    return deviations(
        RULES,
        body,
        policy,
        lambda rule: rule is NETWORK_ACCESS and _listed_private_access(body, policy),
        severity,
    )


def severity(rule: Rule, body: Body) -> Severity:
    """How bad a finding of a rule is: who can take the data out as the body stands, and how soon.

    A link that is out may be in use; the disk of a running machine cannot be exported.
    """
    if rule is DATA_ACCESS_AUTH:
        return rule.severity
    if exposure(body):
        return Severity.HIGH
    network = (text_at(body, NETWORK_ACCESS.path) or "").lower()
    if network not in _LIMITED_NETWORKS and not complies(PUBLIC_NETWORK, body):
        return Severity.MEDIUM if _in_use(body) else Severity.HIGH
    if rule is NETWORK_ACCESS and network == "allowprivate":
        return Severity.MEDIUM  # somebody's private endpoint leads there
    return Severity.LOW


def _in_use(body: Body) -> bool:
    """Whether a machine that runs holds it; Azure exports the disk of one that is deallocated."""
    state = (text_at(body, "properties.diskState") or "").lower()
    return attached(body) and state != "reserved"


def attached(body: Body) -> bool:
    """Whether a virtual machine holds the disk."""
    state = (text_at(body, "properties.diskState") or "").lower()
    return bool(body.get("managedBy") or body.get("managedByExtended") or state in _ATTACHED_STATES)


def exposure(body: Body) -> str:
    """Says so if someone holds a SAS link to the disk or snapshot."""
    state = text_at(body, "properties.diskState") or ""
    if state.lower() not in _SAS_STATES:
        return ""
    return (
        f"a SAS link was out when this was seen (diskState {clean(state)}): closing the setting "
        "is not known to cut it, revoke it with az disk or az snapshot revoke-access"
    )


def _block(body: Body, findings: Sequence[Finding]) -> Blocked | None:
    if not attached(body) or all(finding.rule != DATA_ACCESS_AUTH.id for finding in findings):
        return None
    return Blocked(
        (DATA_ACCESS_AUTH.id,),
        "dataAccessAuthMode can only change while the disk is detached: shut the virtual machine "
        "down, detach the disk, set dataAccessAuthMode to AzureActiveDirectory, attach it again. "
        "Azure Backup and Site Recovery do not support such disks.",
        Severity.HIGH,
    )


def plan(body: Body, findings: Sequence[Finding], policy: TypePolicy) -> Plan:
    """One PATCH of the deviating settings; a `diskAccessId` goes where DenyAll comes."""
    blocked = _block(body, findings)
    closable = [finding for finding in findings if not blocked or finding.rule not in blocked.rules]
    if not closable:
        return Plan(blocked=blocked)
    changes = [Change(finding.path, finding.actual, finding.desired) for finding in closable]
    patch = merged(*(nested(finding.path, finding.desired) for finding in closable))
    otherwise: dict[str, Any] | None = None
    access = at(body, DISK_ACCESS)
    if access and any(finding.rule == NETWORK_ACCESS.id for finding in closable):
        # Which empty value Azure takes is unverified: null first, "" if it calls null a conflict.
        changes.append(Change(DISK_ACCESS, clean(str(access), 2048), None))
        otherwise = merged(patch, nested(DISK_ACCESS, ""))
        patch = merged(patch, nested(DISK_ACCESS, None))
    return Plan((Patch(patch, otherwise),), tuple(changes), blocked)


def guard(kind: str) -> Guard:
    """The guard of `disks` or `snapshots`."""
    type_ = f"Microsoft.Compute/{kind}"
    return Guard(
        resource_type=type_,
        api_version=API_VERSION,
        rules=RULES,
        operations=(f"{type_}/write", f"{type_}/beginGetAccess/action"),
        own_operations=(f"{type_}/write",),
        permissions=(f"{type_}/read", f"{type_}/write"),
        inspect=inspect,
        plan=plan,
        exposure=exposure,
        also_changes=(DISK_ACCESS,),
    )
