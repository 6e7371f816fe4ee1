"""What is gathered, as rows of the shared state: what is known, and what of it is not told yet.

Each entry has a row of its own, so that many at once do not get in each other's way, and a second
one until it is told. So nothing that was told, however much of it, stands before what is new.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from guards.engine import alerts
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.ports import Ports
from guards.engine.shapes import moment
from guards.engine.store import MOST_WRITES, Conflict, Delete, Insert, Put, Row, Value

log = logging.getLogger(__name__)

MOST_TOLD = 2_000
"""Entries that one alert tells."""

MOST_READ = 10_000
"""Entries that are read to see what is known."""

_KNOWN, _UNTOLD = "e|", "u|"
_PAGE = 100


class Kind(StrEnum):
    """What is gathered: resources that could not be closed, or not read; rounds of a fight."""

    UNCLOSED = "unclosed"
    UNREAD = "unread"
    FIGHT = "rounds"


WINDOWS = {
    Kind.UNCLOSED: timedelta(hours=24),
    Kind.UNREAD: timedelta(hours=24),
    Kind.FIGHT: timedelta(hours=1),
}
"""An entry that is older and was told is forgotten, and the same again is news."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What alerts are gathered about; `words` go into the alert that tells them."""

    kind: Kind
    resource_id: str
    resource_type: str
    words: str

    @property
    def key(self) -> str:
        """What the message names, and what the partition is called by."""
        return alerts.digest(self.kind, self.resource_id.lower())


@dataclass(frozen=True, slots=True)
class Entry:
    """One of those that are gathered: a few texts for people, and which one it is.

    `etag` is of the row it was read from.
    """

    key: str
    said: Mapping[str, str]
    at: datetime
    told: bool
    etag: str | None = None

    @property
    def name(self) -> str:
        """Which resource, of a refused one."""
        return self.said.get("", "")

    @property
    def by(self) -> str:
        """Whose doing it was."""
        return self.said.get("by", "")

    @property
    def line(self) -> str:
        """For people."""
        return ", ".join(f"{name} {text}".strip() for name, text in self.said.items() if text)


type Enough = Callable[[Sequence[Entry]], bool]


def partition(key: str) -> str:
    """Where the rows of a topic are."""
    return f"gathered {key}"


async def note(ports: Ports, topic: Topic, key: str, said: Mapping[str, str]) -> Entry:
    """Write one entry, unless it is known already; as it stands.

    Raises:
        Transient: the store cannot be reached.
    """
    now, place = ports.clock.now(), partition(topic.key)
    entry = Entry(alerts.digest(key), said, now, told=False)
    known, untold, values = f"{_KNOWN}{entry.key}", f"{_UNTOLD}{entry.key}", _values(entry)
    try:
        await ports.store.write(place, Insert(known, values), Insert(untold, values))
    except Conflict:
        row = await ports.store.get(place, known)
        before = _entry(row) if row else None
        if before is not None and not _too_old(before, topic, now):
            return before
        await ports.store.write(place, Put(known, values), Put(untold, values))
    return entry


async def entries(ports: Ports, topic: Topic, enough: Enough | None = None) -> list[Entry]:
    """Those that are not forgotten, the oldest first: all, or so many that they are enough.

    What is forgotten is cleared.

    Raises:
        Transient: the store cannot be reached.
    """
    now, place = ports.clock.now(), partition(topic.key)

    def lasting(some: Iterable[Entry]) -> list[Entry]:
        return [one for one in some if not (one.told and _too_old(one, topic, now))]

    def enough_last(some: Sequence[Entry]) -> bool:
        return enough is not None and enough(lasting(some))

    every, _ = await _read(ports, place, _KNOWN, MOST_READ, enough_last)
    found = lasting(every)
    kept = {one.key for one in found}
    await _clear(ports, place, [one for one in every if one.key not in kept])
    return _by_age(found)


async def untold(ports: Ports, topic: Topic) -> tuple[list[Entry], bool]:
    """As many as one alert tells, the oldest of them first, and whether there may be more.

    Raises:
        Transient: the store cannot be reached.
    """
    found, more = await _read(ports, partition(topic.key), _UNTOLD, MOST_TOLD, lambda _: False)
    return _by_age(found), more


async def mark_told(ports: Ports, topic: Topic, entries: Sequence[Entry]) -> None:
    """Mark entries that an alert tells; those that another one has told are passed over.

    Raises:
        Transient: the store cannot be reached.
    """
    place, some = partition(topic.key), MOST_WRITES // 2
    for start in range(0, len(entries), some):
        batch = entries[start : start + some]
        try:
            await _mark(ports, place, batch)
        except Conflict:
            for one in batch:
                with suppress(Conflict):
                    await _mark(ports, place, [one])


async def _mark(ports: Ports, place: str, entries: Sequence[Entry]) -> None:
    marks = [Put(f"{_KNOWN}{one.key}", _values(one, told=True)) for one in entries]
    await ports.store.write(place, *marks, *(Delete(f"{_UNTOLD}{one.key}") for one in entries))


async def _read(
    ports: Ports, place: str, prefix: str, most: int, enough: Enough
) -> tuple[list[Entry], bool]:
    """Entries in the order of their keys until they are enough, and whether there may be more."""
    found: list[Entry] = []
    after = ""
    for _ in range(most // _PAGE):
        rows = await ports.store.page(place, prefix, _PAGE, after=after)
        found += [one for one in map(_entry, rows) if one]
        if len(rows) < _PAGE:
            return found, False
        if enough(found):
            break
        after = rows[-1].key
    return found, True


async def _clear(ports: Ports, place: str, forgotten: Sequence[Entry]) -> None:
    """Delete entries, but for those that are news again; what is left over is so the next time."""
    try:
        for start in range(0, len(forgotten), MOST_WRITES):
            some = forgotten[start : start + MOST_WRITES]
            with suppress(Conflict):
                await ports.store.write(
                    place, *(Delete(f"{_KNOWN}{one.key}", one.etag) for one in some)
                )
    except Transient as e:
        log.warning("what is forgotten of %s is not cleared: %s", place, e)


def _too_old(entry: Entry, topic: Topic, now: datetime) -> bool:
    return now - entry.at > WINDOWS[topic.kind]


def _by_age(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda one: (one.at, one.key))


def _values(entry: Entry, *, told: bool = False) -> dict[str, Value]:
    said = {name: clean(text, 300) for name, text in entry.said.items()}
    return {"said": json.dumps(said), "at": entry.at.isoformat(), "told": int(told)}


def _entry(row: Row) -> Entry | None:
    """A row as an entry; None if it is none of ours."""
    key = row.key.partition("|")[2]
    try:
        said = {str(k): str(v) for k, v in json.loads(str(row.values["said"])).items()}
        at = moment(str(row.values["at"]))
        return Entry(key, said, at, bool(row.values["told"]), row.etag) if at else None
    except (KeyError, ValueError, AttributeError):
        return None
