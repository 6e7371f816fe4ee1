"""The story `make demo` tells: who opened what, how fast it was closed, and what was said about it.

Every figure is read from the sandbox: ARM's list of calls, the alert queue, the app's log. The
exit code is non-zero if any step did not happen.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandbox.outside import Outside
from sandbox.processes import StartError
from sandbox.up import Sandbox

BUDGET_S = 3
"""The demo's event budget; the intent waits three times as long. In Azure it is 20 s."""

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
REGISTRY = "Microsoft.ContainerRegistry/registries"

_APPROVED = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}

_KINDS = {DISK: "disk", SNAPSHOT: "snapshot", REGISTRY: "registry"}

_out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the closing table."""

    what: str
    happened: bool
    outcome: str
    closed_after_ms: float | None
    guard_calls: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Someone writes one resource, and what is expected of the guard."""

    what: str
    caller: str
    type: str
    name: str
    properties: dict[str, Any]
    sku: str
    outcome: str | None
    calls: tuple[str, ...]
    show_alert: bool = False


SCENES = (
    Scene(
        "opens a disk: anyone with a SAS link could download it",
        "mallory",
        DISK,
        "payroll-data",
        {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"},
        "Premium_LRS",
        "reverted",
        ("GET", "PATCH"),
        show_alert=True,
    ),
    Scene(
        "takes a snapshot and says nothing about network access, so Azure leaves it open",
        "nightly-backup",
        SNAPSHOT,
        "payroll-2026-11-22",
        {},
        "Standard_LRS",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "redeploys a registry from a template without `policies`, which turns exports on again",
        "release-pipeline",
        REGISTRY,
        "contosoimages",
        {"publicNetworkAccess": "Enabled", "privateEndpointConnections": [_APPROVED]},
        "Premium",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "creates a disk that is closed as it should be",
        "platform-team",
        DISK,
        "scratch",
        {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"},
        "Premium_LRS",
        None,
        ("GET",),
    ),
    Scene(
        "creates a Basic registry, which Azure cannot close",
        "intern",
        REGISTRY,
        "quicktest",
        {},
        "Basic",
        "blocked",
        ("GET",),
    ),
)


async def _play(scene: Scene, outside: Outside) -> Step:
    _out.print(f"\n[bold]{scene.caller}[/bold] {scene.what}: {_KINDS[scene.type]} {scene.name}")
    await outside.forget_calls()
    await outside.put(scene.caller, scene.type, scene.name, scene.properties, scene.sku)
    alert = None
    if scene.outcome is not None:
        alert = await outside.alert_about(scene.name)
    await outside.wait_for_calls(len(scene.calls))
    await outside.wait_until_idle()
    calls = [call["method"] for call in await outside.guard_calls()]
    took = await outside.milliseconds_from_put_to_patch()
    happened = tuple(calls) == scene.calls and (alert or {}).get("outcome") == scene.outcome
    if took is not None:
        _out.print(f"  closed {took:.0f} ms later")
    _out.print(f"  ARM calls of the guard: {', '.join(calls) or 'none'}")
    if alert is None:
        _out.print("  no alert")
    else:
        _show(alert, full=scene.show_alert)
    outcome = alert["outcome"] if alert else "nothing to do"
    return Step(f"{scene.caller}: {scene.name}", happened, outcome, took, " + ".join(calls))


def _show(alert: dict[str, Any], *, full: bool) -> None:
    if full:
        _out.print("  the alert, as posted to guard-alerts:")
        _out.print(Text(_indented(json.dumps(alert, indent=2, ensure_ascii=False)), style="cyan"))
        return
    _out.print(f"  alert: {alert['outcome']}, {alert['severity']}, by {alert['caller']['name']}")
    if alert["reason"]:
        _out.print(Text(f"    {alert['reason']}", style="cyan"))
    for change in alert["changes"]:
        _out.print(Text(f"    {change['path']}: {change['from']} -> {change['to']}", style="cyan"))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


async def _own_write(outside: Outside, log: list[str]) -> Step:
    """The guard's PATCHes so far came back as events; none of them may have cost a call."""
    _out.print("\n[bold]the guard[/bold] wrote three resources itself; these raise events, too")
    seen = sum("the guard's own write" in line for line in log)
    _out.print(f"  {seen} of them arrived, recognised by the caller's object ID: no ARM call")
    return Step("the guard: its own writes", seen == 3, "ignored", None, "none")


async def _crash(outside: Outside, box: Sandbox) -> Step:
    """SIGKILL between revert and alert: ARM closes the disk, the process is gone."""
    name = "customer-exports"
    _out.print(
        f"\n[bold]mallory[/bold] opens a disk again, and the guard is killed half-way: disk {name}"
    )
    await outside.forget_calls()
    await outside.fault({"match": {"method": "PATCH", "caller": "guard"}, "delay_s": 0.5})
    await outside.put("mallory", DISK, name, {"networkAccessPolicy": "AllowAll"}, "Premium_LRS")
    await outside.wait_for_calls(2)
    old = box.endpoints["pids"]["functions"]
    await box.kill_functions()
    _out.print(f"  process {old} killed after it sent the PATCH, before it could post the alert")
    await outside.wait_until_closed(DISK, name)
    _out.print("  Azure closed the disk; nobody has been told")
    started = time.monotonic()
    alert = await outside.alert_about(name, within_s=60)
    waited = time.monotonic() - started
    if alert is not None:
        _out.print(
            f"  {waited:.0f} s later the intent surfaced in guard-work, and the alert came all the"
            f" same (in Azure after {3 * 20} s; the demo runs with a shorter budget)"
        )
        _show(alert, full=False)
    calls = " + ".join(call["method"] for call in await outside.guard_calls())
    outcome = alert["outcome"] if alert else "no alert"
    return Step(f"mallory: {name}, guard killed", outcome == "found closed", outcome, None, calls)


def _table(steps: list[Step]) -> Table:
    table = Table(
        box=None, header_style="bold", pad_edge=False, title="\nWhat happened", title_justify="left"
    )
    for column in ("STEP", "OUTCOME", "CLOSED AFTER", "ARM CALLS OF THE GUARD", ""):
        table.add_column(column)
    for step in steps:
        took = "-" if step.closed_after_ms is None else f"{step.closed_after_ms:.0f} ms"
        verdict = "as expected" if step.happened else "NOT AS EXPECTED"
        style = "green" if step.happened else "bold red"
        table.add_row(step.what, step.outcome, took, step.guard_calls, Text(verdict, style=style))
    return table


async def _tell(say: Callable[[str], None], log: list[str]) -> int:
    env = {
        "GUARD_MODE": "enforce",
        "GUARD_POLICY": "policy.yaml",
        "GUARD_EVENT_BUDGET_SECONDS": str(BUDGET_S),
    }
    _out.print(
        "Starting a local Azure, and in it the guard in Microsoft's Python worker library ..."
    )
    async with Sandbox(env=env, say=say) as box, Outside(box.endpoints) as outside:
        steps = [await _play(scene, outside) for scene in SCENES]
        steps.append(await _own_write(outside, log))
        steps.append(await _crash(outside, box))
    _out.print(_table(steps))
    failed = [step.what for step in steps if not step.happened]
    if failed:
        _out.print(f"\n[bold red]Not as expected: {', '.join(failed)}.[/bold red] The app's log:")
        _out.print(Text("\n".join(log[-40:])))
        return 1
    _out.print("\nEverything happened as it should. `make run` leaves this Azure running for you.")
    return 0


def main(argv: list[str]) -> int:
    """`python -m sandbox demo`: tell the story; 0 if every step happened."""
    if argv:
        _out.print(f"demo takes no arguments, found {' '.join(argv)}")
        return 2
    log: list[str] = []
    try:
        return asyncio.run(_tell(log.append, log))
    except (StartError, TimeoutError) as e:
        _out.print(f"[bold red]The demo could not go on:[/bold red] {e}")
        _out.print(Text("\n".join(log[-40:])))
        return 1
