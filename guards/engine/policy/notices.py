"""Alerts about the policy itself: it changed, or it cannot be used."""

from collections.abc import Sequence
from datetime import datetime

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.events import clean
from guards.engine.model import Outcome, Severity, Source
from guards.engine.shapes import timestamp

_MAX_SHOWN = 40


def changed(
    old_hash: str,
    new_hash: str,
    loosened: Sequence[str] | None,
    where: str,
    last_modified: str,
    now: datetime,
) -> Alert:
    """The policy's content is another; None if what it loosened cannot be told any more."""
    if loosened is None:
        what = (
            "what it loosened cannot be told, as the text before is not known or too much is "
            "different: compare the versions where it is stored"
        )
    elif loosened:
        more = len(loosened) - _MAX_SHOWN
        shown = "; ".join(loosened[:_MAX_SHOWN])
        what = f"it loosens ({len(loosened)}): {shown}{f'; and {more} more' if more > 0 else ''}"
    else:
        what = "it loosens nothing"
    reason = (
        f"the policy {where} has changed, last modified {last_modified or 'at an unknown time'}: "
        f"SHA-256 {old_hash[:12]}… is now {new_hash[:12]}…; {what}"
    )
    return Alert(
        alert_id=alerts.digest("policy changed", old_hash, new_hash, last_modified),
        source=Source.WORK,
        outcome=Outcome.REPORTED_ONLY,
        severity=Severity.LOW if loosened == [] else Severity.HIGH,
        seen_at=timestamp(now),
        reason=clean(reason, alerts.MAX_REASON),
        policy_hash=new_hash,
    )


def unusable(where: str, error: str, kept: str, now: datetime) -> Alert:
    """The policy cannot be read or has mistakes; `kept` is the hash of the one still in force.

    The same trouble has the same alert ID for a day, whichever instance tells it.
    """
    if kept:
        effect = f"the last good one (SHA-256 {kept[:12]}…) stays in force"
    else:
        effect = (
            "no change is made to any resource until it can be read; events wait in guard-work and "
            "are tried again for a day"
        )
    return Alert(
        alert_id=alerts.digest("policy unusable", where, error, kept, now.date().isoformat()),
        source=Source.WORK,
        outcome=Outcome.REPORTED_ONLY,
        severity=Severity.HIGH if kept else Severity.CRITICAL,
        seen_at=timestamp(now),
        reason=clean(f"the policy {where} cannot be used: {error}. {effect}", alerts.MAX_REASON),
        policy_hash=kept,
    )
