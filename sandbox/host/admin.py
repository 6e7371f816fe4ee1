"""The admin endpoints that people and the supervisor use: status, functions, run one."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Mapping
from typing import Any

from aiohttp import web

from sandbox.host.invocations import Invocations
from sandbox.host.keys import Keys
from sandbox.host.timers import timer_info
from sandbox.host.values import add_binding_data, typed
from sandbox.host.webhook import EventGridWebhook
from sandbox.host.worker import Function, FunctionFailed


class Admin:
    """GET /admin/host/status, GET /admin/functions and POST /admin/functions/NAME."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        invocations: Invocations,
        webhook: EventGridWebhook,
        keys: Keys,
    ) -> None:
        self._functions = functions
        self._invocations = invocations
        self._webhook = webhook
        self._keys = keys
        self._running: set[asyncio.Task[None]] = set()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_get("/admin/host/status", self.status)
        router.add_get("/admin/functions", self.functions)
        router.add_post("/admin/functions/{name}", self.run)

    async def status(self, request: web.Request) -> web.Response:
        """The host answers only when the app was loaded, so it is always running."""
        if not self._keys.open(request):
            return web.Response(status=401)
        return web.json_response({"state": "Running"})

    async def functions(self, request: web.Request) -> web.Response:
        """Every function with its bindings, as Azure would see them."""
        if not self._keys.open(request):
            return web.Response(status=401)
        return web.json_response(
            [{"name": f.name, "bindings": f.bindings} for f in self._functions.values()]
        )

    async def run(self, request: web.Request) -> web.Response:
        """Run any function but an HTTP one with {"input": "..."}, without waiting for it."""
        if not self._keys.open(request):
            return web.Response(status=401)
        function = self._functions.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        try:
            given = (await request.json()).get("input") or ""
            job = self._job(function, given)
        except (ValueError, AttributeError) as exc:
            return web.Response(status=400, text=str(exc))
        task = asyncio.create_task(_quietly(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return web.Response(status=202)

    def _job(self, function: Function, given: str) -> Coroutine[Any, Any, object]:
        match function.kind:
            case "eventgridtrigger":
                return self._webhook.invoke(function, json.loads(given))
            case "timertrigger":
                return self._invocations.run(function, timer_info(None))
            case "queuetrigger":
                metadata = {"QueueTrigger": typed(given)}
                add_binding_data(given, metadata)
                return self._invocations.run(function, typed(given), metadata)
            case other:
                raise ValueError(f"{function.name} has a {other}; call its own address")


async def _quietly(job: Coroutine[Any, Any, object]) -> None:
    # Logged where it failed; nobody waits for this answer.
    with contextlib.suppress(FunctionFailed):
        await job
