"""Virtual machines and scale sets: the disks that come, stay and go with them."""

from typing import Any

import pytest

from tests.sandbox.test_arm_links import grant
from tests.sandbox.test_arm_operations import result
from tests.sandbox.test_arm_server import COMPUTE, DISK, Azure, Reply, azure_over_tls

MACHINE = f"{COMPUTE}/virtualMachines/web-01"
SCALE_SET = f"{COMPUTE}/virtualMachineScaleSets/pool"
DISKS = f"{COMPUTE}/disks"
WRITE = "Microsoft.Compute/disks/write"
CLOSED = {"additionalDiskProperties": {"managedDiskProperties": {"networkAccessPolicy": "DenyAll"}}}


def profile(*data: dict[str, Any], **os_disk: Any) -> dict[str, Any]:
    """A storage profile with a disk for the system and these for data."""
    return {
        "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
        "osDisk": {"createOption": "FromImage", "osType": "Linux", **os_disk},
        "dataDisks": list(data),
    }


async def machine(az: Azure, *data: dict[str, Any], path: str = MACHINE, **os_disk: Any) -> Reply:
    """Alice puts a machine with these disks."""
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "osProfile": {"computerName": "web", "adminPassword": "hunter2-hunter2"},
        "storageProfile": profile(*data, **os_disk),
    }
    return await az.call("PUT", path, {"location": "westeurope", "properties": properties})


async def scale_set(az: Azure, capacity: object, *data: dict[str, Any], **os_disk: Any) -> Reply:
    """Alice puts a scale set of so many instances."""
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard_D2s_v5", "capacity": capacity},
        "properties": {"virtualMachineProfile": {"storageProfile": profile(*data, **os_disk)}},
    }
    return await az.call("PUT", SCALE_SET, body)


async def disks(az: Azure) -> dict[str, dict[str, Any]]:
    """All disks by ID."""
    return {disk["id"]: disk for disk in (await az.call("GET", DISKS)).body["value"]}


def operations(az: Azure) -> list[str]:
    """What the events so far tell of."""
    return [event["data"]["operationName"] for event in az.events]


async def test_a_machine_brings_its_disks() -> None:
    """Each is a disk like any other, held by the machine, open unless the model closes it."""
    async with azure_over_tls() as az:
        made = await machine(
            az,
            {"lun": 0, "createOption": "Empty", "diskSizeGB": 128, "name": "web-data"},
            {"lun": 7, "createOption": "Empty", "managedDisk": CLOSED},
        )
        assert made.status == 201
        assert made.body == (await az.call("GET", MACHINE)).body

        stored = made.properties["storageProfile"]
        shown = [stored["osDisk"], *stored["dataDisks"]]
        there = await disks(az)
        assert [one["managedDisk"]["id"] for one in shown] == list(there)
        system, data, closed = there.values()
        assert system["name"].startswith("web-01_OsDisk_1_")
        assert system["properties"]["osType"] == "Linux"
        assert (data["id"], data["properties"]["diskSizeGB"]) == (f"{DISKS}/web-data", 128)
        policies = [disk["properties"]["networkAccessPolicy"] for disk in there.values()]
        assert policies == ["AllowAll", "AllowAll", "DenyAll"]
        assert closed["name"].startswith("web-01_disk9_")
        for disk in there.values():
            assert (disk["managedBy"], disk["properties"]["diskState"]) == (MACHINE, "Attached")
            assert (await grant(az, disk["id"])).status == 409


@pytest.mark.parametrize("told", [False, True])
async def test_the_disks_of_a_machine_raise_events_only_if_the_setting_says_so(told: bool) -> None:
    """The machine's own event comes always, and its author is the disks' too."""
    async with azure_over_tls() as az:
        await az.settings(implicit_disk_events=told)
        await machine(az, {"lun": 0, "createOption": "Empty"})
        own = "Microsoft.Compute/virtualMachines/write"
        assert operations(az) == [own, *[WRITE] * (2 if told else 0)]
        subjects = {event["subject"].replace("groups", "Groups") for event in az.events[1:]}
        assert subjects == (set(await disks(az)) if told else set())
        assert {event["data"]["claims"]["name"] for event in az.events} == {"alice"}

        az.events.clear()
        await machine(az, {"lun": 0, "createOption": "Empty"})
        assert operations(az) == [own]


@pytest.mark.parametrize("moment", ["completed", "accepted"])
async def test_a_machine_may_be_made_by_an_operation(moment: str) -> None:
    """201 and Azure-AsyncOperation; its disks are there when it is done."""
    async with azure_over_tls() as az:
        await az.settings(
            patch="async", operation_s=0.05, event_at=moment, implicit_disk_events=True
        )
        accepted = await machine(az)
        assert (accepted.status, accepted.properties["provisioningState"]) == (201, "Creating")
        await result(az, accepted.headers["Azure-AsyncOperation"])
        assert (await az.call("GET", MACHINE)).properties["provisioningState"] == "Succeeded"
        assert len(await disks(az)) == 1
        assert sorted(operations(az)) == [WRITE, "Microsoft.Compute/virtualMachines/write"]


async def test_a_deleted_machine_leaves_its_disks() -> None:
    """They are nobody's then, and can be exported."""
    async with azure_over_tls() as az:
        await machine(az, {"lun": 0, "createOption": "Empty"})
        before = await disks(az)
        assert (await az.call("DELETE", MACHINE)).status == 200
        assert (await az.call("GET", MACHINE)).status == 404
        after = await disks(az)
        assert before.keys() == after.keys()
        for disk in after.values():
            assert "managedBy" not in disk
            assert disk["properties"]["diskState"] == "Unattached"
            assert (await grant(az, disk["id"])).status == 200


async def test_a_machine_put_again_keeps_its_disks_and_lets_go_of_the_others() -> None:
    """What the new body does not name any more is detached, not deleted."""
    async with azure_over_tls() as az:
        await machine(az, *({"lun": lun, "createOption": "Empty"} for lun in (0, 1)))
        before = await disks(az)
        system, kept, dropped = before
        await az.call("PATCH", system, {"properties": {"networkAccessPolicy": "DenyAll"}})
        await machine(az, {"lun": 0, "createOption": "Empty"})
        after = await disks(az)
        assert before.keys() == after.keys()
        assert after[system]["properties"]["networkAccessPolicy"] == "DenyAll"
        assert after[kept]["managedBy"] == MACHINE
        assert "managedBy" not in after[dropped]


async def test_an_existing_disk_is_attached_as_it_is() -> None:
    """Its settings stay; it is nobody else's meanwhile."""
    attached = {"lun": 0, "createOption": "Attach", "managedDisk": {"id": DISK}}
    async with azure_over_tls() as az:
        missing = await machine(az, attached)
        assert (missing.status, await disks(az)) == (404, {})
        await az.disk(networkAccessPolicy="DenyAll", diskSizeGB=64)
        assert (await machine(az, attached)).status == 201
        disk = (await az.call("GET", DISK)).body
        assert (disk["managedBy"], disk["properties"]["networkAccessPolicy"]) == (
            MACHINE,
            "DenyAll",
        )
        assert (await az.call("DELETE", DISK)).status == 409
        other = await machine(az, attached, path=f"{MACHINE}-b")
        assert (other.status, "already owned" in other.message) == (409, True)


async def test_a_disk_with_a_link_out_is_not_attached() -> None:
    """The machine is not made either."""
    async with azure_over_tls() as az:
        await az.disk()
        await grant(az)
        attached = {"lun": 0, "createOption": "Attach", "managedDisk": {"id": DISK}}
        assert (await machine(az, attached)).status == 409
        assert (await az.call("GET", MACHINE)).status == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ([{"lun": lun, "createOption": "Empty"} for lun in range(64)], 201),
        ([{"lun": lun, "createOption": "Empty"} for lun in range(65)], 409),
        ([{"lun": 0, "createOption": "Empty"}] * 2, 400),
        ([{"createOption": "Empty"}], 400),
        ([{"lun": 0, "createOption": "Attach"}], 400),
        ([{"lun": 0, "createOption": "Magic"}], 400),
        ([{"lun": 0, "createOption": "Empty", "name": "db-01"}], 409),
        (
            [
                {
                    "lun": 0,
                    "createOption": "Empty",
                    "managedDisk": {
                        "additionalDiskProperties": {
                            "managedDiskProperties": {"networkAccessPolicy": "AllowPrivate"}
                        }
                    },
                }
            ],
            400,
        ),
    ],
)
async def test_a_machine_has_at_most_64_data_disks_that_make_sense(
    data: list[dict[str, Any]], status: int
) -> None:
    """A refused machine has made nothing; `db-01` is there already."""
    async with azure_over_tls() as az:
        await az.disk()
        az.events.clear()
        assert status == (await machine(az, *data)).status
        new = len(data) + 1 if status == 201 else 0
        assert len(await disks(az)) == 1 + new
        assert len(az.events) == (1 if status == 201 else 0)


async def test_a_machines_password_is_not_shown() -> None:
    """As Azure: what is secret goes in and never comes out."""
    async with azure_over_tls() as az:
        assert "hunter2" not in str((await machine(az)).body)
        assert (await az.call("GET", MACHINE)).properties["osProfile"] == {"computerName": "web"}


async def test_the_instances_of_a_scale_set_come_in_pages() -> None:
    """Each page has a nextLink on this host but the last; every instance comes once."""
    async with azure_over_tls() as az:
        made = await scale_set(az, 12, {"lun": 0, "createOption": "Empty"})
        assert (made.status, made.body["sku"]["capacity"]) == (201, 12)
        seen, sizes, link = [], [], f"{SCALE_SET}/virtualMachines"
        for _ in range(10):
            page = (await az.call("GET", link)).body
            seen += page["value"]
            sizes.append(len(page["value"]))
            link = page.get("nextLink", "")
            if not link:
                break
            assert link.startswith(f"{az.url}{SCALE_SET}/virtualMachines?")
        assert sizes == [5, 5, 2]
        assert [one["instanceId"] for one in seen] == [str(number) for number in range(12)]
        assert seen[3] == (await az.call("GET", f"{SCALE_SET}/virtualMachines/3")).body

        there = await disks(az)
        assert len(there) == 24
        for one in seen:
            stored = one["properties"]["storageProfile"]
            for disk in (stored["osDisk"], *stored["dataDisks"]):
                assert there[disk["managedDisk"]["id"]]["managedBy"] == one["id"]


async def test_a_scale_set_is_scaled_by_putting_it_again() -> None:
    """Instances that stay keep their disks; those that go take theirs along."""
    async with azure_over_tls() as az:
        await scale_set(az, 2)
        two = await disks(az)
        await scale_set(az, 3)
        three = await disks(az)
        assert (len(three), two.keys() < three.keys()) == (3, True)
        await scale_set(az, 1)
        assert list(await disks(az)) == list(two)[:1]
        assert (await az.call("GET", f"{SCALE_SET}/virtualMachines/1")).status == 404


@pytest.mark.parametrize(("gone", "left"), [(SCALE_SET, 1), (f"{SCALE_SET}/virtualMachines/1", 2)])
async def test_what_goes_of_a_scale_set_takes_its_disks_along(gone: str, left: int) -> None:
    """The set or one instance; other disks stay."""
    async with azure_over_tls() as az:
        await az.disk()
        await scale_set(az, 2)
        assert (await az.call("DELETE", gone)).status == 200
        there = await disks(az)
        assert (left, DISK in there) == (len(there), True)


@pytest.mark.parametrize("told", [False, True])
async def test_a_scale_sets_disks_raise_events_by_the_same_setting(told: bool) -> None:
    """One for the set always, one for each disk if told."""
    async with azure_over_tls() as az:
        await az.settings(implicit_disk_events=told)
        await scale_set(az, 3)
        own = "Microsoft.Compute/virtualMachineScaleSets/write"
        assert operations(az) == [own, *[WRITE] * (3 if told else 0)]


@pytest.mark.parametrize("capacity", [-1, 1001, "2", True])
async def test_a_scale_set_has_a_sensible_size(capacity: object) -> None:
    """A number from 0 to 1000."""
    async with azure_over_tls() as az:
        assert (await scale_set(az, capacity)).status == 400
        assert (await az.call("GET", SCALE_SET)).status == 404


async def test_what_a_scale_set_cannot_be_here_is_refused() -> None:
    """Attached disks, flexible orchestration, instances by hand, pages that are none."""
    async with azure_over_tls() as az:
        attached = await scale_set(az, 1, createOption="Attach", managedDisk={"id": DISK})
        assert attached.status == 400
        flexible = {"properties": {"orchestrationMode": "Flexible"}}
        assert (await az.call("PUT", SCALE_SET, flexible)).status == 400
        await scale_set(az, 1)
        instance = f"{SCALE_SET}/virtualMachines/7"
        assert (await az.call("PUT", instance, {"location": "westeurope"})).status == 405
        wrong = f"{az.url}{SCALE_SET}/virtualMachines?api-version=2024-07-01&$skiptoken=-1"
        assert (await az.call("GET", wrong)).status == 400
