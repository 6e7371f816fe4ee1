"""What Azure refuses for a whole resource group is told once of the group, not of each disk."""

import asyncio

import pytest

from guards.engine.errors import Terminal, Transient
from tests.engine.policies import on_disks, rules_of
from tests.engine.samples import (
    GROUP,
    MACHINE_ID,
    MACHINE_WRITE,
    SUBSCRIPTION,
    closed_disk,
    disk,
    event,
    grant,
    machine,
)
from tests.engine.world import World

NODES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_shop_aks_westeurope"
LINKED = Terminal("linked access check failed", code="LinkedAuthorizationFailed", status=403)
DENIED = Terminal("deny assignment", code="DenyAssignmentAuthorizationFailed", status=403)
EACH = pytest.mark.parametrize("refusal", [LINKED, DENIED], ids=["linked", "denied"])
AWAY = Transient("the table is away")
DAY_S = 24 * 3600


def disk_of(number: int, group: str = NODES) -> str:
    """One of many disks of nodes."""
    return f"{group}/providers/Microsoft.Compute/disks/node-{number:03}"


async def refused(world: World, *resources: str, refusal: Terminal = LINKED) -> None:
    """A write of each, and Azure refuses the guard."""
    for resource in resources:
        world.trouble.errors["arm.patch"] = [refusal]
        await world.event(event(resource=resource, id=f"of {resource}"))


def world_of(*resources: str) -> World:
    """A world of open disks."""
    return World(*(disk(resource) for resource in resources))


@EACH
@pytest.mark.parametrize("count", [1, 3, 30])
async def test_one_alert_names_all_disks_of_a_group(refusal: Terminal, count: int) -> None:
    """Half a minute after the first; nothing of them is tried again."""
    disks = [disk_of(number) for number in range(count)]
    world = world_of(*disks)
    await refused(world, *disks, refusal=refusal)
    assert (world.alerts, world.delays) == ([], [30])
    await world.pass_time(29)
    assert world.alerts == []
    await world.settle()
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert world.alert["resourceId"] == NODES
    assert world.alert["resourceType"] == "Microsoft.Resources/resourceGroups"
    assert world.alert["reason"].startswith(f"{count} resources of this resource group")
    assert str(refusal) in world.alert["reason"]
    assert len(world.arm.patches) == count


async def test_every_disk_is_named_as_long_as_there_is_room() -> None:
    """How many more there are is said."""
    disks = [disk_of(number, GROUP) + "x" * 70 for number in range(64)]
    world = world_of(*disks)
    await refused(world, *disks)
    await world.settle()
    reason = world.alert["reason"]
    named = sum(f"node-{number:03}" in reason for number in range(64))
    assert named > 10
    assert reason.endswith(f"; and {64 - named} more")


async def test_the_same_disk_is_not_told_again_within_a_day() -> None:
    """Whatever event leads to it; after a day it is news."""
    world = world_of(disk_of(1))
    await refused(world, disk_of(1))
    await world.settle()
    for _ in range(3):
        await world.pass_time(3600)
        await refused(world, disk_of(1))
    await world.pass_time(3600)
    assert (len(world.alerts), world.intents) == (1, [])
    await world.pass_time(DAY_S)
    await refused(world, disk_of(1))
    await world.settle()
    assert len(world.alerts) == 2


async def test_later_disks_of_a_group_come_together() -> None:
    """A cluster that scales up is no alert for each node."""
    disks = [disk_of(number) for number in range(5)]
    world = world_of(*disks)
    await refused(world, *disks[:2])
    await world.pass_time(60)
    for later in disks[2:]:
        await world.pass_time(60)
        await refused(world, later)
    assert len(world.alerts) == 1
    await world.settle()
    assert len(world.alerts) == 2
    assert world.alerts[1]["reason"].startswith("3 resources")
    named = [f"node-{number:03}" in world.alerts[1]["reason"] for number in range(5)]
    assert named == [False] * 2 + [True] * 3


async def test_two_groups_are_two_alerts() -> None:
    """And one group, and one disk, in two casings is one."""
    disks = [disk_of(1), disk_of(2, NODES.upper()), disk_of(3, GROUP)]
    world = world_of(*disks)
    await refused(
        world, *disks, disk_of(1).upper().replace("MICROSOFT.COMPUTE", "microsoft.compute")
    )
    await world.settle()
    assert [alert["reason"].split()[0] for alert in world.alerts] == ["2", "1"]
    assert len({alert["alertId"] for alert in world.alerts}) == 2


@EACH
async def test_with_a_link_that_is_out_the_refusal_is_told_at_once(refusal: Terminal) -> None:
    """It cannot wait for others, whether the link could be cut or not."""
    for call in ("arm.post", "arm.patch"):
        world = World(disk(disk_of(1), diskState="ActiveSAS"))
        world.trouble.errors[call] = [refusal]
        await world.event(grant(disk_of(1)))
        assert world.alert["resourceId"] == disk_of(1)
        assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "critical")
        assert world.intents == []


@EACH
async def test_an_unknown_link_is_told_at_once_with_the_refusal(refusal: Terminal) -> None:
    """The settings could not be closed around it."""
    world = World(disk(disk_of(1), diskState="ActiveSAS"))
    await refused(world, disk_of(1), refusal=refusal)
    assert world.alert["resourceId"] == disk_of(1)
    assert world.alert["outcome"] == "not reverted"


@pytest.mark.parametrize("away", ["store.get", "store.write"])
async def test_without_the_shared_state_each_is_told_by_itself(away: str) -> None:
    """Too many alerts rather than none."""
    disks = [disk_of(number) for number in range(3)]
    world = world_of(*disks)
    for one in disks:
        world.trouble.errors[away] = [AWAY]
        await refused(world, one)
    assert [alert["resourceId"] for alert in world.alerts] == disks
    await world.settle()
    assert world.outcomes == ["not reverted"] * 3


async def test_without_the_queue_for_the_summary_it_is_told_by_itself() -> None:
    """What nobody would ever tell is not gathered."""
    world = world_of(disk_of(1))
    world.trouble.errors["work.put"] = [None, AWAY]
    await refused(world, disk_of(1))
    assert world.alert["resourceId"] == disk_of(1)


async def test_what_is_gathered_survives_alerts_that_cannot_be_posted() -> None:
    """The message stays until it is told, once."""
    world = world_of(disk_of(1))
    await refused(world, disk_of(1))
    world.trouble.errors["alerts.put"] = [AWAY] * 3
    await world.settle()
    assert len(world.alerts) == 1
    assert "disks/node-001" in world.alert["reason"]


async def test_a_message_that_nothing_was_gathered_for_is_passed_over() -> None:
    """Whoever wrote it; a doubled one, too."""
    world = world_of(disk_of(1))
    await refused(world, disk_of(1))
    (message,) = world.intents
    await world.settle()
    for topic in (message["topic"], "0" * 64):
        result = await world.message({**message, "topic": topic})
        assert result.outcome is None
    assert len(world.alerts) == 1


async def test_other_refusals_are_told_of_each_disk() -> None:
    """A lock or a policy is somebody's decision about that disk."""
    world = world_of(disk_of(1), disk_of(2))
    locked = Terminal("locked", code="ScopeLocked", status=409)
    await refused(world, disk_of(1), disk_of(2), refusal=locked)
    assert [alert["resourceId"] for alert in world.alerts] == [disk_of(1), disk_of(2)]


async def test_a_refused_revocation_by_leave_of_the_policy_is_told_by_itself() -> None:
    """A link of nobody known that Azure will not cut."""
    rules = rules_of(resources=on_disks(liveExport={"unknown_granter": "revoke"}))
    world = World(closed_disk(disk_of(1), diskState="ActiveSAS"), rules=rules)
    world.trouble.errors["arm.post"] = [LINKED]
    await world.event(event(resource=disk_of(1)))
    assert world.alert["resourceId"] == disk_of(1)


async def test_disks_that_are_refused_at_the_same_time_are_all_told() -> None:
    """Instances write one row by turns; whoever has no turn tells its disk by itself."""
    disks = [disk_of(number) for number in range(30)]
    world = world_of(*disks)
    world.trouble.errors["arm.patch"] = [LINKED] * 30
    await asyncio.gather(*(world.event(event(resource=one, id=one)) for one in disks))
    await world.settle()
    told = " ".join(f"{alert['resourceId']} {alert['reason']}" for alert in world.alerts)
    assert all(one.rpartition("/")[2] in told for one in disks)
    assert set(world.outcomes) == {"not reverted"}


async def test_azures_words_are_those_of_the_first_refusal() -> None:
    """And said to be: the others may have been refused for something else."""
    world = world_of(disk_of(1), disk_of(2))
    await refused(world, disk_of(1), refusal=DENIED)
    await refused(world, disk_of(2), refusal=LINKED)
    await world.settle()
    assert f"of the first: {DENIED}" in world.alert["reason"]
    assert str(LINKED) not in world.alert["reason"]


@pytest.mark.parametrize("first", ["machine", "disk"])
async def test_what_cannot_be_read_is_not_told_with_what_cannot_be_closed(first: str) -> None:
    """Whichever comes first: another alert, with advice of its own."""
    there = disk_of(1, GROUP)
    world = World(disk(there), machine(there))
    unread = Terminal("may not read it", code="AuthorizationFailed", status=403)
    for what in (first, *({"machine", "disk"} - {first})):
        if what == "disk":
            await refused(world, there, refusal=DENIED)
        else:
            world.trouble.errors["arm.get"] = [unread]
            await world.event(event(MACHINE_WRITE, MACHINE_ID))
    await world.settle()
    told = {"disks/" in alert["reason"]: alert["reason"] for alert in world.alerts}
    assert len(world.alerts) == len(told) == 2
    assert f"{DENIED}" in told[True]
    assert "exempt the group" in told[True]
    assert (
        f"could not be read, so what belongs to them was not looked at (of the first: {unread}"
        in (told[False])
    )
    assert "python -m guards role" in told[False]
    assert "exempt" not in told[False]
