"""The floor below a notification: two queues with a bare poller each, and a POST at the end.

Whoever fans alerts out through queues needs these hops; it asks them as often as the app's host.
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.bench import alerts

POLL_S = 1.0
"""Seconds between two looks at an empty queue: `maxPollingInterval` of host.json."""

FIRST, SECOND = "bench-first", "bench-second"

_TIMEOUT_S = 10.0
_BATCH = 16


class Relay:
    """`async with Relay(...)`: what is put into the queue `FIRST` ends as a POST of `card`.

    Args:
        endpoints: of a sandbox in which both queues have been made.
        card: what is posted to its Teams for each message.
    """

    def __init__(self, endpoints: Mapping[str, Any], card: Any) -> None:
        context = ssl.create_default_context(cafile=endpoints["ca"])
        self._session = ClientSession(
            connector=TCPConnector(ssl=context), timeout=ClientTimeout(total=_TIMEOUT_S)
        )
        self._url = endpoints["teams"]
        self._card = card
        self._queues = [
            # No proxy on the way to loopback.
            QueueClient.from_connection_string(
                endpoints["queueConnection"], name, use_env_settings=False
            )
            for name in (FIRST, SECOND)
        ]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._session)
        first, second = [await self._stack.enter_async_context(queue) for queue in self._queues]
        group = await self._stack.enter_async_context(asyncio.TaskGroup())

        async def on(message: QueueMessage) -> None:
            await second.send_message(message.content)

        for queue, act in ((first, on), (second, self._post)):
            task = group.create_task(_poll(queue, act))
            self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def put(self) -> None:
        """Put an alert into the first queue."""
        await self._queues[0].send_message(alerts.alert(0))

    async def _post(self, _: QueueMessage) -> None:
        async with self._session.post(self._url, json=self._card) as answer:
            answer.raise_for_status()


async def _poll(queue: QueueClient, act: Callable[[QueueMessage], Awaitable[None]]) -> None:
    """Ask as long as nobody cancels it."""
    while True:
        found = False
        async for message in queue.receive_messages(messages_per_page=_BATCH, max_messages=_BATCH):
            await act(message)
            await queue.delete_message(message)
            found = True
        # Anywhere in its second after a message: two pollers that keep step would favour one run.
        await asyncio.sleep(random.uniform(0, POLL_S) if found else POLL_S)
