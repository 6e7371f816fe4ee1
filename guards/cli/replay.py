"""`python -m guards replay`: recorded events through the whole engine, which may only report.

Each event is looked at as of its own time, so that exemptions count as they did then; one without
a readable time, as of the time of the one before it. Resources are taken as they stand in their
file, at every event: the answer is what the guard would do about them as they are now. Events go in
the file's order. What the guard would look at again later is told, and not looked at again.

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

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Any, TextIO

from rich.text import Text

from guards import GUARDS
from guards.cli import report, rows
from guards.cli.evaluate import name_of
from guards.cli.judge import as_arm
from guards.cli.memory import Memory
from guards.engine import events, intake, reconcile
from guards.engine.catalogue import by_type, locate
from guards.engine.decide import Verdict, decide
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Caller, Guard, Mode, Outcome, Plan, ResourceChange
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import Exemption, moment
from guards.engine.shapes import caller_json, timestamp


def run(events: str, resources: str, policy: Policy, *, principal_id: str, as_json: bool) -> int:
    """Replay a file of events on a file of resources; 0, or 2 if something could not be read."""
    if events == resources == "-":
        _say(name_of("-"), "it cannot be both the events and the resources")
        return 2
    estate = _estate(resources)
    if estate is None:
        return 2
    memory = Memory(estate.bodies, policy, principal_id, datetime.now(UTC))
    view = _Json(sys.stdout) if as_json else _Table(sys.stdout)
    with _silent("guards.engine"):
        all_read = asyncio.run(_replay(events, memory, view.add))
    view.end(memory.arm.reads)
    return 0 if all_read and estate.all_read else 2


async def _replay(file: str, memory: Memory, show: Callable[["Replayed"], None]) -> bool:
    """Show every event as it comes; False if some could not be read."""
    all_read = True
    for item in rows.from_file(file):
        if isinstance(item, rows.Bad):
            mistake = item.reason
        else:
            line = await replayed(item.value, memory)
            show(line)
            mistake = line.mistake
        if mistake:
            _say(rows.where(name_of(file), item), mistake)
            all_read = False
    return all_read


def _say(place: str, text: str) -> None:
    print(clean(f"{place}: {text}", 1000), file=sys.stderr)


@contextmanager
def _silent(logger: str) -> Iterator[None]:
    """What the engine logs for operators of the app goes nowhere: every event has its line."""
    log = logging.getLogger(logger)
    nowhere, propagates = logging.NullHandler(), log.propagate
    log.addHandler(nowhere)
    log.propagate = False
    try:
        yield
    finally:
        log.propagate = propagates
        log.removeHandler(nowhere)


# Resources -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Estate:
    """Resources of guarded types by lower-case ID, in ARM's form."""

    bodies: dict[str, Body] = field(default_factory=dict)
    all_read: bool = True


def _estate(file: str) -> _Estate | None:
    """What could be read of a file of resources; None if it was no such file at all."""
    estate, skipped = _Estate(), 0
    for item in rows.from_file(file):
        place = rows.where(name_of(file), item)
        try:
            if isinstance(item, rows.Bad):
                raise Unreadable(item.reason)
            found = _resource(item.value)
        except Unreadable as e:
            _say(place, str(e))
            estate.all_read = False
            if not item.line:
                return None
            continue
        if found is None:
            skipped += 1
            continue
        key, body = found
        if key in estate.bodies:
            _say(place, f"{key} stands here again: this one counts, not the one before")
        estate.bodies[key] = body
    if skipped:
        _say(name_of(file), f"{skipped} resources of types that are not guarded were left out")
    return estate


def _resource(row: Any) -> tuple[str, Body] | None:
    """The key that events lead to, and the body; None if it is of a type that is not guarded.

    Raises:
        Unreadable: it is no resource, or has no ID.
    """
    if not isinstance(row, Mapping):
        raise Unreadable(f"a resource is an object, not {type(row).__name__}")
    type_ = row.get("type")
    if isinstance(type_, str) and type_.lower() not in by_type(GUARDS):
        return None
    resource = ResourceId.parse(row.get("id"))
    if resource.type.lower() not in by_type(GUARDS):
        return None
    return resource.key, as_arm(row)


# One event -------------------------------------------------------------------------------------


class Would(StrEnum):
    """What would have become of an event."""

    REVERTED = "would be reverted"
    BLOCKED = "blocked"
    REPORTED_ONLY = "reported only"
    EXEMPT = "exempt"
    ALREADY_COMPLIANT = "already compliant"
    NOT_IN_FILE = "not in the resources file"
    DEFERRED = "deferred"
    OWN_WRITE = "own write"
    OUT_OF_SCOPE = "out of scope"
    NOT_GUARDED = "not guarded"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class End:
    """How a look would end, and what it would send."""

    outcome: Would
    reason: str = ""
    plan: Plan = field(default_factory=Plan)
    exemption: Exemption | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """An event and its end; `mistake` is what is wrong with one that cannot be read."""

    time: datetime | None
    change: ResourceChange
    resource: ResourceId | None
    end: End
    again_s: float | None
    alert: Mapping[str, Any] | None
    other_alerts: tuple[Mapping[str, Any], ...]
    mistake: str


_NO_CHANGE = ResourceChange("", "", "", "", "", "", Caller())
_NOT_LOOKED_AT = {
    intake.NOT_GUARDED.reason: Would.NOT_GUARDED,
    intake.OWN_WRITE.reason: Would.OWN_WRITE,
    reconcile.OUT_OF_SCOPE.reason: Would.OUT_OF_SCOPE,
}
_NOT_JUDGED = {
    Outcome.DELETED_MEANWHILE: Would.NOT_IN_FILE,
    Outcome.DEFERRED: Would.DEFERRED,
}


async def replayed(event: object, memory: Memory) -> Replayed:
    """One event through the engine, at its time."""
    change, located, mistake = _NO_CHANGE, None, ""
    try:
        change = events.parse(event)
        located = locate(change, GUARDS)
    except Unreadable as e:
        mistake = str(e)
    time = _time(change)
    memory.clock.time = time or memory.clock.time
    result = await intake.on_event(event, memory.ports)
    alerts = [message for message, _ in memory.alerts.take()]
    if result.outcome is None:
        end = End(_NOT_LOOKED_AT[result.reason])
    elif located is None:
        end = End(Would.UNREADABLE, result.reason)
    elif result.outcome in _NOT_JUDGED:
        end = End(_NOT_JUDGED[result.outcome], result.reason)
    else:
        end = _enforced(*located, memory, await memory.ports.policy(), result.reason)
    return Replayed(
        time=time,
        change=change,
        resource=located[1] if located else None,
        end=end,
        again_s=next((delay_s for _, delay_s in memory.work.take()), None),
        alert=next((alert for alert in alerts if alert["alertId"] == result.alert_id), None),
        other_alerts=tuple(alert for alert in alerts if alert["alertId"] != result.alert_id),
        mistake=mistake if end.outcome is Would.UNREADABLE else "",
    )


def _time(change: ResourceChange) -> datetime | None:
    try:
        return moment(change.event_time)
    except ValueError:
        return None


def _enforced(
    guard: Guard, resource: ResourceId, memory: Memory, policy: Policy, reported: str
) -> End:
    """The policy's own word on a resource that was read, with nothing to cap it."""
    body = memory.arm.bodies[resource.key]
    verdict = decide(guard, resource, body, policy, Mode.ENFORCE, memory.clock.now())
    plan = guard.plan(body, verdict.to_close, verdict.applied.rules)
    outcome, reason = Would.REPORTED_ONLY, reported
    if not verdict.findings:
        outcome = Would.EXEMPT if verdict.exempted else Would.ALREADY_COMPLIANT
    elif plan.steps:
        outcome, reason = Would.REVERTED, _left_open(guard, body, verdict, plan)
    elif plan.blocked:
        outcome, reason = Would.BLOCKED, plan.blocked.reason
    return End(outcome, reason, plan, verdict.exemption)


def _left_open(guard: Guard, body: Body, verdict: Verdict, plan: Plan) -> str:
    """What the PATCH leaves as it is, and why."""
    parts = []
    if plan.blocked:
        parts.append(f"not changed ({', '.join(plan.blocked.rules)}): {plan.blocked.reason}")
    closing = {finding.rule for finding in verdict.to_close}
    audited = [finding.rule for finding in verdict.findings if finding.rule not in closing]
    if audited:
        parts.append(f"left open, as the policy only reports it: {', '.join(audited)}")
    if verdict.exempted:
        exempt = ", ".join(finding.rule for finding in verdict.exempted)
        parts.append(f"left open: {exempt} exempt: {verdict.exemption}")
    parts.append(guard.exposure(body))
    return "; ".join(part for part in parts if part)


# For programs ----------------------------------------------------------------------------------


class _Json:
    """One list, when all is done."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: list[dict[str, Any]] = []

    def add(self, line: Replayed) -> None:
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


class _Table:
    """Rows as they come: folded to the terminal's width, one line each when piped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._console = report.console(out)
        self._folds = out.isatty()
        self._widths = _widths(self._console.width) if self._folds else _PIPED
        self._counts: Counter[Would] = Counter()
        self._patches = 0
        self._closed: set[str] = set()
        self._print(*(Text(title, style="bold") for title in _TITLES))

    def add(self, line: Replayed) -> None:
        change, end = line.change, line.end
        self._counts[end.outcome] += 1
        if end.outcome is Would.REVERTED and line.resource:
            self._patches += len(end.plan.steps)
            self._closed.add(line.resource.key)
        operation = change.operation_name or change.event_type
        name = line.resource.name if line.resource else change.resource.rpartition("/")[2]
        caller = change.caller
        self._print(
            Text(f"{timestamp(line.time)[:19]}Z" if line.time else "-"),
            Text(operation.partition("/")[2] or operation or "-"),
            Text(clean(name, 128) or "-"),
            Text(caller.name or caller.app_id or caller.object_id or "unknown"),
            Text(end.outcome, style=_STYLES.get(end.outcome, "")),
            Text(_what(line) or "-"),
        )

    def end(self, reads: int) -> None:
        """Counts by outcome, resources, calls."""
        total = self._counts.total()
        counts = [f"{self._counts[one]} {one}" for one in Would if one in self._counts]
        parts = ["1 event" if total == 1 else f"{total} events", *counts]
        calls = f"{reads} GET and at most {self._patches} PATCH"
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
    parts = [f"PATCH {json.dumps(step.body)}" for step in end.plan.steps]
    parts += [end.reason, *(str(alert["reason"]) for alert in line.other_alerts)]
    if line.again_s is not None:
        parts.append(f"would look again in {line.again_s:g} s")
    if line.time is None and line.resource:
        parts.append("no readable time: as of the event before")
    return "; ".join(clean(part, 600) for part in parts if part)
