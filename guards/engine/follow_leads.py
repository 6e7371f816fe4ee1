"""From a resource that brings guarded ones along to a look at each of them, through `guard-work`.

One read of the lead, or of its children by pages; then a message for each resource it names. Every
message is a look of its own, with the usual budget, and any of them may come twice. Whoever writes
a lead again and again leads to one look at its resources in ten seconds, not to many.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from guards.engine import export_rows as rows
from guards.engine.alerts import digest
from guards.engine.catalogue import by_type
from guards.engine.errors import Gone, Terminal, Transient, Unreadable
from guards.engine.exports import by_exporter, keep, succeeded
from guards.engine.exposure import hands_out
from guards.engine.ids import ResourceId
from guards.engine.later import RECHECK_DELAYS_S, about, give_up
from guards.engine.look import Result
from guards.engine.model import Body, Lead, Mode, Outcome, ResourceChange, Source
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.repeats import unread_with_its_group
from guards.engine.rules import in_progress
from guards.engine.shapes import moment, timestamp
from guards.engine.store import Put
from guards.engine.tasks import Task

log = logging.getLogger(__name__)

MOST = 20_000
"""Resources that one lead leads to; a scale set has a thousand machines at most."""

APART_S = 10
"""Seconds between two looks at all that a lead names, however often it is written."""

A_SECOND = 20
"""Looks that fall due in one second: Azure answers 25 reads a second."""

_PARTITION = "leads"

_LINKS_GONE = (
    "SAS links to all that belongs to it were taken, and it is gone with them: data may have been "
    "read before. Ask the caller what they were for"
)
_LINKS_OUT = "SAS links to all that belongs to it were taken, and none of them was revoked"


class Unfinished(Transient):
    """The time is over; `after` is the last resource that was passed on, in the order of IDs."""

    def __init__(self, after: str) -> None:
        super().__init__("too many for one look")
        self.after = after


async def follow(
    task: Task, lead: Lead, resource: ResourceId, ports: Ports, deadline: float
) -> Result:
    """Put a look at each guarded resource that a lead names.

    Raises:
        Transient: the rest is to be done later; `Unfinished` says how far it came.
    """
    policy = await ports.policy()
    if ports.cap is Mode.OFF:
        return Result(None, reason="out of scope: GUARD_MODE is off")
    granted = await _grant(task, lead, resource, ports)
    if _waits(task, lead) and not await _its_turn(task, resource, ports):
        return Result(None, reason="it was written a moment ago, and is looked at again then")
    try:
        bodies = await _bodies(lead, resource, ports, deadline)
    except Gone:
        return await _gone(task, lead, resource, ports)
    except Terminal as e:
        return await _unread(task, lead, resource, ports, e)
    found = _named(lead, resource, bodies, policy, ports)
    early = not found or any(map(in_progress, bodies))
    if early and task.recheck < len(RECHECK_DELAYS_S):
        again = replace(task, recheck=task.recheck + 1, attempt=0)
        await ports.work.put(again.message(), RECHECK_DELAYS_S[task.recheck])
        return Result(Outcome.DEFERRED, reason="Azure is still at work on it")
    if not bodies:
        return await _gone(task, lead, resource, ports)
    await _pass_on(task, found, ports, deadline, granted=granted)
    return Result(None, reason=f"{len(found)} resources are looked at from guard-work")


def _waits(task: Task, lead: Lead) -> bool:
    """Whether it may wait for its turn: not if links were taken, whoever did."""
    return task.source is Source.EVENT and not hands_out(task.change, lead.grants)


async def _pass_on(
    task: Task,
    found: list[ResourceId],
    ports: Ports,
    deadline: float,
    *,
    granted: tuple[ResourceChange, bool] | None,
) -> None:
    """A message for each, at least one of them whatever the time."""
    rest = [one for one in found if one.key > task.after]
    for number, one in enumerate(rest):
        if number and ports.clock.monotonic() > deadline:
            raise Unfinished(rest[number - 1].key)
        change = replace(task.change, resource=str(one))
        if granted is not None:
            believed, pending = granted
            await rows.keep_taken(ports, one, believed, pending=pending)
        look = Task(change, task.source, timestamp(ports.clock.now()))
        await ports.work.put(look.message(), number // A_SECOND)


async def _grant(
    task: Task, lead: Lead, resource: ResourceId, ports: Ports
) -> tuple[ResourceChange, bool] | None:
    """What is believed of who took links to all that the lead names, and whether just now.

    It is kept for later looks, which believe no message about it. None if no links were taken.

    Raises:
        Transient: it cannot be kept, so the event itself must come again.
    """
    change = task.change
    if task.source is Source.EVENT:
        fresh = await keep(task, lead, resource, ports)
        return None if fresh is None else (change, fresh)
    granting = hands_out(change, lead.grants) and change.caller
    known = await rows.taken(ports, resource, change) if granting else None
    if known is None:
        return None
    request = replace(change.request, duration_s=known.asked_s)
    at = known.at.isoformat()
    return replace(change, caller=known.caller, event_time=at, request=request), known.pending


async def _its_turn(task: Task, resource: ResourceId, ports: Ports) -> bool:
    """Whether a lead is followed now: else it is once, when its turn comes.

    Without the store every event counts.
    """
    key, now = digest(resource.key), ports.clock.now()
    try:
        row = await ports.store.get(_PARTITION, key)
        turn = moment(str(row.values.get("next", ""))) if row else None
        if turn is None or turn <= now:
            later = now + timedelta(seconds=APART_S)
            await ports.store.write(_PARTITION, Put(key, {"next": later.isoformat(), "put": 0}))
            return True
        if row is not None and not row.values.get("put"):
            wait = (turn - now).total_seconds()
            await ports.work.put(task.message(), wait + 1)
            await ports.store.write(_PARTITION, Put(key, {"next": turn.isoformat(), "put": 1}))
    except Transient as e:
        log.warning("how often %s is written is not known: %s", resource, e)
        return True
    return False


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
    """The guarded resources that bodies name, each once, in the order of their IDs.

    Of the same subscription only, children only of the lead itself: nothing else can belong to it,
    whatever a body says.
    """
    guard = by_type(ports.guards)[lead.leads_to.lower()]
    children = lead.leads_to.lower().startswith(f"{lead.resource_type.lower()}/")
    above = f"{resource.key}/" if children else ""
    found: dict[str, ResourceId] = {}
    for body in bodies:
        for text in lead.resources(body):
            try:
                one = ResourceId.parse(text)
            except Unreadable:
                continue
            same = one.subscription.lower() == resource.subscription.lower()
            same = same and one.key.startswith(above)
            fits = one.type.lower() == lead.leads_to.lower()
            if same and fits and len(found) < MOST and not policy.out_of_scope(guard, one):
                found.setdefault(one.key, one)
    return [found[key] for key in sorted(found)]


async def _gone(task: Task, lead: Lead, resource: ResourceId, ports: Ports) -> Result:
    """Nobody asks after what is gone, unless links to it were taken before."""
    if not await _links_taken(task, lead, resource, ports):
        return Result(Outcome.DELETED_MEANWHILE)
    alert = about(task, Outcome.DELETED_MEANWHILE, _LINKS_GONE, ports)
    await ports.alerts.put(alert.message())
    return Result(Outcome.DELETED_MEANWHILE, alert.alert_id, _LINKS_GONE)


async def _links_taken(task: Task, lead: Lead, resource: ResourceId, ports: Ports) -> bool:
    """Whether somebody who is no exporter took links, as far as the policy cares for them."""
    change, policy = task.change, await ports.policy()
    if not hands_out(change, lead.grants) or not succeeded(change):
        return False
    guard = by_type(ports.guards)[lead.leads_to.lower()]
    rules = policy.applied(guard, resource, {}).rules
    if guard.links is None or rules[guard.links.rule].mode is Mode.OFF:
        return False
    return not by_exporter(policy, resource, change, ports.clock.now())


async def _unread(
    task: Task, lead: Lead, resource: ResourceId, ports: Ports, error: Terminal
) -> Result:
    """Azure lets nobody see what belongs to it: told with its resource group; of links at once."""
    reason = f"could not be read, so what belongs to it was not looked at: {error}"
    if await _links_taken(task, lead, resource, ports):
        return await give_up(task, f"{_LINKS_OUT}; it {reason}", ports)
    told = await unread_with_its_group(ports, resource, task.change, error)
    return told or await give_up(task, reason, ports)
