"""The disks that a machine's storage profile describes: named, made, attached and let go.

Documented: `osDisk` and up to 64 `dataDisks`; what is not attached is made with the machine, and
`managedDisk.additionalDiskProperties.managedDiskProperties` says who may export it (AllowAll if
absent); a deleted machine leaves its disks unless `deleteOption` says otherwise. That option is
kept here but not followed. The names Azure thinks up are imitated.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sandbox.arm import disks, shapes
from sandbox.arm.access import LINK_STATES
from sandbox.arm.bodies import Body, Write, choice, part, with_properties
from sandbox.arm.errors import ArmError, bad_request, conflict
from sandbox.arm.store import Resource, Store

DISKS: Final = "Microsoft.Compute/disks"
DISKS_KEY: Final = DISKS.lower()
MOST_DATA_DISKS: Final = 64
_OPTIONS: Final = ("FromImage", "Empty", "Attach", "Copy", "Restore")
_PASSED_ON: Final = ("networkAccessPolicy", "diskAccessId")


@dataclass(frozen=True)
class Machine:
    """Who holds the disks: a virtual machine, or an instance of a scale set."""

    id: str
    location: str
    profile: Mapping[str, Any]
    """The storage profile, filled in."""


def fill_in(
    profile: Mapping[str, Any], before: Mapping[str, Any], scope: str, stem: str
) -> dict[str, Any]:
    """A storage profile as GET shows it: every disk has a name and an ID.

    Args:
        profile: what the request says.
        before: what it was; a disk without a name keeps the one it has.
        scope: the ID of the resource group.
        stem: how new names begin.
    """
    given = profile.get("dataDisks") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request("'dataDisks' is a list of objects.", target="dataDisks")
    _refuse_data_disks(given)
    old = {one.get("lun"): one for one in before.get("dataDisks", [])}
    os_disk = _named(part(profile, "osDisk"), before.get("osDisk", {}), scope, f"{stem}_OsDisk_1")
    data = [
        _named(one, old.get(one["lun"], {}), scope, f"{stem}_disk{one['lun'] + 2}") for one in given
    ]
    return {**profile, "osDisk": os_disk, "dataDisks": data}


def without_names(profile: Mapping[str, Any]) -> Body:
    """The model of a scale set's instances, each of which has disks of its own."""
    os_disk, data = part(profile, "osDisk"), profile.get("dataDisks") or []
    if any(isinstance(one, dict) and "id" in part(one, "managedDisk") for one in (os_disk, *data)):
        raise bad_request("The disks of a scale set's instances cannot be attached ones.")
    nameless = [{k: v for k, v in one.items() if k != "name"} for one in (os_disk, *data)]
    return {**profile, "osDisk": nameless[0], "dataDisks": nameless[1:]}


def check(store: Store, write: Write, machine: Machine) -> None:
    """Before the machine is written.

    Raises:
        ArmError: a disk to attach is missing or somebody else's, or one cannot be made.
    """
    for disk in _disks(machine):
        there = store.get(DISKS_KEY, disk["managedDisk"]["id"].lower())
        if there is None:
            if disk["createOption"] == "Attach":
                raise _no_disk(disk)
            _new_disk(write, machine, disk)
        else:
            _refuse_existing(there.body, machine, disk)


def attach(store: Store, write: Write, machine: Machine) -> list[Resource]:
    """Make and attach the machine's disks, and let go of others; returns the new ones."""
    made, held = [], set()
    for disk in _disks(machine):
        key = disk["managedDisk"]["id"].lower()
        held.add(key)
        there = store.get(DISKS_KEY, key)
        if there is None:
            made.append(store.put(DISKS_KEY, key, _new_disk(write, machine, disk)))
        else:
            body = {**there.body, "managedBy": machine.id}
            there.body = with_properties(body, diskState="Attached")
    for other in held_by(store, machine.id):
        if other.key not in held:
            let_go(other)
    return made


def held_by(store: Store, machine_id: str) -> Iterator[Resource]:
    """The disks that a machine holds."""
    for disk in store.all(DISKS_KEY):
        if disk.body.get("managedBy", "").lower() == machine_id.lower():
            yield disk


def let_go(disk: Resource) -> None:
    """Detach a disk."""
    body = {name: value for name, value in disk.body.items() if name != "managedBy"}
    disk.body = with_properties(body, diskState="Unattached")


def _disks(machine: Machine) -> list[Body]:
    return [machine.profile["osDisk"], *machine.profile["dataDisks"]]


def _named(disk: Body, before: Mapping[str, Any], scope: str, stem: str) -> Body:
    """One disk of the profile with its name and ID."""
    option = choice(disk, "createOption", _OPTIONS, "FromImage", target="storageProfile.")
    managed = {**before.get("managedDisk", {}), **part(disk, "managedDisk")}
    if option == "Attach":
        if not managed.get("id"):
            raise bad_request(
                "Required parameter 'managedDisk.id' is missing (null).",
                code="InvalidParameter",
                target="managedDisk.id",
            )
        name = managed["id"].rpartition("/")[2]
    else:
        name = disk.get("name") or before.get("name") or f"{stem}_{secrets.token_hex(16)}"
        managed["id"] = f"{scope}/providers/{DISKS}/{name}"
    managed.setdefault("storageAccountType", "Premium_LRS")
    return {**disk, "name": name, "createOption": option, "managedDisk": managed}


def _new_disk(write: Write, machine: Machine, disk: Body) -> Body:
    """The disk's own body, by the rules of disks."""
    managed = disk["managedDisk"]
    wanted = part(part(managed, "additionalDiskProperties"), "managedDiskProperties")
    properties: Body = {
        "creationData": {"createOption": disk["createOption"]},
        "diskSizeGB": disk.get("diskSizeGB", 32),
        **{name: wanted[name] for name in _PASSED_ON if name in wanted},
    }
    if "osType" in disk:
        properties["osType"] = disk["osType"]
    body = {
        "location": machine.location,
        "sku": {"name": managed["storageAccountType"]},
        "managedBy": machine.id,
        "properties": properties,
    }
    own = replace(write, id=managed["id"], name=disk["name"], type=DISKS, body=body, current=None)
    return disks.put(shapes.DISK, own)


def _refuse_existing(there: Body, machine: Machine, disk: Body) -> None:
    """A disk that exists is the machine's already, or is free and meant to be attached."""
    holder = there.get("managedBy")
    if holder and holder.lower() != machine.id.lower():
        raise conflict(
            f"Disk {disk['name']} cannot be attached as it is already owned by VM {holder}."
        )
    if not holder and disk["createOption"] != "Attach":
        raise conflict(
            f"Disk {disk['name']} already exists in resource group. Only CreateOption.Attach is "
            "supported.",
            code="ConflictingUserInput",
        )
    if there["properties"]["diskState"] in LINK_STATES:
        raise conflict(f"Disk {disk['name']} cannot be attached while it has an active SAS URI.")


def _refuse_data_disks(given: list[Body]) -> None:
    if len(given) > MOST_DATA_DISKS:
        raise conflict(
            "The maximum number of data disks allowed to be attached to a VM of this size is "
            f"{MOST_DATA_DISKS}."
        )
    luns = [one.get("lun") for one in given]
    if any(not isinstance(lun, int) for lun in luns) or len(set(luns)) < len(luns):
        raise bad_request(
            "Every data disk has a 'lun' of its own.", code="InvalidParameter", target="lun"
        )


def _no_disk(disk: Body) -> ArmError:
    return ArmError(
        404, "NotFound", f"Disk '{disk['name']}' was not found: {disk['managedDisk']['id']}."
    )
