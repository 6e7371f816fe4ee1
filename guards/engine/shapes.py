"""Times, callers and findings as JSON: one form for alerts, messages and the command line."""

import re
from datetime import UTC, datetime

from guards.engine.model import Caller, Finding

_SIGNATURE = re.compile(
    r"(?i)((?:^|[^a-z0-9]|%(?:25)*(?:26|3f)|\\u0026)sig\s*(?:=|%(?:25)*3d|\\u003d)\s*)[^&\s\"']+"
)
"""Of a parameter of a URL, encoded however often; "design=" is none."""


def caller_json(caller: Caller) -> dict[str, str]:
    """A caller as messages and alerts show it."""
    return {
        "objectId": caller.object_id,
        "appId": caller.app_id,
        "name": caller.name,
        "ipAddress": caller.ip_address,
        "principalType": caller.principal_type,
    }


def finding_json(finding: Finding) -> dict[str, str | None]:
    """A finding as alerts and the command line show it."""
    return {
        "rule": finding.rule,
        "path": finding.path,
        "actual": finding.actual,
        "desired": finding.desired,
        "severity": finding.severity,
    }


def sentences(*parts: str) -> str:
    """Those that say something, one after the other."""
    return ". ".join(part for part in parts if part)


def timestamp(moment: datetime) -> str:
    """UTC, ISO 8601, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime | None:
    """A time that somebody wrote, as UTC; None for anything else, and for one without a zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def unsigned(text: str) -> str:
    """A text without the signatures of SAS links: whoever reads one could use the link."""
    return _SIGNATURE.sub(r"\1…", text)
