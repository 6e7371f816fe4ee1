"""`make demo`: who opened what, how fast it was closed, and what was told to whom.

    scenes     what people do, and what is expected of the guard
    play       the scenes one by one, the guard's own writes, and its process killed half-way
    theft      a SAS link taken by somebody who may not, and a download that is cut off
    flood      a cluster that opens many disks at once
    inbox      what ended at the sandbox's Teams, mail server and webhook
    screen     what the reader of the demo sees, and the closing table
    pages      cards, mail and digest as pages and as pictures

Every figure is read from the sandbox: ARM's list of calls, the sinks, the app's log. The exit code
is non-zero if any step did not happen.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from sandbox import pictures
from sandbox.demo import flood, pages, play, theft
from sandbox.demo.inbox import Card, Inbox
from sandbox.demo.scenes import BUDGET_S, SCENES
from sandbox.demo.screen import Step, out, say, table
from sandbox.outside import Outside
from sandbox.own_channels import own_channels
from sandbox.processes import StartError
from sandbox.up import Sandbox

_LINES_OF_LOG = 40


def _settings(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Teams, mail, and a webhook, where each alert arrives alone and at once."""
    pages.FOLDER.mkdir(parents=True, exist_ok=True)
    policy = pages.FOLDER / "policy.yaml"
    policy.write_text(theft.policy(), encoding="utf-8")
    return {
        "GUARD_MODE": "enforce",
        "GUARD_POLICY": str(policy),
        "GUARD_EVENT_BUDGET_SECONDS": str(BUDGET_S),
        **own_channels(endpoints),
        "GUARD_CHANNEL_SIEM__webhook": endpoints["webhook"],
        "GUARD_CHANNEL_SIEM__secret": secrets.token_hex(16),
    }


async def _tell(log: list[str]) -> tuple[list[Step], list[str]]:
    """The whole story; what happened, and the files there are to look at."""
    say(
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
        stolen, card = await theft.tell(outside, inbox)
        steps += [*stolen, await play.own_writes(log)]
        first_seen = _first_seen(inbox, card)
        crashed, files = await asyncio.gather(
            play.crash(outside, inbox, box),
            pages.write(first_seen),  # there is time to draw: most of it is waiting
        )
        steps += [crashed, await flood.play(outside, inbox), told(inbox)]
        digest = pictures.teams_page(inbox.cards()[-1].message)
    return steps, [*files, *await pages.write({"digest": digest})]


def _first_seen(inbox: Inbox, theft_card: Card) -> dict[str, str]:
    """The first card and the first mail, and the card of the theft, as pages."""
    return {
        "card": pictures.teams_page(inbox.cards()[0].message),
        "mail": inbox.mails()[0]["html"],
        "theft": pictures.teams_page(theft_card.message),
    }


def told(inbox: Inbox) -> Step:
    """Who was told of what in the end; nobody of a resource that was closed all along."""
    alerts, wanted = inbox.alerts(), [one.name for one in SCENES if one.outcome]
    out.print("\n[bold]Told so far[/bold]")
    say(f"  webhook: {len(alerts)} alerts, each by itself and at once")
    say(f"  Teams: {len(inbox.cards())} posts, at most 20 in five minutes")
    say(
        f"  mail: {len(inbox.mails())}, at most one a minute for each person; "
        f"{inbox.not_mailed()} alerts wait for the next, a digest"
    )
    about = {str(alert["resourceId"]).rpartition("/")[2] for alert in alerts}
    happened = about == {*wanted, theft.KEPT_OPEN.name, play.KILLED, *flood.NAMES}
    return Step("webhook: every alert, no other", happened, f"{len(alerts)} alerts")


def main(argv: list[str]) -> int:
    """`python -m sandbox demo`: tell the story; 0 if every step happened."""
    if argv:
        out.print(f"demo takes no arguments, found {' '.join(argv)}")
        return 2
    log: list[str] = []
    try:
        steps, files = asyncio.run(_tell(log))
        out.print(table(steps))
        failed = [step.what for step in steps if not step.happened]
        pages.show(files)
    except (StartError, TimeoutError, RuntimeError) as e:
        out.print("[bold red]The demo could not go on:[/bold red]", Text(str(e)))
        return _failed(log)
    if failed:
        out.print(f"\n[bold red]Not as expected: {', '.join(failed)}.[/bold red]")
        return _failed(log)
    say("")
    say(
        "Everything happened as it should. `GUARD_NOTIFY=on make run` leaves an Azure like this "
        "one running for you."
    )
    return 0


def _failed(log: list[str]) -> int:
    out.print("The app's log:", Text("\n" + "\n".join(log[-_LINES_OF_LOG:])))
    return 1
