"""Storage connections of the app's queue bindings, and the queues behind them.

A binding's `connection` names either one app setting with a connection string, or settings that
begin with that name and two underscores, for a managed identity.
"""

import asyncio
import base64
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox.host.settings import HostSettingsError, resolve

if TYPE_CHECKING:
    from azure.identity.aio import ManagedIdentityCredential

DEFAULT_CONNECTION = "AzureWebJobsStorage"

# The host's own storage traffic stays out of the app's log: in Azure it is another process's.
_quiet = logging.getLogger("sandbox.host.storage")
_quiet.setLevel(logging.WARNING)


class Storage:
    """Opens each connection once and keeps it until `close`."""

    def __init__(self, *, base64: bool) -> None:
        self._base64 = base64
        self._services: dict[str, QueueServiceClient] = {}
        self._credentials: list[ManagedIdentityCredential] = []
        self._wake: dict[str, asyncio.Event] = {}

    def queue(self, binding: dict[str, Any], name: str | None = None) -> QueueClient:
        """A client for the binding's queue, or for another queue on the same connection."""
        connection = binding.get("connection") or DEFAULT_CONNECTION
        if connection not in self._services:
            self._services[connection] = self._open(connection)
        return self._services[connection].get_queue_client(
            name or resolve(binding["queueName"]).lower()
        )

    def _open(self, connection: str) -> QueueServiceClient:
        options: dict[str, Any] = {
            "logger": _quiet,
            "initial_backoff": 1,
            "increment_base": 2,
        }
        if text := os.environ.get(connection):
            return QueueServiceClient.from_connection_string(text, **options)
        uri = os.environ.get(f"{connection}__queueServiceUri")
        if uri is None and (account := os.environ.get(f"{connection}__accountName")):
            uri = f"https://{account}.queue.core.windows.net"
        if uri is None:
            raise HostSettingsError(
                f"no app setting {connection} nor {connection}__queueServiceUri"
            )
        # Imported here, since it takes a fifth of a second that apps with a key need not pay.
        from azure.identity.aio import ManagedIdentityCredential

        credential = ManagedIdentityCredential(
            client_id=os.environ.get(f"{connection}__clientId"), logger=_quiet
        )
        self._credentials.append(credential)
        return QueueServiceClient(uri, credential=credential, **options)

    def wake(self, queue_name: str) -> asyncio.Event:
        """Set when an output binding of this host has written to the queue."""
        return self._wake.setdefault(queue_name, asyncio.Event())

    async def send(self, binding: dict[str, Any], content: bytes) -> None:
        """Write an output binding's message, in the encoding that host.json names."""
        queue = self.queue(binding)
        await put(queue, base64.b64encode(content).decode() if self._base64 else content.decode())
        if queue.queue_name in self._wake:
            self._wake[queue.queue_name].set()

    async def close(self) -> None:
        """Close every connection."""
        for service in self._services.values():
            await service.close()
        for credential in self._credentials:
            await credential.close()
        self._services.clear()
        self._credentials.clear()


async def put(queue: QueueClient, text: str) -> None:
    """Put text into a queue as it is; a queue that does not exist is made, as the host does."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):  # another message was quicker
            await queue.create_queue()
        await queue.send_message(text)
