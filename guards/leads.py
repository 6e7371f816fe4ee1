"""What leads to disks without a word of theirs: machines, scale sets, and restore points.

Whether Azure raises events for the disks that a machine brings is undocumented; its own write is
always told. A restore point's copies have no write of their own at all.
"""

from collections.abc import Iterable

from guards.engine.model import Body, Lead
from guards.engine.rules import at

MACHINES_API_VERSION = "2026-04-01"
"""That of azure-mgmt-compute 39 for machines and for instances of scale sets; a test compares."""

COPIES_API_VERSION = "2026-03-02"
"""That of azure-mgmt-compute 39 for disk restore points; a test compares them."""

DISKS = "Microsoft.Compute/disks"
MACHINES = "Microsoft.Compute/virtualMachines"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
POINTS = "Microsoft.Compute/restorePointCollections/restorePoints"


def _disks(body: Body) -> tuple[object, ...]:
    """The IDs of the managed disks that a machine or an instance of a scale set has."""
    profile = "properties.storageProfile"
    data = at(body, f"{profile}.dataDisks")
    disks = (at(body, f"{profile}.osDisk"), *(data if isinstance(data, list) else ()))
    return _present(at(disk, "managedDisk.id") for disk in disks)


def _itself(body: Body) -> tuple[object, ...]:
    """The ID of the body."""
    return _present([at(body, "id")])


def _present(values: Iterable[object]) -> tuple[object, ...]:
    return tuple(value for value in values if value is not None)


MACHINE = Lead(
    resource_type=MACHINES,
    api_version=MACHINES_API_VERSION,
    operations=(f"{MACHINES}/write",),
    permissions=(f"{MACHINES}/read",),
    leads_to=DISKS,
    resources=_disks,
)
SCALE_SET = Lead(
    resource_type=SCALE_SETS,
    api_version=MACHINES_API_VERSION,
    operations=(f"{SCALE_SETS}/write",),
    permissions=(f"{SCALE_SETS}/read", f"{SCALE_SETS}/virtualMachines/read"),
    leads_to=DISKS,
    resources=_disks,
    children="virtualMachines",
)
RESTORE_POINT = Lead(
    resource_type=POINTS,
    api_version=COPIES_API_VERSION,
    operations=(f"{POINTS}/write", f"{POINTS}/retrieveSasUris/action"),
    permissions=(f"{POINTS}/read", f"{POINTS}/diskRestorePoints/read"),
    leads_to=f"{POINTS}/diskRestorePoints",
    resources=_itself,
    children="diskRestorePoints",
    grants=(f"{POINTS}/retrieveSasUris/action",),
)
LEADS = (MACHINE, SCALE_SET, RESTORE_POINT)
