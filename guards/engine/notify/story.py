"""An alert of any version as title, tone, facts and links. Never raises: an alert is never lost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Outcome
from guards.engine.notify.gist import Gist, began, clock, gist, lasting, time_of
from guards.engine.notify.parcel import Item, Links
from guards.engine.notify.sheet import Button, Fact, Section, first

_MOST = 10
"""Findings and changes that are listed."""

_MOST_KEYS = 40
_MAX_VALUE = 300
_MAX_REASON = 4096
_MAX_URL = 2000
"""Teams and mail readers cut longer addresses."""

_CLOSED = {Outcome.REVERTED, Outcome.FOUND_CLOSED, Outcome.DELETED_MEANWHILE}
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
    facts = [_open_for(alert, short), *_who(alert, short), _operation(alert), same]
    return (
        Section("What was open", found),
        Section("", _present(facts)),
        Section("What was changed", () if same.value else changes),
        Section("Reason", text=clean(alert.get("reason"), _MAX_REASON)),
        Section("Details", _details(item, short), aside=True),
    )


def _unknown(item: Item) -> tuple[Section, ...]:
    """Every key with its value."""
    facts = [Fact(clean(key, 64), short_text(value)) for key, value in item.alert.items()]
    note = Fact("Sent here because", clean(item.note, _MAX_VALUE))
    return (Section("", first(facts, _MOST_KEYS)), Section("", _present([note])))


def _present(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact.value)


def short_text(value: object, most: int = _MAX_VALUE) -> str:
    """A value of JSON for people, cut; "" for none."""
    if value is None or isinstance(value, str):
        return clean(value, most)
    try:
        return clean(json.dumps(value, ensure_ascii=False), most)
    except (TypeError, ValueError, RecursionError):
        return "(cannot be shown)"


def _listed(value: object, before: str, after: str) -> tuple[Fact, ...]:
    """A list as facts; a list that was shortened to text on its way stays text."""
    if not isinstance(value, list):
        return _present([Fact("", short_text(value))])
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


def _open_for(alert: Mapping[str, Any], short: Gist) -> Fact:
    since, closed = began(alert), time_of(alert.get("closedAt"))
    value = ""
    if since and closed:
        value = f"{lasting((closed - since).total_seconds())}, until {clock(closed)}"
    elif short.outcome not in _CLOSED and alert.get("findings"):
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
    given = clean(alert.get("resourceId"), _MAX_VALUE)
    return _present(
        [
            Fact("Sent here because", clean(item.note, _MAX_VALUE)),
            Fact("Note", clean(alert.get("note"), _MAX_VALUE)),
            Fact("Subscription", short.resource.subscription if short.resource else ""),
            Fact("Resource ID", clean(str(short.resource), 2048) if short.resource else given),
            Fact("Correlation ID", clean(alert.get("correlationId"))),
            Fact("Policy", clean(alert.get("policyHash"))[:12]),
            Fact("Alert ID", short.alert_id),
            Fact("Undo", f"{requests} in the alert" if count else ""),
        ]
    )
