"""What one look at one resource carries along: task, ports, and how it tells what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.decide import Verdict, decide
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Change, Finding, Guard, Mode, Outcome, Severity
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.rules import text_at
from guards.engine.shapes import timestamp
from guards.engine.tasks import Evidence, Task


@dataclass(frozen=True, slots=True)
class Result:
    """How a look ended, for the log line; no outcome where nothing was looked at."""

    outcome: Outcome | None
    alert_id: str = ""
    reason: str = ""
    resource: str = ""

    def __str__(self) -> str:
        """One line, safe to log: names and reasons come from outside."""
        parts = [clean(self.resource, 300), self.outcome or "not looked at"]
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

    @property
    def is_write(self) -> bool:
        """Whether the event is of an operation that the guard performs as well: a write."""
        own = map(str.lower, self.guard.own_operations)
        return self.task.change.operation_name.lower() in own

    def now(self) -> str:
        """The wall clock as alerts write it."""
        return timestamp(self.ports.clock.now())

    async def get(self) -> Body:
        """The resource as it stands."""
        return await self.ports.arm.get(self.resource, self.guard.api_version, self.deadline)

    def judge(self, body: Body) -> Verdict:
        """What the policy says of a body, now."""
        ports = self.ports
        now = ports.clock.now()
        return decide(self.guard, self.resource, body, self.policy, ports.cap, now)

    def open_rules(self, body: Body, seen: Sequence[Finding]) -> set[str]:
        """The rules a body deviates from, whatever their mode is now, exempt or not.

        Of what was `seen` open, also what is just as it was: another policy closes nothing.
        """
        rules = self.policy.applied(self.guard, self.resource, body).rules
        every = {name: replace(rule, mode=Mode.ENFORCE) for name, rule in rules.items()}
        deviating = {finding.rule for finding in self.guard.inspect(body, every)}
        return deviating | {f.rule for f in seen if _shown(body, f.path) == f.actual}

    def made(self, changes: Sequence[Change], body: Body) -> tuple[Change, ...]:
        """Those of the changes that the body shows done.

        Changes may come from a queue: only what the guard could have planned counts.
        """
        own = {rule.path for rule in self.guard.rules} | set(self.guard.also_changes)
        return tuple(
            change
            for change in changes
            if change.path in own
            and (text_at(body, change.path) or "").lower() == (change.after or "").lower()
        )

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

    async def tell(
        self,
        outcome: Outcome,
        evidence: Evidence,
        reason: str = "",
        made: tuple[Change, ...] = (),
    ) -> Result:
        """Post the alert: what was seen, how it ended, and the changes that were made.

        What a person must look at is never less than high.
        """
        open_still = outcome in (Outcome.BLOCKED, Outcome.NOT_REVERTED)
        least = Severity.HIGH if open_still else Severity.LOW
        alert = Alert(
            alert_id=evidence.alert_id,
            source=self.task.source,
            outcome=outcome,
            severity=alerts.worst((), evidence.severity, least),
            seen_at=evidence.seen_at,
            resource_id=str(self.resource),
            resource_type=self.guard.resource_type,
            findings=evidence.findings,
            changes=made,
            reason=reason or None,
            closed_at=self.now() if outcome is Outcome.REVERTED else None,
            policy_hash=evidence.policy_hash,
            undo=alerts.undo(self.guard, self.resource.path, made),
        )
        await self.ports.alerts.put(alert.of(self.task.change).message())
        return Result(outcome, evidence.alert_id, reason)


def _shown(body: Body, path: str) -> str | None:
    """A value as findings have it."""
    value = text_at(body, path)
    return None if value is None else clean(value)
