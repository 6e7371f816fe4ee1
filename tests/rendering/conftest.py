"""A browser for the tests of this folder, started a few times for all of them."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guards.engine.notify.parcel import Parcel
from sandbox import pictures
from sandbox.pictures import Page
from tests.engine.notify.samples import HOSTILE, alert, blocked, finding, flood, named, parcel

_SHARED = Path(__file__).parents[2] / "build" / "pages"
"""Between the workers of one run."""

PHONE, DESKTOP = 375, 1280

PARCELS: dict[str, Parcel] = {
    "reverted": parcel(alert(), note="severity high"),
    "blocked": parcel(blocked(findings=[finding(f"setting{n}") for n in range(30)])),
    "digest": flood(300),
    "unknown": parcel({"schema": "exportguard.alert/9", "why": "x" * 300, "list": [1, {}]}),
    "unreadable": parcel(alert(resourceId=None, outcome="reported only", reason="junk " * 300)),
}
HOSTILE_PARCELS = {f"hostile {number}": parcel(named(name)) for number, name in enumerate(HOSTILE)}
HOSTILE_PARCELS["hostile digest"] = parcel(*map(named, HOSTILE))

type Measured = dict[tuple[str, int], dict[str, Any]]
"""What the browser saw, by name and width."""


@pytest.fixture(scope="session")
def browser() -> None:
    """Skips without a browser, unless the environment says that there must be one."""
    if pictures.chromium() is not None:
        return
    why = "no Chromium: install it, or name its program in CHROMIUM"
    if os.environ.get("EXPORT_GUARD_NEEDS_CHROMIUM") == "1":
        pytest.fail(why)
    pytest.skip(why)


def measure(pages: dict[tuple[str, int], str]) -> Measured:
    """All pages in one run; of several workers that measure the same, one does."""
    every = [Page(html, width) for (_, width), html in pages.items()]
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        found = pictures.measure(every)
    else:
        what = hashlib.sha256(repr(every).encode()).hexdigest()
        place = _SHARED / run[:16] / what[:16]
        found = _by_one(place, lambda: pictures.measure(every))
    return dict(zip(pages, found, strict=True))


def _by_one(place: Path, make: Callable[[], list[Any]]) -> list[Any]:
    """What the first worker to come here makes; the others wait for it, two minutes at most."""
    done = place / "done.json"
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        end = time.monotonic() + 120
        while not done.exists() and time.monotonic() < end:
            time.sleep(0.1)
    else:
        for other in _SHARED.iterdir():  # of earlier runs
            if other != place.parent:
                shutil.rmtree(other, ignore_errors=True)
        made = place / "made.json"
        made.write_text(json.dumps(make()), "utf-8")
        made.replace(done)
    found: list[Any] = json.loads(done.read_text("utf-8"))
    return found


def words(text: str) -> str:
    """Text as it reads, whatever the layout."""
    return " ".join(text.split())
