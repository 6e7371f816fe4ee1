"""What Azure refuses is told once, with Azure's words, and not tried for ever."""

from typing import Any

import pytest

from guards.engine.errors import Gone, GuardError, Terminal, Transient
from guards.engine.model import Outcome
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    disk,
    event,
    registry,
)
from tests.engine.world import World

REFUSALS = [
    Terminal("the scope is locked", code="ScopeLocked", status=409),
    Terminal("disallowed by policy deny-patch", code="RequestDisallowedByPolicy", status=403),
    Terminal("no permission", code="AuthorizationFailed", status=403),
    Terminal("linked access check failed", code="LinkedAuthorizationFailed", status=403),
    Terminal("bad request", code="InvalidParameter", status=400),
]
EACH_REFUSAL = pytest.mark.parametrize("refusal", REFUSALS, ids=[error.code for error in REFUSALS])


@EACH_REFUSAL
async def test_a_refused_read_is_one_alert(refusal: Terminal) -> None:
    """A subscription the guard may not read is no silent gap."""
    world = World(disk())
    world.trouble.errors["arm.get"] = [refusal]
    await world.event(event())
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert str(refusal) in world.alert["reason"]
    assert world.intents == []
    assert world.trouble.count("arm") == 1


@EACH_REFUSAL
async def test_a_refused_patch_is_one_alert(refusal: Terminal) -> None:
    """Azure's code and words reach the person, and nothing is retried.

    What holds for a whole resource group is told of the group, with the disk's name.
    """
    world = World(disk())
    world.trouble.errors["arm.patch"] = [refusal]
    await world.event(event())
    await world.settle()
    assert world.alert["outcome"] == "not reverted"
    assert str(refusal) in world.alert["reason"]
    group, name = DISK_ID.partition("/providers/")[0], DISK_ID.rpartition("/")[2]
    assert world.alert["resourceId"] in (DISK_ID, group)
    assert world.alert["resourceId"] == DISK_ID or f"disks/{name}" in world.alert["reason"]
    assert (world.alert["changes"], world.alert["undo"], world.alert["closedAt"]) == ([], [], None)
    assert world.trouble.count("arm.patch") == 1
    assert world.trouble.count("arm.children") == 0
    assert world.intents == []


@EACH_REFUSAL
async def test_not_reverted_is_never_below_high(refusal: Terminal) -> None:
    """A setting of low severity that stays open is worse than one that was closed."""
    world = World(disk(networkAccessPolicy="DenyAll"))
    world.trouble.errors["arm.patch"] = [refusal]
    await world.event(event())
    await world.settle()
    assert world.alert["severity"] == "high"


async def test_a_resource_deleted_before_the_patch_is_told() -> None:
    """It was seen open; the alert says that it is gone."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Gone("gone", status=404)]
    await world.event(event())
    assert (world.alert["outcome"], len(world.alert["findings"])) == ("deleted meanwhile", 2)
    assert world.intents == []


CONFLICT = Terminal("diskAccessId", code="ConflictingUserInput", status=400)


async def test_a_conflict_about_the_disk_access_is_tried_in_its_other_form() -> None:
    """Once with null, once with an empty text, in one look."""
    world = World(disk(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID))
    world.trouble.errors["arm.patch"] = [CONFLICT]
    await world.event(event())
    assert [patch["properties"]["diskAccessId"] for patch in world.arm.patches] == [None, ""]
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_a_second_conflict_is_told() -> None:
    """The other form is sent once, not again and again."""
    world = World(disk(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID))
    world.trouble.errors["arm.patch"] = [CONFLICT, CONFLICT]
    await world.event(event())
    assert len(world.arm.patches) == 2
    assert "ConflictingUserInput" in world.alert["reason"]
    assert world.alert["outcome"] == "not reverted"


async def test_a_conflict_about_something_else_is_told_at_once() -> None:
    """Without a disk access there is no other form."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [CONFLICT]
    await world.event(event())
    assert len(world.arm.patches) == 1
    assert world.alert["outcome"] == "not reverted"


@pytest.mark.parametrize(
    "deaf",
    [
        {"networkAccessPolicy"},
        {"publicNetworkAccess"},
        {"networkAccessPolicy", "publicNetworkAccess"},
    ],
)
async def test_an_answer_that_still_deviates_is_not_reverted(deaf: set[str]) -> None:
    """Azure's answer is believed: no "reverted", and no second PATCH."""
    world = World(disk())
    world.arm.deaf = deaf
    await world.event(event())
    await world.settle()
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert all(rule in world.alert["reason"] for rule in deaf)
    assert len(world.arm.patches) == 1
    assert world.intents == []


@pytest.mark.parametrize(
    "refusal",
    [
        Terminal("cannot disable exports", code="ExportPolicyInvalid", status=400),
        Transient("conflict", code="Conflict", status=409),
    ],
    ids=["400", "409"],
)
async def test_a_refused_registry_names_its_export_pipelines(refusal: GuardError) -> None:
    """What stands in the way is told, with what to do."""
    world = World(registry())
    world.arm.pipelines = [{"name": "nightly"}, {"name": "to-partner"}]
    world.trouble.errors["arm.patch"] = [refusal]
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    await world.settle()
    assert world.alert["outcome"] == "not reverted"
    assert "nightly, to-partner" in world.alert["reason"]
    assert "delete them first" in world.alert["reason"]
    assert len(world.arm.patches) == 1


async def test_a_refused_registry_without_pipelines_is_told_in_azures_words() -> None:
    """No pipeline is blamed that does not exist."""
    world = World(registry())
    world.trouble.errors["arm.patch"] = [Terminal("no", code="BadRequest", status=400)]
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert world.alert["reason"] == "Azure refused: BadRequest: no"


async def test_pipelines_that_cannot_be_listed_do_not_hide_the_refusal() -> None:
    """The explanation is extra; the refusal is told all the same."""
    world = World(registry())
    world.trouble.errors["arm.patch"] = [Terminal("no", code="BadRequest", status=400)]
    world.trouble.errors["arm.children"] = [Transient("busy", status=503)]
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert "BadRequest" in world.alert["reason"]


@pytest.mark.parametrize("sku", ["Basic", "Standard", None])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_registry_that_cannot_be_closed_is_blocked_with_the_reason(
    sku: str | None, times: int
) -> None:
    """Nothing is sent that Azure would refuse, and the alert keeps its id."""
    world = World(registry(sku=sku))
    for number in range(times):
        result = await world.event(event(REGISTRY_WRITE, REGISTRY_ID, id=f"event-{number}"))
        assert result.outcome == Outcome.BLOCKED
    assert world.trouble.count("arm.patch") + world.trouble.count("work") == 0
    assert {"high"} == {alert["severity"] for alert in world.alerts}
    assert len({alert["alertId"] for alert in world.alerts}) == 1
    assert "Premium" in world.alerts[0]["reason"]


@pytest.mark.parametrize(
    ("operation", "known", "severity"),
    [
        (REGISTRY_WRITE, True, "critical"),
        (REGISTRY_WRITE, False, "high"),
        ("Microsoft.ContainerRegistry/registries/privateEndpointConnections/delete", True, "high"),
    ],
)
async def test_a_registry_nobody_could_reach_is_blocked(
    operation: str, known: bool, severity: str
) -> None:
    """Higher where a known caller has just opened it."""
    world = World(registry(endpoint="Pending"))
    claims: dict[str, Any] = {} if known else {"claims": {}, "authorization": None}
    resource = REGISTRY_ID + (
        "" if operation == REGISTRY_WRITE else "/privateEndpointConnections/e"
    )
    await world.event(event(operation, resource, **claims))
    assert ("blocked", severity) == (world.alert["outcome"], world.alert["severity"])
    assert "when_unreachable" in world.alert["reason"]
    assert world.arm.patches == []


async def test_what_is_not_blocked_is_closed_and_the_rest_is_told() -> None:
    """One setting that has to wait does not keep the others open."""
    rules = "resources: {Microsoft.Compute/disks: {dataAccessAuthMode: {mode: enforce}}}"
    world = World(disk(diskState="Attached"), rules=rules)
    await world.event(event())
    assert world.is_closed()
    assert "dataAccessAuthMode" not in world.properties()
    assert (world.alert["outcome"], len(world.alert["findings"])) == ("reverted", 3)
    assert "detach the disk" in world.alert["reason"]
    assert len(world.alert["changes"]) == 2
