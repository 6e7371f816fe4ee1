"""Whose SAS link it is that is out: the event says so while it is fresh, later the shared state.

A grant by a listed exporter is recorded and left alone while it lasts. One by any other known
caller is cut at once, or by later looks of the same event. All else is a link nobody knows of, and
looks like a backup's.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from guards.engine import export_rows as rows
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.exposure import hands_out
from guards.engine.ids import ResourceId
from guards.engine.look import Look
from guards.engine.model import Body, Caller, Granter, Guard, Lead, ResourceChange, Source
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from guards.engine.shapes import moment
from guards.engine.tasks import Task

log = logging.getLogger(__name__)

FRESH = timedelta(minutes=5)
"""A grant that is older says nothing about the link that is out now."""

_SUCCEEDED = "microsoft.resources.resourceactionsuccess"


@dataclass(frozen=True, slots=True)
class Grant:
    """Who handed a link out and when; an exporter's lasts `until`.

    `new` says that an exporter's is not recorded yet, `expired` that its entry has ended since,
    `doubtful` that an event tells of another link taken while it lasts, `spent` that the link this
    look is about was cut before.
    """

    granter: Granter
    at: datetime | None = None
    until: datetime | None = None
    caller: Caller = field(default_factory=Caller)
    new: bool = False
    expired: bool = False
    doubtful: bool = False
    spent: bool = False

    @property
    def who(self) -> str:
        """Whoever handed it out, for people."""
        return clean(self.caller.who)


@dataclass(frozen=True, slots=True)
class _Said:
    """What is believed of the event that led here: of a fresh event itself, else of its row."""

    caller: Caller
    at: datetime
    asked_s: int
    fresh: bool
    cut: bool


NO_GRANT = Grant(Granter.NOBODY)
_UNKNOWN = Grant(Granter.UNKNOWN)


def is_fresh(change: ResourceChange, now: datetime) -> bool:
    """Whether a grant was made just now, by a caller that the event names, and succeeded."""
    at = moment(change.event_time)
    recent = at is not None and abs(now - at) < FRESH
    return recent and bool(change.caller) and succeeded(change)


def succeeded(change: ResourceChange) -> bool:
    """Whether an event is of an action that was carried out."""
    return change.event_type.lower() == _SUCCEEDED


def by_exporter(
    policy: Policy, resource: ResourceId, change: ResourceChange, now: datetime
) -> bool:
    """Whether a listed exporter took the link, even if its export is over by now."""
    return policy.exporter(change.caller, resource, moment(change.event_time) or now) is not None


def is_grant(look: Look) -> bool:
    """Whether what led here is the event of a link being handed out."""
    return hands_out(look.task.change, _of(look.guard))


async def grant_of(look: Look, body: Body) -> Grant:
    """Whose link is out, or about to be.

    The shared state is asked only where it matters: by looks that were put off, where an exporter
    may be at work, and not between the event of a stranger's link and its end.

    Raises:
        Transient: it cannot be told whose link it is, and it may be an exporter's.
    """
    if look.guard.links is None:
        return NO_GRANT
    granting, covered = is_grant(look), _covered(look.policy, look.resource)
    out = bool(look.guard.exposure(body))
    said = await _said(look, covered=covered) if granting else None
    if said is not None and said.cut:
        return Grant(
            Granter.UNKNOWN if out and look.guard.links.shown else Granter.NOBODY, spent=True
        )
    mine = _allowed(look, said) if said else None
    foreign = Grant(Granter.FOREIGN, said.at, None, said.caller) if said and said.fresh else None
    if foreign is not None and not covered:
        return foreign
    if mine is None and not (out or (covered and (granting or look.judge(body).to_close))):
        return _UNKNOWN if granting else NO_GRANT
    lasting = await _lasting(look, out=out, covered=covered)
    if mine is not None:
        return lasting if lasting and not _younger(mine, lasting) else mine
    if lasting is not None and not (foreign and not _younger(lasting, foreign)):
        return replace(lasting, doubtful=granting)
    if foreign is not None:
        return foreign  # of two links at a time Azure refuses the second: an exporter's has ended
    if out and covered and not granting and _young(look):
        raise Transient("a link is out, and an exporter's event may be on its way")
    return _UNKNOWN if out or granting else NO_GRANT


def _young(look: Look) -> bool:
    """Whether what led here was first seen just now: another event may still come."""
    seen = moment(look.task.first_seen)
    return seen is not None and look.ports.clock.now() - seen < FRESH


def _younger(one: Grant, other: Grant) -> bool:
    """Whether one was handed out after the other."""
    return one.at is not None and other.at is not None and one.at > other.at


def _covered(policy: Policy, resource: ResourceId) -> bool:
    """Whether any exporter may export the resource."""
    return any(one.scope.holds_for(resource) for one in policy.exporters)


async def _said(look: Look, *, covered: bool) -> _Said | None:
    """Who took the link that this look is about; None if that is not known for sure.

    Raises:
        Transient: the store cannot be reached, and it would know.
    """
    change, ports = look.task.change, look.ports
    now = ports.clock.now()
    asked = covered or look.task.source is not Source.EVENT
    known = await rows.taken(ports, look.resource, change) if asked else None
    if look.task.source is not Source.EVENT:
        if known is None:
            return None
        return _Said(known.caller, known.at, known.asked_s, known.pending, known.cut)
    at = moment(change.event_time)
    if at is None or not change.caller:
        return None
    cut = (known is not None and known.cut) or ports.recent.has(look.resource.key, change.event_id)
    fresh = is_fresh(change, now)
    return _Said(change.caller, min(at, now), change.request.duration_s, fresh, cut)


def _allowed(look: Look, said: _Said) -> Grant | None:
    """The grant, if an entry of `exporters` allowed it when it was made and it may still last."""
    now = look.ports.clock.now()
    exporter = look.policy.exporter(said.caller, look.resource, said.at) if said.caller else None
    if exporter is None:
        return None
    longest = timedelta(hours=exporter.hours)
    until = said.at + (min(timedelta(seconds=said.asked_s), longest) if said.asked_s else longest)
    expired = not exporter.counts(now)
    grant = Grant(Granter.EXPORTER, said.at, until, said.caller, new=True, expired=expired)
    return grant if now < until else None


async def _lasting(look: Look, *, out: bool, covered: bool) -> Grant | None:
    """The exporter's export that is recorded and lasts, whoever is listed by now.

    Raises:
        Transient: the store cannot be reached, and an exporter may be at work.
    """
    try:
        known = await rows.export(look.ports, look.resource)
    except Transient as e:
        if covered:
            raise
        log.warning("whether %s is being exported is not known: %s", look.resource, e)
        return None
    if known is None:
        return None
    # An export that has begun shows; the link of one that was granted just now may not yet.
    shown = look.guard.links is not None and look.guard.links.shown
    if shown and not out and look.ports.clock.now() - known.at > FRESH:
        await rows.end_export(look.ports, look.resource, known)
        return None
    return Grant(Granter.EXPORTER, known.at, known.until, known.caller)


async def keep(task: Task, found: Guard | Lead, resource: ResourceId, ports: Ports) -> bool | None:
    """Before the queue goes on: who took the link that an event is about; whether it is fresh.

    Only the event itself is believed. None if it is no event, names nobody, or is about no link.

    Raises:
        Transient: it cannot be kept, so the event itself must come again.
    """
    change = task.change
    if task.source is not Source.EVENT or not change.caller or not hands_out(change, _of(found)):
        return None
    fresh = is_fresh(change, ports.clock.now())  # a late one matters if an exporter's
    if ports.recent.has(resource.key, change.event_id):
        return fresh  # cut by now, and written down as that
    await rows.keep_taken(ports, resource, change, pending=fresh)
    return fresh


def _of(found: Guard | Lead) -> tuple[str, ...]:
    """The operations that hand out links."""
    if isinstance(found, Lead):
        return found.grants
    return found.links.grants if found.links else ()


async def settle(look: Look) -> None:
    """Links were cut: their event, should it come again, must not cut the next one. Never raises.

    This process remembers it at once; others learn it from the store.
    """
    change, granting = look.task.change, is_grant(look)
    if look.guard.links is None:
        return
    if granting:
        look.ports.recent.add(look.resource.key, change.event_id)
    covered = granting and _covered(look.policy, look.resource)
    try:
        await rows.keep_cut(look.ports, look.resource, change if granting else None)
        known = await rows.export(look.ports, look.resource) if covered else None
        at = moment(change.event_time)
        if known is not None and at is not None and known.at <= at:
            await rows.end_export(look.ports, look.resource, known)  # its link ended as well
    except Transient as e:
        log.warning("that a link to %s was cut is not recorded: %s", look.resource, e)
