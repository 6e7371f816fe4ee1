"""Resource bodies and events as Azure writes them, open and closed, for the tests to vary."""

import copy
import json
from datetime import datetime
from typing import Any

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-data"
DISK_ID = f"{GROUP}/providers/Microsoft.Compute/disks/ledger-disk"
SNAPSHOT_ID = f"{GROUP}/providers/Microsoft.Compute/snapshots/ledger-snap"
REGISTRY_ID = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/acrledger"
DISK_ACCESS_ID = f"{GROUP}/providers/Microsoft.Compute/diskAccesses/backup"
ENDPOINT_ID = f"{REGISTRY_ID}/privateEndpointConnections/acrledger.0a1b2c"

GUARD_ID = "99999999-aaaa-bbbb-cccc-dddddddddddd"
ALICE_ID = "12121212-3434-5656-7878-909090909090"

MACHINE_ID = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm1"
SCALE_SET_ID = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/nodes"
POINT_ID = f"{GROUP}/providers/Microsoft.Compute/restorePointCollections/vm1/restorePoints/monday"
COPY_ID = f"{POINT_ID}/diskRestorePoints/ledger-disk_4ccf"

DISK_WRITE = "Microsoft.Compute/disks/write"
DISK_GRANT = "Microsoft.Compute/disks/beginGetAccess/action"
MACHINE_WRITE = "Microsoft.Compute/virtualMachines/write"
SCALE_SET_WRITE = "Microsoft.Compute/virtualMachineScaleSets/write"
POINT_WRITE = "Microsoft.Compute/restorePointCollections/restorePoints/write"
POINT_GRANT = "Microsoft.Compute/restorePointCollections/restorePoints/retrieveSasUris/action"
SNAPSHOT_WRITE = "Microsoft.Compute/snapshots/write"
REGISTRY_WRITE = "Microsoft.ContainerRegistry/registries/write"
ENDPOINT_DELETE = "Microsoft.ContainerRegistry/registries/privateEndpointConnections/delete"

OBJECT_ID_CLAIM = "http://schemas.microsoft.com/identity/claims/objectidentifier"
CLAIMS = {
    "aud": "https://management.core.windows.net/",
    "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    OBJECT_ID_CLAIM: ALICE_ID,
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "alice@contoso.example",
    "ipaddr": "203.0.113.7",
    "name": "Alice",
}


def disk(resource_id: str = DISK_ID, **properties: Any) -> dict[str, Any]:
    """A detached disk or snapshot, open unless told otherwise; None leaves a property out."""
    all_properties = {
        "diskSizeGB": 32,
        "diskState": "Unattached",
        "networkAccessPolicy": "AllowAll",
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        **properties,
    }
    return {
        "id": resource_id,
        "name": resource_id.rpartition("/")[2],
        "type": "/".join(resource_id.split("/")[6:8]),
        "location": "westeurope",
        "properties": {key: value for key, value in all_properties.items() if value is not None},
        "systemData": {"lastModifiedAt": "2026-03-01T11:59:58Z"},
    }


def closed_disk(resource_id: str = DISK_ID, **properties: Any) -> dict[str, Any]:
    """A disk or snapshot that the default policy accepts."""
    shut = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    return disk(resource_id, **{**shut, **properties})


def copy_of_disk(number: int = 0, **properties: Any) -> dict[str, Any]:
    """A copy of a disk in a restore point, closed unless told otherwise."""
    body = closed_disk(f"{COPY_ID}{number or ''}", **{"diskState": None, **properties})
    return {
        **body,
        "type": "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints",
    }


def machine(
    *disks: object, resource_id: str = MACHINE_ID, state: str = "Succeeded"
) -> dict[str, Any]:
    """A virtual machine, or an instance of a scale set, with these disks: the first has the OS."""
    first, *others = [{"managedDisk": {"id": one}} for one in disks] or [{}]
    profile = {"osDisk": first, "dataDisks": others}
    properties = {"provisioningState": state, "storageProfile": profile}
    return {"id": resource_id, "name": resource_id.rpartition("/")[2], "properties": properties}


def registry(
    *, export: str | None = "enabled", public: str | None = "Enabled",
    sku: str | None = "Premium", endpoint: str | None = "Approved",
) -> dict[str, Any]:  # fmt: skip
    """A registry; None leaves the setting, the tier or the private endpoint out."""
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "privateEndpointConnections": [],
    }
    if export is not None:
        properties["policies"] = {
            "quarantinePolicy": {"status": "disabled"},
            "exportPolicy": {"status": export},
        }
    if public is not None:
        properties["publicNetworkAccess"] = public
    if endpoint is not None:
        state = {"privateLinkServiceConnectionState": {"status": endpoint}}
        properties["privateEndpointConnections"] = [{"id": ENDPOINT_ID, "properties": state}]
    body: dict[str, Any] = {
        "id": REGISTRY_ID,
        "name": "acrledger",
        "type": "Microsoft.ContainerRegistry/registries",
        "properties": properties,
        "systemData": {"lastModifiedAt": "2026-03-01T11:59:58Z"},
    }
    return body if sku is None else {**body, "sku": {"name": sku, "tier": sku}}


def event(operation: str = DISK_WRITE, resource: str = DISK_ID, **data: Any) -> dict[str, Any]:
    """An event in the Event Grid schema; `data` replaces parts of its data, `id` its ID."""
    kind = {"action": "Action", "delete": "Delete"}.get(operation.rpartition("/")[2], "Write")
    return {
        "id": data.pop("id", "event-1"),
        "topic": f"/subscriptions/{SUBSCRIPTION}",
        "subject": resource,
        "eventType": f"Microsoft.Resources.Resource{kind}Success",
        "eventTime": "2026-03-01T11:59:59.1234567Z",
        "data": {
            "authorization": {
                "scope": resource,
                "action": operation,
                "evidence": {"role": "Owner", "principalId": ALICE_ID, "principalType": "User"},
            },
            "claims": copy.deepcopy(CLAIMS),
            "correlationId": "c0ffee00-0000-0000-0000-000000000001",
            "httpRequest": {"clientIpAddress": "203.0.113.7", "method": "PUT"},
            "resourceProvider": operation.partition("/")[0],
            "resourceUri": resource,
            "operationName": operation,
            "status": "Succeeded",
            "subscriptionId": SUBSCRIPTION,
            **data,
        },
        "dataVersion": "2",
        "metadataVersion": "1",
    }


def cloud_event(
    operation: str = DISK_WRITE, resource: str = DISK_ID, **data: Any
) -> dict[str, Any]:
    """The same in the CloudEvents schema."""
    old = event(operation, resource, **data)
    return {
        "specversion": "1.0",
        "id": old["id"],
        "source": old["topic"],
        "type": old["eventType"],
        "subject": old["subject"],
        "time": old["eventTime"],
        "data": old["data"],
    }


def anonymous(operation: str = DISK_WRITE, resource: str = DISK_ID, **data: Any) -> dict[str, Any]:
    """An event that does not tell who made the change, as Azure sometimes sends."""
    return event(operation, resource, claims={}, authorization={"scope": resource}, **data)


def grant(
    resource: str = DISK_ID, by: str = ALICE_ID, at: datetime | None = None, **data: Any
) -> dict[str, Any]:
    """The event of a SAS link that was handed out, a second before START unless told otherwise."""
    _, *types = resource.partition("/providers/")[2].split("/")
    operation = f"Microsoft.Compute/{'/'.join(types[::2])}/beginGetAccess/action"
    if by != ALICE_ID:
        data = {"claims": {OBJECT_ID_CLAIM: by}, "authorization": {"scope": resource}, **data}
    made = event(operation, resource, **data)
    return {**made, "eventTime": at.isoformat()} if at else made


def asked(seconds: int, access: str = "Read") -> dict[str, Any]:
    """`httpRequest` of an event that tells what the caller asked for."""
    body = {"access": access, "durationInSeconds": seconds}
    return {"clientIpAddress": "203.0.113.7", "method": "POST", "requestBody": json.dumps(body)}


def by_guard(operation: str = DISK_WRITE, resource: str = DISK_ID, **data: Any) -> dict[str, Any]:
    """An event of something the guard's identity did."""
    return event(operation, resource, claims={OBJECT_ID_CLAIM: GUARD_ID.upper()}, **data)
