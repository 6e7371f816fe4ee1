"""What is opened is closed, through the real worker library, SDKs, TLS, identity and queues."""

from typing import Any

import pytest

from sandbox.outside import Outside
from tests.e2e.names import DISK, OPEN, PREMIUM, REGISTRY, SNAPSHOT, fresh

APPROVED = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
CLOSED_REGISTRY = {
    "publicNetworkAccess": "Disabled",
    "policies": {"exportPolicy": {"status": "disabled"}},
    "privateEndpointConnections": [APPROVED],
}


async def closed_settings(outside: Outside, type_: str, name: str) -> dict[str, Any]:
    """The settings of a disk or snapshot that matter here."""
    properties = (await outside.get(type_, name))["properties"]
    keys = ("networkAccessPolicy", "publicNetworkAccess", "diskAccessId")
    return {key: properties.get(key) or None for key in keys}


@pytest.mark.parametrize("patch", ["sync", "async"])
@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
@pytest.mark.parametrize("type_", [DISK, SNAPSHOT])
async def test_an_open_disk_or_snapshot_is_closed_and_told(
    outside: Outside, type_: str, schema: str, patch: str
) -> None:
    """Either schema, answered at once or later: closed, one alert, one GET and one PATCH."""
    name = fresh("disk")
    await outside.settings(schema=schema, patch=patch, operation_s=0.5)
    await outside.put("mallory", type_, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    assert await closed_settings(outside, type_, name) == {
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
        "diskAccessId": None,
    }
    assert (alert["outcome"], alert["source"]) == ("reverted", "event")
    assert alert["caller"]["name"].startswith("mallory")
    methods = [call["method"] for call in await outside.guard_calls_of(name)]
    assert methods[:2] == ["GET", "PATCH"]
    assert methods.count("PATCH") == 1


@pytest.mark.parametrize("accepts", ["null", "empty"])
async def test_a_disk_access_is_cleared_whichever_empty_value_azure_takes(
    outside: Outside, accepts: str
) -> None:
    """Null first; if Azure calls that a conflict, once more with an empty string."""
    name = fresh("disk")
    access = await outside.put("owner", "Microsoft.Compute/diskAccesses", fresh("da"), {}, None)
    await outside.settings(disk_access_clear=accepts)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": access}
    await outside.put("mallory", DISK, name, private, PREMIUM)
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "reverted"
    settings = await closed_settings(outside, DISK, name)
    assert (settings["networkAccessPolicy"], settings["diskAccessId"]) == ("DenyAll", None)
    assert {"path": "properties.diskAccessId", "from": access, "to": None} in alert["changes"]


async def test_a_disk_access_that_azure_never_clears_is_told_and_not_tried_for_ever(
    outside: Outside,
) -> None:
    """Neither empty value accepted: one alert with Azure's words, two PATCHes, no loop."""
    name = fresh("disk")
    access = await outside.put("owner", "Microsoft.Compute/diskAccesses", fresh("da"), {}, None)
    await outside.settings(disk_access_clear="neither")
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": access}
    await outside.put("mallory", DISK, name, private, PREMIUM)
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "ConflictingUserInput" in alert["reason"]
    await outside.wait_until_idle()
    methods = [call["method"] for call in await outside.guard_calls_of(name)]
    assert methods == ["GET", "PATCH", "PATCH"]


@pytest.mark.parametrize("patch", ["sync", "async"])
async def test_an_open_registry_is_closed_in_one_patch(outside: Outside, patch: str) -> None:
    """Exports and public access go together, whether Azure answers 200 or 201."""
    name = fresh("registry")
    await outside.settings(patch=patch, operation_s=0.5)
    await outside.put("ci", REGISTRY, name, {"privateEndpointConnections": [APPROVED]}, PREMIUM)
    alert = await outside.alert_about(name)
    properties = (await outside.get(REGISTRY, name))["properties"]
    assert properties["publicNetworkAccess"] == "Disabled"
    assert properties["policies"]["exportPolicy"]["status"] == "disabled"
    assert alert["outcome"] == "reverted"
    methods = [call["method"] for call in await outside.guard_calls_of(name)]
    assert methods.count("PATCH") == 1


async def test_undo_restores_a_registry_in_the_order_azure_accepts(outside: Outside) -> None:
    """The requests of the alert's `undo`, sent in their order, bring the old values back."""
    name = fresh("registry")
    await outside.put("ci", REGISTRY, name, {"privateEndpointConnections": [APPROVED]}, PREMIUM)
    alert = await outside.alert_about(name)
    await outside.settings(event_at="never")  # else it is closed again
    for request in alert["undo"]:
        status, answer = await outside.arm(
            request["method"], request["path"], "owner", request["body"], request["apiVersion"]
        )
        assert status == 200, answer
    properties = (await outside.get(REGISTRY, name))["properties"]
    assert properties["publicNetworkAccess"] == "Enabled"
    assert properties["policies"]["exportPolicy"]["status"] == "enabled"


async def test_a_registry_without_approved_endpoint_is_blocked_not_broken(
    outside: Outside,
) -> None:
    """Closing it would cut everybody off: nothing is changed, the alert says what to do."""
    name = fresh("registry")
    await outside.put("mallory", REGISTRY, name, {}, PREMIUM)
    alert = await outside.alert_about(name)
    assert (alert["outcome"], alert["severity"]) == ("blocked", "critical")
    assert "private endpoint" in alert["reason"]
    assert (await outside.get(REGISTRY, name))["properties"]["publicNetworkAccess"] == "Enabled"
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]


async def test_a_registry_of_a_lower_tier_is_blocked_with_high_severity(
    outside: Outside,
) -> None:
    """Azure cannot close it, so nothing is tried."""
    name = fresh("registry")
    await outside.put("intern", REGISTRY, name, {}, "Standard")
    alert = await outside.alert_about(name)
    assert (alert["outcome"], alert["severity"]) == ("blocked", "high")
    assert "Premium" in alert["reason"]
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]


async def test_removing_the_private_endpoint_leads_to_the_registry(outside: Outside) -> None:
    """A write or delete of a private endpoint connection makes the guard look at its registry."""
    name = fresh("registry")
    path = await outside.put("owner", REGISTRY, name, CLOSED_REGISTRY, PREMIUM)
    await outside.wait_for_calls_of(name, 1)
    connection = f"{path}/privateEndpointConnections/endpoint-1"
    state = {"properties": {"privateLinkServiceConnectionState": {"status": "Rejected"}}}
    status, _ = await outside.arm("PUT", connection, "mallory", state)
    assert status in (200, 201)
    await outside.wait_for_calls_of(name, 2)
    status, _ = await outside.arm("DELETE", connection, "mallory")
    assert status in (200, 202, 204)
    await outside.wait_for_calls_of(name, 3)
    calls = await outside.guard_calls_of(name)
    assert [call["path"].rpartition("/")[2] for call in calls] == [name] * 3


async def test_export_pipelines_are_listed_only_to_explain_a_refusal(outside: Outside) -> None:
    """Azure refuses while a pipeline exists: the alert names it, and one GET was spent on it."""
    name = fresh("registry")
    closed_to_public = {
        "publicNetworkAccess": "Disabled",
        "policies": {"exportPolicy": {"status": "enabled"}},
        "privateEndpointConnections": [APPROVED],
    }
    path = await outside.put_unnoticed("owner", REGISTRY, name, closed_to_public, PREMIUM)
    pipeline = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "target": {
                "type": "AzureStorageBlobContainer",
                "uri": "https://x.blob.core.windows.net/c",
                "keyVaultUri": "https://x.vault.azure.net/secrets/s",
            }
        },
    }
    status, answer = await outside.arm(
        "PUT", f"{path}/exportPipelines/leaking", "mallory", pipeline, "2025-03-01-preview"
    )
    assert status in (200, 201), answer
    status, _ = await outside.arm("PATCH", path, "mallory", {"tags": {"touched": "yes"}})
    assert status == 200
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "leaking" in alert["reason"]
    assert "export pipelines" in alert["reason"]
    await outside.wait_until_idle()
    unnoticed, *calls = await outside.guard_calls_of(name)
    assert unnoticed["status"] == 404
    lists = [call for call in calls if call["path"].endswith("/exportPipelines")]
    others = sorted(call["method"] for call in calls if call not in lists)
    assert others == ["GET"] * 2 + ["PATCH"] * 2  # of the pipeline's own event, and of the tag's
    assert [call["method"] for call in lists] == ["GET"] * 2
