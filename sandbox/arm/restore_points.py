"""Restore points of virtual machines: copies of their disks that can be exported by themselves.

Documented: a collection names its machine; a restore point has a disk restore point for each disk
that is not excluded; these are read, listed, and give and revoke links, and nothing writes them, so
their networkAccessPolicy cannot be changed by a request. Undocumented, so guesses: that the policy
is taken over from the disk, that DenyAll refuses links here, too, that a restore point is not
written twice, and the whole shape of `retrieveSasUris`, which is known from the list of permissions
only ("get the properties of a restore point along with blob SAS URIs").
"""

import uuid
from typing import Final

from sandbox.arm import access
from sandbox.arm.bodies import (
    READ_ONLY,
    Body,
    Write,
    envelope,
    location,
    members,
    part,
    timestamp,
    with_properties,
)
from sandbox.arm.errors import ArmError, bad_request, conflict
from sandbox.arm.links import Link
from sandbox.arm.machines import MACHINES
from sandbox.arm.storage_profiles import DISKS_KEY
from sandbox.arm.store import Resource, Store

COLLECTIONS: Final = "Microsoft.Compute/restorePointCollections"
POINTS: Final = f"{COLLECTIONS}/restorePoints"
DISK_POINTS: Final = f"{POINTS}/diskRestorePoints"
HOUR_S: Final = 3600
_TAKEN_OVER: Final = (
    *("networkAccessPolicy", "publicNetworkAccess", "diskAccessId", "osType", "encryption"),
    *("hyperVGeneration", "securityProfile"),
)


def put_collection(write: Write) -> Body:
    """A collection after a PUT; its machine is chosen once."""
    members(write.body, READ_ONLY | {"location", "tags", "properties"}, "RestorePointCollection")
    asked = part(write.body, "properties")
    known = {"source", "instantAccess", "provisioningState", "restorePointCollectionId"}
    members(asked, known, "RestorePointCollectionProperties", "properties.")
    source = part(asked, "source") or write.old.get("source", {})
    machine = str(source.get("id", ""))
    if f"/providers/{MACHINES}/".lower() not in machine.lower():
        raise bad_request(
            "The source of a restore point collection is a virtual machine.",
            code="InvalidParameter",
            target="properties.source.id",
        )
    if write.old and machine.lower() != write.old["source"]["id"].lower():
        raise conflict(
            "Changing property 'source.id' is not allowed.", code="PropertyChangeNotAllowed"
        )
    properties = {
        **asked,
        "source": {"id": machine, "location": location(write)},
        "provisioningState": "Succeeded",
        "restorePointCollectionId": write.old.get("restorePointCollectionId") or str(uuid.uuid4()),
    }
    return envelope(write, location=location(write), properties=properties)


def check_collection(store: Store, _write: Write, body: Body) -> None:
    """The machine exists."""
    _machine(store, body)


def put_point(write: Write) -> Body:
    """A restore point after its PUT, still without what it copies."""
    members(write.body, READ_ONLY | {"properties"}, "RestorePoint")
    asked = part(write.body, "properties")
    known = {"excludeDisks", "consistencyMode", "sourceMetadata", "timeCreated"}
    members(
        asked, known | {"instantAccessDurationMinutes"}, "RestorePointProperties", "properties."
    )
    if write.current is not None:
        raise conflict(f"Restore point {write.name} exists; it cannot be changed.")
    properties = {
        "excludeDisks": asked.get("excludeDisks") or [],
        "consistencyMode": asked.get("consistencyMode") or "ApplicationConsistent",
        "provisioningState": "Succeeded",
        "timeCreated": timestamp(),
    }
    body = envelope(write, properties=properties)
    del body["tags"]
    return body


def check_point(store: Store, _write: Write, body: Body) -> None:
    """The machine still exists."""
    _machine(store, _collection(store, body))


def complete_point(store: Store, _write: Write, point: Resource) -> list[Resource]:
    """Copy the machine's disks; their copies are no disks, so no new disk is returned."""
    machine = _machine(store, _collection(store, point.body))
    excluded = {str(one.get("id", "")).lower() for one in point.body["properties"]["excludeDisks"]}
    profile = machine["properties"]["storageProfile"]
    copied = []
    for disk in (profile["osDisk"], *profile["dataDisks"]):
        source = store.get(DISKS_KEY, disk["managedDisk"]["id"].lower())
        if source is None or source.key in excluded:
            continue
        copy = _copy(point.body, source.body)
        store.put(DISK_POINTS.lower(), copy["id"].lower(), copy)
        shown = {k: disk[k] for k in ("lun", "name", "diskSizeGB", "osType") if k in disk}
        managed = {"id": source.body["id"]}
        link = {"id": copy["id"]}
        copied.append({**shown, "managedDisk": managed, "diskRestorePoint": link})
    metadata = {
        "vmId": machine["properties"]["vmId"],
        "location": machine["location"],
        "storageProfile": {
            "osDisk": next((one for one in copied if "lun" not in one), None),
            "dataDisks": [one for one in copied if "lun" in one],
        },
    }
    point.body = with_properties(point.body, sourceMetadata=metadata)
    return []


def begin(write: Write) -> access.Effect:
    """Hand out a link to one disk's copy, unless its policy forbids it or one is out."""
    assert write.current is not None
    kind, seconds = access.wanted(write.body)
    if kind != "Read":
        raise conflict(f"Disk restore point {write.name} can only be read.")
    if write.linked:
        raise conflict(f"Access to disk restore point {write.name} is granted already.")
    _refuse_closed(write.current)
    link = Link(write.id, write.type, kind, seconds)
    return access.Effect(write.current, {"accessSAS": link.url(write.base_url)}, (link,))


def end(write: Write) -> access.Effect:
    """Revoke the links to one disk's copy."""
    assert write.current is not None
    return access.Effect(write.current, revokes=True)


def retrieve(write: Write) -> access.Effect:
    """The restore point, and a link to each copy: for an hour, or `durationInSeconds`."""
    assert write.current is not None
    seconds = HOUR_S
    if "durationInSeconds" in write.body:
        _, seconds = access.wanted({"access": "Read", **write.body})
    links = []
    for copy in write.children("diskRestorePoints"):
        _refuse_closed(copy)
        links.append(Link(copy["id"], DISK_POINTS, "Read", seconds))
    uris = [{"id": link.resource_id, "accessSAS": link.url(write.base_url)} for link in links]
    return access.Effect(write.current, {**write.current, "sasUris": uris}, tuple(links))


def _refuse_closed(copy: Body) -> None:
    if copy["properties"].get("networkAccessPolicy") == "DenyAll":
        raise conflict(
            f"Access to disk restore point {copy['name']} cannot be granted because its "
            "NetworkAccessPolicy is DenyAll."
        )


def _copy(point: Body, disk: Body) -> Body:
    name = f"{disk['name']}_{uuid.uuid4()}"
    properties = disk["properties"]
    return {
        "id": f"{point['id']}/diskRestorePoints/{name}",
        "name": name,
        "type": DISK_POINTS,
        "properties": {
            "timeCreated": timestamp(),
            "sourceResourceId": disk["id"],
            "sourceUniqueId": properties["uniqueId"],
            "sourceResourceLocation": disk["location"],
            "familyId": str(uuid.uuid5(uuid.NAMESPACE_URL, properties["uniqueId"])),
            "completionPercent": 100,
            **{name: properties[name] for name in _TAKEN_OVER if name in properties},
        },
    }


def _collection(store: Store, point: Body) -> Body:
    collection = store.get(COLLECTIONS.lower(), point["id"].lower().rsplit("/", 2)[0])
    assert collection is not None  # a child's parent is checked before
    return collection.body


def _machine(store: Store, collection: Body) -> Body:
    machine_id = collection["properties"]["source"]["id"]
    machine = store.get(MACHINES.lower(), machine_id.lower())
    if machine is None:
        raise ArmError(404, "ResourceNotFound", f"The source VM '{machine_id}' was not found.")
    return machine.body
