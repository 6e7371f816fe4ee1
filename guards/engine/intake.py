"""The ways in: an event, a task of `guard-work`, queued events, a poison message.

Each ends in a `Result`; what cannot be read becomes an alert with the cut text, not a retry for
ever. `Transient` leaves these functions only if the queue itself cannot be reached: then the
caller fails, and Event Grid or the queue brings the input again.
"""

import json
import logging
from dataclasses import replace

from guards.engine import alerts, events, gathering, tasks
from guards.engine.alerts import Alert
from guards.engine.catalogue import locate, own_operations
from guards.engine.errors import Transient, Unreadable
from guards.engine.events import clean
from guards.engine.excerpt import excerpt
from guards.engine.exports import keep
from guards.engine.follow_leads import Unfinished, follow
from guards.engine.later import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    MOST_ATTEMPTS,
    about,
    delay_s,
    give_up,
    put_off,
)
from guards.engine.look import Result
from guards.engine.model import Lead, Outcome, ResourceChange, Severity, Source
from guards.engine.ports import Ports
from guards.engine.reconcile import reconcile
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task

log = logging.getLogger(__name__)

NOT_GUARDED = Result(None, reason="not guarded")
OWN_WRITE = Result(None, reason="the guard's own write")


async def on_event(event: object, ports: Ports) -> Result:
    """One Event Grid event as JSON, either schema."""
    try:
        change = events.parse(event)
    except Unreadable as e:
        return await _tell_unreadable(e, event, ports, Source.EVENT)
    now = timestamp(ports.clock.now())
    return await _on_change(Task(change, Source.EVENT, first_seen=now), ports)


async def on_queued_events(text: bytes, ports: Ports) -> list[Result]:
    """A message of `guard-events`: one event or an array, as Event Grid puts them there.

    What of an array does not fit one budget goes on from `guard-work`; trouble with one event does
    not keep the others waiting.
    """
    try:
        batch = _batch(text)
    except Unreadable as e:
        return [await _tell_unreadable(e, text, ports, Source.EVENT)]
    deadline = ports.clock.monotonic() + ports.budget_s
    results: list[Result] = []
    trouble: Transient | None = None
    for event in batch:
        in_time = ports.clock.monotonic() < deadline
        try:
            results.append(await (on_event if in_time else _later)(event, ports))
        except Transient as e:
            trouble = e
    if trouble is not None:
        raise trouble
    return results


async def _later(event: object, ports: Ports) -> Result:
    """An event as a task of its own."""
    try:
        change = events.parse(event)
        located = locate(change, ports.guards, ports.leads)
    except Unreadable as e:
        return await _tell_unreadable(e, event, ports, Source.EVENT)
    if located is None:
        return NOT_GUARDED
    task = Task(change, Source.EVENT, first_seen=timestamp(ports.clock.now()))
    await keep(task, *located, ports)
    await ports.work.put(task.message())
    return Result(Outcome.DEFERRED, reason="one of many events", resource=change.resource)


def _batch(text: bytes) -> list[object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise Unreadable(f"guard-events: not JSON: {e}") from e
    return document if isinstance(document, list) else [document]


async def on_work(text: bytes, ports: Ports) -> Result:
    """A message of `guard-work`: an intent that surfaced, a task put off, a re-check."""
    try:
        topic, attempt = tasks.gathered(text)
        if topic:
            return await _tell_gathered(topic, attempt, ports)
        task = tasks.parse(text)
    except Unreadable as e:
        return await _tell_unreadable(e, text, ports, Source.WORK)
    return await _on_change(task, ports)


async def _tell_gathered(topic: str, attempt: int, ports: Ports) -> Result:
    """What is gathered, told; in trouble later again, for days: the entries wait in the store."""
    try:
        return await gathering.tell(ports, topic)
    except Transient as e:
        if attempt >= 4 * MOST_ATTEMPTS:
            reason = f"what was gathered under {topic} could not be told for days: {e}"
            return await _tell_poison(reason, ports)
        delay = delay_s(attempt)
        await ports.work.put(gathering.message(topic, attempt + 1), delay)
        return Result(Outcome.DEFERRED, reason=f"gathered alerts again in {delay:.0f} s: {e}")


async def on_poison_work(text: bytes, ports: Ports) -> Result:
    """A message of `guard-work` that failed five times: told, with what it had seen."""
    reason = "a message of guard-work failed again and again and was given up"
    topic, attempt = tasks.gathered(text)
    if topic:
        await ports.work.put(gathering.message(topic, attempt + 1), LONGEST_DELAY_S)
        return Result(Outcome.DEFERRED, reason=reason)
    try:
        task = tasks.parse(text)
    except Unreadable:
        return await _tell_poison(f"{reason}: {excerpt(text)}", ports)
    return await give_up(task, reason, ports)


async def on_poison_events(text: bytes, ports: Ports) -> list[Result]:
    """A message of `guard-events` that failed five times: each event told, and looked at again.

    The message may have failed for one event of many: each goes to `guard-work` by itself.
    """
    reason = "a message of guard-events failed again and again"
    now = timestamp(ports.clock.now())
    results: list[Result] = []
    try:
        changes = [events.parse(event) for event in _batch(text)]
        found = [(change, locate(change, ports.guards, ports.leads)) for change in changes]
        guarded = [(change, located) for change, located in found if located]
    except Unreadable:
        guarded = []
    if not guarded:
        return [await _tell_poison(f"{reason} and was given up: {excerpt(text)}", ports)]
    for change, located in guarded:
        task = Task(change, Source.EVENT, first_seen=now)
        await keep(task, *located, ports)
        await ports.work.put(task.message(), FIRST_DELAY_S)
        alert = about(task, Outcome.DEFERRED, f"{reason}; looked at again", ports)
        await ports.alerts.put(alert.message())
        results.append(Result(Outcome.DEFERRED, alert.alert_id, reason, change.resource))
    return results


async def _tell_poison(reason: str, ports: Ports) -> Result:
    return await _tell(ports, Source.WORK, Outcome.NOT_REVERTED, Severity.HIGH, reason, None)


async def _on_change(task: Task, ports: Ports) -> Result:
    deadline = ports.clock.monotonic() + ports.budget_s
    change = task.change
    caller = change.caller.object_id
    if caller and task.source is Source.EVENT and caller == await ports.own_id():
        if change.operation_name.lower() in own_operations(ports.guards):
            return OWN_WRITE
        await _tell_misuse(change, ports)
    try:
        located = locate(change, ports.guards, ports.leads)
    except Unreadable as e:
        return await _tell_unreadable(e, change.resource, ports, task.source, change)
    if located is None:
        return NOT_GUARDED
    found, resource = located
    try:
        if isinstance(found, Lead):
            result = await follow(task, found, resource, ports, deadline)
        else:
            result = await reconcile(task, found, resource, ports, deadline)
    except Unfinished as e:
        await ports.work.put(replace(task, after=e.after, attempt=0).message())
        result = Result(Outcome.DEFERRED, reason=f"{e}: the rest follows")
    except Transient as e:
        await keep(task, found, resource, ports)
        result = await put_off(task, e, ports)
    return replace(result, resource=change.resource)


async def _tell_misuse(change: ResourceChange, ports: Ports) -> None:
    """The guard's identity did what the guard never does: somebody else is using it."""
    reason = (
        f"the guard's own identity performed {change.operation_name or 'an unnamed operation'}, "
        "which the guard never does: someone else may be using it"
    )
    resource = clean(change.resource, 2048) or None
    await _tell(
        ports, Source.EVENT, Outcome.REPORTED_ONLY, Severity.CRITICAL, reason, resource, change
    )


async def _tell_unreadable(
    error: Unreadable,
    text: object,
    ports: Ports,
    source: Source,
    change: ResourceChange | None = None,
) -> Result:
    reason = f"could not be read, so nothing was looked at: {error}. It was: {excerpt(text)}"
    return await _tell(ports, source, Outcome.REPORTED_ONLY, Severity.HIGH, reason, None, change)


async def _tell(
    ports: Ports,
    source: Source,
    outcome: Outcome,
    severity: Severity,
    reason: str,
    resource: str | None,
    change: ResourceChange | None = None,
) -> Result:
    event_id = change.event_id if change else ""
    alert = Alert(
        alert_id=alerts.digest(resource, event_id, reason),
        source=source,
        outcome=outcome,
        severity=severity,
        seen_at=timestamp(ports.clock.now()),
        resource_id=resource,
        reason=reason,
    )
    if change is not None:
        alert = alert.of(change)
    await ports.alerts.put(alert.message())
    return Result(outcome, alert.alert_id, reason)
