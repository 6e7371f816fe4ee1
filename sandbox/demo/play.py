"""The scenes one by one, the guard's own writes, and its process killed half-way."""

import time
from datetime import datetime

from sandbox.demo.inbox import Inbox
from sandbox.demo.scenes import DISK, Scene
from sandbox.demo.screen import (
    Step,
    heading,
    in_short,
    say,
    show_card,
    show_json,
    show_mail,
    sum_up,
    title_of,
)
from sandbox.outside import Outside, until
from sandbox.up import Sandbox

KILLED = "customer-data"
"""The disk that was opened when the guard was killed."""

OWN_WRITES = 4
"""What the guard itself did in the scenes before: a link was revoked, and what was open closed."""


async def first(scene: Scene, outside: Outside, inbox: Inbox) -> list[Step]:
    """A scene, and all that it makes people read."""
    step = await play(scene, outside, inbox, in_full=True)
    card = await inbox.card_with(scene.name)
    say(f"  the card in Teams, {step.told_after_ms:.0f} ms after the PUT:")
    show_card(card.message)
    mail = await inbox.mail_about(scene.name)
    say("  the mail:")
    show_mail(mail)
    told = scene.name in title_of(card.message)
    return [
        step,
        Step(f"Teams: card about {scene.name}", told, "posted"),
        Step(f"mail: about {scene.name}", scene.name in mail["text"], "sent"),
    ]


async def play(scene: Scene, outside: Outside, inbox: Inbox, *, in_full: bool = False) -> Step:
    """Somebody writes a resource, and the guard does what is expected, or else the step says so."""
    heading(scene.caller, scene.told)
    await outside.forget_calls()
    await outside.put(scene.caller, scene.type, scene.name, scene.properties, scene.sku)
    alert, told_ms = None, None
    if scene.outcome is not None:
        [alert] = await inbox.alerts_about(scene.name)
        told_ms = await until_told(alert["alertId"], outside, inbox)
    await outside.wait_for_calls(len(scene.calls))
    await outside.wait_until_idle()
    calls = [call["method"] for call in await outside.guard_calls()]
    took = await outside.milliseconds_from_put_to_patch()
    if took is not None:
        say(f"  closed {took:.0f} ms later")
    say(f"  ARM calls of the guard: {', '.join(calls) or 'none'}")
    if alert is None:
        say("  no alert")
    elif in_full:
        say("  the alert, as posted to guard-alerts; the app takes it from there:")
        show_json(alert)
    else:
        sum_up(alert)
    happened = tuple(calls) == scene.calls and (alert or {}).get("outcome") == scene.outcome
    outcome = alert["outcome"] if alert else "nothing to do"
    what = f"{scene.caller}: {scene.name}"
    return Step(what, happened, outcome, in_short(calls), took, told_ms)


async def until_told(alert_id: str, outside: Outside, inbox: Inbox) -> float:
    """Wait for the card about an alert; milliseconds from the first PUT in the list of calls."""
    card = await inbox.card_with(alert_id)
    return (card.at - await first_put(outside)).total_seconds() * 1000


async def first_put(outside: Outside) -> datetime:
    """The moment of the first PUT in the list of calls."""
    calls = await outside.control("GET", "calls")
    return min(datetime.fromisoformat(call["at"]) for call in calls if call["method"] == "PUT")


async def own_writes(log: list[str]) -> Step:
    """What the guard did came back as events; none of them may have cost a call."""
    heading("the guard", "closed three resources and revoked a link; these raise events, too")

    async def arrived() -> int | None:
        seen = sum("the guard's own write" in line for line in log)
        return seen if seen >= OWN_WRITES else None

    seen = await until(arrived, "the events of what the guard did")
    say(f"  {seen} of them arrived, recognised by the caller's object ID: no ARM call")
    return Step("the guard: its own writes", seen == OWN_WRITES, "ignored", "none")


async def crash(outside: Outside, inbox: Inbox, box: Sandbox) -> Step:
    """SIGKILL between revert and alert: ARM closes the disk, the process is gone."""
    name = KILLED
    heading("mallory", f"opens disk {name}, and the guard is killed half-way")
    await outside.forget_calls()
    await outside.fault({"match": {"method": "PATCH", "caller": "guard"}, "delay_s": 0.5})
    await outside.put("mallory", DISK, name, {"networkAccessPolicy": "AllowAll"}, "Premium_LRS")
    await outside.wait_for_calls(2)
    old = box.endpoints["pids"]["functions"]
    await box.kill_functions()
    say(f"  process {old} killed after it sent the PATCH, before it could post the alert")
    await outside.wait_until_closed(DISK, name)
    say("  Azure closed the disk; nobody has been told")
    started = time.monotonic()
    [alert] = await inbox.alerts_about(name)
    waited = time.monotonic() - started
    say(
        f"  {waited:.0f} s later the intent surfaced in guard-work, and the alert came all the"
        f" same (in Azure after {3 * 20} s; the demo runs with a shorter budget)"
    )
    sum_up(alert)
    calls = in_short([call["method"] for call in await outside.guard_calls()])
    told_ms = await until_told(alert["alertId"], outside, inbox)
    happened = alert["outcome"] == "found closed"
    what = f"mallory: {name}, crash"
    return Step(what, happened, alert["outcome"], calls, None, told_ms)
