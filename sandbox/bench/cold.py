"""Cold start: from the start of the app's process to its first event, beside bare imports.

With channels and without, since the first event must not wait for what delivers alerts. The
bytecode is there, as it is in a deployment; the files are in the operating system's cache.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.bench.contenders import BenchError, HiccupError
from sandbox.bench.lone import Lone
from sandbox.bench.plans import Plan
from sandbox.bench.stage import Kind, Props, Stage
from sandbox.bench.trial import Ratio, ratio
from sandbox.functions import ROOT
from sandbox.own_channels import own_channels

TARGET = 1.3
TARGET_CHANNELS = 1.05
_TRIES = 3

SDKS = (
    "azure.functions",
    "azure.mgmt.compute.aio",
    "azure.mgmt.containerregistry.aio",
    "azure.storage.queue.aio",
    "azure.identity.aio",
)

_EMPTY_APP = """
import azure.functions as func
app = func.FunctionApp()
@app.event_grid_trigger(arg_name="event")
async def ignored(event: func.EventGridEvent) -> None: ...
"""


@dataclass(frozen=True, slots=True)
class ColdResult:
    """Seconds of every repetition."""

    first_event_s: list[float]
    """The app, until its first noncompliant event is handled: closed and told."""
    with_channels_s: list[float]
    """The same with a Teams workflow and a mail server among its settings."""
    imports_s: list[float]
    """A process that imports `SDKS` and exits, until it has ended."""
    imported_s: list[float]
    """The same process, until the imports are done: taking it all down again takes a while."""
    empty_app_s: list[float]
    """The same local host with an app of one empty function, until it has handled the event."""
    ratios: list[Ratio]


async def measure(stage: Stage, props: Props, plan: Plan) -> ColdResult:
    """Each in turn, again and again; what only fills caches does not count."""
    function = stage.function
    settings = stage.app_settings()
    with_channels = settings | own_channels(stage.endpoints)
    whole: list[float] = []
    telling: list[float] = []
    rivals = [(whole, settings), (telling, with_channels)]
    imports: list[tuple[float, float]] = []
    empty: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder)
        (app / "function_app.py").write_text(_EMPTY_APP)
        (app / "host.json").write_text('{"version": "2.0"}')
        for number in range(plan.uncounted_starts + plan.cold_starts):
            for times, env in rivals if number % 2 == 0 else reversed(rivals):
                # Opened anew, and the alert before it gone, which the app would deliver meanwhile.
                await props.empty_queues()
                [disk] = await props.resources(Kind.NONCOMPLIANT, 1)
                event = stage.event(Kind.NONCOMPLIANT, disk)
                times.append(await _first_event(env, ROOT, function, event))
            imports.append(await _imports(settings))
            empty.append(await _first_event(settings, app, "ignored", event))
    await props.empty_queues()
    first = plan.uncounted_starts
    whole, telling, empty = whole[first:], telling[first:], empty[first:]
    imported, ended = (list(times) for times in zip(*imports[first:], strict=True))
    name = "cold start to the first event handled"
    ratios = [
        ratio(f"{name}, to the bare import of the SDKs", _quotients(whole, ended), TARGET),
        ratio(f"{name}, with channels to without", _quotients(telling, whole), TARGET_CHANNELS),
    ]
    return ColdResult(whole, telling, ended, imported, empty, ratios)


def _quotients(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(mine, theirs, strict=True)]


async def _first_event(settings: dict[str, str], app: Path, function: str, event: bytes) -> float:
    """Seconds; once more if the process ends early, as when something else took its port."""
    for _ in range(_TRIES):
        try:
            async with Lone(settings, app=app) as lone:
                return await lone.handled(function, event)
        except HiccupError as e:
            trouble = e
    raise trouble


async def _imports(settings: dict[str, str]) -> tuple[float, float]:
    """Seconds until the SDKs are imported, and until the process has ended."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"import {', '.join(SDKS)}; print(flush=True)"),
        env=settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            await process.stdout.readline()
            imported = time.perf_counter() - started
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise BenchError(f"the bare import ended with {code}")
    return imported, time.perf_counter() - started
