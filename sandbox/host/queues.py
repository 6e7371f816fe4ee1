"""Listens to one storage queue for one function, as the storage extension 5.x does.

Messages are taken in batches; the next batch is taken when no more than `newBatchThreshold` of
them are still running. An empty queue is asked more and more seldom, up to `maxPollingInterval`;
an output binding of this host that writes to the queue wakes the listener. Unlike the real one,
this listener outlives a storage error of any kind: it says so once and goes on asking.
"""

import asyncio
import logging
import os
import random
from dataclasses import dataclass

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.host.invocations import Invocations
from sandbox.host.messages import MessageHandler
from sandbox.host.settings import QueueSettings
from sandbox.host.storage import Storage
from sandbox.host.worker import Function

log = logging.getLogger("sandbox.host")

FASTEST = 0.1
"""Seconds between two looks at a queue that has just become empty."""

LEASE = 600.0
"""Seconds a taken message is invisible; after a crash of the process it comes back only then.

SANDBOX_QUEUE_LEASE shortens it for tests that wait for a crashed process's messages.
"""


@dataclass
class BackOff:
    """Seconds until the next look: doubling with jitter (RandomizedExponentialBackoffStrategy)."""

    longest: float
    exponent: int = 0
    current: float = FASTEST

    def after(self, *, found: bool) -> float:
        """The pause after a look that found messages, or did not."""
        if found:
            self.exponent = 1
            self.current = FASTEST
        elif self.current < self.longest:
            pause = FASTEST
            if self.exponent > 0:
                pause += random.uniform(0.8, 1.2) * 2 ** (self.exponent - 1) * FASTEST
            self.exponent += 1
            self.current = min(pause, self.longest)
        return self.current


class QueueListener:
    """The queue trigger of one function."""

    def __init__(
        self,
        function: Function,
        settings: QueueSettings,
        storage: Storage,
        invocations: Invocations,
    ) -> None:
        self._settings = settings
        self._queue = storage.queue(function.trigger)
        self._wake = storage.wake(self._queue.queue_name)
        self._lease = float(os.environ.get("SANDBOX_QUEUE_LEASE") or LEASE)
        self._active: set[asyncio.Task[None]] = set()
        self._in_trouble = False
        self._stopping = False
        self._handler = MessageHandler(
            function,
            self._queue,
            settings,
            invocations,
            poison=_poison_queue(storage, function, self._queue),
            lease=self._lease,
        )

    async def listen(self) -> None:
        """Take messages and start their functions, until `stop`."""
        back_off = BackOff(self._settings.max_polling_interval)
        found_before_pause = False
        while not self._stopping:
            self._wake.clear()
            messages = await self._take()
            for message in messages:
                task = asyncio.create_task(self._handler.handle(message))
                self._active.add(task)
                task.add_done_callback(self._active.discard)
            if messages:
                found_before_pause = True
                while len(self._active) > self._settings.new_batch_threshold:
                    await asyncio.wait(self._active, return_when=asyncio.FIRST_COMPLETED)
                continue
            pause = back_off.after(found=found_before_pause)
            found_before_pause = False
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _take(self) -> list[QueueMessage]:
        """One batch; an empty list as well when the queue does not exist or cannot be reached."""
        pages = self._queue.receive_messages(
            messages_per_page=self._settings.batch_size,
            visibility_timeout=int(self._lease),
            retry_total=0,  # the next look is the retry
        ).by_page()
        try:
            page = await anext(pages)
            messages = [message async for message in page]
        except StopAsyncIteration:
            messages = []
        except AzureError as exc:
            messages = []
            if not (isinstance(exc, HttpResponseError) and exc.status_code in {404, 409}):
                self._complain(exc)
                return messages
        self._in_trouble = False
        return messages

    def _complain(self, exc: Exception) -> None:
        if not self._in_trouble:
            reason = str(exc).partition("\n")[0]
            log.warning("queue %s cannot be read: %s", self._queue.queue_name, reason)
        self._in_trouble = True

    def stop(self) -> None:
        """Take no more; what a request under way brings is still run, or its lease hides it."""
        self._stopping = True
        self._wake.set()

    async def settled(self) -> None:
        """Wait until every message that was taken is deleted or released."""
        await asyncio.gather(*self._active)

    async def abandon(self) -> None:
        """Cancel what still runs; the messages come back when their leases end."""
        for task in self._active:
            task.cancel()
        await asyncio.gather(*self._active, return_exceptions=True)


def _poison_queue(storage: Storage, function: Function, queue: QueueClient) -> QueueClient | None:
    if queue.queue_name.endswith("-poison"):
        return None
    return storage.queue(function.trigger, f"{queue.queue_name}-poison")
