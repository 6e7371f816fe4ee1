"""What happens again and again: fights over links, and refusals of a whole resource group."""

import logging

from guards.engine import gathering
from guards.engine.errors import GuardError, Transient
from guards.engine.events import clean
from guards.engine.gathering import Kind, Topic
from guards.engine.look import Look, Result
from guards.engine.model import Outcome

log = logging.getLogger(__name__)

FIGHT_FROM = 3
"""The link cut so often within an hour is a fight: told once, then counted."""

REFUSED_TOGETHER = {"LinkedAuthorizationFailed", "DenyAssignmentAuthorizationFailed"}
"""Codes of refusals that hold for a whole resource group, as of those that AKS manages."""


async def fight(look: Look) -> str | None:
    """Count a link that was cut: what to say of it, or None if this one is told with others.

    One grant is one round, however many deliveries of its event cut it.
    """
    change = look.task.change
    caller = change.caller
    entry = {
        "at": clean(change.event_time),
        "by": clean(caller.name or caller.object_id or caller.app_id or "an unknown caller"),
        "from": clean(caller.ip_address),
    }
    words = "more SAS links to this resource were taken and cut in the same fight"
    topic = Topic(Kind.FIGHT, str(look.resource), look.guard.resource_type, words)
    try:
        rounds = await gathering.add(look.ports, topic, entry, alone=FIGHT_FROM)
    except Transient as e:
        log.warning("how often links to %s were cut is not counted: %s", look.resource, e)
        return ""
    if rounds.count > FIGHT_FROM:
        return None
    if rounds.count < FIGHT_FROM:
        return ""
    others = ", ".join(dict.fromkeys(one.get("by", "") for one in rounds.entries))
    return (
        f"this is a fight: for the third time within an hour a link was taken and cut. The other "
        f"side: {others}. Stop that caller, or list it among the policy's exporters; further "
        "rounds are cut, counted and told together in an hour"
    )


async def told_with_its_group(look: Look, error: GuardError) -> Result | None:
    """Gather a refusal with those of its resource group; None if that cannot be done."""
    resource = look.resource
    group = f"/subscriptions/{resource.subscription}/resourceGroups/{resource.group}"
    words = (
        f"resources of this resource group could not be closed, as Azure refuses the guard there "
        f"({error.code}; of the first: {clean(str(error), 500)}). A deny assignment of a managed "
        "application such as AKS cannot be passed: set the policy of what makes the disks, or "
        "exempt the group"
    )
    topic = Topic(Kind.REFUSED, group, "Microsoft.Resources/resourceGroups", words)
    entry = {"": f"{resource.type.rpartition('/')[2]}/{resource.name}".lower()}
    try:
        await gathering.add(look.ports, topic, entry)
    except Transient as e:
        log.warning("a refusal of %s is told by itself: %s", resource, e)
        return None
    return Result(Outcome.NOT_REVERTED, reason=f"told with its resource group: {error.code}")
