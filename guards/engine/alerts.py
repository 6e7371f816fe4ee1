"""The alert, schema `exportguard.alert/1`: the public contract, documented in docs/alert.md.

An alert fits a queue message whatever happens: a longer one is cut with a note, never dropped.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guards.engine import fitting
from guards.engine.model import (
    Body,
    Caller,
    Change,
    Finding,
    Guard,
    Kind,
    Outcome,
    ResourceChange,
    Rule,
    Severity,
    Source,
)
from guards.engine.rules import at, merged, nested, wire
from guards.engine.shapes import caller_json, finding_json

SCHEMA = "exportguard.alert/1"
MAX_REASON = fitting.MAX_REASON


@dataclass(frozen=True, slots=True)
class Exposure:
    """A SAS link that was out: since when, by whom, for how long. None where it is not known.

    Attributes:
        access: Read or Write, as asked for, and `duration_s` the life that was asked for.
        state_after: `diskState` as Azure showed it after the revocation.
        statement: what that means, in a sentence or two.
    """

    statement: str
    granted_at: str | None = None
    access: str | None = None
    duration_s: int | None = None
    revoked_at: str | None = None
    seconds_open: float | None = None
    state_after: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; times are UTC, ISO 8601; None where there is nothing to say."""

    alert_id: str
    source: Source
    outcome: Outcome
    severity: Severity
    seen_at: str
    resource_id: str | None = None
    resource_type: str | None = None
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    reason: str | None = None
    caller: Caller = field(default_factory=Caller)
    operation_name: str = ""
    event_id: str = ""
    event_time: str = ""
    closed_at: str | None = None
    correlation_id: str = ""
    policy_hash: str = ""
    undo: tuple[Body, ...] = ()
    exposure: Exposure | None = None
    deleted: tuple[Body, ...] = ()

    def of(self, change: ResourceChange) -> "Alert":
        """The same alert with what the event says: who, which operation, when."""
        return replace(
            self,
            caller=change.caller,
            operation_name=change.operation_name,
            event_id=change.event_id,
            event_time=change.event_time,
            correlation_id=change.correlation_id,
        )

    def message(self) -> dict[str, Any]:
        """The JSON of `guard-alerts`: harmless to show, and short enough for it."""
        return fitting.fitting(self._as_json())

    def _as_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "alertId": self.alert_id,
            "source": self.source,
            "resourceId": self.resource_id,
            "resourceType": self.resource_type,
            "outcome": self.outcome,
            "severity": self.severity,
            "findings": [finding_json(finding) for finding in self.findings],
            "changes": [{"path": c.path, "from": c.before, "to": c.after} for c in self.changes],
            "reason": self.reason,
            "caller": caller_json(self.caller),
            "operationName": self.operation_name,
            "eventId": self.event_id,
            "eventTime": self.event_time,
            "seenAt": self.seen_at,
            "closedAt": self.closed_at,
            "correlationId": self.correlation_id,
            "policyHash": self.policy_hash,
            "undo": list(self.undo),
            "exposure": self._exposure_json(),
            "deleted": list(self.deleted),
        }

    def _exposure_json(self) -> dict[str, Any] | None:
        seen = self.exposure
        if seen is None:
            return None
        return {
            "grantedAt": seen.granted_at,
            "access": seen.access,
            "durationSeconds": seen.duration_s,
            "revokedAt": seen.revoked_at,
            "secondsOpen": seen.seconds_open,
            "caller": self.caller.who or None,
            "ipAddress": self.caller.ip_address or None,
            "stateAfter": seen.state_after,
            "statement": seen.statement,
        }


def digest(*parts: object) -> str:
    """SHA-256 over the parts, unambiguous."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def violation_id(key: str, event_id: str, findings: Sequence[Finding], body: Body) -> str:
    """The `alertId` of a violation: the same for doubled events, another for the next violation.

    `event_id` is empty for blocked ones: as long as nobody writes the resource, they are one alert.
    """
    written = at(body, "systemData.lastModifiedAt") or at(body, "etag") or ""
    seen = sorted([finding.rule, finding.actual or ""] for finding in findings)
    return digest(key, event_id, seen, str(written))


def worst(findings: Iterable[Finding], *others: Severity) -> Severity:
    """The highest severity among findings and others; low if there are none."""
    severities = [finding.severity for finding in findings] + list(others)
    return max(severities, key=lambda s: s.rank, default=Severity.LOW)


def undo(guard: Guard, resource_path: str, changes: Sequence[Change]) -> tuple[Body, ...]:
    """The ARM requests that restore the old values, in order; absent ones as Azure's default.

    What a state was, such as a link that was out, no request restores.
    """
    rules = {rule.path: rule for rule in guard.rules}
    bodies = [
        nested(change.path, _before(change, rule))
        for change in changes
        if (rule := rules.get(change.path)) is None or rule.kind is not Kind.STATE
    ]
    if not guard.undo_apart and bodies:
        bodies = [merged(*bodies)]
    return tuple(
        {"method": "PATCH", "path": resource_path, "apiVersion": guard.api_version, "body": body}
        for body in bodies
    )


def _before(change: Change, rule: Rule | None) -> Any:
    if rule is None:
        return change.before
    return wire(rule, rule.when_absent if change.before is None else change.before)
