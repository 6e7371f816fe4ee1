"""The process may die at any call: the resource ends closed, and a person learns of it once."""

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest

from guards.engine.model import Mode
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_ID,
    GUARD_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import Crash, merge

CALLS = ["own_id", "policy", "arm.get", "work.put", "arm.patch", "alerts.put", "work.delete"]
POINTS = [(n, side) for n in range(1, len(CALLS) + 1) for side in ("before", "after")]
EACH_POINT = pytest.mark.parametrize(
    "point", POINTS, ids=[f"{side}-{CALLS[n - 1]}" for n, side in POINTS]
)


async def crash_at(world: World, point: tuple[int, str], arriving: Any) -> None:
    """The process dies at this point of handling the event, and is started again."""
    world.trouble.crash = point
    with pytest.raises(Crash):
        await world.event(arriving)
    world.trouble.crash = None


async def test_the_points_are_those_of_an_undisturbed_look() -> None:
    """The list above is complete: no call is left out of the crash tests."""
    world = World(disk())
    await world.event(event())
    assert world.trouble.calls == CALLS


@EACH_POINT
async def test_a_crash_at_any_point_leaves_it_closed_and_told(point: tuple[int, str]) -> None:
    """Event Grid brings the event again; every alert of it has one id."""
    world = World(disk())
    await crash_at(world, point, event())
    await world.event(event())
    await world.settle()
    assert world.is_closed()
    assert world.intents == []
    assert len({alert["alertId"] for alert in world.alerts}) == 1


@EACH_POINT
async def test_a_crash_without_redelivery_is_mended_from_the_intent(point: tuple[int, str]) -> None:
    """Even if Event Grid never comes back: either nothing was changed, or it is told."""
    world = World(disk())
    await crash_at(world, point, event())
    if not world.intents and not world.alerts:
        assert world.arm.patches == []
        return
    await world.settle()
    assert world.is_closed()
    assert len({alert["alertId"] for alert in world.alerts}) == 1


@EACH_POINT
async def test_a_registry_survives_a_crash_at_any_point(point: tuple[int, str]) -> None:
    """The same holds for the guard with the most rules."""
    world = World(registry())
    await crash_at(world, point, event(REGISTRY_WRITE, REGISTRY_ID))
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    await world.settle()
    assert world.properties(REGISTRY_ID)["policies"]["exportPolicy"]["status"] == "disabled"
    assert world.properties(REGISTRY_ID)["publicNetworkAccess"] == "Disabled"
    assert len({alert["alertId"] for alert in world.alerts}) == 1


@pytest.mark.parametrize("first", ["before", "after"], ids=["still-open", "already-closed"])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_crash_while_the_intent_is_handled_changes_nothing(
    first: str, number: int, side: str
) -> None:
    """A second death in a row: the message comes back, and the alert with the same id."""
    world = World(disk())
    await crash_at(world, (CALLS.index("arm.patch") + 1, first), event())
    (intent,) = world.intents
    world.trouble.crash = (len(world.trouble.calls) + number, side)
    await world.settle()
    assert world.is_closed()
    assert {intent["evidence"]["alertId"]} == {alert["alertId"] for alert in world.alerts}


async def test_an_intent_that_finds_it_closed_does_not_say_reverted() -> None:
    """After a crash nobody knows who closed it, and the alert says so."""
    world = World(disk())
    await crash_at(world, (CALLS.index("arm.patch") + 1, "after"), event())
    await world.settle()
    assert world.alert["outcome"] == "found closed"
    assert world.alert["source"] == "work"
    assert "meanwhile" in world.alert["reason"]
    assert world.alert["closedAt"] is None
    assert world.alert["undo"][0]["body"]["properties"]["networkAccessPolicy"] == "AllowAll"
    assert world.alert["caller"]["name"] == "alice@contoso.example"


async def test_an_intent_that_finds_it_open_closes_it() -> None:
    """What the dead process did not get to is done now, and called reverted."""
    world = World(disk())
    await crash_at(world, (CALLS.index("arm.patch") + 1, "before"), event())
    await world.settle()
    assert world.alert["outcome"] == "reverted"
    assert world.is_closed()


async def test_an_intent_does_not_surface_while_its_writer_lives() -> None:
    """It stays invisible for three times the budget of an event."""
    world = World(disk())
    await crash_at(world, (CALLS.index("arm.patch") + 1, "before"), event())
    world.clock.passed += 59
    assert world.work.take() is None
    world.clock.passed += 1
    assert world.work.take() is not None


async def test_a_resource_deleted_after_the_crash_is_told_with_what_was_seen() -> None:
    """It was open, and someone may have exported it before deleting it."""
    world = World(disk())
    await crash_at(world, (CALLS.index("arm.patch") + 1, "before"), event())
    world.arm.bodies.clear()
    await world.settle()
    assert (world.alert["outcome"], len(world.alert["findings"])) == ("deleted meanwhile", 2)


async def test_a_violation_the_dead_process_saw_is_not_lost_behind_a_new_one() -> None:
    """Closed before the crash, and another setting opened since: a person learns of both."""
    world = World(disk(publicNetworkAccess="Disabled"))
    await crash_at(world, (CALLS.index("arm.patch") + 1, "after"), event())
    (intent,) = world.intents
    merge(world.properties(), {"publicNetworkAccess": "Enabled"})
    await world.settle()
    assert world.is_closed()
    told = {finding["rule"] for alert in world.alerts for finding in alert["findings"]}
    assert {"networkAccessPolicy", "publicNetworkAccess"} == told
    assert intent["evidence"]["alertId"] in {alert["alertId"] for alert in world.alerts}


async def test_what_the_dead_process_closed_is_told_also_after_a_switch_to_audit() -> None:
    """Someone stops all changes before the restart: what was done until then is still told."""
    world = World(disk(publicNetworkAccess="Disabled"))
    await crash_at(world, (CALLS.index("arm.patch") + 1, "after"), event())
    (intent,) = world.intents
    merge(world.properties(), {"publicNetworkAccess": "Enabled"})
    world.ports = replace(world.ports, cap=Mode.AUDIT)
    await world.settle()
    assert world.properties()["publicNetworkAccess"] == "Enabled"
    outcomes = {alert["alertId"]: alert["outcome"] for alert in world.alerts}
    assert outcomes.pop(intent["evidence"]["alertId"]) == "found closed"
    assert list(outcomes.values()) == ["reported only"]


async def test_a_closed_disk_keeps_its_whole_undo_when_something_else_was_opened() -> None:
    """AllowPrivate comes back only together with its disk access, or Azure refuses."""
    old = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": DISK_ACCESS_ID}
    world = World(disk(publicNetworkAccess="Disabled", **old))
    await crash_at(world, (CALLS.index("arm.patch") + 1, "after"), event())
    (intent,) = world.intents
    merge(world.properties(), {"publicNetworkAccess": "Enabled"})
    await world.settle()
    first = {alert["alertId"]: alert for alert in world.alerts}[intent["evidence"]["alertId"]]
    assert [request["body"]["properties"] for request in first["undo"]] == [old]


@pytest.mark.parametrize("value", ["x" * 5000, ["AllowAll"] * 500, {"mode": "AllowAll"}, 7])
async def test_an_odd_value_does_not_make_the_intent_unreadable(value: object) -> None:
    """Whatever Azure answers, what the guard wrote itself it can read again."""
    world = World(disk(networkAccessPolicy=value))
    await crash_at(world, (CALLS.index("arm.patch") + 1, "before"), event())
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


@pytest.mark.parametrize("times", [2, 10])
async def test_the_same_event_again_and_again_is_one_violation(times: int) -> None:
    """Event Grid delivers at least once; a reader counts alert ids."""
    world = World(disk())
    for _ in range(times):
        await world.event(copy.deepcopy(event()))
    await world.settle()
    assert world.is_closed()
    assert len(world.alerts) == 1
    assert len(world.arm.patches) == 1


@pytest.mark.parametrize("times", [2, 10])
async def test_the_same_event_on_many_instances_at_once_is_one_violation(times: int) -> None:
    """One PATCH or more, closed, and one alert id whoever reports it."""
    world = World(disk())
    await asyncio.gather(*(world.event(event()) for _ in range(times)))
    await world.settle()
    assert world.is_closed()
    assert world.intents == []
    assert len({alert["alertId"] for alert in world.alerts}) == 1


async def test_a_crash_of_one_of_two_instances_is_no_second_violation() -> None:
    """The survivor's alert and the one from the intent share an id."""
    world = World(disk(DISK_ID), own_id=GUARD_ID)
    await crash_at(world, (CALLS.index("work.put") + 1, "after"), event())
    await world.event(event())
    await world.settle()
    assert [alert["outcome"] for alert in world.alerts] == ["reverted", "found closed"]
    assert len({alert["alertId"] for alert in world.alerts}) == 1
