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


async def test_the_other_doors_are_as_azure_makes_them_and_can_be_closed() -> None:
    """No anonymous pull, trusted services pass; one PATCH in any tier, values in Azure's case."""
    async with azure() as az:
        made = await registry(az, "Standard")
        assert made.properties["anonymousPullEnabled"] is False
        assert made.properties["networkRuleBypassOptions"] == "AzureServices"
        await patch(az, anonymousPullEnabled=True)
        closed = await patch(az, anonymousPullEnabled=False, networkRuleBypassOptions="none")
        assert closed.status == 200
        assert closed.properties["anonymousPullEnabled"] is False
        assert closed.properties["networkRuleBypassOptions"] == "None"
        kept = await patch(az, adminUserEnabled=True)
        assert kept.properties["networkRuleBypassOptions"] == "None"
        assert closed.properties["publicNetworkAccess"] == "Enabled"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"anonymousPullEnabled": "false"}, "InvalidRequestContent"),
        ({"adminUserEnabled": 1}, "InvalidRequestContent"),
        ({"networkRuleBypassOptions": "Nobody"}, "InvalidParameter"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_door_takes_only_its_own_values(
    method: str, properties: dict[str, Any], code: str
) -> None:
    """Text is no boolean; the registry stays as it is."""
    async with azure() as az:
        before = await registry(az)
        sent = {"sku": {"name": "Premium"}, "properties": properties}
        reply = await az.call(method, REGISTRY, sent)
        assert (reply.status, reply.code) == (400, code)
        assert (await az.call("GET", REGISTRY)).body == before.body


DIAGNOSTICS = f"{REGISTRY}/providers/Microsoft.Insights/diagnosticSettings"
INSIGHTS = "2021-05-01-preview"
TO_SIEM: dict[str, Any] = {
    "workspaceId": "/subscriptions/s/workspaces/siem",
    "logs": [{"categoryGroup": "allLogs", "enabled": True}],
    "metrics": [{"category": "AllMetrics", "enabled": False}],
}


async def diagnostics(az: Azure, path: str = f"{DIAGNOSTICS}/to-siem", **changes: Any) -> Reply:
    """A diagnostic setting, put by alice; None leaves a property out."""
    properties = {k: v for k, v in {**TO_SIEM, **changes}.items() if v is not None}
    return await az.call("PUT", path, {"properties": properties}, version=INSIGHTS)


async def test_a_diagnostic_setting_is_put_listed_and_deleted() -> None:
    """On the registry; the registry's own body says nothing of it."""
    async with azure() as az:
        before = await registry(az)
        assert (await az.call("GET", DIAGNOSTICS, version=INSIGHTS)).body == {"value": []}
        made = await diagnostics(az)
        assert made.status == 200
        assert made.body["id"] == f"{DIAGNOSTICS}/to-siem"
        assert made.body["type"] == "Microsoft.Insights/diagnosticSettings"
        [log] = made.properties["logs"]
        assert (log["category"], log["categoryGroup"], log["enabled"]) == (None, "allLogs", True)
        assert made.properties["workspaceId"] == TO_SIEM["workspaceId"]
        assert (await diagnostics(az)).status == 200
        found = await az.call("GET", f"{DIAGNOSTICS}/to-siem", version=INSIGHTS)
        listed = await az.call("GET", DIAGNOSTICS.lower(), version=INSIGHTS)
        assert listed.body == {"value": [found.body]}
        assert (await az.call("GET", REGISTRY)).body == before.body

        assert (await az.call("DELETE", found.body["id"], version=INSIGHTS)).status == 200
        assert (await az.call("GET", DIAGNOSTICS, version=INSIGHTS)).body == {"value": []}


async def test_a_diagnostic_setting_belongs_to_one_resource() -> None:
    """A list shows neither those of children nor of registries that are called alike."""
    async with azure() as az:
        await registry(az)
        await az.call("PUT", f"{REGISTRY}2", {"sku": {"name": "Basic"}})
        await az.call("PUT", CONNECTION, {"properties": {}})
        for other in (f"{REGISTRY}2", CONNECTION):
            path = f"{other}/providers/Microsoft.Insights/diagnosticSettings/theirs"
            assert (await diagnostics(az, path)).status == 200
        assert (await az.call("GET", DIAGNOSTICS, version=INSIGHTS)).body == {"value": []}


async def test_a_diagnostic_setting_outlives_its_resource() -> None:
    """Nobody sees it until there is a resource of that ID again."""
    async with azure() as az:
        await registry(az)
        made = await diagnostics(az)
        await az.call("DELETE", REGISTRY)
        assert (await az.call("GET", DIAGNOSTICS, version=INSIGHTS)).status == 404
        await registry(az)
        listed = await az.call("GET", DIAGNOSTICS, version=INSIGHTS)
        assert listed.body == {"value": [made.body]}


async def test_diagnostic_settings_need_their_resource() -> None:
    """Neither written nor listed where there is nothing."""
    async with azure() as az:
        for reply in (
            await diagnostics(az),
            await az.call("GET", DIAGNOSTICS, version=INSIGHTS),
        ):
            assert (reply.status, reply.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    "changes",
    [
        {"workspaceId": None},
        {"logs": [{"enabled": True}]},
        {"logs": [{"category": "a", "categoryGroup": "b", "enabled": True}]},
        {"logs": [{"category": "a"}]},
        {"logs": [{"category": "a", "enabled": "true"}]},
        {"logs": [{"category": "a", "enabled": True, "colour": "red"}]},
        {"logs": ["all"]},
        {"metrics": {"category": "AllMetrics"}},
        {"colour": "red"},
    ],
)
async def test_a_diagnostic_setting_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    """It needs somewhere to go, and logs that say which."""
    async with azure() as az:
        await registry(az)
        assert (await diagnostics(az, **changes)).status == 400
        assert (await az.call("GET", DIAGNOSTICS, version=INSIGHTS)).body == {"value": []}


async def test_diagnostic_settings_exist_in_their_preview_version_only() -> None:
    """That of registries does not know them."""
    async with azure() as az:
        await registry(az)
        stable = await az.call("GET", DIAGNOSTICS, version="2025-11-01")
        assert (stable.status, stable.code) == (404, "InvalidResourceType")
        other = await az.call("GET", DIAGNOSTICS, version="2031-01-01-preview")
        assert (other.status, other.code) == (400, "NoRegisteredProviderFound")
