"""Alerts that would be many of the same kind, gathered in the shared state and told together.

Two kinds: refusals that hold for a whole resource group, and the later rounds of a fight over one
resource. Each entry is a row of its own, so that many at once do not get in each other's way; one
message of `guard-work` tells all that is not told yet. An entry is written first and its message
put then: whoever dies in between comes again with the same entry, and puts it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.events import clean
from guards.engine.look import Result
from guards.engine.model import Outcome, Severity, Source
from guards.engine.ports import Ports
from guards.engine.shapes import moment, timestamp
from guards.engine.store import Conflict, Delete, Insert, Put, Row, Value, Write

SCHEMA = "exportguard.gathered/1"

MOST, MOST_PAGES = 100, 20
"""Entries that are read or marked at a time, and how often for one alert; the rest follows."""

LATE = timedelta(minutes=15)
"""A message that has not come by then is lost, and another one is put."""

_TOPIC, _ENTRY = "t", "e|"
_ROOM_FOR_MORE = 40
_MOST_CALLERS = 5


class Kind(StrEnum):
    """What is gathered."""

    REFUSED = "refused"
    FIGHT = "fight"


WINDOWS = {Kind.REFUSED: timedelta(hours=24), Kind.FIGHT: timedelta(hours=1)}
"""An entry that is older is forgotten, and the same again is news."""

DELAYS_S = {Kind.REFUSED: (30, 3600), Kind.FIGHT: (3600, 3600)}
"""Seconds from an entry until all are told: the first time, and soon after another telling."""


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
    """One of those that are gathered: a few texts for people, and which one it is."""

    key: str
    said: Mapping[str, str]
    at: datetime
    told: bool

    @property
    def name(self) -> str:
        """Which resource, of a refused one."""
        return self.said.get("", "")

    @property
    def line(self) -> str:
        """For people."""
        return ", ".join(f"{name} {text}".strip() for name, text in self.said.items() if text)


def partition(key: str) -> str:
    """Where the rows of a topic are."""
    return f"gathered {key}"


async def note(ports: Ports, topic: Topic, key: str, said: Mapping[str, str]) -> Entry:
    """Write one entry, unless it is there already; as it stands.

    Raises:
        Transient: the store cannot be reached.
    """
    now, place, name = ports.clock.now(), partition(topic.key), f"{_ENTRY}{alerts.digest(key)}"
    entry = Entry(name, said, now, told=False)
    try:
        await ports.store.write(place, Insert(name, _values(entry)))
    except Conflict:
        row = await ports.store.get(place, name)
        known = _entry(row) if row else None
        if known is not None and now - known.at <= WINDOWS[topic.kind]:
            return known
        await ports.store.write(place, Put(name, _values(entry)))
    return entry


async def entries(ports: Ports, topic: Topic) -> list[Entry]:
    """The first hundred that are gathered, not forgotten or not told, the oldest first.

    Raises:
        Transient: the store cannot be reached.
    """
    rows = await ports.store.page(partition(topic.key), _ENTRY, MOST)
    now = ports.clock.now()
    found = [
        one
        for one in map(_entry, rows)
        if one and (not one.told or now - one.at <= WINDOWS[topic.kind])
    ]
    return sorted(found, key=lambda one: (one.at, one.key))


async def told(ports: Ports, topic: Topic, entry: Entry) -> None:
    """Mark an entry that its own alert tells.

    Raises:
        Transient: the store cannot be reached.
    """
    await ports.store.write(partition(topic.key), Put(entry.key, _values(entry, told=True)))


async def schedule(ports: Ports, topic: Topic) -> None:
    """See to it that a message tells what is not told.

    Raises:
        Transient: the store or the queue cannot be reached.
    """
    now, place = ports.clock.now(), partition(topic.key)
    row = await ports.store.get(place, _TOPIC)
    said = {name: str(value) for name, value in row.values.items()} if row else {}
    due, last = moment(said.get("due", "")), moment(said.get("last", ""))
    if due is not None and now < due + LATE:
        return
    recently = last is not None and now - last < WINDOWS[topic.kind]
    delay = DELAYS_S[topic.kind][recently]
    await ports.work.put(message(topic.key), delay)
    due = now + timedelta(seconds=delay)
    await ports.store.write(place, Put(_TOPIC, _topic_values(topic, due, last)))


def message(key: str, attempt: int = 0) -> dict[str, object]:
    """What `guard-work` holds for a topic."""
    return {"schema": SCHEMA, "topic": key, "attempt": attempt}


async def tell(ports: Ports, key: str) -> Result:
    """Post what was gathered under a key and is not told yet.

    The appointment is taken back first: what comes meanwhile makes another one.

    Raises:
        Transient: it cannot be read, posted, or marked as told; the message must come again.
    """
    place, now = partition(key), ports.clock.now()
    row = await ports.store.get(place, _TOPIC)
    topic = _topic(row) if row else None
    if row is None or topic is None:
        return Result(None, reason="nothing is gathered that was not told")
    try:
        await ports.store.write(place, Put(_TOPIC, _topic_values(topic, None, now), row.etag))
    except Conflict:  # another message tells, or has just been appointed
        return Result(None, reason="what is gathered is told by another message")
    every, more = await _every(ports, place)
    new = sorted((one for one in every if not one.told), key=lambda one: (one.at, one.key))
    if not new:
        return Result(None, reason="nothing is gathered that was not told")
    alert = _alert(topic, new, now)
    await ports.alerts.put(alert.message())
    marks: list[Write] = [Put(one.key, _values(one, told=True)) for one in new]
    old = (one for one in every if one.told and now - one.at > WINDOWS[topic.kind])
    marks += [Delete(one.key) for one in old]
    try:
        for start in range(0, len(marks), MOST):
            await ports.store.write(place, *marks[start : start + MOST])
    except Conflict:
        return Result(alert.outcome, alert.alert_id, "another instance tells as well")
    if more:
        await schedule(ports, topic)
    return Result(alert.outcome, alert.alert_id, alert.reason or "", topic.resource_id)


async def _every(ports: Ports, place: str) -> tuple[list[Entry], bool]:
    """All entries of a topic, and whether there are more than one alert can tell."""
    found: list[Entry] = []
    after = ""
    for _ in range(MOST_PAGES):
        rows = await ports.store.page(place, _ENTRY, MOST, after=after)
        found += [one for one in map(_entry, rows) if one]
        if len(rows) < MOST:
            return found, False
        after = rows[-1].key
    return found, True


def _alert(topic: Topic, new: Sequence[Entry], now: datetime) -> Alert:
    fight = topic.kind is Kind.FIGHT
    who = "" if fight else f" (written by {_callers(new)})"
    start = f"{len(new)} {topic.words}{who}: "
    lines = [one.line if fight else one.name for one in new]
    shown = _shown(lines, alerts.MAX_REASON - len(start) - _ROOM_FOR_MORE)
    more = f"; and {len(new) - len(shown)} more" if len(new) > len(shown) else ""
    return Alert(
        alert_id=alerts.digest(topic.key, [[one.key, timestamp(one.at)] for one in new]),
        source=Source.WORK,
        outcome=Outcome.REVERTED if fight else Outcome.NOT_REVERTED,
        severity=Severity.CRITICAL if fight else Severity.HIGH,
        seen_at=timestamp(now),
        resource_id=topic.resource_id,
        resource_type=topic.resource_type,
        reason=clean(f"{start}{'; '.join(shown)}{more}", alerts.MAX_REASON),
    )


def _callers(new: Sequence[Entry]) -> str:
    """Each once, the first few."""
    every = list(dict.fromkeys(one.said.get("by", "") for one in new))
    return clean(", ".join(every[:_MOST_CALLERS]), 600) + (", …" * (len(every) > _MOST_CALLERS))


def _shown(lines: Sequence[str], room: int) -> list[str]:
    """As many as so many characters hold, for people."""
    shown: list[str] = []
    for line in lines:
        room -= len(line) + len("; ")
        if room < 0:
            break
        shown.append(line)
    return shown


def _values(entry: Entry, *, told: bool = False) -> dict[str, Value]:
    said = {name: clean(text, 300) for name, text in entry.said.items()}
    return {"said": json.dumps(said), "at": entry.at.isoformat(), "told": int(told)}


def _topic_values(topic: Topic, due: datetime | None, last: datetime | None) -> dict[str, Value]:
    return {
        "kind": str(topic.kind),
        "resource": topic.resource_id,
        "type": topic.resource_type,
        "words": topic.words,
        "due": due.isoformat() if due else "",
        "last": last.isoformat() if last else "",
    }


def _entry(row: Row) -> Entry | None:
    """A row as an entry; None if it is none of ours."""
    try:
        said = {str(k): str(v) for k, v in json.loads(str(row.values["said"])).items()}
        at = moment(str(row.values["at"]))
        return Entry(row.key, said, at, told=bool(row.values["told"])) if at else None
    except (KeyError, ValueError, AttributeError):
        return None


def _topic(row: Row) -> Topic | None:
    """A row as the topic; None if it is none of ours."""
    try:
        kind, *rest = (str(row.values[name]) for name in ("kind", "resource", "type", "words"))
        return Topic(Kind(kind), *rest)
    except (KeyError, ValueError):
        return None
