"""Alerts on their way to a channel."""

from datetime import UTC, datetime
from typing import Any

from guards.engine.alerts import Alert, digest
from guards.engine.model import Caller, Change, Finding, Outcome, Severity, Source
from guards.engine.notify.parcel import Item, Parcel
from tests.engine.samples import ALICE_ID, DISK_ID

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def alert(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An alert about a disk that was closed again."""
    message = Alert(
        alert_id=digest(number),
        source=Source.EVENT,
        outcome=Outcome.REVERTED,
        severity=Severity.HIGH,
        seen_at="2026-03-01T12:00:00.000Z",
        closed_at="2026-03-01T12:00:01.250Z",
        resource_id=f"{DISK_ID}-{number}",
        resource_type="Microsoft.Compute/disks",
        findings=(
            Finding(
                "disk-network-access",
                "properties.networkAccessPolicy",
                "AllowAll",
                "DenyAll",
                Severity.HIGH,
            ),
        ),
        changes=(Change("properties.networkAccessPolicy", "AllowAll", "DenyAll"),),
        caller=Caller(object_id=ALICE_ID, name="alice@contoso.example"),
    ).message()
    return {**message, **changes}


def parcel(*alerts: dict[str, Any], note: str = "") -> Parcel:
    """These alerts in one message."""
    return Parcel(tuple(Item(one, note) for one in alerts))


ONE = parcel(alert())
