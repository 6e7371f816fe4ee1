"""Alerts to look at, or to try channels with, while nothing has happened yet."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from guards.engine import alerts
from guards.engine.alerts import Alert, Exposure
from guards.engine.model import Caller, Change, Finding, Outcome, Severity, Source
from guards.engine.shapes import timestamp

_NOBODY = "00000000-0000-0000-0000-000000000000"
_SNAPSHOT = (
    f"/subscriptions/{_NOBODY}/resourceGroups/rg-sample/providers/Microsoft.Compute/snapshots"
    "/test-of-export-guard"
)
_OPEN_S = 47.2


def plain(now: datetime) -> Alert:
    """An alert about nothing in particular."""
    return Alert(
        alert_id=alerts.digest("sample", timestamp(now)),
        source=Source.WORK,
        outcome=Outcome.REPORTED_ONLY,
        severity=Severity.LOW,
        seen_at=timestamp(now),
        reason="A sample: no resource was read, and nothing was changed.",
    )


def revoked_link(now: datetime) -> Alert:
    """Somebody took a SAS link to a snapshot, and it was revoked after 47 seconds."""
    granted = timestamp(now - timedelta(seconds=_OPEN_S))
    path, before, after = "properties.diskState", "ActiveSAS", "Unattached"
    return Alert(
        alert_id=alerts.digest("sample of a revoked link", timestamp(now)),
        source=Source.EVENT,
        outcome=Outcome.REVERTED,
        severity=Severity.CRITICAL,
        seen_at=timestamp(now - timedelta(seconds=3)),
        resource_id=_SNAPSHOT,
        resource_type="Microsoft.Compute/snapshots",
        findings=(Finding("liveExport", path, before, after, Severity.CRITICAL),),
        changes=(Change(path, before, after),),
        reason="A sample: no resource was read, and nothing was changed.",
        caller=Caller(
            name="mallory@contoso.example", ip_address="203.0.113.7", principal_type="User"
        ),
        operation_name="Microsoft.Compute/snapshots/beginGetAccess/action",
        event_time=granted,
        closed_at=timestamp(now),
        exposure=Exposure(
            statement=f"The link was revoked. Data may have been read through it in the {_OPEN_S} "
            "s it was out.",
            granted_at=granted,
            access="Read",
            duration_s=86_400,
            revoked_at=timestamp(now),
            seconds_open=_OPEN_S,
            state_after=after,
        ),
    )


SAMPLES: Mapping[str, Callable[[datetime], Alert]] = {
    "plain": plain,
    "revoked-link": revoked_link,
}
