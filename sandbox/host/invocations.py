"""One invocation: the function is run within its time limit and its output bindings are applied.

Every trigger (webhook, queue, timer, route, admin) comes through here, so this is where a failure
is logged: one line each, in the real host's words.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable

from sandbox.host.protos import TypedData
from sandbox.host.storage import Storage
from sandbox.host.values import queue_messages, untyped
from sandbox.host.worker import Function, FunctionFailed, Worker

log = logging.getLogger("sandbox.host")

_LONGEST_MESSAGE = 2000


class FunctionTimedOut(FunctionFailed):
    """The function ran longer than functionTimeout; the worker has to be started again."""


class Invocations:
    """Runs functions, and knows which are running."""

    def __init__(
        self,
        worker: Worker,
        storage: Storage,
        time_limit: float | None,
        on_timeout: Callable[[], None] = lambda: None,
    ) -> None:
        self._worker = worker
        self._storage = storage
        self.time_limit = time_limit
        self._on_timeout = on_timeout
        self._numbers = itertools.count()
        self._running: dict[int, float] = {}

    async def run(
        self,
        function: Function,
        data: TypedData,
        metadata: dict[str, TypedData] | None = None,
        *,
        retry: tuple[int, int] = (0, 0),
        trace_parent: str = "",
    ) -> TypedData:
        """Run a function and apply its outputs; raises FunctionFailed, after the log line."""
        number = next(self._numbers)
        self._running[number] = time.monotonic()
        limit = asyncio.timeout(self.time_limit)
        try:
            async with limit:
                outputs, returned = await self._worker.invoke(
                    function, data, metadata or {}, retry=retry, trace_parent=trace_parent
                )
            await self._apply(function, outputs, returned)
        except FunctionFailed as exc:
            failure = exc
        except Exception as exc:  # noqa: BLE001 (an output that cannot be written fails the call)
            failure = FunctionFailed(f"{type(exc).__name__}: {exc}")
            if limit.expired():
                failure = FunctionTimedOut(
                    f"Timeout value of {self.time_limit:g} s exceeded by function"
                    f" 'Functions.{function.name}'"
                )
                self._on_timeout()
        else:
            return returned
        finally:
            del self._running[number]
        message = " ".join(str(failure).split())[:_LONGEST_MESSAGE]
        log.error("Executed 'Functions.%s' (Failed): %s", function.name, message)
        log.debug("%s", failure.stack_trace)
        raise failure

    async def _apply(
        self, function: Function, outputs: dict[str, TypedData], returned: TypedData
    ) -> None:
        for name, binding in function.outputs.items():
            data = returned if name == "$return" else outputs.get(name)
            if data is None or binding["type"].lower() != "queue":
                continue
            value = untyped(data)
            if value is not None:
                for message in queue_messages(value):
                    await self._storage.send(binding, message)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._running:  # noqa: ASYNC110 (once, at the stop; an Event would cost every call)
            await asyncio.sleep(0.02)

    def longest_running(self) -> float:
        """Seconds that the oldest running invocation has taken so far. Any thread may ask."""
        oldest = min(tuple(self._running.values()), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest
