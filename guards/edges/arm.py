"""Azure Resource Manager through the SDK clients' `send_request`, with plain JSON.

URLs are built from parsed parts, and no token leaves for anywhere but ARM. What an action answers
is never kept: it may hold a SAS link.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from azure.core.pipeline.transport import AioHttpTransport

from guards.edges.arm_lists import listed
from guards.edges.arm_polling import accepted, at_once, followed, wait
from guards.edges.arm_requests import ClientFactory, Requests, Response, document
from guards.edges.identity import Identity
from guards.engine.errors import Gone, Transient
from guards.engine.ids import ResourceId
from guards.engine.model import Body
from guards.engine.rules import in_progress


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
        self._requests = Requests(
            endpoint=endpoint,
            scope=scope,
            identity=identity,
            transport=transport,
            clients=clients,
        )

    async def get(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """As `ports.Arm.get`."""
        url = self._requests.url(resource, api_version)
        body = document(await self._requests.send(resource, "GET", url, deadline))
        if not isinstance(body.get("properties"), dict):  # all would count as absent, so as open
            raise Transient("Azure's answer has no resource in it")
        return body

    async def children(
        self, resource: ResourceId, type_: str, api_version: str, deadline: float
    ) -> Sequence[Body]:
        """As `ports.Arm.children`."""
        url = self._requests.url(resource, api_version, type_)
        return await listed(self._requests, resource, url, deadline)

    async def patch(
        self, resource: ResourceId, api_version: str, body: Body, deadline: float
    ) -> Body:
        """As `ports.Arm.patch`; answers 200, 201 and 202 are all understood."""
        url = self._requests.url(resource, api_version)
        response = await self._requests.send(resource, "PATCH", url, deadline, body)
        if at_once(response):
            return document(response) or await self.get(resource, api_version, deadline)
        with accepted():
            result = await followed(self._requests, resource, url, response, deadline)
            return _resource_in(result) or await self._settled(resource, api_version, deadline)

    async def post(
        self, resource: ResourceId, action: str, api_version: str, deadline: float
    ) -> None:
        """As `ports.Arm.post`; what cannot be polled counts as done, and the resource tells."""
        url = self._requests.url(resource, api_version, action)
        await self._carry_out(resource, "POST", url, deadline)

    async def delete(self, resource: ResourceId, api_version: str, deadline: float) -> None:
        """As `ports.Arm.delete`; what cannot be polled counts as done, and the resource tells."""
        url = self._requests.url(resource, api_version)
        with suppress(Gone):
            await self._carry_out(resource, "DELETE", url, deadline)

    async def _carry_out(
        self, resource: ResourceId, method: str, url: str, deadline: float
    ) -> None:
        """A request whose answer nobody needs, followed until Azure is done."""
        response = await self._requests.send(resource, method, url, deadline)
        if not at_once(response):
            with accepted():
                await followed(self._requests, resource, url, response, deadline)

    async def _settled(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """The resource, once its provisioning state is final."""
        while True:
            body = await self.get(resource, api_version, deadline)
            if not in_progress(body):
                return body
            await wait(None, deadline)


def _resource_in(response: Response | None) -> Body:
    """The resource that an operation ended with; {} if it tells of none."""
    body = document(response) if response is not None else {}
    return body if "properties" in body else {}
