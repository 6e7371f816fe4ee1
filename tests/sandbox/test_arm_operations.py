"""Long-running operations: accepted at once, done later, polled in between."""

from typing import Any

import pytest

from tests.sandbox.test_arm_disks import GRANT, props
from tests.sandbox.test_arm_registries import CLOSED, registry
from tests.sandbox.test_arm_server import DISK, REGISTRY, SUB, Azure, Reply, azure, until

LONG, SHORT = 600, 0.02


async def result(az: Azure, location: str) -> Reply:
    """Poll until the operation is over."""
    reply = await az.call("GET", location)
    while reply.status == 202 or (reply.body or {}).get("status") == "InProgress":
        reply = await az.call("GET", location)
    return reply


async def test_a_disks_patch_is_accepted_and_done_later() -> None:
    """202 with Location and Retry-After; until it is done the disk is Updating and as before."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=LONG)
        accepted = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        location = accepted.headers["Location"]

        assert accepted.status == 202
        assert accepted.headers["Retry-After"] == "1"
        assert location.startswith(
            f"{az.url}/subscriptions/{SUB}/providers/Microsoft.Compute/locations/westeurope/operations/"
        )
        assert (
            accepted.properties["networkAccessPolicy"],
            accepted.properties["provisioningState"],
        ) == ("DenyAll", "Updating")
        meanwhile = (await az.call("GET", DISK)).properties
        assert (
            meanwhile["networkAccessPolicy"],
            meanwhile["provisioningState"],
        ) == ("AllowAll", "Updating")
        poll = await az.call("GET", location)
        assert (202, "1", location) == (
            poll.status,
            poll.headers["Retry-After"],
            poll.headers["Location"],
        )


async def test_the_location_answers_with_the_resource_once_it_is_done() -> None:
    """200 and the final body, the same that GET shows."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=SHORT)
        accepted = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        done = await result(az, accepted.headers["Location"])
        assert (
            done.properties["networkAccessPolicy"],
            done.properties["provisioningState"],
        ) == ("DenyAll", "Succeeded")
        assert done.body == (await az.call("GET", DISK)).body


async def test_a_disks_put_can_be_followed_by_its_status() -> None:
    """A new disk is Creating, and the Azure-AsyncOperation says when it is not any more."""
    async with azure() as az:
        await az.settings(patch="async", operation_s=SHORT)
        accepted = await az.disk()
        assert (accepted.status, accepted.properties["provisioningState"]) == (202, "Creating")
        assert "Retry-After" not in accepted.headers
        status = await result(az, accepted.headers["Azure-AsyncOperation"])
        assert status.body["status"] == "Succeeded"
        assert (await az.call("GET", DISK)).properties["provisioningState"] == "Succeeded"


async def test_a_registrys_patch_shows_its_values_at_once_but_is_not_done() -> None:
    """201 with Azure-AsyncOperation, no Retry-After; Updating until the operation Succeeded."""
    async with azure() as az:
        await registry(az)
        await az.settings(patch="async", operation_s=SHORT)
        accepted = await az.call("PATCH", REGISTRY, {"properties": CLOSED})
        assert accepted.status == 201
        assert "Retry-After" not in accepted.headers
        assert (
            accepted.properties["publicNetworkAccess"],
            accepted.properties["provisioningState"],
        ) == ("Disabled", "Updating")
        poll = accepted.headers["Azure-AsyncOperation"]
        assert poll.startswith(f"{az.url}{REGISTRY}/operationStatuses/registries-")
        assert (await result(az, poll)).body == {"status": "Succeeded"}
        assert (await az.call("GET", REGISTRY)).properties["provisioningState"] == "Succeeded"


async def test_access_is_granted_and_revoked_by_operations_too() -> None:
    """The link comes from the Location, and the state changes when the operation is done."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=SHORT)
        accepted = await az.call("POST", f"{DISK}/beginGetAccess", GRANT)
        assert (accepted.status, accepted.body) == (202, None)
        granted = await result(az, accepted.headers["Location"])
        assert granted.body["accessSAS"].startswith(f"{az.url}/md-")
        assert (await az.call("GET", DISK)).properties["diskState"] == "ActiveSAS"

        accepted = await az.call("POST", f"{DISK}/endGetAccess")
        revoked = await result(az, accepted.headers["Location"])
        assert (revoked.status, revoked.body) == (200, None)
        assert (await az.call("GET", DISK)).properties["diskState"] == "Unattached"


@pytest.mark.parametrize("request_", [("PATCH", {}), ("PUT", props()), ("DELETE", None)])
async def test_a_resource_takes_one_operation_at_a_time(request_: tuple[str, Any]) -> None:
    """While one runs, others are a conflict."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=LONG)
        await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        method, body = request_
        reply = await az.call(method, DISK, body)
        assert (reply.status, reply.code) == (409, "Conflict")


async def test_an_unknown_operation_is_404() -> None:
    """Another subscription's operation is unknown, too."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=LONG)
        accepted = await az.call("PATCH", DISK, props())
        elsewhere = accepted.headers["Location"].replace(SUB, SUB.replace("1", "9"))
        assert (await az.call("GET", elsewhere)).status == 404


@pytest.mark.parametrize("moment", ["completed", "accepted"])
async def test_the_event_comes_when_the_setting_says(moment: str) -> None:
    """Azure's moment is unknown: it may be before the write is done, or after."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch="async", operation_s=SHORT, event_at=moment)
        az.events.clear()
        accepted = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        assert (moment == "accepted") == (len(az.events) == 1)
        await result(az, accepted.headers["Location"])
        await until(lambda: len(az.events) == 1)


@pytest.mark.parametrize("patch", ["sync", "async"])
async def test_without_events_nobody_is_told(patch: str) -> None:
    """As where nobody subscribed, or an event is lost."""
    async with azure() as az:
        await az.disk()
        await az.settings(patch=patch, operation_s=SHORT, event_at="never")
        az.events.clear()
        answer = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        if patch == "async":
            await result(az, answer.headers["Location"])
        await az.settings(patch="sync", event_at="completed")
        await az.call("PATCH", DISK, {"tags": {"seen": "yes"}})
        assert len(az.events) == 1
