"""Restore points: copies of a machine's disks that can be exported by themselves.

Azure's rules behind it: a disk restore point gives and revokes links, and no request changes its
settings, so these are reported only. Its body does not tell whether a link is out: that is known
from the event of a grant alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from guards import managed_disk
from guards.engine.endpoints import listed_private_access
from guards.engine.model import (
    Body,
    Change,
    Finding,
    Guard,
    Kind,
    Links,
    Mode,
    Plan,
    RevokeAccess,
    Severity,
    TypePolicy,
)
from guards.engine.rules import deviations, known
from guards.leads import POINTS

TYPE = f"{POINTS}/diskRestorePoints"

_GRANTED, _REVOKED = "granted", "revoked"
_OF_DISKS = (managed_disk.NETWORK_ACCESS, managed_disk.PUBLIC_NETWORK)

LIVE_EXPORT = replace(
    managed_disk.LIVE_EXPORT,
    path="accessSAS",
    values=(_REVOKED, _GRANTED),
    allowed=(_REVOKED,),
    desired=_REVOKED,
    when_absent=_REVOKED,
)
RULES = (
    *(replace(rule, kind=Kind.REPORTED, default_mode=Mode.AUDIT, minimum=()) for rule in _OF_DISKS),
    LIVE_EXPORT,
)


def _granted(body: Body) -> bool:
    """Whether an event said that a link was handed out."""
    return known(body, "granted") is True


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """Findings of a disk restore point: its settings as a disk's, and a link that is out.

    That it was a stranger who took the link just now is worse than this: only the event tells.
    """
    listed = policy[managed_disk.NETWORK_ACCESS.id].options["allowed_disk_accesses"]
    found = deviations(
        _OF_DISKS,
        body,
        policy,
        lambda rule: rule is managed_disk.NETWORK_ACCESS and listed_private_access(body, listed),
        managed_disk.severity,
    )
    mode = policy[LIVE_EXPORT.id].mode
    if mode is Mode.OFF or not _granted(body):
        return found
    rule = LIVE_EXPORT
    return (*found, Finding(rule.id, rule.path, _GRANTED, rule.desired, Severity.HIGH, mode))


def plan(_body: Body, findings: Sequence[Finding], _policy: TypePolicy) -> Plan:
    """The link is revoked; nothing can be done about the settings."""
    if all(finding.rule != LIVE_EXPORT.id for finding in findings):
        return Plan()
    return Plan((RevokeAccess(),), (Change(LIVE_EXPORT.path, _GRANTED, _REVOKED),))


def exposure(body: Body) -> str:
    """Says so if a link to the copy was handed out."""
    if not _granted(body):
        return ""
    return (
        "a SAS link to this copy of a disk was handed out: Azure does not show whether it is still "
        "out, endGetAccess revokes it"
    )


GUARD = Guard(
    resource_type=TYPE,
    api_version=managed_disk.API_VERSION,
    rules=RULES,
    operations=(f"{TYPE}/beginGetAccess/action",),
    own_operations=(f"{TYPE}/endGetAccess/action",),
    permissions=(f"{TYPE}/read", f"{TYPE}/endGetAccess/action"),
    inspect=inspect,
    plan=plan,
    exposure=exposure,
    links=Links(
        rule=LIVE_EXPORT.id,
        grants=(f"{TYPE}/beginGetAccess/action", f"{POINTS}/retrieveSasUris/action"),
        shown=False,
    ),
)
