"""A parcel as mail: a subject to filter on, HTML, the same as plain text, and a list of all."""

from collections.abc import Iterator
from dataclasses import dataclass

from guards.engine import alerts
from guards.engine.events import clean
from guards.engine.notify import page
from guards.engine.notify.digest import Digest, counted, digest, plural
from guards.engine.notify.gist import Gist, gist, link_of
from guards.engine.notify.mail_html import FOOTER, html
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.sheet import Room, Section, Sheet
from guards.engine.notify.times import time_of
from guards.engine.notify.titles import REPORTS

MOST_ALERTS = 2000
"""Of a digest: all of them are in the attachment, of some hundred KB."""

_LISTED = 50
_MAX_SUBJECT = 150
_ROOM = Room(value=2048, text=4096, facts=_LISTED)
_COLUMNS = ("outcome", "severity", "resourceId", "seenAt")
_LINK = ("secondsOpen", "grantedAt", "revokedAt")
"""Of the SAS link that was out, where one was."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of text."""

    name: str
    content_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `key` is the same for the same news: letters, digits, dots and dashes."""

    subject: str
    text: str
    html: str
    key: str
    attachment: Attachment | None = None


def compose(parcel: Parcel) -> Mail:
    """The mail about one alert, or about many."""
    if len(parcel.items) == 1:
        sheet, item = page.of(parcel).within(_ROOM), parcel.items[0]
        subject = clean(f"[Export Guard] {_subject(gist(item.alert))}", _MAX_SUBJECT)
        return Mail(subject, text(sheet), html(sheet), _key(item))
    many = digest(parcel)
    sheet = page.of_digest(many, parcel.links, _LISTED).within(_ROOM)
    return Mail(
        subject=clean(f"[Export Guard] {_digest_subject(many)}", _MAX_SUBJECT),
        text=text(sheet),
        html=html(sheet),
        key=alerts.digest([_key(item) for item in parcel.items]),
        attachment=Attachment("alerts.csv", "text/csv", _csv(parcel)),
    )


def text(sheet: Sheet) -> str:
    """The plain text: what the HTML shows, in the same order."""
    parts = [f"{sheet.title}\n{sheet.line}", *map(_section, sheet.sections)]
    parts += ["\n".join(f"{button.title}: {button.url}" for button in sheet.buttons)]
    parts += [FOOTER]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section) -> str:
    facts = [f"{fact.label}: {fact.value}" if fact.label else fact.value for fact in section.facts]
    return "\n".join(line for line in (section.title, section.text, *facts) if line)


def _subject(short: Gist) -> str:
    severity = f"{short.severity.upper()} " if short.severity else ""
    if short.outcome is None or not short.name:
        return f"{severity}{short.title.removeprefix(REPORTS)}"
    return f"{severity}{short.outcome}: {short.label}"


def _digest_subject(many: Digest) -> str:
    """`HIGH digest: 412 alerts, 3 blocked`; how all ended if none of it needs a person."""
    severity = f"{many.worst.upper()} " if many.worst else ""
    counts = counted(told.gist for told in many.urgent) or many.counts
    return f"{severity}digest: {plural(many.total, 'alert')}, {counts}"


def _key(item: Item) -> str:
    """The ID, how it ended and when it was seen.

    A look that was put off, and its end, are two pieces of news; so is a reminder the day after.
    """
    short, seen = gist(item.alert), time_of(item.alert.get("seenAt"))
    when = f".{seen:%Y%m%dT%H%M%S}" if seen else ""
    return f"{short.alert_id}.{(short.outcome or 'unknown').replace(' ', '-')}{when}"


def _csv(parcel: Parcel) -> str:
    header = ("alertId", *_COLUMNS, *_LINK)
    rows = (_cells(item) for item in parcel.items)
    return "".join(f"{','.join(map(_cell, row))}\r\n" for row in (header, *rows))


def _cells(item: Item) -> Iterator[str]:
    short, link = gist(item.alert), link_of(item.alert)
    yield short.alert_id
    for column in _COLUMNS:
        yield clean(item.alert.get(column), 2048 if column == "resourceId" else 64)
    yield "" if short.open_s is None else f"{short.open_s:.1f}"
    for column in _LINK[1:]:
        yield clean(link.get(column), 64)


def _cell(value: str) -> str:
    """A cell in ASCII that no spreadsheet takes for a formula."""
    plain = value.encode("ascii", "backslashreplace").decode()
    guarded = f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain
    return '"' + guarded.replace('"', '""') + '"'
