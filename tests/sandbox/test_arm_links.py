"""A disk while a link to its data is out: how that shows, what it forbids, how it ends."""

from typing import Any

import pytest

from tests.sandbox.test_arm_disks import GRANT, VM, props
from tests.sandbox.test_arm_operations import result
from tests.sandbox.test_arm_server import (
    DISK,
    SNAPSHOT,
    Azure,
    Reply,
    azure_over_tls,
    until_async,
)

MOMENT = {"access": "Read", "durationInSeconds": 1}


async def grant(az: Azure, path: str = DISK, body: dict[str, Any] | None = None) -> Reply:
    """Ask for a link, for an hour unless `body` says otherwise."""
    return await az.call("POST", f"{path}/beginGetAccess", body or GRANT)


async def state(az: Azure, path: str = DISK) -> str:
    """What the disk says of itself."""
    told: str = (await az.call("GET", path)).properties["diskState"]
    return told


async def opens(az: Azure, link: str) -> bool:
    """Whether a link is still good."""
    async with az.session.head(link) as answer:
        return answer.status == 200


@pytest.mark.parametrize("path", [DISK, SNAPSHOT])
async def test_a_second_link_is_refused_while_one_is_out(path: str) -> None:
    """A conflict, and the first link is as good as before; after endGetAccess there is another."""
    async with azure_over_tls() as az:
        await az.disk(path)
        first = (await grant(az, path)).body["accessSAS"]
        second = await grant(az, path)
        assert (second.status, second.code) == (409, "OperationNotAllowed")
        assert await opens(az, first)

        await az.call("POST", f"{path}/endGetAccess")
        third = (await grant(az, path)).body["accessSAS"]
        assert first != third
        assert (await opens(az, first), await opens(az, third)) == (False, True)


@pytest.mark.parametrize("path", [DISK, SNAPSHOT])
async def test_a_link_that_ran_out_leaves_the_disk_as_it_was(path: str) -> None:
    """After durationInSeconds the link is dead, and nobody is told: no event."""
    async with azure_over_tls() as az:
        before = await az.disk(path)
        link = (await grant(az, path, MOMENT)).body["accessSAS"]
        assert await opens(az, link)
        az.events.clear()

        await until_async(lambda: _is(az, path, "Unattached"))
        assert before.properties == (await az.call("GET", path)).properties
        assert not await opens(az, link)
        assert az.events == []


async def _is(az: Azure, path: str, wanted: str) -> bool:
    return await state(az, path) == wanted


async def test_a_link_may_run_out_while_an_operation_holds_the_disk() -> None:
    """The operation's result does not bring the state back."""
    async with azure_over_tls() as az:
        await az.disk()
        link = (await grant(az, body=MOMENT)).body["accessSAS"]
        await az.settings(patch="async", operation_s=1.5)
        accepted = await az.call("PATCH", DISK, {"tags": {"a": "b"}})
        done = await result(az, accepted.headers["Location"])
        assert not await opens(az, link)
        assert done.body["tags"] == {"a": "b"}
        assert await state(az) == "Unattached"


@pytest.mark.parametrize(
    ("scene", "meanwhile"), [("Frozen", "ActiveSASFrozen"), ("Reserved", "ActiveSAS")]
)
async def test_a_machine_that_does_not_run_lets_its_disk_be_exported(
    scene: str, meanwhile: str
) -> None:
    """A hibernated machine's disk is ActiveSASFrozen meanwhile, and Frozen again after."""
    async with azure_over_tls() as az:
        await az.call("PUT", DISK, {"managedBy": VM, "properties": {"diskState": scene}})
        assert (await grant(az)).status == 200
        assert meanwhile == await state(az)
        await az.call("POST", f"{DISK}/endGetAccess")
        assert scene == await state(az)


async def test_a_disk_that_waits_for_an_upload_gives_a_link_for_writing_only() -> None:
    """ActiveUpload until it is revoked; the link does not read."""
    writing = {"access": "Write", "durationInSeconds": 60}
    async with azure_over_tls() as az:
        await az.disk(creationData={"createOption": "Upload", "uploadSizeBytes": 20972032})
        assert (await grant(az)).status == 409
        link = (await grant(az, body=writing)).body["accessSAS"]
        assert await state(az) == "ActiveUpload"
        async with az.session.get(link) as answer:
            refusal = answer.headers["x-ms-error-code"]
            assert (answer.status, refusal) == (403, "AuthorizationPermissionMismatch")
        await az.call("POST", f"{DISK}/endGetAccess")
        assert await state(az) == "Unattached"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_disk_is_not_resized_while_a_link_is_out(method: str) -> None:
    """With Azure's documented code; a body that repeats the size is no resize."""
    async with azure_over_tls() as az:
        await az.disk(diskSizeGB=64)
        await grant(az)
        refused = await az.call(method, DISK, props(diskSizeGB=128))
        assert (refused.status, refused.code) == (409, "ChangeDiskSizeWhileActiveSasNotAllowed")
        assert (await az.call(method, DISK, props(diskSizeGB=64))).status == 200
        assert await state(az) == "ActiveSAS"


@pytest.mark.parametrize("patch", ["sync", "async"])
@pytest.mark.parametrize("survives", [True, False])
async def test_closing_a_disk_ends_its_link_or_leaves_it_as_the_setting_says(
    survives: bool, patch: str
) -> None:
    """Undocumented, so either: state and link always tell the same."""
    async with azure_over_tls() as az:
        await az.settings(sas_survives_patch=survives)
        await az.disk()
        link = (await grant(az)).body["accessSAS"]
        await az.call("PATCH", DISK, {"tags": {"a": "b"}})
        assert await opens(az, link)

        await az.settings(patch=patch, operation_s=0.05)
        answer = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        if patch == "async":
            await result(az, answer.headers["Location"])
        assert (survives, survives) == (await state(az) == "ActiveSAS", await opens(az, link))


async def test_a_patch_that_is_only_accepted_has_not_ended_the_link() -> None:
    """It does so when it is done."""
    async with azure_over_tls() as az:
        await az.disk()
        link = (await grant(az)).body["accessSAS"]
        await az.settings(sas_survives_patch=False, patch="async", operation_s=600)
        await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        assert (await state(az), await opens(az, link)) == ("ActiveSAS", True)


@pytest.mark.parametrize("action", ["beginGetAccess", "endGetAccess"])
async def test_a_fault_makes_an_action_an_operation(action: str) -> None:
    """`accept`: 202 with a Location whatever the settings say, for as many calls as ordered."""
    async with azure_over_tls() as az:
        await az.disk()
        if action == "endGetAccess":
            await grant(az)
        before = await state(az)
        await az.settings(operation_s=0.05)
        await az.call(
            "POST", "/_sandbox/faults", {"match": {"path": f"/{action}$"}, "accept": True}
        )
        az.events.clear()
        accepted = await az.call("POST", f"{DISK}/{action}", GRANT)
        assert (accepted.status, accepted.body) == (202, None)
        assert before == await state(az)
        assert az.events == []

        done = await result(az, accepted.headers["Location"])
        assert done.status == 200
        assert before != await state(az)
        [event] = az.events
        assert event["eventType"] == "Microsoft.Resources.ResourceActionSuccess"
        assert event["data"]["operationName"] == f"Microsoft.Compute/disks/{action}/action"
        assert (await az.call("POST", f"{DISK}/endGetAccess")).status == 200


async def test_a_delete_may_be_an_operation_too() -> None:
    """The disk stays until it is done, and then its event comes."""
    async with azure_over_tls() as az:
        await az.disk()
        await az.settings(operation_s=0.05)
        await az.call("POST", "/_sandbox/faults", {"match": {"method": "DELETE"}, "accept": True})
        az.events.clear()
        accepted = await az.call("DELETE", DISK)
        assert (accepted.status, az.events) == (202, [])
        assert (await az.call("GET", DISK)).status == 200
        await result(az, accepted.headers["Location"])
        assert (await az.call("GET", DISK)).status == 404
        assert [event["data"]["operationName"] for event in az.events] == [
            "Microsoft.Compute/disks/delete"
        ]
