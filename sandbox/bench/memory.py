"""Resident memory of one fresh functions process, after few and after many events."""

import asyncio
from dataclasses import dataclass

from sandbox.bench.contenders import Guard, HiccupError
from sandbox.bench.plans import Plan
from sandbox.bench.stage import Kind, Props, Stage
from sandbox.bench.trial import Ratio, ratio

TARGET_MB = 5.0
MIX = (
    *(Kind.NONCOMPLIANT, Kind.OWN_WRITE, Kind.NONCOMPLIANT),
    *(Kind.COMPLIANT, Kind.NONCOMPLIANT, Kind.UNGUARDED),
)
"""Every second event is noncompliant; the others take the short ways."""

AT_ONCE = 16
_BATCH = 480
_MOST_REPEATED = 10
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class MemoryResult:
    """RSS in MB (10^6 bytes) by number of events handled."""

    rss_mb: dict[int, float]
    ratios: list[Ratio]


async def measure(
    stage: Stage, props: Props, guard: Guard, plan: Plan, repeated: list[str]
) -> MemoryResult:
    """Start the app anew and give it events up to the last mark; hiccups are told in `repeated`."""
    await stage.restart_functions()
    rss = {0: guard.rss_bytes() / 1e6}
    done = 0
    for mark in plan.memory_marks:
        while done < mark:
            count = min(_BATCH, mark - done)
            events = await _events(stage, props, count)
            try:
                await guard.post(events, AT_ONCE)
            except HiccupError as e:
                repeated.append(f"{e} (memory, after {done:,} events)")
                if len(repeated) > _MOST_REPEATED:
                    raise
            else:
                done += count
            await props.empty_queues()
            stage.arm.calls.clear()
        await asyncio.sleep(_SETTLE_S)
        rss[mark] = guard.rss_bytes() / 1e6
    first, last = plan.memory_marks[0], plan.memory_marks[-1]
    growth = ratio(
        f"RSS growth from {first:,} to {last:,} events", [rss[last] - rss[first]], TARGET_MB, "MB"
    )
    return MemoryResult(rss, [growth])


async def _events(stage: Stage, props: Props, count: int) -> list[bytes]:
    kinds = [MIX[number % len(MIX)] for number in range(count)]
    if not stage.closed_by_guard():  # nothing of its own to show it yet
        kinds = [Kind.NONCOMPLIANT] * count
    resources = {
        kind: iter(await props.resources(kind, kinds.count(kind))) for kind in Kind if kind in kinds
    }
    return [stage.event(kind, next(resources[kind])) for kind in kinds]
