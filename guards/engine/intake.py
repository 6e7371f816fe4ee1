"""The ways in: an event, a task of `guard-work`, queued events, a poison message.

Each ends in a `Result`; what cannot be read becomes an alert with the cut text, not a retry for
ever. `Transient` leaves these functions only if the queue itself cannot be reached: then the
caller fails, and Event Grid or the queue brings the input again.
"""

import json
import logging
from dataclasses import replace
from functools import lru_cache

from guards.engine import alerts, events, tasks
from guards.engine.alerts import Alert
from guards.engine.errors import Transient, Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.later import give_up, put_off
from guards.engine.look import Result, timestamp
from guards.engine.model import Guard, Outcome, ResourceChange, Severity, Source
from guards.engine.ports import Ports
from guards.engine.reconcile import reconcile
from guards.engine.tasks import Task

log = logging.getLogger(__name__)

NOT_GUARDED = Result(Outcome.ALREADY_COMPLIANT, reason="not guarded")
OWN_WRITE = Result(Outcome.ALREADY_COMPLIANT, reason="the guard's own write")

_MAX_CUT = 1024


@lru_cache(maxsize=4)
def _by_operation(guards: tuple[Guard, ...]) -> dict[str, Guard]:
    return {operation.lower(): guard for guard in guards for operation in guard.operations}


@lru_cache(maxsize=4)
def _own_operations(guards: tuple[Guard, ...]) -> frozenset[str]:
    return frozenset(operation.lower() for guard in guards for operation in guard.own_operations)


def locate(change: ResourceChange, guards: tuple[Guard, ...]) -> tuple[Guard, ResourceId] | None:
    """The guarded resource a change leads to, a child's to its parent; None if it is not guarded.

    Raises:
        Unreadable: the operation is guarded and the resource ID cannot be read or does not fit it.
    """
    operation = change.operation_name.lower()
    expected = _by_operation(guards).get(operation)
    if operation and expected is None:
        return None
    if not operation and not change.event_type.lower().startswith("microsoft.resources.resource"):
        return None
    resource = ResourceId.parse(change.resource)
    by_type = {guard.resource_type.lower(): guard for guard in guards}
    for ancestor in resource.lineage():
        guard = by_type.get(ancestor.type.lower())
        if guard is not None and expected in (None, guard):
            return guard, ancestor
    if expected is not None:
        raise Unreadable(f"resource ID: a {resource.type} does not fit {change.operation_name}")
    return None


async def on_event(event: object, ports: Ports) -> Result:
    """One Event Grid event as JSON, either schema."""
    try:
        change = events.parse(event)
    except Unreadable as e:
        return await _tell_unreadable(e, event, ports, Source.EVENT)
    now = timestamp(ports.clock.now())
    return await _on_change(Task(change, Source.EVENT, first_seen=now), ports)


async def on_queued_events(text: bytes, ports: Ports) -> list[Result]:
    """A message of `guard-events`: one event or an array, as Event Grid puts them there."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        error = Unreadable(f"guard-events: not JSON: {e}")
        return [await _tell_unreadable(error, text, ports, Source.EVENT)]
    batch = document if isinstance(document, list) else [document]
    return [await on_event(event, ports) for event in batch]


async def on_work(text: bytes, ports: Ports) -> Result:
    """A message of `guard-work`: an intent that surfaced, a task put off, a re-check."""
    try:
        task = tasks.parse(text)
    except Unreadable as e:
        return await _tell_unreadable(e, text, ports, Source.WORK)
    return await _on_change(task, ports)


async def on_poison(queue: str, text: bytes, ports: Ports) -> Result:
    """A message that failed five times, or that the host could not decode: told, with its text."""
    reason = f"a message of {queue} failed again and again and was given up: {_cut(text)}"
    try:
        task = tasks.parse(text)
    except Unreadable:
        return await _tell(ports, Source.WORK, Outcome.NOT_REVERTED, Severity.HIGH, reason, None)
    return await give_up(task, reason, ports)


async def _on_change(task: Task, ports: Ports) -> Result:
    deadline = ports.clock.monotonic() + ports.budget_s
    change = task.change
    caller = change.caller.object_id
    if caller and task.source is Source.EVENT and caller == await ports.own_id():
        if change.operation_name.lower() in _own_operations(ports.guards):
            return OWN_WRITE
        await _tell_misuse(change, ports)
    try:
        located = locate(change, ports.guards)
    except Unreadable as e:
        return await _tell_unreadable(e, change.resource, ports, task.source, change)
    if located is None:
        return NOT_GUARDED
    try:
        result = await reconcile(task, *located, ports, deadline)
    except Transient as e:
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
    reason = f"could not be read, so nothing was looked at: {error}. It was: {_cut(text)}"
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
        alert = replace(
            alert,
            caller=change.caller,
            operation_name=change.operation_name,
            event_id=event_id,
            event_time=change.event_time,
            correlation_id=change.correlation_id,
        )
    await ports.alerts.put(alert.message())
    return Result(outcome, alert.alert_id, reason)


def _cut(text: object) -> str:
    """Input from outside, short and harmless enough to show to a person."""
    if isinstance(text, bytes):
        text = text[: 4 * _MAX_CUT].decode("utf-8", "replace")
    elif not isinstance(text, str):
        text = json.dumps(text, default=str)[: 4 * _MAX_CUT]
    return clean(text, _MAX_CUT)
