"""An exporter's export lasts: nothing is changed on the resource, and what stays open is told."""

import logging
from dataclasses import replace
from datetime import timedelta

from guards.engine import alerts
from guards.engine import export_rows as rows
from guards.engine.alerts import digest
from guards.engine.errors import Transient
from guards.engine.exports import Grant, is_grant
from guards.engine.follow_up import follow_up
from guards.engine.look import Look, Result
from guards.engine.model import Body, Granter, Outcome, Severity
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task
from guards.engine.unseen import remember

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 3600
"""Whether an export has ended is looked at so often, and when it must be over."""

_SOON = timedelta(seconds=60)


async def leave(look: Look, body: Body, grant: Grant) -> Result:
    """Leave the resource as it is until the export ends; nothing of it is changed meanwhile.

    A PATCH might end the link, and with it somebody's backup.

    Raises:
        Transient: the grant is not recorded, or what is open is not told.
    """
    assert grant.at is not None
    assert grant.until is not None
    if grant.new:
        ports, resource = look.ports, look.resource
        await rows.keep_export(ports, resource, grant.caller, grant.at, grant.until)
    result = await _told(look, body, grant)
    await _look_again(look)  # last: what fails before comes again, and must not multiply
    return result


async def _told(look: Look, body: Body, grant: Grant) -> Result:
    assert grant.until is not None
    until = timestamp(grant.until)
    reason = f"left as it is while {grant.who} exports it, until {until} at the latest"
    verdict, held = look.judge(body), look.task.evidence
    if held is not None:
        told = await follow_up(look, body, held, verdict)
        if told is not None:
            return told
    if grant.doubtful and not look.task.watch:
        if not await rows.told(look.ports, look.resource, look.task.change):
            return await _tell_another(look, body, reason)
        return Result(Outcome.EXEMPT, reason=reason)
    if verdict.to_close and not look.task.watch:
        seen = look.seen(verdict.findings, (), alerts.worst(verdict.findings), body, event_id="")
        seen = replace(seen, alert_id=digest(seen.alert_id, "exporter", until))
        reason += "; its settings are open, and are closed then"
        return await look.tell(Outcome.DEFERRED, held or seen, reason)
    if grant.expired and grant.new:
        seen = look.seen((), (), Severity.MEDIUM, body)
        reason += "; its entry among the policy's exporters has ended since it began: the next "
        return await look.tell(Outcome.REPORTED_ONLY, seen, f"{reason}export by it is cut")
    return Result(Outcome.EXEMPT, reason=reason)


async def _tell_another(look: Look, body: Body, reason: str) -> Result:
    """Somebody else took a link about when the export began: told, since cutting ends both."""
    verdict = replace(look, granter=Granter.UNKNOWN).judge(body)
    seen = look.seen(verdict.findings, (), alerts.worst(verdict.findings, Severity.HIGH), body)
    reason = (
        f"a link was taken by somebody who is no exporter, or by nobody the event names; {reason}: "
        "endGetAccess would end both"
    )
    result = await look.tell(Outcome.REPORTED_ONLY, seen, reason)
    await remember(look)
    return result


async def _look_again(look: Look) -> None:
    """One look at a time is appointed, by the row of the export.

    Where the body shows no link, nothing would be known at the end that is not known now.
    """
    links, ports = look.guard.links, look.ports
    if links is None or not links.shown or not is_grant(look):
        return
    known, now = await rows.export(ports, look.resource), ports.clock.now()
    if known is None or (known.next_look is not None and known.next_look > now + _SOON):
        return
    delay = min((known.until - now).total_seconds() + 1, LOOK_AGAIN_S)
    again = Task(look.task.change, look.task.source, look.now(), watch=True)
    await ports.work.put(again.message(), delay)
    try:
        await rows.appoint(ports, look.resource, known, now + timedelta(seconds=delay))
    except Transient as e:  # the look is put: to fail now would put another one
        log.warning("when %s is looked at again is not recorded: %s", look.resource, e)
