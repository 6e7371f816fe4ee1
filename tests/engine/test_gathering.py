"""What is gathered is told, all of it, however much there is and whoever else tells meanwhile."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from guards.engine import gathered_rows, gathering
from guards.engine.gathered_rows import Kind, Topic
from guards.engine.ports import Receipt
from guards.engine.store import Insert, Row, Write
from tests.engine.samples import GROUP
from tests.engine.world import World

GROUPS = "Microsoft.Resources/resourceGroups"
TOPIC = Topic(Kind.UNCLOSED, GROUP, GROUPS, "resources could not be closed")
DAY_S = 24 * 3600


async def gathered(world: World, *names: str, topic: Topic = TOPIC) -> None:
    """Refusals of so many disks, as looks gather them."""
    for name in names:
        entry = await gathered_rows.note(world.ports, topic, name, {"": f"disks/{name}", "by": "a"})
        if not entry.told:
            await gathering.schedule(world.ports, topic)


async def tell_elsewhere(world: World, name: str) -> None:
    """Another instance gathers one, and tells it by itself."""
    one = await gathered_rows.note(world.ports, TOPIC, name, {})
    await gathered_rows.mark_told(world.ports, TOPIC, [one])


def named(start: str, count: int) -> list[str]:
    """So many names."""
    return [f"{start}-{number}" for number in range(count)]


def counts(world: World) -> list[int]:
    """How many each alert says it tells."""
    return [int(alert["reason"].split()[0]) for alert in world.alerts]


def known(world: World, topic: Topic = TOPIC) -> int:
    """Of how many the shared state knows."""
    rows = world.store.rows[gathered_rows.partition(topic.key)]
    return sum(key.startswith("e|") for key in rows)


def while_told(
    world: World, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[None]]
) -> None:
    """While the next alert is posted, something happens on another instance."""
    put = world.alert_queue.put

    async def slow(message: Mapping[str, object], delay_s: float = 0) -> Receipt:
        monkeypatch.undo()
        await happens()
        return await put(message, delay_s)

    monkeypatch.setattr(world.alert_queue, "put", slow)


async def test_more_than_one_alert_tells_is_told_by_others_soon() -> None:
    """Each once, in a few minutes, and no message stays."""
    world = World()
    await gathered(world, *named("disk", 4_300))
    await world.pass_time(300)
    assert counts(world) == [2_000, 2_000, 300]
    assert len({alert["alertId"] for alert in world.alerts}) == 3
    assert world.intents == []
    await gathered(world, *named("disk", 4_300))
    assert world.intents == []


async def test_thousands_that_were_told_hide_none_that_is_new() -> None:
    """Whatever their names: what is new is told within the hour."""
    world = World()
    await gathered(world, *named("decoy", 2_500))
    await world.pass_time(300)
    told = len(world.alerts)
    await gathered(world, *named("real", 60))
    await world.pass_time(3600)
    assert counts(world)[told:] == [60]
    assert all(f"disks/{name}" in world.alerts[told]["reason"] for name in named("real", 60))


async def test_what_was_told_and_is_old_does_not_pile_up() -> None:
    """It goes when the next alert of its group is told."""
    world = World()
    await gathered(world, *named("disk", 2_500))
    await world.pass_time(DAY_S + 60)
    await gathered(world, "another")
    await world.settle()
    assert (counts(world)[-1], known(world)) == (1, 1)


async def test_what_is_gathered_anew_while_the_old_one_is_cleared_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two instances: one tells and clears, the other writes the same disk as news."""
    world = World()
    await gathered(world, "again", "old")
    await world.pass_time(DAY_S + 60)
    await gathered(world, "another")
    while_told(world, monkeypatch, lambda: gathered(world, "again"))
    await world.settle()
    assert ["disks/again" in alert["reason"] for alert in world.alerts] == [True, False, True]
    assert counts(world) == [2, 1, 1]


async def test_what_is_told_anew_between_being_read_and_cleared_stays_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not told once more, and those beside it are cleared the next time."""
    world = World()
    await gathered(world, *named("disk", 10))
    await world.pass_time(DAY_S + 60)
    page = world.store.page

    async def slow(partition: str, prefix: str, limit: int, *, after: str = "") -> Sequence[Row]:
        rows = await page(partition, prefix, limit, after=after)
        if prefix == "e|":
            monkeypatch.undo()
            await tell_elsewhere(world, "disk-3")
        return rows

    await gathered(world, "another")
    monkeypatch.setattr(world.store, "page", slow)
    await world.settle()
    await gathered(world, "disk-3")
    assert world.intents == []
    await gathered(world, "a third")
    await world.settle()
    assert (counts(world), known(world)) == ([10, 1, 1], 3)


async def test_one_that_another_instance_told_does_not_void_the_marks_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None of them is told again."""
    world = World()
    names = named("disk", 60)
    await gathered(world, *names)
    while_told(world, monkeypatch, lambda: tell_elsewhere(world, names[7]))
    await world.settle()
    await gathered(world, *names, "another")
    await world.settle()
    assert counts(world) == [60, 1]


async def test_rows_of_a_kind_that_is_not_known_do_no_harm() -> None:
    """As of another version: nothing of them is told, and their message is passed over."""
    world = World()
    key = "0" * 64
    values = {
        "kind": "other",
        "resource": GROUP,
        "type": GROUPS,
        "words": "",
        "due": "",
        "last": "",
    }
    await world.store.write(gathered_rows.partition(key), Insert("t", values), Insert("u|1", {}))
    await world.message(gathering.message(key))
    assert (world.alerts, world.intents) == ([], [])


async def test_an_answer_of_the_store_that_is_lost_loses_no_alert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The row was written, the client sends it again, and finds it changed: nobody else tells."""
    world = World()
    await gathered(world, "disk")
    write = world.store.write

    async def twice(partition: str, *writes: Write) -> None:
        monkeypatch.undo()
        await write(partition, *writes)
        await write(partition, *writes)

    monkeypatch.setattr(world.store, "write", twice)
    await world.settle()
    assert counts(world) == [1]
    assert world.intents == []
