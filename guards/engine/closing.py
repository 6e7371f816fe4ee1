"""Closing what is open: intent, steps, alert, and the intent away, so that nothing is lost between.

The intent goes to `guard-work` before the first change; if this process dies, it surfaces, and the
look is made again with the evidence of this one.
"""

import logging
from dataclasses import dataclass, replace

from guards.engine import alerts
from guards.engine.decide import Verdict
from guards.engine.errors import Gone, GuardError, StillRunning, Transient
from guards.engine.exports import keep, settle
from guards.engine.exposure import NOT_CUT, Cut
from guards.engine.later import put_off
from guards.engine.look import Look, Result
from guards.engine.model import Body, Change, Outcome, Patch, Plan, Severity
from guards.engine.ports import Receipt
from guards.engine.repeats import REFUSED_TOGETHER, fight, told_with_its_group
from guards.engine.saved import deletions, keepable, kept
from guards.engine.shapes import sentences
from guards.engine.steps import Done, carry_out
from guards.engine.tasks import Evidence

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt: what was seen, the intent that keeps it, what is to be done."""

    look: Look
    body: Body
    verdict: Verdict
    plan: Plan
    evidence: Evidence
    intent: Receipt | None
    cut: Cut = NOT_CUT
    """Of a link that was cut before a later step failed; `after` is how that left the resource."""
    after: Body | None = None

    @property
    def made(self) -> tuple[Change, ...]:
        """What of the plan is done by now."""
        body = self.body if self.after is None else self.after
        return self.look.made(self.evidence.changes, body)


async def close(look: Look, body: Body, verdict: Verdict, plan: Plan) -> Result:
    """Carry out a plan, and tell how it ended."""
    others = (look.severity_of(plan.blocked),) if plan.blocked else ()
    severity = alerts.worst(verdict.findings, *others)
    seen = look.seen(verdict.findings, plan.changes, severity, body)
    evidence = look.task.evidence or seen
    one = _Try(look, body, verdict, plan, evidence, await _write_intent(look, evidence))
    try:
        done = await carry_out(look, body, plan)
    except GuardError as e:
        return await _refused(one, e)
    if done.cut != NOT_CUT:
        await settle(look)
    if done.failed is not None:
        return await _refused(replace(one, cut=done.cut, after=done.after), done.failed)
    return await _ended(one, done)


async def _write_intent(look: Look, evidence: Evidence) -> Receipt | None:
    """Before anything is changed; a message in hand that already says the same serves as one."""
    if evidence is look.task.evidence:
        return None
    message = look.task.with_evidence(evidence).message()
    return await look.ports.work.put(message, look.ports.intent_delay_s)


async def _refused(one: _Try, error: GuardError) -> Result:
    """A step failed: later again, children that stand in the way, or told."""
    look = one.look
    if isinstance(error, Gone):
        return await _tell(one, Outcome.DELETED_MEANWHILE, "", (), one.cut)
    if isinstance(error, StillRunning):
        return await _put_off(one, error, accepted=True)
    explained = ""
    if _stands_in_the_way(one, error):
        found, explained, later = await _children(look)
        if later is not None and (isinstance(error, Transient) or _deletes(look, one)):
            return await _put_off(one, later)
        if found and _deletes(look, one):
            if _may_pass(one, error):
                return await _put_off(one, Transient(str(error), status=error.status))
            return await _without_children(one, found, error)
    if isinstance(error, Transient) and not explained:
        return await _put_off(one, error)
    return await _told_refused(one, error, explained)


async def _told_refused(one: _Try, error: GuardError, explained: str) -> Result:
    """Azure refused for good: told by itself, or with all others of its resource group."""
    if error.code in REFUSED_TOGETHER and not _alone(one):
        told = await told_with_its_group(one.look, error)
        if told is not None:
            await _drop_intent(one)
            return told
    reason = sentences(f"Azure refused: {error}{explained}", _blocked(one))
    return await _tell(one, Outcome.NOT_REVERTED, reason, one.made, one.cut)


def _alone(one: _Try) -> bool:
    """Whether a refusal is told by itself: it says more than that a setting stays open."""
    look, evidence = one.look, one.evidence
    done = evidence.saved or one.cut != NOT_CUT or evidence.cut != NOT_CUT
    grave = evidence.severity is Severity.CRITICAL or one.plan.blocked is not None
    return bool(done or grave or look.is_export or look.links_among(evidence.findings))


def _blocked(one: _Try) -> str:
    """What of the findings the plan leaves out, and why; "" if nothing."""
    blocked = one.plan.blocked
    return f"not changed ({', '.join(blocked.rules)}): {blocked.reason}" if blocked else ""


def _stands_in_the_way(one: _Try, error: GuardError) -> bool:
    """Whether children may be why Azure refused what was to be closed."""
    refusal = one.look.guard.refusal
    if refusal is None or error.status not in (400, 409) or error.code == "ScopeLocked":
        return False
    paths = {rule.path for rule in one.look.guard.rules if rule.id == refusal.rule}
    passing = error.code in ("RequestDisallowedByPolicy", "AuthorizationFailed")
    return not passing and any(change.path in paths for change in one.plan.changes)


async def _children(look: Look) -> tuple[list[Body], str, Transient | None]:
    """The children that stand in the way of a PATCH, a sentence about them, and passing trouble."""
    refusal = look.guard.refusal
    assert refusal is not None
    try:
        found = await look.ports.arm.children(
            look.resource, refusal.type, refusal.api_version, look.deadline
        )
    except GuardError as e:
        log.warning("%s of %s could not be listed: %s", refusal.type, look.resource, e)
        said = f". Whether {refusal.type} stand in the way could not be read: {e}"
        return [], said, e if isinstance(e, Transient) else None
    names = ", ".join(str(child.get("name", "?")) for child in found[:20])
    return list(found), f". {refusal.explanation}: {names}" if names else "", None


def _may_pass(one: _Try, error: GuardError) -> bool:
    """Whether a refusal may be about something else than children, which ends by itself."""
    named = one.look.guard.refusal and one.look.guard.refusal.word in str(error).lower()
    return isinstance(error, Transient) and not named and one.look.task.attempt == 0


def _deletes(look: Look, one: _Try) -> bool:
    """Whether the policy lets the guard delete what stands in the way of what it closes."""
    refusal = look.guard.refusal
    settings = one.verdict.applied.rules.get(refusal.rule) if refusal else None
    return bool(refusal and settings and settings.options.get(refusal.option) == "delete")


async def _without_children(one: _Try, found: list[Body], error: GuardError) -> Result:
    """Save the children in a new intent, delete them, and close what they kept open."""
    look, refusal = one.look, one.look.guard.refusal
    assert refusal is not None
    steps = deletions(look.resource, refusal.type, found, refusal.api_version)
    now = tuple(kept(body, refusal.api_version) for body in found)
    saved = (*(body for body in one.evidence.saved if body not in now), *now)
    ids = sorted(str(body.get("id")) for body in saved)
    alert_id = alerts.digest(one.evidence.alert_id, ids)  # no double of one that has no bodies
    evidence = replace(one.evidence, saved=saved, alert_id=alert_id)
    if len(steps) < len(found) or not keepable(look.task.with_evidence(evidence)):
        reason = f"{refusal.explanation}; they are not deleted, as no alert could keep all of them"
        return await _tell(one, Outcome.NOT_REVERTED, f"Azure refused: {error}. {reason}", ())
    intent = await _write_intent(look, evidence)
    await _drop_intent(one)
    patches = tuple(step for step in one.plan.steps if isinstance(step, Patch))
    again = replace(one, evidence=evidence, intent=intent)
    try:
        done = await carry_out(look, one.body, replace(one.plan, steps=(*steps, *patches)))
    except (StillRunning, Gone) as e:
        return await _put_off(again, Transient(str(e), status=e.status))
    except Transient as e:
        return await _put_off(again, e)
    except GuardError as e:
        reason = f"Azure refused: {e}. What was deleted before that is saved in this alert"
        return await _tell(again, Outcome.NOT_REVERTED, reason, ())
    return await _ended(again, done)


async def _put_off(one: _Try, error: Transient, *, accepted: bool = False) -> Result:
    evidence = replace(one.evidence, accepted=True) if accepted else one.evidence
    if one.cut == NOT_CUT:
        look = one.look
        await keep(look.task, look.guard, look.resource, look.ports)
    else:
        evidence = replace(evidence, cut=one.cut)
    return await put_off(one.look.task.with_evidence(evidence), error, one.look.ports, one.intent)


async def _ended(one: _Try, done: Done) -> Result:
    """Believe Azure's answer: "reverted" only if it shows every planned setting closed."""
    look = one.look
    made = look.made(one.evidence.changes, done.after)
    outcome, reason = _how_it_ended(one, done)
    if done.cut != NOT_CUT:
        rounds = await fight(look) if outcome is Outcome.REVERTED else ""
        if rounds is None and not alerts.undo(look.guard, look.resource.path, made):
            await _drop_intent(one)
            return Result(outcome, one.evidence.alert_id, "told with other rounds of a fight")
        reason = sentences(reason, rounds or "")
    else:
        reason = sentences(reason, look.guard.exposure(done.after))
    return await _tell(one, outcome, reason, made, done.cut)


def _how_it_ended(one: _Try, done: Done) -> tuple[Outcome, str]:
    look, plan = one.look, one.plan
    made = {change.path for change in look.made(plan.changes, done.after)}
    planned = {change.path for change in plan.changes}
    verdict = look.judge(done.after)
    to_close = one.verdict.to_close
    still = [f.rule for f in to_close if f.path in planned and f.path not in made]
    if done.refused:
        return Outcome.NOT_REVERTED, f"the SAS link could not be revoked: {done.refused}"
    if still:
        reason = f"Azure accepted the change, and its answer still shows {', '.join(still)} open"
        return Outcome.NOT_REVERTED, reason
    blocked = plan.blocked.rules if plan.blocked else ()
    reasons = [_blocked(one)] if plan.blocked else []
    left = sorted({finding.rule for finding in verdict.findings} - set(blocked))
    if left:
        reasons.append(f"left open, as the policy only reports it: {', '.join(left)}")
    if verdict.exempted:
        reasons.append(f"left open: {verdict.leave()}")
    return Outcome.REVERTED, " ".join(reasons)


async def _tell(
    one: _Try, outcome: Outcome, reason: str, made: tuple[Change, ...], cut: Cut = NOT_CUT
) -> Result:
    """Post the alert, then take the intent away; without the alert, the intent stays and surfaces.

    Raises:
        Transient: no alert, and the message in hand is the intent: the caller keeps it.
    """
    try:
        result = await one.look.tell(outcome, one.evidence, reason, made, cut)
    except Transient as e:
        if one.intent is None:
            raise
        return Result(Outcome.DEFERRED, one.evidence.alert_id, f"{outcome}; alert follows: {e}")
    await _drop_intent(one)
    return result


async def _drop_intent(one: _Try) -> None:
    if one.intent is not None:
        await one.look.ports.work.delete(one.intent)
