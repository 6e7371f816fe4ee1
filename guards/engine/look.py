"""What one look at one resource carries along: task, ports, and how it tells what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.decide import Verdict, decide
from guards.engine.errors import GuardError, Transient
from guards.engine.events import clean
from guards.engine.exposure import NOT_CUT, Cut, exposure_of, hands_out
from guards.engine.ids import ResourceId
from guards.engine.model import (
    Blocked,
    Body,
    Change,
    Finding,
    Granter,
    Guard,
    Kind,
    Lookup,
    Mode,
    Outcome,
    Severity,
)
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.rules import KNOWN, text_at, with_known
from guards.engine.saved import restored
from guards.engine.shapes import timestamp
from guards.engine.tasks import Evidence, Task


@dataclass(frozen=True, slots=True)
class Result:
    """How a look ended, for the log line; no outcome where nothing was looked at."""

    outcome: Outcome | None
    alert_id: str = ""
    reason: str = ""
    resource: str = ""
    granter: Granter = Granter.NOBODY

    def __str__(self) -> str:
        """One line, safe to log: names and reasons come from outside."""
        parts = [clean(self.resource, 300), self.outcome or "not looked at"]
        parts.append(f"({clean(self.reason, 600)})" if self.reason else "")
        parts.append(f"alert {self.alert_id[:12]}" if self.alert_id else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look carries along; `granter` is whose link is out, once that is known."""

    task: Task
    guard: Guard
    resource: ResourceId
    ports: Ports
    policy: Policy
    deadline: float
    granter: Granter = Granter.NOBODY
    saved: tuple[Body, ...] = ()
    """Of an earlier look that goes on as another violation: bodies that must not be lost."""

    @property
    def is_write(self) -> bool:
        """Whether the event is of an operation that the guard performs as well: a write."""
        own = map(str.lower, self.guard.own_operations)
        operation = self.task.change.operation_name.lower()
        return operation in own and operation.endswith("/write")

    @property
    def is_export(self) -> bool:
        """Whether the event is of an operation that takes data out or in: news each time."""
        return hands_out(self.task.change, self.guard.exports)

    def now(self) -> str:
        """The wall clock as alerts write it."""
        return timestamp(self.ports.clock.now())

    async def get(self) -> Body:
        """The resource as it stands, with what else its guard needs to judge it."""
        body = await self.ports.arm.get(self.resource, self.guard.api_version, self.deadline)
        guard, facts = self.guard, self._told()
        if guard.lookups is not None:
            rules = self.policy.applied(guard, self.resource, body).rules
            for one in guard.lookups(body, rules):
                facts[one.name] = await self._looked_up(one)
        return with_known(body, **facts) if facts else body

    def _told(self) -> dict[str, object]:
        """What only the event tells, for guards that judge by it."""
        guard, change = self.guard, self.task.change
        facts: dict[str, object] = {}
        if guard.exports:
            operation = change.operation_name.lower()
            facts = {"operation": operation, "source": change.request.source}
        if guard.links is not None and not guard.links.shown:
            facts["granted"] = hands_out(change, guard.links.grants)
        return facts

    async def _looked_up(self, lookup: Lookup) -> object:
        """What a lookup finds, or why it cannot be read: reported, never fatal."""
        arm, version, deadline = self.ports.arm, lookup.api_version, self.deadline
        try:
            if lookup.resource is not None:
                return await arm.get(lookup.resource, version, deadline)
            return await arm.children(self.resource, lookup.children, version, deadline)
        except Transient:
            raise
        except GuardError as e:
            return clean(str(e), 300)

    def links_among(self, findings: Sequence[Finding]) -> bool:
        """Whether a finding is that of a link that is out."""
        links = self.guard.links
        return links is not None and any(finding.rule == links.rule for finding in findings)

    def link_is_out(self, body: Body) -> bool:
        """Whether a body shows a link that a revocation would end."""
        return any(finding.mode is Mode.ENFORCE for finding in self.states(body))

    def states(self, body: Body) -> list[Finding]:
        """What a body shows of links and uploads, whatever the policy says of them."""
        paths = {rule.path for rule in self.guard.rules if rule.kind is Kind.STATE}
        return [finding for finding in self._every(body) if finding.path in paths]

    def carried(self, before: Body, after: Body) -> Body:
        """A later body with what was known before, but for what an event told: that is over."""
        facts = before.get(KNOWN)
        return with_known(after, **{**facts, "granted": False, "operation": ""}) if facts else after

    def severity_of(self, blocked: Blocked) -> Severity:
        """How bad it is that something cannot be closed: worse if somebody opens it right now."""
        by_caller = self.is_write and bool(self.task.change.caller)
        return blocked.by_caller or blocked.severity if by_caller else blocked.severity

    def judge(self, body: Body) -> Verdict:
        """What the policy says of a body, now."""
        ports = self.ports
        now = ports.clock.now()
        return decide(self.guard, self.resource, body, self.policy, ports.cap, now, self.granter)

    def open_rules(self, body: Body, seen: Sequence[Finding]) -> set[str]:
        """The rules a body deviates from, whatever their mode is now, exempt or not.

        Of what was `seen` open, also what is just as it was: another policy closes nothing.
        """
        deviating = {finding.rule for finding in self._every(body)}
        return deviating | {f.rule for f in seen if _shown(body, f.path) == f.actual}

    def _every(self, body: Body) -> tuple[Finding, ...]:
        rules = self.policy.applied(self.guard, self.resource, body).rules
        every = {name: replace(rule, mode=Mode.ENFORCE) for name, rule in rules.items()}
        return self.guard.inspect(body, every)

    def made(self, changes: Sequence[Change], body: Body) -> tuple[Change, ...]:
        """Those of the changes that the body shows done; a state as it came to be.

        Changes may come from a queue: only what the guard could have planned counts.
        """
        states = {rule.path for rule in self.guard.rules if rule.kind is Kind.STATE}
        own = {rule.path for rule in self.guard.rules} | set(self.guard.also_changes)
        done: list[Change] = []
        for change in changes:
            if change.path in states:
                if all(finding.path != change.path for finding in self._every(body)):
                    done.append(replace(change, after=_shown(body, change.path) or change.after))
            elif change.path in own and _same(text_at(body, change.path), change.after):
                done.append(change)
        return tuple(done)

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
            saved=self.saved,
        )

    async def tell(
        self,
        outcome: Outcome,
        evidence: Evidence,
        reason: str = "",
        made: tuple[Change, ...] = (),
        cut: Cut = NOT_CUT,
    ) -> Result:
        """Post the alert: what was seen, how it ended, and the changes that were made.

        What a person must look at is never less than high.
        """
        cut = evidence.cut if cut == NOT_CUT else cut
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
            undo=alerts.undo(self.guard, self.resource.path, made)
            + restored(evidence.saved, self.resource),
            exposure=exposure_of(
                self.guard, self.task.change, evidence.findings, outcome, cut, made
            ),
            deleted=evidence.saved,
        )
        await self.ports.alerts.put(alert.of(self.task.change).message())
        return Result(outcome, evidence.alert_id, reason)


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").lower() == (other or "").lower()


def _shown(body: Body, path: str) -> str | None:
    """A value as findings have it."""
    value = text_at(body, path)
    return None if value is None else clean(value)
