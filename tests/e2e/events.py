"""Events as Event Grid writes them, made by hand where a test needs a strange one."""

import uuid
from datetime import UTC, datetime
from typing import Any


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
