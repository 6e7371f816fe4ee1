"""Anybody's https endpoint, which keeps what is posted to it and says 200."""

import ssl
from typing import TypedDict

from aiohttp import web

from sandbox.sinks.endpoint import Endpoint
from sandbox.sinks.kept import Kept

_PATH = "/hook"


class Call(TypedDict):
    """One post."""

    headers: dict[str, str]
    """By name in lower case, signatures included: the receiver needs them."""
    body: str


class Webhooks(Endpoint):
    """An endpoint that believes everybody; who checks signatures does so with what it kept."""

    def __init__(self) -> None:
        self._kept: Kept[Call] = Kept()
        super().__init__([("POST", _PATH, self._post)], largest=2**20)

    async def start(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns the address to post to."""
        return f"{await self.listen(ssl_context, port)}{_PATH}"

    def kept(self) -> list[Call]:
        """What was posted, oldest first."""
        return self._kept.all()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._kept.add({"headers": headers, "body": body.decode("utf-8", "replace")}, len(body))
        return web.Response(status=200)
