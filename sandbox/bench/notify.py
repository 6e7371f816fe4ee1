"""Notifications: from an alert in the queue to the request to Teams, and a flood of alerts.

The app is idle before each alert: its listeners ask their queues once a second, so that both the
app and the floor wait for two polls, half a second each on average.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sandbox.bench import alerts, flood
from sandbox.bench.flood import FloodResult
from sandbox.bench.plans import Plan
from sandbox.bench.relay import FIRST, POLL_S, SECOND, Relay
from sandbox.bench.stage import GUARDING, Site
from sandbox.bench.trial import Ratio, ratio
from sandbox.outside import Outside, until
from sandbox.own_channels import own_channels

TARGET_S = 2.0
_IDLE_AFTER_S = 3.5
"""A host that found a message asks faster for some seconds."""


@dataclass(frozen=True, slots=True)
class NotifyResult:
    """Seconds from the moment before an alert is put until Teams has the request."""

    first_s: float
    """The first alert after the app's start, which loads what delivering needs."""
    to_teams_s: list[float]
    floor_s: list[float]
    flood: FloodResult
    ratios: list[Ratio]


async def measure(plan: Plan, say: Callable[[str], None]) -> NotifyResult:
    """A sandbox with Teams only for single alerts; then its app ends, and the flood begins."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(Site(env=_teams_only, notify=True, say=say))
        outside = await stack.enter_async_context(Outside(site.endpoints))
        await site.azurite.create_queues((FIRST, SECOND))
        first_s, mine, floor = await _one_by_one(site, outside, plan.single_alerts)
        await site.functions.stop()
        result = await flood.measure(site, plan.flood_alerts)
    to_teams = ratio("alert posted to request at Teams, idle app", mine, TARGET_S, "s")
    return NotifyResult(first_s, mine, floor, result, [to_teams, *result.ratios])


def _teams_only(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Mail would be a digest from the second alert on, which is none of this."""
    return GUARDING | own_channels(endpoints) | {"GUARD_CHANNEL_MAIL__smtp": ""}


async def _one_by_one(
    site: Site, outside: Outside, count: int
) -> tuple[float, list[float], list[float]]:
    """Seconds of the first alert, of `count` more, and of the floor's messages, by turns."""

    async def post(number: int) -> None:
        await outside.put_message("guard-alerts", alerts.alert(number, "single"))

    first_s = await _seconds(site, partial(post, count))
    [card] = await outside.wait_for_cards(1)
    mine, floor = [], []
    async with Relay(site.endpoints, card) as relay:
        for number in range(count):
            await asyncio.sleep(_IDLE_AFTER_S + random.uniform(0, POLL_S))
            mine.append(await _seconds(site, partial(post, number)))
            floor.append(await _seconds(site, relay.put))
    return first_s, mine, floor


async def _seconds(site: Site, put: Callable[[], Awaitable[None]]) -> float:
    """From the moment before something is put until the next request has reached Teams."""
    requests = site.sinks.teams.requests
    before, began = len(requests), time.time()
    await put()

    async def arrived() -> str | None:
        return requests[before]["at"] if len(requests) > before else None

    at = await until(arrived, "a request at Teams")
    return datetime.fromisoformat(at).timestamp() - began
