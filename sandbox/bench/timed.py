"""Processes that are measured as a whole: seconds, CPU and the most memory they held."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.bench.contenders import BenchError
from sandbox.functions import ROOT

_PATIENCE_S = 900.0
_MOST_WORDS = 2_000

_STOPWATCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
with open(sys.argv[1], "wb") as out:
    child = subprocess.Popen(sys.argv[2:], stdout=out)
    _, status, used = os.wait4(child.pid, 0)
took = time.perf_counter() - began
print(json.dumps([took, used.ru_utime + used.ru_stime, used.ru_maxrss]))
sys.exit(abs(os.waitstatus_to_exitcode(status)))
"""
"""Runs a command and tells what it used. Small, since Linux counts the memory of the process that
starts another as the other's, too."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one process used; the memory is the most it held, in MB (10^6 bytes)."""

    seconds: float
    cpu_s: float
    rss_mb: float


async def used(out: Path, *command: str | Path, env: Mapping[str, str] | None = None) -> Used:
    """What a Python command used, whose output goes into a file.

    Raises:
        BenchError: it failed; with its last words.
    """
    answer = await said("-c", _STOPWATCH, out, sys.executable, *command, env=env)
    seconds, cpu_s, rss = json.loads(answer)
    unit = 1 if sys.platform == "darwin" else 1024
    return Used(seconds, cpu_s, rss * unit / 1e6)


async def said(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """What a Python command writes to its standard output.

    Raises:
        BenchError: it failed; with its last words.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            _end(process.pid)
            await process.wait()
    if process.returncode != 0:
        words = err.decode(errors="replace").strip()[-_MOST_WORDS:]
        raise BenchError(f"a process ended with {process.returncode}: {words}")
    return out.decode()


def _end(leader: int) -> None:
    """A process, and those it started."""
    if hasattr(os, "killpg"):
        os.killpg(leader, signal.SIGKILL)
    else:
        os.kill(leader, signal.SIGTERM)
