"""An ARM edge as the app wires it, against the sandbox's Azure or a scripted server on loopback."""

import functools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient

from guards.edges import http
from guards.edges.arm import AzureResourceManager
from guards.edges.identity import Identity
from guards.engine.ids import ResourceId
from guards.engine.model import Body
from sandbox import identity as outside
from sandbox.arm import Arm
from sandbox.certificates import Certificates

SCOPE = "https://management.azure.com/.default"
VERSION = "2026-03-02"
REGISTRY_VERSION = "2025-11-01"
GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-data"
DISK = ResourceId.parse(f"{GROUP}/providers/Microsoft.Compute/disks/ledger")
REGISTRY = ResourceId.parse(f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/ledger01")
CLOSE = {"properties": {"networkAccessPolicy": "DenyAll"}}


def soon(seconds: float = 5) -> float:
    """A deadline, as the engine gives it."""
    return time.monotonic() + seconds


@dataclass
class Tokens:
    """The identity endpoint of this test, and an edge on it."""

    endpoint: outside.Identity
    identity: Identity
    issuer: outside.Tokens

    def revoke(self) -> None:
        """No token of before is good any more, as after a change of keys."""
        self.issuer._key = secrets.token_bytes(32)
        self.issuer._good.clear()


@dataclass
class World:
    """A sandbox Azure and the edge that talks to it."""

    arm: Arm
    tokens: Tokens
    edge: AzureResourceManager
    url: str
    client: aiohttp.ClientSession

    async def tell(self, name: str, body: Any) -> None:
        """Order a fault, or change settings."""
        async with self.client.post(f"{self.url}/_sandbox/{name}", json=body) as said:
            assert said.status == 200, await said.text()

    async def settings(self, **values: Any) -> None:
        """Change the behaviour of this Azure."""
        await self.tell("settings", values)

    async def put(self, resource: ResourceId, body: Any, version: str = VERSION) -> None:
        """Create a resource as somebody else."""
        url = f"{self.url}{resource.path}?api-version={version}"
        caller = {"x-sandbox-caller": "alice"}
        async with self.client.put(url, json=body, headers=caller) as said:
            assert said.status < 300, await said.text()

    async def disk(self, resource: ResourceId = DISK) -> None:
        """An open disk."""
        created = {"creationData": {"createOption": "Empty"}, "networkAccessPolicy": "AllowAll"}
        await self.put(resource, {"location": "westeurope", "properties": created})

    async def registry(self) -> None:
        """An open registry."""
        body = {"location": "westeurope", "sku": {"name": "Premium"}, "properties": {}}
        await self.put(REGISTRY, body, REGISTRY_VERSION)

    @property
    def guard_calls(self) -> list[str]:
        """The guard's calls, as `GET 200`."""
        return [f"{c['method']} {c['status']}" for c in self.arm.calls if c["caller"] == "guard"]

    async def close_disk(self, seconds: float = 5) -> Body:
        """What the guard does to an open disk."""
        return await self.edge.patch(DISK, VERSION, CLOSE, soon(seconds))


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """One throw-away authority for all servers on loopback."""
    made = Certificates()
    yield made
    made.close()


@pytest.fixture
async def tokens(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tokens]:
    """azure-identity's real managed identity on the sandbox's endpoint."""
    issuer = outside.Tokens()
    endpoint = outside.Identity(issuer)
    monkeypatch.setenv("IDENTITY_ENDPOINT", await endpoint.start())
    monkeypatch.setenv("IDENTITY_HEADER", endpoint.header)
    async with Identity(SCOPE) as identity:
        yield Tokens(endpoint, identity, issuer)
    await endpoint.stop()


type Connect = Callable[[str], Awaitable[AzureResourceManager]]


@pytest.fixture
async def connect(
    tokens: Tokens, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connect]:
    """Builds an edge on any endpoint, with the app's own session, trusting the throw-away CA."""
    trusting = functools.partial(aiohttp.TCPConnector, ssl=certificates.client_context())
    async with AsyncExitStack() as stack:

        async def build(url: str) -> AzureResourceManager:
            with monkeypatch.context() as patched:
                patched.setattr(aiohttp, "TCPConnector", trusting)
                session = await stack.enter_async_context(http.open_session())
            return AzureResourceManager(
                endpoint=url,
                scope=SCOPE,
                identity=tokens.identity,
                transport=http.transport(session),
                clients={
                    "Microsoft.Compute": ComputeManagementClient,
                    "Microsoft.ContainerRegistry": ContainerRegistryManagementClient,
                },
            )

        yield build


@asynccontextmanager
async def azure(
    tokens: Tokens, certificates: Certificates, connect: Connect
) -> AsyncIterator[World]:
    """A sandbox Azure of one's own."""
    arm = Arm(tokens.issuer, lambda event: None)
    url = await arm.start(certificates.server_context())
    connector = aiohttp.TCPConnector(ssl=certificates.client_context())
    async with aiohttp.ClientSession(connector=connector) as client:
        yield World(arm, tokens, await connect(url), url, client)
    await arm.stop()


@pytest.fixture
async def world(
    tokens: Tokens, certificates: Certificates, connect: Connect
) -> AsyncIterator[World]:
    """The sandbox's Azure with an open disk in it."""
    async with azure(tokens, certificates, connect) as running:
        await running.disk()
        yield running


@pytest.fixture
async def session(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[aiohttp.ClientSession]:
    """The app's own session, trusting the throw-away CA."""
    trusting = functools.partial(aiohttp.TCPConnector, ssl=certificates.client_context())
    with monkeypatch.context() as patched:
        patched.setattr(aiohttp, "TCPConnector", trusting)
        opened = http.open_session()
    async with opened:
        yield opened
