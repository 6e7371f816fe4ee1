"""The benchmark's section of notifications with small counts: what it says is what happened."""

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from sandbox.bench import alerts, burst, command, flood, report
from sandbox.own_channels import own_channels
from tests.sandbox.test_bench import TINY
from tests.sharing import by_one

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "alert.schema.json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def figures() -> dict[str, Any]:
    """One small run of the section, as build/bench.json would have it."""
    document: dict[str, Any] = await by_one("bench-notify", _measured)
    return document


async def _measured() -> dict[str, Any]:
    with report.out.capture() as captured:
        found = await command.measure(TINY, ["notify"])
    measured: dict[str, Any] = json.loads(json.dumps(found["notify"]))
    return {**measured, "printed": captured.get()}


def test_single_alerts_stand_beside_their_floor(figures: dict[str, Any]) -> None:
    """As many as were asked for, of both; the first after the start is told apart."""
    assert [one["target"] for one in figures["ratios"]] == [2.0, 0, 20, 1, 150]
    assert TINY.single_alerts == len(figures["to_teams_s"]) == len(figures["floor_s"])
    assert all(0 < s < 20 for s in (*figures["to_teams_s"], *figures["floor_s"]))
    assert figures["first_s"] > 0
    assert "From an alert to Teams" in figures["printed"]


def test_every_alert_of_a_flood_is_told_once_within_the_limits(figures: dict[str, Any]) -> None:
    """Read from what arrived at the sinks."""
    told = {one["channel"]: one for one in figures["flood"]["told"]}
    assert set(told) == {"teams", "mail"}
    for one in told.values():
        assert (one["alerts"], one["lost"], one["doubled"]) == (TINY.flood_alerts, 0, 0)
        assert 1 <= one["most"] <= one["limit"]
        assert one["messages"] >= 2
    assert told["mail"]["last_s"] >= 60, "the digest waited for its minute"


def test_a_flood_counts_what_it_took(figures: dict[str, Any]) -> None:
    """Messages, calls of the store, CPU and memory, the floor's beside them."""
    result = figures["flood"]
    assert result["handled"]["alert"] == TINY.flood_alerts
    assert result["handled"]["delivery"] >= 2 * TINY.flood_alerts
    assert result["calls"]["write"] >= 2, "each alert is kept for each channel"
    assert result["floor_calls"] == 4
    assert result["cpu_ms"] > result["floor_cpu_ms"] > 0
    assert result["rss_mb"] > result["floor_rss_mb"] > 10
    assert f"A flood of {TINY.flood_alerts} alerts" in figures["printed"]


def test_what_is_lost_doubled_or_too_much_is_counted() -> None:
    """An alert in no message, one in two, and three posts within the window."""
    texts = [f"{alerts.identity(0)} {alerts.identity(0)}", alerts.identity(0), alerts.identity(2)]
    told = flood.told("teams", [0.0, 200.0, 299.0, 300.0], texts, 3)
    assert (told.messages, told.alerts, told.lost, told.doubled) == (3, 2, 1, 1)
    assert (told.most, told.last_s) == (3, 300.0)


@pytest.mark.parametrize(
    ("times", "most"), [([], 0), ([5.0], 1), ([0.0, 60.0], 1), ([0.0, 59.9], 2)]
)
def test_a_window_ends_before_its_last_second(times: list[float], most: int) -> None:
    """Two mails a minute apart are not two in a minute."""
    assert flood.most_within(times, 60.0) == most


def test_alerts_are_as_the_guard_posts_them() -> None:
    """By the schema; each number another disk and another ID, the same each time."""
    read = [json.loads(alerts.alert(number)) for number in (1, 2)]
    for number, one in enumerate(read, 1):
        Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(one)
        assert one["alertId"] == alerts.identity(number)
    assert read[0]["resourceId"] != read[1]["resourceId"]


async def test_time_is_skipped_to_what_falls_due_next() -> None:
    """Messages are handled when they are due, by the clock that everybody shares."""
    clock = burst.Clock()
    began = clock.seconds()
    seen: list[tuple[bytes, float]] = []
    flooded = burst.Burst(clock, [b"a", b"b"])

    async def fan_out(text: bytes) -> None:
        seen.append((text, clock.seconds()))
        await flooded.deliveries.put({"of": text.decode()}, 600)

    async def deliver(text: bytes) -> None:
        seen.append((text, clock.seconds()))

    await flooded.run(fan_out, deliver, deliver)
    assert [text for text, _ in seen] == [b"a", b"b", b'{"of": "a"}', b'{"of": "b"}']
    assert seen[1][1] < began + 60
    assert began + 600 <= seen[2][1] < began + 660


async def test_a_message_that_fails_comes_again_to_the_same_function() -> None:
    """As the host does it, half a minute later; the figures say how often."""
    flooded = burst.Burst(burst.Clock(), [b"alert"])
    seen: list[str] = []

    async def fan_out(_: bytes) -> None:
        seen.append("alert")
        if len(seen) < 2:
            raise TimeoutError

    async def deliver(_: bytes) -> None:
        seen.append("delivery")

    await flooded.run(fan_out, deliver, deliver)
    assert seen == ["alert", "alert"]
    assert flooded.handled == {"alert": 2, "again": 1}


def test_a_demo_and_a_benchmark_write_to_nobody_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels that the environment names are none, and the sandbox's are on."""
    monkeypatch.setenv("GUARD_CHANNEL_SECOPS__teams", "https://real")
    monkeypatch.setenv("GUARD_CHANNEL_TEAMS__teams", "https://real")
    monkeypatch.setenv("GUARD_NOTIFY", "off")
    found = own_channels({"teams": "https://127.0.0.1:1", "smtp": "127.0.0.1:2"})
    assert found["GUARD_CHANNEL_SECOPS__teams"] == ""
    assert found["GUARD_CHANNEL_TEAMS__teams"] == "https://127.0.0.1:1"
    assert found["GUARD_CHANNEL_MAIL__smtp"] == "smtp://127.0.0.1:2"
    assert found["GUARD_NOTIFY"] == "on"
