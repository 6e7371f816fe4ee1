"""What leads to disks: machines, instances of scale sets, and restore points to their copies."""

from collections.abc import Iterable
from typing import Any

import pytest
from azure.mgmt.compute.operations import _operations as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import leads
from guards.engine.ids import ResourceId
from guards.engine.model import Lead
from tests.engine.samples import DISK_ID
from tests.engine.test_hostile_events import JSON
from tests.sandbox.test_arm_machines import MACHINE, SCALE_SET, disks, machine, scale_set
from tests.sandbox.test_arm_restore_points import POINT, copies
from tests.sandbox.test_arm_server import Azure, azure_over_tls

EACH = pytest.mark.parametrize("lead", leads.LEADS, ids=lambda lead: lead.resource_type)
MACHINES = pytest.mark.parametrize("lead", [leads.MACHINE, leads.SCALE_SET])
DATA = {"lun": 0, "createOption": "Empty"}


def _url(lead: Lead) -> str:
    if lead is leads.MACHINE:
        return sdk.build_virtual_machines_get_request("g", "m", "s").url
    if lead is leads.SCALE_SET:
        return sdk.build_virtual_machine_scale_set_vms_list_request("g", "v", "s").url
    return sdk.build_disk_restore_point_list_by_restore_point_request("g", "c", "p", "s").url


@EACH
def test_the_sdks_version_is_spoken(lead: Lead) -> None:
    """That of the one request that is made: of the machine, or of the list of children."""
    path, _, query = _url(lead).partition("?")
    assert query == f"api-version={lead.api_version}"
    assert path.endswith(f"/{lead.children}" if lead.children else "/virtualMachines/m")


@EACH
def test_a_lead_stays_within_its_type_and_only_reads(lead: Lead) -> None:
    """Its children, too: nothing in the guard's role changes a machine."""
    inside = f"{lead.resource_type}/"
    assert all(name.startswith(inside) for name in (*lead.operations, *lead.permissions))
    assert all(name.endswith("/read") for name in lead.permissions)
    assert f"{inside}write" in lead.operations
    assert set(lead.grants) <= set(lead.operations)
    if lead.children:
        assert f"{inside}{lead.children}/read" in lead.permissions


def test_only_a_restore_point_hands_out_links() -> None:
    """With retrieveSasUris, to all its copies."""
    point = f"{leads.RESTORE_POINT.resource_type}/retrieveSasUris/action"
    assert {name for lead in leads.LEADS for name in lead.grants} == {point}


def test_a_lead_leads_to_another_type_than_its_own() -> None:
    """Machines to disks, restore points to copies of disks."""
    own = leads.RESTORE_POINT.resource_type
    assert [lead.leads_to for lead in leads.LEADS] == [
        "Microsoft.Compute/disks",
        "Microsoft.Compute/disks",
        f"{own}/diskRestorePoints",
    ]


async def named(az: Azure, lead: Lead, path: str) -> list[object]:
    """The IDs that a lead finds at an Azure, read as it says."""
    if not lead.children:
        return list(lead.resources((await az.call("GET", path)).body))
    found: list[object] = []
    link = f"{path}/{lead.children}"
    for _ in range(9):
        page = (await az.call("GET", link)).body
        found += [one for body in page["value"] for one in lead.resources(body)]
        link = page.get("nextLink", "")
        if not link:
            return found
    raise AssertionError("too many pages")


async def test_a_machine_names_its_disks() -> None:
    """All that came with it, in the order of its profile."""
    async with azure_over_tls() as az:
        await machine(az, DATA, {**DATA, "lun": 7})
        there = await disks(az)
        assert await named(az, leads.MACHINE, MACHINE) == list(there)
        assert len(there) == 3


async def test_the_instances_of_a_scale_set_name_their_disks() -> None:
    """Of every page of the list."""
    async with azure_over_tls() as az:
        await scale_set(az, 7, DATA)
        there = await disks(az)
        found = await named(az, leads.SCALE_SET, SCALE_SET)
        assert sorted(map(str, found)) == sorted(there)
        assert len(there) == 14


async def test_a_restore_point_names_its_copies() -> None:
    """Each by its own ID, which fits the type it leads to."""
    async with azure_over_tls() as az:
        made = await copies(az, DATA)
        found = await named(az, leads.RESTORE_POINT, POINT)
        assert found == [copy["id"] for copy in made]
        types = {ResourceId.parse(one).type for one in found}
        assert types == {leads.RESTORE_POINT.leads_to}


def profile(os_disk: object, data: object) -> dict[str, Any]:
    """A machine's body with this storage profile."""
    return {"properties": {"storageProfile": {"osDisk": os_disk, "dataDisks": data}}}


HELD = {"name": "a", "managedDisk": {"id": DISK_ID, "storageAccountType": "Premium_LRS"}}
UNMANAGED = {"name": "b", "vhd": {"uri": "https://store.example/vhds/b.vhd"}}


@MACHINES
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (profile(HELD, [HELD]), [DISK_ID, DISK_ID]),
        (profile(HELD, []), [DISK_ID]),
        (profile(HELD, None), [DISK_ID]),
        (profile(None, [HELD]), [DISK_ID]),
        (profile(UNMANAGED, [UNMANAGED, HELD]), [DISK_ID]),
        (profile(HELD, HELD), [DISK_ID]),
        (profile({"managedDisk": None}, [None, "x", 7, [HELD], HELD]), [DISK_ID]),
        (profile(HELD, "disks"), [DISK_ID]),
        (profile(HELD, 7), [DISK_ID]),
        ({"properties": {"storageProfile": None}}, []),
        ({"properties": []}, []),
        ({}, []),
    ],
)
def test_what_is_no_managed_disk_is_passed_over(
    lead: Lead, body: dict[str, Any], expected: list[str]
) -> None:
    """One disk of an odd shape does not hide the others."""
    assert list(lead.resources(body)) == expected


@pytest.mark.parametrize("body", [{}, {"id": None}, {"name": "x"}])
def test_a_copy_without_an_id_names_nothing(body: dict[str, Any]) -> None:
    """There is nothing to look at."""
    assert list(leads.RESTORE_POINT.resources(body)) == []


def _holding(values: Iterable[str]) -> Any:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(values, JSON))


_DISKS = JSON | st.fixed_dictionaries({"managedDisk": _holding(["id"]) | JSON})
_PROFILES = st.fixed_dictionaries(
    {}, optional={"osDisk": _DISKS, "dataDisks": st.lists(_DISKS, max_size=5) | JSON}
)
_BODIES = JSON | st.fixed_dictionaries(
    {"properties": st.fixed_dictionaries({"storageProfile": _PROFILES | JSON}) | JSON},
    optional={"id": JSON},
)


@EACH
@settings(max_examples=25)
@given(body=_BODIES)
def test_a_body_of_any_shape_names_some_or_none(lead: Lead, body: Any) -> None:
    """Nothing is raised; what is no text is left to the parser of IDs."""
    found = lead.resources(body)
    assert None not in found
    assert len(found) <= 6
