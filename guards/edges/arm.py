"""Azure Resource Manager through the SDK clients' `send_request`, with plain JSON.

The clients of azure-mgmt-compute and azure-mgmt-containerregistry bring endpoint, authentication
and user agent; models and operations, two thirds of a call's cost, are not needed for one GET and
one PATCH. URLs are built from parsed parts, and a policy in front of the authentication refuses
every other host, so that no token leaves for anywhere but ARM, poll URLs included.
"""

import asyncio
import json
import logging
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import (
    RequestIdPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from guards.edges.arm_errors import failed, refused, retry_after
from guards.edges.http import proxy_for
from guards.edges.identity import Identity
from guards.engine.errors import Gone, StillRunning, Terminal, Transient
from guards.engine.ids import ResourceId
from guards.engine.model import Body
from guards.engine.rules import in_progress

log = logging.getLogger(__name__)

MAX_CLIENTS = 64
"""Clients kept, one per provider and subscription; the least recently used goes first."""

OTHER_HOST = "OtherHost"
"""The code of a request that was refused here, before it was sent."""

TRIES = 4
POLL_INTERVAL_S = 1.0
_BACKOFF_S = (0.5, 1.0, 2.0)


class Client(Protocol):
    """The part of a management client used here."""

    def send_request(self, request: HttpRequest, **kwargs: Any) -> Awaitable[AsyncHttpResponse]:
        """Send one request through the client's policies."""
        ...


type ClientFactory = Callable[..., Client]


class OnlyArm(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Refuses any request to another origin than ARM's, before a token is added to it."""

    def __init__(self, endpoint: str) -> None:
        self._origin = origin(endpoint)

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """As `SansIOHTTPPolicy`."""
        if origin(request.http_request.url) != self._origin:
            raise Terminal("only Azure Resource Manager is ever asked", code=OTHER_HOST)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL; user names and passwords in it count as another host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None, None
    host = None if "@" in parts.netloc else parts.hostname
    return parts.scheme, host, port or {"https": 443, "http": 80}.get(parts.scheme)


class AzureResourceManager:
    """The `Arm` port over one transport and one credential for all subscriptions."""

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

    async def get(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """As `ports.Arm.get`."""
        url = f"{self._endpoint}{resource.path}?api-version={api_version}"
        body = _document(await self._send(resource, "GET", url, None, deadline))
        if not isinstance(body.get("properties"), dict):  # all would count as absent, so as open
            raise Transient("Azure's answer has no resource in it")
        return body

    async def children(
        self, resource: ResourceId, type_: str, api_version: str, deadline: float
    ) -> Sequence[Body]:
        """As `ports.Arm.children`."""
        url = f"{self._endpoint}{resource.path}/{type_}?api-version={api_version}"
        found = _document(await self._send(resource, "GET", url, None, deadline)).get("value")
        return (
            [child for child in found if isinstance(child, dict)] if isinstance(found, list) else []
        )

    async def patch(
        self, resource: ResourceId, api_version: str, body: Body, deadline: float
    ) -> Body:
        """As `ports.Arm.patch`; answers 200, 201 and 202 are all understood."""
        url = f"{self._endpoint}{resource.path}?api-version={api_version}"
        response = await self._send(resource, "PATCH", url, body, deadline)
        operation = response.headers.get("Azure-AsyncOperation")
        location = response.headers.get("Location")
        if response.status_code == 200 and not operation:
            return _document(response) or await self.get(resource, api_version, deadline)
        try:
            final = await self._polled(resource, operation, location, response, deadline)
            return final or await self._settled(resource, api_version, deadline)
        except (Transient, TimeoutError) as e:
            raise StillRunning(
                f"Azure accepted the change and has not finished it: {e}",
                retry_after=getattr(e, "retry_after", None),
            ) from e

    async def _polled(
        self,
        resource: ResourceId,
        operation: str | None,
        location: str | None,
        response: AsyncHttpResponse,
        deadline: float,
    ) -> Body:
        """Follow the operation as Azure asks; its final body, or {} where the resource must tell.

        Whether polling needs a permission of its own is undocumented: a poll that is refused, or
        an operation that nobody knows any more, says nothing about the change.
        """
        try:
            if operation:
                await self._finished(resource, self._own(operation), response, deadline)
            elif location:
                return await self._arrived(resource, self._own(location), response, deadline)
        except (Terminal, Gone) as e:
            if e.status not in (403, 404) and e.code != OTHER_HOST:
                raise
            log.info("operation of %s cannot be polled: %s", resource, e)
        return {}

    def _own(self, url: str) -> str:
        """A poll URL as the SDK's client takes it: to that, braces are a template."""
        try:
            absolute = urljoin(self._endpoint + "/", url)
        except ValueError:
            absolute = ""
        if origin(absolute) != origin(self._endpoint):
            raise Terminal("only Azure Resource Manager is ever asked", code=OTHER_HOST)
        return absolute.replace("{", "%7B").replace("}", "%7D")

    async def _finished(
        self, resource: ResourceId, url: str, response: AsyncHttpResponse, deadline: float
    ) -> None:
        """Wait for an Azure-AsyncOperation to succeed."""
        while True:
            await _wait(response, deadline)
            response = await self._send(resource, "GET", url, None, deadline)
            document = _document(response)
            status = str(document.get("status") or "").lower()
            if status == "succeeded":
                return
            if status in {"failed", "canceled"}:
                raise refused(400, {}, document)

    async def _arrived(
        self, resource: ResourceId, url: str, response: AsyncHttpResponse, deadline: float
    ) -> Body:
        """Follow a Location until it no longer answers 202; its body, if it has one."""
        while True:
            await _wait(response, deadline)
            response = await self._send(resource, "GET", url, None, deadline)
            if response.status_code != 202:
                document = _document(response)
                return document if "properties" in document else {}

    async def _settled(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """The resource, once its provisioning state is final."""
        while True:
            body = await self.get(resource, api_version, deadline)
            if not in_progress(body):
                return body
            await _wait(None, deadline)

    async def _send(
        self,
        resource: ResourceId,
        method: str,
        url: str,
        body: Body | None,
        deadline: float,
    ) -> AsyncHttpResponse:
        """One request with the app's one retry layer: it sleeps only if that fits the budget.

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
    ) -> AsyncHttpResponse:
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
    ) -> AsyncHttpResponse:
        client = self._client(resource.namespace, resource.subscription)
        request = HttpRequest(method, url, json=body)
        async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):
            return await client.send_request(request, proxy=self._proxy)

    def _client(self, namespace: str, subscription: str) -> Client:
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


def _document(response: AsyncHttpResponse) -> dict[str, Any]:
    """The JSON object of an answer; {} for an empty body."""
    content = response.content
    if not content:
        return {}
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as e:
        raise Transient("Azure's answer is not JSON", status=response.status_code) from e
    if not isinstance(document, dict):
        raise Transient("Azure's answer is not a JSON object", status=response.status_code)
    return document


async def _wait(response: AsyncHttpResponse | None, deadline: float) -> None:
    """The pause before the next poll: what Azure asks for, else one second."""
    asked = retry_after(response.headers) if response is not None else None
    delay = asked or POLL_INTERVAL_S
    if time.monotonic() + delay >= deadline:
        raise Transient("the operation is still running", retry_after=delay)
    await asyncio.sleep(delay)
