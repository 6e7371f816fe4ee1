"""An exporter's export lasts: nothing is changed on the resource, and what stays open is told."""

from dataclasses import replace

from guards.engine import alerts
from guards.engine.alerts import digest
from guards.engine.exports import Grant
from guards.engine.exposure import hands_out
from guards.engine.follow_up import follow_up
from guards.engine.look import Look, Result
from guards.engine.model import Body, Outcome, Severity, Source
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task

LOOK_AGAIN_S = 3600
"""Whether an export has ended is looked at so often, and when it must be over."""


async def leave(look: Look, body: Body, grant: Grant) -> Result:
    """Leave the resource as it is until the export ends; nothing of it is changed meanwhile.

    A PATCH might end the link, and with it somebody's backup.
    """
    assert grant.until is not None
    until = timestamp(grant.until)
    reason = f"left as it is while {grant.who} exports it, until {until} at the latest"
    await _look_again(look, grant)
    verdict = look.judge(body)
    if look.task.evidence is not None:
        told = await follow_up(look, body, look.task.evidence, verdict)
        if told is not None:
            return told
    if verdict.to_close:
        seen = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body)
        seen = replace(seen, alert_id=digest(look.resource.key, "exporter", until))
        reason += "; its settings are open, and are closed then"
        return await look.tell(Outcome.DEFERRED, look.task.evidence or seen, reason)
    if grant.expired and grant.new:
        seen = look.seen((), (), Severity.MEDIUM, body)
        reason += "; its entry among the policy's exporters has ended since it began: the next "
        return await look.tell(Outcome.REPORTED_ONLY, seen, f"{reason}export by it is cut")
    return Result(Outcome.EXEMPT, reason=reason)


async def _look_again(look: Look, grant: Grant) -> None:
    """One chain of looks for a grant: begun by its event, and gone on with by the look itself."""
    links, change = look.guard.links, look.task.change
    if links is None or not hands_out(change, links.grants):
        return
    if look.task.source is Source.EVENT and not grant.new:
        return
    assert grant.until is not None
    left = (grant.until - look.ports.clock.now()).total_seconds()
    again = Task(change, look.task.source, look.now())
    await look.ports.work.put(again.message(), min(left + 1, LOOK_AGAIN_S))
