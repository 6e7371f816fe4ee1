"""Too early is not compliant: a write in progress, or a grant that does not show yet."""

from collections.abc import Callable
from typing import Any

import pytest

from guards.engine.errors import Transient
from tests.engine.samples import DISK_GRANT, DISK_ID, anonymous, closed_disk, disk, event
from tests.engine.world import World
from tests.fakes import merge


async def waits(world: World) -> list[float]:
    """Deliver what falls due until nothing is left; the delays on the way."""
    seen: list[float] = []
    while world.work.messages:
        seen += world.delays
        world.clock.passed = min(message.due for message in world.work.messages)
        taken = world.work.take()
        assert taken is not None
        await world.deliver(taken)
    return seen


@pytest.mark.parametrize("state", ["Updating", "Creating", "accepted", "SomethingNew"])
async def test_a_write_in_progress_is_looked_at_again_twice(state: str) -> None:
    """After 5 s, then after 30 s, then no more; nobody is alerted."""
    world = World(closed_disk(provisioningState=state))
    await world.event(event())
    assert await waits(world) == [5.0, 30.0]
    assert world.alerts == []
    assert world.trouble.count("arm.get") == 3


@pytest.mark.parametrize("state", ["Succeeded", "failed", "Canceled", None])
async def test_a_finished_write_is_looked_at_once(state: str | None) -> None:
    """The usual event costs one GET."""
    world = World(closed_disk(provisioningState=state))
    await world.event(event())
    assert world.intents == []


async def test_a_write_that_opens_after_the_event_came_is_closed() -> None:
    """Azure may send the event before the write is done."""
    world = World(closed_disk(provisioningState="Updating"))
    await world.event(event())
    merge(world.properties(), {"networkAccessPolicy": "AllowAll", "provisioningState": "Succeeded"})
    assert await waits(world) == [5.0]
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"
    assert world.alert["caller"]["name"] == "alice@contoso.example"


async def test_an_open_write_in_progress_is_closed_at_once_and_looked_at_again() -> None:
    """Whatever the verdict, one more look follows."""
    world = World(disk(provisioningState="Updating"))
    await world.event(event())
    assert world.is_closed()
    assert world.delays == [5.0]
    merge(world.properties(), {"networkAccessPolicy": "AllowAll", "provisioningState": "Succeeded"})
    await waits(world)
    assert world.is_closed()
    assert [alert["outcome"] for alert in world.alerts] == ["reverted", "reverted"]


async def test_a_recheck_carries_no_evidence() -> None:
    """It is a fresh look: what the first one saw is told by the first one."""
    world = World(disk(provisioningState="Updating"))
    await world.event(event())
    assert [message["evidence"] for message in world.intents] == [None]


@pytest.mark.parametrize("state", ["Unattached", "Attached", "ReadyToUpload", "ActiveUpload", None])
async def test_a_grant_that_does_not_show_yet_is_looked_at_again(state: str | None) -> None:
    """A SAS link may appear after its event; that of an upload is another one.

    The last look comes after any intent that may say what became of it.
    """
    world = World(closed_disk(diskState=state))
    await world.event(event(DISK_GRANT))
    upload = state in ("ReadyToUpload", "ActiveUpload")
    assert await waits(world) == ([] if upload else [5.0, 30.0, 90.0])


@pytest.mark.parametrize("state", ["ActiveSAS", "activesas", "ActiveSASFrozen"])
@pytest.mark.parametrize("made", [event, anonymous])
async def test_a_grant_that_shows_is_looked_at_once(
    state: str, made: Callable[..., dict[str, Any]]
) -> None:
    """There is nothing to wait for, whether the link is cut or only told of."""
    world = World(closed_disk(DISK_ID, diskState=state))
    await world.event(made(DISK_GRANT))
    assert world.intents == []
    assert len(world.alerts) == 1


async def test_a_grant_that_shows_late_is_cut_at_the_second_look() -> None:
    """The event has named a stranger, and that is remembered for the looks that follow."""
    world = World(closed_disk(diskState="Unattached"))
    await world.event(event(DISK_GRANT))
    assert (world.alerts, world.arm.posts) == ([], [])
    merge(world.properties(), {"diskState": "ActiveSAS"})
    assert await waits(world) == [5.0]
    assert world.properties()["diskState"] == "Unattached"
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")


async def test_a_write_needs_no_sas_to_show() -> None:
    """Only a grant waits for one."""
    world = World(closed_disk(diskState="Unattached"))
    await world.event(event())
    assert world.intents == []


async def test_a_task_that_was_put_off_starts_no_new_rechecks() -> None:
    """A resource that is busy for a whole day does not fill the queue with looks at it."""
    world = World(disk(provisioningState="Updating"))
    world.trouble.errors["arm.patch"] = [Transient("busy", status=409)] * 40
    await world.event(event())
    most = 0
    while world.work.messages and most < 50:
        most = max(most, len(world.intents))
        await world.step()
    assert most <= 4
