"""One look at one resource, from top to bottom: read, judge, write the intent, close, tell.

Level-based: whatever led here, the resource is read and judged as it stands now, so any look may
be repeated at any time, on any instance. The intent goes to `guard-work` before the first change;
if this process dies, it surfaces, and the look is made again with the evidence of this one.
"""

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from guards.engine import alerts
from guards.engine.decide import Verdict
from guards.engine.errors import Gone, GuardError, StillRunning, Terminal, Transient
from guards.engine.follow_up import follow_up, goes_on
from guards.engine.ids import ResourceId
from guards.engine.later import put_off, recheck_if_early
from guards.engine.look import Look, Result
from guards.engine.model import Body, Change, Guard, Mode, Outcome, Plan, Severity
from guards.engine.ports import Ports, Receipt
from guards.engine.rules import in_progress, text_at
from guards.engine.tasks import Evidence, Task

log = logging.getLogger(__name__)

OUT_OF_SCOPE = Result(None, reason="out of scope: the policy looks at nothing here")

_JUST_NOW = timedelta(minutes=10)

_SET_BACK = (
    "the guard itself wrote this resource last, and it is open all the same: something sets it "
    "back within the write, such as an Azure Policy with the effect modify; it is not tried again"
)


async def reconcile(
    task: Task, guard: Guard, resource: ResourceId, ports: Ports, deadline: float
) -> Result:
    """Look at one resource and close what the policy says must be closed.

    Raises:
        Transient: nothing was changed and nothing is lost yet; the caller puts the task off.
    """
    look = Look(task, guard, resource, ports, await ports.policy(), deadline)
    if task.evidence is None and _out_of_scope(look):
        return OUT_OF_SCOPE
    try:
        body = await look.get()
    except Gone:
        return await _deleted_meanwhile(look, task.evidence)
    except Terminal as e:
        evidence = task.evidence or look.seen((), (), Severity.HIGH, {})
        return await look.tell(Outcome.NOT_REVERTED, evidence, f"could not be read: {e}")
    result = await _judge(look, body)
    settled = result.outcome is Outcome.EXEMPT and not in_progress(body)
    if result.outcome is not Outcome.DEFERRED and not settled:
        await recheck_if_early(look, body)
    return result


def _out_of_scope(look: Look) -> bool:
    """Whether nothing of the resource is looked at, whatever it says: not worth a call."""
    off = look.ports.cap is Mode.OFF
    return off or look.policy.out_of_scope(look.guard, look.resource)


async def _judge(look: Look, body: Body) -> Result:
    """From the body to the end of the look."""
    held = look.task.evidence
    if in_progress(body) and ((held is not None and held.accepted) or await _own_write(look, body)):
        if held is not None:
            raise Transient("Azure has not finished the guard's own change")
        await recheck_if_early(look, body)
        return Result(Outcome.DEFERRED, reason="the guard's own change is in progress")

    verdict = look.judge(body)
    if held is not None:
        result = await follow_up(look, body, held, verdict)
        if result is not None:
            return result
        if goes_on(held, verdict):
            look = replace(look, task=replace(look.task, evidence=None))
    if not verdict.findings:
        if verdict.exempted:
            return Result(Outcome.EXEMPT, reason=verdict.leave())
        return Result(Outcome.ALREADY_COMPLIANT)

    plan = look.guard.plan(body, verdict.to_close, verdict.applied.rules)
    if not plan.steps:
        return await _only_tell(look, body, verdict, plan)
    if await _is_own_event(look, body):
        evidence = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body)
        return await look.tell(Outcome.NOT_REVERTED, evidence, _SET_BACK)
    if look.ports.clock.monotonic() > look.deadline - look.ports.budget_s / 4:
        raise Transient("too little of the time budget is left to change anything")
    return await _close(look, body, verdict, plan)


async def _own_write(look: Look, body: Body) -> bool:
    """Whether Azure says that the guard was the last to write the resource, just now.

    An old date says nothing: not every provider keeps it up to date with every write.
    """
    writer = (text_at(body, "systemData.lastModifiedBy") or "").lower()
    try:
        written = datetime.fromisoformat(text_at(body, "systemData.lastModifiedAt") or "")
        recent = abs(look.ports.clock.now() - written) < _JUST_NOW
    except (ValueError, TypeError):  # no date, or one without its zone
        return False
    return recent and bool(writer) and writer in await look.ports.own_names()


async def _is_own_event(look: Look, body: Body) -> bool:
    """Whether this is, by all signs, the event of the guard's own PATCH, though without claims.

    Patching again would raise the next one of these, for ever.
    """
    change = look.task.change
    unknown = not change.caller and look.task.evidence is None
    return look.is_write and unknown and await _own_write(look, body)


async def _close(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Intent, steps, alert, and the intent away: in this order, so that nothing is lost between."""
    held = look.task.evidence
    seen = look.seen(verdict.findings, plan.changes, alerts.worst(verdict.findings), body)
    evidence = held or seen
    intent = await _write_intent(look, evidence)
    task = look.task.with_evidence(evidence)
    made: tuple[Change, ...] = ()
    try:
        after = await _carry_out(look, plan)
    except StillRunning as e:
        accepted = task.with_evidence(replace(evidence, accepted=True))
        return await put_off(accepted, e, look.ports, intent)
    except Gone:
        return await _alert_or_leave(look, intent, Outcome.DELETED_MEANWHILE, evidence, "", ())
    except GuardError as e:
        explained = await _explain_refusal(look, e)
        if isinstance(e, Transient) and not explained:
            return await put_off(task, e, look.ports, intent)
        outcome, reason = Outcome.NOT_REVERTED, f"Azure refused: {e}{explained}"
    else:
        made = look.made(evidence.changes, after)
        outcome, reason = _how_it_ended(look, plan, after)
        reason = ". ".join(part for part in (reason, look.guard.exposure(body)) if part)
    return await _alert_or_leave(look, intent, outcome, evidence, reason, made)


def _how_it_ended(look: Look, plan: Plan, after: Body) -> tuple[Outcome, str]:
    """Believe Azure's answer: "reverted" only if it shows every planned setting closed."""
    made = {change.path for change in look.made(plan.changes, after)}
    planned = {change.path for change in plan.changes}
    rules = look.guard.rules
    still = [rule.id for rule in rules if rule.path in planned and rule.path not in made]
    verdict = look.judge(after)
    if still:
        reason = f"Azure accepted the change, and its answer still shows {', '.join(still)} open"
        return Outcome.NOT_REVERTED, reason
    blocked = plan.blocked.rules if plan.blocked else ()
    reasons = [f"not changed ({', '.join(blocked)}): {plan.blocked.reason}"] if plan.blocked else []
    left = sorted({finding.rule for finding in verdict.findings} - set(blocked))
    if left:
        reasons.append(f"left open, as the policy only reports it: {', '.join(left)}")
    if verdict.exempted:
        reasons.append(f"left open: {verdict.leave()}")
    return Outcome.REVERTED, " ".join(reasons)


async def _alert_or_leave(
    look: Look,
    intent: Receipt | None,
    outcome: Outcome,
    evidence: Evidence,
    reason: str,
    made: tuple[Change, ...],
) -> Result:
    """Post the alert, then take the intent away; without the alert, the intent stays and surfaces.

    Raises:
        Transient: no alert, and the message in hand is the intent: the caller keeps it.
    """
    try:
        result = await look.tell(outcome, evidence, reason, made)
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
    if evidence is look.task.evidence:
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
    held = look.task.evidence
    if plan.blocked is None:
        seen = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body)
        would = look.guard.plan(body, verdict.findings, verdict.applied.rules)
        reason = _would_have(would)
        if verdict.exempted:
            reason += f"; {verdict.leave()}"
        return await look.tell(Outcome.REPORTED_ONLY, held or seen, reason)
    severity = plan.blocked.severity
    if plan.blocked.by_caller and look.is_write and look.task.change.caller:
        severity = plan.blocked.by_caller
    seen = look.seen(verdict.findings, (), severity, body, event_id="")
    reason = plan.blocked.reason
    if verdict.exempted:
        reason += f" {verdict.leave()}"
    return await look.tell(Outcome.BLOCKED, held or seen, reason)


def _would_have(plan: Plan) -> str:
    reason = "audit: nothing was changed"
    if plan.steps:
        steps = ", ".join(f"PATCH {json.dumps(step.body)}" for step in plan.steps)
        reason += f"; enforced, it would have been {steps}"
    if plan.blocked:
        reason += f"; what enforcing would not have changed: {plan.blocked.reason}"
    return reason
