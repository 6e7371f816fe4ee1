"""A cluster opens many disks at once: all closed, and people are not flooded in their turn."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.demo.inbox import Card, Inbox
from sandbox.demo.play import first_put
from sandbox.demo.scenes import DISK, OPEN
from sandbox.demo.screen import Step, heading, say, show, title_of
from sandbox.outside import Outside, until

DISKS = 60
_PREFIX = "pvc-"
NAMES = [f"{_PREFIX}{number:02}" for number in range(1, DISKS + 1)]
MOST_POSTS = 6
"""Some alerts may go alone before the others have come."""

_CALLER = "aks-nodepool"
_POSTS_S = 45.0


async def play(outside: Outside, inbox: Inbox) -> Step:
    """The flood; ends when Teams was told of every disk."""
    heading(_CALLER, f"creates {DISKS} open disks at once: {NAMES[0]} to {NAMES[-1]}")
    await outside.forget_calls()
    before = len(inbox.cards())
    await asyncio.gather(*(outside.put(_CALLER, DISK, name, OPEN, "Premium_LRS") for name in NAMES))
    alerts = await inbox.alerts_about(*NAMES)
    closed = sum([await _is_closed(outside, name) for name in NAMES])
    calls = [call for call in await outside.guard_calls() if f"/{_PREFIX}" in call["path"]]
    began = await first_put(outside)
    took_ms = _milliseconds(began, _last_patch(calls))
    say(f"  {closed} of {DISKS} closed, the last one {took_ms:.0f} ms after the first PUT")
    say(
        f"  the webhook has {len(alerts)} alerts already; people, in Teams, get them together in "
        "some seconds"
    )
    cards = await _until_all_told({alert["alertId"] for alert in alerts}, before, inbox)
    posts = f"{len(cards)} post{'s' if len(cards) > 1 else ''}"
    say(f"  {DISKS} disks, {posts} in Teams:")
    show(title_of(card.message) for card in cards)
    reverted = all(alert["outcome"] == "reverted" for alert in alerts)
    happened = closed == DISKS and reverted and len(cards) <= MOST_POSTS
    told_ms = _milliseconds(began, cards[-1].at)
    what, outcome = f"{_CALLER}: {DISKS} disks", f"{closed} closed"
    return Step(what, happened, outcome, f"{len(calls)} in all", took_ms, told_ms)


async def _is_closed(outside: Outside, name: str) -> bool:
    properties = (await outside.get(DISK, name)).get("properties", {})
    return bool(properties.get("networkAccessPolicy") == "DenyAll")


def _last_patch(calls: Sequence[dict[str, Any]]) -> datetime:
    return max(datetime.fromisoformat(call["at"]) for call in calls if call["method"] == "PATCH")


def _milliseconds(began: datetime, ended: datetime) -> float:
    return (ended - began).total_seconds() * 1000


async def _until_all_told(ids: set[str], before: int, inbox: Inbox) -> list[Card]:
    """Wait until every alert is in some card; the cards since `before`."""

    async def told() -> list[Card] | None:
        cards = inbox.cards()[before:]
        text = "".join(card.text for card in cards)
        return cards if all(one in text for one in ids) else None

    return await until(told, "Teams to be told of every disk", _POSTS_S)
