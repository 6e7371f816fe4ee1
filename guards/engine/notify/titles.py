"""An alert as a sentence: the title of a card, the heading of a mail."""

from collections.abc import Mapping
from typing import Any

from guards.engine.events import clean
from guards.engine.model import Outcome

REPORTS = "Export Guard reports: "
"""How the title of what is about no resource begins."""

MAX_TITLE = 120
_OPEN = "Export settings of {} "
TITLES = {
    Outcome.REVERTED: _OPEN + "were reverted",
    Outcome.FOUND_CLOSED: _OPEN + "were found closed",
    Outcome.REPORTED_ONLY: _OPEN + "are open: reported only",
    Outcome.BLOCKED: _OPEN + "are open: closing them is blocked",
    Outcome.NOT_REVERTED: _OPEN + "were not reverted",
    Outcome.DELETED_MEANWHILE: "{} was deleted meanwhile",
    Outcome.DEFERRED: "Reverting export settings of {} is deferred",
}
LINK_RULE = "liveExport"
_LINK = "A SAS link to {} "
_LINK_TITLES = {
    Outcome.REVERTED: _LINK + "was revoked",
    Outcome.FOUND_CLOSED: _LINK + "was found closed",
    Outcome.REPORTED_ONLY: _LINK + "is out: reported only",
    Outcome.BLOCKED: _LINK + "is out: revoking it is blocked",
    Outcome.NOT_REVERTED: _LINK + "could not be revoked",
    Outcome.DELETED_MEANWHILE: "{} was deleted, after a SAS link to it was taken",
    Outcome.DEFERRED: "Revoking a SAS link to {} is deferred",
}
"""Where a link that is out is all that was found."""

_REPORTED = {
    "exportPermissions": "{} gives permissions to export",
    "importImage": "Images were imported into {}",
    "privateEndpoint": "No private endpoint leads to {}",
}
"""What is no export setting, where it is all that was found."""


def title(alert: Mapping[str, Any], outcome: Outcome | None, name: str) -> str:
    """What an alert says in a sentence; `outcome` is None if its version is not known."""
    if outcome is None:
        version = clean(alert.get("schema"), 64) or "unknown"
        return f"Export Guard alert (schema {version})"
    if not name:
        return clean(f"{REPORTS}{clean(alert.get('reason')) or outcome}", MAX_TITLE)
    if outcome is Outcome.REPORTED_ONLY and not alert.get("findings"):
        return f"Export Guard reports on {name}"
    rule = _only_rule(alert)
    if outcome is Outcome.REPORTED_ONLY and rule in _REPORTED:
        return _REPORTED[rule].format(name)
    titles = _LINK_TITLES if rule == LINK_RULE else TITLES
    return titles[outcome].format(name)


def link_only(alert: Mapping[str, Any]) -> bool:
    """Whether a SAS link that is out is all that was found."""
    return _only_rule(alert) == LINK_RULE


def _only_rule(alert: Mapping[str, Any]) -> str:
    """The rule that all findings are of; "" if there are several, or none."""
    found = alert.get("findings")
    listed = found if isinstance(found, list) else []
    rules = {str(one.get("rule")) if isinstance(one, Mapping) else "" for one in listed}
    return rules.pop() if len(rules) == 1 else ""


def paths(alert: Mapping[str, Any], key: str, rule: str = "") -> list[str]:
    """The paths in a list of an alert; of findings those of one rule."""
    found = alert.get(key)
    listed = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    named = (one.get("path") for one in listed if not rule or one.get("rule") == rule)
    return [path for path in named if isinstance(path, str)]
