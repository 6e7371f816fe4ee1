"""Long-running operations: followed as Azure asks, on ARM's own origin only, until the deadline."""

import contextlib
import time
from typing import Any

import pytest

from guards.edges.arm import AzureResourceManager
from guards.edges.arm_origin import origin
from guards.engine.errors import GuardError, StillRunning, Terminal
from guards.engine.model import Body
from sandbox.certificates import Certificates
from tests.edges.conftest import CLOSE, DISK, VERSION, Connect, World, soon
from tests.edges.loopback import FOREIGN, Loopback, answer

OPERATION = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Compute/x"
DONE: dict[str, Any] = {
    "name": "ledger",
    "properties": {"networkAccessPolicy": "DenyAll", "provisioningState": "Succeeded"},
}
RUNNING = {**DONE, "properties": {**DONE["properties"], "provisioningState": "Updating"}}
WAIT = {"retry-after-ms": "20"}


async def patch(edge: AzureResourceManager, seconds: float = 5) -> Body:
    """Close the disk."""
    return await edge.patch(DISK, VERSION, CLOSE, soon(seconds))


async def test_a_202_without_any_header_is_followed_on_the_resource(
    connect: Connect, certificates: Certificates
) -> None:
    """Until its provisioning state is final."""
    async with Loopback(certificates.server_context()) as server:
        server.script(answer(202), answer(200, RUNNING), answer(200, DONE))
        assert await patch(await connect(server.url)) == DONE
    assert [f"PATCH {DISK}", f"GET {DISK}", f"GET {DISK}"] == server.lines


async def test_a_200_without_a_body_is_followed_by_a_read(
    connect: Connect, certificates: Certificates
) -> None:
    """What the resource is now, not what was asked for."""
    async with Loopback(certificates.server_context(), answer(200), answer(200, DONE)) as server:
        assert await patch(await connect(server.url)) == DONE


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation"])
@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (404, "NotFound")])
async def test_a_poll_that_is_refused_leaves_the_resource_to_tell(
    header: str, status: int, code: str, connect: Connect, certificates: Certificates
) -> None:
    """The guard's role may not reach operations; the change is done all the same."""
    error = {"error": {"code": code, "message": "No."}}
    async with Loopback(certificates.server_context()) as server:
        server.script(
            answer(202, None, {header: server.url + OPERATION, **WAIT}),
            answer(status, error),
            answer(200, DONE),
        )
        assert await patch(await connect(server.url)) == DONE
    assert [f"PATCH {DISK}", f"GET {OPERATION}", f"GET {DISK}"] == server.lines


@pytest.mark.parametrize("status", ["Failed", "Canceled", "failed"])
async def test_an_operation_that_fails_is_terminal_with_its_code(
    status: str, connect: Connect, certificates: Certificates
) -> None:
    """Azure took the change and then did not make it: its words reach the alert."""
    said = {"status": status, "error": {"code": "DiskBusy", "message": "Somebody holds it."}}
    async with Loopback(certificates.server_context()) as server:
        server.script(
            answer(202, None, {"Azure-AsyncOperation": server.url + OPERATION, **WAIT}),
            answer(200, said),
        )
        with pytest.raises(Terminal, match="Somebody holds it") as caught:
            await patch(await connect(server.url))
    assert caught.value.code == "DiskBusy"


async def test_a_location_that_ends_in_an_error_is_terminal_with_its_code(
    connect: Connect, certificates: Certificates
) -> None:
    """A Compute operation's Location answers with the error itself."""
    error = {"error": {"code": "OperationNotAllowed", "message": "The disk is gone wrong."}}
    async with Loopback(certificates.server_context()) as server:
        server.script(
            answer(202, None, {"Location": server.url + OPERATION, **WAIT}), answer(400, error)
        )
        with pytest.raises(Terminal) as caught:
            await patch(await connect(server.url))
    assert caught.value.code == "OperationNotAllowed"


async def test_a_poll_survives_a_hiccup(connect: Connect, certificates: Certificates) -> None:
    """A 500 between two polls says nothing about the operation."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Azure-AsyncOperation": server.url + OPERATION, **WAIT}
        server.script(
            answer(202, None, poll), answer(500), answer(200, {"status": "Succeeded"}),
            answer(200, DONE),
        )  # fmt: skip
        assert await patch(await connect(server.url)) == DONE


async def test_the_pause_between_polls_is_azures(
    connect: Connect, certificates: Certificates
) -> None:
    """Retry-After of the last answer, one second without it."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Location": server.url + OPERATION}
        server.script(
            answer(202, None, {**poll, "Retry-After": "2"}), answer(200, DONE)
        )  # fmt: skip
        start = time.monotonic()
        await patch(await connect(server.url))
        assert 2 <= time.monotonic() - start < 20


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation", None])
async def test_what_is_not_done_by_the_deadline_is_still_running(
    header: str | None, connect: Connect, certificates: Certificates
) -> None:
    """The change is accepted: it is looked at later, not sent again."""
    async with Loopback(certificates.server_context()) as server:
        poll = {header: server.url + OPERATION} if header else {}
        server.script(
            answer(202, None, poll), answer(202 if header == "Location" else 200, RUNNING)
        )
        start = time.monotonic()
        with pytest.raises(StillRunning) as caught:
            await patch(await connect(server.url), 1.3)
        assert time.monotonic() - start < 20
    assert caught.value.retry_after == 1
    assert len([line for line in server.lines if line.startswith("PATCH")]) == 1


async def test_a_long_pause_is_handed_back(connect: Connect, certificates: Certificates) -> None:
    """Retry-After beyond the budget: the engine defers for as long as Azure asked."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Location": server.url + OPERATION, "Retry-After": "90"}
        server.script(answer(202, None, poll))
        start = time.monotonic()
        with pytest.raises(StillRunning) as caught:
            await patch(await connect(server.url))
        assert time.monotonic() - start < 20
    assert caught.value.retry_after == 90


async def test_an_operation_of_the_sandbox_runs_into_the_deadline(world: World) -> None:
    """The same against an Azure that is no script."""
    await world.settings(patch="async", operation_s=600)
    with pytest.raises(StillRunning):
        await world.close_disk(1.5)


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation"])
@pytest.mark.parametrize("kind", FOREIGN)
async def test_no_poll_leaves_arm(
    kind: str, header: str, connect: Connect, certificates: Certificates
) -> None:
    """Whatever URL an answer names: nobody else is asked, nobody else sees the token."""
    context = certificates.server_context()
    async with Loopback(context, answer(200, DONE)) as thief, Loopback(context) as server:
        url = FOREIGN[kind](server.url, thief.url) + OPERATION
        server.script(answer(202, None, {header: url, "retry-after-ms": "1"}), answer(200, DONE))
        with contextlib.suppress(GuardError):  # or the resource tells
            assert await patch(await connect(server.url), 1) == DONE
    assert (thief.requests, thief.connections) == ([], 0)


async def test_no_poll_goes_over_plain_http(connect: Connect, certificates: Certificates) -> None:
    """Not even to the same host and port."""
    context = certificates.server_context()
    async with Loopback(None, answer(200, DONE)) as plain, Loopback(context) as server:
        poll = {"Location": plain.url + OPERATION, "retry-after-ms": "1"}
        server.script(answer(202, None, poll), answer(200, DONE))
        with contextlib.suppress(GuardError):
            assert await patch(await connect(server.url), 1) == DONE
    assert plain.connections == 0


async def test_a_relative_location_is_arms_own(
    connect: Connect, certificates: Certificates
) -> None:
    """RFC 9110 allows it; it means the same origin."""
    async with Loopback(certificates.server_context()) as server:
        poll = {"Location": OPERATION + "?api-version=1", "retry-after-ms": "1"}
        server.script(answer(202, None, poll), answer(200, DONE))
        assert await patch(await connect(server.url), 2) == DONE
    assert [f"PATCH {DISK}", f"GET {OPERATION}"] == server.lines


@pytest.mark.parametrize("header", ["Location", "Azure-AsyncOperation"])
async def test_a_poll_url_that_cannot_be_written_leaves_the_resource_to_tell(
    header: str, connect: Connect, certificates: Certificates
) -> None:
    """Bytes that are no text: no URL can have them, so there is nothing to ask."""
    said = f"HTTP/1.1 202 Said\r\nContent-Length: 0\r\n{header}: {OPERATION}?".encode()
    async with Loopback(certificates.server_context()) as server:
        server.script(said + b"\xff\r\nretry-after-ms: 1\r\n\r\n", answer(200, DONE))
        assert await patch(await connect(server.url), 2) == DONE
    assert [f"PATCH {DISK}", f"GET {DISK}"] == server.lines


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Management.Azure.com", "https://management.azure.com:443/x?y", True),
        ("https://management.azure.com", "https://management.azure.com:444", False),
        ("https://management.azure.com", "http://management.azure.com", False),
        ("https://management.azure.com", "https://management.azure.com.evil.example", False),
        ("https://management.azure.com", "https://user@management.azure.com", False),
        ("https://management.azure.com", "https://management.azure.com.", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    """Letter case and the default port do not matter; everything else does."""
    assert same == (origin(one) == origin(other))
