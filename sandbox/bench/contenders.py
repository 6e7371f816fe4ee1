"""Who is measured: the guard in the sandbox's functions process, and the floors, one process each.

A contender runs blocks of one kind of event; it is given resources, and the guard finds the events
about them on the stage. Nothing else than the contender's own process counts as its CPU time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Protocol, Self

import psutil  # type: ignore[import-untyped]
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from sandbox.bench import floor, pace
from sandbox.bench.pace import Block
from sandbox.bench.stage import Kind, Stage
from sandbox.functions import ROOT

DELIVERY = {"aeg-event-type": "Notification", "content-type": "application/json; charset=utf-8"}
"""As Event Grid posts."""

_LONGEST_LINE = 2**22
_PATIENCE_S = 120.0


class BenchError(RuntimeError):
    """Something did not work, so there is nothing to measure."""


class HiccupError(BenchError):
    """A block did not do what it should; it may be repeated."""


class Contender(Protocol):
    """The guard or a floor."""

    name: str

    async def run(self, kind: Kind, resources: Sequence[str], at_once: int) -> Block:
        """Handle one event about each resource."""
        ...


class Guard:
    """The whole app: events go to its webhook, and it is done when the webhook answers."""

    name = "guard"

    def __init__(self, stage: Stage, url: str, pid: int | None = None) -> None:
        self._stage = stage
        self._url = url
        self._pid = pid
        self._session = ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(total=_PATIENCE_S)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def run(self, kind: Kind, resources: Sequence[str], at_once: int) -> Block:
        """As `Contender`."""
        events = [self._stage.event(kind, resource) for resource in resources]
        return await self.post(events, at_once)

    async def post(self, events: Sequence[bytes], at_once: int) -> Block:
        """Deliver events, each in a request of its own."""
        try:
            return await pace.run(events, at_once, self._post, self.cpu_seconds)
        except ExceptionGroup as e:
            raise HiccupError(f"{self.name}: {e.exceptions[0]}") from e

    async def _post(self, event: bytes) -> None:
        async with self._session.post(self._url, data=event, headers=DELIVERY) as answer:
            if answer.status != 202:
                raise HiccupError(f"the webhook answered {answer.status}: {await answer.text()}")

    @property
    def pid(self) -> int:
        """The process that runs the app now."""
        return self._pid or self._stage.functions.pid

    def cpu_seconds(self) -> float:
        """User and system time of the app's process so far."""
        if sys.platform == "linux":
            # clock_getcpuclockid(3): nanoseconds, where psutil has hundredths of a second.
            return time.clock_gettime((~self.pid << 3) | 2)
        used = psutil.Process(self.pid).cpu_times()
        return float(used.user + used.system)

    def rss_bytes(self) -> int:
        """Resident memory of the app's process."""
        return int(psutil.Process(self.pid).memory_info().rss)


class Floor:
    """`sandbox.bench.floor` in a process of its own, which measures its own CPU time."""

    def __init__(self, name: str, stage: Stage, message: str) -> None:
        self.name = name
        identity = stage.endpoints["identity"]
        self._surroundings = floor.Surroundings(
            arm=stage.endpoints["arm"],
            identity_endpoint=identity["endpoint"],
            identity_header=identity["header"],
            queues=stage.endpoints["queueConnection"],
            message=message,
        )
        self._env = {**stage.app_settings(), "PYTHONPATH": str(ROOT)}
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox.bench.floor", self.name),
            env=self._env,
            stdin=asyncio.subprocess.PIPE,  # its end, however this process ends, ends the floor
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        await self._ask(asdict(self._surroundings))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def run(self, kind: Kind, resources: Sequence[str], at_once: int) -> Block:
        """As `Contender`."""
        return await self.act(kind.value, resources, at_once)

    async def act(self, what: str, items: Sequence[str], at_once: int) -> Block:
        """Let the floor do one of the things it can do, once for each item."""
        return Block(**await self._ask({"act": what, "items": items, "at_once": at_once}))

    async def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(_PATIENCE_S):
            line = await stdout.readline()
        if not line:
            raise BenchError(f"the floor {self.name} has ended; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise HiccupError(f"{self.name}: {answer['failed']}")
        return answer
