"""An alert of any version as title, tone, facts and links. Never raises: an alert is never lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.notify.exposure import exposure
from guards.engine.notify.gist import Gist, gist, link_of
from guards.engine.notify.parcel import Item, Links
from guards.engine.notify.sheet import (
    MAX_REASON,
    MAX_VALUE,
    Button,
    Fact,
    Section,
    first,
    present,
    short_text,
)
from guards.engine.notify.times import began, clock, lasting, time_of
from guards.engine.notify.titles import link_only

_MOST = 10
"""Findings and changes that are listed."""

_MOST_KEYS = 40
_MAX_URL = 2000
"""Teams and mail readers cut longer addresses."""

NOT_SET = "not set (Azure's default)"


@dataclass(frozen=True, slots=True)
class Story:
    """One alert as people read it, sections in order."""

    gist: Gist
    sections: tuple[Section, ...]
    buttons: tuple[Button, ...]


def story(item: Item, links: Links) -> Story:
    """What one alert tells, whatever its version."""
    short = gist(item.alert)
    told = _unknown(item) if short.outcome is None else _known(item, short)
    sections = tuple(section for section in told if section.facts or section.text)
    return Story(short, sections, buttons(links, short.resource))


def buttons(links: Links, resource: ResourceId | None = None) -> tuple[Button, ...]:
    """Where a person goes from here. An ID is data: links are built from its parsed parts."""
    found = []
    if resource is not None:
        page = f"{links.portal}/#@/resource{resource.path}"
        found.append(Button("Open in Azure portal", f"{page}/overview"))
        found.append(Button("Activity log", f"{page}/eventlogs"))
    if links.runbook:
        found.append(Button("Runbook", links.runbook))
    return tuple(one for one in found if one.url.isascii() and len(one.url) <= _MAX_URL)


def _known(item: Item, short: Gist) -> tuple[Section, ...]:
    alert = item.alert
    found, changes = _findings(alert.get("findings")), _changes(alert.get("changes"))
    same = Fact("Changed", "all of the above, as wanted" if found and found == changes else "")
    link = exposure(alert, short)
    who = [fact for fact in _who(alert, short) if fact not in link.facts]
    facts = [_open_for(alert, short), *who, _operation(alert), same]
    return (
        link,
        Section("What was open", found),
        Section("", present(facts)),
        Section("What was changed", () if same.value else changes),
        Section("", _deleted(alert.get("deleted"), short)),
        Section("Reason", text=clean(alert.get("reason"), MAX_REASON)),
        Section("Details", _details(item, short), aside=True),
    )


def _unknown(item: Item) -> tuple[Section, ...]:
    """Every key with its value."""
    facts = [Fact(clean(key, 64), short_text(value)) for key, value in item.alert.items()]
    note = Fact("Sent here because", clean(item.note, MAX_VALUE))
    return (Section("", first(facts, _MOST_KEYS)), Section("", present([note])))


def _listed(value: object, before: str, after: str) -> tuple[Fact, ...]:
    """A list as facts; a list that was shortened to text on its way stays text."""
    if not isinstance(value, list):
        return present([Fact("", short_text(value))])
    return first([_step(one, before, after) for one in value], _MOST)


def _findings(value: object) -> tuple[Fact, ...]:
    return _listed(value, "actual", "desired")


def _step(one: object, before: str, after: str) -> Fact:
    """`networkAccessPolicy`: `AllowAll → DenyAll`."""
    if not isinstance(one, Mapping):
        return Fact("", short_text(one))
    values = [short_text(one.get(key), 120) or NOT_SET for key in (before, after)]
    return Fact(_path(one), " → ".join(values))


def _path(one: Mapping[str, Any]) -> str:
    """A setting without the word that all of them begin with."""
    return clean(one.get("path"), 120).removeprefix("properties.")


def _changes(value: object) -> tuple[Fact, ...]:
    return _listed(value, "from", "to")


def _deleted(value: object, short: Gist) -> tuple[Fact, ...]:
    """`Deleted`: `nightly (Microsoft.ContainerRegistry/..), saved in the alert`."""
    if not isinstance(value, list):
        return present([Fact("Deleted", short_text(value))])
    doubt = "" if short.ended else "; it is still there if Azure refused"
    return first([Fact("Deleted", _child(one, doubt)) for one in value], _MOST)


def _child(one: object, doubt: str) -> str:
    if not isinstance(one, Mapping):
        return short_text(one)
    name, type_ = short_text(one.get("name"), 120), short_text(one.get("type"), 120)
    return f"{name or 'no name'} ({type_ or 'no type'}), saved in the alert{doubt}"


def _open_for(alert: Mapping[str, Any], short: Gist) -> Fact:
    since, closed = began(alert), time_of(alert.get("closedAt"))
    value = ""
    if link_only(alert) and link_of(alert):
        return Fact("Open for", "")  # the same as the link, which has been told
    if since and closed:
        value = f"{lasting((closed - since).total_seconds())}, until {clock(closed)}"
    elif not short.ended and alert.get("findings"):
        value = f"still open, since {clock(since)}" if since else "still open"
    return Fact("Open for", value)


def _who(alert: Mapping[str, Any], short: Gist) -> list[Fact]:
    caller = alert.get("caller")
    if not isinstance(caller, Mapping):
        return [Fact("Who", short_text(caller))]
    name, kind = clean(caller.get("name")), clean(caller.get("principalType"))
    known = name or clean(caller.get("objectId")) or clean(caller.get("appId"))
    unknown = "unknown: the event does not say" if short.name else ""
    return [
        Fact("Who", f"{name or 'no name'} ({kind})" if known and kind else name or unknown),
        Fact("IP address", clean(caller.get("ipAddress"))),
        Fact("Application", clean(caller.get("appId"))),
        Fact("Object ID", clean(caller.get("objectId"))),
    ]


def _operation(alert: Mapping[str, Any]) -> Fact:
    return Fact("Operation", clean(alert.get("operationName")))


def _details(item: Item, short: Gist) -> tuple[Fact, ...]:
    alert = item.alert
    undo = alert.get("undo")
    count = len(undo) if isinstance(undo, list) else 0
    requests = "1 ARM request is" if count == 1 else f"{count} ARM requests are"
    given = clean(alert.get("resourceId"), MAX_VALUE)
    return present(
        [
            Fact("Sent here because", clean(item.note, MAX_VALUE)),
            Fact("Note", clean(alert.get("note"), MAX_VALUE)),
            Fact("Subscription", short.resource.subscription if short.resource else ""),
            Fact("Resource ID", clean(str(short.resource), 2048) if short.resource else given),
            Fact("Correlation ID", clean(alert.get("correlationId"))),
            Fact("Policy", clean(alert.get("policyHash"))[:12]),
            Fact("Alert ID", short.alert_id),
            Fact("Undo", f"{requests} in the alert" if count else ""),
        ]
    )
