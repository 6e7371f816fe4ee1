"""`/_sandbox/...`: what tests and people use to see and to steer this Azure. No authentication."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from aiohttp import web

from sandbox.arm.faults import Faults
from sandbox.arm.settings import Settings

PREFIX = "/_sandbox/"


class Call(TypedDict):
    """One ARM call; polls are calls too."""

    method: str
    path: str
    apiVersion: str
    status: int
    """0 for a call without an answer: the connection was reset, or it is not answered yet."""
    caller: str
    at: str
    """ISO 8601, UTC."""


class Connections:
    """Connections accepted, to see whether clients reuse theirs."""

    def __init__(self) -> None:
        self.accepted = 0
        self.callers: dict[str, int] = {}
        """By caller: on how many connections it made a first call."""

    def reset(self) -> None:
        """Count from 0; connections that are open are not counted again."""
        self.accepted = 0
        self.callers.clear()


class Control:
    """The control endpoints of one ARM."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults,
        calls: list[Call],
        connections: Connections,
        extra: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._calls = calls
        self._connections = connections
        self._extra = extra

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Serve one control request; what it does not understand is 400, 404 or 405."""
        path, method = request.path, request.method
        handlers: dict[str, dict[str, Callable[[], Any]]] = {
            "/_sandbox/calls": {
                "GET": lambda: self._list_calls(request.query),
                "DELETE": self._calls.clear,
            },
            "/_sandbox/faults": {
                "GET": self._faults.as_list,
                "POST": lambda: self._order(body),
                "DELETE": self._faults.clear,
            },
            "/_sandbox/settings": {
                "GET": self._settings.as_dict,
                "POST": lambda: self._set(body),
            },
            "/_sandbox/connections": {
                "GET": lambda: {
                    "tls": self._connections.accepted,
                    "callers": self._connections.callers,
                },
                "DELETE": self._connections.reset,
            },
            **{path: {"GET": read} for path, read in self._extra.items()},
        }
        if path not in handlers:
            return _refuse(404, f"there is no {path}; there are {', '.join(sorted(handlers))}")
        if method not in handlers[path]:
            return _refuse(405, f"{path} takes {', '.join(handlers[path])}, not {method}")
        try:
            body = json.loads(await request.read()) if method == "POST" else None
            result = handlers[path][method]()
        except ValueError as e:
            return _refuse(400, str(e))
        return web.Response(status=204) if result is None else web.json_response(result)

    def _list_calls(self, query: Mapping[str, str]) -> list[Call]:
        if unknown := query.keys() - {"caller"}:
            raise ValueError(f"calls are filtered by caller only, not by {unknown.pop()}")
        caller = query.get("caller")
        return [call for call in self._calls if caller in (None, call["caller"])]

    def _order(self, body: object) -> list[dict[str, Any]]:
        self._faults.add(body)
        return self._faults.as_list()

    def _set(self, body: object) -> dict[str, Any]:
        self._settings.merge(body)
        return self._settings.as_dict()


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"code": str(status), "message": message}}, status=status)
