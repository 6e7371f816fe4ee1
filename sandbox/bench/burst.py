"""What surrounds the guard in a flood: time that is not waited for, queues in memory, and counts.

It runs in the measured process; `flood` starts that and joins these parts with the app's wiring.
"""

import asyncio
import heapq
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

AT_ONCE = 16
"""Messages at once, as host.json lets the app take them from a queue."""

_AGAIN_S = 30.0
"""As host.json has it: when a message comes again that could not be dealt with."""

_MOST_ROUNDS = 100_000

type Handler = Callable[[bytes], Awaitable[object]]


class Clock:
    """Time as it passes, except where nothing happens: that is skipped."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._skipped_s)

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic() + self._skipped_s

    def seconds(self) -> float:
        """Since 1970."""
        return time.time() + self._skipped_s

    def skip_to(self, at: float) -> None:
        """Go on at that second, unless it has passed."""
        self._skipped_s += max(0.0, at - self.seconds())


class Queue:
    """Messages in the order in which they fall due; those of `more` come after what is due."""

    def __init__(self, clock: Clock, more: Iterable[bytes] = ()) -> None:
        self._clock = clock
        self._more = iter(more)
        self._messages: list[tuple[float, int, bytes]] = []
        self._puts = 0

    async def put(self, message: Mapping[str, Any], delay_s: float = 0) -> None:
        """As the app's port; nobody asks for the receipt."""
        self.add(json.dumps(message).encode(), delay_s)

    def add(self, text: bytes, delay_s: float) -> None:
        """Add a message as it is on the wire."""
        self._puts += 1
        heapq.heappush(self._messages, (self._clock.seconds() + delay_s, self._puts, text))

    def due(self) -> float | None:
        """When the next one falls due; None if there is none."""
        return self._messages[0][0] if self._messages else None

    def take(self) -> bytes | None:
        """The next one, if it is due."""
        due = self.due()
        if due is None or due > self._clock.seconds():
            return next(self._more, None)
        return heapq.heappop(self._messages)[2]


class Store:
    """The app's store, its calls counted."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls = Counter[str]()

    async def get(self, partition: str, key: str) -> Any:
        """As the app's port."""
        self.calls["get"] += 1
        return await self._store.get(partition, key)

    async def page(self, partition: str, prefix: str, limit: int, *, after: str = "") -> Any:
        """As the app's port."""
        self.calls["page"] += 1
        return await self._store.page(partition, prefix, limit, after=after)

    async def write(self, partition: str, *writes: Any) -> None:
        """As the app's port; one transaction is one call."""
        self.calls["write"] += 1
        await self._store.write(partition, *writes)


class Channel:
    """A channel of the app; `sent` are the moments of its messages, seconds since 1970."""

    def __init__(self, channel: Any, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self.name: str = channel.name
        self.limits: Sequence[Any] = channel.limits
        self.capacity: int = channel.capacity
        self.sent: list[float] = []

    async def send(self, parcel: Any, another: Callable[[], Awaitable[bool]]) -> Any:
        """As the app's port; what fails counts as well."""
        self.sent.append(self._clock.seconds())
        return await self._channel.send(parcel, another)


@dataclass(frozen=True, slots=True)
class _Message:
    name: str
    text: bytes
    queue: Queue
    handle: Handler


class Burst:
    """Alerts that are all there at once, and the queues that deliver them."""

    def __init__(self, clock: Clock, alerts: Iterable[bytes]) -> None:
        self._clock = clock
        self._alerts = Queue(clock, alerts)
        self.deliveries = Queue(clock)
        self.given_up = Queue(clock)
        self.handled = Counter[str]()

    async def run(self, fan_out: Handler, deliver: Handler, give_up: Handler) -> None:
        """Handle messages until there are none; those of deliveries come before new alerts.

        Raises:
            RuntimeError: there is no end to it.
        """
        sources = (
            ("given up", self.given_up, give_up),
            ("delivery", self.deliveries, deliver),
            ("alert", self._alerts, fan_out),
        )
        for _ in range(_MOST_ROUNDS):
            batch = [*islice(_due(sources), AT_ONCE)]
            if batch:
                await self._handle(batch)
                continue
            dues = [due for _, queue, _ in sources if (due := queue.due()) is not None]
            if not dues:
                return
            self._clock.skip_to(min(dues))
        raise RuntimeError("the burst has no end")

    async def _handle(self, batch: Sequence[_Message]) -> None:
        ended = await asyncio.gather(
            *(one.handle(one.text) for one in batch), return_exceptions=True
        )
        for one, end in zip(batch, ended, strict=True):
            self.handled[one.name] += 1
            if isinstance(end, Exception):
                self.handled["again"] += 1
                one.queue.add(one.text, _AGAIN_S)


def _due(sources: Iterable[tuple[str, Queue, Handler]]) -> Iterator[_Message]:
    """What is due now, of one queue after the other."""
    for name, queue, handle in sources:
        while (text := queue.take()) is not None:
            yield _Message(name, text, queue, handle)
