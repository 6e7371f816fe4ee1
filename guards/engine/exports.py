"""Whose SAS link it is that is out: the event says so while it is fresh, later the shared state.

A grant by a listed exporter is recorded and left alone while it lasts. One by any other known
caller is cut at once. What takes more than this look is recorded, too: a message of `guard-work`
is not believed about who took a link. All else is a link nobody knows of, and looks like a
backup's.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from guards.engine.alerts import digest
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.exposure import hands_out
from guards.engine.ids import ResourceId
from guards.engine.look import Look
from guards.engine.model import Body, Caller, Granter, ResourceChange, Source
from guards.engine.policy import Policy
from guards.engine.policy.exporters import Exporter
from guards.engine.ports import Ports
from guards.engine.shapes import moment, timestamp
from guards.engine.store import Conflict, Delete, Insert, Put, Row, Value

log = logging.getLogger(__name__)

FRESH = timedelta(minutes=5)
"""A grant that is older says nothing about the link that is out now."""

PENDING = timedelta(hours=24)
"""So long it is tried to cut a stranger's link that could not be cut at once."""

PARTITION = "exports"
_TRIES = 4
_SUCCEEDED = "microsoft.resources.resourceactionsuccess"


@dataclass(frozen=True, slots=True)
class Grant:
    """Who handed a link out and when; an exporter's lasts `until`.

    `new` says that it is not recorded as an exporter's yet, `expired` that the exporter's entry has
    ended since.
    """

    granter: Granter
    at: datetime | None = None
    until: datetime | None = None
    caller: Caller = field(default_factory=Caller)
    new: bool = False
    expired: bool = False

    @property
    def who(self) -> str:
        """Whoever handed it out, for people."""
        return clean(self.caller.name or self.caller.object_id or self.caller.app_id)


NO_GRANT = Grant(Granter.NOBODY)
_UNKNOWN = Grant(Granter.UNKNOWN)


def is_fresh(change: ResourceChange, now: datetime) -> bool:
    """Whether a grant was made just now, by a caller that the event names, and succeeded."""
    at = moment(change.event_time)
    recent = at is not None and abs(now - at) < FRESH
    return recent and bool(change.caller) and change.event_type.lower() == _SUCCEEDED


async def grant_of(look: Look, body: Body) -> Grant:
    """Whose link is out, or about to be.

    The shared state is asked only where it matters: while a link is out, or before something is
    changed where an exporter may be at work.

    Raises:
        Transient: it cannot be told whether an exporter's export lasts.
    """
    links, change = look.guard.links, look.task.change
    if links is None:
        return NO_GRANT
    granting = hands_out(change, links.grants)
    out = bool(look.guard.exposure(body))
    covered = _covered(look.policy, look.resource)
    fresh = False
    if granting and look.task.source is Source.EVENT:
        recorded = await _exporters(look)
        if recorded is not None:
            return recorded
        fresh = is_fresh(change, look.ports.clock.now())
        if fresh and not covered:
            return _foreign(change)
    if not (out or granting or (covered and look.judge(body).to_close)):
        return NO_GRANT
    known = await _recalled(look, out=out, covered=covered)
    if fresh:
        newer = known is not None and known.granter is Granter.EXPORTER and _after(known, change)
        return known if newer and known else _foreign(change)
    return known or (_UNKNOWN if out or granting else NO_GRANT)


def _foreign(change: ResourceChange) -> Grant:
    return Grant(Granter.FOREIGN, moment(change.event_time))


def _after(known: Grant, change: ResourceChange) -> bool:
    """Whether the link that is known of is younger than an event's, which came late or twice."""
    at = moment(change.event_time)
    return known.at is not None and at is not None and known.at > at


def _before(known: Grant, grant: Grant) -> bool:
    return known.at is None or grant.at is None or known.at < grant.at


def _covered(policy: Policy, resource: ResourceId) -> bool:
    """Whether any exporter may export the resource."""
    return any(one.scope.holds_for(resource) for one in policy.exporters)


async def _exporters(look: Look) -> Grant | None:
    """The grant of an event, if an exporter made it and it is not over by now."""
    change, now = look.task.change, look.ports.clock.now()
    grant = _allowed(look, change.caller, moment(change.event_time), change.request.duration_s)
    if grant is None:
        return None
    row = await look.ports.store.get(PARTITION, _key(look.resource))
    known = _kept(look, row, now) if row else None
    if known is not None and known.granter is Granter.EXPORTER and not _before(known, grant):
        return replace(known, expired=grant.expired)  # doubled, or late behind another export
    return grant


async def record(look: Look, grant: Grant) -> None:
    """Keep that an exporter's export lasts, unless a younger one is known by now.

    Raises:
        Transient: the store cannot be reached.
    """
    until = grant.until.isoformat() if grant.until else ""
    await _write(look.ports, look.resource, grant.caller, grant.at, {"until": until})


def _allowed(look: Look, caller: Caller, at: datetime | None, asked_s: int) -> Grant | None:
    """The grant that an entry of `exporters` allowed when it was made; None if there is none."""
    now = look.ports.clock.now()
    if at is None or not caller:
        return None
    at = min(at, now)
    exporter = look.policy.exporter(caller, look.resource, at)
    if exporter is None:
        return None
    until = at + _lasting(exporter, asked_s)
    grant = Grant(Granter.EXPORTER, at, until, caller, new=True, expired=not exporter.counts(now))
    return grant if now < until else None


def _lasting(exporter: Exporter, asked_s: int) -> timedelta:
    longest = timedelta(hours=exporter.hours)
    return min(timedelta(seconds=asked_s), longest) if asked_s else longest


async def remember(
    ports: Ports, resource: ResourceId, change: ResourceChange, lasting: timedelta = PENDING
) -> None:
    """Keep who took a link for the looks that follow: whether it may be, they find out.

    Raises:
        Transient: the store cannot be reached.
    """
    at = moment(change.event_time)
    if at is None:
        return
    more: dict[str, Value] = {"askedS": change.request.duration_s}
    more["pending"] = (at + lasting).isoformat()
    await _write(ports, resource, change.caller, at, more)


async def keep(look: Look, lasting: timedelta = PENDING) -> None:
    """Before an event's look is made again from the queue: who took the link. Never raises."""
    links, change = look.guard.links, look.task.change
    if links is None or look.task.source is not Source.EVENT:
        return
    if not (hands_out(change, links.grants) and is_fresh(change, look.ports.clock.now())):
        return
    try:
        await remember(look.ports, look.resource, change, lasting)
    except Transient as e:
        log.warning("who took the link to %s will not be known later: %s", look.resource, e)


async def forget(ports: Ports, resource: ResourceId, cut_at: str) -> None:
    """A link was cut: what was remembered until then must not cut the next one. Never raises."""
    cut = moment(cut_at)
    try:
        row = await ports.store.get(PARTITION, _key(resource))
        at = moment(str(row.values.get("at", ""))) if row else None
        younger = cut is not None and at is not None and at > cut
        if row is not None and not younger:
            await ports.store.write(PARTITION, Delete(row.key, row.etag))
    except Conflict:
        return  # somebody has taken a link since, and is remembered
    except Transient as e:
        log.warning("that a link to %s was cut is not recorded: %s", resource, e)


async def _write(
    ports: Ports,
    resource: ResourceId,
    caller: Caller,
    at: datetime | None,
    more: Mapping[str, Value],
) -> None:
    """A row in place of an older one; what comes late displaces nothing that still counts.

    Raises:
        Transient: the store cannot be reached, or too many write at once.
    """
    key = _key(resource)
    values: dict[str, Value] = {
        "resource": str(resource),
        "principal": caller.object_id,
        "app": caller.app_id,
        "who": caller.name,
        "at": at.isoformat() if at else "",
        **more,
    }
    for _ in range(_TRIES):
        row = await ports.store.get(PARTITION, key)
        if row is not None and at is not None and _lasts_beyond(row, at, ports.clock.now()):
            return
        try:
            write = Put(key, values, row.etag) if row else Insert(key, values)
            await ports.store.write(PARTITION, write)
        except Conflict:
            continue
        return
    raise Transient("who takes links is written by too many at once")


def _lasts_beyond(row: Row, at: datetime, now: datetime) -> bool:
    """Whether a row still counts and is younger than what comes now, or of the same export."""
    said = {name: str(value) for name, value in row.values.items()}
    its, until, pending = (moment(said.get(name, "")) for name in ("at", "until", "pending"))
    end = until or pending
    if its is None or end is None or now >= end:
        return False
    return its > at or (its == at and until is not None)


async def _recalled(look: Look, *, out: bool, covered: bool) -> Grant | None:
    """What is remembered of a resource, if it still holds.

    Raises:
        Transient: nobody knows, and an exporter may be at work.
    """
    now = look.ports.clock.now()
    try:
        row = await look.ports.store.get(PARTITION, _key(look.resource))
    except Transient as e:
        if covered:
            raise
        log.warning("who took the link to %s is not known: %s", look.resource, e)
        return None
    grant = _kept(look, row, now) if row else None
    if grant is None or grant.at is None:
        return None
    if out or look.guard.links is None or not look.guard.links.shown:
        return grant
    # An export that has begun shows; the link of one that was granted just now may not yet.
    over = now - grant.at > FRESH
    seen = look.task.evidence is not None and look.links_among(look.task.evidence.findings)
    if grant.granter is Granter.FOREIGN and (over or seen):
        await forget(look.ports, look.resource, timestamp(now))  # it ended, and another may come
        return None
    return None if over else grant


def _kept(look: Look, row: Row, now: datetime) -> Grant | None:
    """A row as the grant it keeps; None if that is over, or the row says nothing."""
    said = {name: str(value) for name, value in row.values.items()}
    at, until, pending = (moment(said.get(name, "")) for name in ("at", "until", "pending"))
    caller = Caller(said.get("principal", ""), said.get("app", ""), clean(said.get("who", "")))
    if at is None:
        return None
    if until is not None:
        return Grant(Granter.EXPORTER, at, until, caller) if now < until else None
    asked = row.values.get("askedS")
    grant = _allowed(look, caller, at, asked if isinstance(asked, int) else 0)
    if grant is None and pending is not None and now < pending:
        return Grant(Granter.FOREIGN, at)
    return grant


def _key(resource: ResourceId) -> str:
    return digest(resource.key)
