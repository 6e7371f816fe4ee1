"""The app's process started by the bench itself: for cold starts, and under a profiler."""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from sandbox.bench.contenders import DELIVERY, HiccupError
from sandbox.functions import ROOT
from sandbox.processes import free_port

_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.003


class Lone:
    """`python -m sandbox.host`, or what wraps it, for one app; killed at the end."""

    def __init__(
        self, env: dict[str, str], *, app: Path = ROOT, module: Sequence[str] = ("sandbox.host",)
    ) -> None:
        port, key = free_port(), secrets.token_urlsafe(16)
        self._command = [sys.executable, "-m", *module, "--app", str(app)]
        self._command += ["--port", str(port), "--key", key]
        self._env = {**env, "PYTHONPATH": str(ROOT)}
        self._cwd = app
        self._base = f"http://127.0.0.1:{port}/runtime/webhooks/eventgrid"
        self._key = key
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self.started = time.perf_counter()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, number: signal.Signals) -> None:
        """Send it a signal that ends it, and wait for that."""
        self.send(number)
        async with asyncio.timeout(10):
            await self._process.wait()

    def url(self, function: str) -> str:
        """The webhook of one function."""
        return f"{self._base}?functionName={function}&code={self._key}"

    async def handled(self, function: str, event: bytes) -> float:
        """Post until it listens; seconds from the start of the process to the 202 of the event."""
        async with ClientSession(timeout=ClientTimeout(total=_PATIENCE_S)) as session:
            while (took := time.perf_counter() - self.started) < _PATIENCE_S:
                try:
                    async with session.post(
                        self.url(function), data=event, headers=DELIVERY
                    ) as answer:
                        if answer.status != 202:
                            raise HiccupError(f"the first event was answered with {answer.status}")
                        return time.perf_counter() - self.started
                except ClientConnectionError:
                    if self._process.returncode is not None:
                        break
                    await asyncio.sleep(_LOOK_EVERY_S)
        raise HiccupError(f"the app did not handle an event within {took:.0f} s")
