"""Child processes that never outlive the sandbox, and waiting on conditions instead of on luck."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

_TETHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks the kernel to kill this process when its parent dies, however that happens, and then becomes
the program. The parent is the thread that started it: use the main thread. On other systems than
Linux a SIGKILL of the supervisor can leave children behind.
"""


class StartError(RuntimeError):
    """A part of the sandbox did not come up; the message says which and its last words."""


class Child:
    """One child process; its output goes to `say`, and its last lines are kept."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=60)
        self._command = command
        self._env = dict(env) if env is not None else None
        self._cwd = cwd
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 before the start."""
        return 0 if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None as long as it runs; minus the signal's number when a signal ended it."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it, tied to this process."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid())),
            *self._command,
            env=self._env,
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then ends all
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the reader's limit: that much of it is dropped
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            self._say(text)

    async def ended(self) -> int:
        """Wait for the end of the process and of its output; returns the exit code."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=2)
        return code

    async def stop(self, *, grace: float = 15.0) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        self.signal(signal.SIGTERM)
        await self._gone(grace)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self._gone(5.0)

    async def _gone(self, grace: float) -> None:
        if self._process is None:
            return
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=2)
            self._reader.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


async def until(
    condition: Callable[[], Awaitable[bool]], *, within: float, child: Child | None = None
) -> None:
    """Wait for a condition; StartError after `within` seconds, or when the child has ended."""
    end = time.monotonic() + within
    while not await condition():
        if child is not None and child.exit_code is not None:
            await child.ended()
            raise StartError(_last_words(child, f"ended with exit code {child.exit_code}"))
        if time.monotonic() > end:
            what = f"did not answer within {within:g} s"
            raise StartError(what if child is None else _last_words(child, what))
        await asyncio.sleep(0.05)


def _last_words(child: Child, what: str) -> str:
    words = "".join(f"\n    {line}" for line in child.last_lines)
    return f"{child.name} {what}{words and ':' + words}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
