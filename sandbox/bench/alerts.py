"""Alerts as the guard posts them, as many as wanted, each about a disk of its own."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

_DISKS = (
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/mc_payroll_westeurope"
    "/providers/Microsoft.Compute/disks"
)
_CALLERS = ("aks-nodepool", "backup-service", "release-pipeline")
_SETTINGS = (
    ("networkAccessPolicy", "AllowAll", "DenyAll"),
    ("publicNetworkAccess", "Enabled", "Disabled"),
)


def alert(number: int, about: str = "bench") -> str:
    """The text of one alert; the same number is the same piece of news, of the same `about`."""
    disk = f"{_DISKS}/{about}-{number:05}"
    seen = datetime.now(UTC)
    before = {name: value for name, value, _ in _SETTINGS}
    return json.dumps(
        {
            "schema": "exportguard.alert/1",
            "alertId": identity(number, about),
            "source": "event",
            "resourceId": disk,
            "resourceType": "Microsoft.Compute/disks",
            "outcome": "reverted",
            "severity": "high",
            "findings": [_finding(*setting) for setting in _SETTINGS],
            "changes": [
                {"path": f"properties.{name}", "from": old, "to": new}
                for name, old, new in _SETTINGS
            ],
            "reason": None,
            "caller": _caller(_CALLERS[number % len(_CALLERS)]),
            "operationName": "Microsoft.Compute/disks/write",
            "eventId": _id(f"event {about} {number}"),
            "eventTime": _time(seen - timedelta(seconds=1)),
            "seenAt": _time(seen),
            "closedAt": _time(seen),
            "correlationId": _id(f"write {about} {number}"),
            "policyHash": _sha256("policy"),
            "undo": [
                {
                    "method": "PATCH",
                    "path": disk,
                    "apiVersion": "2026-03-02",
                    "body": {"properties": before},
                }
            ],
        }
    )


def identity(number: int, about: str = "bench") -> str:
    """The `alertId` of that alert."""
    return _sha256(f"{about} {number}")


def _finding(name: str, actual: str, desired: str) -> dict[str, Any]:
    told = {"rule": name, "path": f"properties.{name}", "actual": actual, "desired": desired}
    return {**told, "severity": "high"}


def _caller(name: str) -> dict[str, str]:
    return {
        "objectId": _id(f"object {name}"),
        "appId": _id(f"app {name}"),
        "name": f"{name}@contoso.example",
        "ipAddress": "203.0.113.141",
        "principalType": "ServicePrincipal",
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _id(text: str) -> str:
    """A GUID that is always the same for the same text."""
    digits = _sha256(text)
    return "-".join(
        (digits[:8], digits[8:12], f"4{digits[13:16]}", f"8{digits[17:20]}", digits[20:32])
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
