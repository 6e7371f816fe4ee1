"""What disks and snapshots have in common: export settings, links that are out, how to end both.

Not a guard itself: `guards.disk` and `guards.snapshot` build theirs from it. Azure's rules behind
it: AllowPrivate needs a disk access, and a disk access is refused with any other policy
(ConflictingUserInput), so moving to DenyAll clears `diskAccessId` in the same PATCH. Whether a
PATCH is taken while a SAS link is out, and whether it ends one, is unverified: links go first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from guards.engine.endpoints import listed_private_access
from guards.engine.events import clean
from guards.engine.model import (
    Blocked,
    Body,
    Change,
    Finding,
    Guard,
    Kind,
    Links,
    Mode,
    Patch,
    Plan,
    RevokeAccess,
    Rule,
    Severity,
    Step,
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
SETTINGS = (NETWORK_ACCESS, PUBLIC_NETWORK, DATA_ACCESS_AUTH)

DISK_STATE = "properties.diskState"
_STATES = (
    *("Unattached", "Attached", "Reserved", "Frozen"),
    *("ActiveSAS", "ActiveSASFrozen", "ReadyToUpload", "ActiveUpload"),
)
_OUT = ("activesas", "activesasfrozen")
_UPLOADS = ("readytoupload", "activeupload")


def _state_rule(id_: str, ended_by: tuple[str, ...], **more: Any) -> Rule:
    return Rule(
        id=id_,
        path=DISK_STATE,
        values=_STATES,
        allowed=tuple(state for state in _STATES if state.lower() not in ended_by),
        desired="Unattached",
        when_absent="Unattached",
        kind=Kind.STATE,
        **more,
    )


LIVE_EXPORT = _state_rule(
    "liveExport",
    _OUT,
    severity=Severity.CRITICAL,
    options=(("unknown_granter", "report"),),
    minimum=(("mode", Mode.AUDIT),),
)
IMPORT = _state_rule("import", _UPLOADS, severity=Severity.MEDIUM, default_mode=Mode.OFF)
RULES = (*SETTINGS, LIVE_EXPORT, IMPORT)

DISK_ACCESS = "properties.diskAccessId"

_ATTACHED_STATES = {"attached", "reserved", "frozen"}
_LIMITED_NETWORKS = {"denyall", "allowprivate"}


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """Findings of a disk or snapshot body."""
    listed = policy[NETWORK_ACCESS.id].options["allowed_disk_accesses"]
    settings = deviations(
        SETTINGS,
        body,
        policy,
        lambda rule: rule is NETWORK_ACCESS and listed_private_access(body, listed),
        severity,
    )
    return settings + _links(body, policy)


def _links(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """The link that is out, or the upload that goes on; a state nobody knows is neither."""
    state = text_at(body, DISK_STATE) or ""
    if state.lower() not in _OUT + _UPLOADS:
        return ()
    rule = LIVE_EXPORT if state.lower() in _OUT else IMPORT
    mode = policy[rule.id].mode
    if mode is Mode.OFF:
        return ()
    if state.lower() == "readytoupload":
        mode = Mode.AUDIT  # no link is out yet, so there is none to revoke
    found = severity(rule, body)
    return (Finding(rule.id, rule.path, clean(state), rule.desired, found, mode),)


def severity(rule: Rule, body: Body) -> Severity:
    """How bad a finding of a rule is: who can take the data out as the body stands, and how soon.

    A link that is out may be in use; the disk of a running machine cannot be exported. A link that
    a stranger took just now is worse than this: only the event tells that.
    """
    if rule in (DATA_ACCESS_AUTH, IMPORT):
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
    state = text_at(body, DISK_STATE) or ""
    if state.lower() not in _OUT:
        return ""
    return (
        f"a SAS link was out when this was seen (diskState {clean(state)}): closing the setting "
        "is not known to cut it, revoke it with az disk or az snapshot revoke-access"
    )


def _for_upload(body: Body) -> bool:
    """Whether the disk was made to be filled through a link."""
    return (
        (text_at(body, "properties.creationData.createOption") or "").lower().startswith("upload")
    )


def _block(body: Body, findings: Sequence[Finding]) -> Blocked | None:
    """Why dataAccessAuthMode cannot be set: a backup product, or a machine that has the disk."""
    if all(finding.rule != DATA_ACCESS_AUTH.id for finding in findings):
        return None
    product = _protected_by(body)
    if product:
        return Blocked(
            (DATA_ACCESS_AUTH.id,),
            f"dataAccessAuthMode would break {product}, which seems to protect this disk and does "
            "not support such disks: end that protection, or exempt the disk.",
            Severity.HIGH,
        )
    if not attached(body):
        return None
    return Blocked(
        (DATA_ACCESS_AUTH.id,),
        "dataAccessAuthMode can only change while the disk is detached: it is set at the disk's "
        "first write after that. To have it now, shut the virtual machine down, detach the disk, "
        "and attach it again afterwards. Azure Backup and Site Recovery do not support such disks.",
        Severity.MEDIUM,
        deferred=True,
    )


_RECOVERY_TAGS = ("azurebackup", "rsvaultbackup", "azuresiterecovery")


def _protected_by(body: Body) -> str:
    """The product that by all signs in the body protects a disk or made it; "" if none shows."""
    id_, name = str(body.get("id") or "").lower(), str(body.get("name") or "").lower()
    if name.startswith("asrseeddisk") or "-asrreplica" in name:
        return "Azure Site Recovery"
    tags = body.get("tags")
    names = [str(tag).lower() for tag in tags] if isinstance(tags, Mapping) else []
    marked = any(tag.startswith(_RECOVERY_TAGS) for tag in names)
    held = "/microsoft.recoveryservices/" in str(body.get("managedBy") or "").lower()
    if marked or held or "/resourcegroups/azurebackuprg_" in id_:
        return "Azure Backup or Site Recovery"
    return ""


def plan(body: Body, findings: Sequence[Finding], policy: TypePolicy) -> Plan:
    """Links end first; then one PATCH of the deviating settings."""
    blocked = _block(body, findings)
    closable = [finding for finding in findings if not blocked or finding.rule not in blocked.rules]
    states = [finding for finding in closable if finding.path == DISK_STATE]
    settings = [finding for finding in closable if finding.path != DISK_STATE]
    steps: list[Step] = [RevokeAccess()] if states else []
    changes = [Change(finding.path, finding.actual, finding.desired) for finding in closable]
    if settings:
        patch, access = _patch(body, settings)
        steps.append(patch)
        changes += access
    return Plan(tuple(steps), tuple(changes), blocked)


def _patch(body: Body, findings: Sequence[Finding]) -> tuple[Patch, list[Change]]:
    """The settings in one PATCH; a `diskAccessId` goes where DenyAll comes."""
    patch = merged(*(nested(finding.path, finding.desired) for finding in findings))
    access = at(body, DISK_ACCESS)
    if not access or all(finding.rule != NETWORK_ACCESS.id for finding in findings):
        return Patch(patch), []
    # Which empty value Azure takes is unverified: null first, "" if it calls null a conflict.
    otherwise = merged(patch, nested(DISK_ACCESS, ""))
    patch = merged(patch, nested(DISK_ACCESS, None))
    return Patch(patch, otherwise), [Change(DISK_ACCESS, clean(str(access), 2048), None)]


def guard(kind: str) -> Guard:
    """The guard of `disks` or `snapshots`."""
    type_ = f"Microsoft.Compute/{kind}"
    return Guard(
        resource_type=type_,
        api_version=API_VERSION,
        rules=RULES,
        operations=(f"{type_}/write", f"{type_}/beginGetAccess/action"),
        own_operations=(f"{type_}/write", f"{type_}/endGetAccess/action"),
        permissions=(f"{type_}/read", f"{type_}/write", f"{type_}/endGetAccess/action"),
        inspect=inspect,
        plan=plan,
        exposure=exposure,
        also_changes=(DISK_ACCESS,),
        links=Links(LIVE_EXPORT.id, (f"{type_}/beginGetAccess/action",), fills=_for_upload),
    )
