"""From a change to the guarded resource it leads to, or to nothing, or to an alert."""

import pytest

from guards import GUARDS
from guards.engine.catalogue import locate
from guards.engine.errors import Unreadable
from guards.engine.model import Caller, ResourceChange
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    GROUP,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    disk,
    event,
)
from tests.engine.world import World

ENDPOINT_WRITE = ENDPOINT_DELETE.replace("/delete", "/write")
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
        ("", DISK_ID, DISK_ID),
        ("", ENDPOINT_ID, REGISTRY_ID),
    ],
)
def test_a_guarded_change_leads_to_its_resource(
    operation: str, resource: str, leads_to: str
) -> None:
    """A write to a child leads to the registry; without an operation the ID decides."""
    located = locate(_change(operation, resource), GUARDS)
    assert located is not None
    guard, found = located
    assert leads_to.lower() == found.key
    assert guard.resource_type.lower() == found.type.lower()


@pytest.mark.parametrize(
    ("operation", "resource", "event_type"),
    [
        ("Microsoft.Web/sites/write", f"{GROUP}/providers/Microsoft.Web/sites/s", WRITTEN),
        ("Microsoft.Compute/disks/delete", DISK_ID, WRITTEN),
        ("Microsoft.Compute/disks/endGetAccess/action", DISK_ID, WRITTEN),
        ("Microsoft.Compute/virtualMachines/write", DISK_ID, WRITTEN),
        ("Microsoft.Web/sites/write", "not an ID at all", WRITTEN),
        ("", DISK_ACCESS_ID, WRITTEN),
        ("", DISK_ID, "Microsoft.Storage.BlobCreated"),
        ("", "/blobServices/default/containers/x", "Microsoft.Storage.BlobCreated"),
    ],
)
async def test_what_is_not_guarded_costs_nothing(
    operation: str, resource: str, event_type: str
) -> None:
    """A broad subscription causes no calls and no alerts for other types."""
    assert locate(_change(operation, resource, event_type), GUARDS) is None
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
        (DISK_WRITE, GROUP),
        (DISK_WRITE, ""),
    ],
)
async def test_an_operation_that_does_not_fit_its_resource_is_told(
    operation: str, resource: str
) -> None:
    """A forged or broken event is not followed, and not dropped in silence."""
    with pytest.raises(Unreadable):
        locate(_change(operation, resource), GUARDS)
    world = World(disk())
    await world.event({**event(operation, resource), "subject": resource})
    assert world.arm.asked == []
    assert world.alert["outcome"] == "reported only"
    assert operation == world.alert["operationName"]
