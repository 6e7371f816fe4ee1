"""Long-running operations: accepted now, done after a while, asked for in between."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass
class Operation:
    """One operation; `result` is what its Location answers once it is done."""

    subscription: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: str = field(default_factory=_now)
    ended: str | None = None
    result: bytes = b""

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.ended is not None

    def status(self) -> dict[str, Any]:
        """What Azure-AsyncOperation answers for Compute."""
        answer = {"startTime": self.started, "name": self.id, "status": "InProgress"}
        if self.ended is not None:
            answer |= {"endTime": self.ended, "status": "Succeeded"}
        return answer


class Operations:
    """The operations of this run, and the timers that end them."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def start(self, subscription: str, seconds: float, finish: Callable[[], bytes]) -> Operation:
        """Accept an operation; `finish` does the work when the time has come."""
        operation = Operation(subscription.lower())
        self._known[operation.id] = operation

        def end() -> None:
            self._timers.discard(timer)
            operation.result = finish()
            operation.ended = _now()

        timer = asyncio.get_running_loop().call_later(seconds, end)
        self._timers.add(timer)
        return operation

    def get(self, subscription: str, operation_id: str) -> Operation | None:
        """The operation of that ID, if it is this subscription's."""
        operation = self._known.get(operation_id.lower())
        if operation is None or operation.subscription != subscription.lower():
            return None
        return operation

    def stop(self) -> None:
        """Leave what is unfinished unfinished."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
