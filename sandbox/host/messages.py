"""What happens to one queue message, from the moment it was taken until it is gone or released.

Follows QueueProcessor of the storage extension 5.x: the message is leased while its function runs
and the lease is renewed half-way; success deletes it; failure releases it after
`visibilityTimeout` or, when it has been tried `maxDequeueCount` times, moves it to the poison
queue. A message that cannot be decoded goes there at once, unseen by the function. A poison queue
has no poison queue of its own: what fails there stays invisible until its lease ends.
"""

import asyncio
import base64
import binascii
import json
import logging
from datetime import datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.host.invocations import Invocations
from sandbox.host.protos import TypedData
from sandbox.host.settings import QueueSettings
from sandbox.host.storage import put
from sandbox.host.values import add_binding_data, typed
from sandbox.host.worker import Function, FunctionFailed

log = logging.getLogger("sandbox.host")


class UndecodableError(ValueError):
    """The message's text is not what messageEncoding promises."""


class MessageHandler:
    """Handles the messages of one queue for one function."""

    def __init__(
        self,
        function: Function,
        queue: QueueClient,
        settings: QueueSettings,
        invocations: Invocations,
        *,
        poison: QueueClient | None,
        lease: float,
    ) -> None:
        self._function = function
        self._queue = queue
        self._settings = settings
        self._invocations = invocations
        self._poison = poison
        self._lease = lease

    async def handle(self, message: QueueMessage) -> None:
        """Run the function for the message and settle it; trouble with the storage is logged."""
        lease = Lease(self._queue, message, self._lease)
        try:
            await self._handle(message, lease)
        except AzureError as exc:
            # The message comes back when its lease ends, as in Azure.
            log.warning("queue %s: message %s: %s", self._queue.queue_name, message.id, _brief(exc))
        finally:
            lease.end()

    async def _handle(self, message: QueueMessage, lease: "Lease") -> None:
        count = message.dequeue_count or 0
        try:
            body = decode(message.content, base64_encoded=self._settings.base64)
        except UndecodableError:
            return await self._give_up(message, lease)
        if count > self._settings.max_dequeue_count:
            return await self._give_up(message, lease)
        data, metadata = self._input(message, body)
        try:
            await self._invocations.run(self._function, data, metadata)
        except FunctionFailed:
            if count >= self._settings.max_dequeue_count:
                return await self._give_up(message, lease)
            if self._poison is not None:
                await lease.release(self._settings.visibility_timeout)
            return None
        return await lease.delete()

    def _input(self, message: QueueMessage, body: bytes) -> tuple[TypedData, dict[str, TypedData]]:
        metadata = {
            "DequeueCount": typed(message.dequeue_count),
            "Id": typed(message.id),
            "ExpirationTime": _moment(message.expires_on),
            "InsertionTime": _moment(message.inserted_on),
            "NextVisibleTime": _moment(message.next_visible_on),
            "PopReceipt": typed(message.pop_receipt),
        }
        if str(self._function.trigger.get("dataType") or "").lower() == "binary":
            return typed(body), metadata
        text = body.decode("utf-8", "replace")
        metadata["QueueTrigger"] = typed(text)
        add_binding_data(text, metadata)
        return typed(text), metadata

    async def _give_up(self, message: QueueMessage, lease: "Lease") -> None:
        if self._poison is None:
            return
        log.warning(
            "Message has reached MaxDequeueCount of %s. Moving message to queue '%s'.",
            self._settings.max_dequeue_count,
            self._poison.queue_name,
        )
        await put(self._poison, message.content)
        await lease.delete()


class Lease:
    """Keeps one message invisible to others, and ends that in one of two ways."""

    def __init__(self, queue: QueueClient, message: QueueMessage, seconds: float) -> None:
        self._queue = queue
        self._id = message.id
        self._receipt = message.pop_receipt
        self._seconds = seconds
        self._renewal: asyncio.Task[None] | None = None
        # A renewal in flight changes the pop receipt that deleting needs.
        self._lock = asyncio.Lock()
        self._timer = asyncio.get_running_loop().call_later(seconds / 2, self._start_renewing)

    def _start_renewing(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            async with self._lock:
                await self._change(self._seconds)
            await asyncio.sleep(self._seconds / 2)

    async def _change(self, seconds: float) -> None:
        try:
            # Without content the body is kept as it is.
            changed = await self._queue.update_message(
                self._id, self._receipt, visibility_timeout=int(seconds)
            )
            self._receipt = changed.pop_receipt
        except HttpResponseError as exc:
            _ignore_lost(exc)

    async def release(self, seconds: float) -> None:
        """Let the message come back after some seconds."""
        async with self._lock:
            self.end()
            await self._change(seconds)

    async def delete(self) -> None:
        """The message is done."""
        async with self._lock:
            self.end()
            try:
                await self._queue.delete_message(self._id, self._receipt)
            except HttpResponseError as exc:
                _ignore_lost(exc)

    def end(self) -> None:
        """Stop renewing."""
        self._timer.cancel()
        if self._renewal is not None:
            self._renewal.cancel()


def decode(text: str, *, base64_encoded: bool) -> bytes:
    """The body of a message; raises UndecodableError."""
    if not base64_encoded:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UndecodableError(str(exc)) from exc


def _moment(value: datetime | None) -> TypedData:
    return TypedData(json=json.dumps(value.isoformat())) if value else TypedData()


def _ignore_lost(exc: HttpResponseError) -> None:
    """Somebody else has the message, or it is gone: no concern of this invocation."""
    code: Any = getattr(exc, "error_code", None)
    if exc.status_code != 404 and str(getattr(code, "value", code)) != "PopReceiptMismatch":
        raise exc


def _brief(exc: Exception) -> str:
    return str(exc).partition("\n")[0]
