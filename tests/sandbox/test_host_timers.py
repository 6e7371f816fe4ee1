"""Timer triggers and their schedules."""

import sys
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.host import Host
from sandbox.host.ncrontab import NCrontab
from sandbox.host.settings import HostSettingsError
from sandbox.host.timers import schedule
from tests.sandbox.host_fixtures import app_of, eventually

SOURCE = """
SEEN = []

@app.timer_trigger(arg_name="timer", schedule="%EVERY%")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
async def tick(timer: func.TimerRequest, context: func.Context) -> None:
    SEEN.append((context.retry_context.retry_count, timer.past_due))
    raise RuntimeError("no")
"""


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("*/5 * * * *", "2026-01-01T00:04:59", "2026-01-01T00:05:00"),
        ("30 59 23 31 12 *", "2026-01-01T00:00:00", "2026-12-31T23:59:30"),
        ("0 0 9-17/4 * * mon-fri", "2026-01-02T17:00:00", "2026-01-05T09:00:00"),
        ("0 0 0 13 * fri", "2026-01-01T00:00:00", "2026-02-13T00:00:00"),
        ("0 0 0 1 jan,JULY *", "2026-01-01T00:00:00", "2026-07-01T00:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 * * 0", "2026-01-01T12:00:00", "2026-01-04T00:00:00"),
        ("00:00:10", "2026-01-01T00:00:05", "2026-01-01T00:00:15"),
    ],
)
def test_the_next_occurrence_is_found(expression: str, after: str, expected: str) -> None:
    """Lists, ranges, steps, names; day and weekday must both match; time spans count from now."""
    assert schedule(expression)(datetime.fromisoformat(after)).isoformat() == expected


@pytest.mark.parametrize(
    "expression", ["", "* * *", "61 * * * * *", "0 0 0 * * someday", "0 0 0 0 * *"]
)
def test_a_bad_schedule_is_refused(expression: str) -> None:
    """A typing error does not become a timer that never fires."""
    with pytest.raises(ValueError):
        schedule(expression)


def test_a_day_that_never_comes_is_an_error() -> None:
    """The 31st of February is not searched for ever."""
    with pytest.raises(ValueError, match="no occurrence"):
        NCrontab("0 0 0 31 2 *").next(datetime.fromisoformat("2026-01-01"))


def test_a_time_span_of_zero_is_refused() -> None:
    """A timer cannot fire all the time."""
    with pytest.raises(HostSettingsError):
        schedule("00:00:00")


async def test_a_timer_fires_again_after_failures_and_honours_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each occurrence is tried three times, and the next one comes all the same."""
    monkeypatch.setenv("EVERY", "00:00:00.3")
    host = Host(app_of(tmp_path, SOURCE))
    await host.start()
    try:
        seen = sys.modules["function_app"].SEEN
        await eventually(lambda: len(seen) >= 4)
        assert seen[:4] == [(0, False), (1, False), (2, False), (0, False)]
    finally:
        await host.stop()
