"""Alerts about notifications themselves: a channel that fails, recipients that were refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.events import clean
from guards.engine.model import Outcome, Severity, Source
from guards.engine.shapes import timestamp

_FAILING = "the channel "


def failing(channel: str, reason: str, now: datetime) -> Alert:
    """A channel does not take messages: one alert a day, whatever words the server finds."""
    told = (
        f"{_FAILING}{channel} does not deliver: {reason}. Its alerts go to the other channels, "
        "and to it as well once it works again"
    )
    return _notice(Severity.HIGH, told, ("channel failing", channel), now)


def is_failing(alert: Mapping[str, Any]) -> bool:
    """Whether an alert is one of `failing`: that it was not delivered is no news of its own."""
    reason = alert.get("reason")
    return alert.get("resourceId") is None and str(reason).startswith(_FAILING)


def refused(channel: str, recipients: Sequence[str], now: datetime) -> Alert:
    """Some recipients of a channel are refused; the others got the message."""
    names = ", ".join(clean(name, 320) for name in recipients[:20])
    told = (
        f"the mail server refuses recipients of the channel {channel}: {names}. The others got the "
        "message; correct the channel's app setting, or the mailbox"
    )
    return _notice(Severity.MEDIUM, told, ("refused", channel, sorted(recipients)), now)


def unreadable(reason: str, now: datetime) -> Alert:
    """A message of `guard-deliveries` that is none."""
    told = f"a message in guard-deliveries could not be read, and nobody was told of it: {reason}"
    return _notice(Severity.HIGH, told, ("unreadable delivery", reason), now)


def _notice(severity: Severity, reason: str, about: Sequence[object], now: datetime) -> Alert:
    return Alert(
        alert_id=alerts.digest(*about, now.date().isoformat()),
        source=Source.WORK,
        outcome=Outcome.REPORTED_ONLY,
        severity=severity,
        seen_at=timestamp(now),
        reason=clean(reason, alerts.MAX_REASON),
    )
