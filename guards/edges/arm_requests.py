"""One request to Azure Resource Manager: its client, its token, the app's one retry layer.

The clients of azure-mgmt-compute and azure-mgmt-containerregistry bring endpoint, authentication
and user agent; models and operations, two thirds of a call's cost, are not needed for plain JSON.
"""

import asyncio
import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import RequestIdPolicy, SansIOHTTPPolicy, UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from guards.edges.arm_errors import failed, refused
from guards.edges.arm_origin import origin, other_host
from guards.edges.http import proxy_for
from guards.edges.identity import Identity
from guards.engine.errors import Transient
from guards.engine.ids import ResourceId
from guards.engine.model import Body

MAX_CLIENTS = 64
"""Clients kept, one per provider and subscription; the least recently used goes first."""

TRIES = 4
_BACKOFF_S = (0.5, 1.0, 2.0)


class Client(Protocol):
    """The part of a management client used here."""

    def send_request(self, request: HttpRequest, **kwargs: Any) -> Awaitable[AsyncHttpResponse]:
        """Send one request through the client's policies."""
        ...


type ClientFactory = Callable[..., Client]
type Response = AsyncHttpResponse


class OnlyArm(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Refuses any request to another origin than ARM's, before a token is added to it."""

    def __init__(self, endpoint: str) -> None:
        self._origin = origin(endpoint)

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """As `SansIOHTTPPolicy`."""
        if origin(request.http_request.url) != self._origin:
            raise other_host()


class Requests:
    """Sends requests over one transport and one credential for all subscriptions."""

    def __init__(
        self,
        *,
        endpoint: str,
        scope: str,
        identity: Identity,
        transport: AioHttpTransport,
        clients: Mapping[str, ClientFactory],
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._scope = scope
        self._identity = identity
        self._transport = transport
        self._factories = {namespace.lower(): factory for namespace, factory in clients.items()}
        self._proxy = proxy_for(endpoint)
        self._cached: OrderedDict[tuple[str, str], Client] = OrderedDict()

    def url(self, resource: ResourceId, api_version: str, below: str = "") -> str:
        """Where a resource is; `below` is a type or an action, a word of ours."""
        tail = f"/{below}" if below else ""
        return f"{self._endpoint}{resource.path}{tail}?api-version={api_version}"

    async def send(
        self,
        resource: ResourceId,
        method: str,
        url: str,
        deadline: float,
        body: Body | None = None,
    ) -> Response:
        """One request, tried again as Azure asks; it sleeps only if that fits the budget.

        Raises:
            Transient: with `retry_after` if Azure's delay is beyond the budget.
            Terminal, Gone: as `arm_errors.refused` says.
        """
        for attempt in range(TRIES):
            try:
                response = await self._authorized(resource, method, url, body, deadline)
            except (AzureError, TimeoutError, zlib.error) as e:
                error = failed(e)
            else:
                if 200 <= response.status_code < 300:
                    return response
                error = refused(response.status_code, response.headers, response.content)
            if not isinstance(error, Transient) or attempt == TRIES - 1:
                raise error
            delay = _BACKOFF_S[attempt] if error.retry_after is None else error.retry_after
            if time.monotonic() + delay >= deadline:
                error.retry_after = delay
                raise error
            await asyncio.sleep(delay)
        raise AssertionError("the last try returns or raises")

    async def _authorized(
        self, resource: ResourceId, method: str, url: str, body: Body | None, deadline: float
    ) -> Response:
        """One request; after a 401 once more with a new token."""
        generation = self._identity.generation
        response = await self._once(resource, method, url, body, deadline)
        if response.status_code != 401:
            return response
        await self._identity.renew(generation)
        self._cached.clear()  # the policies of old clients hold the old token
        return await self._once(resource, method, url, body, deadline)

    async def _once(
        self, resource: ResourceId, method: str, url: str, body: Body | None, deadline: float
    ) -> Response:
        client = self.client(resource.namespace, resource.subscription)
        request = HttpRequest(method, url, json=body)
        async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):
            return await client.send_request(request, proxy=self._proxy)

    def client(self, namespace: str, subscription: str) -> Client:
        """The client for a provider and a subscription, made when it is first asked for."""
        key = (namespace.lower(), subscription.lower())
        client = self._cached.get(key)
        if client is None:
            client = self._cached[key] = self._factories[key[0]](
                self._identity,
                subscription,
                base_url=self._endpoint,
                transport=self._transport,
                policies=self._policies(),
            )
            if len(self._cached) > MAX_CLIENTS:
                self._cached.popitem(last=False)
        self._cached.move_to_end(key)
        return client

    def _policies(self) -> list[Any]:
        """A lean pipeline: no redirects, no logging of requests, no second retry layer."""
        return [
            RequestIdPolicy(),
            UserAgentPolicy(base_user_agent="export-guard"),
            OnlyArm(self._endpoint),
            AsyncARMChallengeAuthenticationPolicy(self._identity, self._scope),
        ]


def document(response: Response) -> dict[str, Any]:
    """The JSON object of an answer; {} for an empty body.

    Raises:
        Transient: it is something else; what it is, is not told, since it may hold a secret.
    """
    content = response.content
    if not content:
        return {}
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None  # the decoder's own error holds the text, so it goes no further
    if not isinstance(found, dict):
        raise Transient("Azure's answer is not a JSON object", status=response.status_code)
    return found
