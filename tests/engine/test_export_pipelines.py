"""Export pipelines that stand in the way: saved, then deleted, where the policy says so."""

import json
from typing import Any

import pytest

from guards.engine.errors import GuardError, StillRunning, Terminal, Transient
from guards.engine.model import Mode
from tests.engine.policies import REGISTRIES, exemption, rules_of
from tests.engine.samples import REGISTRY_ID, REGISTRY_WRITE, event, registry
from tests.engine.world import World

VERSION = "2025-03-01-preview"
DELETE = {REGISTRIES: {"exportPolicy": {"export_pipelines": "delete"}}}
AUDITED = {REGISTRIES: {"exportPolicy": {"export_pipelines": "delete", "mode": "audit"}}}
RULES = rules_of(resources=DELETE)
TERMINAL = Terminal("export pipelines exist", code="ExportPolicyInvalid", status=400)
CONFLICT = Transient("export pipelines exist", code="Conflict", status=409)
NAMES = ("nightly", "to-partner", "weekly")


def pipeline(name: str, padding: int = 0) -> dict[str, Any]:
    """An export pipeline as Azure returns it."""
    return {
        "id": f"{REGISTRY_ID}/exportPipelines/{name}",
        "name": name,
        "type": f"{REGISTRIES}/exportPipelines",
        "location": "westeurope",
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {
            "target": {"type": "AzureStorageBlobContainer", "uri": f"https://x.example/{name}"},
            "options": ["OverwriteBlobs", "x" * padding],
            "provisioningState": "Succeeded",
        },
    }


def world_of(
    *pipelines: dict[str, Any], rules: str = RULES, refusal: GuardError = TERMINAL
) -> World:
    """A registry that Azure refuses to close while it has export pipelines."""
    world = World(registry(), *pipelines, rules=rules)

    def refuse() -> None:
        if left(world):
            raise refusal

    world.arm.at_patch = refuse
    return world


def left(world: World) -> set[str]:
    """The names of the pipelines that still exist."""
    return {body["name"] for body in world.arm.bodies.values() if "exportPipelines" in body["id"]}


def is_closed(world: World) -> bool:
    """Whether exports and public access are off."""
    now = world.properties(REGISTRY_ID)
    settings = (now["policies"]["exportPolicy"]["status"], now["publicNetworkAccess"])
    return settings == ("disabled", "Disabled")


def saved(world: World) -> set[str]:
    """The names of all pipelines whose bodies are in an alert."""
    return {body["name"] for alert in world.alerts for body in alert["deleted"]}


async def written(world: World, **data: Any) -> None:
    """The registry is written, and what follows happens."""
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID, **data))


@pytest.mark.parametrize("refusal", [TERMINAL, CONFLICT], ids=["400", "409"])
async def test_pipelines_are_saved_then_deleted_then_exports_are_disabled(
    refusal: GuardError,
) -> None:
    """The bodies are in the queue before the first is deleted."""
    world = world_of(*map(pipeline, NAMES), refusal=refusal)
    await written(world)
    before = ["arm.get", "work.put", "arm.children", "work.put", "work.delete"]
    after = ["arm.delete"] * 3 + ["arm.patch", "alerts.put", "work.delete"]
    assert world.trouble.calls[2:] == before + after
    assert (left(world), is_closed(world), len(world.arm.patches)) == (set(), True, 2)
    assert (world.alert["outcome"], world.intents) == ("reverted", [])


async def test_the_alert_has_their_bodies_and_how_to_bring_them_back() -> None:
    """Whole bodies as Azure returned them; what is written again has nothing of Azure's own."""
    world = world_of(*map(pipeline, NAMES))
    await written(world)
    assert world.alert["deleted"] == [{**pipeline(n), "apiVersion": VERSION} for n in NAMES]
    patches, puts = world.alert["undo"][:-3], world.alert["undo"][-3:]
    assert [request["method"] for request in patches] == ["PATCH"] * len(patches)
    assert patches[0]["body"]["properties"]["policies"]["exportPolicy"]["status"] == "enabled"
    for name, request in zip(NAMES, puts, strict=True):
        whole = pipeline(name)
        assert (request["method"], request["apiVersion"]) == ("PUT", VERSION)
        assert request["path"] == whole["id"]
        del whole["properties"]["provisioningState"]
        assert request["body"] == {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": whole["properties"],
        }


@pytest.mark.parametrize("refusal", [TERMINAL, CONFLICT], ids=["400", "409"])
async def test_unless_the_policy_says_delete_they_are_only_named(refusal: GuardError) -> None:
    """Somebody's pipelines are theirs."""
    world = world_of(*map(pipeline, NAMES), rules="", refusal=refusal)
    await written(world)
    await world.settle()
    assert (left(world), world.arm.deleted) == (set(NAMES), [])
    assert (world.alert["outcome"], world.alert["deleted"]) == ("not reverted", [])
    assert all(name in world.alert["reason"] for name in NAMES)


@pytest.mark.parametrize(
    "rules",
    [
        rules_of(resources=DELETE, exemptions=[exemption(rules=["exportPolicy"])]),
        rules_of(resources=AUDITED),
    ],
    ids=["exempt", "audit"],
)  # fmt: skip
async def test_where_exports_are_not_closed_no_pipeline_is_deleted(rules: str) -> None:
    """Public access alone was refused, for whatever reason."""
    world = world_of(*map(pipeline, NAMES), rules=rules)
    await written(world)
    await world.settle()
    assert len(world.arm.patches) == 1
    assert (left(world), world.arm.deleted) == (set(NAMES), [])


@pytest.mark.parametrize("first_s", [0, 1, 2])
async def test_a_refused_deletion_is_told_with_what_was_deleted_before(first_s: int) -> None:
    """Nothing is lost, and nothing is called closed."""
    world = world_of(*map(pipeline, NAMES))
    denied = Terminal("no", code="AuthorizationFailed", status=403)
    world.trouble.errors["arm.delete"] = [None] * first_s + [denied]
    await written(world)
    await world.settle()
    assert (len(left(world)), is_closed(world)) == (3 - first_s, False)
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert "AuthorizationFailed" in world.alert["reason"]
    assert saved(world) == set(NAMES)
    assert world.intents == []


@pytest.mark.parametrize("error", [Transient("busy", status=503), StillRunning("202", status=202)])
@pytest.mark.parametrize("call", ["arm.delete", "arm.patch"])
async def test_trouble_in_the_middle_goes_on_with_all_bodies(call: str, error: GuardError) -> None:
    """The queue has those that are gone by then."""
    world = world_of(*map(pipeline, NAMES))
    world.trouble.errors[call] = [None, error] if call == "arm.delete" else [error]
    await written(world)
    assert world.alerts == []
    await world.settle()
    assert left(world) == set()
    assert saved(world) == set(NAMES)
    accepted = call == "arm.patch" and isinstance(error, StillRunning)
    assert is_closed(world) or accepted
    assert len({alert["alertId"] for alert in world.alerts}) == 1


@pytest.mark.parametrize(
    "pipelines",
    [
        [pipeline("a", 13_000), pipeline("b", 13_000)],
        [pipeline("a", 48 * 1024)],
        [{"id": f"{REGISTRY_ID}/exportPipelines/p{n}", "name": f"p{n}"} for n in range(65)],
    ],
    ids=["two", "one", "many"],
)
async def test_what_does_not_fit_into_an_alert_is_not_deleted(
    pipelines: list[dict[str, Any]],
) -> None:
    """Nobody could bring it back."""
    world = world_of(*pipelines)
    await written(world)
    await world.settle()
    assert (world.arm.deleted, is_closed(world)) == ([], False)
    assert (world.alert["outcome"], world.alert["deleted"]) == ("not reverted", [])
    assert "no alert could keep all of them" in world.alert["reason"]


async def test_what_just_fits_is_whole_in_the_alert() -> None:
    """Bodies of 23 KiB: the undo makes room for them, and says so."""
    world = world_of(pipeline("a", 11_000), pipeline("b", 11_000))
    await written(world)
    assert [len(json.dumps(body)) > 11_000 for body in world.alert["deleted"]] == [True, True]
    assert is_closed(world)
    undone = len(world.alert["undo"]) == 4
    assert undone or "undo is left out" in world.alert["reason"]


@pytest.mark.parametrize("status", [404, 403, 400])
async def test_a_list_that_azure_refuses_is_said_and_not_fatal(status: int) -> None:
    """The preview version of pipelines may be gone one day."""
    world = world_of(pipeline("nightly"))
    served = Terminal("not served", code="NoRegisteredProviderFound", status=status)
    world.trouble.errors["arm.children"] = [served]
    await written(world)
    assert (world.alert["outcome"], world.arm.deleted) == ("not reverted", [])
    assert "NoRegisteredProviderFound" in world.alert["reason"]
    assert "ExportPolicyInvalid" in world.alert["reason"]


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "x"},
        {"name": "x", "id": f"{REGISTRY_ID}2/exportPipelines/x"},
        {"name": "x", "id": f"{REGISTRY_ID}/importPipelines/x"},
        {"name": "x", "id": f"{REGISTRY_ID}/exportPipelines/x/deeper/y"},
        {"name": "x", "id": f"{REGISTRY_ID}/exportPipelines/../x"},
        {"name": "x", "id": 7},
    ],
)
async def test_of_children_that_are_none_of_its_own_nothing_is_deleted(
    odd: dict[str, Any],
) -> None:
    """What cannot be saved and named exactly is left to a person."""
    world = world_of(rules=RULES)
    world.arm.pipelines = [pipeline("nightly"), odd]
    world.trouble.errors["arm.patch"] = [TERMINAL]
    await written(world)
    assert (world.arm.deleted, world.outcomes) == ([], ["not reverted"])


async def test_a_pipeline_that_is_made_meanwhile_is_saved_as_well() -> None:
    """The second refusal leads to it; both bodies are in the alert."""
    world = world_of(pipeline("nightly"))
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await written(world)
    world.arm.bodies[pipeline("late")["id"].lower()] = pipeline("late")
    await world.settle()
    assert (left(world), is_closed(world)) == (set(), True)
    assert saved(world) == {"nightly", "late"}
    assert world.outcomes == ["reverted"]


@pytest.mark.parametrize("refusal", [TERMINAL, CONFLICT], ids=["400", "409"])
async def test_a_list_that_cannot_be_had_now_is_asked_for_again(refusal: GuardError) -> None:
    """Passing trouble ends no attempt: the pipelines are deleted some seconds later."""
    world = world_of(pipeline("nightly"), refusal=refusal)
    world.trouble.errors["arm.children"] = [Transient("busy", status=503)]
    await written(world)
    assert (world.alerts, left(world)) == ([], {"nightly"})
    await world.settle()
    assert is_closed(world)
    assert world.alert["outcome"] == "reverted"
    assert saved(world) == {"nightly"}


async def test_a_busy_registry_is_tried_again_though_its_pipelines_cannot_be_listed() -> None:
    """In audit as well: neither of the two is Azure's last word."""
    world = World(registry())
    world.trouble.errors["arm.patch"] = [Transient("busy", code="Conflict", status=409)]
    world.trouble.errors["arm.children"] = [Transient("busy", status=503)]
    await written(world)
    assert world.alerts == []
    await world.settle()
    assert (world.alert["outcome"], is_closed(world)) == ("reverted", True)


def nested(depth: int) -> dict[str, Any]:
    """An object in an object, and so on."""
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"deeper": inner}
    return inner


@pytest.mark.parametrize(
    "odd",
    [{"note": "\ud83d"}, {"\ud83d": "x"}, nested(250)],
    ids=["half a character", "in a name", "deep"],
)
async def test_a_body_that_the_queue_would_not_give_back_is_not_deleted(
    odd: dict[str, Any],
) -> None:
    """Written down as JSON it could never be read again: nothing is deleted, and that is told."""
    strange = pipeline("strange")
    strange["properties"] |= odd
    world = world_of(strange, pipeline("nightly"))
    await written(world)
    await world.settle()
    assert (world.arm.deleted, world.outcomes) == ([], ["not reverted"])
    assert "no alert could keep all of them" in world.alert["reason"]


async def test_no_signature_of_a_link_is_kept_with_a_body() -> None:
    """Not in the queue, not in the alert, not in what brings the pipeline back."""
    leaking = pipeline("leaking")
    link = "https://x.blob.core.windows.net/c?sp=rw&sig=S3cr3t%2Bx%3D&se=2026"
    leaking["properties"]["target"]["uri"] = link
    leaking["tags"] = {link: link}
    world = world_of(leaking)
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await written(world)
    assert "S3cr3t" not in json.dumps(world.intents)
    await world.settle()
    assert "S3cr3t" not in json.dumps(world.alerts)
    (kept,) = world.alert["deleted"]
    assert kept["properties"]["target"]["uri"] == link.replace("S3cr3t%2Bx%3D", "…")


async def test_one_that_is_made_again_under_its_name_replaces_nothing() -> None:
    """Both bodies are in the alert; the first is what comes back."""
    world = world_of(pipeline("nightly"))
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await written(world)
    thief = pipeline("nightly")
    thief["properties"]["target"]["uri"] = "https://thief.example/nightly"
    world.arm.bodies[thief["id"].lower()] = thief
    await world.settle()
    assert left(world) == set()
    uris = [body["properties"]["target"]["uri"] for body in world.alert["deleted"]]
    assert uris == ["https://x.example/nightly", "https://thief.example/nightly"]
    (put,) = [request for request in world.alert["undo"] if request["method"] == "PUT"]
    assert put["body"]["properties"]["target"]["uri"] == "https://x.example/nightly"


async def test_what_was_done_before_audit_came_is_not_called_nothing() -> None:
    """A pipeline is gone by then: told as not reverted, with its body."""
    world = world_of(pipeline("nightly"))
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await written(world)
    world.ports = world.with_cap(Mode.AUDIT)
    await world.settle()
    assert (left(world), world.outcomes) == (set(), ["not reverted"])
    assert "nothing was changed" not in world.alert["reason"]
    assert saved(world) == {"nightly"}
