"""What waits for a channel and what it was told: kept once, in order, and forgotten in time."""

import asyncio
import base64
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine.notify import deliveries, outbox
from guards.engine.notify.deliveries import MAX_BYTES, Delivery, identity
from guards.engine.notify.outbox import (
    KEPT_S,
    REMEMBERED_S,
    REMINDER_S,
    SENT,
    UNDELIVERED,
    WAITING,
    Outbox,
)
from guards.engine.notify.parcel import Item
from guards.engine.store import Delete, Put, Value
from tests.engine.notify.office import alert
from tests.fakes import Store, Trouble

NOW = 1_793_000_000.0
PARTITION = outbox.partition("teams")
DAY = 86400.0

ROW_BYTES = 64 * 1024
"""What Azure's tables hold in one property."""


class Box(Outbox):
    """The outbox of a channel, with a look into its rows."""

    def __init__(self) -> None:
        self.store = Store(Trouble())
        super().__init__(self.store, "teams")

    async def arrives(self, at: float = NOW, **fields: Any) -> dict[str, Any]:
        """A new alert."""
        posted = alert(**fields)
        assert await self.arrive(Item(posted), at)
        return posted

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin so."""
        return [key for key in sorted(self.store.rows[PARTITION]) if key.startswith(prefix)]

    def mark(self, posted: dict[str, Any]) -> object:
        """What the mark of an alert says, None if it is forgotten."""
        row = self.store.rows[PARTITION].get(f"s|{identity(posted)}")
        return row and row.values["state"]

    async def alerts(self) -> list[Any]:
        """What waits, as it is told."""
        return [one.item.alert for one in await self.waiting(1000)]


@pytest.fixture
def box() -> Box:
    """Empty."""
    return Box()


async def test_an_alert_waits_as_it_came(box: Box) -> None:
    """With its note and the time it came, under a mark that says so."""
    posted = alert(reason="Größe ✓ \U0001f512", nested={"a": [1, None, 2.5]})
    assert await box.arrive(Item(posted, "because"), NOW)
    (one,) = await box.waiting(10)
    assert one.item == Item(posted, "because")
    assert (one.since, one.identity) == (NOW, identity(posted))
    assert box.mark(posted) == WAITING


async def test_an_alert_that_arrives_again_waits_once_and_counts_as_new(box: Box) -> None:
    """Who put it there may have died before sending anything."""
    posted = await box.arrives()
    assert await box.arrive(Item(posted), NOW + 5)
    assert await box.arrive(Item(posted), NOW)
    assert await box.alerts() == [posted]


async def test_an_alert_that_arrives_everywhere_at_once_waits_once(box: Box) -> None:
    """Whichever instance was first."""
    posted = alert()
    arriving = (box.arrive(Item(posted), NOW + i / 10) for i in range(9))
    assert all(await asyncio.gather(*arriving))
    assert await box.alerts() == [posted]


async def test_what_was_sent_is_not_told_again(box: Box) -> None:
    """For as long as copies of it may still come."""
    posted = await box.arrives()
    await box.sent(await box.waiting(10), NOW)
    assert await box.alerts() == []
    assert box.mark(posted) == SENT
    assert not await box.arrive(Item(posted), NOW + REMEMBERED_S)


async def test_what_was_given_up_is_kept_and_a_copy_of_it_is_not_new(box: Box) -> None:
    """The other channels were told; this one gets it when it works again."""
    posted = await box.arrives()
    await box.give_up(await box.waiting(10), NOW)
    assert await box.alerts() == []
    assert (box.mark(posted), len(box.keys("u|"))) == (UNDELIVERED, 1)
    assert not await box.arrive(Item(posted), NOW + 5)


async def test_what_was_given_up_waits_again_at_its_old_place(box: Box) -> None:
    """Oldest first, before what came since."""
    old = await box.arrives(NOW)
    await box.give_up(await box.waiting(10), NOW + 60)
    new = await box.arrives(NOW + 120)
    assert await box.revive(NOW + 180)
    assert await box.alerts() == [old, new]
    assert (box.mark(old), box.keys("u|")) == (WAITING, [])
    assert not await box.revive(NOW + 180)


async def test_many_are_revived_some_at_a_time(box: Box) -> None:
    """A channel that works again is not flooded, and gets all of it in the end."""
    posted = [await box.arrives(NOW + i) for i in range(100)]
    await box.give_up(await box.waiting(1000), NOW)
    rounds = 0
    while await box.revive(NOW):
        rounds += 1
    assert rounds == 4
    assert await box.alerts() == posted


async def test_what_a_dead_sender_wrote_down_twice_is_settled_once(box: Box) -> None:
    """The slower of two that sent the same changes nothing, and what it alone sent is settled."""
    posted = [await box.arrives(NOW + i) for i in range(3)]
    waiting = await box.waiting(10)
    await box.give_up(waiting[:1], NOW)
    await box.sent(waiting, NOW)
    assert [box.mark(one) for one in posted] == [UNDELIVERED, SENT, SENT]
    assert await box.alerts() == []


async def test_more_than_fit_a_transaction_are_settled(box: Box) -> None:
    """A digest tells more alerts than the store writes at once."""
    for i in range(250):
        await box.arrives(NOW + i)
    await box.sent(await box.waiting(250), NOW)
    assert (len(box.keys("s|")), box.keys("w|")) == (250, [])


@pytest.mark.parametrize(
    ("outcome", "after_s", "again"),
    [
        ("blocked", REMINDER_S + 1, True),
        ("blocked", REMINDER_S - 1, False),
        ("reverted", REMINDER_S + 1, False),
        (None, REMINDER_S + 1, False),
    ],
)
async def test_only_a_blocked_resource_is_told_again(
    box: Box, outcome: object, after_s: float, again: bool
) -> None:
    """Once a day, since a person has to act; its alert has one id for as long as it stands."""
    posted = await box.arrives(outcome=outcome)
    await box.sent(await box.waiting(10), NOW)
    assert await box.arrive(Item(posted), NOW + after_s) == again
    assert len(await box.alerts()) == again


async def test_a_reminder_that_arrives_everywhere_at_once_waits_once(box: Box) -> None:
    """Instances that notice the same day's reminder at the same moment."""
    posted = await box.arrives(outcome="blocked")
    await box.sent(await box.waiting(10), NOW)
    later = NOW + REMINDER_S + 1
    await asyncio.gather(*(box.arrive(Item(posted), later + i / 10) for i in range(9)))
    assert await box.alerts() == [posted]


async def test_marks_are_forgotten_when_no_copy_can_come_any_more(box: Box) -> None:
    """After eight days, and not a moment earlier."""
    await box.arrives()
    await box.sent(await box.waiting(10), NOW)
    assert await box.clean(NOW + REMEMBERED_S, "") == (0, "")
    assert len(box.keys("s|")) == 1
    assert await box.clean(NOW + REMEMBERED_S + 1, "") == (0, "")
    assert box.store.rows[PARTITION] == {}


async def test_what_nobody_got_is_forgotten_after_a_month_and_counted(box: Box) -> None:
    """It is told of in the log; its mark outlives it, so that it is not told as news by then."""
    posted = await box.arrives()
    await box.give_up(await box.waiting(10), NOW)
    assert await box.clean(NOW + KEPT_S, "") == (0, "")
    assert await box.clean(NOW + KEPT_S + 1, "") == (1, "")
    assert (box.keys("u|"), box.mark(posted)) == ([], UNDELIVERED)
    await box.clean(NOW + KEPT_S + REMEMBERED_S + 1, "")
    assert box.store.rows[PARTITION] == {}


async def test_what_waits_is_never_forgotten(box: Box) -> None:
    """However long a channel rests: only the sender ends a wait."""
    posted = await box.arrives()
    await box.clean(NOW + KEPT_S, "")
    assert await box.alerts() == [posted]
    assert box.mark(posted) == WAITING


async def test_cleaning_leaves_the_lane_and_other_channels_alone(box: Box) -> None:
    """The rows of other purposes in the store are none of its business."""
    await box.store.write(PARTITION, Put("lane", {"at": 0.0}))
    await box.store.write(outbox.partition("mail"), Put("s|x", {"state": SENT, "at": 0.0}))
    await box.clean(NOW, "")
    assert box.keys("") == ["lane"]
    assert list(box.store.rows[outbox.partition("mail")]) == ["s|x"]


async def test_cleaning_goes_on_where_it_stopped(box: Box) -> None:
    """A page of a thousand at a time: what is young does not hide what is old behind it."""
    for i in range(0, 2500, 100):
        age = 0 if i < 1200 else REMEMBERED_S + 1
        mark: dict[str, Value] = {"state": SENT, "at": NOW - age}
        writes = (Put(f"s|{n:04d}", mark) for n in range(i, i + 100))
        await box.store.write(PARTITION, *writes)
    after, rounds = "", 0
    while rounds == 0 or after:
        _, after = await box.clean(NOW, after)
        rounds += 1
        assert rounds <= 3
    assert box.keys("") == [f"s|{n:04d}" for n in range(1200)]
    assert rounds == 3


async def test_cleaning_leaves_a_mark_that_changes_meanwhile(box: Box) -> None:
    """A reminder that arrives at the last moment stays, and so do the others' ends."""
    marks = [await box.arrives(NOW + i) for i in range(3)]
    await box.sent(await box.waiting(10), NOW)
    page = box.store.page

    async def overtaken(*args: Any, **options: Any) -> Any:
        rows = await page(*args, **options)
        if args[1] == "s|":
            again: dict[str, Value] = {"state": WAITING, "at": NOW + REMEMBERED_S}
            await box.store.write(PARTITION, Put(f"s|{identity(marks[1])}", again))
        return rows

    box.store.page = overtaken  # type: ignore[method-assign]
    await box.clean(NOW + REMEMBERED_S + 10, "")
    assert [box.mark(one) for one in marks] == [None, WAITING, None]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"item": b""},
        {"item": b"no zlib"},
        {"item": "text"},
        {"item": 7},
        {"item": zlib.compress(b"no json")},
        {"item": zlib.compress(b"[1]")},
        {"item": zlib.compress(b'{"alert": 7, "note": ""}')},
        {"item": zlib.compress(b'{"alert": {"alertId": "1"}}')},
        {"item": zlib.compress(b"[" * 100_000)},
        {"item": zlib.compress(b'{"alert":{"a":"' + b"x" * 10**7 + b'"},"note":""}')},
        {"item": zlib.compress(b'{"alert": {}, "note": ""}')[:-9], "at": "soon"},
    ],
    ids=range(12),
)
async def test_a_row_that_cannot_be_read_is_told_as_such_and_not_in_the_way(
    box: Box, values: dict[str, Any]
) -> None:
    """It is sent as what it is and settled like others, which wait behind it."""
    key = f"w|0000000000.000000|{'0' * 64}"
    await box.store.write(PARTITION, Put(key, values))
    posted = await box.arrives()
    first, second = await box.waiting(10)
    assert first.item.alert["schema"] == "unreadable"
    assert first.item.alert["alertId"] == key
    assert second.item.alert == posted
    await box.sent([first, second], NOW)
    assert await box.alerts() == []


async def test_a_row_can_be_given_up_though_it_cannot_be_read(box: Box) -> None:
    """And is revived as what it was: nothing of it is lost on the way."""
    values: dict[str, Value] = {"item": b"\x00 of another version", "at": NOW}
    await box.store.write(PARTITION, Put("w|1793000000.000000|x", values))
    await box.give_up(await box.waiting(1), NOW)
    await box.revive(NOW)
    (one,) = await box.waiting(1)
    assert one.row.values == values


TIMES = st.floats(0, 9_999_999_999)


@given(st.lists(TIMES, max_size=8))
def test_the_oldest_is_told_first_from_1970_to_2286(times: list[float]) -> None:
    """Keys sort as times do, to the microsecond."""

    async def in_order() -> list[float]:
        box = Box()
        for at in times:
            await box.arrives(at)
        return [one.since for one in await box.waiting(100)]

    told = asyncio.run(in_order())
    assert told == pytest.approx(sorted(times), abs=1e-6)


async def test_the_longest_alert_fits_a_row(box: Box) -> None:
    """As long as a delivery holds, of text that cannot be made shorter."""
    noise = random.Random(7).randbytes(MAX_BYTES)
    text = base64.b85encode(noise).decode()
    room = MAX_BYTES - deliveries._size(Delivery("teams", NOW, Item(alert(reason=""))).message())
    posted = alert(reason="".join(c for c in text if c not in '"\\')[:room])
    delivery = Delivery("teams", NOW, Item(posted))
    assert MAX_BYTES - 100 < deliveries._size(delivery.message()) <= MAX_BYTES
    assert await box.arrive(Item(posted), NOW)
    (row,) = (one.row for one in await box.waiting(1))
    packed = row.values["item"]
    assert isinstance(packed, bytes)
    assert MAX_BYTES / 2 < len(packed) <= ROW_BYTES
    assert await box.alerts() == [posted]


async def test_the_longest_alert_of_anybody_fits_a_row(box: Box) -> None:
    """Also one that is escaped where it is kept, though not where it came from."""
    noise = random.Random(7)
    posted = alert(reason="".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(8000)))
    assert deliveries._size(Delivery("teams", NOW, Item(posted)).message()) <= MAX_BYTES
    assert await box.arrive(Item(posted), NOW)
    (one,) = await box.waiting(1)
    packed = one.row.values["item"]
    assert isinstance(packed, bytes)
    assert len(packed) <= ROW_BYTES
    assert one.item.alert == posted


async def test_a_row_that_is_gone_is_no_obstacle(box: Box) -> None:
    """Somebody emptied the table while a digest was on its way."""
    posted = [await box.arrives(NOW + i) for i in range(2)]
    waiting = await box.waiting(10)
    await box.store.write(PARTITION, Delete(waiting[0].row.key))
    await box.sent(waiting, NOW)
    assert await box.alerts() == []
    assert box.mark(posted[1]) == SENT


def test_a_channel_has_a_partition_of_its_own() -> None:
    """Names cannot run into each other, or into the limits."""
    names = ["a", "a-b", "limits", "channel a", ""]
    assert len({outbox.partition(name) for name in names} | {"limits"}) == len(names) + 1


def test_the_packed_form_is_readable_without_this_program() -> None:
    """JSON under zlib: whoever looks into the table after an incident can read it."""
    packed = outbox._packed(Item({"alertId": "1"}, "why"))
    assert json.loads(zlib.decompress(packed)) == {"alert": {"alertId": "1"}, "note": "why"}
