"""What previews and decisions are measured with: made-up rows and policies, as large as real."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from random import Random
from typing import Any
from uuid import UUID

# Rows ------------------------------------------------------------------------------------------

_TEAMS = ("billing", "crm", "data", "edge", "fleet", "hr", "ledger", "media", "risk", "search")
_ENVIRONMENTS = ("prod", "test", "dev", "dr")
_LOCATIONS = ("westeurope", "northeurope", "germanywestcentral", "eastus2")
_TENANT = "5d0f27b1-9a3c-4b6e-8f15-6c2a7e90d341"


def _guid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128)))


_SUBSCRIPTIONS = tuple(_guid(Random(number)) for number in range(50))


def rows() -> Iterator[dict[str, Any]]:
    """An estate without end, always the same.

    Of a hundred rows 70 are disks, 24 snapshots, 3 registries, and 3 nothing that is guarded. About
    half are closed; many of the registries cannot be.
    """
    random = Random(1)
    number = 0
    while True:
        place = number % 100
        if place < 70:
            yield _disk(random, number)
        elif place < 94:
            yield _snapshot(random, number)
        elif place < 97:
            yield _registry(random, number)
        else:
            type_ = "Microsoft.Compute/diskAccesses"
            yield _resource(random, type_, f"access-{number}", {"provisioningState": "Succeeded"})
        number += 1


def _resource(
    random: Random, type_: str, name: str, properties: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """What all rows have in common; `{team}` in the name is the one whose it is."""
    subscription = random.choice(_SUBSCRIPTIONS)
    team, environment = random.choice(_TEAMS), random.choice(_ENVIRONMENTS)
    group = f"rg-{team}-{environment}"
    name = name.format(team=team)
    tags = {"environment": environment, "costCenter": str(random.randrange(1000, 9999))}
    if random.random() < 0.6:
        tag = random.choice(("owner", "Owner"))
        tags |= {tag: f"{team}-{random.randrange(20)}@contoso.example", "managed-by": "terraform"}
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{type_}/{name}",
        "name": name,
        "type": type_.lower(),
        "tenantId": _TENANT,
        "kind": "",
        "location": random.choice(_LOCATIONS),
        "resourceGroup": group,
        "subscriptionId": subscription,
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": properties,
        "tags": tags,
        "identity": None,
        "zones": None,
        "extendedLocation": None,
        **more,
    }


def _access(random: Random) -> dict[str, str]:
    """Half are closed; of the others some have only one of the two settings right."""
    network = random.choice(("DenyAll", "DenyAll", "DenyAll", "AllowAll", "AllowPrivate"))
    closed = network == "DenyAll" and random.random() < 0.8
    return {
        "networkAccessPolicy": network,
        "publicNetworkAccess": "Disabled" if closed else "Enabled",
        "dataAccessAuthMode": "None",
    }


def _stored(random: Random, size: int) -> dict[str, Any]:
    day = f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    return {
        "osType": random.choice(("Linux", "Windows")),
        "hyperVGeneration": "V2",
        "supportsHibernation": True,
        "supportedCapabilities": {
            "diskControllerTypes": "SCSI, NVMe",
            "acceleratedNetwork": True,
            "architecture": "x64",
        },
        "diskSizeGB": size,
        "diskSizeBytes": size << 30,
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "timeCreated": f"{day}T08:{random.randrange(60):02}:11.3041573Z",
        "uniqueId": _guid(random),
        "provisioningState": "Succeeded",
        **_access(random),
    }


def _disk(random: Random, number: int) -> dict[str, Any]:
    kind = random.choice(("os", "data", "pvc", "scratch"))
    machines = (
        f"/subscriptions/{random.choice(_SUBSCRIPTIONS)}/resourceGroups/RG-{number % 40}/providers"
        "/Microsoft.Compute"
    )
    pool = f"aks-pool{number % 200}-{number % 7}1840216-vmss"
    holder = {
        "os": f"{machines}/virtualMachines/vm-{number % 30_000}",
        "data": f"{machines}/virtualMachines/vm-{number % 30_000}",
        "pvc": f"{machines}/virtualMachineScaleSets/{pool}/virtualMachines/{number % 9}",
        "scratch": "",
    }[kind]
    size = random.choice((32, 64, 128, 512, 1024))
    properties = {
        "creationData": {
            "createOption": "FromImage",
            "imageReference": {
                "id": f"/Subscriptions/{_TENANT}/Providers/Microsoft.Compute/Locations/westeurope"
                "/Publishers/Canonical/ArtifactTypes/VMImage/Offers/ubuntu-24_04-lts/Skus/server"
                "/Versions/24.04.202602100"
            },
        },
        "diskIOPSReadWrite": size * 5,
        "diskMBpsReadWrite": 100,
        "diskState": "Attached" if holder else "Unattached",
        "tier": "P10",
        "LastOwnershipUpdateTime": "2026-01-14T08:21:44.9104561+00:00",
        **_stored(random, size),
    }
    return _resource(
        random,
        "Microsoft.Compute/disks",
        f"{kind}-{{team}}-{number:06}",
        properties,
        managedBy=holder,
        sku={"name": "Premium_LRS", "tier": "Premium"},
        zones=[str(random.randrange(1, 4))],
    )


def _snapshot(random: Random, number: int) -> dict[str, Any]:
    source = (
        f"/subscriptions/{random.choice(_SUBSCRIPTIONS)}/resourceGroups/rg-{random.choice(_TEAMS)}"
        f"-prod/providers/Microsoft.Compute/disks/data-{number}"
    )
    properties = {
        "creationData": {
            "createOption": "Copy",
            "sourceResourceId": source,
            "sourceUniqueId": _guid(random),
        },
        "incremental": True,
        "incrementalSnapshotFamilyId": _guid(random),
        "diskState": "Unattached",
        **_stored(random, 128),
    }
    name = random.choice(("nightly-{team}-%06d", "snap-{team}-%06d", "{team}-%06d-keep")) % number
    sku = {"name": "Standard_ZRS", "tier": "Standard"}
    return _resource(random, "Microsoft.Compute/snapshots", name, properties, sku=sku)


def _registry(random: Random, number: int) -> dict[str, Any]:
    tier = random.choice(("Basic", "Standard", "Premium", "Premium"))
    connection = {
        "id": f"/subscriptions/{_SUBSCRIPTIONS[0]}/resourceGroups/rg-hub/providers"
        f"/Microsoft.ContainerRegistry/registries/acr{number}/privateEndpointConnections/hub",
        "properties": {
            "privateEndpoint": {"id": f"/subscriptions/{_SUBSCRIPTIONS[0]}/x"},
            "privateLinkServiceConnectionState": {"status": "Approved", "actionsRequired": "None"},
            "provisioningState": "Succeeded",
        },
    }
    closed = tier == "Premium" and random.random() < 0.3
    off = {"status": "disabled"}
    properties = {
        "loginServer": f"acr{number}.azurecr.io",
        "creationDate": "2024-05-08T11:32:20.1184519Z",
        "provisioningState": "Succeeded",
        "adminUserEnabled": False,
        "policies": {
            "quarantinePolicy": off,
            "trustPolicy": {"type": "Notary", **off},
            "retentionPolicy": {"days": 7, "lastUpdatedTime": "2024-05-08T11:32:27Z", **off},
            "exportPolicy": {"status": "disabled" if closed else "enabled"},
            "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
            "softDeletePolicy": {"retentionDays": 7, **off},
        },
        "encryption": off,
        "dataEndpointEnabled": False,
        "dataEndpointHostNames": [],
        "privateEndpointConnections": [connection] if random.random() < 0.5 else [],
        "publicNetworkAccess": "Disabled" if closed else "Enabled",
        "networkRuleBypassOptions": "AzureServices",
        "zoneRedundancy": "Enabled",
        "anonymousPullEnabled": False,
    }
    return _resource(
        random,
        "Microsoft.ContainerRegistry/registries",
        f"acr{{team}}{number}",
        properties,
        sku={"name": tier, "tier": tier},
    )


# Policies --------------------------------------------------------------------------------------


def policy_of(entries: int) -> dict[str, Any]:
    """A policy with so many scopes and so many exemptions, places of all kinds among both."""
    scopes = [
        {"scope": place, **_CONTENTS[number % len(_CONTENTS)]}
        for number, place in enumerate(islice(_places(), max(0, entries - 1)))
    ]
    tagged = {"tag": {"name": "environment", "values": ["prod"]}, "profile": "strict"}
    below_subscriptions = (place for place in _places() if place.count("/") > 2)
    exempt = [*islice(cycle(below_subscriptions), entries)]
    return {
        "version": 1,
        "scopes": [tagged, *scopes] if entries else [],
        "exemptions": [
            {
                "scope": place,
                "rules": ["publicNetworkAccess"],
                "reason": "nightly copy to the archive",
                "owner": "backup@contoso.example",
                "approved_by": "security@contoso.example",
                "ticket": f"CHG{number:05}",
                "expires_on": f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}",
            }
            for number, place in enumerate(exempt)
        ],
    }


_CONTENTS = ({"mode": "audit"}, {"profile": "minimum"}, {"profile": "strict"})


def _places() -> Iterator[str]:
    """Some for all subscriptions, then ten for each; no two are alike specific and overlap."""
    yield "/subscriptions/*/resourceGroups/rg-sandbox-*"
    yield "/subscriptions/*/resourceGroups/*-sandpit"
    yield "/subscriptions/*/resourceGroups/*/providers/Microsoft.Compute/disks/*-temporary"
    for number, subscription in enumerate(_SUBSCRIPTIONS):
        here = f"/subscriptions/{subscription}"
        teams = _rotated(_TEAMS, number)
        yield here
        yield f"{here}/resourceGroups/rg-{teams[0]}-*"
        yield f"{here}/resourceGroups/*-dr"
        yield f"{here}/resourceGroups/rg-{teams[1]}-dev"
        compute = f"{here}/resourceGroups/rg-{teams[2]}-prod/providers/Microsoft.Compute"
        yield f"{compute}/disks/os-{teams[2]}-{number:06}"
        yield f"{compute}/disks/data-{teams[2]}-{number:06}"
        yield f"{compute}/disks/scratch-*"
        yield f"{compute}/snapshots/*-keep"
        anywhere = f"{here}/resourceGroups/rg-{teams[3]}-*/providers"
        yield f"{anywhere}/Microsoft.Compute/snapshots/nightly-*"
        yield f"{anywhere}/Microsoft.ContainerRegistry/registries/*{teams[3]}*"


def _rotated(words: Sequence[str], by: int) -> Sequence[str]:
    by %= len(words)
    return [*words[by:], *words[:by]]
