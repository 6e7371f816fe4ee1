"""CPU of the app's process per event, one after another at no added latency.

What an unguarded event costs is the local host's half: webhook, worker library, decoding. It is
taken off the guard's figure before that is set beside the floors, which have no host.
"""

import asyncio
import statistics
from dataclasses import dataclass

from sandbox.bench.contenders import Contender, Guard
from sandbox.bench.plans import Plan
from sandbox.bench.stage import Kind
from sandbox.bench.trial import Ratio, Trial, Trials, ratio

TARGETS = {Kind.NONCOMPLIANT: 0.80, Kind.COMPLIANT: 0.85}

_IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one kind of event costs one contender: medians of blocks."""

    who: str
    kind: Kind
    cpu_ms: float
    low_ms: float
    high_ms: float
    arm_calls: float
    alerts: float
    """Per event."""
    blocks: list[float]


@dataclass(frozen=True, slots=True)
class CpuResult:
    """The section's figures."""

    costs: list[Cost]
    ratios: list[Ratio]
    idle_ms_per_s: float
    """CPU of the app's process when there is nothing to do: its listeners ask four queues."""

    def of(self, who: str, kind: Kind) -> Cost:
        """One row."""
        return next(cost for cost in self.costs if (cost.who, cost.kind) == (who, kind))


async def measure(trials: Trials, guard: Guard, floors: list[Contender], plan: Plan) -> CpuResult:
    """Short blocks by turns, against the noise of the machine; every second round backwards."""
    runs: list[tuple[Contender, Kind]] = [(guard, Kind.UNGUARDED), (guard, Kind.OWN_WRITE)]
    runs += [(who, kind) for kind in TARGETS for who in (guard, *floors)]  # rivals side by side
    await trials.run(guard, Kind.NONCOMPLIANT, plan.warm_up)  # from here on there are own writes
    for who in floors:
        await trials.run(who, Kind.NONCOMPLIANT, plan.warm_up)
    idle = await _idle(guard)
    seen: dict[tuple[str, Kind], list[Trial]] = {(who.name, kind): [] for who, kind in runs}
    for number in range(plan.cpu_rounds):
        for who, kind in runs if number % 2 == 0 else reversed(runs):
            count = plan.cpu_events if kind is Kind.NONCOMPLIANT else plan.cpu_light_events
            seen[who.name, kind].append(await trials.run(who, kind, count))
    costs = [_cost(who, kind, blocks) for (who, kind), blocks in seen.items()]
    host = statistics.median(trial.cpu_ms for trial in seen[guard.name, Kind.UNGUARDED])
    ratios = [
        ratio(
            f"CPU of a {kind} event, without the host's half, to the SDK clients used naively",
            [
                (mine.cpu_ms - host) / theirs.cpu_ms
                for mine, theirs in zip(seen[guard.name, kind], seen["naive", kind], strict=True)
            ],
            target,
        )
        for kind, target in TARGETS.items()
    ]
    return CpuResult(costs, ratios, idle)


async def _idle(guard: Guard) -> float:
    before = guard.cpu_seconds()
    await asyncio.sleep(_IDLE_S)
    return (guard.cpu_seconds() - before) * 1000 / _IDLE_S


def _cost(who: str, kind: Kind, blocks: list[Trial]) -> Cost:
    figures = [trial.cpu_ms for trial in blocks]
    events = sum(trial.events for trial in blocks)
    return Cost(
        who=who,
        kind=kind,
        cpu_ms=statistics.median(figures),
        low_ms=min(figures),
        high_ms=max(figures),
        arm_calls=sum(trial.arm_calls * trial.events for trial in blocks) / events,
        alerts=sum(trial.alerts for trial in blocks) / events,
        blocks=figures,
    )
