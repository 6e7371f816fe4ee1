"""What a replay tells, for people (a table) and for programs (one JSON list).

`--format json` writes one list, an object an event, in their order. Its keys are a stable
interface; null or an empty list where there is nothing to say:

    time              of the event, UTC; null if it has none that can be read
    eventId, operationName
    resourceId        the guarded resource that the event leads to, else what the event names
    caller            objectId, appId, name, ipAddress, principalType, as in alerts
    outcome           one of `Would`
    reason            why, in a sentence
    plan              what would be sent, as in `evaluate`
    exemption         the one that leaves something open, as in `evaluate`
    lookAgainSeconds  in how many seconds the guard would look at the resource again
    alert             what a guard that may only report posts to guard-alerts, see docs/alert.md
    otherAlerts       what it posts besides: someone else is using the guard's identity
"""

from collections import Counter
from itertools import zip_longest
from typing import Any, TextIO

from rich.text import Text

from guards.cli import report
from guards.cli.replay import Replayed, Would
from guards.engine.events import clean
from guards.engine.model import RevokeAccess
from guards.engine.reconcile import described
from guards.engine.shapes import caller_json, timestamp

# For programs ----------------------------------------------------------------------------------


class Json:
    """One list, when all is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: list[dict[str, Any]] = []

    def add(self, line: Replayed) -> None:
        """One object, as told above."""
        change, end = line.change, line.end
        self._lines.append(
            {
                "time": timestamp(line.time) if line.time else None,
                "eventId": change.event_id or None,
                "operationName": change.operation_name or None,
                "resourceId": _resource_id(line) or None,
                "caller": caller_json(change.caller),
                "outcome": end.outcome,
                "reason": end.reason or None,
                "plan": report.steps_json(end.plan),
                "exemption": report.exemption_json(end.exemption) if end.exemption else None,
                "lookAgainSeconds": line.again_s,
                "alert": line.alert,
                "otherAlerts": list(line.other_alerts),
            }
        )

    def end(self, reads: int) -> None:
        """Writes the list; how many calls there were is for people only."""
        report.dump(self._lines, self._out)


def _resource_id(line: Replayed) -> str:
    return str(line.resource) if line.resource else clean(line.change.resource, 2048)


# For people ------------------------------------------------------------------------------------

_TITLES = ("TIME", "OPERATION", "RESOURCE", "CALLER", "OUTCOME", "WHAT")
_PIPED = (20, 28, 24, 36, 25, 0)
_STYLES = {
    Would.REVERTED: "red",
    Would.BLOCKED: "yellow",
    Would.REPORTED_ONLY: "yellow",
    Would.EXEMPT: "cyan",
    Would.ALREADY_COMPLIANT: "green",
    Would.UNREADABLE: "magenta",
}


class Table:
    """Rows as they come: folded to the terminal's width, one line each when piped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._console = report.console(out)
        self._folds = out.isatty()
        self._widths = _widths(self._console.width) if self._folds else _PIPED
        self._counts: Counter[Would] = Counter()
        self._patches = 0
        self._revocations = 0
        self._closed: set[str] = set()
        self._print(*(Text(title, style="bold") for title in _TITLES))

    def add(self, line: Replayed) -> None:
        """One row, printed at once, and counted."""
        change, end = line.change, line.end
        self._counts[end.outcome] += 1
        if end.outcome is Would.REVERTED and line.resource:
            revocations = end.plan.steps.count(RevokeAccess())
            self._revocations += revocations
            self._patches += len(end.plan.steps) - revocations
            self._closed.add(line.resource.key)
        operation = change.operation_name or change.event_type
        name = line.resource.name if line.resource else change.resource.rpartition("/")[2]
        caller = change.caller
        self._print(
            Text(f"{timestamp(line.time)[:19]}Z" if line.time else "-"),
            Text(operation.partition("/")[2] or operation or "-"),
            Text(clean(name, 128) or "-"),
            Text(caller.who or "unknown"),
            Text(end.outcome, style=_STYLES.get(end.outcome, "")),
            Text(_what(line) or "-"),
        )

    def end(self, reads: int) -> None:
        """Counts by outcome, resources, calls."""
        total = self._counts.total()
        counts = [f"{self._counts[one]} {one}" for one in Would if one in self._counts]
        parts = ["1 event" if total == 1 else f"{total} events", *counts]
        calls = f"{reads} GET and at most {self._patches} PATCH"
        if self._revocations:
            calls += f", {self._revocations} POST endGetAccess with a GET each"
        for text in (
            "",
            ", ".join(parts),
            f"different resources that would be reverted: {len(self._closed)}",
            f"calls to ARM: {calls}, without what is looked at again",
            "resources were taken as they stand in their file, at every event",
        ):
            self._write(Text(text))

    def _print(self, *cells: Text) -> None:
        columns = map(self._lines, cells, self._widths)
        for parts in zip_longest(*columns, fillvalue=Text()):
            line = Text()
            for part, width in zip(parts, self._widths, strict=True):
                line.append_text(part)
                line.append(" " * (max(0, width - part.cell_len) + 2))
            line.rstrip()
            self._write(line)

    def _write(self, line: Text) -> None:
        if self._folds:
            self._console.print(line, soft_wrap=True)
        else:  # rich would turn a reader that has seen enough into exit code 1
            self._out.write(f"{line.plain}\n")

    def _lines(self, cell: Text, width: int) -> list[Text]:
        if not self._folds or cell.cell_len <= width:
            return [cell]
        return list(cell.wrap(self._console, width, overflow="fold"))


def _widths(terminal: int) -> tuple[int, ...]:
    """Of the columns, for 80 characters and more; in a narrow terminal times are folded, too."""
    time, outcome, gaps = (20, 17, 10) if terminal >= 120 else (10, 10, 10)
    left = max(terminal, 80) - time - outcome - gaps
    operation, resource, caller = min(left // 5, 28), min(left // 5, 24), min(left // 5, 24)
    return time, operation, resource, caller, outcome, left - operation - resource - caller


def _what(line: Replayed) -> str:
    """The PATCH, the reason, and what else there is to say."""
    end = line.end
    parts = [described(step) for step in end.plan.steps]
    parts += [end.reason, *(str(alert["reason"]) for alert in line.other_alerts)]
    if line.again_s is not None:
        parts.append(f"would look again in {line.again_s:g} s")
    if line.time is None and line.resource:
        parts.append("no readable time: as of the event before")
    return "; ".join(clean(part, 600) for part in parts if part)
