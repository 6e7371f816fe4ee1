"""The rules of managed disks and snapshots: who may export, and what contradicts what.

The two types differ in their members only. Error texts are Azure's where they were documented;
where Azure's answer is unknown the settings choose it (see `settings`).
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from sandbox.arm.access import (
    SAS_STATES,
    refuse_patch,
    refuse_resize,
    sas_words,
    without_link,
)
from sandbox.arm.bodies import (
    READ_ONLY,
    Body,
    Write,
    choice,
    envelope,
    location,
    members,
    part,
    timestamp,
)
from sandbox.arm.errors import ArmError, bad_request, conflict
from sandbox.arm.shapes import SNAPSHOT, Shape
from sandbox.arm.store import Store

CHOICES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    # name: allowed values, and the one that absence means
    "networkAccessPolicy": (("AllowAll", "AllowPrivate", "DenyAll"), "AllowAll"),
    "publicNetworkAccess": (("Enabled", "Disabled"), "Enabled"),
}
AUTH_MODES: Final = ("AzureActiveDirectory", "None")
STATES: Final = (
    *("Unattached", "Attached", "Reserved", "Frozen", "ActiveSAS", "ActiveSASFrozen"),
    *("ReadyToUpload", "ActiveUpload"),
)


def put(shape: Shape, write: Write) -> Body:
    """The disk after a PUT: what the body leaves out is at its default again, so open."""
    members(write.body, shape.top, shape.word)
    asked = part(write.body, "properties")
    members(asked, shape.properties, f"{shape.word}Properties", "properties.")
    refuse_resize(write, asked)
    before = write.current or {}
    managed_by = write.body.get("managedBy", before.get("managedBy")) or None
    kept = {k: v for k, v in write.old.items() if k in shape.read_only or k in shape.fixed}
    properties: Body = {
        **_defaults(shape, write, asked),
        **kept,
        **_settable(shape, asked),
        **{name: _choice(asked, name, default) for name, (_, default) in CHOICES.items()},
        "provisioningState": "Succeeded",
        "diskState": _state(asked, write.old, before.get("managedBy"), managed_by),
    }
    if access_id := asked.get("diskAccessId"):
        properties["diskAccessId"] = _access_id(access_id)
    _refuse_contradiction(properties)
    if before.get("managedBy"):
        _refuse_auth_mode_change(write, properties)
    properties["diskSizeBytes"] = _bytes(properties)
    return envelope(
        write,
        location=location(write),
        sku=_sku(write, before),
        zones=write.body.get("zones", before.get("zones")),
        extendedLocation=write.body.get("extendedLocation", before.get("extendedLocation")),
        managedBy=managed_by,
        properties=properties,
    )


def patch(shape: Shape, write: Write) -> Body:
    """The disk after a PATCH: only what the body names has changed."""
    assert write.current is not None
    members(write.body, {"properties", "tags", "sku"}, f"{shape.word}Update")
    asked = part(write.body, "properties")
    members(asked, shape.properties, f"{shape.word}UpdateProperties", "properties.")
    _refuse_fixed(shape, write, asked)
    refuse_resize(write, asked)
    refuse_patch(write)
    properties = {**write.old, **_settable(shape, asked)}
    for name, (_, default) in CHOICES.items():
        properties[name] = _choice(asked, name, write.old.get(name, default))
    _merge_access_id(write, asked, properties)
    _refuse_contradiction(properties)
    if write.current.get("managedBy"):
        _refuse_auth_mode_change(write, properties)
    properties["diskSizeBytes"] = _bytes(properties)
    kept = {k: v for k, v in write.current.items() if k not in READ_ONLY and k != "tags"}
    body = envelope(write, **{**kept, "sku": _sku(write, write.current), "properties": properties})
    ends_link = properties["networkAccessPolicy"] == "DenyAll"
    return without_link(body) if ends_link and not write.settings.sas_survives_patch else body


def refuse_delete(_store: Store, body: Body) -> None:
    """A disk in use stays."""
    if body.get("managedBy"):
        raise conflict(f"Disk {body['name']} is attached to VM {body['managedBy']}.")
    if body["properties"]["diskState"] in SAS_STATES:
        raise conflict(sas_words(body["name"]))


def _settable(shape: Shape, asked: Mapping[str, Any]) -> Body:
    """What a body sets as it is; null is as absent, and the disk access has rules of its own."""
    taken = {
        k: v
        for k, v in asked.items()
        if v is not None and k not in shape.read_only and k != "diskAccessId"
    }
    if "dataAccessAuthMode" in taken:
        taken["dataAccessAuthMode"] = choice(
            taken, "dataAccessAuthMode", AUTH_MODES, "None", target="properties."
        )
    size = taken.get("diskSizeGB", 1)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 65536:
        raise bad_request(
            f"The value '{size}' of parameter 'diskSizeGB' is out of range.",
            code="InvalidParameter",
            target="properties.diskSizeGB",
        )
    return taken


def _choice(asked: Mapping[str, Any], name: str, default: str) -> str:
    return choice(asked, name, CHOICES[name][0], default, target="properties.")


def _defaults(shape: Shape, write: Write, asked: Mapping[str, Any]) -> Body:
    """What Azure fills in when a disk is created, and what a PUT cannot take away."""
    defaults: Body = {
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": write.old.get("diskSizeGB", 32),
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
    }
    if shape is SNAPSHOT:
        defaults["incremental"] = False
    else:
        defaults.update(diskIOPSReadWrite=500, diskMBpsReadWrite=60)
    if write.old:
        _refuse_fixed(shape, write, asked)
    else:
        defaults.update(timeCreated=timestamp(), uniqueId=str(uuid.uuid4()))
    return defaults


def _state(
    asked: Mapping[str, Any],
    old: Mapping[str, Any],
    was_managed_by: str | None,
    managed_by: str | None,
) -> str:
    """The disk's state; that a PUT may choose it is the sandbox's own, for tests."""
    if managed_by == was_managed_by and "diskState" in old:
        default = str(old["diskState"])
    elif part(asked, "creationData").get("createOption") == "Upload":
        default = "ReadyToUpload"
    else:
        default = "Attached" if managed_by else "Unattached"
    return choice(asked, "diskState", STATES, default, target="properties.")


def _sku(write: Write, before: Mapping[str, Any]) -> Body:
    sku = part(write.body, "sku") or before.get("sku") or {"name": "Standard_LRS"}
    members(sku, {"name", "tier"}, "DiskSku", "sku.")
    name = sku.get("name") or "Standard_LRS"
    return {"name": name, "tier": name.partition("_")[0]}


def _bytes(properties: Mapping[str, Any]) -> int:
    size: int = properties["diskSizeGB"]
    return size << 30


def _merge_access_id(write: Write, asked: Mapping[str, Any], properties: Body) -> None:
    """Set, keep or take away the disk access; which empty value takes it away is a setting."""
    if "diskAccessId" not in asked:
        return
    given, clears = asked["diskAccessId"], write.settings.disk_access_clear
    if given:
        properties["diskAccessId"] = _access_id(given)
    elif (given is None and clears == "null") or (given == "" and clears == "empty"):
        properties.pop("diskAccessId", None)
    elif given is not None:
        raise _access_only_private()


def _access_id(given: object) -> str:
    text = str(given)
    if "/providers/microsoft.compute/diskaccesses/" not in text.lower():
        raise bad_request(
            f"The value '{text}' of parameter 'diskAccessId' is not the ID of a disk access.",
            code="InvalidParameter",
            target="properties.diskAccessId",
        )
    return text


def _refuse_contradiction(properties: Mapping[str, Any]) -> None:
    private = properties["networkAccessPolicy"] == "AllowPrivate"
    if private and not properties.get("diskAccessId"):
        raise ArmError(
            400,
            "ConflictingUserInput",
            "AllowPrivate NetworkAccessPolicy can only supported with Disk Access.",
        )
    if properties.get("diskAccessId") and not private:
        raise _access_only_private()


def _access_only_private() -> ArmError:
    return ArmError(
        400,
        "ConflictingUserInput",
        "Disk Access is only supported for disks with NetworkAccessPolicy AllowPrivate",
    )


def _refuse_auth_mode_change(write: Write, properties: Mapping[str, Any]) -> None:
    """Azure wants the disk detached first; the code of its refusal is not documented."""
    mode = properties.get("dataAccessAuthMode")
    before = write.old.get("dataAccessAuthMode")
    if mode == "AzureActiveDirectory" and before != mode:
        raise conflict(
            f"Cannot set dataAccessAuthMode of disk {write.name} to AzureActiveDirectory while it "
            "is attached to a VM. Detach the disk and try again."
        )


def _refuse_fixed(shape: Shape, write: Write, asked: Mapping[str, Any]) -> None:
    for name in sorted(shape.fixed & asked.keys()):
        value = asked[name]
        if value is not None and value != write.old.get(name):
            path = f"{shape.word.lower()}.{name}"
            raise ArmError(
                409,
                "PropertyChangeNotAllowed",
                f"Changing property '{path}' is not allowed.",
                target=path,
            )
