"""What happens again and again: fights over links, and refusals of a whole resource group."""

import logging

from guards.engine import gathering
from guards.engine.errors import GuardError, Transient
from guards.engine.events import clean
from guards.engine.gathering import Kind, Topic
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
    """Count a link that was cut: what to say of it, or None if this one is told with others.

    One grant is one round, however many deliveries of its event cut it. Who has not been seen in
    the fight is told of at once.
    """
    change = look.task.change
    by = _named(change.caller)
    said = {"at": change.event_time, "by": by, "from": change.caller.ip_address}
    words = "more SAS links to this resource were taken and cut in the same fight"
    topic = Topic(Kind.FIGHT, str(look.resource), look.guard.resource_type, words)
    try:
        this = await gathering.note(look.ports, topic, change.event_id, said)
        rounds = await gathering.entries(look.ports, topic)
        others = [one for one in rounds if one.key != this.key]
        known = by in {one.said.get("by") for one in others}
        counted = known and len(rounds) > FIGHT_FROM and not this.told
        if counted or not all(one.told for one in others):
            await gathering.schedule(look.ports, topic)
        if counted:
            return None
        await gathering.told(look.ports, topic, this)
    except Transient as e:
        log.warning("how often links to %s were cut is not counted: %s", look.resource, e)
        return ""
    if len(rounds) < FIGHT_FROM:
        return ""
    side = ", ".join(dict.fromkeys(one.said.get("by", "") for one in rounds))
    return (
        f"this is a fight: within an hour {len(rounds)} links were taken and cut. The other side: "
        f"{side}. Stop that caller, or list it among the policy's exporters; further rounds are "
        "cut, counted and told together in an hour"
    )


async def told_with_its_group(look: Look, error: GuardError) -> Result | None:
    """Gather a refusal with those of its resource group; None if that cannot be done."""
    return await together(
        look.ports,
        look.resource,
        look.task.change,
        "resources of this resource group could not be closed, as Azure refuses the guard there "
        f"({error.code}; of the last: {clean(str(error), 500)}). A deny assignment of a managed "
        "application such as AKS cannot be passed: set the policy of what makes the disks, or "
        "exempt the group",
    )


async def together(
    ports: Ports, resource: ResourceId, change: ResourceChange, words: str
) -> Result | None:
    """Gather what Azure refuses in a resource group; the same of the same caller only once a day.

    None if that cannot be done now: it is told by itself then.
    """
    group = f"/subscriptions/{resource.subscription}/resourceGroups/{resource.group}"
    topic = Topic(Kind.REFUSED, group, "Microsoft.Resources/resourceGroups", words)
    by = _named(change.caller)
    name = f"{resource.type.rpartition('/')[2]}/{resource.name}"
    said = {"": name, "by": by, "at": change.event_time}
    try:
        entry = await gathering.note(ports, topic, f"{resource.key} {by}", said)
        if not entry.told:
            await gathering.schedule(ports, topic)
    except Transient as e:
        log.warning("a refusal of %s is told by itself: %s", resource, e)
        return None
    return Result(Outcome.NOT_REVERTED, reason=f"told with its resource group {group}")
