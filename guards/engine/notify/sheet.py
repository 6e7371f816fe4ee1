"""What a message shows, whatever draws it: a title, sections of facts or text, buttons.

Texts are cleaned and short, and not escaped: card and mail escape in their own ways.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from guards.engine.events import clean

MAX_VALUE, MAX_REASON = 300, 4096
"""Longest value of a fact, and longest paragraph, in characters."""


class Tone(StrEnum):
    """How a message looks, as Adaptive Cards call it."""

    GOOD = "good"
    ACCENT = "accent"
    WARNING = "warning"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is about, and what is said; the label may be empty."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """Facts, or a paragraph, under a title that may be empty; `aside`: for looking up, small."""

    title: str = ""
    facts: tuple[Fact, ...] = ()
    text: str = ""
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A link with our own words."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be shown: characters of a value, of a paragraph, facts of a section."""

    value: int
    text: int
    facts: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """One message; `line` says under the title how bad it is and how it ended.

    `ids` are those of all alerts of a digest, each once, and never cut.
    """

    title: str
    tone: Tone
    line: str
    sections: tuple[Section, ...] = ()
    buttons: tuple[Button, ...] = ()
    ids: tuple[str, ...] = ()

    def within(self, room: Room) -> "Sheet":
        """The same cut to fit, with a note if anything is missing then."""
        title = clean(self.title, 3 * room.value)
        sections = tuple(kept for one in self.sections if (kept := _cut(one, room)) is not None)
        if (title, sections) != (self.title, self.sections):
            sections += (Section(text="This message was cut to fit."),)
        return replace(self, title=title, line=clean(self.line, room.text), sections=sections)


def first(facts: Sequence[Fact], most: int) -> tuple[Fact, ...]:
    """The first of many, and how many more there are."""
    if len(facts) <= most:
        return tuple(facts)
    return (*facts[:most], Fact("", f"{len(facts) - most} more"))


def short_text(value: object, most: int = MAX_VALUE) -> str:
    """A value of JSON for people, cut; "" for none."""
    if value is None or isinstance(value, str):
        return clean(value, most)
    try:
        return clean(json.dumps(value, ensure_ascii=False), most)
    except (TypeError, ValueError, RecursionError):
        return "(cannot be shown)"


def present(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Those that say something."""
    return tuple(fact for fact in facts if fact.value)


def _cut(section: Section, room: Room) -> Section | None:
    """None where not one fact may be shown."""
    if section.facts and not room.facts:
        return None
    facts = [Fact(clean(f.label, room.value), clean(f.value, room.value)) for f in section.facts]
    # "N more" has no label and stays the last line, also if that is one line more
    kept = facts if len(facts) <= room.facts + 1 else list(first(facts, room.facts))
    return replace(section, facts=tuple(kept), text=clean(section.text, room.text))
