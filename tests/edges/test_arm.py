"""The ARM edge on the sandbox's Azure: TLS, azure-identity's managed identity, real answers."""

import asyncio

import pytest

from guards.edges import arm_requests
from guards.engine.errors import Gone, Terminal, Transient
from guards.engine.ids import ResourceId
from sandbox.certificates import Certificates
from tests.edges.conftest import (
    CLOSE,
    DISK,
    GROUP,
    REGISTRY,
    REGISTRY_VERSION,
    VERSION,
    Connect,
    World,
    soon,
)
from tests.edges.loopback import Loopback, answer

REGISTRY_CLOSED = {
    "properties": {
        "publicNetworkAccess": "Disabled",
        "policies": {"exportPolicy": {"status": "disabled"}},
    }
}


async def test_a_resource_is_read_as_it_stands(world: World) -> None:
    """With one GET, by the guard's own token."""
    body = await world.edge.get(DISK, VERSION, soon())
    assert body["properties"]["networkAccessPolicy"] == "AllowAll"
    assert world.guard_calls == ["GET 200"]


async def test_a_patch_answers_with_the_closed_resource(world: World) -> None:
    """200 and the body: one call."""
    body = await world.close_disk()
    assert body["properties"]["networkAccessPolicy"] == "DenyAll"
    assert body == await world.edge.get(DISK, VERSION, soon())
    assert world.guard_calls == ["PATCH 200", "GET 200"]


async def test_a_patch_with_a_location_is_followed(world: World) -> None:
    """202, as a disk answers; what comes back is the finished resource."""
    await world.settings(patch="async", operation_s=0.5)
    body = await world.close_disk()
    assert (
        body["properties"]["networkAccessPolicy"],
        body["properties"]["provisioningState"],
    ) == ("DenyAll", "Succeeded")
    assert world.guard_calls[0] == "PATCH 202"


async def test_a_patch_with_an_operation_is_followed(world: World) -> None:
    """201 with Azure-AsyncOperation, as a registry answers; then the resource is read."""
    await world.registry()
    await world.settings(patch="async", operation_s=0.5)
    body = await world.edge.patch(REGISTRY, REGISTRY_VERSION, REGISTRY_CLOSED, soon())
    assert (
        body["properties"]["publicNetworkAccess"],
        body["properties"]["provisioningState"],
    ) == ("Disabled", "Succeeded")
    assert world.guard_calls == ["PATCH 201", "GET 200", "GET 200"]


async def test_children_are_listed(world: World) -> None:
    """What a refused PATCH is explained with."""
    await world.registry()
    preview = "2025-03-01-preview"
    assert list(await world.edge.children(REGISTRY, "exportPipelines", preview, soon())) == []
    path = f"{REGISTRY}/exportPipelines/outbound"
    properties = {"target": {"type": "AzureStorageBlobContainer", "uri": "https://s.example/c"}}
    pipeline = {"location": "westeurope", "properties": properties}
    url = f"{world.url}{path}?api-version={preview}"
    async with world.client.put(url, json=pipeline, headers={"x-sandbox-caller": "eve"}) as said:
        assert said.status < 300, await said.text()
    found = await world.edge.children(REGISTRY, "exportPipelines", preview, soon())
    assert [child["name"] for child in found] == ["outbound"]


async def test_what_is_not_there_is_gone(world: World) -> None:
    """404 of the resource itself."""
    missing = ResourceId.parse(f"{GROUP}/providers/Microsoft.Compute/disks/never")
    with pytest.raises(Gone) as caught:
        await world.edge.get(missing, VERSION, soon())
    assert (caught.value.code, caught.value.status) == ("ResourceNotFound", 404)


async def test_a_type_that_the_api_version_lacks_is_an_error(world: World) -> None:
    """404 of a type must not pass for a deleted resource."""
    await world.registry()
    with pytest.raises(Terminal) as caught:
        await world.edge.children(REGISTRY, "exportPipelines", REGISTRY_VERSION, soon())
    assert caught.value.status == 404
    assert caught.value.code


async def test_a_subscription_without_a_role_is_terminal(world: World) -> None:
    """403 with Azure's words, once."""
    forbidden = str(DISK).replace("11111111-2222", "00000000-dead")
    with pytest.raises(Terminal, match="does not have authorization") as caught:
        await world.edge.get(ResourceId.parse(forbidden), VERSION, soon())
    assert caught.value.code == "AuthorizationFailed"
    assert world.guard_calls == ["GET 403"]


async def test_names_of_any_script_arrive_as_they_are(world: World) -> None:
    """A group may be called Größe-数据: percent-encoded on the way, found all the same."""
    group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Größe-数据(1)"
    disk = ResourceId.parse(f"{group}/providers/Microsoft.Compute/disks/ledger")
    await world.disk(disk)
    body = await world.edge.get(disk, VERSION, soon())
    assert str(disk) == body["id"]


async def test_many_calls_share_one_connection_and_one_token(world: World) -> None:
    """Neither a TLS handshake nor a token request is paid for twice."""
    await world.registry()
    world.arm.connections.reset()
    for _ in range(5):
        await world.edge.get(DISK, VERSION, soon())
        await world.edge.patch(DISK, VERSION, CLOSE, soon())
        await world.edge.get(REGISTRY, REGISTRY_VERSION, soon())
    assert world.arm.connections.callers == {"guard": 1}
    assert world.tokens.endpoint.requests == 1


async def test_subscriptions_share_connection_and_token(world: World) -> None:
    """A client per subscription, but one pool and one identity for all."""
    for number in range(5):
        elsewhere = ResourceId.parse(str(DISK).replace("11111111", f"{number:08}"))
        with pytest.raises(Gone):
            await world.edge.get(elsewhere, VERSION, soon())
    assert {k: v for k, v in world.arm.connections.callers.items() if k == "guard"} == {"guard": 1}
    assert world.tokens.endpoint.requests == 1


async def test_clients_are_kept_up_to_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of subscriptions do not fill the memory; the ones in use stay."""
    monkeypatch.setattr(arm_requests, "MAX_CLIENTS", 3)
    requests = world.edge._requests
    first = requests.client("Microsoft.Compute", DISK.subscription)
    for number in range(10):
        requests.client("microsoft.compute", f"{number:08}{DISK.subscription[8:]}")
        assert first is requests.client("Microsoft.Compute", DISK.subscription.upper())
    assert len(requests._cached) == arm_requests.MAX_CLIENTS == 3


async def test_a_refused_token_is_replaced_once(world: World) -> None:
    """401: azure-identity's cached token goes, a new one comes, and the call succeeds."""
    await world.edge.get(DISK, VERSION, soon())
    await world.tell("faults", {"match": {"caller": "guard"}, "status": 401})
    body = await world.edge.get(DISK, VERSION, soon())
    assert body["name"] == "ledger"
    assert world.guard_calls == ["GET 200", "GET 401", "GET 200"]
    assert world.tokens.endpoint.requests == 2


async def test_a_token_refused_twice_is_terminal(world: World) -> None:
    """A wrong audience or tenant does not get better by trying."""
    error = {"error": {"code": "InvalidAuthenticationToken", "message": "It is invalid."}}
    order = {"match": {"caller": "guard"}, "status": 401, "times": 9, "body": error}
    await world.tell("faults", order)
    with pytest.raises(Terminal) as caught:
        await world.edge.get(DISK, VERSION, soon())
    assert (caught.value.code, caught.value.status) == ("InvalidAuthenticationToken", 401)
    assert world.guard_calls == ["GET 401", "GET 401"]


async def test_tokens_revoked_for_many_calls_at_once_are_replaced(world: World) -> None:
    """Every one of them succeeds; none stumbles over a credential that another has closed."""
    await asyncio.gather(*(world.edge.get(DISK, VERSION, soon()) for _ in range(8)))
    world.tokens.revoke()
    results = await asyncio.gather(
        *(world.edge.get(DISK, VERSION, soon()) for _ in range(8)), return_exceptions=True
    )
    assert [result for result in results if isinstance(result, BaseException)] == []


async def test_a_request_carries_parts_and_nothing_else(
    connect: Connect, certificates: Certificates
) -> None:
    """Path and api-version from the parsed ID, a bearer token, and who is asking."""
    group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Größe"
    disk = ResourceId.parse(f"{group}/providers/Microsoft.Compute/disks/a_b")
    async with Loopback(certificates.server_context(), answer(200, {"properties": {}})) as server:
        await (await connect(server.url)).get(disk, VERSION, soon())
    (request,) = server.requests
    path = f"{group.replace('Größe', 'Gr%C3%B6%C3%9Fe')}/providers/Microsoft.Compute/disks/a_b"
    assert f"GET {path}?api-version={VERSION} HTTP/1.1" == request.split("\r\n")[0]
    headers = request.lower()
    assert "\r\nauthorization: bearer ey" in headers
    assert "\r\nuser-agent: export-guard" in headers
    assert "\r\nx-ms-client-request-id: " in headers


async def test_no_token_means_later(world: World) -> None:
    """An identity endpoint that is down is trouble of the moment, and ARM is not asked."""
    await world.tokens.endpoint.stop()
    with pytest.raises(Transient) as caught:
        await world.edge.get(DISK, VERSION, soon(0.5))
    assert caught.value.code in ("NoToken", "Timeout", "ServiceRequestError")
    assert world.guard_calls == []
