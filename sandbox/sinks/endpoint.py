"""A web server that messages end at: it answers with trouble on order, and records its requests."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

from aiohttp import web

from sandbox.server import Server
from sandbox.sinks.kept import KEPT

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Record(TypedDict):
    """One request."""

    at: str
    """When it came: ISO 8601, UTC, milliseconds."""
    method: str
    status: int
    """0 as long as it is not answered."""
    size: int
    """Bytes of the body."""
    headers: dict[str, str | bool]
    """`content-type`, and whether there was an `authorization`; no value that may be a secret."""


@dataclass
class _Order:
    """Trouble for the next `times` requests."""

    method: str
    status: int | None
    times: int
    headers: Mapping[str, str]
    delay_s: float
    body: Any = field(repr=False)


class Endpoint:
    """The web server of a sink.

    Args:
        routes: method, path and handler of everything it serves.
        largest: bytes of a request's body; what is larger is answered 413.
    """

    def __init__(self, routes: Sequence[tuple[str, str, Handler]], largest: int) -> None:
        self.requests: deque[Record] = deque(maxlen=KEPT)
        """The last requests, oldest first, refused ones included."""
        self._orders: list[_Order] = []
        app = web.Application(client_max_size=largest, middlewares=[self._front])
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
        self._server = Server(app)

    async def listen(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns scheme, host and port."""
        return await self._server.start(ssl_context, port)

    async def stop(self) -> None:
        """Close."""
        await self._server.stop()

    def answer(
        self,
        status: int | None,
        *,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        body: Any = None,
        method: str = "POST",
    ) -> None:
        """Order an answer for the next `times` requests, after those ordered before.

        Args:
            status: None is the usual answer, only later.
            times: how many requests get it.
            headers: of the answer, beside the usual ones.
            delay_s: seconds until the answer; the client may have gone by then.
            body: a text, or what is written as JSON.
            method: only requests of this method count.
        """
        self._orders.append(_Order(method, status, times, headers or {}, delay_s, body))

    @web.middleware
    async def _front(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        record = _record(request)
        self.requests.append(record)
        try:
            record["size"] = len(await request.read())
            answer = await self._ordered(request.method) or await handler(request)
        except web.HTTPException as exc:
            record["status"] = exc.status
            raise
        record["status"] = answer.status
        return answer

    async def _ordered(self, method: str) -> web.Response | None:
        order = next((order for order in self._orders if order.method == method), None)
        if order is None:
            return None
        order.times -= 1
        if order.times <= 0:
            self._orders.remove(order)
        await asyncio.sleep(order.delay_s)
        if order.status is None:
            return None
        if order.body is None or isinstance(order.body, str):
            return web.Response(status=order.status, text=order.body, headers=order.headers)
        return web.json_response(order.body, status=order.status, headers=order.headers)


def refused(status: int, code: str, message: str) -> web.Response:
    """An error in the form that Azure's services have in common."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _record(request: web.Request) -> Record:
    now = datetime.now(UTC)
    return {
        "at": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        "method": request.method,
        "status": 0,
        "size": 0,
        "headers": {
            "content-type": request.headers.get("Content-Type", ""),
            "authorization": "Authorization" in request.headers,
        },
    }
