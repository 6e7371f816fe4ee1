"""What does not fit into an event's budget goes on from guard-work, and ends within a day."""

from typing import Any

import pytest

from guards.engine.errors import GuardError, StillRunning, Transient
from guards.engine.model import Outcome
from tests.engine.samples import DISK_ID, disk, event
from tests.engine.world import World
from tests.fakes import merge

DAY_S = 24 * 3600


async def accepted(retry_after: float | None = None) -> tuple[World, str]:
    """A world whose ARM took the PATCH and is not done; and the alert id of the violation."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202, retry_after=retry_after)]
    result = await world.event(event())
    assert result.outcome == Outcome.DEFERRED
    world.properties()["provisioningState"] = "Updating"
    return world, result.alert_id


async def next_message(world: World) -> None:
    """Let time pass to the next message and deliver it."""
    world.clock.passed = min(message.due for message in world.work.messages)
    taken = world.work.take()
    assert taken is not None
    await world.deliver(taken)


def finish(world: World, **properties: str) -> None:
    """Azure completes the operation, with these properties."""
    merge(world.properties(), {"provisioningState": "Succeeded", **properties})


CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}


async def test_an_accepted_change_goes_on_from_the_queue() -> None:
    """The intent says that Azure took it, and no alert is sent yet."""
    world, alert_id = await accepted()
    (intent,) = world.intents
    assert (True, alert_id) == (intent["evidence"]["accepted"], intent["evidence"]["alertId"])
    assert world.delays == [10.0]
    assert world.alerts == []


async def test_an_accepted_change_that_completes_is_one_alert_reverted() -> None:
    """Waiting costs reads only, and the id is that of the first look."""
    world, alert_id = await accepted()
    await next_message(world)
    await next_message(world)
    assert world.alerts == []
    finish(world, **CLOSED)
    await world.settle()
    assert ("reverted", alert_id) == (world.alert["outcome"], world.alert["alertId"])
    assert world.alert["source"] == "work"
    assert world.alert["closedAt"] is not None
    assert len(world.alert["changes"]) == 2
    assert len(world.arm.patches) == 1


async def test_an_accepted_change_that_failed_is_not_tried_again() -> None:
    """Azure's answer is believed: not reverted, one alert, one PATCH."""
    world, alert_id = await accepted()
    finish(world, provisioningState="Failed")
    await world.settle()
    assert ("not reverted", alert_id) == (world.alert["outcome"], world.alert["alertId"])
    assert world.alert["severity"] == "high"
    assert len(world.arm.patches) == 1


async def test_what_was_opened_after_an_accepted_change_is_closed_too() -> None:
    """Another setting that is open by then is no failure of the first, and does not stay open."""
    world = World(disk(publicNetworkAccess="Disabled"))
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202)]
    first = await world.event(event())
    finish(world, networkAccessPolicy="DenyAll", publicNetworkAccess="Enabled")
    await world.settle()
    assert world.is_closed()
    assert first.alert_id in {alert["alertId"] for alert in world.alerts}


async def test_an_accepted_change_of_a_deleted_disk_is_told() -> None:
    """It was open before it was deleted."""
    world, alert_id = await accepted()
    world.arm.bodies.clear()
    await world.settle()
    assert ("deleted meanwhile", alert_id) == (world.alert["outcome"], world.alert["alertId"])


async def test_an_accepted_change_survives_a_hiccup_of_the_work_queue() -> None:
    """The intent surfaces by itself when it could not be put off."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202)]
    world.trouble.errors["work.update"] = [Transient("queue work: down")]
    result = await world.event(event())
    assert world.delays == [60.0]
    finish(world, **CLOSED)
    await world.settle()
    assert result.alert_id == world.alert["alertId"]


@pytest.mark.parametrize("call", ["arm.get", "arm.patch"])
@pytest.mark.parametrize(("after", "delay"), [(None, 10), (2, 10), (120, 120), (7200, 3600)])
async def test_azures_retry_after_is_respected(
    call: str, after: float | None, delay: float
) -> None:
    """A long one does not hold the webhook: it is put off by as much."""
    world = World(disk())
    world.trouble.errors[call] = [Transient("throttled", status=429, retry_after=after)]
    result = await world.event(event())
    assert result.outcome == Outcome.DEFERRED
    assert [delay] == world.delays
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


@pytest.mark.parametrize("times", [1, 3, 20])
@pytest.mark.parametrize("call", ["arm.get", "arm.patch", "policy"])
async def test_trouble_that_passes_is_survived(call: str, times: int) -> None:
    """One alert with one id, however often it took."""
    world = World(disk())
    world.trouble.errors[call] = [Transient("busy", status=500)] * times
    await world.event(event())
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


@pytest.mark.parametrize("call", ["arm.get", "arm.patch", "policy"])
async def test_trouble_backs_off_and_ends_after_a_day(call: str) -> None:
    """From 10 s doubling to 15 min, then exactly one alert, and nothing left in the queue."""
    world = World(disk())
    world.trouble.errors[call] = [Transient("busy", status=503)] * 500
    await world.event(event())
    delays = []
    while world.work.messages:
        delays += world.delays
        await next_message(world)
    assert delays[:7] == [10, 20, 40, 80, 160, 320, 640]
    assert {900} == set(delays[7:])
    assert DAY_S <= world.clock.passed <= DAY_S + 900
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert "busy" in world.alert["reason"]
    assert world.alert["resourceId"] == DISK_ID


async def test_a_person_learns_within_minutes_that_something_is_being_put_off() -> None:
    """Not only after a day: one note, high, with the id of what was seen."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("a SAS is active", status=409)] * 500
    result = await world.event(event())
    while not world.alerts:
        await next_message(world)
    assert world.clock.passed < 20 * 60
    (note,) = world.alerts
    assert (note["outcome"], note["severity"]) == ("deferred", "high")
    assert (note["alertId"], note["resourceId"]) == (result.alert_id, DISK_ID)
    assert "a SAS is active" in note["reason"]
    await world.settle()
    assert [alert["outcome"] for alert in world.alerts] == ["deferred", "not reverted"]


async def test_an_operation_that_never_ends_is_told_after_a_day() -> None:
    """With the id of what was seen, once."""
    world, alert_id = await accepted()
    await world.settle()
    assert DAY_S <= world.clock.passed <= DAY_S + 900
    assert ("not reverted", alert_id) == (world.alert["outcome"], world.alert["alertId"])


async def test_trouble_after_the_change_was_planned_keeps_the_evidence() -> None:
    """Closed by someone else meanwhile: what was seen is told all the same."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event())
    merge(world.properties(), CLOSED)
    await world.settle()
    assert ("found closed", result.alert_id) == (world.alert["outcome"], world.alert["alertId"])


@pytest.mark.parametrize("error", [Transient("busy"), StillRunning("202")])
async def test_an_intent_that_was_put_off_stays_one_message(error: GuardError) -> None:
    """The intent is updated in place: no second message, no second alert."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [error]
    await world.event(event())
    assert len(world.intents) == 1
    assert world.intents[0]["attempt"] == 1


async def test_a_look_that_took_too_long_changes_nothing_and_goes_on_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Event Grid waits 30 s: a change is only begun while there is time to tell it, too."""
    world = World(disk())
    get = world.arm.get

    async def slow(*args: Any) -> Any:
        body = await get(*args)
        world.clock.passed += 16
        return body

    monkeypatch.setattr(world.arm, "get", slow)
    result = await world.event(event())
    assert (result.outcome, world.arm.patches) == ("deferred", [])
    assert len(world.intents) == 1
    monkeypatch.setattr(world.arm, "get", get)
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"
