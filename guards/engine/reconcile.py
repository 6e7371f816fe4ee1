"""One look at one resource, from top to bottom: read, judge, write the intent, close, tell.

Level-based: whatever led here, the resource is read and judged as it stands now, so any look may
be repeated at any time, on any instance. The intent goes to `guard-work` before the first change;
if this process dies, it surfaces, and the look is made again with the evidence of this one.
"""

import json
import logging
from dataclasses import replace

from guards.engine import alerts
from guards.engine.decide import Verdict, decide
from guards.engine.errors import Gone, GuardError, StillRunning, Terminal, Transient
from guards.engine.ids import ResourceId
from guards.engine.later import in_progress, put_off, recheck_if_early
from guards.engine.look import Look, Result
from guards.engine.model import Body, Guard, Outcome, Plan, Severity
from guards.engine.ports import Ports, Receipt
from guards.engine.tasks import Evidence, Task

log = logging.getLogger(__name__)

_ACCEPTED_YET_OPEN = (
    "Azure accepted the change and shows the resource open all the same: something sets it back, "
    "or the change failed on Azure's side; see the resource's activity log"
)

_FOUND_CLOSED = (
    "an earlier look saw this open and could not report it; it is closed now, by the guard before "
    "it was interrupted or by someone meanwhile"
)


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
        evidence = task.evidence or look.seen((), (), Severity.HIGH, {})
        return await look.tell(Outcome.NOT_REVERTED, evidence, f"could not be read: {e}")

    held = task.evidence
    if held is None or not held.accepted:
        await recheck_if_early(look, body)
    elif in_progress(body):
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
        still = {finding.path for finding in held.findings if finding.rule in now_open}
        gone = tuple(change for change in held.changes if change.path not in still)
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


async def _deleted_meanwhile(look: Look, evidence: Evidence | None) -> Result:
    """No resource, no alert, unless an earlier look saw it open."""
    if evidence is None:
        return Result(Outcome.DELETED_MEANWHILE)
    return await look.tell(Outcome.DELETED_MEANWHILE, evidence)


async def _only_tell(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Audit, or blocked: the alert, and nothing is changed."""
    if plan.blocked is None:
        evidence = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body)
        would = look.guard.plan(body, verdict.findings, look.policy.of(look.guard))
        return await look.tell(Outcome.REPORTED_ONLY, evidence, _would_have(would))
    severity = plan.blocked.severity
    opened = look.task.change.operation_name.lower() in map(str.lower, look.guard.own_operations)
    if plan.blocked.by_caller and opened and look.task.change.caller:
        severity = plan.blocked.by_caller
    evidence = look.seen(verdict.findings, (), severity, body, event_id="")
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
    return look.seen(verdict.findings, plan.changes, alerts.worst(verdict.findings), body)


def _at_least_high(evidence: Evidence) -> Evidence:
    return replace(evidence, severity=alerts.worst((), evidence.severity, Severity.HIGH))
