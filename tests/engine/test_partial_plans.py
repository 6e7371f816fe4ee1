"""Policies that enforce some settings and report others: what was changed is told, and no more."""

from datetime import timedelta

import pytest

from guards.engine.errors import StillRunning, Transient
from guards.engine.model import Mode
from tests.engine.samples import (
    GUARD_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    anonymous,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import Crash, merge

REPORTS_POLICY = """
resources:
  Microsoft.Compute/disks:
    networkAccessPolicy: {mode: audit}
    publicNetworkAccess: {mode: enforce}
"""
AUTH_MODE = """
resources:
  Microsoft.Compute/disks:
    dataAccessAuthMode: {mode: enforce}
"""


def attached() -> World:
    """An open disk that a virtual machine holds, its authentication mode enforced."""
    body = {**disk(), "managedBy": "/subscriptions/x/vm"}
    return World(body, rules=AUTH_MODE)


def written_by_the_guard(world: World, ago: timedelta = timedelta(0)) -> dict[str, str]:
    """What Azure says of a resource the guard wrote last."""
    return {
        "lastModifiedBy": GUARD_ID,
        "lastModifiedAt": (world.clock.now() - ago).isoformat(),
    }


async def crash_after_patch(world: World) -> None:
    """The process dies with the change made and nobody told."""
    world.trouble.crash = (5, "after")
    with pytest.raises(Crash):
        await world.event(event())


async def test_a_reverted_alert_names_what_stays_open() -> None:
    """NetworkAccessPolicy in audit: reverted, and the reason says what was only reported."""
    world = World(disk(), rules=REPORTS_POLICY)
    await world.event(event())
    assert world.alert["outcome"] == "reverted"
    assert [change["path"] for change in world.alert["changes"]] == [
        "properties.publicNetworkAccess"
    ]
    assert "networkAccessPolicy" in world.alert["reason"]


@pytest.mark.parametrize("make", [lambda: World(disk(), rules=REPORTS_POLICY), attached])
async def test_a_crash_does_not_hide_what_a_partial_plan_changed(make: object) -> None:
    """Found closed with its changes and undo, not "audit: nothing was changed"."""
    world = make()  # type: ignore[operator]
    await crash_after_patch(world)
    await world.settle()
    told = [alert for alert in world.alerts if alert["outcome"] == "found closed"]
    assert len(told) == 1
    assert {c["path"] for c in told[0]["changes"]} >= {"properties.publicNetworkAccess"}
    assert told[0]["undo"]
    assert "Left open" in told[0]["reason"]


@pytest.mark.parametrize("make", [lambda: World(disk(), rules=REPORTS_POLICY), attached])
async def test_an_accepted_partial_change_that_finished_is_reverted(make: object) -> None:
    """What was planned is closed: not "not reverted" because of what was never planned."""
    world = make()  # type: ignore[operator]
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202)]
    await world.event(event())
    planned = world.intents[0]["evidence"]["changes"]
    for change in planned:
        merge(world.properties(), {change["path"].partition(".")[2]: change["after"]})
    await world.settle()
    assert world.alert["outcome"] == "reverted"
    assert {c["path"] for c in world.alert["changes"]} == {c["path"] for c in planned}


async def test_a_half_applied_change_is_told_with_what_it_changed() -> None:
    """Not reverted, with changes and undo of the half that Azure did take."""
    world = World(disk())
    world.arm.deaf = {"publicNetworkAccess"}
    await world.event(event())
    assert world.alert["outcome"] == "not reverted"
    assert [change["path"] for change in world.alert["changes"]] == [
        "properties.networkAccessPolicy"
    ]
    assert world.alert["undo"]


@pytest.mark.parametrize("cap", [Mode.OFF, Mode.AUDIT])
async def test_an_open_disk_is_never_called_closed(cap: Mode) -> None:
    """GUARD_MODE changed while an intent waited: still open, and the alert says so."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event())
    world.ports = world.with_cap(cap)
    await world.settle()
    assert not world.is_closed()
    assert world.alert["outcome"] in ("not reverted", "reported only")
    assert result.alert_id == world.alert["alertId"]


async def test_a_setting_that_azure_sets_back_does_not_loop() -> None:
    """Own PATCH, empty claims, and a modify policy that undoes it: told, and no second PATCH."""
    world = World(disk())
    world.arm.deaf = {"networkAccessPolicy", "publicNetworkAccess"}
    await world.event(anonymous())
    world.body()["systemData"] = written_by_the_guard(world)
    for number in range(10):
        await world.event({**anonymous(), "id": f"own-{number}"})
    assert len(world.arm.patches) == 1
    assert {alert["outcome"] for alert in world.alerts} == {"not reverted"}


async def test_an_old_write_of_the_guard_excuses_nothing() -> None:
    """Azure does not keep systemData up to date with every write: opened again, closed again."""
    world = World(disk())
    world.body()["systemData"] = written_by_the_guard(world, ago=timedelta(days=1))
    await world.event(anonymous())
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_the_same_event_while_the_guards_change_runs_is_no_new_violation() -> None:
    """The guard's accepted PATCH moved lastModifiedAt: the double waits, and finds it closed."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202)]
    first = await world.event(event())
    world.properties()["provisioningState"] = "Updating"
    world.body()["systemData"] = written_by_the_guard(world)
    await world.event(event())
    merge(
        world.properties(),
        {
            "provisioningState": "Succeeded",
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    )
    await world.settle()
    assert {alert["alertId"] for alert in world.alerts} == {first.alert_id}
    assert world.alert["outcome"] == "reverted"


async def test_a_look_put_off_before_an_early_read_is_still_rechecked() -> None:
    """Throttled first, too early then: the write that completes open is closed all the same."""
    world = World(closed_disk())
    world.properties()["provisioningState"] = "Updating"
    world.trouble.errors["arm.get"] = [Transient("throttled", status=429, retry_after=120)]
    await world.event(event())
    await world.step()
    merge(
        world.properties(),
        {"provisioningState": "Succeeded", "networkAccessPolicy": "AllowAll"},
    )
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_a_registry_that_is_blocked_after_a_crash_keeps_its_id() -> None:
    """The id is fixed in the intent, also where the look ends otherwise."""
    world = World(registry())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    world.properties(REGISTRY_ID)["privateEndpointConnections"] = []
    await world.settle()
    assert (world.alert["outcome"], world.alert["alertId"]) == ("blocked", result.alert_id)
