"""A browser for the tests of this folder, started a few times for all of them."""

import asyncio
import hashlib
import os
from typing import Any

import pytest

from guards.engine.notify.parcel import Parcel
from sandbox import pictures
from sandbox.pictures import Page
from tests.engine.notify.samples import (
    HOSTILE,
    alert,
    blocked,
    exposed,
    exposure,
    finding,
    flood,
    named,
    parcel,
)
from tests.sharing import by_one

PHONE, DESKTOP = 375, 1280

PARCELS: dict[str, Parcel] = {
    "reverted": parcel(alert(), note="severity high"),
    "blocked": parcel(blocked(findings=[finding(f"setting{n}") for n in range(30)])),
    "link": parcel(exposed(deleted=[{"name": "nightly", "type": "exportPipelines"}])),
    "links": parcel(exposed(), exposed(outcome="not reverted", exposure=exposure(caller="x" * 60))),
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
    what = hashlib.sha256(repr(every).encode()).hexdigest()[:16]

    async def seen() -> list[dict[str, Any]]:
        return await asyncio.to_thread(pictures.measure, every)

    return dict(zip(pages, asyncio.run(by_one(f"pages-{what}", seen)), strict=True))


def words(text: str) -> str:
    """Text as it reads, whatever the layout."""
    return " ".join(text.split())
