"""`make demo`: who opened what, how fast it was closed, and what was told to whom.

    scenes     what people do, and what is expected of the guard
    play       the scenes one by one, the guard's own writes, and its process killed half-way
    flood      a cluster that opens many disks at once
    inbox      what ended at the sandbox's Teams, mail server and webhook
    screen     what the reader of the demo sees, and the closing table
    pages      card, mail and digest as pages and as pictures

Every figure is read from the sandbox: ARM's list of calls, the sinks, the app's log. The exit code
is non-zero if any step did not happen.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from sandbox.demo import flood, pages, play
from sandbox.demo.inbox import Inbox
from sandbox.demo.scenes import BUDGET_S, SCENES
from sandbox.demo.screen import Step, out, table
from sandbox.outside import Outside
from sandbox.own_channels import own_channels
from sandbox.processes import StartError
from sandbox.up import Sandbox

_LINES_OF_LOG = 40


def _settings(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Teams, mail, and a webhook, where each alert arrives alone and at once."""
    return {
        "GUARD_MODE": "enforce",
        "GUARD_POLICY": "policy.yaml",
        "GUARD_EVENT_BUDGET_SECONDS": str(BUDGET_S),
        **own_channels(endpoints),
        "GUARD_CHANNEL_SIEM__webhook": endpoints["webhook"],
        "GUARD_CHANNEL_SIEM__secret": secrets.token_hex(16),
    }


async def _tell(log: list[str]) -> tuple[list[Step], pages.Gallery]:
    """The whole story; what happened, and what there is to look at."""
    out.print(
        "Starting a local Azure, and in it the guard in Microsoft's Python worker library, with a "
        "channel to Teams, one to mail and a webhook ..."
    )
    async with (
        Sandbox(env=_settings, notify=True, say=log.append) as box,
        Outside(box.endpoints) as outside,
    ):
        inbox = Inbox(box.sinks)
        steps: list[Step] = []
        first, *others = SCENES
        steps += await play.first(first, outside, inbox)
        for scene in others:
            steps.append(await play.play(scene, outside, inbox))
        steps.append(play.own_writes(log))
        steps.append(await play.crash(outside, inbox, box))
        steps.append(await flood.play(outside, inbox))
        steps.append(told(inbox))
        cards, mails = inbox.cards(), inbox.mails()
    return steps, pages.Gallery(cards[0].message, mails[0]["html"], cards[-1].message)


def told(inbox: Inbox) -> Step:
    """Who was told of what in the end; nobody of a resource that was closed all along."""
    alerts, wanted = inbox.alerts(), [one.name for one in SCENES if one.outcome]
    out.print("\n[bold]Told so far[/bold]")
    out.print(f"  webhook: {len(alerts)} alerts, each by itself and at once")
    out.print(f"  Teams: {len(inbox.cards())} posts, at most 20 in five minutes")
    out.print(
        f"  mail: {len(inbox.mails())}, at most one a minute for each person; "
        f"{inbox.not_mailed()} alerts wait for the next, a digest"
    )
    about = {str(alert["resourceId"]).rpartition("/")[2] for alert in alerts}
    happened = about == {*wanted, play.KILLED, *flood.NAMES}
    return Step("the webhook: every alert, no other", happened, f"{len(alerts)} alerts")


def main(argv: list[str]) -> int:
    """`python -m sandbox demo`: tell the story; 0 if every step happened."""
    if argv:
        out.print(f"demo takes no arguments, found {' '.join(argv)}")
        return 2
    log: list[str] = []
    try:
        steps, gallery = asyncio.run(_tell(log))
        out.print(table(steps))
        failed = [step.what for step in steps if not step.happened]
        pages.show(gallery)
    except (StartError, TimeoutError, RuntimeError) as e:
        out.print("[bold red]The demo could not go on:[/bold red]", Text(str(e)))
        return _failed(log)
    if failed:
        out.print(f"\n[bold red]Not as expected: {', '.join(failed)}.[/bold red]")
        return _failed(log)
    out.print(
        "\nEverything happened as it should. `GUARD_NOTIFY=on make run` leaves an Azure like this "
        "one running for you."
    )
    return 0


def _failed(log: list[str]) -> int:
    out.print("The app's log:", Text("\n" + "\n".join(log[-_LINES_OF_LOG:])))
    return 1
