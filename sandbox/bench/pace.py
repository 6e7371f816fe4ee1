"""Doing one thing many times with bounded concurrency, and noting when each began and ended.

Times are seconds since 1970: guard, floors and the sandbox's ARM run on one machine's clock.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """What one contender did in a row; `started` and `ended` are in the order of the items."""

    cpu_s: float
    """User and system time of the contender's process between first start and last end."""
    wall_s: float
    started: list[float]
    ended: list[float]


async def run[T](
    items: Sequence[T],
    concurrency: int,
    act: Callable[[T], Awaitable[object]],
    cpu_seconds: Callable[[], float],
) -> Block:
    """Act on every item, at most `concurrency` at once, each next one as soon as one has ended."""
    started, ended = [0.0] * len(items), [0.0] * len(items)
    waiting = iter(enumerate(items))

    async def work() -> None:
        for number, item in waiting:
            started[number] = time.time()
            await act(item)
            ended[number] = time.time()

    cpu, clock = cpu_seconds(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(items))):
            group.create_task(work())
    return Block(cpu_seconds() - cpu, time.perf_counter() - clock, started, ended)
