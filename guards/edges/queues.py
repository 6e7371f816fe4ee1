"""Storage queues through azure-storage-queue: `guard-work` and `guard-alerts`.

Messages are base64, as the Functions host expects them by default. Losing a race for a message
(PopReceiptMismatch, 404) is normal: it means that someone else has it.
"""

import asyncio
import json
import logging
import zlib
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue.aio import QueueClient

from guards.engine.errors import Transient
from guards.engine.ports import Receipt

log = logging.getLogger(__name__)

TIMEOUT_S = 3
"""For one operation with its retries: budget, alert and deletion must fit Event Grid's 30 s."""

TROUBLE = (AzureError, TimeoutError, ValueError, zlib.error)
"""What an operation may raise: ValueError is aiohttp's of a header, zlib's of an odd answer."""

_LOST_RACES = {"PopReceiptMismatch", "MessageNotFound"}


class StorageQueue:
    """The `Queue` port over one storage queue."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def put(self, message: Mapping[str, Any], delay_s: float = 0) -> Receipt:
        """As `ports.Queue.put`."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sent = await self._client.send_message(
                    json.dumps(message),
                    visibility_timeout=int(delay_s) or None,
                    time_to_live=-1,  # a message lives until someone has dealt with it
                )
        except TROUBLE as e:
            raise failed(self._client, e) from e
        return Receipt(sent.id, sent.pop_receipt or "")

    async def update(self, receipt: Receipt, message: Mapping[str, Any], delay_s: float) -> None:
        """As `ports.Queue.update`."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._client.update_message(
                    receipt.id,
                    receipt.pop_receipt,
                    content=json.dumps(message),
                    visibility_timeout=int(delay_s),
                )
        except TROUBLE as e:
            if code_of(e) not in _LOST_RACES:
                raise failed(self._client, e) from e

    async def delete(self, receipt: Receipt) -> None:
        """As `ports.Queue.delete`: what stays surfaces, and is found closed."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._client.delete_message(receipt.id, receipt.pop_receipt)
        except TROUBLE as e:
            if code_of(e) not in _LOST_RACES:
                trouble = failed(self._client, e)
                log.warning("an intent could not be deleted and will surface: %s", trouble)


def failed(client: QueueClient, error: Exception) -> Transient:
    """What went wrong with a queue, by storage's own code."""
    status = getattr(error, "status_code", None) or 0
    code = code_of(error) or type(error).__name__
    return Transient(f"queue {client.queue_name}: {code}", status=status)


def code_of(error: Exception) -> str:
    """Storage's own code; the SDK has it as text or as an enum, whose `str` is its name."""
    code = getattr(error, "error_code", "") if isinstance(error, HttpResponseError) else ""
    return str(getattr(code, "value", code) or "")
