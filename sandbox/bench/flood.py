"""A flood of alerts, all there at once: every one told, within the limits, and what that costs.

The app's own wiring delivers them in a process that does nothing else: its store is Azurite's
table, its channels post to the sandbox's Teams and mail server. Queues are in memory, and time
that would only be waited for is skipped. The floor stores and deletes as many rows.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.bench import alerts, timed
from sandbox.bench.stage import Site
from sandbox.bench.trial import Ratio, ratio
from sandbox.functions import ROOT
from sandbox.own_channels import own_channels

TARGET_MB = 150.0

LIMITS = {"teams": (20, 300.0), "mail": (1, 60.0)}
"""How many messages in how many seconds Teams and a person are sent at most."""

_FLOOR_SHARE = 10
"""The floor's rows are all alike: a tenth of the alerts shows what one costs."""

_ALERT_ID = re.compile(r"\b[0-9a-f]{64}\b")

_DELIVER = """
import asyncio, json, os, sys, time
from dataclasses import replace
from guards import wiring
from guards.engine.notify import deliver, fan_out
from sandbox.bench import alerts, burst

async def main():
    app = await wiring.open_app(os.environ)
    clock = burst.Clock()
    texts = (alerts.alert(number).encode() for number in range(int(sys.argv[1])))
    flood = burst.Burst(clock, texts)
    post = app.post()
    store = burst.Store(post.store)
    channels = {name: burst.Channel(one, clock) for name, one in post.channels.items()}
    post = replace(post, clock=clock, store=store, channels=channels,
                   deliveries=flood.deliveries, given_up=flood.given_up)
    began, start, cpu = clock.seconds(), time.perf_counter(), time.process_time()
    await flood.run(
        lambda text: fan_out.on_alert(text, post),
        lambda text: deliver.on_delivery(text, post),
        lambda text: deliver.on_given_up(text, post),
    )
    cpu, took = time.process_time() - cpu, time.perf_counter() - start
    sent = {name: [at - began for at in one.sent] for name, one in channels.items()}
    print(json.dumps({"cpu_s": cpu, "wall_s": took, "calls": store.calls,
                      "handled": flood.handled, "sent": sent}))
    await app.close()

asyncio.run(main())
"""
"""Joins the app with what surrounds it here; in a text, since the sandbox knows no guards."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one channel was sent."""

    channel: str
    messages: int
    alerts: int
    """Different ones, as read from the messages that arrived."""
    lost: int
    doubled: int
    """Those in more than one message."""
    most: int
    """Messages in any `window_s` seconds, of which `limit` are allowed."""
    limit: int
    window_s: float
    last_s: float
    """When the last one was sent, in seconds of the burst's own time."""


@dataclass(frozen=True, slots=True)
class FloodResult:
    """The figures; CPU and calls per alert, which goes to two channels."""

    alerts: int
    wall_s: float
    told: list[Told]
    cpu_ms: float
    calls: dict[str, float]
    """Of the store: get, page, write."""
    handled: dict[str, int]
    """Messages of queues; `again` are those that came a second time."""
    rss_mb: float
    floor_cpu_ms: float
    floor_calls: float
    floor_rss_mb: float
    ratios: list[Ratio]


async def measure(site: Site, count: int) -> FloodResult:
    """The flood and its floor; the site's app has ended, its table and its sinks are there."""
    env = site.app_settings() | own_channels(site.endpoints) | {"PYTHONPATH": str(ROOT)}
    cards, mails = len(site.sinks.teams.kept()), len(site.sinks.mails.kept())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        mine = await timed.used(out, "-c", _DELIVER, str(count), env=env)
        said = _read(out)
        rows = max(1, count // _FLOOR_SHARE)
        bare = await timed.used(out, "-m", "sandbox.bench.rows", str(rows), env=env)
        floor = _read(out)
    texts = {
        "teams": [json.dumps(card) for card in site.sinks.teams.kept()[cards:]],
        "mail": [f"{m['text']}{m['attachments']}" for m in site.sinks.mails.kept()[mails:]],
    }
    everyone = [told(name, said["sent"].get(name, []), texts[name], count) for name in LIMITS]
    return FloodResult(
        alerts=count,
        wall_s=said["wall_s"],
        told=everyone,
        cpu_ms=said["cpu_s"] / count * 1000,
        calls={name: calls / count for name, calls in sorted(said["calls"].items())},
        handled=said["handled"],
        rss_mb=mine.rss_mb,
        floor_cpu_ms=floor["cpu_s"] / rows * 1000,
        floor_calls=floor["calls"] / rows,
        floor_rss_mb=bare.rss_mb,
        ratios=_ratios(everyone, mine.rss_mb),
    )


def _read(out: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(out.read_bytes())
    return figures


def told(channel: str, times: Sequence[float], texts: Sequence[str], count: int) -> Told:
    """What a channel was sent: when messages were sent, and what arrived, of so many alerts."""
    limit, window_s = LIMITS[channel]
    found = Counter(id_ for text in texts for id_ in set(_ALERT_ID.findall(text)))
    arrived = [number for id_ in map(alerts.identity, range(count)) if (number := found[id_])]
    return Told(
        channel=channel,
        messages=len(texts),
        alerts=len(arrived),
        lost=count - len(arrived),
        doubled=sum(number > 1 for number in arrived),
        most=most_within(times, window_s),
        limit=limit,
        window_s=window_s,
        last_s=max(times, default=0.0),
    )


def most_within(times: Sequence[float], window_s: float) -> int:
    """The most of them within any window of so many seconds."""
    return max((sum(start <= at < start + window_s for at in times) for start in times), default=0)


def _ratios(everyone: Sequence[Told], rss_mb: float) -> list[Ratio]:
    kept = [
        ratio(
            f"most sent to {one.channel} in any {one.window_s:.0f} s",
            [one.most],
            one.limit,
            "messages",
        )
        for one in everyone
    ]
    lost = sum(one.lost for one in everyone)
    return [
        ratio("alerts that a channel was not told of", [lost], 0, "alerts"),
        *kept,
        ratio("peak memory of delivering them", [rss_mb], TARGET_MB, "MB"),
    ]
