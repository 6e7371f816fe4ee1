"""The small types: disk accesses, a registry's pipelines and endpoint connections, locks."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

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
from sandbox.arm.errors import ArmError, bad_request
from sandbox.identity import TENANT_ID

STATUSES: Final = ("Approved", "Pending", "Rejected", "Disconnected")
LEVELS: Final = ("CanNotDelete", "ReadOnly")
CONNECTION: Final = "Microsoft.ContainerRegistry/registries/privateEndpointConnections"
_PIPELINE: Final = frozenset({"target", "options", "provisioningState", "storageAccessMode"})


def disk_access(write: Write) -> Body:
    """A disk access after a PUT or PATCH."""
    members(
        write.body, READ_ONLY | {"location", "tags", "extendedLocation", "properties"}, "DiskAccess"
    )
    asked = part(write.body, "properties")
    known = {"provisioningState", "timeCreated", "privateEndpointConnections"}
    members(asked, known, "DiskAccessProperties", "properties.")
    properties = {"privateEndpointConnections": [], **write.old, "provisioningState": "Succeeded"}
    properties.setdefault("timeCreated", timestamp())
    return envelope(write, location=location(write), properties=properties)


def export_pipeline(write: Write) -> Body:
    """An export pipeline after a PUT; a registry without exports gets none."""
    members(write.body, READ_ONLY | {"location", "identity", "properties"}, "ExportPipeline")
    asked = part(write.body, "properties")
    members(asked, _PIPELINE, "ExportPipelineProperties", "properties.")
    target = part(asked, "target")
    members(
        target,
        {"type", "uri", "keyVaultUri"},
        "ExportPipelineTargetProperties",
        "properties.target.",
    )
    properties = {
        "target": {"type": "AzureStorageBlobContainer", **target},
        "options": asked.get("options") or [],
        "provisioningState": "Succeeded",
    }
    if "storageAccessMode" in asked:
        properties["storageAccessMode"] = asked["storageAccessMode"]
    body = envelope(
        write,
        location=location(write),
        identity=_identity(write),
        properties=properties,
    )
    del body["tags"]
    return body


def _identity(write: Write) -> Body | None:
    """The pipeline's identity; Azure thinks up the principal of one that it makes itself."""
    identity = part(write.body, "identity")
    if "systemassigned" not in str(identity.get("type", "")).lower():
        return identity or None
    principal = str(uuid.uuid5(uuid.NAMESPACE_URL, write.id.lower()))
    return {**identity, "principalId": principal, "tenantId": TENANT_ID}


def refuse_pipeline(registry: Mapping[str, Any]) -> None:
    """Pipelines are Premium's, and need exports.

    Raises:
        ArmError: 400, before a pipeline of `registry` is written.
    """
    name = registry["name"]
    if registry["sku"]["name"] != "Premium":
        raise bad_request(
            f"Export pipelines are not supported for the SKU {registry['sku']['name']}."
        )
    if registry["properties"]["policies"]["exportPolicy"]["status"] == "disabled":
        raise bad_request(
            f"Creating export pipelines is not supported because the registry '{name}' has "
            "exports disabled."
        )


def connection(write: Write) -> Body:
    """A private endpoint connection after a PUT."""
    members(write.body, READ_ONLY | {"properties"}, "PrivateEndpointConnection")
    return _connection(write.id, write.name, part(write.body, "properties"))


def connections(registry_id: str, given: object) -> list[Body]:
    """The connections of a registry as its PUT lists them; what they leave out is filled in."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request("'privateEndpointConnections' is a list of objects.")
    bodies = []
    for number, one in enumerate(given, 1):
        members(one, READ_ONLY | {"location", "properties"}, "PrivateEndpointConnection")
        name = str(one.get("name") or str(one.get("id") or f"pe-{number}").rpartition("/")[2])
        child_id = f"{registry_id}/privateEndpointConnections/{name}"
        bodies.append(_connection(child_id, name, part(one, "properties")))
    return bodies


def lock(write: Write) -> Body:
    """A management lock after a PUT."""
    members(write.body, READ_ONLY | {"properties"}, "ManagementLock")
    asked = part(write.body, "properties")
    members(asked, {"level", "notes", "owners"}, "ManagementLockProperties", "properties.")
    level = choice(asked, "level", LEVELS, "", target="properties.")
    if not level:
        raise ArmError(
            400,
            "InvalidLockLevel",
            f"The lock level is missing. The allowed values are {', '.join(LEVELS)}.",
        )
    return {
        "id": write.id,
        "name": write.name,
        "type": write.type,
        "properties": {**asked, "level": level},
    }


def _connection(child_id: str, name: str, asked: Body) -> Body:
    known = {
        "privateEndpoint",
        "privateLinkServiceConnectionState",
        "provisioningState",
        "groupIds",
    }
    members(asked, known, "PrivateEndpointConnectionProperties", "properties.")
    state = part(asked, "privateLinkServiceConnectionState")
    path = "properties.privateLinkServiceConnectionState."
    members(state, {"status", "description", "actionsRequired"}, "ConnectionState", path)
    group = child_id.partition("/providers/")[0]
    endpoint = {"id": f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"}
    return {
        "id": child_id,
        "name": name,
        "type": CONNECTION,
        "properties": {
            "privateEndpoint": asked.get("privateEndpoint") or endpoint,
            "privateLinkServiceConnectionState": {
                "description": "",
                "actionsRequired": "None",
                **state,
                "status": choice(state, "status", STATUSES, "Pending", target=path),
            },
            "provisioningState": "Succeeded",
        },
    }
