"""A parcel as a sheet: the story of one alert, or the digest of many."""

from collections.abc import Iterable

from guards.engine.events import clean
from guards.engine.model import Severity
from guards.engine.notify.digest import Digest, Group, Told, digest, plural
from guards.engine.notify.exposure import out_for
from guards.engine.notify.parcel import Links, Parcel
from guards.engine.notify.sheet import Button, Fact, Section, Sheet, first
from guards.engine.notify.story import buttons, story
from guards.engine.notify.times import clock, lasting

_MOST_GROUPS = 10
_MOST_URGENT = 20
_MAX_REASON = 140
"""Of one alert among many; the mail about it alone, and the alert, have all of it."""

_FIRST, _MAX_FIRST_REASON = 5, 320
"""In a mail the first ones say what to do, and have a button."""

_MAX_NAME = 40

MORE = "Other alerts wait and follow."


def of(parcel: Parcel) -> Sheet:
    """What the message about one alert, or about many, shows."""
    if len(parcel.items) != 1:
        return of_digest(digest(parcel), parcel.links)
    told = story(parcel.items[0], parcel.links)
    more = (Section(text=MORE),) if parcel.more else ()
    short = told.gist
    return Sheet(short.title, short.tone, short.line, told.sections + more, told.buttons)


def of_digest(many: Digest, links: Links, listed: int = 0) -> Sheet:
    """A digest; the first `listed` alerts by name as well, where there is room: in a mail."""
    alerts = [_row(told) for told in many.told[:listed]]
    sections = (
        Section("", (*_when(many), *_links(many))),
        Section("A person must look at", first(_urgent(many, long=bool(listed)), _MOST_URGENT)),
        Section("Who", _groups(many.callers)),
        Section("Where", _groups(many.scopes)),
        Section("What was open", _groups(many.rules)),
        Section(_first_of(listed, many.total), tuple(alerts)),
        Section(text=MORE if many.more else ""),
    )
    shown = tuple(section for section in sections if section.facts or section.text)
    lead = (*_urgent_buttons(many, links), *buttons(links)) if listed else buttons(links)
    return Sheet(many.headline, many.tone, _line(many), shown, lead, many.ids)


def _urgent(many: Digest, *, long: bool) -> list[Fact]:
    most = _MAX_FIRST_REASON if long else _MAX_REASON
    lengths = (most if number < _FIRST else _MAX_REASON for number in range(len(many.urgent)))
    return [_row(told, length) for told, length in zip(many.urgent, lengths, strict=True)]


def _urgent_buttons(many: Digest, links: Links) -> tuple[Button, ...]:
    """To the first resources that a person must look at."""
    found: dict[str, Button] = {}
    for told in many.urgent:
        for button in buttons(links, told.gist.resource)[:1] if told.gist.resource else ():
            found.setdefault(
                button.url, Button(f"Open {clean(told.gist.name, _MAX_NAME)}", button.url)
            )
    return tuple(found.values())[:_FIRST]


def _line(many: Digest) -> str:
    worst = f"{many.worst.upper()} · " if many.worst else ""
    return f"{worst}digest of {plural(many.total, 'alert')}"


def _first_of(listed: int, total: int) -> str:
    """Only mails list them, and have a file of all."""
    return f"The first {listed} of {total}; alerts.csv has all" if listed < total else "The alerts"


def _row(told: Told, reason: int = 0) -> Fact:
    """`HIGH`: `ledger (disk) in rg-data, reverted, link out for 47 s: why`."""
    short = told.gist
    ended = f", {short.outcome}" if short.outcome else ""
    link = f", link {out_for(short)}" if short.exposed else ""
    why = f": {clean(told.reason, reason)}" if reason and told.reason else ""
    return Fact(_severity(short.severity), f"{short.label}{short.where}{ended}{link}{why}")


def _severity(severity: Severity | None) -> str:
    return severity.upper() if severity else "?"


def _groups(groups: Iterable[Group]) -> tuple[Fact, ...]:
    """`412`: `AKS: 409 reverted, 3 blocked; 1 SAS link, out for 47 s (worst: high)`."""
    facts = [Fact(str(one.count), f"{one.name}: {_counts(one)}{_worst(one)}") for one in groups]
    return first(facts, _MOST_GROUPS)


def _counts(group: Group) -> str:
    return "; ".join(part for part in (group.counts, group.links) if part)


def _worst(group: Group) -> str:
    return f" (worst: {group.worst})" if group.worst else ""


def _links(many: Digest) -> tuple[Fact, ...]:
    return (Fact("Links", many.links),) if many.links else ()


def _when(many: Digest) -> tuple[Fact, ...]:
    if many.since is None or many.until is None:
        return ()
    if clock(many.since) == clock(many.until):
        return (Fact("When", clock(many.since)),)
    took = lasting((many.until - many.since).total_seconds())
    return (Fact("When", f"{clock(many.since)} to {clock(many.until)} ({took})"),)
