"""What Azure may do about a revocation: take its time, refuse, or accept it and never finish."""

import asyncio
from typing import Any

import pytest

from guards.engine.errors import Gone, GuardError, StillRunning, Terminal
from guards.engine.shapes import timestamp
from tests.engine.samples import closed_disk, disk, grant
from tests.engine.test_live_exports import BUSY, out
from tests.engine.world import World
from tests.fakes import START

LOCKED = Terminal("the scope is locked", code="ScopeLocked", status=409)
DENIED = Terminal("no permission", code="AuthorizationFailed", status=403)
NEVER = StillRunning("202", status=202)


@pytest.mark.parametrize(("lingering", "waited_s"), [(1, 0.5), (2, 1.5), (4, 7.5)])
async def test_azure_may_still_show_the_link_for_a_few_seconds(
    lingering: int, waited_s: float
) -> None:
    """One revocation, and GETs until it does not."""
    world = World(out())
    world.arm.lingering = lingering
    await world.event(grant())
    assert world.clock.passed == waited_s
    assert (len(world.arm.posts), world.trouble.count("arm.get")) == (1, 2 + lingering)
    assert world.outcomes == ["reverted"]


async def test_a_link_that_shows_for_too_long_is_revoked_again_later() -> None:
    """The look ends within its bound, and nothing is called reverted that still shows."""
    world = World(disk(diskState="ActiveSAS"))
    world.arm.lingering = 99
    await world.event(grant())
    assert (world.alerts, world.clock.passed, world.delays) == ([], 7.5, [10.0])
    world.arm.lingering = 0
    await world.settle()
    assert (len(world.arm.posts), world.is_closed()) == (2, True)
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")


@pytest.mark.parametrize("error", [LOCKED, DENIED], ids=["locked", "denied"])
@pytest.mark.parametrize("made", [disk, closed_disk])
async def test_a_link_that_azure_will_not_cut_keeps_no_setting_open(
    error: GuardError, made: Any
) -> None:
    """The next export is closed all the same, and a person must look at this one."""
    world = World(made(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [error]
    await world.event(grant())
    assert world.is_closed()
    assert world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "critical")
    assert str(error) in world.alert["reason"]
    assert "The link is out" in world.alert["exposure"]["statement"]
    assert (len(world.arm.posts), world.intents) == (1, [])


@pytest.mark.parametrize("error", [BUSY, NEVER], ids=["409", "202"])
async def test_a_revocation_that_is_put_off_goes_on_from_the_queue(error: GuardError) -> None:
    """Settings wait for it; who took the link is known there from the shared state."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [error]
    first = await world.event(grant())
    assert (world.delays, world.arm.patches, world.outcomes) == ([10.0], [], [])
    await world.settle()
    assert world.is_closed()
    assert not world.link_is_out()
    assert (world.alert["alertId"], world.alert["outcome"]) == (first.alert_id, "reverted")
    assert world.alert["severity"] == "critical"
    assert world.alert["exposure"]["secondsOpen"] == 10.877
    assert await world.spares_the_next_link()


@pytest.mark.parametrize("error", [BUSY, NEVER], ids=["409", "202"])
async def test_a_person_learns_early_of_a_link_that_cannot_be_cut(error: GuardError) -> None:
    """At the second attempt, half a minute in, and once; it is tried on for a day."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [error] * 5
    await world.event(grant())
    await world.pass_time(15)
    assert world.outcomes == ["deferred"]
    assert "The link is out" in world.alerts[0]["exposure"]["statement"]
    assert world.alerts[0]["severity"] == "critical"
    await world.settle()
    assert world.outcomes == ["deferred", "reverted"]
    assert len({alert["alertId"] for alert in world.alerts}) == 1


async def test_a_link_taken_between_revocation_and_patch_is_cut_as_well() -> None:
    """Azure refuses the PATCH: revoked again at once, and the rest from the queue."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.patch"] = [BUSY]
    world.arm.at_patch = world.opened
    await world.event(grant())
    assert (len(world.arm.posts), world.link_is_out(), world.delays) == (2, False, [10.0])
    world.arm.at_patch = lambda: None
    await world.settle()
    assert world.is_closed()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")
    assert len(world.alert["changes"]) == 3
    assert await world.spares_the_next_link()


@pytest.mark.parametrize("error", [LOCKED, DENIED], ids=["locked", "denied"])
async def test_settings_that_azure_refuses_do_not_hide_that_the_link_was_cut(
    error: GuardError,
) -> None:
    """What was done is told with what was not."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.patch"] = [error]
    await world.event(grant())
    assert (world.alert["outcome"], world.link_is_out()) == ("not reverted", False)
    assert [change["path"] for change in world.alert["changes"]] == ["properties.diskState"]
    assert world.alert["exposure"]["revokedAt"] == timestamp(START)
    assert "The link was revoked" in world.alert["exposure"]["statement"]


async def test_a_disk_that_is_gone_when_its_link_is_cut_is_told() -> None:
    """Data may have been read before."""
    world = World(out())
    world.trouble.errors["arm.post"] = [Gone("gone", status=404)]
    await world.event(grant())
    assert world.alert["outcome"] == "deleted meanwhile"
    assert "The resource is gone" in world.alert["exposure"]["statement"]
    assert world.intents == []


async def test_a_grant_that_many_instances_hear_of_is_one_violation() -> None:
    """However many revoke it, the alerts have one id, and nothing is left in the queue."""
    world = World(closed_disk(diskState="ActiveSAS"))
    await asyncio.gather(*(world.event(grant()) for _ in range(5)))
    await world.settle()
    assert not world.link_is_out()
    assert len({alert["alertId"] for alert in world.alerts}) == 1
    assert {alert["severity"] for alert in world.alerts} == {"critical"}
    assert world.intents == []
