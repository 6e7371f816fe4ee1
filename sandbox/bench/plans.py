"""How much of everything is measured: in full, quickly, or just enough for a test."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts; every section is bounded by them."""

    warm_up: int
    """Noncompliant events of each contender before anything is measured."""
    cpu_rounds: int
    cpu_events: int
    """Of a block of noncompliant events."""
    cpu_light_events: int
    """Of a block of any other kind, which cost a quarter at most."""
    latency_rounds: int
    """Of blocks one after another."""
    latency_events: Mapping[int, int]
    """Of a block one after another, at each latency in ms."""
    concurrencies: tuple[int, ...]
    busy_rounds: int
    busy_events: int
    """Of a block at a higher concurrency; at least so many as that."""
    azurite_calls: int
    memory_marks: tuple[int, ...]
    """RSS is read after so many events of one process; growth is from the first to the last."""
    cold_starts: int
    uncounted_starts: int
    """Before those: they fill caches."""
    estate_rows: tuple[int, ...]
    """Of the files that are previewed, rising; linear is told by the last two."""
    estate_rounds: int
    decide_rows: int
    decide_rounds: int
    single_alerts: int
    """One after another, 13 at most: a sixteenth within five minutes would wait for others."""
    flood_alerts: int


FULL = Plan(
    warm_up=100,
    cpu_rounds=18,
    cpu_events=60,
    cpu_light_events=150,
    latency_rounds=4,
    latency_events={0: 60, 20: 40, 50: 20},
    concurrencies=(1, 16, 64),
    busy_rounds=3,
    busy_events=128,
    azurite_calls=500,
    memory_marks=(2_000, 5_000, 10_000, 15_000, 20_000),
    cold_starts=9,
    uncounted_starts=1,
    estate_rows=(1_000, 10_000, 100_000),
    estate_rounds=3,
    decide_rows=5_000,
    decide_rounds=9,
    single_alerts=12,
    flood_alerts=10_000,
)

QUICK = Plan(
    warm_up=40,
    cpu_rounds=5,
    cpu_events=30,
    cpu_light_events=75,
    latency_rounds=2,
    latency_events={0: 12, 20: 10, 50: 3},
    concurrencies=(1, 16),
    busy_rounds=1,
    busy_events=32,
    azurite_calls=200,
    memory_marks=(200, 400, 600),
    cold_starts=2,
    uncounted_starts=1,
    estate_rows=(1_000, 5_000, 10_000),
    estate_rounds=2,
    decide_rows=500,
    decide_rounds=5,
    single_alerts=4,
    flood_alerts=500,
)
