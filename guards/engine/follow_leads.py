"""From a resource that brings guarded ones along to a look at each of them, through `guard-work`.

One read of the lead, or its children by pages; then a message for each resource it names. Every
message is a look of its own, with the usual budget, and any of them may come twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from guards.engine.alerts import Alert, digest
from guards.engine.catalogue import by_type
from guards.engine.errors import Gone, Terminal, Transient, Unreadable
from guards.engine.exports import is_fresh, remember
from guards.engine.exposure import hands_out
from guards.engine.ids import ResourceId
from guards.engine.later import RECHECK_DELAYS_S
from guards.engine.look import Result
from guards.engine.model import Body, Lead, Mode, Outcome, ResourceChange, Severity, Source
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.rules import in_progress
from guards.engine.shapes import moment, timestamp
from guards.engine.tasks import Task

MOST = 20_000
"""Resources that one lead leads to; a scale set has a thousand machines at most."""

REMEMBERED = timedelta(minutes=15)
"""How long it is known who took links to all that a lead leads to."""


class Unfinished(Transient):
    """The time is over, and so many have been passed on."""

    def __init__(self, done: int) -> None:
        super().__init__("too many for one look")
        self.done = done


async def follow(
    task: Task, lead: Lead, resource: ResourceId, ports: Ports, deadline: float
) -> Result:
    """Put a look at each guarded resource that a lead names.

    Raises:
        Transient: the rest is to be done later; `Unfinished` says how many are done.
    """
    policy = await ports.policy()
    if ports.cap is Mode.OFF:
        return Result(None, reason="out of scope: GUARD_MODE is off")
    try:
        bodies = await _bodies(lead, resource, ports, deadline)
    except Gone:
        return Result(Outcome.DELETED_MEANWHILE)
    except Terminal as e:
        return await _unread(task, lead, resource, ports, e)
    found = _named(lead, resource, bodies, policy, ports)
    early = not found or any(map(in_progress, bodies))
    if early and not task.done and task.recheck < len(RECHECK_DELAYS_S):
        again = replace(task, recheck=task.recheck + 1, attempt=0)
        await ports.work.put(again.message(), RECHECK_DELAYS_S[task.recheck])
    if hands_out(task.change, lead.grants) and task.source is Source.EVENT:
        await _remember(task.change, found, policy, ports, deadline)
    for number, one in enumerate(found):
        if number < task.done:
            continue
        if ports.clock.monotonic() > deadline:
            raise Unfinished(number)
        change = replace(task.change, resource=str(one))
        await ports.work.put(Task(change, task.source, timestamp(ports.clock.now())).message())
    return Result(None, reason=f"{len(found)} resources are looked at from guard-work")


async def _remember(
    change: ResourceChange,
    found: Sequence[ResourceId],
    policy: Policy,
    ports: Ports,
    deadline: float,
) -> None:
    """Who took links to all of these, before the first is looked at; an old grant says nothing.

    Raises:
        Transient: not all could be kept, and only the event tells: it must come again.
    """
    at, fresh = moment(change.event_time), is_fresh(change, ports.clock.now())
    for one in found:
        if not (fresh or (at and policy.exporter(change.caller, one, at))):
            continue
        if ports.clock.monotonic() > deadline:
            raise Transient("too many copies to remember who took links to them")
        await remember(ports, one, change, REMEMBERED)


async def _bodies(
    lead: Lead, resource: ResourceId, ports: Ports, deadline: float
) -> tuple[Body, ...]:
    if lead.children:
        arm = ports.arm
        return tuple(await arm.children(resource, lead.children, lead.api_version, deadline))
    return (await ports.arm.get(resource, lead.api_version, deadline),)


def _named(
    lead: Lead, resource: ResourceId, bodies: tuple[Body, ...], policy: Policy, ports: Ports
) -> list[ResourceId]:
    """The guarded resources that bodies name, each once, in a stable order.

    Of the same subscription only: nothing else can belong to it, whatever a body says.
    """
    guard = by_type(ports.guards)[lead.leads_to.lower()]
    found: dict[str, ResourceId] = {}
    for body in bodies:
        for text in lead.resources(body):
            try:
                one = ResourceId.parse(text)
            except Unreadable:
                continue
            same = one.subscription.lower() == resource.subscription.lower()
            fits = one.type.lower() == lead.leads_to.lower()
            if same and fits and len(found) < MOST and not policy.out_of_scope(guard, one):
                found.setdefault(one.key, one)
    return list(found.values())


async def _unread(
    task: Task, lead: Lead, resource: ResourceId, ports: Ports, error: Terminal
) -> Result:
    reason = f"could not be read, so what belongs to it was not looked at: {error}"
    alert = Alert(
        alert_id=digest(resource.key, task.change.event_id, error.code),
        source=task.source,
        outcome=Outcome.NOT_REVERTED,
        severity=Severity.HIGH,
        seen_at=timestamp(ports.clock.now()),
        resource_id=str(resource),
        resource_type=lead.resource_type,
        reason=reason,
    )
    await ports.alerts.put(alert.of(task.change).message())
    return Result(Outcome.NOT_REVERTED, alert.alert_id, reason)
