"""The events Azure raises for a subscription: one for each successful write, action and delete.

Shapes and peculiarities (lower-case `resourcegroups`, seven digits of a second, no body of the
resource, no `httpRequest` when something is created) are those of captured events.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.arm.callers import Caller
from sandbox.arm.settings import Settings
from sandbox.identity import TENANT_ID

_TYPES: Final = {"write": "Write", "delete": "Delete", "action": "Action"}


@dataclass(frozen=True)
class Happening:
    """What is told of one request."""

    resource_id: str
    subscription: str
    resource_type: str
    verb: str
    """write, delete, or beginGetAccess/action and the like."""
    caller: Caller
    correlation_id: str
    client_request_id: str
    method: str
    path_qs: str
    created: bool = False


def event(happening: Happening, settings: Settings) -> dict[str, Any]:
    """The event in the schema that the settings ask for."""
    subject = happening.resource_id.replace("/resourceGroups/", "/resourcegroups/", 1)
    kind = _TYPES[happening.verb.rpartition("/")[2]]
    event_type = f"Microsoft.Resources.Resource{kind}Success"
    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    source = f"/subscriptions/{happening.subscription}"
    event_id = str(uuid.uuid4())
    data = _data(happening, settings, subject)
    if settings.schema == "cloudevents":
        return {
            "subject": subject,
            "source": source,
            "type": event_type,
            "time": when,
            "id": event_id,
            "data": data,
            "specversion": "1.0",
        }
    return {
        "subject": subject,
        "eventType": event_type,
        "eventTime": when,
        "id": event_id,
        "data": data,
        "dataVersion": "2",
        "metadataVersion": "1",
        "topic": source,
    }


def _data(happening: Happening, settings: Settings, subject: str) -> dict[str, Any]:
    operation = f"{happening.resource_type}/{happening.verb}"
    caller = happening.caller
    told = settings.claims == "full"
    authorization = {"scope": subject, "action": operation, "evidence": caller.evidence}
    data: dict[str, Any] = {
        "authorization": authorization if told else {},
        "claims": dict(caller.claims) if told else {},
        "correlationId": happening.correlation_id,
    }
    if not told:
        data["httpRequest"] = {}
    elif not happening.created:
        data["httpRequest"] = {
            "clientRequestId": happening.client_request_id,
            "clientIpAddress": caller.ip_address,
            "method": happening.method,
            "url": f"https://management.azure.com{happening.path_qs}",
        }
    return {
        **data,
        "resourceProvider": happening.resource_type.partition("/")[0],
        "resourceUri": subject,
        "operationName": operation,
        "status": "Succeeded",
        "subscriptionId": happening.subscription,
        "tenantId": TENANT_ID,
    }
