"""HTTP triggers: routes under /api, or the prefix that host.json names."""

import re
from collections.abc import Iterator

from aiohttp import web

from sandbox.host.invocations import Invocations
from sandbox.host.keys import Keys
from sandbox.host.protos import RpcHttp, TypedData
from sandbox.host.values import untyped
from sandbox.host.worker import Function, FunctionFailed


class HttpRoute:
    """The HTTP trigger of one function."""

    def __init__(self, function: Function, invocations: Invocations, keys: Keys) -> None:
        self._function = function
        self._invocations = invocations
        self._keys = keys

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Register the route for each of the trigger's methods."""
        route = self._function.trigger.get("route") or self._function.name
        for path in _paths(prefix, route):
            for method in self._function.trigger.get("methods") or ["GET", "POST"]:
                router.add_route(str(method).upper(), path, self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """One request for the function."""
        level = str(self._function.trigger.get("authLevel", "function")).lower()
        if level != "anonymous" and not self._keys.open(request):
            return web.Response(status=401)
        body = await request.read()
        message = RpcHttp(
            method=request.method,
            url=str(request.url),
            params=dict(request.match_info),
            headers={name.lower(): value for name, value in request.headers.items()},
            query={name: value for name, value in request.query.items() if value},
            body=TypedData(bytes=body) if body else TypedData(),
        )
        try:
            returned = await self._invocations.run(self._function, TypedData(http=message))
        except FunctionFailed:
            return web.Response(status=500)
        return _response(returned)


def _response(returned: TypedData) -> web.Response:
    value = untyped(returned)
    if value is None:
        return web.Response(status=204)
    if returned.WhichOneof("data") != "http":
        return web.Response(body=value if isinstance(value, bytes) else str(value).encode())
    content = untyped(value.body)
    return web.Response(
        status=int(value.status_code),
        headers=dict(value.headers),
        body=content.encode() if isinstance(content, str) else content,
    )


def _paths(prefix: str, route: str) -> Iterator[str]:
    """The route in aiohttp's language; an optional last parameter makes two routes."""
    path = "/" + "/".join(part for part in (prefix, route.strip("/")) if part)
    if path.endswith("?}"):
        yield path.rpartition("/")[0] or "/"
        path = path.removesuffix("?}") + "}"
    path = re.sub(r"\{\*(\w+)\}", r"{\1:.*}", path)
    # Constraints such as {id:int} choose routes in ASP.NET; here they are dropped.
    yield re.sub(r"\{(\w+):(?!\.\*)\w+\}", r"{\1}", path)
