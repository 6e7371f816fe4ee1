"""What cannot be done now goes on from `guard-work`: trouble, slow operations, looks too early."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.catalogue import locate
from guards.engine.errors import Transient, Unreadable
from guards.engine.excerpt import harmless
from guards.engine.exports import is_grant, keep
from guards.engine.exposure import NOT_CUT, exposure_of
from guards.engine.look import Look, Result
from guards.engine.model import Body, Guard, Outcome, Severity
from guards.engine.ports import Ports, Receipt
from guards.engine.rules import in_progress
from guards.engine.saved import restored
from guards.engine.tasks import Task

log = logging.getLogger(__name__)

RECHECK_DELAYS_S = (5, 30)
"""A write still in progress is looked at again after these, then no more."""

FIRST_DELAY_S, LONGEST_DELAY_S, GIVE_UP = 10, 15 * 60, timedelta(hours=24)
"""Expected trouble is tried again after 10 s, doubling to 15 min, for a day."""

TELL_AT, TELL_OF_LINKS_AT = 6, 1
"""The attempt, about ten minutes in, at which a person learns that something is being put off; of a
link that is out and cannot be cut the second one."""

LEAST_ATTEMPTS, MOST_ATTEMPTS = TELL_AT, 200
"""A day takes about 100. One that the app has slept through is not over before some were made; a
message with a time in the future ends with the last."""


def delay_s(attempt: int) -> float:
    """Seconds until something is tried again that was tried so often before."""
    return min(FIRST_DELAY_S * float(2 ** min(attempt, 10)), LONGEST_DELAY_S)


async def recheck_if_early(look: Look, body: Body) -> None:
    """A write still in progress, or a grant whose SAS does not show yet, is looked at once more.

    Called when a look ends, not when it was put off: that one comes back and ends later. What was
    given up does not begin again.
    """
    early = in_progress(body) or (_yet_to_show(look) and not look.states(body))
    ended = look.task.recheck >= len(RECHECK_DELAYS_S) or _is_over(look.task, look.ports)
    if ended or not early:
        return
    await keep(look.task, look.guard, look.resource, look.ports)
    again = replace(look.task, recheck=look.task.recheck + 1, attempt=0, evidence=None)
    await look.ports.work.put(again.message(), RECHECK_DELAYS_S[look.task.recheck])


def _yet_to_show(look: Look) -> bool:
    """Whether the link that this look is about has yet to show: no earlier look saw one out."""
    shown = look.guard.links is not None and look.guard.links.shown
    return shown and is_grant(look) and not _of_link(look.task, look.ports)


def _is_over(task: Task, ports: Ports) -> bool:
    """Whether a task has had its day, and attempts in it."""
    begun = datetime.fromisoformat(task.first_seen)
    day = task.attempt >= LEAST_ATTEMPTS and ports.clock.now() - begun >= GIVE_UP
    return day or task.attempt >= MOST_ATTEMPTS


async def put_off(
    task: Task, error: Transient, ports: Ports, intent: Receipt | None = None
) -> Result:
    """Go on from `guard-work` later: the intent updated, or a new message. Give up after a day.

    Raises:
        Transient: the queue cannot be reached and no intent exists.
    """
    if _is_over(task, ports):
        reason = f"given up after {task.attempt} attempts in a day: {error}"
        return await give_up(task, reason, ports, intent)
    delay = delay_s(task.attempt)
    delay = max(delay, min(error.retry_after or 0, 3600))
    alert_id = task.evidence.alert_id if task.evidence else ""
    if intent is None:
        await ports.work.put(task.again().message(), delay)
    else:
        try:
            await ports.work.update(intent, task.again().message(), delay)
        except Transient as e:
            log.warning("intent could not be put off and surfaces by itself: %s", e)
    if task.attempt == (TELL_OF_LINKS_AT if _is_out(task, ports) else TELL_AT):
        told = f"put off {task.attempt} times and tried again for a day: {error}"
        await tell_of_delay(task, told, ports)
    return Result(Outcome.DEFERRED, alert_id, f"again in {delay:.0f} s: {error}")


async def tell_of_delay(task: Task, reason: str, ports: Ports) -> Result:
    """That something is being put off; without this note it goes on all the same."""
    alert = about(task, Outcome.DEFERRED, reason, ports)
    try:
        await ports.alerts.put(alert.message())
    except Transient as e:
        log.warning("that %s is put off could not be told: %s", alert.resource_id, e)
    return Result(Outcome.DEFERRED, alert.alert_id, reason)


async def give_up(task: Task, reason: str, ports: Ports, intent: Receipt | None = None) -> Result:
    """The alert of a task that will not be tried again."""
    alert = about(task, Outcome.NOT_REVERTED, reason, ports)
    await ports.alerts.put(alert.message())
    if intent is not None:
        await ports.work.delete(intent)
    return Result(Outcome.NOT_REVERTED, alert.alert_id, reason)


def _of_link(task: Task, ports: Ports) -> bool:
    """Whether an earlier look saw a link that was out then."""
    rules = {guard.links.rule for guard in ports.guards if guard.links}
    return task.evidence is not None and any(f.rule in rules for f in task.evidence.findings)


def _is_out(task: Task, ports: Ports) -> bool:
    """Whether it saw one, and none was cut since."""
    return _of_link(task, ports) and task.evidence is not None and task.evidence.cut == NOT_CUT


def about(task: Task, outcome: Outcome, reason: str, ports: Ports) -> Alert:
    """An alert about a task that has not ended well; keeps the id of what was seen."""
    change, evidence = task.change, task.evidence
    try:
        located = locate(change, ports.guards, ports.leads)
    except Unreadable:
        located = None
    found, resource = located or (None, None)
    guard = found if isinstance(found, Guard) else None
    findings = evidence.findings if evidence else ()
    saved = evidence.saved if evidence else ()
    cut = evidence.cut if evidence else NOT_CUT
    place = str(resource) if resource else harmless(change.resource, 2048)
    alert = Alert(
        alert_id=evidence.alert_id if evidence else alerts.digest(place.lower(), change.event_id),
        source=task.source,
        outcome=outcome,
        severity=alerts.worst(findings, Severity.HIGH),
        seen_at=evidence.seen_at if evidence else task.first_seen,
        resource_id=place or None,
        resource_type=found.resource_type if found else None,
        findings=findings,
        reason=reason,
        policy_hash=evidence.policy_hash if evidence else "",
        undo=restored(saved, resource) if resource else (),
        exposure=exposure_of(guard, change, findings, outcome, cut),
        deleted=saved,
    )
    return alert.of(change)
