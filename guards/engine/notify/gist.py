"""An alert of any version in short: which resource, how it ended, how bad it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guards.engine.alerts import SCHEMA, digest
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Outcome, Severity
from guards.engine.notify.deliveries import identity
from guards.engine.notify.sheet import Tone
from guards.engine.policy.exemptions import moment

REPORTS = "Export Guard reports: "
"""How the title of what is about no resource begins."""

MAX_TITLE = 120
_MAX_NAME = 64

_OPEN = "Export settings of {} "
_TITLES = {
    Outcome.REVERTED: _OPEN + "were reverted",
    Outcome.FOUND_CLOSED: _OPEN + "were found closed",
    Outcome.REPORTED_ONLY: _OPEN + "are open: reported only",
    Outcome.BLOCKED: _OPEN + "are open: closing them is blocked",
    Outcome.NOT_REVERTED: _OPEN + "were not reverted",
    Outcome.DELETED_MEANWHILE: "{} was deleted meanwhile",
    Outcome.DEFERRED: "Reverting export settings of {} is deferred",
}
_TONES = {
    Outcome.REVERTED: Tone.GOOD,
    Outcome.FOUND_CLOSED: Tone.GOOD,
    Outcome.BLOCKED: Tone.ATTENTION,
    Outcome.NOT_REVERTED: Tone.ATTENTION,
    Outcome.DELETED_MEANWHILE: Tone.ACCENT,
    Outcome.DEFERRED: Tone.WARNING,
}
_BY_SEVERITY = {
    Severity.LOW: Tone.ACCENT,
    Severity.MEDIUM: Tone.WARNING,
    Severity.HIGH: Tone.WARNING,
    Severity.CRITICAL: Tone.ATTENTION,
}
"""The tone where the outcome does not say whether it is good or bad."""

_KINDS = {"disks": "disk", "snapshots": "snapshot", "registries": "registry"}
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Gist:
    """The short form of one alert; texts are cleaned, and empty where there is nothing to say.

    Attributes:
        outcome: None if the alert has a version or an outcome that is not known.
        kind: disk, snapshot, registry, or resource.
        resource: the parsed ID; None for anything else, which only has a name.
        alert_id: letters, digits and dashes, 64 at most.
    """

    title: str
    tone: Tone
    severity: Severity | None
    outcome: Outcome | None
    kind: str
    name: str
    resource: ResourceId | None
    alert_id: str

    @property
    def line(self) -> str:
        """`HIGH · reverted · disk in rg-data`."""
        where = f"{self.kind} in {self.resource.group}" if self.resource else ""
        parts = ((self.severity or "").upper(), self.outcome or "", where)
        return " · ".join(part for part in parts if part)

    @property
    def label(self) -> str:
        """`ledger (disk)`, or what stands in for a name."""
        return f"{self.name} ({self.kind})" if self.name else self.title

    @property
    def urgent(self) -> bool:
        """Whether a person must look."""
        stuck = self.outcome in (Outcome.BLOCKED, Outcome.NOT_REVERTED)
        return stuck or self.severity is Severity.CRITICAL


def gist(alert: Mapping[str, Any]) -> Gist:
    """What an alert says in short; never raises."""
    outcome, severity = _outcome(alert), _severity(alert.get("severity"))
    text = alert.get("resourceId")
    resource = _parsed(text)
    name = clean(resource.name if resource else _last(text), _MAX_NAME)
    return Gist(
        title=_title(alert, outcome, name),
        tone=_tone(outcome, severity),
        severity=severity,
        outcome=outcome,
        kind=_kind(resource, alert.get("resourceType")),
        name=name,
        resource=resource,
        alert_id=_shown_id(alert),
    )


def time_of(value: object) -> datetime | None:
    """A time of an alert as UTC; None for anything else."""
    try:
        return moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def began(alert: Mapping[str, Any]) -> datetime | None:
    """Since when it is known to be open: the event, or else the guard's look."""
    return time_of(alert.get("eventTime")) or time_of(alert.get("seenAt"))


def clock(time: datetime) -> str:
    """A time for people: `2026-03-01 11:59:59 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def lasting(seconds: float) -> str:
    """`47 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`."""
    whole = int(seconds)
    if whole < 1:
        return "under 1 s"  # or less than none, if two clocks differ
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    size = next(number for number, (_, length) in enumerate(units) if whole >= length)
    parts = []
    for unit, length in units[size : size + 2]:
        count, whole = divmod(whole, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts)


def _outcome(alert: Mapping[str, Any]) -> Outcome | None:
    told = alert.get("outcome")
    if alert.get("schema") != SCHEMA or not isinstance(told, str) or told not in set(_TITLES):
        return None
    return Outcome(told)


def _tone(outcome: Outcome | None, severity: Severity | None) -> Tone:
    if outcome in _TONES:
        return _TONES[outcome]
    return _BY_SEVERITY[severity] if severity else Tone.ACCENT


def _severity(value: object) -> Severity | None:
    return Severity(value) if isinstance(value, str) and value in set(Severity) else None


def _parsed(text: object) -> ResourceId | None:
    try:
        return ResourceId.parse(text)
    except Unreadable:
        return None


def _last(text: object) -> str:
    """What stands in for the name in an ID that does not parse."""
    shown = clean(text, 2048)
    return shown.rstrip("/").rpartition("/")[2] or shown


def _kind(resource: ResourceId | None, given: object) -> str:
    types = resource.types if resource else clean(given).split("/")[1:]
    return _KINDS.get(types[0].lower(), "resource") if types else "resource"


def _title(alert: Mapping[str, Any], outcome: Outcome | None, name: str) -> str:
    if outcome is None:
        version = clean(alert.get("schema"), 64) or "unknown"
        return f"Export Guard alert (schema {version})"
    if not name:
        return clean(f"{REPORTS}{clean(alert.get('reason')) or outcome}", MAX_TITLE)
    if outcome is Outcome.REPORTED_ONLY and not alert.get("findings"):
        return f"Export Guard reports on {name}"
    return _TITLES[outcome].format(name)


def _shown_id(alert: Mapping[str, Any]) -> str:
    """The alert's own ID, if it can be shown anywhere; else one that stands for it."""
    given = alert.get("alertId")
    if isinstance(given, str) and _TOKEN.fullmatch(given):
        return given
    try:
        return identity(alert)
    except (TypeError, ValueError, RecursionError):  # no JSON at all, or too deep
        return digest(sorted(map(str, alert)))
