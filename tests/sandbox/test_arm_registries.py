"""Registries: tiers, exports against public access, pipelines, endpoint connections."""

from typing import Any

import pytest

from tests.sandbox.test_arm_server import REGISTRY, Azure, Reply, azure

PIPELINE = f"{REGISTRY}/exportPipelines/nightly"
CONNECTION = f"{REGISTRY}/privateEndpointConnections/pe-1"
PREVIEW = "2025-03-01-preview"
CLOSED: dict[str, Any] = {
    "publicNetworkAccess": "Disabled",
    "policies": {"exportPolicy": {"status": "disabled"}},
}


async def registry(az: Azure, tier: str = "Premium", **properties: Any) -> Reply:
    """A registry, put by alice."""
    body = {"location": "westeurope", "sku": {"name": tier}, "properties": properties}
    return await az.call("PUT", REGISTRY, body)


async def patch(az: Azure, **properties: Any) -> Reply:
    """A PATCH of the registry's properties."""
    return await az.call("PATCH", REGISTRY, {"properties": properties})


def exports(reply: Reply) -> str:
    """What the export policy says."""
    status: str = reply.properties["policies"]["exportPolicy"]["status"]
    return status


async def test_a_new_registry_is_open_by_default() -> None:
    """Exports and public access are on; the other policies are there as in Azure."""
    async with azure() as az:
        reply = await registry(az)
        assert reply.status == 201
        assert (exports(reply), reply.properties["publicNetworkAccess"]) == ("enabled", "Enabled")
        assert reply.properties["loginServer"] == "images01.azurecr.io"
        assert (reply.properties["policies"]["trustPolicy"]) == {
            "type": "Notary",
            "status": "disabled",
        }
        assert reply.properties["privateEndpointConnections"] == []


async def test_one_patch_closes_exports_and_public_access() -> None:
    """Both in one request; other policies are kept, and values come in Azure's case."""
    async with azure() as az:
        kept = {"retentionPolicy": {"days": 30, "status": "enabled"}}
        before = await registry(az, policies=kept)
        reply = await patch(
            az,
            publicNetworkAccess="disabled",
            policies={"exportPolicy": {"status": "Disabled"}},
        )
        assert reply.status == 200
        assert (exports(reply), reply.properties["publicNetworkAccess"]) == ("disabled", "Disabled")
        old = before.properties["policies"]["retentionPolicy"]
        assert old == reply.properties["policies"]["retentionPolicy"]
        assert old["days"] == 30
        assert reply.body == (await az.call("GET", REGISTRY)).body


async def test_a_put_without_policies_opens_exports_again() -> None:
    """The redeployment that undoes a revert; a PATCH without policies does not."""
    async with azure() as az:
        await registry(az, **CLOSED)
        assert exports(await patch(az, adminUserEnabled=True)) == "disabled"
        assert exports(await registry(az, publicNetworkAccess="Disabled")) == "enabled"


@pytest.mark.parametrize("tier", ["Basic", "Standard"])
async def test_lower_tiers_can_disable_neither(tier: str) -> None:
    """Public access in Azure's words, exports with an error of its own."""
    async with azure() as az:
        await registry(az, tier)
        public = await patch(az, publicNetworkAccess="Disabled")
        assert (public.status, public.code) == (400, "DisablingPublicNetworkAccessNotSupported")
        assert public.message == (
            f"Disabling public network access is not supported for the SKU {tier}. For more "
            "information, please visit https://aka.ms/acr/private-link."
        )
        both = await patch(az, policies={"exportPolicy": {"status": "disabled"}})
        assert both.status == 400
        assert exports(await az.call("GET", REGISTRY)) == "enabled"


async def test_a_closed_registry_cannot_go_to_a_lower_tier() -> None:
    """The rules hold for what the registry becomes, whichever part the request changes."""
    async with azure() as az:
        await registry(az, **CLOSED)
        reply = await az.call("PATCH", REGISTRY, {"sku": {"name": "Basic"}})
        assert reply.status == 400
        assert (await az.call("GET", REGISTRY)).body["sku"]["tier"] == "Premium"


async def test_exports_stay_on_while_public_access_is_on() -> None:
    """Disabling exports alone is refused on a public registry."""
    async with azure() as az:
        await registry(az)
        reply = await patch(az, policies={"exportPolicy": {"status": "disabled"}})
        assert (reply.status, reply.code) == (400, "BadRequest")
        assert exports(await az.call("GET", REGISTRY)) == "enabled"


async def test_public_access_stays_off_while_exports_are_off() -> None:
    """In Azure's words; with exports on again, in the same request or before, it can be on."""
    async with azure() as az:
        await registry(az, **CLOSED)
        reply = await patch(az, publicNetworkAccess="Enabled")
        assert (reply.status, reply.code) == (400, "BadRequest")
        assert reply.message == (
            "Enabling public network access is not supported because the registry 'Images01' has "
            "exports disabled."
        )
        opened = await patch(
            az, publicNetworkAccess="Enabled", policies={"exportPolicy": {"status": "enabled"}}
        )
        assert (exports(opened), opened.properties["publicNetworkAccess"]) == ("enabled", "Enabled")


async def test_pipelines_and_disabled_exports_exclude_each_other() -> None:
    """Pipelines go first; then exports can be disabled, and no new pipeline comes."""
    async with azure() as az:
        await registry(az)
        pipeline = {"location": "westeurope", "properties": {"target": {"uri": "https://x"}}}
        assert (await az.call("PUT", PIPELINE, pipeline, version=PREVIEW)).status == 201
        refused = await patch(az, **CLOSED)
        assert (refused.status, refused.code) == (400, "BadRequest")
        assert "pipelines" in refused.message

        listed = await az.call("GET", f"{REGISTRY}/exportPipelines", version=PREVIEW)
        assert [one["name"] for one in listed.body["value"]] == ["nightly"]
        assert (await az.call("DELETE", PIPELINE, version=PREVIEW)).status == 200
        assert (await patch(az, **CLOSED)).status == 200
        assert (await az.call("PUT", PIPELINE, pipeline, version=PREVIEW)).status == 400


async def test_pipelines_exist_in_preview_versions_only() -> None:
    """A stable API version does not know the type."""
    async with azure() as az:
        await registry(az)
        reply = await az.call("GET", f"{REGISTRY}/exportPipelines", version="2025-11-01")
        assert (reply.status, reply.code) == (404, "InvalidResourceType")


async def test_endpoint_connections_are_children_and_part_of_the_registry() -> None:
    """Whichever way one looks or writes, it is the same list."""
    approved = {"privateLinkServiceConnectionState": {"status": "approved"}}
    async with azure() as az:
        made = await registry(az, privateEndpointConnections=[{"properties": approved}])
        [inside] = made.properties["privateEndpointConnections"]
        assert (
            inside["id"],
            inside["properties"]["privateLinkServiceConnectionState"]["status"],
        ) == (CONNECTION, "Approved")
        assert inside == (await az.call("GET", CONNECTION)).body

        second = f"{REGISTRY}/privateEndpointConnections/second"
        assert (await az.call("PUT", second, {"properties": {}})).status == 201
        await patch(az, adminUserEnabled=True)
        await az.call("DELETE", CONNECTION)
        listed = (await az.call("GET", REGISTRY)).properties["privateEndpointConnections"]
        assert [
            (one["name"], one["properties"]["privateLinkServiceConnectionState"]["status"])
            for one in listed
        ] == [("second", "Pending")]
        put_again = await registry(az)
        assert listed == put_again.properties["privateEndpointConnections"]


async def test_children_need_their_registry_and_go_with_it() -> None:
    """No orphans: neither before nor after."""
    async with azure() as az:
        orphan = await az.call("PUT", CONNECTION, {"properties": {}})
        assert (orphan.status, orphan.code) == (404, "ParentResourceNotFound")
        await registry(az, privateEndpointConnections=[{"name": "pe-1"}])
        await az.call("DELETE", REGISTRY)
        assert (await az.call("GET", CONNECTION)).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"properties": {"exportPolicy": {}}}, "InvalidRequestContent"),
        ({"properties": {"policies": {"exports": {}}}}, "InvalidRequestContent"),
        ({"properties": {"policies": {"exportPolicy": {"on": 1}}}}, "InvalidRequestContent"),
        ({"properties": {"policies": {"exportPolicy": {"status": "off"}}}}, "InvalidParameter"),
        ({"sku": {"name": "Gold"}}, "InvalidParameter"),
        ({"sku": None}, "MissingSku"),
    ],
)
async def test_bodies_azure_does_not_know_are_refused(body: dict[str, Any], code: str) -> None:
    """Unknown members, values and a missing tier."""
    async with azure() as az:
        reply = await az.call("PUT", REGISTRY, {"sku": {"name": "Premium"}, **body})
        assert (400, code) == (reply.status, reply.code)


async def test_a_registrys_name_has_letters_and_digits_only() -> None:
    """A name Azure would not take is refused."""
    async with azure() as az:
        bad = REGISTRY.replace("Images01", "my-images")
        reply = await az.call("PUT", bad, {"sku": {"name": "Basic"}})
        assert (reply.status, reply.code) == (400, "InvalidResourceName")
