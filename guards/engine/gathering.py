"""Alerts that would be many of the same kind, gathered in the shared state and told together.

Refusals that hold for a whole resource group, and the later rounds of a fight over one resource.
One message of `guard-work` tells all that is not told yet. An entry is written first and its
message put then: whoever dies in between comes again with the same entry, and puts it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.gathered_rows import (
    WINDOWS,
    Entry,
    Kind,
    Topic,
    entries,
    mark_told,
    partition,
    untold,
)
from guards.engine.look import Result
from guards.engine.model import Outcome, Severity, Source
from guards.engine.ports import Ports
from guards.engine.shapes import moment, timestamp
from guards.engine.store import Conflict, Put, Row, Value

SCHEMA = "exportguard.gathered/1"

LATE = timedelta(minutes=15)
"""A message that has not come by then is lost, and another one is put."""

SOON_S = 30
"""Seconds until the rest is told, of more than one alert tells."""

DELAYS_S = {Kind.UNCLOSED: (30, 3600), Kind.UNREAD: (30, 3600), Kind.FIGHT: (3600, 3600)}
"""Seconds from an entry until all are told: the first time, and soon after another telling."""

_TOPIC = "t"
_ROOM_FOR_MORE = 40
_MOST_CALLERS = 5


async def schedule(ports: Ports, topic: Topic) -> None:
    """See to it that a message tells what is not told.

    Raises:
        Transient: the store or the queue cannot be reached.
    """
    now = ports.clock.now()
    row = await ports.store.get(partition(topic.key), _TOPIC)
    said = {name: str(value) for name, value in row.values.items()} if row else {}
    due, last = moment(said.get("due", "")), moment(said.get("last", ""))
    if due is not None and now < due + LATE:
        return
    recently = last is not None and now - last < WINDOWS[topic.kind]
    await _appoint(ports, topic, DELAYS_S[topic.kind][recently], last)


async def _appoint(ports: Ports, topic: Topic, delay_s: float, last: datetime | None) -> None:
    """Put the message, and write down when it falls due."""
    due = ports.clock.now() + timedelta(seconds=delay_s)
    await ports.work.put(message(topic.key), delay_s)
    await ports.store.write(partition(topic.key), Put(_TOPIC, _topic_values(topic, due, last)))


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
    except Conflict as e:
        # Another message tells, or has just been appointed; or the answer to this write was lost
        # and it was sent again: then nobody else will.
        raise Transient("what is gathered may be told by another message") from e
    new, more = await untold(ports, topic)
    if not new:
        return Result(None, reason="nothing is gathered that was not told")
    alert = _alert(topic, new, now)
    await ports.alerts.put(alert.message())
    await mark_told(ports, topic, new)
    if more:
        await _appoint(ports, topic, SOON_S, now)
    await entries(ports, topic)  # what is forgotten goes
    return Result(alert.outcome, alert.alert_id, alert.reason or "", topic.resource_id)


def _alert(topic: Topic, new: Sequence[Entry], now: datetime) -> Alert:
    fight = topic.kind is Kind.FIGHT
    who = "" if fight else f" (written by {callers(new)})"
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


def callers(some: Sequence[Entry]) -> str:
    """Each once, the first few."""
    every = list(dict.fromkeys(one.by for one in some))
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


def _topic_values(topic: Topic, due: datetime | None, last: datetime | None) -> dict[str, Value]:
    return {
        "kind": str(topic.kind),
        "resource": topic.resource_id,
        "type": topic.resource_type,
        "words": topic.words,
        "due": due.isoformat() if due else "",
        "last": last.isoformat() if last else "",
    }


def _topic(row: Row) -> Topic | None:
    """A row as the topic; None if it is none of ours."""
    try:
        kind, *rest = (str(row.values[name]) for name in ("kind", "resource", "type", "words"))
        return Topic(Kind(kind), *rest)
    except (KeyError, ValueError):
        return None
