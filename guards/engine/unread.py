"""Alerts about what led to no look: input that cannot be read or was given up, or a misuse.

What the host gave up waits in no queue any more: while no alert can be put, `guard-work` keeps it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guards.engine import alerts
from guards.engine.alerts import MAX_REASON, Alert
from guards.engine.errors import Transient, Unreadable
from guards.engine.excerpt import excerpt, harmless
from guards.engine.later import LONGEST_DELAY_S
from guards.engine.look import Result
from guards.engine.model import Outcome, ResourceChange, Severity, Source
from guards.engine.ports import Ports
from guards.engine.shapes import timestamp, unsigned

SCHEMA = "exportguard.untold/1"

_LATE = "told late, since no alert could be put before: "


class _Untold(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: Annotated[Literal["exportguard.untold/1"], Field(alias="schema")]
    reason: Annotated[str, Field(max_length=MAX_REASON)]


def untold(text: bytes) -> str:
    """The reason of an alert that could not be put before; "" if a message holds none."""
    if b"exportguard.untold/" not in text:
        return ""
    try:
        reason = _Untold.model_validate_json(text).reason
    except ValidationError:
        return ""
    return harmless(_LATE + reason.removeprefix(_LATE), MAX_REASON)


def _message(reason: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "reason": reason[:MAX_REASON]}


async def tell_given_up(reason: str, ports: Ports) -> Result:
    """That something is lost unless a person looks; kept for later if no alert can be put.

    Raises:
        Transient: that cannot be reached either.
    """
    try:
        return await _tell(ports, Source.WORK, Outcome.NOT_REVERTED, Severity.HIGH, reason, None)
    except Transient as e:
        await ports.work.put(_message(reason), LONGEST_DELAY_S)
        return Result(Outcome.DEFERRED, reason=f"told in {LONGEST_DELAY_S} s: {e}")


async def tell_unreadable(
    error: Unreadable,
    text: object,
    ports: Ports,
    source: Source,
    change: ResourceChange | None = None,
) -> Result:
    """That input could not be read, with its beginning.

    Raises:
        Transient: no alert can be put.
    """
    reason = f"could not be read, so nothing was looked at: {shown(error, text)}"
    return await _tell(ports, source, Outcome.REPORTED_ONLY, Severity.HIGH, reason, None, change)


def shown(error: Unreadable, text: object) -> str:
    """Why input could not be read, and what it was."""
    return f"{unsigned(str(error))}. It was: {excerpt(text)}"


async def tell_misuse(change: ResourceChange, ports: Ports) -> None:
    """The guard's identity did what the guard never does: somebody else is using it.

    Raises:
        Transient: no alert can be put.
    """
    reason = (
        f"the guard's own identity performed {change.operation_name or 'an unnamed operation'}, "
        "which the guard never does: someone else may be using it"
    )
    resource = harmless(change.resource, 2048) or None
    await _tell(
        ports, Source.EVENT, Outcome.REPORTED_ONLY, Severity.CRITICAL, reason, resource, change
    )


async def _tell(
    ports: Ports,
    source: Source,
    outcome: Outcome,
    severity: Severity,
    reason: str,
    resource: str | None,
    change: ResourceChange | None = None,
) -> Result:
    event_id = change.event_id if change else ""
    alert = Alert(
        alert_id=alerts.digest(resource, event_id, reason),
        source=source,
        outcome=outcome,
        severity=severity,
        seen_at=timestamp(ports.clock.now()),
        resource_id=resource,
        reason=reason,
    )
    if change is not None:
        alert = alert.of(change)
    await ports.alerts.put(alert.message())
    return Result(outcome, alert.alert_id, reason)
