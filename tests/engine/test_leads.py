"""Machines and scale sets lead to their disks: one read, then a look of its own at each disk."""

from typing import Any

import pytest

from guards.engine.errors import Terminal, Transient
from guards.engine.model import Mode, Outcome
from tests.engine.policies import disk_id
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_ID,
    GROUP,
    MACHINE_ID,
    MACHINE_WRITE,
    POINT_ID,
    POINT_WRITE,
    SCALE_SET_ID,
    SCALE_SET_WRITE,
    SNAPSHOT_ID,
    SUBSCRIPTION,
    anonymous,
    closed_disk,
    copy_of_disk,
    disk,
    event,
    machine,
)
from tests.engine.world import World

DISKS = [disk_id(name=f"disk-{number}") for number in range(65)]
BUSY = Transient("busy", status=503)


def written(**data: Any) -> dict[str, Any]:
    """The write of a machine."""
    return event(MACHINE_WRITE, MACHINE_ID, **data)


def slow_queue(world: World, seconds: float = 1) -> None:
    """From now on every message takes so long to put."""
    put = world.work.put

    async def slowly(message: Any, delay_s: float = 0) -> Any:
        world.clock.passed += seconds
        return await put(message, delay_s)

    world.work.put = slowly  # type: ignore[method-assign]


async def test_a_machine_with_64_data_disks_costs_a_get_and_one_for_each_disk() -> None:
    """Nothing else is read, and a closed disk is no word worth."""
    world = World(machine(*DISKS), *map(closed_disk, DISKS))
    await world.event(written())
    calls = [call for call in world.trouble.calls if not call.startswith("store")]
    assert calls == ["own_id", "policy", "arm.get", *["work.put"] * 65]
    await world.settle()
    assert world.trouble.count("arm.get") == world.trouble.count("arm") == 66
    assert sorted(map(str, world.arm.asked[1:])) == sorted(DISKS)
    assert world.alerts == []


async def test_each_open_disk_of_a_machine_is_closed_and_told_by_itself() -> None:
    """As if its own event had come, with who wrote the machine."""
    world = World(machine(*DISKS[:5]), *map(disk, DISKS[:4]), closed_disk(DISKS[4]))
    await world.event(written())
    await world.settle()
    assert all(map(world.is_closed, DISKS[:5]))
    assert [alert["resourceId"] for alert in world.alerts] == DISKS[:4]
    assert set(world.outcomes) == {"reverted"}
    assert {alert["caller"]["name"] for alert in world.alerts} == {"alice@contoso.example"}
    assert {alert["operationName"] for alert in world.alerts} == {MACHINE_WRITE}
    assert len({alert["alertId"] for alert in world.alerts}) == 4


@pytest.mark.parametrize(
    "odd",
    [
        disk_id().replace(SUBSCRIPTION, "99999999-2222-3333-4444-555555555555"),
        SNAPSHOT_ID,
        DISK_ACCESS_ID,
        MACHINE_ID,
        GROUP,
        f"{DISK_ID}/../snapshots/x",
        f"{DISK_ID}?api-version=1",
        f"https://example.org{DISK_ID}",
        f"{DISK_ID}\n",
        "",
        "../..",
        7,
        None,
        [DISK_ID],
        {"id": DISK_ID},
    ],
)
async def test_what_a_machine_names_that_is_no_disk_of_its_subscription_is_passed_over(
    odd: object,
) -> None:
    """A body is not believed, and does not keep the others from being looked at."""
    world = World(machine(odd, DISK_ID), disk())
    await world.event(written())
    assert [message["change"]["resource"] for message in world.intents] == [DISK_ID]
    await world.settle()
    assert world.is_closed()
    assert world.arm.asked[0].key == MACHINE_ID.lower()
    assert {resource.key for resource in world.arm.asked[1:]} == {DISK_ID.lower()}


@pytest.mark.parametrize("profile", [None, "x", [], {}, {"dataDisks": "x", "osDisk": []}])
async def test_an_odd_machine_leads_nowhere(profile: object) -> None:
    """And is looked at again, as one that has no disks yet."""
    body = machine()
    body["properties"]["storageProfile"] = profile
    world = World(body)
    await world.event(written())
    assert world.delays == [5.0]
    await world.settle()
    assert (world.trouble.count("arm.get"), world.alerts) == (3, [])


async def test_a_disk_that_is_named_twice_is_looked_at_once() -> None:
    """In whatever casing."""
    world = World(machine(DISK_ID, DISK_ID.upper(), DISK_ID.lower()), disk())
    await world.event(written())
    assert len(world.intents) == 1


async def test_a_machine_that_is_gone_leads_nowhere() -> None:
    """Nobody is told of it."""
    world = World(disk())
    result = await world.event(written())
    assert result.outcome is Outcome.DELETED_MEANWHILE
    assert (world.alerts, world.intents) == ([], [])


async def test_a_machine_that_cannot_be_read_is_told() -> None:
    """Its disks may be open, and nobody looked."""
    world = World(machine(DISK_ID), disk())
    world.trouble.errors["arm.get"] = [Terminal("no", code="AuthorizationFailed", status=403)]
    await world.event(written())
    await world.settle()
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert MACHINE_ID.startswith(world.alert["resourceId"])
    assert "virtualMachines/vm1" in f"{world.alert['resourceId']} {world.alert['reason']}"
    assert "AuthorizationFailed" in world.alert["reason"]


async def test_a_machine_that_is_being_made_is_looked_at_again() -> None:
    """Its disks may come later: after 5 s and after 30 s, then no more."""
    world = World(machine(DISK_ID, state="Creating"), closed_disk(), disk(DISKS[0]))
    await world.event(written())
    world.arm.bodies[MACHINE_ID.lower()] = machine(DISK_ID, DISKS[0], state="Creating")
    await world.settle()
    assert world.is_closed(DISKS[0])
    machines = [resource for resource in world.arm.asked if resource.key == MACHINE_ID.lower()]
    assert len(machines) == 3


async def test_a_scale_set_leads_to_the_disks_of_its_instances() -> None:
    """One list, and the model of the set is not read."""
    instances = [
        machine(*DISKS[n : n + 2], resource_id=f"{SCALE_SET_ID}/virtualMachines/{n}")
        for n in (0, 2, 4)
    ]
    world = World(*instances, *map(disk, DISKS[:6]))
    await world.event(event(SCALE_SET_WRITE, SCALE_SET_ID))
    calls = [call for call in world.trouble.calls if not call.startswith("store")]
    assert calls == ["own_id", "policy", "arm.children", *["work.put"] * 6]
    await world.settle()
    assert all(map(world.is_closed, DISKS[:6]))


@pytest.mark.parametrize("state", ["Succeeded", "Updating"])
async def test_what_does_not_fit_the_budget_goes_on_where_it_stopped(state: str) -> None:
    """No disk is left out, and none is passed on twice."""
    world = World(machine(*DISKS, state=state), *map(closed_disk, DISKS))
    slow_queue(world)
    await world.event(written())
    assert state == "Updating" or any(message["after"] for message in world.intents)
    await world.settle(1000)
    looked = [str(resource) for resource in world.arm.asked if resource.key != MACHINE_ID.lower()]
    assert sorted(looked) == sorted(DISKS)


@pytest.mark.parametrize("call", ["policy", "arm.get", "work.put"])
async def test_trouble_with_a_machine_is_tried_again(call: str) -> None:
    """In the middle of its disks, too."""
    world = World(machine(*DISKS[:6]), *map(disk, DISKS[:6]))
    world.trouble.errors[call] = [None] * (3 if call == "work.put" else 0) + [BUSY]
    await world.event(written())
    await world.settle()
    assert all(map(world.is_closed, DISKS[:6]))
    assert len({alert["alertId"] for alert in world.alerts}) == 6


async def test_a_machine_is_given_up_after_a_day_and_told() -> None:
    """As anything that is put off."""
    world = World(machine(DISK_ID), disk())
    world.trouble.errors["arm.get"] = [BUSY] * 300
    await world.event(written())
    await world.settle()
    assert world.alert["outcome"] == "not reverted"
    assert world.alert["resourceId"] == MACHINE_ID


async def test_where_disks_are_off_none_is_looked_at() -> None:
    """By GUARD_MODE without a call; by the policy after the machine was read."""
    world = World(machine(DISK_ID), disk(), cap=Mode.OFF)
    await world.event(anonymous(MACHINE_WRITE, MACHINE_ID))
    assert world.trouble.calls == ["policy"]
    world = World(machine(DISK_ID), disk(), rules="mode: off")
    await world.event(written())
    await world.settle()
    assert {resource.key for resource in world.arm.asked} == {MACHINE_ID.lower()}


async def test_a_restore_point_leads_to_its_copies() -> None:
    """What is open there is told, and cannot be closed."""
    copies = [copy_of_disk(), copy_of_disk(1, networkAccessPolicy="AllowAll")]
    world = World(*copies)
    await world.event(event(POINT_WRITE, POINT_ID))
    await world.settle()
    assert (world.trouble.count("arm.children"), world.trouble.count("arm.get")) == (1, 2)
    assert (world.alert["outcome"], world.alert["resourceId"]) == ("reported only", copies[1]["id"])
    assert not world.changed
