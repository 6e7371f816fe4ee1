"""How images leave a registry: pipelines and their runs, imports, and the other children."""

from typing import Any

import pytest

from tests.sandbox.test_arm_operations import result
from tests.sandbox.test_arm_registries import CLOSED, PIPELINE, PREVIEW, patch, registry
from tests.sandbox.test_arm_server import GROUP, REGISTRY, Azure, Reply, azure_over_tls

RUN = f"{REGISTRY}/pipelineRuns/run01"
TARGET = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/Copies01"
TYPE = "Microsoft.ContainerRegistry/registries"
SOURCE = {"resourceId": REGISTRY, "sourceImage": "app:1"}
IMPORT = {"source": SOURCE, "targetTags": ["app:1"]}
CHILDREN: dict[str, dict[str, Any]] = {
    "connectedRegistries": {"mode": "ReadOnly", "parent": {"syncProperties": {"tokenId": "t"}}},
    "tokens": {"scopeMapId": f"{REGISTRY}/scopeMaps/pullers", "status": "enabled"},
    "scopeMaps": {"description": "reads", "actions": ["repositories/app/content/read"]},
    "cacheRules": {"sourceRepository": "docker.io/library/nginx", "targetRepository": "nginx"},
}


async def pipeline(az: Azure, version: str = PREVIEW) -> Reply:
    """Mallory puts an export pipeline."""
    target = {
        "type": "AzureStorageBlobContainer",
        "uri": "https://away.blob.core.windows.net/out",
        "keyVaultUri": "https://away.vault.azure.net/secrets/sas",
    }
    body = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {"target": target, "options": ["OverwriteBlobs"]},
    }
    return await az.call("PUT", PIPELINE, body, caller="mallory", version=version)


async def run(az: Azure, pipeline_id: str | None = PIPELINE, **more: Any) -> Reply:
    """Mallory runs a pipeline."""
    request = {
        "pipelineResourceId": pipeline_id,
        "target": {"type": "AzureStorageBlob", "name": "out.tar.gz"},
        "artifacts": ["app:1"],
        **more,
    }
    body = {"properties": {"request": request}}
    return await az.call("PUT", RUN, body, caller="mallory", version=PREVIEW)


async def import_into(az: Azure, body: dict[str, Any]) -> Reply:
    """Mallory lets the other registry take an image."""
    tier = {"location": "westeurope", "sku": {"name": "Basic"}}
    await az.call("PUT", TARGET, tier)
    az.events.clear()
    return await az.call("POST", f"{TARGET}/importImage", body, caller="mallory")


async def test_a_pipeline_has_the_identity_that_azure_made() -> None:
    """Whoever reads it sees where it leads and as whom; the event says who made it."""
    async with azure_over_tls() as az:
        await registry(az)
        made = await pipeline(az)
        assert made.status == 201
        assert made.body["identity"].keys() == {"type", "principalId", "tenantId"}
        assert made.properties["target"]["uri"] == "https://away.blob.core.windows.net/out"
        assert made.properties["options"] == ["OverwriteBlobs"]
        assert made.body == (await az.call("GET", PIPELINE, version=PREVIEW)).body
        assert az.events[-1]["data"]["operationName"] == f"{TYPE}/exportPipelines/write"
        assert az.events[-1]["data"]["claims"]["name"] == "mallory"


async def test_a_pipelines_delete_may_take_a_while() -> None:
    """202 with a Location by a fault; until it is done exports cannot be disabled."""
    async with azure_over_tls() as az:
        await registry(az)
        await pipeline(az)
        await az.settings(operation_s=0.2)
        order = {"match": {"method": "DELETE", "path": "/exportPipelines/"}, "accept": True}
        await az.call("POST", "/_sandbox/faults", order)
        accepted = await az.call("DELETE", PIPELINE, version=PREVIEW)
        assert accepted.status == 202
        location = accepted.headers["Location"]
        assert location.startswith(f"{az.url}{REGISTRY}/operationStatuses/registries-")

        assert (await result(az, location)).status == 200
        assert (await az.call("GET", PIPELINE, version=PREVIEW)).status == 404
        assert (await patch(az, **CLOSED)).status == 200
        assert f"{TYPE}/exportPipelines/delete" in [e["data"]["operationName"] for e in az.events]


async def test_a_pipeline_that_is_being_deleted_still_counts() -> None:
    """Exports cannot be disabled before it is gone."""
    async with azure_over_tls() as az:
        await registry(az)
        await pipeline(az)
        await az.settings(operation_s=600)
        order = {"match": {"method": "DELETE"}, "accept": True}
        await az.call("POST", "/_sandbox/faults", order)
        assert (await az.call("DELETE", PIPELINE, version=PREVIEW)).status == 202
        assert (await patch(az, **CLOSED)).status == 400
        again = await az.call("DELETE", PIPELINE, version=PREVIEW)
        assert (again.status, again.code) == (409, "Conflict")


async def test_a_run_needs_its_pipeline() -> None:
    """Of the same registry; then it is over at once, and told of."""
    async with azure_over_tls() as az:
        await registry(az)
        missing = await run(az)
        assert missing.status == 404
        await pipeline(az)
        for wrong in (REGISTRY, PIPELINE.replace("Images01", "Copies01"), f"{PIPELINE}x"):
            assert (await run(az, wrong)).status == 404
        assert (await run(az, None)).status == 400

        az.events.clear()
        made = await run(az)
        assert made.status == 201
        assert made.properties["request"]["pipelineResourceId"] == PIPELINE
        assert made.properties["response"]["status"] == "Succeeded"
        assert made.body == (await az.call("GET", RUN, version=PREVIEW)).body
        listed = await az.call("GET", f"{REGISTRY}/pipelineRuns", version=PREVIEW)
        assert [one["name"] for one in listed.body["value"]] == ["run01"]
        assert [e["data"]["operationName"] for e in az.events] == [f"{TYPE}/pipelineRuns/write"]


@pytest.mark.parametrize("type_", ["exportPipelines", "pipelineRuns"])
@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ("2019-12-01-preview", 200, ""),
        ("2025-06-01-preview", 200, ""),
        ("2031-01-01-preview", 400, "NoRegisteredProviderFound"),
        ("2019-05-01-preview", 400, "NoRegisteredProviderFound"),
        ("2025-11-01", 404, "InvalidResourceType"),
    ],
)
async def test_transfer_is_known_in_some_previews_only(
    type_: str, version: str, status: int, code: str
) -> None:
    """The refusal names those that know it."""
    async with azure_over_tls() as az:
        await registry(az)
        reply = await az.call("GET", f"{REGISTRY}/{type_}", version=version)
        assert status == reply.status
        if code:
            assert code == reply.code
            assert f"'{version}'" in reply.message
            assert "2019-12-01-preview, 2020-11-01-preview, " in reply.message


@pytest.mark.parametrize("type_", CHILDREN)
async def test_plain_children_are_kept_as_they_are_put(type_: str) -> None:
    """PUT, GET, list, DELETE, and the events of both."""
    child = f"{REGISTRY}/{type_}/child-01"
    properties = CHILDREN[type_]
    async with azure_over_tls() as az:
        orphan = await az.call("PUT", child, {"properties": properties})
        assert (orphan.status, orphan.code) == (404, "ParentResourceNotFound")
        await registry(az)
        az.events.clear()
        made = await az.call("PUT", child, {"properties": properties})
        assert (made.status, made.body["type"]) == (201, f"{TYPE}/{type_}")
        assert properties.items() <= made.properties.items()
        assert made.properties["provisioningState"] == "Succeeded"
        again = await az.call("PUT", child, made.body)
        assert (again.status, again.properties) == (200, made.properties)
        assert again.body == (await az.call("GET", child)).body
        listed = await az.call("GET", f"{REGISTRY}/{type_}")
        assert listed.body["value"] == [again.body]

        assert (await az.call("DELETE", child)).status == 200
        assert (await az.call("GET", child)).status == 404
        verbs = [event["data"]["operationName"].rpartition("/")[2] for event in az.events]
        assert verbs == ["write", "write", "delete"]


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("connectedRegistries", {"mode": "ReadOnly"}),
        ("tokens", {"status": "enabled"}),
        ("scopeMaps", {}),
        ("cacheRules", {"sourceRepository": "x"}),
        ("cacheRules", {**CHILDREN["cacheRules"], "colour": "red"}),
    ],
)
async def test_plain_children_have_what_they_need_and_no_more(
    type_: str, properties: dict[str, Any]
) -> None:
    """A refused one does not exist."""
    child = f"{REGISTRY}/{type_}/child-01"
    async with azure_over_tls() as az:
        await registry(az)
        assert (await az.call("PUT", child, {"properties": properties})).status == 400
        assert (await az.call("GET", child)).status == 404


async def test_a_tokens_password_is_not_shown() -> None:
    """Its name is."""
    passwords = [{"name": "password1", "value": "hunter2"}]
    properties = {**CHILDREN["tokens"], "credentials": {"passwords": passwords}}
    async with azure_over_tls() as az:
        await registry(az)
        made = await az.call("PUT", f"{REGISTRY}/tokens/child-01", {"properties": properties})
        assert made.properties["credentials"] == {"passwords": [{"name": "password1"}]}


async def test_an_import_is_told_of_the_registry_that_receives() -> None:
    """The registry it came from raises nothing."""
    async with azure_over_tls() as az:
        await registry(az)
        assert (await import_into(az, IMPORT)).status == 200
        [event] = az.events
        assert event["eventType"] == "Microsoft.Resources.ResourceActionSuccess"
        assert event["data"]["operationName"] == f"{TYPE}/importImage/action"
        assert event["subject"].replace("groups", "Groups") == TARGET
        assert event["data"]["claims"]["name"] == "mallory"


async def test_an_import_may_take_a_while() -> None:
    """202 with a Location, and the event when it is done."""
    async with azure_over_tls() as az:
        await registry(az)
        await az.call("PUT", TARGET, {"location": "westeurope", "sku": {"name": "Basic"}})
        await az.settings(operation_s=0.05)
        await az.call("POST", "/_sandbox/faults", {"match": {"path": "Image$"}, "accept": True})
        az.events.clear()
        accepted = await az.call("POST", f"{TARGET}/importImage", IMPORT)
        assert (accepted.status, az.events) == (202, [])
        assert (await result(az, accepted.headers["Location"])).status == 200
        assert [e["data"]["operationName"] for e in az.events] == [f"{TYPE}/importImage/action"]


async def test_nothing_is_imported_from_a_closed_registry() -> None:
    """Exports disabled means imports elsewhere, too."""
    async with azure_over_tls() as az:
        await registry(az, **CLOSED)
        refused = await import_into(az, IMPORT)
        assert refused.status == 400
        assert "exports disabled" in refused.message
        assert az.events == []
        public = {"source": {"registryUri": "docker.io", "sourceImage": "library/nginx:1"}}
        assert (await import_into(az, public)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": {"resourceId": REGISTRY}},
        {"source": {"sourceImage": "app:1"}},
        {"source": {**SOURCE, "registryUri": "docker.io"}},
        {**IMPORT, "quickly": True},
    ],
)
async def test_an_import_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    """And nobody is told."""
    async with azure_over_tls() as az:
        await registry(az)
        assert (await import_into(az, body)).status == 400
        assert az.events == []
