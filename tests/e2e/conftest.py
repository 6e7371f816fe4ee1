"""One sandbox for all end-to-end tests, started as a user starts it: `python -m sandbox up`.

Its event budget is 3 s instead of 20, so that intents surface after 9 s instead of 60, and Event
Grid tries again after half a second instead of ten.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.arm.callers import named
from sandbox.outside import GROUP, SUBSCRIPTION, Outside
from sandbox.up import Sandbox
from tests.e2e.names import BACKED, BACKUP, CONTESTED, DISK, PIPED, REGISTRY

ROOT = Path(__file__).resolve().parents[2]
BUDGET_S = 3

FAST = {"GUARD_EVENT_BUDGET_SECONDS": str(BUDGET_S), "SANDBOX_RETRY_SCHEDULE": "0.5,1,2"}


@asynccontextmanager
async def quick[S: Sandbox](sandbox: Callable[[], S]) -> AsyncIterator[S]:
    """A sandbox in this process whose Event Grid tries again soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_RETRY_SCHEDULE", FAST["SANDBOX_RETRY_SCHEDULE"])
        async with sandbox() as running:
            yield running


class Up:
    """A running `python -m sandbox up`; `endpoints` are read afresh: a restart changes them."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._file = folder / "ports.json"
        self.log = folder / "log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GUARD_")}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "up", "--port-file", str(self._file)],
                cwd=ROOT,
                env={**inherited, **settings},
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while not self._file.exists():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    @property
    def endpoints(self) -> dict[str, Any]:
        """What the port file says now."""
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0


def policy() -> dict[str, Any]:
    """The shipped policy, and what holds for names that begin in a certain way.

    A backup may export some disks, others stay open so that a link can be taken again and again,
    and of some registries the export pipelines are deleted.
    """
    shipped: dict[str, Any] = yaml.safe_load((ROOT / "policy.yaml").read_text("utf-8"))
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
    soon = {"expires_on": (datetime.now(UTC) + timedelta(days=30)).date().isoformat()}
    exporter = {"principals": [named(BACKUP).object_id], "scope": f"{group}/{DISK}/{BACKED}*"}
    exempt = {"rules": ["networkAccessPolicy", "publicNetworkAccess"], "ticket": "CHG0042"}
    deleting = {REGISTRY: {"exportPolicy": {"export_pipelines": "delete"}}}
    words = {"owner": "platform-team", "reason": "a test", "approved_by": "security"}
    return {
        **shipped,
        "exporters": [{**exporter, **soon, "owner": "backup-team", "purpose": "nightly backup"}],
        "exemptions": [{"scope": f"{group}/{DISK}/{CONTESTED}*", **exempt, **words, **soon}],
        "scopes": [{"scope": f"{group}/{REGISTRY}/{PIPED}*", "resources": deleting}],
    }


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The sandbox of this run, with the shipped policy enforced, and a few names apart."""
    folder = tmp_path_factory.mktemp("sandbox")
    rules = folder / "policy.yaml"
    rules.write_text(yaml.safe_dump(policy()), "utf-8")
    running = Up(folder, {"GUARD_MODE": "enforce", "GUARD_POLICY": str(rules), **FAST})
    yield running
    running.stop()


START_SETTINGS = {
    "latency_ms": 0,
    "patch": "sync",
    "operation_s": 2,
    "event_at": "completed",
    "claims": "full",
    "schema": "eventgrid",
    "disk_access_clear": "null",
    "patch_during_sas": "ok",
    "sas_survives_patch": True,
    "implicit_disk_events": False,
}


@pytest.fixture
async def outside(up: Up) -> AsyncIterator[Outside]:
    """Everybody but the guard; faults and settings end with the test, calls begin with it."""
    async with Outside(up.endpoints) as world:
        await world.settings(**START_SETTINGS)
        await world.forget_calls()
        yield world
        await world.control("DELETE", "faults")
        await world.settings(**START_SETTINGS)
