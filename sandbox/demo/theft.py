"""The theft: a snapshot that may stay open, a SAS link to it, and a download that is cut off.

The policy exempts the snapshot's settings, so that the link can be had at all; whoever takes one
is cut off all the same, unless the policy lists them as exporter.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from sandbox.arm.downloads import SIZE
from sandbox.demo.inbox import Card, Inbox
from sandbox.demo.play import play
from sandbox.demo.scenes import OPEN, SNAPSHOT, Scene
from sandbox.demo.screen import Step, heading, in_short, lines_of, say, show, show_json, sum_up
from sandbox.outside import Outside, path_of

KEPT_OPEN = Scene(
    "takes {}, open so that it can be fetched",
    "archive-team",
    SNAPSHOT,
    "archive-copy",
    OPEN,
    "Standard_LRS",
    None,
    ("GET",),
)
THIEF = "mallory"

_ARM_MS = 100
"""How long each ARM call takes meanwhile, much as in Azure: time in which data can be read."""
_CALLS = ("GET", "POST endGetAccess", "GET")
_EXEMPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class _Loot:
    """What the thief got, by the thief's own clock, and what the link answers afterwards."""

    taken_at: datetime
    received: int
    took_ms: float
    broken_off: bool
    status: int


def policy() -> str:
    """The policy of the demo: as strict as the shipped one, and one exemption for a month."""
    until = (datetime.now(UTC) + timedelta(days=_EXEMPT_DAYS)).date().isoformat()
    return f"""\
version: 1
exemptions:
  - scope: {path_of(KEPT_OPEN.type, KEPT_OPEN.name)}
    rules: [networkAccessPolicy, publicNetworkAccess]
    reason: fetched by the archive once a month
    owner: {KEPT_OPEN.caller}
    approved_by: security
    ticket: CHG0042
    expires_on: {until}
"""


async def tell(outside: Outside, inbox: Inbox) -> tuple[list[Step], Card]:
    """The snapshot, the thief, and what people were told; the card of it."""
    allowed = await play(KEPT_OPEN, outside, inbox)
    say("  build/demo/policy.yaml exempts its settings for a month: the archive fetches it")
    heading(THIEF, f"finds it, takes a SAS link, and starts to download {SIZE >> 20} MiB")
    await outside.forget_calls()
    loot = await _steal(outside, path_of(KEPT_OPEN.type, KEPT_OPEN.name))
    [alert] = await inbox.alerts_about(KEPT_OPEN.name)
    calls = [_called(call) for call in await outside.guard_calls()]
    _say_what_was_read(loot, calls)
    _show_alert(alert)
    card = await inbox.card_with(alert["alertId"])
    told_ms = (card.at - loot.taken_at).total_seconds() * 1000
    _show_card(card, told_ms)
    step = Step(
        f"{THIEF}: a link to {KEPT_OPEN.name}",
        _was_cut(loot, alert) and tuple(calls) == _CALLS,
        alert["outcome"],
        in_short(call.partition(" ")[0] for call in calls),
        loot.took_ms,
        told_ms,
    )
    return [allowed, step], card


async def _steal(outside: Outside, path: str) -> _Loot:
    """Take a link and read through it until it breaks off."""
    await outside.settings(latency_ms=_ARM_MS)
    try:
        link = await outside.grant_access(THIEF, path)
        taken_at, began = datetime.now(UTC), time.monotonic()
        received = await outside.download(link)
        took_ms = (time.monotonic() - began) * 1000
    finally:
        await outside.settings(latency_ms=0)
    broken_off = any(download["brokenOff"] for download in await outside.downloads())
    return _Loot(taken_at, received, took_ms, broken_off, await outside.link_status(link))


def _called(call: dict[str, Any]) -> str:
    """The method, and which action it is."""
    action = str(call["path"]).rpartition("/")[2]
    return f"POST {action}" if call["method"] == "POST" else str(call["method"])


def _was_cut(loot: _Loot, alert: dict[str, Any]) -> bool:
    """Whether the thief has a part of it only, no link, and the alert says for how long."""
    seconds = (alert["exposure"] or {}).get("secondsOpen") or 0
    gone = loot.broken_off and loot.status == 403
    return gone and 0 < loot.received < SIZE and alert["outcome"] == "reverted" and seconds > 0


def _say_what_was_read(loot: _Loot, calls: list[str]) -> None:
    how = "cut off" if loot.broken_off else "done"
    say(f"  {how} {loot.took_ms:.0f} ms later; each ARM call takes {_ARM_MS} ms, as in Azure")
    say(f"  read: {loot.received:,} of {SIZE:,} bytes; the link answers {loot.status} now")
    say(f"  ARM calls of the guard: {', '.join(calls) or 'none'}")


def _show_alert(alert: dict[str, Any]) -> None:
    sum_up(alert)
    say("  its exposure record, for how long the link was out:")
    show_json(alert["exposure"] or {})


def _show_card(card: Card, told_ms: float) -> None:
    """Its upper part; what follows is in the picture."""
    body = card.message["attachments"][0]["content"]["body"]
    say(f"  the card in Teams, {told_ms:.0f} ms after the link was taken, begins:")
    upper = takewhile(lambda line: line != "Details", lines_of(body))
    show("\n".join(upper).rstrip().splitlines())
