"""Options of `python -m sandbox bench`, the order of the sections, and build/bench.json."""

import argparse
import asyncio
import json
import os
import platform
import pstats
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from sandbox.bench import cold, cpu, estate, latency, memory, notify, report
from sandbox.bench.contenders import BenchError, Floor, Guard
from sandbox.bench.lone import Lone
from sandbox.bench.plans import FULL, QUICK, Plan
from sandbox.bench.stage import WORK, Kind, Props, Stage
from sandbox.bench.trial import Trials
from sandbox.functions import ROOT
from sandbox.outside import Outside
from sandbox.processes import StartError

STAGED = ("cpu", "latency", "memory", "cold")
SECTIONS = (*STAGED, "estate", "notify")
_BUILD = ROOT / "build"
_SLOWEST_SHOWN = 40
_LINES_SHOWN = 30


def main(args: list[str]) -> int:
    """Measure, print, write build/bench.json; 1 only if something did not work."""
    parser = argparse.ArgumentParser(prog="python -m sandbox bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: under a minute")
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="instead of measuring, profile noncompliant events into build/bench.prof",
    )
    options = parser.parse_args(args)
    plan = QUICK if options.quick else FULL
    sections = (options.only,) if options.only else SECTIONS
    log: deque[str] = deque(maxlen=_LINES_SHOWN)
    try:
        if options.profile:
            asyncio.run(_profile(plan))
        else:
            _write(asyncio.run(measure(plan, sections, log.append)))
    except (BenchError, StartError, TimeoutError) as e:
        print("\n".join((*log, f"bench: {e}")), file=sys.stderr)
        return 1
    return 0


async def measure(
    plan: Plan, sections: Sequence[str], say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Run sections, printing each when it is done; the figures as JSON has them.

    `say` gets the lines of the app's log.
    """
    began = time.monotonic()
    results: dict[str, Any] = {}
    if set(sections) & set(STAGED):
        results = await _staged(plan, sections, say)
    if "estate" in sections:  # when the stage is gone, and the cores are free
        previews = await estate.measure(plan)
        report.estate(previews)
        results["estate"] = asdict(previews)
    if "notify" in sections:
        messages = await notify.measure(plan, say)
        report.notify(messages)
        results["notify"] = asdict(messages)
    return {"took_s": time.monotonic() - began, "plan": asdict(plan), **_machine(), **results}


async def _staged(
    plan: Plan, sections: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """The sections about events, on one stage."""
    results: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage(say))
        outside = await stack.enter_async_context(Outside(stage.endpoints))
        props = await stack.enter_async_context(Props(stage, outside))
        trials = Trials(stage, props)
        url = stage.functions.webhook(stage.function)
        guard = await stack.enter_async_context(Guard(stage, url))
        message = await _first_alert(stage, props, guard)
        naive, bare = [
            await stack.enter_async_context(Floor(name, stage, message))
            for name in ("naive", "bare")
        ]
        if "cpu" in sections:
            costs = await cpu.measure(trials, guard, [naive, bare], plan)
            report.cpu(costs)
            results["cpu"] = asdict(costs)
        if "latency" in sections:
            times = await latency.measure(trials, props, guard, naive, bare, plan)
            report.latency(times)
            results["latency"] = asdict(times)
        if "memory" in sections:
            sizes = await memory.measure(stage, props, guard, plan, trials.repeated)
            report.memory(sizes)
            results["memory"] = asdict(sizes)
        if "cold" in sections:
            starts = await cold.measure(stage, props, plan)
            report.cold(starts)
            results["cold"] = asdict(starts)
        results["repeated"] = trials.repeated
        results["intents_left"] = await props.messages(WORK)
        report.trouble(trials.repeated, results["intents_left"])
    return results


async def _first_alert(stage: Stage, props: Props, guard: Guard) -> str:
    """Let the guard close something once, and take the alert's text for the floors to post."""
    disks = await props.resources(Kind.NONCOMPLIANT, 1)
    await guard.run(Kind.NONCOMPLIANT, disks, 1)
    message = await props.an_alert()
    await props.empty_queues()
    return message


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
    }


def _write(figures: dict[str, Any]) -> None:
    _BUILD.mkdir(exist_ok=True)
    file = _BUILD / "bench.json"
    file.write_text(json.dumps(figures, indent=2) + "\n")
    report.out.print(f"\n{figures['took_s']:.0f} s; all figures: {file.relative_to(ROOT)}")


async def _profile(plan: Plan) -> None:
    """Noncompliant events, one after another, in an app's process under cProfile."""
    _BUILD.mkdir(exist_ok=True)
    file = _BUILD / "bench.prof"
    file.unlink(missing_ok=True)
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage())
        outside = await stack.enter_async_context(Outside(stage.endpoints))
        props = await stack.enter_async_context(Props(stage, outside))
        module = ("sandbox.bench.profiled", str(file))
        lone = await stack.enter_async_context(Lone(stage.app_settings(), module=module))
        disks = await props.resources(Kind.NONCOMPLIANT, plan.cpu_events)
        await lone.handled(stage.function, stage.event(Kind.NONCOMPLIANT, disks[0]))
        guard = await stack.enter_async_context(Guard(stage, lone.url(stage.function), lone.pid))
        await guard.run(Kind.NONCOMPLIANT, disks, 1)
        await props.resources(Kind.NONCOMPLIANT, plan.cpu_events)
        lone.send(signal.SIGUSR1)
        await guard.run(Kind.NONCOMPLIANT, disks, 1)
        await lone.ended(signal.SIGUSR2)
    pstats.Stats(str(file)).sort_stats("tottime").print_stats(_SLOWEST_SHOWN)
    print(f"{plan.cpu_events} events: {file.relative_to(ROOT)}, to be read with pstats")
