"""What waits for a channel, and what it was told already: rows in a partition of its own.

    s|IDENTITY          a mark: this piece of news is waiting, sent, or undelivered
    w|TIME|IDENTITY     the alert itself, while it waits
    u|TIME|IDENTITY     the same, once nobody expects the channel to take it

An alert and its mark are written in one transaction, so that it waits once however often it
arrives, and is told once for each channel.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from guards.engine.model import Outcome
from guards.engine.notify.deliveries import MAX_BYTES, identity
from guards.engine.notify.parcel import Item
from guards.engine.store import MOST_WRITES, Conflict, Delete, Insert, Put, Row, Store, Value, Write

WAITING, SENT, UNDELIVERED = "waiting", "sent", "undelivered"
"""What a mark says."""

REMEMBERED_S = 8 * 86400
"""How long it is known what was told: intents and deliveries are tried for a day."""

KEPT_S = 30 * 86400
"""How long an undelivered alert waits for its channel to work again."""

REMINDER_S = 20 * 3600
"""A blocked resource has one alert id for as long as it stands: told again once a day."""

AT_ONCE = MOST_WRITES // 3
"""Each alert takes up to three writes."""

_PAGE = 1000
_AT_A_TIME = 200
_MOST_BYTES = 4 * 2**20
"""Of packed alerts in one message; so much is read and unpacked in a second or two."""

_LONGEST = 2 * MAX_BYTES


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that waits, since when (seconds since 1970), and the row it is in."""

    identity: str
    since: float
    item: Item
    row: Row


class Outbox:
    """The alerts of one channel."""

    def __init__(self, store: Store, channel: str) -> None:
        self._store = store
        self._partition = partition(channel)

    async def arrive(self, item: Item, now: float) -> bool:
        """Keep an alert until it is sent; False if the channel was told, and need not be again.

        One that waits already counts as new: who put it there may have died.
        """
        key = identity(item.alert)
        waiting = Insert(f"w|{now:017.6f}|{key}", {"item": _packed(item), "at": now})
        mark: dict[str, Value] = {"state": WAITING, "at": now}
        try:
            await self._store.write(self._partition, Insert(f"s|{key}", mark), waiting)
        except Conflict:
            before = await self._store.get(self._partition, f"s|{key}")
            if before is None or before.values.get("state") == WAITING:
                return True
            if not _due_again(before, item, now):
                return False
            with contextlib.suppress(Conflict):  # another copy of the reminder was faster
                again = Put(before.key, mark, before.etag)
                await self._store.write(self._partition, again, waiting)
        return True

    async def waiting(self, limit: int) -> list[Waiting]:
        """What waits, oldest first; fewer than there are if they are long ones."""
        found: list[Waiting] = []
        size = 0
        while len(found) < limit and size < _MOST_BYTES:
            after = found[-1].row.key if found else ""
            most = min(limit - len(found), _AT_A_TIME)
            rows = await self._store.page(self._partition, "w|", most, after=after)
            found += map(_waiting, rows)
            size += sum(map(_size, rows))
            if len(rows) < most:
                break
        return found

    async def waits_after(self, last: Waiting) -> bool:
        """Whether others wait behind this one."""
        return bool(await self._store.page(self._partition, "w|", 1, after=last.row.key))

    async def sent(self, told: Iterable[Waiting], now: float) -> None:
        """They were sent: they wait no more, and are not told again."""
        await self._settle(told, SENT, now)

    async def give_up(self, given_up: Iterable[Waiting], now: float) -> None:
        """They will not be tried by themselves; they are kept in case the channel works again."""
        await self._settle(given_up, UNDELIVERED, now, keep_as="u")

    async def revive(self, now: float) -> bool:
        """The channel works again: some of what was given up waits again; whether there was any."""
        rows = await self._store.page(self._partition, "u|", AT_ONCE)
        await self._settle(map(_waiting, rows), WAITING, now, keep_as="w")
        return bool(rows)

    async def clean(self, now: float, after: str) -> tuple[int, str]:
        """Forget what is long over, a page at a time; how many alerts nobody got were among it.

        Returns:
            Their number, and where to go on next time: "" is the beginning.
        """
        marks = await self._store.page(self._partition, "s|", _PAGE, after=after)
        old = [row for row in marks if now - _at(row) > _kept_s(row)]
        rows = await self._store.page(self._partition, "u|", _PAGE)
        lost = [row for row in rows if now - _at(row) > KEPT_S]
        await self._write([(Delete(row.key, row.etag),) for row in (*old, *lost)])
        return len(lost), marks[-1].key if len(marks) == _PAGE else ""

    async def _settle(
        self, which: Iterable[Waiting], state: str, now: float, keep_as: str = ""
    ) -> None:
        units: dict[str, tuple[Write, ...]] = {}
        for one in which:
            unit: tuple[Write, ...] = (Delete(one.row.key, one.row.etag),)
            if one.identity in units:  # nobody puts it there twice; a transaction would refuse it
                units[one.identity] += unit
                continue
            unit += (Put(f"s|{one.identity}", {"state": state, "at": now}),)
            if keep_as:
                unit += (Insert(keep_as + one.row.key[1:], one.row.values),)
            units[one.identity] = unit
        await self._write(list(units.values()))

    async def _write(self, units: Sequence[tuple[Write, ...]]) -> None:
        """Each unit as a whole, many at once; what another instance settled meanwhile is left."""
        for i in range(0, len(units), AT_ONCE):
            some = units[i : i + AT_ONCE]
            try:
                await self._store.write(self._partition, *chain.from_iterable(some))
            except Conflict:
                for unit in some:
                    with contextlib.suppress(Conflict):
                        await self._store.write(self._partition, *unit)


def partition(channel: str) -> str:
    """The partition of a channel's rows."""
    return f"channel {channel}"


def _size(row: Row) -> int:
    value = row.values.get("item")
    return len(value) if isinstance(value, bytes) else 0


def _at(row: Row) -> float:
    at = row.values.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def _kept_s(mark: Row) -> float:
    """Whatever waits keeps its mark, and what is undelivered keeps it as long as itself."""
    return REMEMBERED_S if mark.values.get("state") == SENT else KEPT_S + REMEMBERED_S


def _due_again(mark: Row, item: Item, now: float) -> bool:
    """Whether a blocked resource is to be told again."""
    blocked = item.alert.get("outcome") == Outcome.BLOCKED
    return blocked and mark.values.get("state") == SENT and now - _at(mark) > REMINDER_S


def _packed(item: Item) -> bytes:
    return zlib.compress(json.dumps({"alert": item.alert, "note": item.note}).encode())


def _waiting(row: Row) -> Waiting:
    """A row as what waits; one that cannot be read says so instead of standing in the way."""
    try:
        value = row.values["item"]
        text = zlib.decompressobj().decompress(value if isinstance(value, bytes) else b"", _LONGEST)
        read = json.loads(text)
        item = Item(dict(read["alert"]), str(read["note"]))
    except (ValueError, LookupError, TypeError, RecursionError, zlib.error):
        alert = {"schema": "unreadable", "alertId": row.key, "reason": "a row of the store is none"}
        item = Item(alert)
    return Waiting(row.key.rpartition("|")[2], _at(row), item, row)
