"""Storage queues through azure-storage-queue: `guard-work` and `guard-alerts`.

Messages are base64, as the Functions host expects them by default. Losing a race for a message
(PopReceiptMismatch, 404) is normal: it means that someone else has it.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue.aio import QueueClient

from guards.engine.errors import Transient
from guards.engine.ports import Receipt

log = logging.getLogger(__name__)

TIMEOUT_S = 3
"""For one operation with its retries: budget, alert and deletion must fit Event Grid's 30 s."""

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
        except (AzureError, TimeoutError) as e:
            raise self._failed(e) from e
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
        except (AzureError, TimeoutError) as e:
            if _code(e) not in _LOST_RACES:
                raise self._failed(e) from e

    async def delete(self, receipt: Receipt) -> None:
        """As `ports.Queue.delete`: what stays surfaces, and is found closed."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._client.delete_message(receipt.id, receipt.pop_receipt)
        except (AzureError, TimeoutError) as e:
            if _code(e) not in _LOST_RACES:
                log.warning("an intent could not be deleted and will surface: %s", self._failed(e))

    def _failed(self, error: Exception) -> Transient:
        status = getattr(error, "status_code", None) or 0
        code = _code(error) or type(error).__name__
        return Transient(f"queue {self._client.queue_name}: {code}", status=status)


def _code(error: Exception) -> str:
    """Storage's own code; the SDK has it as text or as an enum, whose `str` is its name."""
    code = getattr(error, "error_code", "") if isinstance(error, HttpResponseError) else ""
    return str(getattr(code, "value", code) or "")
