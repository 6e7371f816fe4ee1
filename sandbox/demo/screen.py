"""What the reader of the demo sees: alerts, cards and mails as text, and the closing table."""

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""No line is longer, so that nothing breaks in a window of the usual size."""

out = Console(highlight=False)
out.width = min(WIDTH, out.width) if sys.stdout.isatty() else WIDTH

_SECOND = 1000

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
"""A character that Markdown would take for a mark, as clients show it: without the backslash."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the closing table."""

    what: str
    happened: bool
    outcome: str
    guard_calls: str = "-"
    closed_after_ms: float | None = None
    told_after_ms: float | None = None


def table(steps: Sequence[Step]) -> Table:
    """Every step, and whether it happened."""
    made = Table(
        box=None, header_style="bold", pad_edge=False, title="\nWhat happened", title_justify="left"
    )
    columns = ("STEP", "OUTCOME", "CLOSED\nAFTER", "IN TEAMS\nAFTER", "ARM CALLS\nOF THE GUARD", "")
    for column in columns:
        made.add_column(column)
    for step in steps:
        verdict = "as expected" if step.happened else "UNEXPECTED"
        style = "green" if step.happened else "bold red"
        times = (_after(step.closed_after_ms), _after(step.told_after_ms))
        made.add_row(step.what, step.outcome, *times, step.guard_calls, Text(verdict, style=style))
    return made


def _after(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < _SECOND else f"{milliseconds / 1000:.1f} s"


def in_short(methods: Iterable[str]) -> str:
    """`GET PATCH 2xGET`: the calls in their order."""
    runs = ((method, len([*same])) for method, same in groupby(methods))
    return " ".join(method if count == 1 else f"{count}x{method}" for method, count in runs)


def heading(who: str, what: str) -> None:
    """Who does what: a part of the story begins."""
    out.print(Text.assemble("\n", (who, "bold"), f" {what}"))


def say(text: str, style: str = "") -> None:
    """One paragraph; what does not fit into a line goes on a little further in."""
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    lines = textwrap.wrap(text, out.width, subsequent_indent=indent, break_on_hyphens=False)
    out.print(Text("\n".join(lines), style=style))


def show_json(value: Mapping[str, Any]) -> None:
    """An alert, or a part of it, whole."""
    show(json.dumps(value, indent=2, ensure_ascii=False).splitlines())


def sum_up(alert: Mapping[str, Any]) -> None:
    """How it ended, why, and what changed."""
    say(f"  alert: {alert['outcome']}, {alert['severity']}, by {alert['caller']['name']}")
    if alert["reason"]:
        show([alert["reason"]])
    show(f"{change['path']}: {change['from']} -> {change['to']}" for change in alert["changes"])


def show_card(message: Mapping[str, Any]) -> None:
    """What people read on a card, and its buttons."""
    content = message["attachments"][0]["content"]
    buttons = (f"[{action['title']}]" for action in content.get("actions", ()))
    show([*lines_of(content["body"]), "", "  ".join(buttons)])


def show_mail(mail: Mapping[str, Any]) -> None:
    """The subject and the plain text."""
    show([f"To: {', '.join(mail['to'])}", f"Subject: {mail['subject']}", ""])
    show(str(mail["text"]).rstrip().splitlines())


def title_of(message: Mapping[str, Any]) -> str:
    """The first line of a card."""
    return next(lines_of(message["attachments"][0]["content"]["body"]), "")


def lines_of(elements: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The visible lines of a card's elements; a heading has an empty line above it."""
    for number, element in enumerate(elements):
        if not element.get("isVisible", True):
            continue
        if element["type"] == "Container":
            yield from lines_of(element["items"])
        elif element["type"] == "FactSet":
            for fact in element["facts"]:
                yield f"{_shown(fact['title'])}: {_shown(fact['value'])}"
        else:
            if number and element.get("weight") == "Bolder":
                yield ""
            yield _shown(element["text"])


def _shown(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def show(lines: Iterable[str]) -> None:
    """Lines of something, whatever is in them."""
    for line in lines:
        say(f"    {line}", "cyan")
