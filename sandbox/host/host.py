"""Puts the host together: worker, storage connections, listeners and the web server of one app."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aiohttp import web

from sandbox.host.admin import Admin
from sandbox.host.invocations import Invocations
from sandbox.host.keys import Keys
from sandbox.host.queues import QueueListener
from sandbox.host.routes import HttpRoute
from sandbox.host.settings import read_host_json
from sandbox.host.storage import Storage
from sandbox.host.timers import TimerListener
from sandbox.host.webhook import EventGridWebhook
from sandbox.host.worker import Function, Worker

log = logging.getLogger("sandbox.host")

LARGEST_REQUEST = 100 * 2**20
"""Bytes of a request's body; Azure's limit for Functions."""

DRAIN = 10.0
"""Seconds that running functions get when the host stops."""


class Host:
    """Runs one function app on 127.0.0.1. App settings come from the environment.

    `on_timeout` is called when a function exceeds functionTimeout: the caller should end the
    process, as Azure does with its worker.
    """

    def __init__(
        self,
        app_dir: Path | str,
        *,
        key: str | None = None,
        on_timeout: Callable[[], None] = lambda: None,
    ) -> None:
        self._app_dir = Path(app_dir).resolve()
        self._keys = Keys(key)
        self._on_timeout = on_timeout
        self._worker = Worker()
        self._queues: list[QueueListener] = []
        self._listening: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._storage: Storage | None = None
        self.invocations: Invocations
        self.url = ""

    @property
    def functions(self) -> dict[str, Function]:
        """The loaded functions by name, each with the bindings that Azure would see."""
        return self._worker.functions

    async def start(self, port: int = 0) -> Self:
        """Load the app, listen, and only then answer; raises if the app is bad."""
        try:
            await self._start(port)
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self, port: int) -> None:
        settings = read_host_json(self._app_dir)
        await self._worker.start(self._app_dir)
        self._storage = storage = Storage(base64=settings.queues.base64)
        self.invocations = Invocations(
            self._worker, storage, settings.function_timeout, self._on_timeout
        )
        webhook = EventGridWebhook(self.functions, self.invocations, self._keys)
        admin = Admin(self.functions, self.invocations, webhook, self._keys)
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_route("*", "/runtime/webhooks/{extension}", webhook.handle)
        admin.add_to(app.router)
        for function in self.functions.values():
            match function.kind:
                case "httptrigger":
                    route = HttpRoute(function, self.invocations, self._keys)
                    route.add_to(app.router, settings.route_prefix)
                case "queuetrigger":
                    listener = QueueListener(function, settings.queues, storage, self.invocations)
                    self._queues.append(listener)
                case "timertrigger":
                    timer = TimerListener(function, self.invocations)
                    self._tasks.append(asyncio.create_task(timer.listen()))
        self._listening = [asyncio.create_task(queue.listen()) for queue in self._queues]
        self._tasks += self._listening
        for task in self._tasks:
            task.add_done_callback(_report)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Take in nothing new, let what runs end within a bound, close everything."""
        try:
            async with asyncio.timeout(DRAIN):
                await self._drain()
        except TimeoutError:
            log.warning("Functions still running after %g s are cancelled.", DRAIN)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(queue.abandon() for queue in self._queues))
        if self._runner is not None:
            await self._runner.cleanup()
        if self._storage is not None:
            await self._storage.close()
        self._worker.stop()

    async def _drain(self) -> None:
        for queue in self._queues:
            queue.stop()
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
            await self.invocations.idle()
        await asyncio.gather(*self._listening)
        await asyncio.gather(*(queue.settled() for queue in self._queues))


def _report(task: asyncio.Task[None]) -> None:
    """A listener never ends by itself; one that does is a defect that must be seen."""
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.critical("A listener has ended: %s: %s", type(exc).__name__, exc)
