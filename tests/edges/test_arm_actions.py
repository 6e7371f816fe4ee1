"""Actions and deletions: carried out, followed until Azure is done, and no answer of them kept."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from guards.edges.arm import AzureResourceManager
from guards.engine.errors import Gone, GuardError, StillRunning, Terminal, Transient
from guards.engine.ids import ResourceId
from sandbox.certificates import Certificates
from tests.edges.conftest import DISK, REGISTRY, VERSION, Connect, World, soon
from tests.edges.loopback import Loopback, Script, answer, reset

PREVIEW = "2025-06-01-preview"
PIPELINE = ResourceId.parse(f"{REGISTRY}/exportPipelines/outbound")
OPERATION = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Compute/x"
HEADERS = ["Location", "Azure-AsyncOperation"]
WAIT = {"retry-after-ms": "20"}
SIGNATURE = "h4Rs0Tn7kQ9wLmX2vBz8cYp3dFg6jUa1"
LINK = f"https://md-1.blob.core.windows.net/d/abcd?sv=2018-03-28&sr=b&sp=r&sig={SIGNATURE}"
GRANTED = {"accessSAS": LINK}


async def revoke(edge: AzureResourceManager, seconds: float = 5) -> None:
    """End the links to the disk."""
    await edge.post(DISK, "endGetAccess", VERSION, soon(seconds))


async def remove(edge: AzureResourceManager, seconds: float = 5) -> None:
    """Delete the pipeline."""
    await edge.delete(PIPELINE, PREVIEW, soon(seconds))


CALLS: dict[str, Callable[[AzureResourceManager, float], Awaitable[None]]] = {
    "POST": revoke,
    "DELETE": remove,
}
PATHS = {"POST": f"{DISK}/endGetAccess", "DELETE": str(PIPELINE)}


async def granted(world: World) -> str:
    """Mallory takes a link to the disk's data."""
    url = f"{world.url}{DISK.path}/beginGetAccess?api-version={VERSION}"
    asked = {"access": "Read", "durationInSeconds": 3600}
    caller = {"x-sandbox-caller": "mallory"}
    async with world.client.post(url, json=asked, headers=caller) as said:
        assert said.status == 200, await said.text()
        link: str = (await said.json())["accessSAS"]
    return link


async def opens(world: World, link: str) -> bool:
    """Whether a link is still good."""
    async with world.client.head(link) as said:
        return said.status == 200


async def state(world: World) -> object:
    """What the disk tells of links."""
    return (await world.edge.get(DISK, VERSION, soon()))["properties"]["diskState"]


async def piped(world: World) -> None:
    """A registry with an export pipeline."""
    await world.registry()
    target = {"type": "AzureStorageBlobContainer", "uri": "https://s.example/c"}
    await world.put(PIPELINE, {"location": "westeurope", "properties": {"target": target}}, PREVIEW)


async def pipelines(world: World) -> list[object]:
    """The names of those there are."""
    found = await world.edge.children(REGISTRY, "exportPipelines", PREVIEW, soon())
    return [one["name"] for one in found]


async def lock(world: World, resource: ResourceId, level: str) -> None:
    """A management lock on a resource."""
    url = f"{world.url}{resource.path}/providers/Microsoft.Authorization/locks/keep"
    body = {"properties": {"level": level}}
    caller = {"x-sandbox-caller": "alice"}
    async with world.client.put(f"{url}?api-version=2020-05-01", json=body, headers=caller) as said:
        assert said.status < 300, await said.text()


async def test_an_action_is_carried_out_with_one_call(world: World) -> None:
    """The link is dead when it returns, and the disk tells so."""
    link = await granted(world)
    assert (await opens(world, link), await state(world)) == (True, "ActiveSAS")
    world.arm.calls.clear()
    await revoke(world.edge)
    assert world.guard_calls == ["POST 200"]
    assert (await opens(world, link), await state(world)) == (False, "Unattached")


async def test_an_action_that_takes_a_while_is_followed(world: World) -> None:
    """202 with a Location, as disks answer: done when it returns, not before."""
    link = await granted(world)
    await world.settings(patch="async", operation_s=0.5)
    await revoke(world.edge)
    assert world.guard_calls == ["POST 202", "GET 200"]
    assert not await opens(world, link)


async def test_a_pipeline_is_deleted(world: World) -> None:
    """Once it is gone, deleting it again is fine, too."""
    await piped(world)
    assert await pipelines(world) == ["outbound"]
    world.arm.calls.clear()
    await remove(world.edge)
    await remove(world.edge)
    assert world.guard_calls == ["DELETE 200", "DELETE 204"]
    assert await pipelines(world) == []


async def test_a_deletion_that_takes_a_while_is_followed(world: World) -> None:
    """202 with a Location: gone when it returns."""
    await piped(world)
    await world.settings(operation_s=0.5)
    await world.tell("faults", {"match": {"method": "DELETE"}, "accept": True})
    await remove(world.edge)
    assert world.guard_calls == ["DELETE 202", "GET 200"]
    assert await pipelines(world) == []


@pytest.mark.parametrize("method", CALLS)
async def test_what_is_never_done_is_still_running(method: str, world: World) -> None:
    """Accepted is not sent again: it is looked at later."""
    await piped(world)
    await granted(world)
    await world.settings(operation_s=600)
    await world.tell("faults", {"match": {"method": method, "caller": "guard"}, "accept": True})
    with pytest.raises(StillRunning) as caught:
        await CALLS[method](world.edge, 1.5)
    assert caught.value.retry_after == 1
    assert world.guard_calls[0] == f"{method} 202"
    assert set(world.guard_calls[1:]) <= {"GET 202", "GET 0"}
    assert (await state(world), await pipelines(world)) == ("ActiveSAS", ["outbound"])


async def test_an_action_on_what_is_not_there_is_gone(world: World) -> None:
    """Unlike a deletion, it has not reached what it is for."""
    missing = ResourceId.parse(str(DISK).replace("ledger", "never"))
    with pytest.raises(Gone):
        await world.edge.post(missing, "endGetAccess", VERSION, soon())


@pytest.mark.parametrize("code", ["ResourceNotFound", "ParentResourceNotFound", "NotFound"])
async def test_deleting_what_is_not_there_is_fine(code: str, world: World) -> None:
    """204 or 404, and whatever of it has gone."""
    body = {"error": {"code": code, "message": "It is not there."}}
    await world.tell("faults", {"match": {"method": "DELETE"}, "status": 404, "body": body})
    await remove(world.edge)
    assert world.guard_calls == ["DELETE 404"]


async def test_a_deletion_that_the_api_version_lacks_is_an_error(world: World) -> None:
    """404 of a type must not pass for a deleted pipeline."""
    await piped(world)
    with pytest.raises(Terminal) as caught:
        await world.edge.delete(PIPELINE, "2025-11-01", soon())
    assert (caught.value.code, caught.value.status) == ("InvalidResourceType", 404)
    assert await pipelines(world) == ["outbound"]


async def test_a_lock_forbids_both_for_good(world: World) -> None:
    """A ReadOnly lock also blocks an action, since that is a POST."""
    await piped(world)
    await granted(world)
    await lock(world, DISK, "ReadOnly")
    await lock(world, REGISTRY, "CanNotDelete")
    for call in CALLS.values():
        with pytest.raises(Terminal) as caught:
            await call(world.edge, 5)
        assert (caught.value.code, caught.value.status) == ("ScopeLocked", 409)
    assert world.guard_calls == ["POST 409", "DELETE 409"]
    assert (await state(world), await pipelines(world)) == ("ActiveSAS", ["outbound"])


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("status", [400, 403, 409])
@pytest.mark.parametrize("code", ["DenyAssignmentAuthorizationFailed", "LinkedAuthorizationFailed"])
async def test_a_denial_is_terminal_with_its_code(
    code: str, status: int, method: str, world: World
) -> None:
    """As the resources of AKS answer; asked once."""
    body = {"error": {"code": code, "message": "The deny assignment of the cluster."}}
    order = {"match": {"method": method}, "status": status, "body": body, "times": 9}
    await world.tell("faults", order)
    with pytest.raises(Terminal, match="of the cluster") as caught:
        await CALLS[method](world.edge, 5)
    assert code == caught.value.code
    assert [f"{method} {status}"] == world.guard_calls


async def test_a_busy_resource_is_asked_again(world: World) -> None:
    """409 Conflict passes: within the budget by itself, beyond it for whoever called."""
    link = await granted(world)
    busy = {"error": {"code": "Conflict", "message": "Another operation is in progress."}}
    order = {"match": {"path": "endGetAccess$"}, "status": 409, "body": busy}
    await world.tell("faults", order)
    with pytest.raises(Transient, match="in progress") as caught:
        await revoke(world.edge, 0.3)
    assert not isinstance(caught.value, StillRunning)
    await world.tell("faults", order)
    await revoke(world.edge)
    assert world.guard_calls == ["POST 409", "POST 409", "POST 200"]
    assert not await opens(world, link)


@pytest.mark.parametrize("method", CALLS)
async def test_a_request_has_no_body(
    method: str, connect: Connect, certificates: Certificates
) -> None:
    """And says so: servers answer 411 to a POST that does not say how long it is."""
    async with Loopback(certificates.server_context(), answer(200)) as server:
        await CALLS[method](await connect(server.url), 5)
    (request,) = server.requests
    head, _, body = request.lower().partition("\r\n\r\n")
    assert "\r\ncontent-length: 0" in head
    assert ("content-type" in head, body) == (False, "")


@pytest.mark.parametrize("method", CALLS)
async def test_an_answer_that_is_lost_is_asked_for_again(
    method: str, connect: Connect, certificates: Certificates
) -> None:
    """Both may be sent twice: what is revoked or deleted already stays so."""
    again = answer(404, {"error": {"code": "NotFound", "message": ""}})
    async with Loopback(certificates.server_context()) as server:
        server.script(reset, again if method == "DELETE" else answer(200))
        await CALLS[method](await connect(server.url), 5)
    assert [f"{method} {PATHS[method]}"] * 2 == server.lines


@pytest.mark.parametrize(
    "said",
    [
        answer(200),
        answer(204),
        answer(200, GRANTED),
        answer(200, "<html>fine</html>"),
        answer(200, None, {"Location": OPERATION}),
        answer(204, None, {"Location": OPERATION}),
        answer(201),
        answer(202),
        answer(202, GRANTED),
    ],
)
@pytest.mark.parametrize("method", CALLS)
async def test_what_names_no_operation_is_done(
    method: str, said: bytes, connect: Connect, certificates: Certificates
) -> None:
    """One request; what the answer says beside its status does not matter."""
    async with Loopback(certificates.server_context(), said) as server:
        await CALLS[method](await connect(server.url), 5)
    assert [f"{method} {PATHS[method]}"] == server.lines


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("method", CALLS)
async def test_an_operation_is_followed_with_any_status(
    method: str, status: int, connect: Connect, certificates: Certificates
) -> None:
    """Azure-AsyncOperation says that it goes on; a Location beside it need not be asked."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Azure-AsyncOperation": server.url + OPERATION, "Location": "/other", **WAIT}
        server.script(
            answer(status, None, poll),
            answer(200, {"status": "InProgress"}, WAIT),
            answer(200, {"status": "Succeeded", "properties": {"output": GRANTED}}),
        )
        await CALLS[method](await connect(server.url), 5)
    assert [f"{method} {PATHS[method]}", *[f"GET {OPERATION}"] * 2] == server.lines


@pytest.mark.parametrize(
    "final", [answer(200), answer(204), answer(200, GRANTED), answer(200, "?")]
)
@pytest.mark.parametrize("method", CALLS)
async def test_a_location_is_followed_until_it_is_not_202(
    method: str, final: bytes, connect: Connect, certificates: Certificates
) -> None:
    """Also a relative one; what it ends with does not matter."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Location": OPERATION + "?monitor=true", **WAIT}
        server.script(answer(202, None, poll), answer(202, None, WAIT), final)
        await CALLS[method](await connect(server.url), 5)
    assert [f"{method} {PATHS[method]}", *[f"GET {OPERATION}"] * 2] == server.lines


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (404, "NotFound")])
@pytest.mark.parametrize("method", CALLS)
async def test_a_poll_that_is_refused_counts_as_done(
    method: str,
    status: int,
    code: str,
    header: str,
    connect: Connect,
    certificates: Certificates,
) -> None:
    """It says nothing about the change; the resource will tell."""
    async with Loopback(certificates.server_context()) as server:
        server.script(
            answer(202, None, {header: server.url + OPERATION, **WAIT}),
            answer(status, {"error": {"code": code, "message": "No."}}),
        )
        await CALLS[method](await connect(server.url), 5)
    assert [f"{method} {PATHS[method]}", f"GET {OPERATION}"] == server.lines


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("method", CALLS)
async def test_a_poll_on_another_host_counts_as_done(
    method: str, header: str, connect: Connect, certificates: Certificates
) -> None:
    """And is not sent: nobody else sees the token."""
    context = certificates.server_context()
    async with Loopback(context, answer(200)) as thief, Loopback(context) as server:
        server.script(answer(202, None, {header: thief.url + OPERATION, **WAIT}), answer(500))
        await CALLS[method](await connect(server.url), 5)
    assert (len(server.requests), thief.connections) == (1, 0)


@pytest.mark.parametrize("method", CALLS)
async def test_an_operation_that_fails_is_terminal(
    method: str, connect: Connect, certificates: Certificates
) -> None:
    """Azure took it and then did not do it: its words reach the alert."""
    failed = {"status": "Failed", "error": {"code": "DiskBusy", "message": "Somebody holds it."}}
    async with Loopback(certificates.server_context()) as server:
        poll = {"Azure-AsyncOperation": server.url + OPERATION, **WAIT}
        server.script(answer(202, None, poll), answer(200, failed))
        with pytest.raises(Terminal, match="Somebody holds it") as caught:
            await CALLS[method](await connect(server.url), 5)
    assert caught.value.code == "DiskBusy"


def _operation(final: bytes, header: str = "Location") -> tuple[Script, ...]:
    return answer(202, GRANTED, {header: OPERATION, **WAIT}), final


def _error(code: str = "Odd") -> dict[str, Any]:
    return {"error": {"code": code, "message": f"See {LINK} for it."}}


LEAKS: dict[str, tuple[Script, ...]] = {
    "answer": (answer(200, GRANTED),),
    "accepted, then forgotten": (answer(202, GRANTED),),
    "result": _operation(answer(200, GRANTED)),
    "operation": _operation(answer(200, {"status": "Succeeded", **GRANTED}), HEADERS[1]),
    "operation that is no json": _operation(answer(200, LINK), HEADERS[1]),
    "operation that is no text": _operation(answer(200, LINK.encode() + b"\xff"), HEADERS[1]),
    "operation that failed": _operation(answer(200, {"status": "Failed", **_error()}), HEADERS[1]),
    "operation without end": _operation(answer(200, {"status": LINK, **GRANTED}), HEADERS[1]),
    "refusal": (answer(400, _error()),),
    "code of a refusal": (answer(400, _error(LINK)),),
    "busy": (answer(409, _error()),),
    "refused poll": _operation(answer(403, _error("AuthorizationFailed"))),
    "gone": (answer(404, _error("NotFound")),),
    "location elsewhere": (answer(202, None, {"Location": LINK}),),
    "location here": (
        answer(202, None, {"Location": f"{OPERATION}?sig={SIGNATURE}", **WAIT}),
        reset,
    ),
    "no http": (LINK.encode() + b"\r\n\r\n",),
}


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("method", CALLS)
async def test_no_link_reaches_logs_or_errors(
    method: str,
    name: str,
    connect: Connect,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Wherever an answer has it: whoever reads logs and alerts could read the disk with it."""
    caplog.set_level(logging.DEBUG)
    told = ""
    async with Loopback(certificates.server_context(), *LEAKS[name]) as server:
        edge = await connect(server.url)
        try:
            await CALLS[method](edge, 1.2)
        except GuardError as e:
            told = "".join(traceback.format_exception(e)) + _reprs(e)
    assert server.requests
    assert SIGNATURE not in told
    assert SIGNATURE not in caplog.text


def _reprs(error: BaseException | None) -> str:
    """The error and all that led to it, as a debugger shows them."""
    seen = ""
    while error is not None:
        seen += f"{error!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    return seen
