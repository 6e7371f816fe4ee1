"""`python -m sandbox.bench.floor bare|naive`: a floor in a process of its own.

The first line of stdin says where everything is, each further one orders a block; each is answered
with one line of JSON. The end of stdin ends the process.
"""

import asyncio
import importlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sandbox.bench import pace

WORK, ALERTS, LIMITS = "bench-work", "bench-alerts", "bench-limits"
"""Queues that the guard does not listen to, so that it stays out of the floors' figures."""

INTENT_S = 60
"""Seconds for which an intent is invisible."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a floor must know of the sandbox."""

    arm: str
    identity_endpoint: str
    identity_header: str
    queues: str
    """A connection string."""
    message: str
    """An alert as the guard posted it; stands for intent and alert."""


class Floor(Protocol):
    """The guard's calls without a guard. An argument is a disk's resource ID."""

    async def noncompliant(self, disk: str) -> None:
        """GET, intent put, PATCH, alert put, intent delete."""

    async def compliant(self, disk: str) -> None:
        """GET."""


async def _serve(name: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    surroundings = Surroundings(**json.loads(await reader.readline()))
    module = importlib.import_module(f"sandbox.bench.{name}")
    async with module.opened(surroundings) as floor:
        _answer({"ready": True})
        while line := await reader.readline():
            order = json.loads(line)
            act = getattr(floor, order["act"])
            try:
                block = await pace.run(order["items"], order["at_once"], act, time.process_time)
            except ExceptionGroup as e:
                _answer({"failed": repr(e.exceptions[0])})
            else:
                _answer(asdict(block))


def _answer(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
