"""The web server in front of `provider`: TLS, latency, faults, callers, the call list.

One handler without a router, since nearly every request is an ARM call. The links that ARM hands
out lead here, too: they need no caller, meet no faults and are not in the call list.
"""

import asyncio
import re
import ssl
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sandbox.arm.answers import Answer, Request
from sandbox.arm.callers import GUARD, HEADER, authenticate
from sandbox.arm.control import PREFIX, Call, Connections, Control
from sandbox.arm.downloads import Downloads
from sandbox.arm.errors import ArmError
from sandbox.arm.faults import Fault, Faults
from sandbox.arm.limits import Limits
from sandbox.arm.links import PREFIX as LINKS
from sandbox.arm.paths import PathError, parse
from sandbox.arm.provider import Provider
from sandbox.arm.settings import Settings
from sandbox.identity import Tokens

_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d(-\w+)?")
_SUBSCRIPTION: Final = re.compile(r"^/subscriptions/([^/]+)", re.IGNORECASE)


class Arm:
    """Azure Resource Manager on loopback.

    Args:
        tokens: who may call.
        raise_event: gets each event, finished, on the event loop; it must not block.
        extra: further control paths, each with a function whose JSON-able result GET answers.
    """

    def __init__(
        self,
        tokens: Tokens,
        raise_event: Callable[[dict[str, Any]], None],
        extra: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        self.settings = Settings()
        self.calls: list[Call] = []
        self.connections = Connections()
        self._tokens = tokens
        self._faults = Faults()
        self._limits = Limits()
        self._provider = Provider(self.settings, raise_event)
        self._downloads = Downloads(self._provider.links)
        more = {f"{PREFIX}downloads": self._downloads.kept, **(extra or {})}
        self._control = Control(self.settings, self._faults, self.calls, self.connections, more)
        self._seen: WeakKeyDictionary[asyncio.BaseTransport, set[str]] = WeakKeyDictionary()
        self._runner: web.ServerRunner | None = None
        self._scheme = "https"

    async def start(self, ssl_context: ssl.SSLContext | None, port: int = 0) -> str:
        """Listen, and say where; without `ssl_context` over plain HTTP, for unit tests."""
        self._scheme = "https" if ssl_context else "http"
        server = _CountingServer(self._handle, self.connections)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=ssl_context).start()
        host, bound = self._runner.addresses[0][:2]
        return f"{self._scheme}://{host}:{bound}"

    async def stop(self) -> None:
        """Close all connections; unfinished operations never end."""
        self._provider.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await self._control.answer(request)
        if request.path.startswith(LINKS):
            return await self._downloads.answer(request)
        name = request.headers.get(HEADER) or GUARD
        # Read at once: what has arrived is carried out, even if the client dies meanwhile.
        body = await request.read() if request.can_read_body else b""
        call: Call = {
            "method": request.method,
            "path": request.path,
            "apiVersion": request.query.get("api-version", ""),
            "status": 0,
            "caller": name,
            "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        self.calls.append(call)
        self._count(request.transport, name)
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        fault = self._faults.take(request.method, request.path, name)
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.reset:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # goes nowhere
        correlation_id = _correlation_id(request.headers)
        accepted = fault is not None and fault.accept
        answer = _faulty(fault) or self._answer(
            request, body, call["apiVersion"], correlation_id, accepted=accepted
        )
        call["status"] = answer.status
        return self._response(request, answer, correlation_id)

    def _answer(
        self,
        request: web.BaseRequest,
        body: bytes,
        api_version: str,
        correlation_id: str,
        *,
        accepted: bool,
    ) -> Answer:
        try:
            caller = authenticate(request.headers, self._tokens)
            _check_version(api_version)
            return self._provider.serve(
                Request(
                    method=request.method,
                    target=parse(request.path),
                    api_version=api_version,
                    caller=caller,
                    body=body,
                    base_url=f"{self._scheme}://{request.host}",
                    path_qs=request.path_qs,
                    monitor=request.query.get("monitor") == "true",
                    correlation_id=correlation_id,
                    client_request_id=request.headers.get("x-ms-client-request-id")
                    or correlation_id,
                    accepted=accepted,
                )
            )
        except ArmError as e:
            return Answer(e.status, e.body(), e.headers)
        except PathError as e:
            return Answer(e.status, ArmError(e.status, e.code, str(e)).body())

    def _response(
        self, request: web.BaseRequest, answer: Answer, correlation_id: str
    ) -> web.Response:
        match = _SUBSCRIPTION.match(request.path)
        left, count = self._limits.count(match[1] if match else "", request.method)
        headers = {
            "Cache-Control": "no-cache",
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-correlation-request-id": correlation_id,
            left: count,
            **answer.headers,
        }
        if answer.body:
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    def _count(self, transport: asyncio.BaseTransport | None, name: str) -> None:
        if transport is None:
            return
        seen = self._seen.setdefault(transport, set())
        if name not in seen:
            seen.add(name)
            callers = self.connections.callers
            callers[name] = callers.get(name, 0) + 1


class _CountingServer(web.Server):
    """aiohttp's server, counting the connections it accepts."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Any],
        connections: Connections,
    ) -> None:
        super().__init__(handler, access_log=None)
        self._accepted = connections

    def __call__(self) -> RequestHandler:
        self._accepted.accepted += 1
        return super().__call__()


def _faulty(fault: Fault | None) -> Answer | None:
    """The answer a fault orders, if it orders one."""
    if fault is None or fault.status is None:
        return None
    return Answer(fault.status, fault.body, dict(fault.headers))


def _check_version(api_version: str) -> None:
    if not api_version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.fullmatch(api_version):
        raise ArmError(
            400, "InvalidApiVersionParameter", f"The api-version '{api_version}' is invalid."
        )


def _correlation_id(headers: Mapping[str, str]) -> str:
    """The client's own if it sent a GUID, else a new one."""
    given = headers.get("x-ms-correlation-request-id")
    try:
        return str(uuid.UUID(given)) if given else str(uuid.uuid4())
    except ValueError:
        return str(uuid.uuid4())
