"""Disks and snapshots: defaults, contradictions, and access by link."""

from typing import Any

import pytest

from tests.sandbox.test_arm_server import ACCESS, DISK, SNAPSHOT, azure

VM = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/vm1"
GRANT = {"access": "Read", "durationInSeconds": 3600}


def props(**properties: Any) -> dict[str, Any]:
    """A PATCH of properties."""
    return {"properties": properties}


@pytest.mark.parametrize("path", [DISK, SNAPSHOT])
async def test_a_new_disk_is_open_by_default(path: str) -> None:
    """What a PUT leaves out is AllowAll and Enabled, as Azure's defaults are."""
    async with azure() as az:
        disk = (await az.disk(path)).body
        assert disk["properties"]["networkAccessPolicy"] == "AllowAll"
        assert disk["properties"]["publicNetworkAccess"] == "Enabled"
        assert "dataAccessAuthMode" not in disk["properties"]
        assert disk["properties"]["provisioningState"] == "Succeeded"
        assert disk["properties"]["diskState"] == "Unattached"


@pytest.mark.parametrize("path", [DISK, SNAPSHOT])
async def test_a_patch_closes_a_disk_and_keeps_the_rest(path: str) -> None:
    """Values come back in Azure's case; tags and size are as they were."""
    async with azure() as az:
        await az.disk(path, diskSizeGB=64)
        await az.call("PATCH", path, {"tags": {"team": "data"}})
        closed = await az.call(
            "PATCH", path, props(networkAccessPolicy="denyall", publicNetworkAccess="DISABLED")
        )
        assert closed.status == 200
        assert closed.properties["networkAccessPolicy"] == "DenyAll"
        assert closed.properties["publicNetworkAccess"] == "Disabled"
        assert closed.properties["diskSizeGB"] == 64
        assert closed.body["tags"] == {"team": "data"}
        assert closed.body == (await az.call("GET", path)).body


async def test_an_ordinary_put_opens_a_closed_disk_again() -> None:
    """A redeployment that says nothing of exports undoes what was set; identity stays."""
    async with azure() as az:
        before = await az.disk(networkAccessPolicy="DenyAll", publicNetworkAccess="Disabled")
        after = await az.disk()
        assert after.properties["networkAccessPolicy"] == "AllowAll"
        assert after.properties["publicNetworkAccess"] == "Enabled"
        assert before.properties["uniqueId"] == after.properties["uniqueId"]
        created, modified = (after.body["systemData"][k] for k in ("createdAt", "lastModifiedAt"))
        assert before.body["systemData"]["createdAt"] == created < modified


async def test_what_get_showed_can_be_put_back() -> None:
    """`az resource update` is a GET and a PUT of the same: read-only members are no obstacle."""
    async with azure() as az:
        await az.disk(networkAccessPolicy="DenyAll")
        seen = (await az.call("GET", DISK)).body
        again = await az.call("PUT", DISK, seen)
        assert again.status == 200
        assert seen["properties"] == again.properties


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "body", [{"colour": "red"}, props(exportable=True), props(networkAccessPolicys="DenyAll")]
)
async def test_unknown_properties_are_refused(method: str, body: dict[str, Any]) -> None:
    """A typing error is an error, as in ARM."""
    async with azure() as az:
        await az.disk()
        reply = await az.call(method, DISK, body)
        assert (reply.status, reply.code) == (400, "InvalidRequestContent")
        assert "Could not find member '" in reply.message


@pytest.mark.parametrize(
    "wrong",
    [
        {"networkAccessPolicy": "DenySome"},
        {"publicNetworkAccess": True},
        {"dataAccessAuthMode": "Password"},
        {"diskAccessId": "private"},
        {"diskSizeGB": 0},
    ],
)
async def test_values_azure_does_not_know_are_refused(wrong: dict[str, Any]) -> None:
    """InvalidParameter, and the disk is as before."""
    async with azure() as az:
        before = (await az.disk()).body
        reply = await az.call("PATCH", DISK, {"properties": wrong})
        assert (reply.status, reply.code) == (400, "InvalidParameter")
        assert before == (await az.call("GET", DISK)).body


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_private_access_needs_a_disk_access(method: str) -> None:
    """AllowPrivate alone is ConflictingUserInput."""
    async with azure() as az:
        await az.disk()
        reply = await az.call(method, DISK, props(networkAccessPolicy="AllowPrivate"))
        assert (reply.status, reply.code) == (400, "ConflictingUserInput")
        assert (
            reply.message
        ) == "AllowPrivate NetworkAccessPolicy can only supported with Disk Access."


@pytest.mark.parametrize("policy", ["AllowAll", "DenyAll"])
async def test_a_disk_access_needs_private_access(policy: str) -> None:
    """A diskAccessId with any other policy is ConflictingUserInput, in a PUT as in a PATCH."""
    words = "Disk Access is only supported for disks with NetworkAccessPolicy AllowPrivate"
    async with azure() as az:
        put = await az.disk(networkAccessPolicy=policy, diskAccessId=ACCESS)
        assert (400, "ConflictingUserInput", words) == (put.status, put.code, put.message)

        await az.disk(networkAccessPolicy="AllowPrivate", diskAccessId=ACCESS)
        patch = await az.call("PATCH", DISK, props(networkAccessPolicy=policy))
        assert (400, "ConflictingUserInput", words) == (patch.status, patch.code, patch.message)
        assert (await az.call("GET", DISK)).properties["networkAccessPolicy"] == "AllowPrivate"


@pytest.mark.parametrize(
    ("setting", "value", "accepted"),
    [
        ("null", None, True),
        ("null", "", False),
        ("empty", "", True),
        ("empty", None, False),
        ("neither", None, False),
        ("neither", "", False),
    ],
)
async def test_only_the_set_empty_value_takes_a_disk_access_away(
    setting: str, value: str | None, accepted: bool
) -> None:
    """Which one Azure takes is unknown, so it can be either, or none."""
    async with azure() as az:
        await az.settings(disk_access_clear=setting)
        await az.disk(networkAccessPolicy="AllowPrivate", diskAccessId=ACCESS)
        reply = await az.call(
            "PATCH", DISK, props(networkAccessPolicy="DenyAll", diskAccessId=value)
        )
        after = (await az.call("GET", DISK)).properties
        if accepted:
            assert reply.status == 200
            assert (after["networkAccessPolicy"], "diskAccessId" in after) == ("DenyAll", False)
        else:
            assert (reply.status, reply.code) == (400, "ConflictingUserInput")
            assert (after["networkAccessPolicy"], after["diskAccessId"]) == ("AllowPrivate", ACCESS)


async def test_entra_authentication_cannot_be_demanded_of_an_attached_disk() -> None:
    """The setting dataAccessAuthMode waits until the disk is detached; other settings do not."""
    async with azure() as az:
        await az.call("PUT", DISK, {"location": "westeurope", "managedBy": VM, "properties": {}})
        reply = await az.call("PATCH", DISK, props(dataAccessAuthMode="AzureActiveDirectory"))
        assert reply.status == 409
        assert (await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))).status == 200

        await az.call("PUT", DISK, {"location": "westeurope", "managedBy": None, "properties": {}})
        reply = await az.call("PATCH", DISK, props(dataAccessAuthMode="azureactivedirectory"))
        assert reply.properties["dataAccessAuthMode"] == "AzureActiveDirectory"


async def test_a_put_can_make_a_disk_attached_or_in_any_state() -> None:
    """The sandbox's own way to set a scene."""
    async with azure() as az:
        attached = await az.call("PUT", DISK, {"managedBy": VM, "properties": {}})
        assert (
            attached.body["managedBy"],
            attached.properties["diskState"],
        ) == (VM, "Attached")
        frozen = await az.disk(SNAPSHOT, diskState="ActiveSASFrozen")
        assert frozen.properties["diskState"] == "ActiveSASFrozen"
        assert (await az.disk(SNAPSHOT, diskState="Lost")).status == 400


async def test_what_creation_fixed_cannot_change() -> None:
    """PropertyChangeNotAllowed, as for creationData."""
    async with azure() as az:
        await az.disk()
        changed = {"createOption": "Copy", "sourceResourceId": SNAPSHOT}
        for reply in (
            await az.disk(creationData=changed),
            await az.call("PATCH", DISK, props(creationData=changed)),
        ):
            assert (reply.status, reply.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize("path", [DISK, SNAPSHOT])
async def test_a_granted_link_shows_and_can_be_revoked(path: str) -> None:
    """The state tells that a link is out, and endGetAccess ends it; twice is fine."""
    async with azure() as az:
        await az.disk(path)
        granted = await az.call("POST", f"{path}/beginGetAccess", GRANT)
        assert granted.status == 200
        assert granted.body["accessSAS"].startswith(f"{az.url}/md-")
        assert (await az.call("GET", path)).properties["diskState"] == "ActiveSAS"

        for _ in range(2):
            assert (await az.call("POST", f"{path}/endGetAccess")).status == 200
            assert (await az.call("GET", path)).properties["diskState"] == "Unattached"


@pytest.mark.parametrize(
    ("disk", "grant", "status"),
    [
        (props(networkAccessPolicy="DenyAll"), GRANT, 409),
        ({"managedBy": VM, "properties": {}}, GRANT, 409),
        (props(), {"access": "Write", "durationInSeconds": 60}, 409),
        (props(), {"access": "Read"}, 400),
        (props(), {"access": "Read", "durationInSeconds": 61 * 24 * 3600}, 400),
        (props(), {**GRANT, "quickly": True}, 400),
    ],
)
async def test_access_is_not_granted_to_what_is_closed_or_in_use(
    disk: dict[str, Any], grant: dict[str, Any], status: int
) -> None:
    """DenyAll and an attached disk refuse, and so does a request that makes no sense."""
    async with azure() as az:
        before = await az.call("PUT", DISK, disk)
        assert status == (await az.call("POST", f"{DISK}/beginGetAccess", grant)).status
        assert before.body == (await az.call("GET", DISK)).body


async def test_an_active_link_may_forbid_changes() -> None:
    """`patch_during_sas` refuse: 409 until the link is revoked; a resize is refused always."""
    async with azure() as az:
        await az.disk()
        await az.call("POST", f"{DISK}/beginGetAccess", GRANT)
        resize = await az.call("PATCH", DISK, props(diskSizeGB=128))
        assert (resize.status, resize.code) == (409, "ChangeDiskSizeWhileActiveSasNotAllowed")

        await az.settings(patch_during_sas="refuse")
        closing = props(networkAccessPolicy="DenyAll")
        refused = await az.call("PATCH", DISK, closing)
        assert refused.status == 409
        assert "has an active SAS URI" in refused.message
        assert (await az.call("DELETE", DISK)).status == 409

        await az.call("POST", f"{DISK}/endGetAccess")
        assert (await az.call("PATCH", DISK, closing)).status == 200


@pytest.mark.parametrize(("survives", "state"), [(True, "ActiveSAS"), (False, "Unattached")])
async def test_an_active_link_may_survive_the_closing_of_the_disk(
    survives: bool, state: str
) -> None:
    """Whether DenyAll ends a link is unknown, so it can be either."""
    async with azure() as az:
        await az.settings(sas_survives_patch=survives)
        await az.disk()
        await az.call("POST", f"{DISK}/beginGetAccess", GRANT)
        closed = await az.call("PATCH", DISK, props(networkAccessPolicy="DenyAll"))
        assert state == closed.properties["diskState"]


async def test_an_unknown_action_is_404() -> None:
    """POST does only what the type can."""
    async with azure() as az:
        await az.disk()
        assert (await az.call("POST", f"{DISK}/explode")).status == 404
        assert (await az.call("POST", f"{SNAPSHOT}/endGetAccess")).status == 404


async def test_a_disk_access_is_a_plain_resource() -> None:
    """It can be put, read and deleted."""
    async with azure() as az:
        assert (await az.call("PUT", ACCESS, {"location": "westeurope"})).status == 201
        assert (await az.call("GET", ACCESS)).properties["privateEndpointConnections"] == []
        assert (await az.call("DELETE", ACCESS)).status == 200
