"""Events as Event Grid writes them, made by hand where a test needs a strange one."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.arm.callers import named


def event_about(resource: Any, operation: str, **data: Any) -> dict[str, Any]:
    """A ResourceWriteSuccess about a resource, without claims unless given."""
    return {
        "id": str(uuid.uuid4()),
        "topic": "/subscriptions/11111111-2222-4333-8444-555555555555",
        "subject": resource if isinstance(resource, str) else "",
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.1234567Z",
        "dataVersion": "2",
        "metadataVersion": "1",
        "data": {
            "resourceUri": resource,
            "operationName": operation,
            "status": "Succeeded",
            "correlationId": str(uuid.uuid4()),
            **data,
        },
    }


def granted(
    type_: str, resource: str, by: str, at: datetime | None = None, **data: Any
) -> dict[str, Any]:
    """The event of a link that somebody took, as Azure sends it; `at` is now unless given."""
    event = event_about(resource, f"{type_}/beginGetAccess/action", **claimed(by), **data)
    event["eventType"] = "Microsoft.Resources.ResourceActionSuccess"
    event["eventTime"] = f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.1234567Z"
    return event


def claimed(by: str) -> dict[str, Any]:
    """What the data of an event says of its caller."""
    return {"claims": dict(named(by).claims)}
