"""The endpoint that Event Grid posts to: /runtime/webhooks/eventgrid?functionName=NAME&code=KEY.

Follows the Event Grid extension 3.x: the handshakes of both schemas, one invocation per event with
all of a request's events in parallel, 202 when all succeeded and 500 when any failed, so that
Event Grid delivers the whole request again. The answer waits for the functions.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.host.invocations import Invocations
from sandbox.host.keys import Keys
from sandbox.host.protos import TypedData
from sandbox.host.values import compact
from sandbox.host.worker import Function


class EventGridWebhook:
    """Answers Event Grid for every function with an eventGridTrigger."""

    def __init__(
        self, functions: Mapping[str, Function], invocations: Invocations, keys: Keys
    ) -> None:
        self._functions = functions
        self._invocations = invocations
        self._keys = keys

    async def handle(self, request: web.Request) -> web.Response:
        """One request of Event Grid."""
        if not self._keys.open(request):
            return web.Response(status=401)
        if request.match_info["extension"].lower() != "eventgrid":
            return web.Response(status=404)
        name = request.query.get("functionName", "")
        function = self._functions.get(name)
        if function is None or function.kind != "eventgridtrigger":
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return web.Response(headers={"Webhook-Allowed-Origin": "eventgrid.azure.net"})
        match request.headers.get("aeg-event-type", "").lower():
            case "notification":
                return await self._notify(function, request)
            case "subscriptionvalidation":
                return _validate(await request.read())
            case "unsubscribe":
                return web.Response(status=202)
            case _:
                return web.Response(status=400)

    async def _notify(self, function: Function, request: web.Request) -> web.Response:
        try:
            events = json.loads(await request.read())
        except ValueError:
            return web.Response(status=500)  # the real one lets the parser's exception through
        if not isinstance(events, list):
            events = [events]
        if str(function.trigger.get("cardinality", "one")).lower() == "many":
            events = [events]
        trace = request.headers.get("traceparent", "")
        results = await asyncio.gather(
            *(self.invoke(function, event, trace) for event in events), return_exceptions=True
        )
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        return web.Response(status=202) if failed is None else _failure(failed)

    async def invoke(self, function: Function, event: Any, trace_parent: str = "") -> None:
        """Run the function for one event."""
        metadata: dict[str, TypedData] = {}
        if isinstance(event, dict) and event.get("data") is not None:
            metadata["data"] = TypedData(json=compact(event["data"]))
        await self._invocations.run(
            function, TypedData(json=compact(event)), metadata, trace_parent=trace_parent
        )


def _failure(failed: BaseException) -> web.Response:
    return web.Response(status=500, text=str(failed))


def _validate(body: bytes) -> web.Response:
    """Echo the code; in the CloudEvents form `data` is JSON within JSON."""
    try:
        event = json.loads(body)
        data = event[0]["data"] if isinstance(event, list) else event["data"]
        data = json.loads(data) if isinstance(data, str) else data
        return web.json_response({"validationResponse": data["validationCode"]})
    except (ValueError, KeyError, IndexError, TypeError) as exc:
        return _failure(exc)
