"""The ways in: an event, a task of `guard-work`, queued events, a poison message.

Each ends in a `Result`; what cannot be read becomes an alert with the cut text, not a retry for
ever. `Transient` leaves these functions only if the queue itself cannot be reached: then the
caller fails, and Event Grid or the queue brings the input again.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from guards.engine import events, gathering, tasks
from guards.engine.catalogue import locate, own_operations
from guards.engine.errors import Transient, Unreadable
from guards.engine.excerpt import excerpt
from guards.engine.exports import keep
from guards.engine.follow_leads import Unfinished, follow
from guards.engine.later import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    MOST_ATTEMPTS,
    delay_s,
    give_up,
    put_off,
    tell_of_delay,
)
from guards.engine.look import Result
from guards.engine.model import Lead, Outcome, ResourceChange, Source
from guards.engine.ports import Ports
from guards.engine.reconcile import reconcile
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task
from guards.engine.unread import shown, tell_given_up, tell_misuse, tell_unreadable, untold

log = logging.getLogger(__name__)

NOT_GUARDED = Result(None, reason="not guarded")
OWN_WRITE = Result(None, reason="the guard's own write")


async def on_event(event: object, ports: Ports) -> Result:
    """One Event Grid event as JSON, either schema."""
    try:
        change = events.parse(event)
    except Unreadable as e:
        return await tell_unreadable(e, event, ports, Source.EVENT)
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
        return [await tell_unreadable(e, text, ports, Source.EVENT)]
    deadline = ports.clock.monotonic() + ports.budget_s

    async def one(event: object) -> Result:
        in_time = ports.clock.monotonic() < deadline
        return await (on_event if in_time else _later)(event, ports)

    return await _each(batch, one)


async def _each(batch: list[object], handle: Callable[[object], Awaitable[Result]]) -> list[Result]:
    """What came of each event.

    Raises:
        Transient: of the last in trouble, once every other was handled.
    """
    results: list[Result] = []
    trouble: Transient | None = None
    for event in batch:
        try:
            results.append(await handle(event))
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
        return await tell_unreadable(e, event, ports, Source.EVENT)
    if await _is_own_write(change, ports):
        return OWN_WRITE
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
        if reason := untold(text):
            return await tell_given_up(reason, ports)
        task = tasks.parse(text)
    except Unreadable as e:
        return await tell_unreadable(e, text, ports, Source.WORK)
    return await _on_change(task, ports)


async def _tell_gathered(topic: str, attempt: int, ports: Ports) -> Result:
    """What is gathered, told; in trouble later again, for days: the entries wait in the store."""
    try:
        return await gathering.tell(ports, topic)
    except Transient as e:
        if attempt >= 4 * MOST_ATTEMPTS:
            reason = f"what was gathered under {topic} could not be told for days: {e}"
            return await tell_given_up(reason, ports)
        delay = delay_s(attempt)
        await ports.work.put(gathering.message(topic, attempt + 1), delay)
        return Result(Outcome.DEFERRED, reason=f"gathered alerts again in {delay:.0f} s: {e}")


async def on_poison_work(text: bytes, ports: Ports) -> Result:
    """A message of `guard-work` that failed five times: told, with what it had seen.

    Nobody reads what fails here as well: without an alert it goes back, to be looked at later.

    Raises:
        Transient: that queue cannot be reached either.
    """
    reason = "a message of guard-work failed again and again and was given up"
    topic, attempt = tasks.gathered(text)
    if topic:
        await ports.work.put(gathering.message(topic, attempt + 1), LONGEST_DELAY_S)
        return Result(Outcome.DEFERRED, reason=reason)
    try:
        task = tasks.parse(text)
    except Unreadable:
        return await tell_given_up(untold(text) or f"{reason}: {excerpt(text)}", ports)
    try:
        return await give_up(task, reason, ports)
    except Transient as e:
        await ports.work.put(task.message(), LONGEST_DELAY_S)
        return Result(Outcome.DEFERRED, reason=f"looked at again in {LONGEST_DELAY_S} s: {e}")


async def on_poison_events(text: bytes, ports: Ports) -> list[Result]:
    """A message of `guard-events` that failed five times: each event told, and looked at again.

    The message may have failed for one event of many: each goes to `guard-work` by itself.

    Raises:
        Transient: not all that must be kept is kept; what is kept may be put twice.
    """
    reason = "a message of guard-events failed again and again"

    async def one(event: object) -> Result:
        return await _look_again(event, reason, ports)

    try:
        results = await _each(_batch(text), one)
    except Unreadable:
        results = []
    if any(result.outcome for result in results):
        return results
    return [await tell_given_up(f"{reason} and was given up: {excerpt(text)}", ports)]


async def _look_again(event: object, reason: str, ports: Ports) -> Result:
    """An event that was given up, as a task; it is put first, so that no trouble loses it."""
    try:
        change = events.parse(event)
        located = locate(change, ports.guards, ports.leads)
    except Unreadable as e:
        return await tell_given_up(f"{reason} and was given up: {shown(e, event)}", ports)
    try:
        if await _is_own_write(change, ports):
            return OWN_WRITE
    except Transient as e:
        log.warning("whether an event that was given up is the guard's own is not known: %s", e)
    if located is None:
        return NOT_GUARDED
    task = Task(change, Source.EVENT, first_seen=timestamp(ports.clock.now()))
    await ports.work.put(task.message(), FIRST_DELAY_S)
    result = await tell_of_delay(task, f"{reason}; looked at again", ports)
    await keep(task, *located, ports)
    return replace(result, resource=change.resource)


async def _is_own_write(change: ResourceChange, ports: Ports) -> bool:
    """Whether an event is about what the guard does itself; what it never does is told."""
    caller = change.caller.object_id
    if not caller or caller != await ports.own_id():
        return False
    if change.operation_name.lower() in own_operations(ports.guards):
        return True
    await tell_misuse(change, ports)
    return False


async def _on_change(task: Task, ports: Ports) -> Result:
    deadline = ports.clock.monotonic() + ports.budget_s
    change = task.change
    if task.source is Source.EVENT and await _is_own_write(change, ports):
        return OWN_WRITE
    try:
        located = locate(change, ports.guards, ports.leads)
    except Unreadable as e:
        return await tell_unreadable(e, change.resource, ports, task.source, change)
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
