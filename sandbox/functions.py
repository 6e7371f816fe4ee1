"""The functions app as a process of its own, kept alive as the platform keeps its workers alive."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout

from sandbox.processes import Child, StartError, free_port, until

ROOT = Path(__file__).resolve().parent.parent

_START_LIMIT = 60.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_HEALTHY = 30.0
"""Seconds a process must have lived for its end to count as a new trouble, not as the same one."""


class FunctionsProcess:
    """Runs `python -m sandbox.host` for one app, and starts it again when it ends by itself."""

    def __init__(
        self,
        app_dir: Path,
        env: Mapping[str, str],
        *,
        say: Callable[[str], None],
        on_start: Callable[[], None],
    ) -> None:
        port = free_port()
        self.key = secrets.token_hex(24)  # no leading dash, which would read as an option
        self.url = f"http://127.0.0.1:{port}"
        self._say = say
        self._on_start = on_start
        # The real worker's current folder is the app's as well.
        host = [sys.executable, "-m", "sandbox.host", "--app", str(app_dir), "--port", str(port)]
        environment = {**env, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._child = Child(
            "the functions app",
            [*host, "--key", self.key],
            env=environment,
            cwd=app_dir,
            say=say,
        )
        self._ready = asyncio.Event()
        self._asked_to_restart = False
        self._supervisor: asyncio.Task[None] | None = None
        self._session: ClientSession | None = None

    @property
    def pid(self) -> int:
        """The process id of the process that runs now."""
        return self._child.pid

    def webhook(self, function: str) -> str:
        """The address for events of one function, key included."""
        query = urlencode({"functionName": function, "code": self.key})
        return f"{self.url}/runtime/webhooks/eventgrid?{query}"

    async def start(self) -> None:
        """Start and wait until it answers; StartError with its last words if it never does."""
        self._session = ClientSession(
            headers={"x-functions-key": self.key}, timeout=ClientTimeout(total=5)
        )
        await self._start_once()
        self._supervisor = asyncio.create_task(self._supervise())

    async def _start_once(self) -> None:
        await self._child.start()
        await until(self._answers, within=_START_LIMIT, child=self._child)
        self._on_start()
        self._ready.set()

    async def _answers(self) -> bool:
        assert self._session is not None
        try:
            async with self._session.get(f"{self.url}/admin/host/status") as answer:
                return answer.status == 200 and (await answer.json())["state"] == "Running"
        except (ClientError, TimeoutError):
            return False

    async def functions(self) -> list[dict[str, Any]]:
        """Every function: {name, bindings}."""
        assert self._session is not None
        async with self._session.get(f"{self.url}/admin/functions") as answer:
            answer.raise_for_status()
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._child.ended()
            self._ready.clear()
            if time.monotonic() - began > _HEALTHY:
                pause = _FIRST_PAUSE
            if not self._asked_to_restart:
                self._say(f"sandbox: the functions process {_end(code)}; again in {pause:g} s")
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            self._asked_to_restart = False
            try:
                await self._start_once()
            except StartError as exc:
                self._say(f"sandbox: {str(exc).partition(chr(10))[0]}")
                await self._child.kill()

    async def ready(self, within: float = _START_LIMIT) -> None:
        """Wait until the process answers (again); TimeoutError if it does not."""
        async with asyncio.timeout(within):
            await self._ready.wait()

    async def restart(self) -> None:
        """End it in good order, start it, wait until it answers."""
        self._asked_to_restart = True
        self._ready.clear()
        await self._child.stop()
        await self.ready()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone; it is started again in the background."""
        self._ready.clear()
        await self._child.kill()

    async def stop(self) -> None:
        """End it for good."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._child.stop()
        if self._session is not None:
            await self._session.close()


def _end(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
