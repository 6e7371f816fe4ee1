"""An alert of any version in short: which resource, how it ended, how bad it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guards.engine.alerts import SCHEMA, digest
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Outcome, Severity
from guards.engine.notify.deliveries import identity
from guards.engine.notify.sheet import Tone
from guards.engine.notify.times import seconds
from guards.engine.notify.titles import LINK_RULE, TITLES, link_only, paths, title

_MAX_NAME = 64

_TONES: dict[Outcome | None, Tone] = {
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

_KINDS = {
    "disks": "disk",
    "snapshots": "snapshot",
    "registries": "registry",
    "restorepointcollections": "restore point",
    "diskrestorepoints": "restore point",
    "diskaccesses": "disk access",
    "roleassignments": "role assignment",
    "roledefinitions": "role definition",
}
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Gist:
    """The short form of one alert; texts are cleaned, and empty where there is nothing to say.

    Attributes:
        outcome: None if the alert has a version or an outcome that is not known.
        kind: disk, snapshot, registry, restore point and so on, or resource.
        resource: the parsed ID; None for anything else, which only has a name.
        alert_id: letters, digits and dashes, 64 at most.
        exposed: whether it tells of a SAS link that was out.
        still_out: whether it still is, as far as the alert tells.
        open_s: for how many seconds it was out, if that is known.
    """

    title: str
    tone: Tone
    severity: Severity | None
    outcome: Outcome | None
    kind: str
    name: str
    resource: ResourceId | None
    alert_id: str
    exposed: bool = False
    still_out: bool = False
    open_s: float | None = None

    @property
    def line(self) -> str:
        """`HIGH · reverted · disk in rg-data`."""
        what = f"{self.kind}{self.where}" if self.resource else ""
        parts = ((self.severity or "").upper(), self.outcome or "", what)
        return " · ".join(part for part in parts if part)

    @property
    def where(self) -> str:
        """` in rg-data`; "" for what is in no resource group."""
        return f" in {self.resource.group}" if self.resource and self.resource.group else ""

    @property
    def label(self) -> str:
        """`ledger (disk)`, or what stands in for a name."""
        return f"{self.name} ({self.kind})" if self.name else self.title

    @property
    def ended(self) -> bool:
        """Whether nothing of it is open any more."""
        return self.outcome in (Outcome.REVERTED, Outcome.FOUND_CLOSED, Outcome.DELETED_MEANWHILE)

    @property
    def urgent(self) -> bool:
        """Whether a person must look."""
        stuck = self.outcome in (Outcome.BLOCKED, Outcome.NOT_REVERTED)
        return stuck or self.severity is Severity.CRITICAL


def gist(alert: Mapping[str, Any]) -> Gist:
    """What an alert says in short; never raises."""
    outcome, severity = _outcome(alert), _severity(alert.get("severity"))
    text, exposed = alert.get("resourceId"), bool(alert.get("exposure"))
    open_s = seconds(link_of(alert).get("secondsOpen"))
    resource = _parsed(text)
    name = clean(resource.name if resource else _last(text), _MAX_NAME)
    return Gist(
        title=title(alert, outcome, name),
        tone=_tone(outcome, severity, exposed=exposed),
        severity=severity,
        outcome=outcome,
        kind=_kind(resource, alert.get("resourceType")),
        name=name,
        resource=resource,
        alert_id=_shown_id(alert),
        exposed=exposed,
        still_out=exposed and open_s is None and not _is_gone(alert, outcome),
        open_s=open_s,
    )


def link_of(alert: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an alert tells of a SAS link that was out; empty where it tells nothing, or in text."""
    told = alert.get("exposure")
    return told if isinstance(told, Mapping) else {}


def _is_gone(alert: Mapping[str, Any], outcome: Outcome | None) -> bool:
    """Whether the link is: settings may have been reverted while it was only reported."""
    if link_of(alert).get("revokedAt") or outcome is Outcome.DELETED_MEANWHILE:
        return True
    if outcome is Outcome.FOUND_CLOSED and link_only(alert):
        return True
    return any(path in paths(alert, "changes") for path in paths(alert, "findings", LINK_RULE))


def _outcome(alert: Mapping[str, Any]) -> Outcome | None:
    told = alert.get("outcome")
    if alert.get("schema") != SCHEMA or not isinstance(told, str) or told not in set(TITLES):
        return None
    return Outcome(told)


def _tone(outcome: Outcome | None, severity: Severity | None, *, exposed: bool) -> Tone:
    """A link that was out is never good news: data may have been read through it."""
    if exposed and _TONES.get(outcome) in (Tone.GOOD, Tone.ACCENT):
        return Tone.WARNING
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
    """By the last type that has a word; a restore point lies deep in its collection."""
    types = resource.types if resource else clean(given).split("/")[1:]
    known = (_KINDS.get(type_.lower()) for type_ in reversed(types))
    return next((kind for kind in known if kind), "resource")


def _shown_id(alert: Mapping[str, Any]) -> str:
    """The alert's own ID, if it can be shown anywhere; else one that stands for it."""
    given = alert.get("alertId")
    if isinstance(given, str) and _TOKEN.fullmatch(given):
        return given
    try:
        return identity(alert)
    except (TypeError, ValueError, RecursionError):  # no JSON at all, or too deep
        return digest(sorted(map(str, alert)))
