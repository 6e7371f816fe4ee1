"""How images leave a registry beside `docker pull`: pipeline runs, imports, connected registries.

Documented: the bodies, that a run names a pipeline, that an import is an action of the registry
that receives, and that a registry with exports disabled cannot be imported from. Guesses: the codes
of the refusals. Runs are over at once and move nothing; import pipelines are not served. Tokens,
scope maps, cache rules and connected registries are plain children: kept as they are put.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.arm.access import Effect
from sandbox.arm.bodies import READ_ONLY, Body, Write, envelope, members, part, timestamp
from sandbox.arm.errors import ArmError, bad_request
from sandbox.arm.store import Store

REGISTRIES: Final = "Microsoft.ContainerRegistry/registries"
PIPELINES: Final = f"{REGISTRIES}/exportPipelines"
_AZURES: Final = frozenset({"provisioningState", "creationDate"})
_SECRETS: Final = frozenset({"value", "password"})


def pipeline_run(write: Write) -> Body:
    """A run of an export pipeline after a PUT."""
    members(write.body, READ_ONLY | {"properties"}, "PipelineRun")
    asked = part(write.body, "properties")
    known = {"request", "forceUpdateTag", "response", "provisioningState"}
    members(asked, known, "PipelineRunProperties", "properties.")
    request = part(asked, "request")
    known = {"pipelineResourceId", "artifacts", "source", "target", "catalogDigest"}
    members(request, known, "PipelineRunRequest", "properties.request.")
    _required(request, ("pipelineResourceId",), "properties.request.")
    now = timestamp()
    response = {
        "status": "Succeeded",
        "importedArtifacts": [],
        "progress": {"percentage": "100"},
        "startTime": now,
        "finishTime": now,
        "target": part(request, "target"),
    }
    tag = {"forceUpdateTag": asked["forceUpdateTag"]} if asked.get("forceUpdateTag") else {}
    return _child(write, {"request": request, "response": response, **tag})


def check_pipeline_run(store: Store, write: Write, body: Body) -> None:
    """The pipeline exists, in the same registry."""
    wanted = str(body["properties"]["request"]["pipelineResourceId"])
    registry = write.id.lower().rsplit("/", 2)[0]
    here = wanted.lower().startswith(f"{registry}/exportpipelines/")
    if not here or store.get(PIPELINES.lower(), wanted.lower()) is None:
        raise ArmError(404, "ResourceNotFound", f"The pipeline '{wanted}' was not found.")


def import_image(write: Write) -> Effect:
    """Take an image from elsewhere; the registry's body says nothing of it."""
    assert write.current is not None
    known = {"source", "targetTags", "untaggedTargetRepositories", "mode"}
    members(write.body, known, "ImportImageParameters")
    source = part(write.body, "source")
    known = {"resourceId", "registryUri", "credentials", "sourceImage"}
    members(source, known, "ImportSource", "source.")
    _required(source, ("sourceImage",), "source.")
    if bool(source.get("resourceId")) == bool(source.get("registryUri")):
        raise bad_request("Either 'source.resourceId' or 'source.registryUri' is required.")
    return Effect(write.current)


def check_import(store: Store, write: Write) -> None:
    """A registry of this ARM that has exports disabled gives nothing."""
    source_id = str(part(write.body, "source").get("resourceId") or "")
    source = store.get(REGISTRIES.lower(), source_id.lower())
    if source is None:
        return
    if source.body["properties"]["policies"]["exportPolicy"]["status"] == "disabled":
        raise bad_request(
            f"Importing from registry '{source.body['name']}' is not supported because it has "
            "exports disabled."
        )


def plain(
    word: str, known: set[str], required: tuple[str, ...] = (), **azures: Any
) -> Callable[[Write], Body]:
    """The rule of a child that is kept as it is put.

    Args:
        word: the type's name in refusals.
        known: the properties that a request may have.
        required: those it must have.
        azures: the properties that Azure sets.
    """

    def put(write: Write) -> Body:
        members(write.body, READ_ONLY | {"properties"}, word)
        asked = part(write.body, "properties")
        members(asked, known | _AZURES | azures.keys(), f"{word}Properties", "properties.")
        _required(asked, required, "properties.")
        kept = {k: _without_secrets(v) for k, v in asked.items() if k in known}
        created = write.old.get("creationDate") or timestamp()
        return _child(write, {**kept, **azures, "creationDate": created})

    return put


def _child(write: Write, properties: Mapping[str, Any]) -> Body:
    body = envelope(write, properties={**properties, "provisioningState": "Succeeded"})
    del body["tags"]
    return body


def _required(given: Mapping[str, Any], names: tuple[str, ...], path: str) -> None:
    for name in names:
        if not given.get(name):
            raise bad_request(
                f"The required property '{path}{name}' is missing.",
                code="InvalidParameter",
                target=f"{path}{name}",
            )


def _without_secrets(value: Any) -> Any:
    """A value without the passwords in it: what is secret goes in and never comes out."""
    if isinstance(value, dict):
        return {k: _without_secrets(v) for k, v in value.items() if k not in _SECRETS}
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    return value
