"""A parcel as Adaptive Card, in the body that a Teams workflow takes; always small enough.

Whatever the alerts hold, the JSON has fewer than `MAX_BYTES`: values are cut first, then facts;
the IDs of a digest never. Every text is escaped, since Teams draws Markdown.
"""

import json
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from guards.engine.notify import page
from guards.engine.notify.markdown import escape
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.sheet import Button, Fact, Room, Section, Sheet

MAX_BYTES = 28_000
"""Teams refuses a message from about 28 KB on."""

MOST_ALERTS = 300
"""Of a digest: their IDs take 19,500 bytes, and an ordinary digest still fits whole."""

type _Element = dict[str, Any]
_ROOMS = (
    Room(value=600, text=4096, facts=40),
    Room(value=300, text=1500, facts=20),
    Room(value=150, text=600, facts=10),
    Room(value=60, text=200, facts=8),
    Room(value=40, text=100, facts=4),
    Room(value=20, text=40, facts=0),
)
_ALL = 100_000
"""Longer than any text of a sheet, which has been cut already."""

_IDS = "ids"
_PHONE = 44
"""Characters beside each other on a phone, and those of the longest label that is one line."""

_LABEL = 20


def message(parcel: Parcel) -> dict[str, Any]:
    """The body for Teams: a card with colour, facts and buttons.

    At most `MOST_ALERTS` IDs are in it, if a parcel should hold more.
    """
    return _fitting(parcel, _coloured)


def plain(parcel: Parcel) -> dict[str, Any]:
    """The same in text blocks only, for where the card was refused."""
    return _fitting(parcel, _plain)


def size(body: _Element) -> int:
    """Bytes of a body as JSON, at its longest: everything but ASCII as escapes."""
    return len(json.dumps(body))


def _fitting(parcel: Parcel, draw: Callable[[Sheet], _Element]) -> _Element:
    sheet = page.of(parcel)
    bodies = (_body(draw(sheet.within(room))) for room in _ROOMS)
    return next(body for body in bodies if size(body) < MAX_BYTES)


def _body(content: _Element) -> _Element:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def _card(version: str, sheet: Sheet, body: list[_Element]) -> _Element:
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": version,
        "body": body,
        "fallbackText": escape(sheet.title, _ALL),
        "msteams": {"width": "Full"},
    }


def _coloured(sheet: Sheet) -> _Element:
    header = [
        _text(sheet.title, size="Medium", weight="Bolder"),
        _text(sheet.line, spacing="Small"),
    ]
    body = [{"type": "Container", "style": sheet.tone, "bleed": True, "items": header}]
    body += [element for section in sheet.sections for element in _section(section)]
    actions = [_link(button) for button in sheet.buttons]
    if sheet.ids:
        hidden = _text(_ids(sheet), fontType="Monospace", size="Small")
        body.append({"type": "Container", "id": _IDS, "isVisible": False, "items": [hidden]})
        toggle = {"type": "Action.ToggleVisibility", "title": "Alert IDs"}
        actions.append({**toggle, "targetElements": [_IDS]})
    return {**_card("1.4", sheet, body), "actions": actions}


def _ids(sheet: Sheet) -> str:
    return " ".join(sheet.ids[:MOST_ALERTS])


def _section(section: Section) -> list[_Element]:
    found = []
    if section.title:
        found.append(_text(section.title, weight="Bolder", spacing="Medium"))
    if section.text:
        found.append(_text(section.text, spacing="Small"))
    if section.aside:
        return found + [_text(line, size="Small", spacing="None") for line in _rows(section)]
    labels = min(max((len(fact.label) for fact in section.facts), default=0), _LABEL)
    for in_columns, facts in groupby(section.facts, lambda fact: _fits(fact, labels)):
        if in_columns:
            found.append({"type": "FactSet", "facts": [*map(_fact, facts)], "spacing": "Small"})
        else:
            found += [_text(_line(fact), spacing="Small") for fact in facts]
    return found


def _fits(fact: Fact, labels: int) -> bool:
    """Whether every word fits beside the labels on a phone: columns would not break it."""
    longest = max(map(len, re.split(r"[\s-]", fact.value)))
    return bool(fact.label) and labels + longest <= _PHONE


def _fact(fact: Fact) -> _Element:
    return {"title": escape(fact.label, _ALL), "value": escape(fact.value, _ALL)}


def _line(fact: Fact) -> str:
    return f"{fact.label}: {fact.value}" if fact.label else fact.value


def _rows(section: Section) -> list[str]:
    return [_line(fact) for fact in section.facts]


def _link(button: Button) -> _Element:
    return {"type": "Action.OpenUrl", "title": button.title, "url": button.url}


def _text(text: str, **look: str) -> _Element:
    return {"type": "TextBlock", "text": escape(text, _ALL), "wrap": True, **look}


def _plain(sheet: Sheet) -> _Element:
    lines = [sheet.line, *_lines(sheet.sections)]
    lines += [f"{button.title}: {button.url}" for button in sheet.buttons]
    lines += [f"Alert IDs: {_ids(sheet)}"] if sheet.ids else []
    return _card("1.2", sheet, [_text(sheet.title, weight="Bolder"), *map(_text, lines)])


def _lines(sections: Sequence[Section]) -> list[str]:
    """The sections as lines, each said once."""
    found = []
    for section in sections:
        found += [section.title] if section.title else []
        found += [section.text] if section.text else []
        found += _rows(section)
    return found
