"""One trial: a block of events by one contender, with what was timed and what ARM counted.

A PATCH is sent when ARM has it: the sandbox's list of calls notes the moment a request has
arrived, in microseconds, before any latency is added.
"""

import contextlib
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.bench import floor
from sandbox.bench.contenders import BenchError, Contender, HiccupError
from sandbox.bench.stage import ALERTS, Kind, Props, Stage

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What one block showed."""

    events: int
    cpu_ms: float
    """CPU of the contender's process, per event."""
    events_per_s: float
    arm_calls: float
    """Per event."""
    alerts: int
    """Messages in the queue of alerts afterwards."""
    to_patch_ms: list[float]
    """Of each event: from the start until ARM had the PATCH."""
    to_end_ms: list[float]
    """Of each event: until alert and deletion of the intent were through and the end was told."""


class Trials:
    """Runs trials on one stage."""

    def __init__(self, stage: Stage, props: Props) -> None:
        self._stage = stage
        self._props = props
        self.repeated: list[str] = []
        """Why blocks were thrown away and run again."""

    async def run(self, who: Contender, kind: Kind, count: int, at_once: int = 1) -> Trial:
        """Prepare, warm up, run one block, and check that it did what it should.

        A block with a hiccup says nothing about the others' cost: it is run again, and told.
        """
        for _ in range(_TRIES):
            try:
                return await self._once(who, kind, count, at_once)
            except HiccupError as e:
                self.repeated.append(f"{e} ({at_once} at once)")
                await self._props.empty_queues()
        raise BenchError(self.repeated[-1])

    async def _once(self, who: Contender, kind: Kind, count: int, at_once: int) -> Trial:
        resources = await self._warmed_up(who, kind, count, at_once)
        self._stage.arm.calls.clear()
        block = await who.run(kind, resources, at_once)
        calls = [*self._stage.arm.calls]
        alerts = await self._props.messages(ALERTS if who.name == "guard" else floor.ALERTS)
        patched = {
            call["path"].lower(): datetime.fromisoformat(call["at"]).timestamp()
            for call in calls
            if call["method"] == "PATCH"
        }
        expected = count if kind is Kind.NONCOMPLIANT else 0
        if (len(patched), alerts) != (expected, expected):
            raise HiccupError(
                f"{who.name}: {count} {kind} events led to {len(patched)} PATCHes, {alerts} alerts"
            )
        return Trial(
            events=count,
            cpu_ms=block.cpu_s / count * 1000,
            events_per_s=count / block.wall_s,
            arm_calls=len(calls) / count,
            alerts=alerts,
            to_patch_ms=[
                (patched[resource.lower()] - started) * 1000
                for resource, started in zip(resources, block.started, strict=True)
                if patched
            ],
            to_end_ms=[
                (ended - started) * 1000
                for started, ended in zip(block.started, block.ended, strict=True)
            ],
        )

    async def _warmed_up(self, who: Contender, kind: Kind, count: int, at_once: int) -> list[str]:
        """The resources of a block, after a few events like it.

        Azurite ends connections that were idle for 5 s, and a contender is idle while the others
        have their turn: outside of the block it finds out, and makes its connections anew.
        """
        warm_up = max(3, at_once)
        resources = await self._props.resources(kind, warm_up + count)
        with contextlib.suppress(HiccupError):
            await who.run(kind, resources[:warm_up], at_once)
        await self._props.empty_queues()
        return resources[warm_up:]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure that has a target; `value` is a median of rounds, `low` and `high` their ends."""

    name: str
    value: float
    low: float
    high: float
    target: float
    unit: str = ""
    met: bool = False


def ratio(name: str, values: Sequence[float], target: float, unit: str = "") -> Ratio:
    """The ratio of several rounds."""
    value = statistics.median(values)
    return Ratio(name, value, min(values), max(values), target, unit, value <= target)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
