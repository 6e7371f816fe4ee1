"""Small function apps on the local host, and an Azurite for those that listen to queues."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from sandbox.storage import Azurite

SAMPLE = Path(__file__).parent / "app"

IMPORTS = "import asyncio, time\nimport azure.functions as func\napp = func.FunctionApp()\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    """A storage account for all tests of a module."""
    storage = Azurite()
    await storage.start()
    yield storage
    await storage.stop()


def app_of(folder: Path, source: str, host_json: str = "{}") -> Path:
    """A function app of its own, from the source of its functions."""
    (folder / "function_app.py").write_text(IMPORTS + source)
    (folder / "host.json").write_text(host_json)
    return folder


async def eventually(
    condition: Callable[[], Any] | Callable[[], Awaitable[Any]], within: float = 15.0
) -> None:
    """Wait until the condition holds; fails when it never does."""
    end = time.monotonic() + within
    while True:
        holds = condition()
        if asyncio.iscoroutine(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < end, f"it did not happen within {within} s"
        await asyncio.sleep(0.02)


async def put(queue: QueueClient, body: str) -> None:
    """Send a message as the host expects it."""
    await queue.send_message(base64.b64encode(body.encode()).decode())


def grid_event(event_id: str = "1", /, **data: Any) -> dict[str, Any]:
    """An event in the Event Grid schema."""
    return {
        "id": event_id,
        "topic": "/subscriptions/0",
        "subject": "/thing",
        "eventType": "Test",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def cloud_event(event_id: str = "1", /, **data: Any) -> dict[str, Any]:
    """An event in the CloudEvents schema."""
    return {"specversion": "1.0", "id": event_id, "source": "/s", "type": "Test", "data": data}
