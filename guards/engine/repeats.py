"""What happens again and again: fights over links, and refusals of a whole resource group."""

import logging
from collections.abc import Sequence
from functools import partial

from guards.engine import gathered_rows, gathering
from guards.engine.errors import GuardError, Transient
from guards.engine.events import clean
from guards.engine.gathered_rows import Entry, Kind, Topic
from guards.engine.ids import ResourceId
from guards.engine.look import Look, Result
from guards.engine.model import Caller, Outcome, ResourceChange
from guards.engine.ports import Ports

log = logging.getLogger(__name__)

FIGHT_FROM = 3
"""The link cut so often within an hour is a fight: told once, then counted."""

REFUSED_TOGETHER = {"LinkedAuthorizationFailed", "DenyAssignmentAuthorizationFailed"}
"""Codes of refusals that hold for a whole resource group, as of those that AKS manages."""


def _named(caller: Caller) -> str:
    return clean(caller.who or "an unknown caller")


async def fight(look: Look) -> str | None:
    """Count a link that was cut, or over: what to say of it, or None if it is told with others.

    One grant is one round, however many deliveries of its event cut it. Who has not been seen in
    the fight is told of at once.
    """
    change = look.task.change
    by = _named(change.caller)
    said = {"at": change.event_time, "by": by, "from": change.caller.ip_address}
    words = "more SAS links to this resource were taken and ended in the same fight"
    topic = Topic(Kind.FIGHT, str(look.resource), look.guard.resource_type, words)
    try:
        this = await gathered_rows.note(look.ports, topic, change.event_id, said)
        only_counted = partial(_only_counted, this)
        rounds = await gathered_rows.entries(look.ports, topic, only_counted)
        counted = only_counted(rounds)
        if counted or not all(one.told for one in _others(this, rounds)):
            await gathering.schedule(look.ports, topic)
        if counted:
            return None
        await gathered_rows.mark_told(look.ports, topic, [this])
    except Transient as e:
        log.warning("how often links to %s were cut is not counted: %s", look.resource, e)
        return ""
    return _said_of(rounds)


def _only_counted(this: Entry, rounds: Sequence[Entry]) -> bool:
    """Whether so many other rounds, of this caller too, are known that nobody need hear of it."""
    others = _others(this, rounds)
    known = any(one.by == this.by for one in others)
    return known and len(others) >= FIGHT_FROM and not this.told


def _others(this: Entry, rounds: Sequence[Entry]) -> list[Entry]:
    return [one for one in rounds if one.key != this.key]


def _said_of(rounds: Sequence[Entry]) -> str:
    """What is said of a fight where its round is told by itself; nothing while it is none."""
    if len(rounds) < FIGHT_FROM:
        return ""
    return (
        f"this is a fight: within an hour {len(rounds)} links were taken and ended. The other "
        f"side: {gathering.callers(rounds)}. Stop that caller, or list it among the policy's "
        "exporters; further rounds are cut, counted and told together in an hour"
    )


async def told_with_its_group(look: Look, error: GuardError) -> Result | None:
    """Gather a refusal with those of its resource group; None if that cannot be done."""
    words = (
        "resources of this resource group could not be closed, as Azure refuses the guard there "
        f"({error.code}; of the first: {_short(error)}). A deny assignment of a managed "
        "application such as AKS cannot be passed: set the policy of what makes the disks, or "
        "exempt the group"
    )
    return await _together(look.ports, look.resource, look.task.change, Kind.UNCLOSED, words)


async def unread_with_its_group(
    ports: Ports, resource: ResourceId, change: ResourceChange, error: GuardError
) -> Result | None:
    """Gather what may not be read with others of its group; None if that cannot be done."""
    words = (
        "resources of this resource group could not be read, so what belongs to them was not "
        f"looked at (of the first: {_short(error)}). The guard's role needs the permissions that "
        "`python -m guards role` prints"
    )
    return await _together(ports, resource, change, Kind.UNREAD, words)


def _short(error: GuardError) -> str:
    return clean(str(error), 500)


async def _together(
    ports: Ports, resource: ResourceId, change: ResourceChange, kind: Kind, words: str
) -> Result | None:
    """Gather what Azure refuses in a resource group; the same of the same caller only once a day.

    None if that cannot be done now: it is told by itself then.
    """
    group = f"/subscriptions/{resource.subscription}/resourceGroups/{resource.group}"
    topic = Topic(kind, group, "Microsoft.Resources/resourceGroups", words)
    by = _named(change.caller)
    name = f"{resource.type.rpartition('/')[2]}/{resource.name}"
    said = {"": name, "by": by, "at": change.event_time}
    try:
        entry = await gathered_rows.note(ports, topic, f"{resource.key} {by}", said)
        if not entry.told:
            await gathering.schedule(ports, topic)
    except Transient as e:
        log.warning("a refusal of %s is told by itself: %s", resource, e)
        return None
    return Result(Outcome.NOT_REVERTED, reason=f"told with its resource group {group}")
