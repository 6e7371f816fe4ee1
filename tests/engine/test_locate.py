"""From a change to the guarded resource it leads to, or to nothing, or to an alert."""

import pytest

from guards import GUARDS, LEADS
from guards.engine.catalogue import locate
from guards.engine.errors import Unreadable
from guards.engine.model import Caller, Guard, Lead, ResourceChange
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    GROUP,
    MACHINE_ID,
    MACHINE_WRITE,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    disk,
    event,
)
from tests.engine.world import World

ENDPOINT_WRITE = ENDPOINT_DELETE.replace("/delete", "/write")
IMAGE_ID = DISK_ACCESS_ID.replace("diskAccesses", "images")
WRITTEN = "Microsoft.Resources.ResourceWriteSuccess"


def _change(operation: str, resource: str, event_type: str = WRITTEN) -> ResourceChange:
    return ResourceChange("e", "", event_type, operation, resource, "", Caller())


@pytest.mark.parametrize(
    ("operation", "resource", "leads_to"),
    [
        (DISK_WRITE, DISK_ID, DISK_ID),
        (DISK_GRANT, DISK_ID, DISK_ID),
        (DISK_WRITE.upper(), DISK_ID.upper(), DISK_ID),
        (SNAPSHOT_WRITE, SNAPSHOT_ID, SNAPSHOT_ID),
        ("Microsoft.Compute/snapshots/beginGetAccess/action", SNAPSHOT_ID, SNAPSHOT_ID),
        (REGISTRY_WRITE, REGISTRY_ID, REGISTRY_ID),
        (ENDPOINT_WRITE, ENDPOINT_ID, REGISTRY_ID),
        (ENDPOINT_DELETE, ENDPOINT_ID, REGISTRY_ID),
        (ENDPOINT_DELETE, ENDPOINT_ID.lower(), REGISTRY_ID),
        ("Microsoft.Compute/diskAccesses/write", DISK_ACCESS_ID, DISK_ACCESS_ID),
        ("", DISK_ACCESS_ID, DISK_ACCESS_ID),
        ("", DISK_ID, DISK_ID),
        ("", ENDPOINT_ID, REGISTRY_ID),
    ],
)
def test_a_guarded_change_leads_to_its_resource(
    operation: str, resource: str, leads_to: str
) -> None:
    """A write to a child leads to the registry; without an operation the ID decides."""
    located = locate(_change(operation, resource), GUARDS, LEADS)
    assert located is not None
    guard, found = located
    assert isinstance(guard, Guard)
    assert leads_to.lower() == found.key
    assert guard.resource_type.lower() == found.type.lower()


@pytest.mark.parametrize(
    ("operation", "resource", "event_type"),
    [
        ("Microsoft.Web/sites/write", f"{GROUP}/providers/Microsoft.Web/sites/s", WRITTEN),
        ("Microsoft.Compute/disks/delete", DISK_ID, WRITTEN),
        ("Microsoft.Compute/disks/endGetAccess/action", DISK_ID, WRITTEN),
        ("Microsoft.Compute/virtualMachines/delete", MACHINE_ID, WRITTEN),
        ("Microsoft.Compute/virtualMachines/start/action", MACHINE_ID, WRITTEN),
        ("Microsoft.Web/sites/write", "not an ID at all", WRITTEN),
        ("", IMAGE_ID, WRITTEN),
        ("", MACHINE_ID, WRITTEN),
        ("", DISK_ID, "Microsoft.Storage.BlobCreated"),
        ("", "/blobServices/default/containers/x", "Microsoft.Storage.BlobCreated"),
    ],
)
async def test_what_is_not_guarded_costs_nothing(
    operation: str, resource: str, event_type: str
) -> None:
    """A broad subscription causes no calls and no alerts for other types."""
    assert locate(_change(operation, resource, event_type), GUARDS, LEADS) is None
    world = World(disk())
    await world.event({**event(operation, resource), "eventType": event_type})
    assert [call for call in world.trouble.calls if call != "own_id"] == []


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        (DISK_WRITE, SNAPSHOT_ID),
        (DISK_WRITE, REGISTRY_ID),
        (SNAPSHOT_WRITE, DISK_ID),
        (ENDPOINT_DELETE, DISK_ID),
        (REGISTRY_WRITE, DISK_ACCESS_ID),
        (MACHINE_WRITE, SNAPSHOT_ID),
        (MACHINE_WRITE, REGISTRY_ID),
        (MACHINE_WRITE, IMAGE_ID),
        ("Microsoft.Compute/virtualMachineScaleSets/write", MACHINE_ID),
        ("Microsoft.Compute/restorePointCollections/restorePoints/write", DISK_ID),
        (DISK_WRITE, GROUP),
        (DISK_WRITE, ""),
    ],
)
async def test_an_operation_that_does_not_fit_its_resource_is_told(
    operation: str, resource: str
) -> None:
    """A forged or broken event is not followed, and not dropped in silence."""
    with pytest.raises(Unreadable):
        locate(_change(operation, resource), GUARDS, LEADS)
    world = World(disk())
    await world.event({**event(operation, resource), "subject": resource})
    assert world.arm.asked == []
    assert world.alert["outcome"] == "reported only"
    assert operation == world.alert["operationName"]


@pytest.mark.parametrize("lead", LEADS, ids=lambda lead: lead.resource_type)
def test_the_operation_of_a_lead_leads_to_it_or_to_what_it_has_led_to(lead: Lead) -> None:
    """The first from an event, the second from guard-work; without leads it leads nowhere."""
    namespace, *types = lead.resource_type.split("/")
    its_id = f"{GROUP}/providers/{namespace}/" + "/".join(f"{type_}/x" for type_ in types)
    namespace, *types = lead.leads_to.split("/")
    led_to = f"{GROUP}/providers/{namespace}/" + "/".join(f"{type_}/x" for type_ in types)
    for operation in lead.operations:
        assert locate(_change(operation.upper(), its_id), GUARDS) is None
        found = locate(_change(operation.upper(), its_id.upper()), GUARDS, LEADS)
        assert found is not None
        assert (found[0], found[1].key) == (lead, its_id.lower())
        guarded = locate(_change(operation, led_to), GUARDS, LEADS)
        assert guarded is not None
        assert isinstance(guarded[0], Guard)
        assert (guarded[0].resource_type, str(guarded[1])) == (lead.leads_to, led_to)
