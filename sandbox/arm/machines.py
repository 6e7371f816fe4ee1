"""Virtual machines and uniform scale sets, as far as disks come and go with them.

Whether Azure raises events for the disks that a machine's PUT makes is undocumented: both outcomes
by the setting `implicit_disk_events`. The machine's own event comes always.
"""

import uuid
from typing import Any, Final

from sandbox.arm import storage_profiles
from sandbox.arm.bodies import READ_ONLY, Body, Write, envelope, location, members, part, timestamp
from sandbox.arm.errors import bad_request
from sandbox.arm.storage_profiles import Machine
from sandbox.arm.store import Resource, Store

MACHINES: Final = "Microsoft.Compute/virtualMachines"
SETS: Final = "Microsoft.Compute/virtualMachineScaleSets"
INSTANCES: Final = f"{SETS}/virtualMachines"
MOST_INSTANCES: Final = 1000
_TOP: Final = READ_ONLY | {
    *("location", "tags", "plan", "properties", "resources", "identity", "zones"),
    *("extendedLocation", "managedBy", "placement"),
}
_FILLED_IN: Final = frozenset({"provisioningState", "vmId", "timeCreated", "instanceView"})


def put_machine(write: Write) -> Body:
    """A virtual machine after a PUT; what it says beside its disks is kept as it is."""
    members(write.body, _TOP, "VirtualMachine")
    asked = part(write.body, "properties")
    profile = storage_profiles.fill_in(
        part(asked, "storageProfile"), part(write.old, "storageProfile"), _group(write), write.name
    )
    properties = {
        **_kept(asked),
        "storageProfile": profile,
        "provisioningState": "Succeeded",
        "vmId": write.old.get("vmId") or str(uuid.uuid4()),
        "timeCreated": write.old.get("timeCreated") or timestamp(),
    }
    return _body(write, properties, identity=write.body.get("identity"))


def check_machine(store: Store, write: Write, body: Body) -> None:
    """Refuse what its disks do not allow."""
    storage_profiles.check(store, write, _machine(body))


def complete_machine(store: Store, write: Write, machine: Resource) -> list[Resource]:
    """Bring the machine's disks about; returns the new ones."""
    return storage_profiles.attach(store, write, _machine(machine.body))


def leave_disks(store: Store, machine_id: str) -> None:
    """The machine is gone: its disks stay, unattached."""
    for disk in storage_profiles.held_by(store, machine_id):
        storage_profiles.let_go(disk)


def put_set(write: Write) -> Body:
    """A uniform scale set after a PUT; `sku.capacity` says how many instances it has."""
    members(write.body, _TOP | {"sku"}, "VirtualMachineScaleSet")
    asked = part(write.body, "properties")
    sku = part(write.body, "sku")
    capacity = sku.get("capacity", 0)
    whole = isinstance(capacity, int) and not isinstance(capacity, bool)
    if not whole or not 0 <= capacity <= MOST_INSTANCES:
        raise bad_request(
            f"The value '{capacity}' of parameter 'sku.capacity' is out of range.",
            code="InvalidParameter",
            target="sku.capacity",
        )
    if asked.get("orchestrationMode", "Uniform") != "Uniform":
        raise bad_request("Only uniform orchestration is imitated.", target="orchestrationMode")
    properties = {
        **asked,
        "orchestrationMode": "Uniform",
        "virtualMachineProfile": _kept(part(asked, "virtualMachineProfile")),
        "provisioningState": "Succeeded",
        "uniqueId": write.old.get("uniqueId") or str(uuid.uuid4()),
        "timeCreated": write.old.get("timeCreated") or timestamp(),
    }
    return _body(write, properties, sku={"tier": "Standard", **sku, "capacity": capacity})


def check_set(store: Store, write: Write, body: Body) -> None:
    """Refuse what the disks of an instance do not allow."""
    for number in range(min(1, body["sku"]["capacity"])):
        storage_profiles.check(store, write, _machine(_instance(body, number, {})))


def complete_set(store: Store, write: Write, scale_set: Resource) -> list[Resource]:
    """Make the instances that are missing, remove those too many; returns the new disks."""
    body = scale_set.body
    made, wanted = [], set()
    for number in range(body["sku"]["capacity"]):
        key = f"{scale_set.key}/virtualmachines/{number}"
        wanted.add(key)
        there = store.get(INSTANCES.lower(), key)
        before = part(there.body["properties"], "storageProfile") if there else {}
        instance = store.put(INSTANCES.lower(), key, _instance(body, number, before))
        made += storage_profiles.attach(store, write, _machine(instance.body))
    for instance in store.under(INSTANCES.lower(), scale_set.key):
        if instance.key not in wanted:
            store.remove(INSTANCES.lower(), instance.key)
            remove_disks(store, instance.body["id"])
    return made


def remove_disks(store: Store, instance_id: str) -> None:
    """An instance is gone, and its disks with it, as uniform scale sets have it."""
    for disk in storage_profiles.held_by(store, instance_id):
        store.remove(storage_profiles.DISKS_KEY, disk.key)


def remove_instance_disks(store: Store, set_id: str) -> None:
    """A scale set is gone, and with it all its instances and their disks."""
    below = f"{set_id}/virtualMachines/".lower()
    for disk in store.all(storage_profiles.DISKS_KEY):
        if disk.body.get("managedBy", "").lower().startswith(below):
            store.remove(storage_profiles.DISKS_KEY, disk.key)


def _instance(scale_set: Body, number: int, before: Body) -> Body:
    """The body of one instance."""
    stem = f"{scale_set['name']}_{scale_set['name']}_{number}"
    instance_id = f"{scale_set['id']}/virtualMachines/{number}"
    model = scale_set["properties"]["virtualMachineProfile"]
    group = scale_set["id"].partition("/providers/")[0]
    wanted = storage_profiles.without_names(part(model, "storageProfile"))
    profile = storage_profiles.fill_in(wanted, before, group, stem)
    return {
        "id": instance_id,
        "name": f"{scale_set['name']}_{number}",
        "type": INSTANCES,
        "location": scale_set["location"],
        "instanceId": str(number),
        "sku": {name: scale_set["sku"].get(name) for name in ("name", "tier")},
        "properties": {
            **model,
            "storageProfile": profile,
            "latestModelApplied": True,
            "vmId": str(uuid.uuid5(uuid.NAMESPACE_URL, instance_id)),
            "provisioningState": "Succeeded",
        },
    }


def _machine(body: Body) -> Machine:
    profile = body["properties"]["storageProfile"]
    return Machine(body["id"], body["location"], profile)


def _body(write: Write, properties: Body, **more: Any) -> Body:
    zones = write.body.get("zones", (write.current or {}).get("zones"))
    return envelope(write, location=location(write), zones=zones, **more, properties=properties)


def _kept(asked: Body) -> Body:
    """What a request says, without the passwords and what Azure fills in."""
    kept = {name: value for name, value in asked.items() if name not in _FILLED_IN}
    if "osProfile" in kept:
        hidden = {"adminPassword", "customData", "secrets"}
        profile = part(kept, "osProfile")
        kept["osProfile"] = {k: v for k, v in profile.items() if k not in hidden}
    return kept


def _group(write: Write) -> str:
    return write.id.partition("/providers/")[0]
