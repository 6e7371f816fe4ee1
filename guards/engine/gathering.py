"""Alerts that would be many of the same kind, gathered in the shared state and told together.

Two kinds: refusals that hold for a whole resource group, and the later rounds of a fight over one
resource. What is gathered is told by a message of `guard-work` that is put before the first entry
is written: a crash between the two tells nothing twice and loses nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.look import Result
from guards.engine.model import Outcome, Severity, Source
from guards.engine.ports import Ports, Receipt
from guards.engine.shapes import moment, timestamp
from guards.engine.store import Conflict, Insert, Put, Row

SCHEMA = "exportguard.gathered/1"
PARTITION = "gathered"

MOST_KEPT = 100
"""Entries that are kept in the state; all are counted, and as many are shown as a reason holds."""

_TRIES = 8


class Kind(StrEnum):
    """What is gathered."""

    REFUSED = "refused"
    FIGHT = "fight"


WINDOWS = {Kind.REFUSED: timedelta(hours=24), Kind.FIGHT: timedelta(hours=1)}
"""What comes later than this after the last entry is news of its own."""

LATE = timedelta(minutes=15)
"""A message that has not come by then is lost, and another one is put."""

_ROOM_FOR_MORE = 30
MAX_CHARS = 24_000
"""All entries of a row together; a text in the store has 32,000 characters at most."""

DELAYS_S = {Kind.REFUSED: (30, 24 * 3600), Kind.FIGHT: (3600, 3600)}
"""Seconds from an entry that is not told by itself until all are: the first time, and later."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What alerts are gathered about; `words` go into the alert that tells them."""

    kind: Kind
    resource_id: str
    resource_type: str
    words: str

    @property
    def key(self) -> str:
        """The row's key, and what the message names."""
        return alerts.digest(self.kind, self.resource_id.lower())


@dataclass(frozen=True, slots=True)
class Gathered:
    """A row: so many entries in all, so many of them told; `due` is when the message comes."""

    topic: Topic
    count: int
    told: int
    last: datetime
    due: datetime | None
    entries: tuple[Mapping[str, str], ...]


async def add(ports: Ports, topic: Topic, entry: Mapping[str, str], *, alone: int = 0) -> Gathered:
    """One more entry, and what there is with it. The first `alone` entries the caller tells.

    What is there already is not counted again.

    Raises:
        Transient: the store or the queue cannot be reached; nothing is known to be gathered.
    """
    for _ in range(_TRIES):
        now = ports.clock.now()
        row = await ports.store.get(PARTITION, topic.key)
        old = _read(row) if row else None
        if old is None or (now - old.last > WINDOWS[topic.kind] and old.count <= old.told):
            old = Gathered(topic, 0, 0, now, None, ())
        if _line(entry) in map(_line, old.entries):
            return old
        new, put = await _with(ports, old, topic, entry, now, alone)
        try:
            values = _values(new)
            write = Put(topic.key, values, row.etag) if row else Insert(topic.key, values)
            await ports.store.write(PARTITION, write)
        except Conflict:
            if put is not None:  # whoever was faster has put one
                await ports.work.delete(put)
            continue
        return new
    raise Transient("what is to be gathered is written by too many at once")


async def _with(
    ports: Ports, old: Gathered, topic: Topic, entry: Mapping[str, str], now: datetime, alone: int
) -> tuple[Gathered, Receipt | None]:
    """One entry more; where it is the first to be told by a message, that is put."""
    entries = _newest((*old.entries, entry))
    new = replace(old, topic=topic, count=old.count + 1, last=now, entries=entries)
    if new.count <= alone:
        return replace(new, told=new.count), None
    if old.due is not None and now < old.due + LATE:
        return new, None
    delay = DELAYS_S[topic.kind][old.told > alone]
    put = await ports.work.put({"schema": SCHEMA, "topic": topic.key}, delay)
    return replace(new, due=now + timedelta(seconds=delay)), put


def _newest(entries: tuple[Mapping[str, str], ...]) -> tuple[Mapping[str, str], ...]:
    """As many of the last ones as a row has room for."""
    kept = entries[-MOST_KEPT:]
    while len(kept) > 1 and len(_text(kept)) > MAX_CHARS:
        kept = kept[1:]
    return kept


def _text(entries: Sequence[Mapping[str, str]]) -> str:
    return json.dumps([dict(entry) for entry in entries])


async def tell(ports: Ports, key: str) -> Result:
    """Post what was gathered under a key and is not told yet.

    Raises:
        Transient: it cannot be read, posted, or marked as told; the message comes again.
    """
    for _ in range(_TRIES):
        row = await ports.store.get(PARTITION, key)
        seen = _read(row) if row else None
        if row is None or seen is None or seen.count <= seen.told:
            return Result(None, reason="nothing is gathered that was not told")
        alert = _alert(seen, ports)
        await ports.alerts.put(alert.message())
        told = replace(seen, told=seen.count, due=None)
        try:
            await ports.store.write(PARTITION, Put(key, _values(told), row.etag))
        except Conflict:
            continue  # one more came meanwhile: told again, with all of them
        return Result(alert.outcome, alert.alert_id, alert.reason or "", seen.topic.resource_id)
    raise Transient("what is gathered is written by too many at once")


def _alert(seen: Gathered, ports: Ports) -> Alert:
    topic, new = seen.topic, seen.count - seen.told
    start = f"{new} {topic.words}: "
    shown = _shown(seen.entries[-new:], alerts.MAX_REASON - len(start) - _ROOM_FOR_MORE)
    more = f"; and {new - len(shown)} more" if new > len(shown) else ""
    fight = topic.kind is Kind.FIGHT
    return Alert(
        alert_id=alerts.digest(topic.key, seen.count, timestamp(seen.last)),
        source=Source.WORK,
        outcome=Outcome.REVERTED if fight else Outcome.NOT_REVERTED,
        severity=Severity.CRITICAL if fight else Severity.HIGH,
        seen_at=timestamp(ports.clock.now()),
        resource_id=topic.resource_id,
        resource_type=topic.resource_type,
        reason=clean(f"{start}{'; '.join(shown)}{more}", alerts.MAX_REASON),
    )


def _shown(entries: Sequence[Mapping[str, str]], room: int) -> list[str]:
    """As many entries as so many characters hold, for people."""
    lines: list[str] = []
    for line in map(_line, entries):
        room -= len(line) + len("; ")
        if room < 0:
            break
        lines.append(line)
    return lines


def _line(entry: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}".strip() for name, value in entry.items() if value)


def _values(one: Gathered) -> dict[str, str | int | float | bytes]:
    return {
        "kind": str(one.topic.kind),
        "resource": one.topic.resource_id,
        "type": one.topic.resource_type,
        "words": one.topic.words,
        "count": one.count,
        "told": one.told,
        "last": one.last.isoformat(),
        "due": one.due.isoformat() if one.due else "",
        "entries": _text(one.entries),
    }


def _read(row: Row) -> Gathered | None:
    """A row; None if it is none of ours."""
    values = row.values
    try:
        topic = Topic(
            Kind(str(values["kind"])),
            str(values["resource"]),
            str(values["type"]),
            str(values["words"]),
        )
        entries: Sequence[Any] = json.loads(str(values["entries"]))
        last = moment(str(values["last"]))
        if last is None:
            return None
        return Gathered(
            topic,
            int(values["count"]),
            int(values["told"]),
            last,
            moment(str(values["due"])),
            tuple({str(k): str(v) for k, v in one.items()} for one in entries),
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
