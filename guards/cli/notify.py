"""`python -m guards notify`: try channels out, or see what they would show."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from guards.cli.notify_samples import SAMPLES

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command with its actions."""
    command = commands.add_parser("notify", help="try channels out, or see what they show")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser(
        "test",
        help="a test alert through every channel",
        description="Sends a marked test alert through every configured channel, at once and past "
        "all limits, and says what each answered. Settings come from the environment.",
    )
    action.add_argument("--channel", metavar="NAME", help="through this one only")
    action.add_argument(
        "--sample",
        choices=SAMPLES,
        default="plain",
        help="what it looks like; default: %(default)s",
    )
    action.add_argument(
        "--settings", type=Path, metavar="FILE", help="also read a local.settings.json"
    )
    action.set_defaults(run=_test)
    action = actions.add_parser(
        "render",
        help="what mail and Teams show of alerts",
        description="One alert, or a list of them as a digest, as mail and Teams card, on a page "
        "that runs no script and loads nothing.",
    )
    what = action.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "alerts", metavar="ALERT.json", nargs="?", help="one alert or a list; - for stdin"
    )
    what.add_argument("--sample", choices=SAMPLES, help="an alert that is made up")
    action.add_argument("--html", type=Path, required=True, metavar="FILE", help="the page")
    action.set_defaults(run=_render)


def _test(options: argparse.Namespace) -> int:
    from guards.cli import notify_test  # brings the channels with it

    return notify_test.run(options)


def _render(options: argparse.Namespace) -> int:
    from guards.cli import notify_render

    return notify_render.run(options)
