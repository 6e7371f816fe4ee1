"""Diagnostic settings: which logs of a resource go where. They extend any resource, also here.

Documented: the bodies, 200 for each PUT, that a log has either a category or a group, and that a
setting leads somewhere. Guesses: the codes of the refusals. Which categories a type has is not
checked, nothing is ever logged, and as in Azure a setting outlives its resource.
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.arm.bodies import READ_ONLY, Body, Write, envelope, members, part
from sandbox.arm.errors import bad_request

TYPE: Final = "Microsoft.Insights/diagnosticSettings"
VERSIONS: Final = ("2021-05-01-preview",)
_TARGETS: Final = (
    "workspaceId",
    "storageAccountId",
    "eventHubAuthorizationRuleId",
    "marketplacePartnerId",
)
_MORE: Final = {"eventHubName", "serviceBusRuleId", "logAnalyticsDestinationType"}


def put(write: Write) -> Body:
    """A diagnostic setting after a PUT."""
    members(write.body, READ_ONLY | {"properties"}, "DiagnosticSettingsResource")
    asked = part(write.body, "properties")
    members(asked, {*_TARGETS, *_MORE, "logs", "metrics"}, "DiagnosticSettings", "properties.")
    if not any(asked.get(name) for name in _TARGETS):
        raise bad_request("At least one data sink needs to be specified.")
    kept = {name: asked.get(name) for name in (*_TARGETS, *sorted(_MORE))}
    logs = [_log(one) for one in _list(asked, "logs", {"category", "categoryGroup"})]
    metrics = [_enabled(one) for one in _list(asked, "metrics", {"category", "timeGrain"})]
    body = envelope(write, properties={**kept, "logs": logs, "metrics": metrics})
    del body["tags"]
    return body


def _log(asked: Mapping[str, Any]) -> Body:
    if bool(asked.get("category")) == bool(asked.get("categoryGroup")):
        raise bad_request("Either 'category' or 'categoryGroup' is required for a log.")
    return {"category": None, "categoryGroup": None, **_enabled(asked)}


def _enabled(asked: Mapping[str, Any]) -> Body:
    if not isinstance(asked.get("enabled"), bool):
        raise bad_request("The property 'enabled' is required, true or false.")
    return {"retentionPolicy": {"enabled": False, "days": 0}, **asked}


def _list(asked: Mapping[str, Any], name: str, known: set[str]) -> list[Mapping[str, Any]]:
    given = asked.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request(f"'properties.{name}' is a list of objects.")
    for one in given:
        members(one, known | {"enabled", "retentionPolicy"}, "Settings", f"properties.{name}.")
    return given
