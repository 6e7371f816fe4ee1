"""The benchmark with tiny counts: every figure comes out, and they fit each other.

Nothing here is timed: how high the figures are is what `make bench` is for.
"""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import pytest_asyncio

from sandbox.bench import cold, command, estates, report
from sandbox.bench.plans import Plan
from sandbox.bench.stage import Props, Stage
from sandbox.bench.trial import percentile, ratio
from tests.sharing import by_one

TINY = Plan(
    warm_up=1,
    cpu_rounds=2,
    cpu_events=3,
    cpu_light_events=4,
    latency_rounds=1,
    latency_events={0: 2, 20: 2},
    concurrencies=(1, 3),
    busy_rounds=1,
    busy_events=4,
    azurite_calls=10,
    memory_marks=(12, 24),
    cold_starts=1,
    uncounted_starts=0,
    estate_rows=(100, 300),
    estate_rounds=1,
    decide_rows=100,
    decide_rounds=3,
    single_alerts=2,
    flood_alerts=100,
)
OTHERS = [section for section in command.SECTIONS if section != "notify"]
"""Notifications have a run of their own, in test_bench_notify."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def figures() -> dict[str, Any]:
    """One tiny run of the other sections, as build/bench.json would have it."""
    document: dict[str, Any] = await by_one("bench", lambda: command.measure(TINY, OTHERS))
    return document


def test_every_section_has_its_figures(figures: dict[str, Any]) -> None:
    """All sections are there, each with its ratios beside their targets."""
    ratios = [one for section in OTHERS for one in figures[section]["ratios"]]

    assert [one["target"] for one in ratios] == [
        *(0.80, 0.85, 1.15, 5.0, 1.3, 1.05),
        *(20, 300, 1.3, 50),
    ]
    assert all(one["low"] <= one["value"] <= one["high"] for one in ratios)
    assert all(one["met"] == (one["value"] <= one["target"]) for one in ratios)


def test_the_contenders_made_the_calls_of_the_budget(figures: dict[str, Any]) -> None:
    """As many ARM calls and alerts per event as the design allows; the floors make the same."""
    counted = {
        (cost["who"], cost["kind"]): (cost["arm_calls"], cost["alerts"])
        for cost in figures["cpu"]["costs"]
    }

    assert counted == {
        ("guard", "noncompliant"): (2, 1),
        ("guard", "compliant"): (1, 0),
        ("guard", "own write"): (0, 0),
        ("guard", "unguarded"): (0, 0),
        ("naive", "noncompliant"): (2, 1),
        ("naive", "compliant"): (1, 0),
        ("bare", "noncompliant"): (2, 1),
        ("bare", "compliant"): (1, 0),
    }


def test_cpu_is_the_median_of_its_blocks(figures: dict[str, Any]) -> None:
    """One figure for each block, all above zero, the median between the lowest and the highest."""
    for cost in figures["cpu"]["costs"]:
        assert TINY.cpu_rounds == len(cost["blocks"])
        assert 0 < min(cost["blocks"]) == cost["low_ms"] <= cost["cpu_ms"]
        assert cost["cpu_ms"] <= cost["high_ms"] == max(cost["blocks"])


def test_every_cell_of_the_latency_table_is_filled(figures: dict[str, Any]) -> None:
    """Each latency, concurrency and contender; the PATCH comes before the end."""
    cells = figures["latency"]["cells"]

    assert {
        (latency, at_once, who)
        for latency in TINY.latency_events
        for at_once in TINY.concurrencies
        for who in ("guard", "naive", "bare")
    } == {(cell["latency_ms"], cell["at_once"], cell["who"]) for cell in cells}
    for cell in cells:
        assert cell["events"] == (2 if cell["at_once"] == 1 else TINY.busy_events)
        assert cell["arm_calls"] == 2
        assert cell["latency_ms"] < cell["patch_p50"] <= cell["patch_p99"]
        assert 2 * cell["latency_ms"] < cell["end_p50"] <= cell["end_p99"]
        assert cell["patch_p50"] < cell["end_p50"]
        assert cell["events_per_s"] > 0


def test_memory_is_read_at_every_mark(figures: dict[str, Any]) -> None:
    """At the start and at each mark; growth is the difference of first and last mark."""
    rss, [growth] = figures["memory"]["rss_mb"], figures["memory"]["ratios"]

    assert list(rss) == ["0", "12", "24"]
    assert growth["value"] == pytest.approx(rss["24"] - rss["12"])


def test_cold_starts_of_each_kind_are_counted(figures: dict[str, Any]) -> None:
    """Of the app without and with channels, of the bare imports, of an app that does nothing."""
    for name in ("first_event_s", "with_channels_s", "imports_s", "imported_s", "empty_app_s"):
        assert TINY.cold_starts == len(figures["cold"][name])
        assert all(seconds > 0 for seconds in figures["cold"][name])


async def test_the_first_cold_start_of_each_kind_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fills caches; of the app's two kinds, the other one begins each time."""
    times = iter(range(1, 13))
    stage, props = Mock(Stage, function="", endpoints=defaultdict(str)), AsyncMock(Props)
    stage.app_settings.return_value = {}
    props.resources.return_value = ["a disk"]
    monkeypatch.setattr(cold, "_first_event", AsyncMock(side_effect=lambda *_: next(times)))
    monkeypatch.setattr(cold, "_imports", AsyncMock(side_effect=lambda *_: (next(times), 13)))

    found = await cold.measure(stage, props, replace(TINY, cold_starts=2, uncounted_starts=1))

    assert (found.first_event_s, found.with_channels_s) == ([6, 9], [5, 10])
    assert (found.imported_s, found.imports_s, found.empty_app_s) == ([7, 11], [13, 13], [8, 12])


def test_previews_of_every_size_stand_beside_their_floor(figures: dict[str, Any]) -> None:
    """Each file, and none; every one was read to its end, or there were no figures."""
    previews = figures["estate"]["previews"]

    assert [0, *TINY.estate_rows] == [one["rows"] for one in previews]
    for one in previews:
        assert one["floor_s"] > 0
        assert one["seconds"] > 0
        assert 0 < one["floor_rss_mb"] < one["rss_mb"]


def test_decisions_are_timed_without_and_with_many_scopes(figures: dict[str, Any]) -> None:
    """As many scopes and exemptions as the policy was found to have."""
    decisions = figures["estate"]["decisions"]

    assert [(one["scopes"], one["exemptions"]) for one in decisions] == [(0, 0), (500, 500)]
    for one in decisions:
        assert 0 < one["low_us"] <= one["decide_us"] <= one["high_us"]
        assert one["read_us"] > 0


def test_an_estate_is_the_same_every_time() -> None:
    """Figures of two runs are about the same rows, as large as those of Azure."""
    first, again = ([*islice(estates.rows(), 500)] for _ in range(2))

    assert first == again
    assert 1_400 < len(json.dumps(first)) / 500 < 1_800
    assert {row["type"].rpartition("/")[2] for row in first} == {
        *("disks", "snapshots", "registries", "diskaccesses")
    }


def test_a_missed_target_is_marked() -> None:
    """The value is told with its rounds and its target, and whether it was met."""
    with report.out.capture() as captured:
        report.ratios([ratio("this to that", [1.0, 1.5, 1.4], 1.3), ratio("x", [2.0], 5, "MB")])

    assert captured.get().splitlines() == [
        "this to that: 1.40 (rounds 1.00 to 1.50), target at most 1.3: MISSED",
        "x: 2.00 MB, target at most 5 MB: met",
    ]


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (99, 4), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: int, expected: int) -> None:
    """The smallest one that so many percent do not exceed."""
    assert expected == percentile([4, 1, 3, 2], percent)
