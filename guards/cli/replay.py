"""`python -m guards replay`: recorded events through the whole engine, which may only report.

Each event is looked at as of its own time, so that exemptions count as they did then; one without
a readable time, as of the time of the one before it. Resources are taken as they stand in their
file, at every event: the answer is what the guard would do about them as they are now. Events go in
the file's order. What the guard would look at again later is told, and not looked at again.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

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
from guards.engine.look import Result
from guards.engine.model import (
    Body,
    Caller,
    Granter,
    Guard,
    Mode,
    Outcome,
    Plan,
    ResourceChange,
    RevokeAccess,
)
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import Exemption, moment


def run(events: str, resources: str, policy: Policy, *, principal_id: str, as_json: bool) -> int:
    """Replay a file of events on a file of resources; 0, or 2 if something could not be read."""
    from guards.cli import replay_report  # which is built on what stands below

    if events == resources == "-":
        _say(name_of("-"), "it cannot be both the events and the resources")
        return 2
    estate = _estate(resources)
    if estate is None:
        return 2
    memory = Memory(estate.bodies, policy, principal_id, datetime.now(UTC))
    view = replay_report.Json(sys.stdout) if as_json else replay_report.Table(sys.stdout)
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
        _say(name_of(file), report.left_out(skipped))
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
        located = _guarded(change)
    except Unreadable as e:
        mistake = str(e)
    time = _time(change)
    memory.clock.time = time or memory.clock.time
    result = await intake.on_event(event, memory.ports)
    alerts = [message for message, _ in memory.alerts.take()]
    if result.outcome is Outcome.DELETED_MEANWHILE:
        alerts.clear()  # it says that the resource is gone, and all that is known is the file
    if result.outcome is None:
        end = End(_NOT_LOOKED_AT[result.reason])
    elif located is None:
        end = End(Would.UNREADABLE, result.reason)
    elif result.outcome in _NOT_JUDGED:
        end = End(_NOT_JUDGED[result.outcome], result.reason)
    else:
        end = _enforced(*located, memory, await memory.ports.policy(), result)
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


def _guarded(change: ResourceChange) -> tuple[Guard, ResourceId] | None:
    located = locate(change, GUARDS)
    return (located[0], located[1]) if located and isinstance(located[0], Guard) else None


def _time(change: ResourceChange) -> datetime | None:
    try:
        return moment(change.event_time)
    except ValueError:
        return None


def _enforced(
    guard: Guard, resource: ResourceId, memory: Memory, policy: Policy, seen: Result
) -> End:
    """The policy's own word on a resource that was read, with nothing to cap it."""
    body = memory.arm.bodies[resource.key]
    if seen.granter is Granter.EXPORTER:
        return End(Would.EXEMPT, seen.reason)
    now = memory.clock.now()
    verdict = decide(guard, resource, body, policy, Mode.ENFORCE, now, seen.granter)
    plan = guard.plan(body, verdict.to_close, verdict.applied.rules)
    outcome, reason = Would.REPORTED_ONLY, seen.reason
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
        parts.append(f"left open: {verdict.leave()}")
    if RevokeAccess() not in plan.steps:
        parts.append(guard.exposure(body))
    return "; ".join(part for part in parts if part)
