"""The process may die at any call about links, leads and what is gathered: nothing is lost."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from guards.engine.errors import Terminal, Transient
from tests.engine import test_export_pipelines as pipelines
from tests.engine.policies import BACKUP_ID, disk_id, exporter, rules_of
from tests.engine.samples import (
    MACHINE_ID,
    MACHINE_WRITE,
    POINT_GRANT,
    POINT_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    asked,
    closed_disk,
    copy_of_disk,
    disk,
    event,
    grant,
    machine,
)
from tests.engine.world import World
from tests.fakes import START, Crash

LISTED = rules_of(exporters=[exporter()])
DISKS = [disk_id(name=f"disk-{number}") for number in range(3)]
COPIES = [copy_of_disk(number) for number in range(3)]
LINKED = Terminal("linked access check failed", code="LinkedAuthorizationFailed", status=403)

type Play = Callable[[World], Awaitable[None]]


async def each_crash(make: Callable[[], World], play: Play) -> AsyncIterator[tuple[str, World]]:
    """A world for each call of an undisturbed play, in which the process dies there, once.

    Yields the place, for people, and the world after everything was played and settled.
    """
    calm = make()
    await play(calm)
    assert len(calm.trouble.calls) > 5
    for number, call in enumerate(calm.trouble.calls, 1):
        for side in ("before", "after"):
            world = make()
            world.trouble.crash = (number, side)
            await play(world)
            yield f"{side} call {number}, {call}", world


async def brought(world: World, arriving: dict[str, Any]) -> None:
    """An event, and again if the process dies of it, as Event Grid does."""
    for _ in range(3):
        try:
            await world.event(arriving)
        except Crash:
            continue
        return
    raise AssertionError("it died of every delivery")


def ids(world: World) -> set[str]:
    """The alerts, as a reader counts them."""
    return {alert["alertId"] for alert in world.alerts}


async def test_a_strangers_link_is_cut_and_told() -> None:
    """Wherever the process dies: once, but for what the second delivery finds still open."""

    async def play(world: World) -> None:
        await brought(world, grant())
        await world.settle()

    async for place, world in each_crash(lambda: World(disk(diskState="ActiveSAS")), play):
        assert world.is_closed(), place
        assert not world.link_is_out(), place
        told = [a for a in world.alerts if "liveExport" in {f["rule"] for f in a["findings"]}]
        assert len({alert["alertId"] for alert in told}) == 1, place
        assert {alert["severity"] for alert in told} == {"critical"}, place
        assert len(ids(world)) <= 2, place
        assert set(world.outcomes) <= {"reverted", "found closed"}, place
        assert await world.spares_the_next_link(), f"{place}: it is not the stranger's any more"


async def test_a_link_whose_event_never_comes_back_is_cut_or_told() -> None:
    """Once the intent is there: what nobody could cut, a person learns of."""

    async def play(world: World) -> None:
        with contextlib.suppress(Crash):
            await world.event(grant())
        await world.settle()

    async for place, world in each_crash(lambda: World(disk(diskState="ActiveSAS")), play):
        if not world.alerts:
            assert not world.changed, place
            continue
        assert world.is_closed(), place
        says_out = "The link is out" in world.alerts[-1]["exposure"]["statement"]
        assert (says_out, len(ids(world))) == (world.link_is_out(), 1), place


async def test_a_revocation_that_is_put_off_is_made_all_the_same() -> None:
    """In the event's look, in that of the queue, and in between."""

    def make() -> World:
        world = World(disk(diskState="ActiveSAS"))
        world.trouble.errors["arm.post"] = [Transient("busy", status=409)]
        world.trouble.errors["arm.patch"] = [Transient("busy", status=409)]
        return world

    async def play(world: World) -> None:
        await brought(world, grant())
        await world.settle()

    async for place, world in each_crash(make, play):
        assert world.is_closed(), place
        assert not world.link_is_out(), place
        assert len(ids(world)) == 1, place


async def test_an_exporters_export_is_left_alone_and_looked_at_when_it_is_over() -> None:
    """No death of the process ends a backup, and none leaves the disk open after it."""

    async def play(world: World) -> None:
        await brought(world, grant(by=BACKUP_ID, at=START, httpRequest=asked(7200)))
        await world.pass_time(600)
        await brought(world, event(id="tag"))
        await world.pass_time(6000)
        assert not world.changed
        assert [row["principal"] for row in world.exports] == [BACKUP_ID]
        world.properties()["diskState"] = "Unattached"
        await world.pass_time(1200)
        await world.settle()

    def make() -> World:
        return World(disk(diskState="ActiveSAS"), rules=LISTED)

    async for place, world in each_crash(make, play):
        assert world.is_closed(), place
        assert world.arm.posts == [], place
        assert set(world.outcomes) <= {"deferred", "reverted", "found closed"}, place
        assert len(ids(world)) == 2, place


async def test_every_refused_disk_is_told_of() -> None:
    """With its group, or by itself."""

    def make() -> World:
        world = World(*map(disk, DISKS))

        def refuse() -> None:
            raise LINKED

        world.arm.at_patch = refuse
        return world

    async def play(world: World) -> None:
        for one in DISKS:
            await brought(world, event(resource=one, id=one))
        await world.settle()

    async for place, world in each_crash(make, play):
        told = " ".join(f"{a['resourceId']} {a['reason']}" for a in world.alerts)
        assert all(one.rpartition("/")[2] in told for one in DISKS), place
        assert all(alert["outcome"] == "not reverted" for alert in world.alerts), place
        assert world.intents == [], place


async def test_every_round_of_a_fight_is_cut_and_told_or_counted() -> None:
    """Rather twice than not at all."""

    async def play(world: World) -> None:
        for number in range(6):
            at = world.clock.now()
            world.opened()
            world.clock.passed += 1
            await brought(world, grant(at=at, id=f"round-{number}"))
            assert not world.link_is_out()
        await world.settle()

    async for place, world in each_crash(lambda: World(closed_disk()), play):
        summaries = [a["reason"] for a in world.alerts if "more SAS links" in (a["reason"] or "")]
        alone = {a["eventId"] for a in world.alerts} - {""}
        assert len(alone) + sum(int(reason.split()[0]) for reason in summaries) >= 6, place
        assert len(world.alerts) <= 6, place


async def test_every_disk_of_a_machine_is_closed_and_told() -> None:
    """A look more is harmless, one less would leave a disk open."""

    async def play(world: World) -> None:
        await brought(world, event(MACHINE_WRITE, MACHINE_ID))
        await world.settle()

    def make() -> World:
        return World(machine(*DISKS), *map(disk, DISKS))

    async for place, world in each_crash(make, play):
        assert all(map(world.is_closed, DISKS)), place
        assert {alert["resourceId"] for alert in world.alerts} == set(DISKS), place
        assert len(ids(world)) == 3, place


async def test_every_link_of_a_restore_point_is_revoked_and_told() -> None:
    """Each member is known before the first is looked at."""

    async def play(world: World) -> None:
        await brought(world, event(POINT_GRANT, POINT_ID))
        await world.settle()

    async for place, world in each_crash(lambda: World(*COPIES), play):
        revoked = {key for key, _ in world.arm.posts}
        assert revoked == {copy["id"].lower() for copy in COPIES}, place
        assert len(ids(world)) == 3, place


@pytest.mark.parametrize("redelivered", [False, True])
async def test_no_body_of_a_deleted_export_pipeline_is_lost(redelivered: bool) -> None:
    """Whatever is gone is in an alert, and what was begun ends with a closed registry."""

    async def play(world: World) -> None:
        if redelivered:
            await brought(world, event(REGISTRY_WRITE, REGISTRY_ID))
        else:
            with contextlib.suppress(Crash):
                await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
        await world.settle()

    def make() -> World:
        return pipelines.world_of(*map(pipelines.pipeline, pipelines.NAMES))

    async for place, world in each_crash(make, play):
        assert set(pipelines.NAMES) - pipelines.left(world) <= pipelines.saved(world), place
        assert pipelines.is_closed(world) or not (redelivered or world.alerts), place
        assert pipelines.is_closed(world) or not world.arm.deleted, place
        assert len({a["alertId"] for a in world.alerts if not a["deleted"]}) <= 1, place
