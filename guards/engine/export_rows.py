"""What all instances know of links: exports that last, and events of links taken by strangers.

Two kinds of rows in one partition: an exporter's export, one row a resource; and what an event said
of who took a link, one row an event. A message of `guard-work` is not believed about that, so its
look asks for the row of its event: nobody else's link hangs on it.
"""

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from guards.engine.alerts import digest
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Caller, ResourceChange
from guards.engine.ports import Ports
from guards.engine.shapes import moment
from guards.engine.store import Conflict, Delete, Insert, Put, Row, Value

log = logging.getLogger(__name__)

PENDING = timedelta(hours=24)
"""So long it is tried to cut a stranger's link that could not be cut at once."""

PARTITION = "exports"
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Export:
    """An exporter's export; `next_look` is when somebody looks whether it has ended."""

    caller: Caller
    at: datetime
    until: datetime
    next_look: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What an event said of a link: who took it, when, and for how long it was asked for.

    `cut` says that this very link is dealt with.
    """

    caller: Caller
    at: datetime
    asked_s: int
    pending: bool
    cut: bool


async def export(ports: Ports, resource: ResourceId) -> Export | None:
    """The export of a resource that lasts, as far as anybody knows.

    Raises:
        Transient: the store cannot be reached.
    """
    row = await ports.store.get(PARTITION, _key(resource))
    found = _export(row) if row else None
    return found if found and ports.clock.now() < found.until else None


async def keep_export(
    ports: Ports, resource: ResourceId, caller: Caller, at: datetime, until: datetime
) -> None:
    """Record an export, unless a younger one is known, or this one.

    Raises:
        Transient: the store cannot be reached, or too many write at once.
    """
    key, now = _key(resource), ports.clock.now()
    values = _of_export(resource, caller, at, until)
    for _ in range(_TRIES):
        row = await ports.store.get(PARTITION, key)
        known = _export(row) if row else None
        if known is not None and now < known.until and known.at >= at:
            return
        try:
            write = Put(key, values, row.etag) if row else Insert(key, values)
            await ports.store.write(PARTITION, write)
        except Conflict:
            continue
        return
    raise Transient("who exports what is written by too many at once")


async def appoint(ports: Ports, resource: ResourceId, known: Export, when: datetime) -> None:
    """Write down when somebody looks again; who is slower has looked in vain.

    Raises:
        Transient: the store cannot be reached.
    """
    values = _of_export(resource, known.caller, known.at, known.until)
    values["next"] = when.isoformat()
    try:
        await ports.store.write(PARTITION, Put(_key(resource), values, known.etag))
    except Conflict:
        log.info("another look at the export of %s is appointed", resource)


async def end_export(ports: Ports, resource: ResourceId, known: Export) -> None:
    """An export is over before its time: what comes next is somebody else's. Never raises."""
    try:
        await ports.store.write(PARTITION, Delete(_key(resource), known.etag))
    except Conflict:
        return  # another one has begun
    except Transient as e:
        log.warning("that the export of %s is over is not recorded: %s", resource, e)


async def taken(ports: Ports, resource: ResourceId, change: ResourceChange) -> Taken | None:
    """What the event of a link said, if an earlier look wrote it down.

    Raises:
        Transient: the store cannot be reached.
    """
    row = await ports.store.get(PARTITION, _key(resource, change))
    if row is None:
        return None
    at, pending = (moment(str(row.values.get(name, ""))) for name in ("at", "pending"))
    if at is None:
        return None
    asked = row.values.get("askedS")
    return Taken(
        caller=_caller(row),
        at=at,
        asked_s=asked if isinstance(asked, int) else 0,
        pending=pending is not None and ports.clock.now() < pending,
        cut=bool(row.values.get("cut")),
    )


async def keep_taken(
    ports: Ports, resource: ResourceId, change: ResourceChange, *, pending: bool
) -> None:
    """Keep what an event says of a link, unless it is known; `pending` if it is to be cut.

    Raises:
        Transient: the store cannot be reached.
    """
    row = Insert(_key(resource, change), _of_taken(ports, resource, change, pending=pending))
    with contextlib.suppress(Conflict):
        await ports.store.write(PARTITION, row)


async def keep_cut(ports: Ports, resource: ResourceId, change: ResourceChange | None) -> None:
    """Write down that all links to a resource were ended just now, and by which event's look.

    Raises:
        Transient: the store cannot be reached.
    """
    at = ports.clock.now().isoformat()
    writes = [Put(_ended(resource), {"resource": str(resource), "at": at})]
    if change is not None:
        values = _of_taken(ports, resource, change, pending=False)
        writes.append(Put(_key(resource, change), {**values, "cut": 1}))
    await ports.store.write(PARTITION, *writes)


async def ended(ports: Ports, resource: ResourceId) -> datetime | None:
    """When the guard last ended all links to a resource, as far as anybody knows.

    Raises:
        Transient: the store cannot be reached.
    """
    row = await ports.store.get(PARTITION, _ended(resource))
    return moment(str(row.values.get("at", ""))) if row else None


async def keep_told(ports: Ports, resource: ResourceId, change: ResourceChange) -> None:
    """Write down that an alert tells of the link an event is about.

    Raises:
        Transient: the store cannot be reached.
    """
    values = {"resource": str(resource), "at": ports.clock.now().isoformat()}
    await ports.store.write(PARTITION, Put(_told(resource, change), values))


async def told(ports: Ports, resource: ResourceId, change: ResourceChange) -> bool:
    """Whether one does.

    Raises:
        Transient: the store cannot be reached.
    """
    return await ports.store.get(PARTITION, _told(resource, change)) is not None


def _of_taken(
    ports: Ports, resource: ResourceId, change: ResourceChange, *, pending: bool
) -> dict[str, Value]:
    now = ports.clock.now()
    at = min(moment(change.event_time) or now, now)  # another clock may be ahead
    return {
        **_of_caller(resource, change.caller),
        "at": at.isoformat(),
        "askedS": change.request.duration_s,
        "pending": (now + PENDING).isoformat() if pending else "",
        "cut": 0,
    }


def _of_export(
    resource: ResourceId, caller: Caller, at: datetime, until: datetime
) -> dict[str, Value]:
    who = _of_caller(resource, caller)
    return {**who, "at": at.isoformat(), "until": until.isoformat()}


def _of_caller(resource: ResourceId, caller: Caller) -> dict[str, Value]:
    return {
        "resource": str(resource),
        "principal": caller.object_id,
        "app": caller.app_id,
        "who": caller.name,
    }


def _caller(row: Row) -> Caller:
    principal, app, who = (
        clean(str(row.values.get(name, ""))) for name in ("principal", "app", "who")
    )
    return Caller(principal, app, who)


def _export(row: Row) -> Export | None:
    at, until, look = (moment(str(row.values.get(name, ""))) for name in ("at", "until", "next"))
    return Export(_caller(row), at, until, look, row.etag) if at and until else None


def _key(resource: ResourceId, change: ResourceChange | None = None) -> str:
    """Of the export of a resource, or of one event of it."""
    return digest(resource.key, *(("event", change.event_id) if change else ()))


def _told(resource: ResourceId, change: ResourceChange) -> str:
    return digest(resource.key, "told", change.event_id)


def _ended(resource: ResourceId) -> str:
    return digest(resource.key, "ended")
