"""One look at one resource, from top to bottom: read, judge, close (`closing`), or only tell.

Level-based: whatever led here, the resource is read and judged as it stands now, so any look may
be repeated at any time, on any instance.
"""

import json
from dataclasses import replace
from datetime import timedelta

from guards.engine import alerts
from guards.engine.closing import close
from guards.engine.decide import Verdict
from guards.engine.errors import Gone, Terminal, Transient
from guards.engine.exports import grant_of, is_grant
from guards.engine.follow_up import follow_up, goes_on
from guards.engine.honoured import leave
from guards.engine.ids import ResourceId
from guards.engine.later import recheck_if_early
from guards.engine.look import Look, Result
from guards.engine.model import (
    Body,
    DeleteChild,
    Granter,
    Guard,
    Mode,
    Outcome,
    Patch,
    Plan,
    RevokeAccess,
    Severity,
    Step,
)
from guards.engine.ports import Ports
from guards.engine.rules import in_progress, text_at, with_known
from guards.engine.shapes import moment
from guards.engine.tasks import Evidence, Task
from guards.engine.unseen import never_showed, remember, tell_of_link

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
    left = result.granter is Granter.EXPORTER and result.outcome is Outcome.EXEMPT
    settled = left and not in_progress(body)
    if result.outcome is not Outcome.DEFERRED and not settled:
        await recheck_if_early(replace(look, granter=result.granter), body)
    return result


def _out_of_scope(look: Look) -> bool:
    """Whether nothing of the resource is looked at, whatever it says: not worth a call."""
    off = look.ports.cap is Mode.OFF
    return off or look.policy.out_of_scope(look.guard, look.resource)


async def _judge(look: Look, body: Body) -> Result:
    """From the body to the end of the look."""
    held = look.task.evidence
    if in_progress(body) and await _own_change(look, body, held):
        if held is not None:
            raise Transient("Azure has not finished the guard's own change")
        await recheck_if_early(look, body)
        return Result(Outcome.DEFERRED, reason="the guard's own change is in progress")

    grant = await grant_of(look, body)
    look = replace(look, granter=grant.granter)
    if grant.spent and look.guard.links is not None and not look.guard.links.shown:
        body = with_known(body, granted=False)
    if grant.granter is Granter.EXPORTER:
        return replace(await leave(look, body, grant), granter=grant.granter)
    result = await _act(look, body)
    if result.outcome is not Outcome.DEFERRED and grant.granter is not Granter.NOBODY:
        told = held is not None and look.links_among(held.findings)
        if result.alert_id and (told or look.guard.exposure(body)):
            await remember(look)
        result = await never_showed(look, body, grant) or result
    return replace(result, granter=grant.granter)


async def _act(look: Look, body: Body) -> Result:
    """What is to be done by the verdict."""
    verdict, held = look.judge(body), look.task.evidence
    if held is not None:
        result = await follow_up(look, body, held, verdict)
        if result is not None:
            return result
        if goes_on(held, verdict):
            look = replace(look, task=replace(look.task, evidence=None), saved=held.saved)
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
    return await close(look, body, verdict, plan)


async def _own_change(look: Look, body: Body, held: Evidence | None) -> bool:
    """Whether what Azure is at work on is the guard's own; a link that was taken does not wait."""
    if held is not None:
        return held.accepted or await _own_write(look, body)
    return not is_grant(look) and await _own_write(look, body)


async def _own_write(look: Look, body: Body) -> bool:
    """Whether Azure says that the guard was the last to write the resource, just now.

    An old date says nothing: not every provider keeps it up to date with every write.
    """
    writer = (text_at(body, "systemData.lastModifiedBy") or "").lower()
    written = moment(text_at(body, "systemData.lastModifiedAt") or "")
    recent = written is not None and abs(look.ports.clock.now() - written) < _JUST_NOW
    return recent and bool(writer) and writer in await look.ports.own_names()


async def _is_own_event(look: Look, body: Body) -> bool:
    """Whether this is, by all signs, the event of the guard's own PATCH, though without claims.

    Patching again would raise the next one of these, for ever.
    """
    change = look.task.change
    unknown = not change.caller and look.task.evidence is None
    return look.is_write and unknown and await _own_write(look, body)


async def _deleted_meanwhile(look: Look, evidence: Evidence | None) -> Result:
    """No resource, no alert, unless an earlier look saw it open, or a link to it was taken."""
    told = await tell_of_link(look, None)
    if evidence is None:
        return told or Result(Outcome.DELETED_MEANWHILE)
    result = await look.tell(Outcome.DELETED_MEANWHILE, evidence)
    if look.links_among(evidence.findings):
        await remember(look)
    return result


async def _only_tell(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Audit, or blocked: the alert, and nothing is changed."""
    held = look.task.evidence
    if plan.blocked is None:
        seen = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body)
        would = look.guard.plan(body, verdict.findings, verdict.applied.rules)
        reason = _would_have(would, _why_only(look, verdict))
        if verdict.exempted:
            reason += f"; {verdict.leave()}"
        return await look.tell(Outcome.REPORTED_ONLY, held or seen, reason)
    severity = look.severity_of(plan.blocked)
    # As long as nobody writes it, it is one alert; another export from it is news.
    seen = look.seen(verdict.findings, (), severity, body, event_id=None if look.is_export else "")
    reason = plan.blocked.reason
    if verdict.exempted:
        reason += f" {verdict.leave()}"
    outcome = Outcome.DEFERRED if plan.blocked.deferred else Outcome.BLOCKED
    result = await look.tell(outcome, held or seen, reason)
    return replace(result, outcome=Outcome.BLOCKED)  # this look ends here, nothing is put off


def _why_only(look: Look, verdict: Verdict) -> str:
    """Why nothing is changed: the policy says so, or nobody knows whose link it is."""
    links, rules = look.guard.links, verdict.applied.rules
    unknown = look.granter is Granter.UNKNOWN and look.links_among(verdict.findings)
    enforced = links is not None and rules[links.rule].mode.capped(look.ports.cap) is Mode.ENFORCE
    if unknown and enforced:
        return "nobody knows who took the link, so it is left (unknown_granter: report)"
    return "audit"


def _would_have(plan: Plan, why: str) -> str:
    reason = f"{why}: nothing was changed"
    if plan.steps:
        steps = ", ".join(map(described, plan.steps))
        reason += f"; enforced, it would have been {steps}"
    if plan.blocked:
        reason += f"; what enforcing would not have changed: {plan.blocked.reason}"
    return reason


def described(step: Step) -> str:
    """A step for people."""
    match step:
        case Patch():
            return f"PATCH {json.dumps(step.body)}"
        case RevokeAccess():
            return "endGetAccess (every SAS link is revoked)"
        case DeleteChild():
            return f"DELETE {step.type}/{step.name}"
