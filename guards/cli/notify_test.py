"""`python -m guards notify test`: a test alert through every configured channel, at once.

Sent directly, without queues, store and limits: what each channel answers is what it says now.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guards.cli.notify_samples import SAMPLES
from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.errors import GuardError, Unreadable
from guards.engine.events import clean
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Channel
from guards.wiring import channels, trial
from guards.wiring.channels import ChannelSettings


def run(options: argparse.Namespace) -> int:
    """0 if every channel took it, 1 if one did not, 2 if there is none to try."""
    try:
        environ = {**_settings(options.settings), **os.environ}
    except (OSError, ValueError, RecursionError) as e:
        print(f"{options.settings}: {getattr(e, 'strerror', None) or e}", file=sys.stderr)
        return 2
    configured = channels.read(environ)
    wanted = [one for one in configured if options.channel in (None, one.name)]
    if not wanted:
        print(_nothing(options.channel, configured, environ), file=sys.stderr)
        return 2
    sample = SAMPLES[options.sample](options.now)
    answers = asyncio.run(_send(wanted, environ.get("AZURE_CLIENT_ID", ""), sample))
    for one, (worked, answer) in zip(wanted, answers, strict=True):
        print(f"{one.name} ({one.kind}): {'ok' if worked else 'FAILED'}: {answer}")
    return 0 if all(worked for worked, _ in answers) else 1


def _settings(file: Path | None) -> Mapping[str, str]:
    """`Values` of a local.settings.json; the environment counts for more.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none.
    """
    if file is None:
        return {}
    document = json.loads(file.read_text(encoding="utf-8"))
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise Unreadable("no object with Values, as local.settings.json has")
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _nothing(
    channel: str | None, configured: Sequence[ChannelSettings], environ: Mapping[str, str]
) -> str:
    if not channels.is_on(environ):
        return f"{channels.NOTIFY} is off, so no channel delivers"
    if not configured:
        return (
            "no channel is configured: set GUARD_CHANNEL_NAME__KIND in the environment, or name a "
            "file with --settings"
        )
    names = ", ".join(one.name for one in configured)
    return f"no channel {channel!r} is configured; configured: {names}"


async def _send(
    wanted: Sequence[ChannelSettings], client_id: str, sample: Alert
) -> list[tuple[bool, str]]:
    async with trial.opened(wanted, client_id) as opened:
        return await asyncio.gather(*(_try(channel, sample) for channel in opened.values()))


async def _try(channel: Channel, sample: Alert) -> tuple[bool, str]:
    try:
        sent = await channel.send(Parcel((Item(_marked(sample, channel.name).message()),)), _yes)
    except GuardError as e:
        return False, clean(str(e), 500)
    except Exception as e:  # noqa: BLE001 (what the other channels answer is wanted all the same)
        return False, f"an error of Export Guard itself: {type(e).__name__}"
    refused = f"; refused: {', '.join(sent.refused)}" if sent.refused else ""
    return not sent.refused, clean(f"{sent.answer}{refused}", 500)


async def _yes() -> bool:
    return True


def _marked(sample: Alert, channel: str) -> Alert:
    return replace(
        sample,
        alert_id=alerts.digest("notify test", channel, sample.alert_id),
        reason=f"TEST of the channel {channel}, sent with python -m guards notify test. No "
        "resource was read, and nothing was changed.",
    )
