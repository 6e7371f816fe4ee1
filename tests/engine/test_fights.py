"""Links taken as soon as they are cut: every round is cut and counted, and not every one told."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import Transient
from guards.engine.store import Delete, Write
from tests.engine.policies import on_disks, rules_of
from tests.engine.samples import (
    DISK_ID,
    OBJECT_ID_CLAIM,
    SNAPSHOT_ID,
    closed_disk,
    disk,
    grant,
)
from tests.engine.world import World
from tests.fakes import START

AWAY = Transient("the table is away")
BOB = "b0b0b0b0-3434-5656-7878-909090909090"


async def taken(world: World, number: int, resource: str = DISK_ID, **data: Any) -> None:
    """Somebody takes a link, and its event comes a second later."""
    at = world.clock.now()
    world.opened(resource)
    world.clock.passed += 1
    await world.event(grant(resource, at=at, id=f"round-{number}", **data))
    assert not world.link_is_out(resource)


def summed(world: World) -> int:
    """How many rounds the summaries tell of, together."""
    reasons = [alert["reason"] or "" for alert in world.alerts]
    return sum(int(one.split()[0]) for one in reasons if "more SAS links" in one)


def kept(world: World) -> list[str]:
    """The rounds that the shared state knows of."""
    places = (rows for place, rows in world.store.rows.items() if place.startswith("gathered "))
    return [key for rows in places for key in rows if key.startswith("e|")]


async def rounds(world: World, count: int, *, first: int = 1, every_s: float = 60) -> None:
    """So many rounds, with what falls due in between."""
    for number in range(first, first + count):
        await taken(world, number)
        await world.pass_time(every_s - 1)


async def test_ten_rounds_are_cut_and_the_third_names_the_fight() -> None:
    """Two alerts as any other, one that says what it is, then one for all the rest in an hour."""
    world = World(closed_disk())
    await rounds(world, 10)
    assert len(world.arm.posts) == 10
    assert world.outcomes == ["reverted"] * 3
    assert {alert["severity"] for alert in world.alerts} == {"critical"}
    reasons = [alert["reason"] or "" for alert in world.alerts]
    assert ["fight" in reason for reason in reasons] == [False, False, True]
    assert "alice@contoso.example" in reasons[2]
    assert len({alert["alertId"] for alert in world.alerts}) == 3
    await world.pass_time(3600)
    assert len(world.alerts) == 4
    summary = world.alerts[3]
    assert (summary["outcome"], summary["severity"]) == ("reverted", "critical")
    assert summary["resourceId"] == DISK_ID
    assert summary["reason"].startswith("7 more SAS links to this resource were taken and ended")
    assert summary["reason"].count("by alice@contoso.example") == 7
    assert world.intents == []


async def test_a_fight_of_one_round_a_second_is_no_storm() -> None:
    """However fast: each is cut and told or counted, and a handful of alerts is all."""
    world = World(closed_disk())
    await rounds(world, 300, every_s=1)
    await world.pass_time(6 * 3600)
    assert len(world.arm.posts) == 300
    assert summed(world) == 297
    assert len(world.alerts) <= 3 + 3


async def test_both_sides_of_a_fight_are_named() -> None:
    """Each once, in the order they came."""
    world = World(closed_disk())
    bob = {OBJECT_ID_CLAIM: BOB}
    await taken(world, 1)
    await taken(world, 2, claims=bob)
    await taken(world, 3)
    assert f"The other side: alice@contoso.example, {BOB}. " in world.alerts[2]["reason"]


async def test_an_hour_without_a_round_ends_a_fight() -> None:
    """The next one is told by itself again."""
    world = World(closed_disk())
    await rounds(world, 3)
    await world.pass_time(3600)
    await rounds(world, 3, first=4)
    fights = ["fight" in (alert["reason"] or "") for alert in world.alerts]
    assert fights == [False, False, True] * 2


async def test_a_fight_that_goes_on_is_told_every_hour() -> None:
    """Nothing is told twice, and nothing is left out."""
    world = World(closed_disk())
    await rounds(world, 150)
    await world.pass_time(7200)
    assert (summed(world), len(world.arm.posts)) == (147, 150)
    assert len(world.alerts) <= 3 + 4
    assert world.intents == []


async def test_fights_over_two_resources_are_two() -> None:
    """Each is counted by itself."""
    world = World(closed_disk(), closed_disk(SNAPSHOT_ID))
    for number in range(1, 4):
        await taken(world, number)
        await taken(world, number, SNAPSHOT_ID)
    fights = [a["resourceId"] for a in world.alerts if "fight" in (a["reason"] or "")]
    assert fights == [DISK_ID, SNAPSHOT_ID]
    assert len(world.alerts) == 6


async def test_settings_that_are_opened_in_a_fight_are_always_told() -> None:
    """Their undo stands nowhere else."""
    world = World(closed_disk())
    await rounds(world, 5)
    world.properties()["publicNetworkAccess"] = "Enabled"
    await taken(world, 6)
    assert world.is_closed()
    assert len(world.alerts) == 4
    (undo,) = world.alerts[3]["undo"]
    assert undo["body"]["properties"] == {"publicNetworkAccess": "Enabled"}


@pytest.mark.parametrize("away", ["store.get", "store.write"])
async def test_without_the_shared_state_every_round_is_told(away: str) -> None:
    """Too many alerts rather than none."""
    world = World(closed_disk())
    for number in range(1, 7):
        world.trouble.errors[away] = [AWAY] * 9
        await taken(world, number)
    assert world.outcomes == ["reverted"] * 6


async def test_a_round_whose_summary_cannot_be_put_is_told_by_itself() -> None:
    """The message goes first: a round that is only counted would be lost."""
    world = World(closed_disk())
    await rounds(world, 3)
    world.trouble.errors["work.put"] = [None, AWAY]
    await taken(world, 4)
    assert len(world.alerts) == 4


async def test_a_summary_that_got_lost_does_not_silence_the_fight() -> None:
    """Its message is gone; a later round puts another one, which tells all."""
    world = World(closed_disk())
    await rounds(world, 5)
    world.work.messages.clear()
    await rounds(world, 90, first=6)
    await world.pass_time(7200)
    assert summed(world) == 92


async def test_a_summary_that_comes_late_loses_no_round() -> None:
    """The queue stood still for two hours, and then another round came first."""
    world = World(closed_disk())
    await rounds(world, 5)
    world.clock.passed += 7200
    await taken(world, 6)
    await world.pass_time(7200)
    alone = {alert["eventId"] for alert in world.alerts} - {""}
    assert summed(world) + len(alone) == 6


async def test_long_names_do_not_keep_rounds_from_being_counted() -> None:
    """A row of the shared state has its limit, and the names come from outside."""
    world = World(closed_disk())
    claims = {OBJECT_ID_CLAIM: BOB, "name": "é" * 400, "ipaddr": "ü" * 400}
    for number in range(1, 60):
        await taken(world, number, claims=claims)
    assert len(world.alerts) == 3
    rows = [row for place in world.store.rows.values() for row in place.values()]
    assert max(len(str(value)) for row in rows for value in row.values.values()) <= 32_000
    await world.pass_time(3600)
    assert world.alerts[3]["reason"].startswith("56 more")


async def test_links_that_nobody_known_took_make_no_fight_unless_they_are_cut() -> None:
    """Only what was cut counts; with `revoke`, that does."""
    cut = rules_of(resources=on_disks(liveExport={"unknown_granter": "revoke"}))
    for rules, fights in (("", 0), (cut, 1)):
        world = World(disk(), rules=rules)
        for number in range(3):
            world.opened()
            await world.event(grant(at=START - timedelta(hours=1 + number), id=f"round-{number}"))
        assert sum("fight" in (alert["reason"] or "") for alert in world.alerts) == fights


async def test_one_grant_that_is_delivered_many_times_is_no_fight() -> None:
    """Several instances cut the same link at the same time: one round, whoever counts it."""
    world = World(closed_disk(diskState="ActiveSAS"))
    await asyncio.gather(*(world.event(grant()) for _ in range(5)))
    await world.settle()
    assert len({alert["alertId"] for alert in world.alerts}) == 1
    assert not any("fight" in (alert["reason"] or "") for alert in world.alerts)
    await world.pass_time(60)
    await rounds(world, 2)
    assert "this is a fight" in world.alerts[-1]["reason"]


async def test_somebody_who_joins_a_long_fight_is_told_of_once() -> None:
    """However many rounds there were before; the others of the newcomer are counted."""
    world = World(closed_disk())
    await rounds(world, 400, every_s=1)
    before = len(world.alerts)
    for number in range(401, 421):
        await taken(world, number, claims={OBJECT_ID_CLAIM: BOB})
    (new,) = world.alerts[before:]
    assert new["caller"]["objectId"] == BOB
    assert f"The other side: alice@contoso.example, {BOB}. " in new["reason"]
    await world.pass_time(7200)
    assert summed(world) == 397 + 19


async def test_a_round_of_a_long_fight_costs_no_more_than_another() -> None:
    """As soon as it is known to be one of many, nothing more is read."""
    world = World(closed_disk())
    await rounds(world, 300, every_s=1)
    before = world.trouble.count("store.page")
    await taken(world, 301)
    assert world.trouble.count("store.page") == before + 1


async def test_rounds_of_long_ago_neither_hide_a_fight_nor_stay() -> None:
    """A link now and then over months, and then a fight as any other."""
    world = World(closed_disk())
    await rounds(world, 150, every_s=7200)
    before = len(world.alerts)
    assert len(kept(world)) < 3
    await rounds(world, 10, first=151, every_s=2)
    fights = ["this is a fight" in (alert["reason"] or "") for alert in world.alerts[before:]]
    assert fights == [False, False, True]


async def test_after_a_long_fight_the_next_one_is_told_from_its_start() -> None:
    """What was told and is over is cleared, and not counted."""
    world = World(closed_disk())
    await rounds(world, 400, every_s=1)
    await world.pass_time(24 * 3600)
    before = len(world.alerts)
    await rounds(world, 5, first=401)
    fights = ["this is a fight" in (alert["reason"] or "") for alert in world.alerts[before:]]
    assert fights == [False, False, True]
    assert len(kept(world)) == 5


async def test_old_rounds_that_cannot_be_cleared_keep_no_round_from_being_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They go the next time."""
    world = World(closed_disk())
    await taken(world, 1)
    await world.pass_time(7200)
    write = world.store.write

    async def keeps(partition: str, *writes: Write) -> None:
        if all(isinstance(one, Delete) for one in writes):
            raise AWAY
        await write(partition, *writes)

    monkeypatch.setattr(world.store, "write", keeps)
    await rounds(world, 2, first=2)
    assert len(kept(world)) == 3
    monkeypatch.undo()
    await taken(world, 4)
    assert "within an hour 3 links" in world.alerts[-1]["reason"]
    assert len(kept(world)) == 3
    await world.pass_time(7200)
    assert len(world.alerts) == 4, "none is told a second time"


async def test_of_many_on_the_other_side_the_first_are_named() -> None:
    """There is room for much else in the alert."""
    world = World(closed_disk())
    for number in range(1, 9):
        await taken(world, number, claims={OBJECT_ID_CLAIM: f"{BOB[:-1]}{number}"})
    names = ", ".join(f"{BOB[:-1]}{number}" for number in range(1, 6))
    assert f"The other side: {names}, …. " in world.alerts[-1]["reason"]
