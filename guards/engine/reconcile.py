"""One look at one resource, from top to bottom: read, judge, write the intent, close, tell.

Level-based: whatever led here, the resource is read and judged as it stands now, so any look may
be repeated at any time, on any instance. The intent goes to `guard-work` before the first change;
if this process dies, it surfaces, and the look is made again with the evidence of this one.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.decide import Verdict, decide
from guards.engine.errors import Gone, GuardError, StillRunning, Terminal, Transient
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Change, Finding, Guard, Outcome, Plan, Severity
from guards.engine.policy import Policy
from guards.engine.ports import Ports, Receipt
from guards.engine.rules import text_at
from guards.engine.tasks import Evidence, Task

log = logging.getLogger(__name__)

RECHECK_DELAYS_S = (5, 30)
"""A write still in progress is looked at again after these, then no more."""

FIRST_DELAY_S, LONGEST_DELAY_S, GIVE_UP = 10, 15 * 60, timedelta(hours=24)
"""Expected trouble is tried again after 10 s, doubling to 15 min, for a day."""

MOST_ATTEMPTS = 200
"""A day takes about 100; a message with a time in the future ends here."""

_TERMINAL_STATES = {"succeeded", "failed", "canceled"}

_ACCEPTED_YET_OPEN = (
    "Azure accepted the change and shows the resource open all the same: something sets it back, "
    "or the change failed on Azure's side; see the resource's activity log"
)

_FOUND_CLOSED = (
    "an earlier look saw this open and could not report it; it is closed now, by the guard before "
    "it was interrupted or by someone meanwhile"
)


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

    def alert(self, outcome: Outcome, evidence: Evidence, reason: str | None = None) -> Alert:
        """The alert of this look, from what was seen and how it ended."""
        closed = outcome is Outcome.REVERTED
        was_closed = closed or outcome is Outcome.FOUND_CLOSED
        changes = evidence.changes
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


async def reconcile(
    task: Task, guard: Guard, resource: ResourceId, ports: Ports, deadline: float
) -> Result:
    """Look at one resource and close what the policy says must be closed.

    Raises:
        Transient: nothing was changed and nothing is lost yet; the caller puts the task off.
    """
    look = Look(task, guard, resource, ports, await ports.policy(), deadline)
    try:
        body = await look.get()
    except Gone:
        return await _deleted_meanwhile(look, task.evidence)
    except Terminal as e:
        evidence = task.evidence or _seen(look, (), (), Severity.HIGH, {})
        return await look.tell(Outcome.NOT_REVERTED, evidence, f"could not be read: {e}")

    held = task.evidence
    if held is None or not held.accepted:
        await _recheck_if_early(look, body)
    elif _in_progress(body):
        raise Transient("Azure has not finished the change it accepted")

    verdict = decide(look.findings(body), ports.cap)
    if held is not None:
        result = await _follow_up(look, held, verdict)
        if result is not None:
            return result
        if not _covers(held, verdict):
            look = replace(look, task=replace(task, evidence=None))
    if not verdict.findings:
        return Result(Outcome.ALREADY_COMPLIANT)

    plan = guard.plan(body, verdict.to_close, look.policy.of(guard))
    if not plan.steps:
        return await _only_tell(look, body, verdict, plan)
    if ports.clock.monotonic() > deadline - ports.budget_s / 4:
        raise Transient("too little of the time budget is left to change anything")
    return await _close(look, body, verdict, plan)


def _covers(held: Evidence, verdict: Verdict) -> bool:
    """Whether an earlier look saw everything that is open now."""
    return {f.rule for f in held.findings} >= {f.rule for f in verdict.findings}


async def _follow_up(look: Look, held: Evidence, verdict: Verdict) -> Result | None:
    """What became of what an earlier look saw; None if the look goes on.

    A setting that another write opened since is a violation of its own: the old one is told with
    its own id first, and the look goes on with the new one.
    """
    now_open = {finding.rule for finding in verdict.findings}
    closed = tuple(finding for finding in held.findings if finding.rule not in now_open)
    covered = _covers(held, verdict)
    if not now_open or (closed and not covered):
        paths = {finding.path for finding in closed}
        gone = tuple(c for c in held.changes if c.path in paths or not now_open)
        told = replace(held, findings=closed, changes=gone)
        if held.accepted:
            result = await look.tell(Outcome.REVERTED, told)
        else:
            result = await look.tell(Outcome.FOUND_CLOSED, told, _FOUND_CLOSED)
        return None if now_open else result
    if held.accepted:
        result = await look.tell(Outcome.NOT_REVERTED, _at_least_high(held), _ACCEPTED_YET_OPEN)
        return result if covered else None
    return None


async def _close(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Intent, steps, alert, and the intent away: in this order, so that nothing is lost between."""
    evidence = _evidence(look, body, verdict, plan)
    intent = await _write_intent(look, evidence)
    task = look.task.with_evidence(evidence)
    try:
        after = await _carry_out(look, plan)
    except StillRunning as e:
        accepted = task.with_evidence(replace(evidence, accepted=True))
        return await put_off(accepted, e, look.ports, intent)
    except Gone:
        return await _alert_or_leave(look, intent, Outcome.DELETED_MEANWHILE, evidence, None)
    except GuardError as e:
        explained = await _explain_refusal(look, e)
        if isinstance(e, Transient) and not explained:
            return await put_off(task, e, look.ports, intent)
        outcome, reason = Outcome.NOT_REVERTED, f"Azure refused: {e}{explained}"
    else:
        outcome, reason = _how_it_ended(look, verdict, plan, after)
    if outcome is Outcome.NOT_REVERTED:
        evidence = _at_least_high(evidence)
    return await _alert_or_leave(look, intent, outcome, evidence, reason)


def _how_it_ended(look: Look, verdict: Verdict, plan: Plan, after: Body) -> tuple[Outcome, str]:
    """Believe Azure's answer: "reverted" only if it shows every planned setting closed."""
    blocked = plan.blocked.rules if plan.blocked else ()
    planned = {finding.rule for finding in verdict.to_close} - set(blocked)
    still = sorted(planned & {finding.rule for finding in look.findings(after)})
    if still:
        reason = f"Azure accepted the change, and its answer still shows {', '.join(still)} open"
        return Outcome.NOT_REVERTED, reason
    reason = f"not changed ({', '.join(blocked)}): {plan.blocked.reason}" if plan.blocked else ""
    return Outcome.REVERTED, reason


async def _alert_or_leave(
    look: Look, intent: Receipt | None, outcome: Outcome, evidence: Evidence, reason: str | None
) -> Result:
    """Post the alert, then take the intent away; without the alert, the intent stays and surfaces.

    Raises:
        Transient: no alert, and the message in hand is the intent: the caller keeps it.
    """
    try:
        result = await look.tell(outcome, evidence, reason)
    except Transient as e:
        if intent is None:
            raise
        return Result(Outcome.DEFERRED, evidence.alert_id, f"{outcome}; alert follows: {e}")
    if intent is not None:
        await look.ports.work.delete(intent)
    return result


async def _carry_out(look: Look, plan: Plan) -> Body:
    """The steps; a PATCH that Azure calls conflicting is sent once more in its other form."""
    after: Body = {}
    for step in plan.steps:
        args = (look.resource, look.guard.api_version)
        try:
            after = await look.ports.arm.patch(*args, step.body, look.deadline)
        except GuardError as e:
            if step.otherwise is None or e.code != "ConflictingUserInput":
                raise
            after = await look.ports.arm.patch(*args, step.otherwise, look.deadline)
    return after


async def _explain_refusal(look: Look, error: GuardError) -> str:
    """After a refused PATCH: the children that stand in its way, or nothing."""
    refusal = look.guard.refusal
    if refusal is None or error.status not in (400, 409) or error.code == "ScopeLocked":
        return ""
    try:
        found = await look.ports.arm.children(
            look.resource, refusal.type, refusal.api_version, look.deadline
        )
    except GuardError as e:
        log.warning("%s of %s could not be listed: %s", refusal.type, look.resource, e)
        return ""
    names = ", ".join(str(child.get("name", "?")) for child in found[:20])
    return f". {refusal.explanation}: {names}" if names else ""


async def _write_intent(look: Look, evidence: Evidence) -> Receipt | None:
    """Before anything is changed; a message in hand that already says the same serves as one."""
    held = look.task.evidence
    if evidence is held:
        return None
    message = look.task.with_evidence(evidence).message()
    return await look.ports.work.put(message, look.ports.intent_delay_s)


async def put_off(
    task: Task, error: Transient, ports: Ports, intent: Receipt | None = None
) -> Result:
    """Go on from `guard-work` later: the intent updated, or a new message. Give up after a day.

    Raises:
        Transient: the queue cannot be reached and no intent exists.
    """
    started = datetime.fromisoformat(task.first_seen)
    if ports.clock.now() - started >= GIVE_UP or task.attempt >= MOST_ATTEMPTS:
        reason = f"given up after {task.attempt} attempts in a day: {error}"
        return await give_up(task, reason, ports, intent)
    delay = min(FIRST_DELAY_S * 2 ** min(task.attempt, 10), LONGEST_DELAY_S)
    delay = max(delay, min(error.retry_after or 0, 3600))
    alert_id = task.evidence.alert_id if task.evidence else ""
    if intent is None:
        await ports.work.put(task.again().message(), delay)
    else:
        try:
            await ports.work.update(intent, task.again().message(), delay)
        except Transient as e:
            log.warning("intent could not be put off and surfaces by itself: %s", e)
    return Result(Outcome.DEFERRED, alert_id, f"again in {delay:.0f} s: {error}")


async def give_up(task: Task, reason: str, ports: Ports, intent: Receipt | None = None) -> Result:
    """The one alert of a task that will not be tried again; keeps the id of what was seen."""
    change, evidence = task.change, task.evidence
    alert_id = evidence.alert_id if evidence else alerts.digest(change.resource, change.event_id)
    alert = Alert(
        alert_id=alert_id,
        source=task.source,
        outcome=Outcome.NOT_REVERTED,
        severity=alerts.worst(evidence.findings if evidence else (), Severity.HIGH),
        seen_at=evidence.seen_at if evidence else task.first_seen,
        resource_id=clean(change.resource, 2048),
        findings=evidence.findings if evidence else (),
        reason=reason,
        caller=change.caller,
        operation_name=change.operation_name,
        event_id=change.event_id,
        event_time=change.event_time,
        correlation_id=change.correlation_id,
        policy_hash=evidence.policy_hash if evidence else "",
    )
    await ports.alerts.put(alert.message())
    if intent is not None:
        await ports.work.delete(intent)
    return Result(Outcome.NOT_REVERTED, alert_id, reason)


async def _deleted_meanwhile(look: Look, evidence: Evidence | None) -> Result:
    """No resource, no alert, unless an earlier look saw it open."""
    if evidence is None:
        return Result(Outcome.DELETED_MEANWHILE)
    return await look.tell(Outcome.DELETED_MEANWHILE, evidence)


async def _only_tell(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Audit, or blocked: the alert, and nothing is changed."""
    if plan.blocked is None:
        evidence = _seen(look, verdict.findings, (), alerts.worst(verdict.findings), body)
        would = look.guard.plan(body, verdict.findings, look.policy.of(look.guard))
        return await look.tell(Outcome.REPORTED_ONLY, evidence, _would_have(would))
    severity = plan.blocked.severity
    opened = look.task.change.operation_name.lower() in map(str.lower, look.guard.own_operations)
    if plan.blocked.by_caller and opened and look.task.change.caller:
        severity = plan.blocked.by_caller
    evidence = _seen(look, verdict.findings, (), severity, body, event_id="")
    return await look.tell(Outcome.BLOCKED, evidence, plan.blocked.reason)


def _would_have(plan: Plan) -> str:
    reason = "audit: nothing was changed"
    if plan.steps:
        steps = ", ".join(f"PATCH {json.dumps(step.body)}" for step in plan.steps)
        reason += f"; enforced, it would have been {steps}"
    if plan.blocked:
        reason += f"; what enforcing would not have changed: {plan.blocked.reason}"
    return reason


def _evidence(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Evidence:
    """What this look saw; that of an earlier look if there is one, so that ids stay."""
    held = look.task.evidence
    if held is not None:
        return held
    return _seen(look, verdict.findings, plan.changes, alerts.worst(verdict.findings), body)


def _seen(
    look: Look,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    severity: Severity,
    body: Body,
    event_id: str | None = None,
) -> Evidence:
    event_id = look.task.change.event_id if event_id is None else event_id
    return Evidence(
        alert_id=alerts.violation_id(look.resource.key, event_id, findings, body),
        findings=tuple(findings),
        changes=tuple(changes),
        severity=severity,
        seen_at=look.now(),
        policy_hash=look.policy.hash,
    )


def _at_least_high(evidence: Evidence) -> Evidence:
    return replace(evidence, severity=alerts.worst((), evidence.severity, Severity.HIGH))


def _in_progress(body: Body) -> bool:
    state = text_at(body, "properties.provisioningState")
    return state is not None and state.lower() not in _TERMINAL_STATES


async def _recheck_if_early(look: Look, body: Body) -> None:
    """A write still in progress, or a grant whose SAS does not show yet, is looked at once more."""
    granted = look.task.change.operation_name.lower().endswith("/begingetaccess/action")
    early = _in_progress(body) or (granted and not look.guard.accessed(body))
    if not early or look.task.recheck >= len(RECHECK_DELAYS_S):
        return
    again = replace(look.task, recheck=look.task.recheck + 1, evidence=None)
    await look.ports.work.put(again.message(), RECHECK_DELAYS_S[look.task.recheck])


def timestamp(moment: datetime) -> str:
    """UTC, ISO 8601, milliseconds, Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
