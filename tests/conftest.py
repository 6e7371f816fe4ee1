"""What holds for all tests."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.sharing import spread

# The first example pays for tables that hypothesis builds once in a clone; a busy machine is slow.
# Each run tries others, so that few in each are many in a week.
settings.register_profile(
    "house", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

LONG = {
    "tests/e2e/test_notifications.py": 95,
    "tests/e2e/test_crashes.py": 55,
    "tests/e2e/test_demo.py": 50,
    "tests/sandbox/test_up.py": 30,
    "tests/sandbox/test_bench.py": 25,
    "tests/sandbox/test_bench_notify.py": 25,
    "tests/e2e/test_policy_blob.py": 20,
    "tests/sandbox/test_host_queues.py": 15,
    "tests/test_setup.py": 10,
}
"""Seconds that these modules take, most of them with waiting."""

TOGETHER_S = {"up": 85, "up, links": 150}
"""Of all tests that share a sandbox of `tests.e2e.conftest`: two workers have one each."""

LINKS = {
    "exporters",
    "doors",
    "leads",
    "live_costs",
    "live_exports",
    "live_refusals",
    "live_weather",
}
"""The modules of tests/e2e that are about links that are out, and the ways around."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All workers but one begin with their share of what is long; the rest fills the waiting.

    The long ones would else begin late, and be waited for by workers that have nothing to do.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = spread(items, lambda item: _unit(item, config.rootpath), workers)


def _unit(item: pytest.Item, root: Path) -> tuple[str, float]:
    """What a test has to stay together with, and the seconds that all of it takes."""
    if "up" in getattr(item, "fixturenames", ()):
        unit = "up, links" if item.path.stem.removeprefix("test_") in LINKS else "up"
        return unit, TOGETHER_S[unit]
    module = item.path.relative_to(root).as_posix()
    return module, LONG.get(module, 0)


def pytest_collection_finish() -> None:
    """What was collected stays: looking through it for garbage again and again costs a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
