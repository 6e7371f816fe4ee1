"""The exposure record of an alert: how long a link was out, as far as it is known."""

from dataclasses import dataclass

from guards.engine.alerts import Exposure
from guards.engine.model import Change, Finding, Guard, Outcome, ResourceChange
from guards.engine.shapes import moment


@dataclass(frozen=True, slots=True)
class Cut:
    """What is known of a link's end: when Azure had revoked it, and the state it showed then.

    `over` says that it ended in another way, unseen.
    """

    revoked_at: str | None = None
    state: str | None = None
    over: bool = False


NOT_CUT = Cut()


def hands_out(change: ResourceChange, operations: tuple[str, ...]) -> bool:
    """Whether an event is one of these operations: that a link is handed out, or data taken."""
    operation = change.operation_name.lower()
    return any(operation == one.lower() for one in operations)


def exposure_of(
    guard: Guard | None,
    change: ResourceChange,
    findings: tuple[Finding, ...],
    outcome: Outcome,
    cut: Cut,
    made: tuple[Change, ...] = (),
) -> Exposure | None:
    """The record, if a link was out; None if none was. Of the changes `made` one may end it."""
    links = guard.links if guard else None
    seen = {finding.path for finding in findings if links and finding.rule == links.rule}
    if links is None or not seen:
        return None
    granted = hands_out(change, links.grants)
    ended = cut.over or any(one.path in seen for one in made)
    seconds = _seconds(change.event_time if granted else "", cut.revoked_at)
    return Exposure(
        statement=_statement(outcome, cut, seconds, ended=ended),
        granted_at=change.event_time or None if granted else None,
        access=change.request.access or None,
        duration_s=change.request.duration_s or None,
        revoked_at=cut.revoked_at,
        seconds_open=seconds,
        state_after=cut.state,
    )


def _seconds(since: str, until: str | None) -> float | None:
    """Seconds between two times; clocks that differ never make it less than none."""
    began, ended = moment(since), moment(until or "")
    if began is None or ended is None:
        return None
    return round(max((ended - began).total_seconds(), 0.0), 3)


def _statement(outcome: Outcome, cut: Cut, seconds: float | None, *, ended: bool) -> str:
    if cut.revoked_at is not None:
        how_long = f"in the {seconds:.1f} s it was out" if seconds is not None else "until then"
        return f"The link was revoked. Data may have been read through it {how_long}."
    if outcome is Outcome.DELETED_MEANWHILE:
        return "The resource is gone, and the link with it. Data may have been read before."
    if ended:
        return "No link is out any more. Data may have been read through it until it ended."
    return (
        "The link is out: data may have been read through it, and may be until it is revoked or "
        "expires."
    )
