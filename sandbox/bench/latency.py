"""Time from an event to the PATCH and to the end, and events per second, at several ARM latencies.

The start is the moment before the event is posted, so the way through the webhook counts as the
guard's. The end is the webhook's answer, which comes after the alert is posted and the intent is
deleted; the floors' end is the same moment of the same sequence.
"""

import statistics
from dataclasses import dataclass

from sandbox.bench.contenders import Contender, Floor, Guard
from sandbox.bench.pace import Block
from sandbox.bench.plans import Plan
from sandbox.bench.stage import Kind, Props
from sandbox.bench.trial import Ratio, Trial, Trials, percentile, ratio

TARGET = 1.15
_AT_MS = 20
_BUSY = 64


@dataclass(frozen=True, slots=True)
class Cell:
    """One contender's noncompliant events at one latency and concurrency; times in ms."""

    who: str
    latency_ms: int
    at_once: int
    events: int
    events_per_s: float
    """Median of blocks."""
    patch_p50: float
    patch_p99: float
    end_p50: float
    end_p99: float
    arm_calls: float


@dataclass(frozen=True, slots=True)
class Azurite:
    """What the queue emulator can do, asked by plain HTTP."""

    calls: int
    at_once: int
    puts_per_s: float
    gets_per_s: float
    put_ms: float
    """Medians, one after another."""
    get_ms: float
    delete_ms: float


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """The section's figures."""

    cells: list[Cell]
    ratios: list[Ratio]
    azurite: Azurite


async def measure(
    trials: Trials, props: Props, guard: Guard, naive: Floor, bare: Floor, plan: Plan
) -> LatencyResult:
    """Every cell in rounds, the contenders by turns within each."""
    everyone: list[Contender] = [guard, naive, bare]
    cells: list[Cell] = []
    ratios: list[Ratio] = []
    for at_once in plan.concurrencies:  # rising, so that no pool holds more than a block uses
        for latency_ms, alone in plan.latency_events.items():
            await props.latency(latency_ms)
            count = alone if at_once == 1 else max(plan.busy_events, at_once)
            rounds = plan.latency_rounds if at_once == 1 else plan.busy_rounds
            seen: dict[str, list[Trial]] = {who.name: [] for who in everyone}
            for number in range(rounds):
                for who in everyone if number % 2 == 0 else reversed(everyone):
                    trial = await trials.run(who, Kind.NONCOMPLIANT, count, at_once)
                    seen[who.name].append(trial)
            cells += [_cell(who, latency_ms, at_once, blocks) for who, blocks in seen.items()]
            if (latency_ms, at_once) == (_AT_MS, 1):
                ratios.append(_ratio(seen))
    cells.sort(key=lambda cell: cell.latency_ms)
    await props.latency(0)
    return LatencyResult(cells, ratios, await _azurite(bare, plan.azurite_calls))


def _cell(who: str, latency_ms: int, at_once: int, blocks: list[Trial]) -> Cell:
    patches = [value for trial in blocks for value in trial.to_patch_ms]
    ends = [value for trial in blocks for value in trial.to_end_ms]
    return Cell(
        who=who,
        latency_ms=latency_ms,
        at_once=at_once,
        events=len(ends),
        events_per_s=statistics.median(trial.events_per_s for trial in blocks),
        patch_p50=percentile(patches, 50),
        patch_p99=percentile(patches, 99),
        end_p50=percentile(ends, 50),
        end_p99=percentile(ends, 99),
        arm_calls=statistics.mean(trial.arm_calls for trial in blocks),
    )


def _ratio(seen: dict[str, list[Trial]]) -> Ratio:
    return ratio(
        f"event to PATCH at {_AT_MS} ms ARM latency, to the naive GET, intent put and PATCH",
        [
            statistics.median(mine.to_patch_ms) / statistics.median(theirs.to_patch_ms)
            for mine, theirs in zip(seen["guard"], seen["naive"], strict=True)
        ],
        TARGET,
    )


async def _azurite(bare: Floor, calls: int) -> Azurite:
    """One after another, then the messages that are left and many more with 64 at once."""
    alone = max(1, calls // 10)
    put_ms = _median_ms(await bare.act("put", [""] * 2 * alone, 1))
    delete_ms = _median_ms(await bare.act("delete", [""] * alone, 1))
    get_ms = _median_ms(await bare.act("get", [""] * alone, 1))
    puts, gets = [await bare.act(what, [""] * calls, _BUSY) for what in ("put", "get")]
    return Azurite(
        calls, _BUSY, calls / puts.wall_s, calls / gets.wall_s, put_ms, get_ms, delete_ms
    )


def _median_ms(block: Block) -> float:
    times = zip(block.started, block.ended, strict=True)
    return statistics.median(ended - started for started, ended in times) * 1000
