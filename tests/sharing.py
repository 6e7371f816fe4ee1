"""How several test workers share the work: what one of them makes, and what each begins with."""

import asyncio
import json
import os
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

_SHARED = Path(__file__).parents[1] / "build" / "shared"
_PATIENCE_S = 180


async def by_one(name: str, make: Callable[[], Awaitable[Any]]) -> Any:
    """What `make` returns, as JSON has it; made once in a run of tests, whoever asks first."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return json.loads(json.dumps(await make()))
    place = _SHARED / run[:16] / name
    done = place / "done.json"
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        end = time.monotonic() + _PATIENCE_S
        while not done.exists() and time.monotonic() < end:
            await asyncio.sleep(0.1)
    else:
        for other in _SHARED.iterdir():  # of earlier runs
            if other != place.parent:
                shutil.rmtree(other, ignore_errors=True)
        made = place / "made.json"
        made.write_text(json.dumps(await make()), "utf-8")
        made.replace(done)
    return json.loads(done.read_text("utf-8"))


def spread[T](tests: Iterable[T], unit: Callable[[T], tuple[str, float]], workers: int) -> list[T]:
    """The tests in as many parts as there are workers, all but the last with long units in front.

    `unit` says to what a test belongs, and how many seconds all of that takes: 0 is not long. Long
    ones mostly wait; meanwhile the last worker computes. Parts are as large as those that xdist
    cuts for `--dist worksteal`: equal numbers of tests.
    """
    long: dict[tuple[str, float], list[T]] = defaultdict(list)
    short: deque[T] = deque()
    for test in tests:
        name, seconds = unit(test)
        (long[name, seconds] if seconds else short).append(test)
    fronts = [*_fronts(long, max(workers - 1, 1)), []][:workers]
    left, ordered = len(short) + sum(map(len, fronts)), []
    for i, front in enumerate(fronts):
        size = left // (workers - i)
        left -= size
        fill = min(max(size - len(front), 0), len(short))
        ordered += [*front, *(short.popleft() for _ in range(fill))]
    return [*ordered, *short]


def _fronts[T](long: Mapping[tuple[str, float], list[T]], workers: int) -> list[list[T]]:
    """What each worker begins with: the longest units first, each to who has the least to do."""
    fronts: list[list[T]] = [[] for _ in range(workers)]
    loads = [0.0] * workers
    for (_, seconds), tests in sorted(long.items(), key=lambda one: -one[0][1]):
        least = loads.index(min(loads))
        loads[least] += seconds
        fronts[least] += tests
    return fronts
