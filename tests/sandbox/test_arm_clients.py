"""Other clients than these tests' own: Azure's libraries, and the people of `sandbox.outside`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient

from sandbox.arm.downloads import SIZE
from sandbox.certificates import Certificates
from sandbox.outside import Outside, path_of, until
from sandbox.storage import ACCOUNT, KEY
from tests.sandbox.clients import Credential
from tests.sandbox.test_arm_server import ARM_TOKEN, SUB, Azure, azure

READ = {"access": "Read", "durationInSeconds": 600}
SYSTEM = {"osDisk": {"createOption": "FromImage"}}
SNAPSHOTS = "Microsoft.Compute/snapshots"


@asynccontextmanager
async def azure_with_authority() -> AsyncIterator[tuple[Azure, str]]:
    """An ARM over TLS, and the file with the authority's certificate."""
    with closing(Certificates()) as certificates:
        server, client = certificates.server_context(), certificates.client_context()
        async with azure(server, client) as running:
            yield running, str(certificates.ca)


def options(az: Azure, ca: str) -> dict[str, Any]:
    """How Azure's libraries reach this ARM."""
    return {
        "credential": Credential(az.tokens),
        "subscription_id": SUB,
        "base_url": az.url,
        "credential_scopes": [f"{ARM_TOKEN}/.default"],
        "connection_verify": ca,
        "use_env_settings": False,
        "polling_interval": 0.05,
    }


def compute(az: Azure, ca: str) -> Any:
    """Azure's library; untyped, since it takes plain JSON, and its types do not say so."""
    return ComputeManagementClient(**options(az, ca))


async def machine(client: Any) -> str:
    """A machine; returns its ID."""
    model = {"location": "westeurope", "properties": {"storageProfile": SYSTEM}}
    poller = await client.virtual_machines.begin_create_or_update("rg", "web", model)
    return str((await poller.result()).id)


@pytest.mark.parametrize("patch", ["sync", "async"])
async def test_azures_library_exports_a_disk_and_ends_it(patch: str) -> None:
    """Models, operations and their ends are as it expects them."""
    async with azure_with_authority() as (az, ca):
        await az.settings(patch=patch, operation_s=0.05)
        async with compute(az, ca) as client:
            model = {
                "location": "westeurope",
                "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 32},
            }
            await (await client.disks.begin_create_or_update("rg", "db", model)).result()
            granted = await (await client.disks.begin_grant_access("rg", "db", READ)).result()
            assert granted.access_sas.startswith(f"{az.url}/md-")
            state = (await client.disks.get("rg", "db")).properties.disk_state
            assert state == "ActiveSAS"
            await (await client.disks.begin_revoke_access("rg", "db")).result()
            assert (await client.disks.get("rg", "db")).properties.disk_state == "Unattached"

            order = {"match": {"method": "DELETE"}, "accept": True}
            await az.call("POST", "/_sandbox/faults", order)
            await (await client.disks.begin_delete("rg", "db")).result()
            assert [disk.name async for disk in client.disks.list()] == []


@pytest.mark.parametrize("patch", ["sync", "async"])
async def test_azures_library_makes_a_restore_point_and_exports_it(patch: str) -> None:
    """From the machine to the link."""
    async with azure_with_authority() as (az, ca):
        await az.settings(patch=patch, operation_s=0.05)
        async with compute(az, ca) as client:
            source = {"source": {"id": await machine(client)}}
            model = {"location": "westeurope", "properties": source}
            await client.restore_point_collections.create_or_update("rg", "daily", model)
            poller = await client.restore_points.begin_create("rg", "daily", "one", {})
            point = await poller.result()
            copy = point.properties.source_metadata.storage_profile.os_disk.disk_restore_point
            place = ("rg", "daily", "one")
            listed = [one async for one in client.disk_restore_point.list_by_restore_point(*place)]
            assert [copy.id] == [one.id for one in listed]
            granting = await client.disk_restore_point.begin_grant_access(
                *place, listed[0].name, READ
            )
            link = (await granting.result()).access_sas
            async with az.session.head(link) as answer:
                assert answer.status == 200
            revoking = await client.disk_restore_point.begin_revoke_access(*place, listed[0].name)
            await revoking.result()
            async with az.session.head(link) as answer:
                assert answer.status == 403


async def test_azures_library_follows_the_pages_of_a_scale_set() -> None:
    """And finds each instance once."""
    model = {
        "location": "westeurope",
        "sku": {"name": "Standard_D2s_v5", "capacity": 11},
        "properties": {"virtualMachineProfile": {"storageProfile": SYSTEM}},
    }
    async with azure_with_authority() as (az, ca), compute(az, ca) as client:
        sets = client.virtual_machine_scale_sets
        await (await sets.begin_create_or_update("rg", "pool", model)).result()
        instances = client.virtual_machine_scale_set_vms.list("rg", "pool")
        found = [one.instance_id async for one in instances]
        assert found == [str(number) for number in range(11)]


@pytest.mark.parametrize("patch", ["sync", "async"])
async def test_azures_library_imports_into_a_registry(patch: str) -> None:
    """With 200 and with 202."""
    async with azure_with_authority() as (az, ca):
        await az.settings(patch=patch, operation_s=0.05)
        async with ContainerRegistryManagementClient(**options(az, ca)) as client:
            model = {"location": "westeurope", "sku": {"name": "Basic"}}
            await (await client.registries.begin_create("rg", "copies01", model)).result()
            az.events.clear()
            source = {"registryUri": "docker.io", "sourceImage": "library/nginx:1"}
            importing = await client.registries.begin_import_image(
                "rg", "copies01", {"source": source}
            )
            await importing.result()
            [event] = az.events
            assert event["data"]["operationName"].endswith("/registries/importImage/action")


async def test_somebody_outside_downloads_until_the_link_is_revoked() -> None:
    """What they received is less than all, and the list says that it was broken off."""
    async with azure_with_authority() as (az, ca):
        storage = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        queues = f"{storage}QueueEndpoint=http://127.0.0.1:1/{ACCOUNT};"
        endpoints = {"arm": az.url, "ca": ca, "queueConnection": queues}
        async with Outside(endpoints) as outside:
            path = await outside.put("alice", SNAPSHOTS, "nightly", {}, None)
            link = await outside.grant_access("mallory", path)
            assert await outside.link_status(link) == 200
            with pytest.raises(RuntimeError, match="409"):
                await outside.grant_access("mallory", path)

            download = asyncio.create_task(outside.download(link))

            async def begun() -> bool | None:
                return any(one["bytes"] for one in await outside.downloads()) or None

            await until(begun, "the download to begin")
            await outside.arm("POST", f"{path_of(SNAPSHOTS, 'nightly')}/endGetAccess", "guard-dog")
            assert 0 < await download < SIZE
            [listed] = await outside.downloads()
            assert (listed["resource"], listed["brokenOff"]) == (path, True)
            assert await outside.link_status(link) == 403
            assert await outside.download(link) == 0
