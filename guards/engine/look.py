"""What one look at one resource carries along: task, ports, and how it tells what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Change, Finding, Guard, Outcome, Severity
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.tasks import Evidence, Task


def timestamp(moment: datetime) -> str:
    """UTC, ISO 8601, milliseconds, Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Result:
    """How a look ended, for the log line."""

    outcome: Outcome
    alert_id: str = ""
    reason: str = ""
    resource: str = ""

    def __str__(self) -> str:
        """One line, safe to log: names and reasons come from outside."""
        parts = [clean(self.resource, 300), self.outcome]
        parts.append(f"({clean(self.reason, 600)})" if self.reason else "")
        parts.append(f"alert {self.alert_id[:12]}" if self.alert_id else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look carries along."""

    task: Task
    guard: Guard
    resource: ResourceId
    ports: Ports
    policy: Policy
    deadline: float

    def now(self) -> str:
        """The wall clock as alerts write it."""
        return timestamp(self.ports.clock.now())

    async def get(self) -> Body:
        """The resource as it stands."""
        return await self.ports.arm.get(self.resource, self.guard.api_version, self.deadline)

    def findings(self, body: Body) -> tuple[Finding, ...]:
        """What deviates in a body."""
        return self.guard.inspect(body, self.policy.of(self.guard))

    def seen(
        self,
        findings: Sequence[Finding],
        changes: Sequence[Change],
        severity: Severity,
        body: Body,
        event_id: str | None = None,
    ) -> Evidence:
        """What this look saw, with the id that its alert will have."""
        event_id = self.task.change.event_id if event_id is None else event_id
        return Evidence(
            alert_id=alerts.violation_id(self.resource.key, event_id, findings, body),
            findings=tuple(findings),
            changes=tuple(changes),
            severity=severity,
            seen_at=self.now(),
            policy_hash=self.policy.hash,
        )

    def alert(self, outcome: Outcome, evidence: Evidence, reason: str | None = None) -> Alert:
        """The alert of this look, from what was seen and how it ended."""
        closed = outcome is Outcome.REVERTED
        was_closed = closed or outcome is Outcome.FOUND_CLOSED
        # Evidence comes from a queue: only what the guard itself could have changed is undone.
        own = {rule.path for rule in self.guard.rules} | set(self.guard.also_changes)
        changes = tuple(change for change in evidence.changes if change.path in own)
        return Alert(
            alert_id=evidence.alert_id,
            source=self.task.source,
            outcome=outcome,
            severity=evidence.severity,
            seen_at=evidence.seen_at,
            resource_id=str(self.resource),
            resource_type=self.guard.resource_type,
            findings=evidence.findings,
            changes=changes if was_closed else (),
            reason=reason or None,
            caller=self.task.change.caller,
            operation_name=self.task.change.operation_name,
            event_id=self.task.change.event_id,
            event_time=self.task.change.event_time,
            closed_at=self.now() if closed else None,
            correlation_id=self.task.change.correlation_id,
            policy_hash=evidence.policy_hash,
            undo=alerts.undo(self.guard, self.resource.path, changes) if was_closed else (),
        )

    async def tell(self, outcome: Outcome, evidence: Evidence, reason: str | None = None) -> Result:
        """Post the alert."""
        await self.ports.alerts.put(self.alert(outcome, evidence, reason).message())
        return Result(outcome, evidence.alert_id, reason or "")
