"""The other doors: export pipelines, imports, and roles with which data can be taken out."""

import uuid
from typing import Any

import pytest

from sandbox.arm.callers import named
from sandbox.outside import GROUP, SUBSCRIPTION, Outside
from tests.e2e.links import asked, properties_of, rules
from tests.e2e.names import BACKED, BACKUP, CLOSED, DISK, PIPED, PREMIUM, REGISTRY, fresh

PREVIEW = "2025-03-01-preview"
SECRET = "https://contoso-vault.vault.azure.net/secrets/sas-token"
APPROVED = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
EXPORTING = {
    "publicNetworkAccess": "Disabled",
    "policies": {"exportPolicy": {"status": "enabled"}},
    "privateEndpointConnections": [APPROVED],
}

ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
OPERATOR = f"{ROLES}/roleDefinitions/959f8984-c045-4866-89c7-12bf9737be2e"
READER = f"{ROLES}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"


async def exporting_registry(outside: Outside, kind: str, *pipelines: str) -> tuple[str, str]:
    """A registry whose exports are on, and its pipelines, none of it seen yet: name and ID."""
    name = fresh(kind)
    path = await outside.put_unnoticed("owner", REGISTRY, name, EXPORTING, PREMIUM)
    body = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "target": {
                "type": "AzureStorageBlobContainer",
                "uri": "https://thief.blob.core.windows.net/images",
                "keyVaultUri": SECRET,
            },
            "options": ["OverwriteBlobs"],
        },
    }
    for number, pipeline in enumerate(pipelines):
        await outside.hide(name)
        child = f"{path}/exportPipelines/{pipeline}"
        status, answer = await outside.arm("PUT", child, "mallory", body, PREVIEW)
        assert status in (200, 201), answer
        await outside.wait_for_calls_of(name, number + 2)
    await outside.forget_calls()
    return name, path


async def run_pipeline(outside: Outside, path: str, pipeline: str) -> None:
    """Somebody runs an export: an event of a child, which leads to the registry."""
    request = {"pipelineResourceId": f"{path}/exportPipelines/{pipeline}", "artifacts": ["app:1"]}
    body = {"properties": {"request": request}}
    status, answer = await outside.arm(
        "PUT", f"{path}/pipelineRuns/runitnow", "mallory", body, PREVIEW
    )
    assert status in (200, 201), answer


async def pipelines_of(outside: Outside, path: str) -> list[str]:
    """The names of a registry's export pipelines."""
    status, listed = await outside.arm("GET", f"{path}/exportPipelines", "owner", None, PREVIEW)
    assert status == 200, listed
    return [one["name"] for one in listed["value"]]


async def exports_of(outside: Outside, path: str) -> str:
    """Whether a registry's exports are enabled."""
    found: str = (await properties_of(outside, path))["policies"]["exportPolicy"]["status"]
    return found


async def test_a_pipeline_keeps_exports_on_and_the_alert_names_it(outside: Outside) -> None:
    """Without a word in the policy nothing is deleted: not reverted, and what to do."""
    name, path = await exporting_registry(outside, "registry", "leaking")
    await run_pipeline(outside, path, "leaking")
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "leaking" in alert["reason"]
    assert alert["deleted"] == []
    assert await pipelines_of(outside, path) == ["leaking"]
    assert await exports_of(outside, path) == "enabled"
    assert (await asked(outside, name)).count("DELETE") == 0


async def test_where_the_policy_says_so_pipelines_are_saved_and_deleted(outside: Outside) -> None:
    """All of them gone, exports off; the alert has their bodies and how to bring them back."""
    name, path = await exporting_registry(outside, PIPED, "first", "second")
    await run_pipeline(outside, path, "second")
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "reverted"
    assert await pipelines_of(outside, path) == []
    assert await exports_of(outside, path) == "disabled"
    methods = ["GET", "PATCH", "GET", "DELETE", "DELETE", "PATCH"]
    assert await asked(outside, name) == methods

    assert [body["name"] for body in alert["deleted"]] == ["first", "second"]
    for body in alert["deleted"]:
        assert body["properties"]["target"]["keyVaultUri"] == SECRET
        assert body["identity"]["principalId"]
    await outside.settings(event_at="never")  # else it is closed again in between
    for request in alert["undo"]:
        status, answer = await outside.arm(
            request["method"], request["path"], "owner", request["body"], request["apiVersion"]
        )
        assert status in (200, 201), answer
        if request["method"] == "PATCH":
            assert await exports_of(outside, path) == "enabled"
    assert [request["method"] for request in alert["undo"]] == ["PATCH", "PUT", "PUT"]


async def test_a_deletion_that_is_refused_is_told_with_what_is_left(outside: Outside) -> None:
    """The second pipeline stays, and with it the exports; what is gone is saved in the alert."""
    name, path = await exporting_registry(outside, PIPED, "first", "second")
    error = {"code": "AuthorizationFailed", "message": "No right to delete pipelines."}
    match = {"method": "DELETE", "caller": "guard", "path": f"{name}/exportPipelines/second"}
    await outside.fault({"match": match, "status": 403, "body": {"error": error}, "times": 9})
    await run_pipeline(outside, path, "first")
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "No right to delete pipelines" in alert["reason"]
    assert await pipelines_of(outside, path) == ["second"]
    assert await exports_of(outside, path) == "enabled"
    assert "first" in [body["name"] for body in alert["deleted"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "InvalidResourceType"), (400, "NoRegisteredProviderFound"), (404, "ResourceNotFound")],
)
async def test_pipelines_that_azure_does_not_serve_are_said_and_not_fatal(
    outside: Outside, status: int, code: str
) -> None:
    """The API version is gone: exports stay on, the alert says that nobody could list them."""
    name, path = await exporting_registry(outside, PIPED, "leaking")
    match = {"method": "GET", "caller": "guard", "path": f"{name}/exportPipelines"}
    error = {"code": code, "message": "Not served in this API version."}
    await outside.fault({"match": match, "status": status, "body": {"error": error}, "times": 9})
    await run_pipeline(outside, path, "leaking")
    alert = await outside.alert_about(name)
    await outside.wait_until_idle()
    assert alert["outcome"] == "not reverted"
    assert "exportPipelines" in alert["reason"]
    assert "Not served in this API version" in alert["reason"]
    assert await asked(outside, name) == ["GET", "PATCH", "GET"]
    assert len(await outside.alerts_about(name)) == 1


async def test_an_import_into_a_closed_registry_is_told_and_nothing_changed(
    outside: Outside,
) -> None:
    """Somebody pulls an image in: one GET, an alert with who, and the registry as it was."""
    name = fresh("target")
    closed = {**EXPORTING, "policies": {"exportPolicy": {"status": "disabled"}}}
    path = await outside.put_unnoticed("owner", REGISTRY, name, closed, PREMIUM)
    before = await properties_of(outside, path)
    await outside.forget_calls()
    source = {"registryUri": "elsewhere.azurecr.io", "sourceImage": "app:1"}
    await outside.act("mallory", path, "importImage", {"source": source})
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "reported only"
    assert rules(alert) == {"importImage"}
    assert alert["caller"]["name"].startswith("mallory")
    assert await properties_of(outside, path) == before
    assert await asked(outside, name) == ["GET"]


def assigned(role: str, caller: str) -> dict[str, Any]:
    """The body of a role assignment."""
    return {
        "properties": {
            "roleDefinitionId": role,
            "principalId": named(caller).object_id,
            "principalType": "User",
        }
    }


async def test_a_custom_role_that_lets_export_is_told(outside: Outside) -> None:
    """With what it gives; one that only reads is not."""
    loud, quiet = str(uuid.uuid4()), str(uuid.uuid4())
    actions = {loud: ["Microsoft.Compute/snapshots/*"], quiet: ["Microsoft.Compute/*/read"]}
    for guid, given in actions.items():
        properties = {
            "roleName": fresh("role"),
            "permissions": [{"actions": given}],
            "assignableScopes": [f"/subscriptions/{SUBSCRIPTION}"],
        }
        path = f"{ROLES}/roleDefinitions/{guid}"
        status, answer = await outside.arm("PUT", path, "mallory", {"properties": properties})
        assert status == 201, answer
        await outside.wait_for_calls_of(guid, 1)
    alert = await outside.alert_about(loud)
    await outside.wait_until_idle()
    assert (alert["outcome"], alert["severity"]) == ("reported only", "high")
    (finding,) = alert["findings"]
    assert finding["rule"] == "exportPermissions"
    assert "snapshots/beginGetAccess/action by Microsoft.Compute/snapshots/*" in finding["actual"]
    assert alert["caller"]["name"].startswith("mallory")
    assert await outside.alerts_about(quiet) == []
    assert await asked(outside, loud) == await asked(outside, quiet) == ["GET"]


async def test_who_gets_the_right_to_export_is_told_but_for_exporters(outside: Outside) -> None:
    """Data Operator for a stranger: who, what, where. For the listed backup, or a Reader: not."""
    disk = await outside.put("platform", DISK, fresh(BACKED), CLOSED, PREMIUM)
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    told = {
        "stranger": (group, OPERATOR, "eve"),
        "backup elsewhere": (group, OPERATOR, BACKUP),
    }
    untold = {
        "reader": (group, READER, "eve"),
        "backup": (disk, OPERATOR, BACKUP),
    }
    made = {}
    for what, (scope, role, who) in {**told, **untold}.items():
        made[what] = str(uuid.uuid4())
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{made[what]}"
        status, answer = await outside.arm("PUT", path, "owner", assigned(role, who))
        assert status == 201, answer
        await outside.wait_for_calls_of(made[what], 1)
    for what, (scope, _, who) in told.items():
        alert = await outside.alert_about(made[what])
        assert (alert["outcome"], alert["severity"]) == ("reported only", "high")
        (finding,) = alert["findings"]
        assert named(who).object_id in finding["actual"]
        assert "Data Operator for Managed Disks" in finding["actual"]
        assert scope in finding["actual"]
        assert alert["caller"]["name"].startswith("owner")
    await outside.wait_until_idle()
    assert [await outside.alerts_about(made[what]) for what in untold] == [[], []]
