"""An exporter's export lasts: nothing is changed on the resource, and what stays open is told."""

from dataclasses import replace

from guards.engine import alerts
from guards.engine.alerts import digest
from guards.engine.exports import Grant, record
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

    Raises:
        Transient: the grant is not recorded, or what is open is not told.
    """
    assert grant.until is not None
    until = timestamp(grant.until)
    reason = f"left as it is while {grant.who} exports it, until {until} at the latest"
    await _look_again(look, grant)
    if grant.new and _is_grant(look):
        await record(look, grant)  # only now: what is recorded is looked at again, come what may
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
    if grant.expired and look.task.source is Source.EVENT:
        seen = look.seen((), (), Severity.MEDIUM, body)
        reason += "; its entry among the policy's exporters has ended since it began: the next "
        return await look.tell(Outcome.REPORTED_ONLY, seen, f"{reason}export by it is cut")
    return Result(Outcome.EXEMPT, reason=reason)


def _is_grant(look: Look) -> bool:
    links = look.guard.links
    return links is not None and hands_out(look.task.change, links.grants)


async def _look_again(look: Look, grant: Grant) -> None:
    """One chain of looks for a grant: begun before it is recorded, and gone on with by each look.

    Where the body shows no link, nothing would be known at the end that is not known now.
    """
    task, links = look.task, look.guard.links
    if not _is_grant(look) or links is None or not links.shown:
        return
    if not grant.new and (task.source is Source.EVENT or task.recheck):
        return
    assert grant.until is not None
    left = (grant.until - look.ports.clock.now()).total_seconds()
    again = Task(task.change, task.source, look.now())
    await look.ports.work.put(again.message(), min(left + 1, LOOK_AGAIN_S))
