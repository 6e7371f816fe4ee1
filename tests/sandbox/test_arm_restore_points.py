"""Restore points: copies of a machine's disks, with links of their own."""

from typing import Any

import pytest

from tests.sandbox.test_arm_links import MOMENT, grant, opens
from tests.sandbox.test_arm_machines import CLOSED, MACHINE, machine
from tests.sandbox.test_arm_operations import result
from tests.sandbox.test_arm_server import COMPUTE, Azure, Reply, azure_over_tls, until_async

COLLECTION = f"{COMPUTE}/restorePointCollections/nightly"
POINT = f"{COLLECTION}/restorePoints/monday"
POINTS = "Microsoft.Compute/restorePointCollections/restorePoints"
DATA = {"lun": 0, "createOption": "Empty"}


async def collection(az: Azure, source: str = MACHINE) -> Reply:
    """A collection of a machine's restore points."""
    body = {"location": "westeurope", "properties": {"source": {"id": source}}}
    return await az.call("PUT", COLLECTION, body)


async def copies(az: Azure, *data: dict[str, Any], **point: Any) -> list[dict[str, Any]]:
    """The disk restore points of a new restore point of a new machine."""
    await machine(az, *data)
    await collection(az)
    made = await az.call("PUT", POINT, {"properties": point})
    assert made.status == 201
    listed: list[dict[str, Any]] = (await az.call("GET", f"{POINT}/diskRestorePoints")).body[
        "value"
    ]
    return listed


async def test_a_restore_point_has_a_copy_of_each_disk() -> None:
    """Read and listed, with the policy that the disk had; the restore point names them."""
    async with azure_over_tls() as az:
        system, data = await copies(az, {**DATA, "managedDisk": CLOSED})
        point = await az.call("GET", POINT)
        stored = point.properties["sourceMetadata"]["storageProfile"]
        named = [one["diskRestorePoint"]["id"] for one in (stored["osDisk"], *stored["dataDisks"])]
        assert named == [system["id"], data["id"]]
        assert system["id"].startswith(f"{POINT}/diskRestorePoints/web-01_OsDisk_1_")
        assert system == (await az.call("GET", system["id"])).body
        policies = [one["properties"]["networkAccessPolicy"] for one in (system, data)]
        assert policies == ["AllowAll", "DenyAll"]
        source = (await az.call("GET", data["properties"]["sourceResourceId"])).body
        assert source["managedBy"] == MACHINE
        assert source["properties"]["uniqueId"] == data["properties"]["sourceUniqueId"]


async def test_a_copy_keeps_its_policy_when_its_disk_is_closed() -> None:
    """Closing the disk does not reach what was copied before."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        closing = {"properties": {"networkAccessPolicy": "DenyAll"}}
        await az.call("PATCH", copy["properties"]["sourceResourceId"], closing)
        again = await az.call("GET", copy["id"])
        assert again.properties["networkAccessPolicy"] == "AllowAll"


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_nothing_writes_a_copy(method: str) -> None:
    """405: its policy cannot be changed by a request, and it goes with its restore point only."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        closing = {"properties": {"networkAccessPolicy": "DenyAll"}}
        assert (await az.call(method, copy["id"], closing)).status == 405
        assert copy == (await az.call("GET", copy["id"])).body


async def test_excluded_disks_are_not_copied() -> None:
    """The others are."""
    async with azure_over_tls() as az:
        await machine(az, {**DATA, "name": "left-out"})
        await collection(az)
        excluded = [{"id": f"{COMPUTE}/disks/LEFT-OUT"}]
        await az.call("PUT", POINT, {"properties": {"excludeDisks": excluded}})
        [copy] = (await az.call("GET", f"{POINT}/diskRestorePoints")).body["value"]
        assert "OsDisk" in copy["name"]


async def test_a_copy_gives_a_link_and_takes_it_back() -> None:
    """One at a time; the attached disk itself would give none."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        link = (await grant(az, copy["id"])).body["accessSAS"]
        assert await opens(az, link)
        assert (await grant(az, copy["id"])).status == 409
        assert (await grant(az, copy["properties"]["sourceResourceId"])).status == 409
        assert copy == (await az.call("GET", copy["id"])).body

        assert (await az.call("POST", f"{copy['id']}/endGetAccess")).status == 200
        assert not await opens(az, link)
        assert (await grant(az, copy["id"])).status == 200


async def test_a_copys_link_runs_out() -> None:
    """And another can be had."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        link = (await grant(az, copy["id"], MOMENT)).body["accessSAS"]

        async def dead() -> bool:
            return not await opens(az, link)

        await until_async(dead)
        assert (await grant(az, copy["id"])).status == 200


async def test_a_copys_access_may_be_granted_by_an_operation() -> None:
    """202, and the link comes from the Location."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        await az.settings(patch="async", operation_s=0.05)
        accepted = await grant(az, copy["id"])
        assert accepted.status == 202
        done = await result(az, accepted.headers["Location"])
        assert await opens(az, done.body["accessSAS"])


@pytest.mark.parametrize(
    "body",
    [
        {"access": "Write", "durationInSeconds": 60},
        {"access": "Read"},
        {"access": "None", "durationInSeconds": 60},
    ],
)
async def test_a_copy_can_only_be_read_for_a_while(body: dict[str, Any]) -> None:
    """Refused, and no event."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        az.events.clear()
        assert (await grant(az, copy["id"], body)).status in (400, 409)
        assert az.events == []


async def test_a_closed_copy_gives_no_link() -> None:
    """Neither by itself nor with its restore point, and then the others give none either."""
    async with azure_over_tls() as az:
        _, closed = await copies(az, {**DATA, "managedDisk": CLOSED})
        az.events.clear()
        assert (await grant(az, closed["id"])).status == 409
        assert (await az.call("POST", f"{POINT}/retrieveSasUris")).status == 409
        assert az.events == []


async def test_a_restore_point_hands_out_links_to_all_its_copies() -> None:
    """Each opens, and ends with its copy's endGetAccess or with the restore point."""
    async with azure_over_tls() as az:
        first, second = await copies(az, DATA)
        reply = await az.call("POST", f"{POINT}/retrieveSasUris", {"durationInSeconds": 60})
        assert (reply.status, reply.body["id"]) == (200, POINT)
        links = {one["id"]: one["accessSAS"] for one in reply.body["sasUris"]}
        assert links.keys() == {first["id"], second["id"]}
        assert [await opens(az, link) for link in links.values()] == [True, True]

        await az.call("POST", f"{first['id']}/endGetAccess")
        assert [await opens(az, link) for link in links.values()] == [False, True]
        assert (await az.call("DELETE", POINT)).status == 200
        assert [await opens(az, link) for link in links.values()] == [False, False]
        assert (await az.call("GET", second["id"])).status == 404


async def test_each_step_raises_its_event() -> None:
    """Writes of the collection and the point, links of a point and of a copy, and their end."""
    async with azure_over_tls() as az:
        [copy] = await copies(az)
        await az.call("POST", f"{copy['id']}/beginGetAccess", {**MOMENT, "durationInSeconds": 60})
        await az.call("POST", f"{copy['id']}/endGetAccess")
        await az.call("POST", f"{POINT}/RETRIEVESASURIS")
        told = [
            (event["eventType"].rpartition(".")[2], event["data"]["operationName"])
            for event in az.events[1:]
        ]
        assert told == [
            ("ResourceWriteSuccess", "Microsoft.Compute/restorePointCollections/write"),
            ("ResourceWriteSuccess", f"{POINTS}/write"),
            ("ResourceActionSuccess", f"{POINTS}/diskRestorePoints/beginGetAccess/action"),
            ("ResourceActionSuccess", f"{POINTS}/diskRestorePoints/endGetAccess/action"),
            ("ResourceActionSuccess", f"{POINTS}/retrieveSasUris/action"),
        ]
        subjects = [event["subject"].replace("groups", "Groups") for event in az.events[1:]]
        assert subjects == [COLLECTION, POINT, copy["id"], copy["id"], POINT]


async def test_a_restore_point_needs_its_machine_and_its_collection() -> None:
    """And is written once."""
    async with azure_over_tls() as az:
        assert (await collection(az)).status == 404
        assert (await collection(az, f"{COMPUTE}/disks/db-01")).status == 400
        orphan = await az.call("PUT", POINT, {"properties": {}})
        assert (orphan.status, orphan.code) == (404, "ParentResourceNotFound")
        await copies(az)
        assert (await az.call("PUT", POINT, {"properties": {}})).status == 409

        await machine(az, path=f"{MACHINE}-b")
        assert (await collection(az, f"{MACHINE}-b")).code == "PropertyChangeNotAllowed"
        await az.call("DELETE", MACHINE)
        later = f"{COLLECTION}/restorePoints/tuesday"
        assert (await az.call("PUT", later, {"properties": {}})).status == 404
        assert (await az.call("GET", POINT)).status == 200
