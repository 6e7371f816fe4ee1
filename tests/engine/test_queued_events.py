"""Events in guard-events: alone, many in one message, and given up by the host."""

import json
from typing import Any

import pytest

from guards.engine import intake
from guards.engine.errors import Transient
from tests.engine.samples import DISK_ID, GROUP, disk, event
from tests.engine.world import World

SECRET = "f7e1-only-in-the-claims"


def disk_id(number: int) -> str:
    """One of many disks."""
    return f"{GROUP}/providers/Microsoft.Compute/disks/disk-{number}"


def many(number: int) -> tuple[World, bytes]:
    """A world of open disks, and one message with an event about each."""
    world = World(*(disk(disk_id(n)) for n in range(number)))
    events = [{**event(resource=disk_id(n)), "id": f"event-{n}"} for n in range(number)]
    return world, json.dumps(events).encode()


async def test_every_event_of_an_array_is_handled() -> None:
    """Each resource is closed, each has its alert."""
    world, message = many(5)
    await intake.on_queued_events(message, world.ports)
    assert all(world.is_closed(disk_id(n)) for n in range(5))
    assert len({alert["alertId"] for alert in world.alerts}) == 5


async def test_an_array_that_takes_too_long_goes_on_from_guard_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slow answers do not run into the function's time limit: the rest is put off, and closed."""
    world, message = many(8)
    get = world.arm.get

    async def slow(*args: Any) -> Any:
        world.clock.passed += 7
        return await get(*args)

    monkeypatch.setattr(world.arm, "get", slow)
    await intake.on_queued_events(message, world.ports)
    assert len(world.intents) == 5
    await world.settle()
    assert all(world.is_closed(disk_id(n)) for n in range(8))
    assert len(world.alerts) == 8


async def test_trouble_with_one_event_does_not_keep_the_others_waiting() -> None:
    """The message comes back for the one; the others are closed by then."""
    world, message = many(3)
    world.trouble.errors["work.put"] = [Transient("queue work: down")] * 2
    with pytest.raises(Transient):
        await intake.on_queued_events(message, world.ports)
    assert [world.is_closed(disk_id(n)) for n in range(3)] == [False, True, True]
    await intake.on_queued_events(message, world.ports)
    assert world.is_closed(disk_id(0))


async def test_an_event_that_was_given_up_is_told_and_looked_at_again() -> None:
    """The poison message names its resource, and the resource is closed in the end."""
    world = World(disk())
    await intake.on_poison_events(json.dumps(event()).encode(), world.ports)
    (note,) = world.alerts
    assert (note["outcome"], note["resourceId"]) == ("deferred", DISK_ID)
    assert note["resourceType"] == "Microsoft.Compute/disks"
    await world.settle()
    assert world.is_closed()


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("queue", ["events", "poison"])
async def test_what_is_shown_of_an_unreadable_message_has_no_claims(
    queue: str, broken: bool
) -> None:
    """Alerts show an allow-list of the caller, also where the input cannot be read."""
    hostile = event(resource="/not/an/id", claims={"http://claims/secret": SECRET})
    text = json.dumps(hostile).encode()[: -5 if broken else None]
    world = World()
    if queue == "events":
        await intake.on_queued_events(text, world.ports)
    else:
        await intake.on_poison_events(text, world.ports)
    assert world.alerts
    assert SECRET not in json.dumps(world.alerts)
