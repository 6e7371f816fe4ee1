"""The profile `minimum`, from verdict to PATCH: what Azure's own policies call compliant."""

from collections.abc import Sequence

import pytest

from guards import container_registry, disk, snapshot
from guards.engine.decide import decide
from guards.engine.ids import ResourceId
from guards.engine.model import Finding, Guard, Mode, Outcome
from tests.engine.policies import BOTH_RULES, REGISTRIES, exemption, made, rules_of
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_ID,
    DISK_WRITE,
    GROUP,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    event,
    registry,
)
from tests.engine.samples import disk as open_disk
from tests.engine.world import World
from tests.fakes import START

NETWORK, PUBLIC = BOTH_RULES
MINIMUM = made(profile="minimum")
RULES = "profile: minimum"
BOTH_TYPES = pytest.mark.parametrize(
    ("resource_id", "operation"),
    [(DISK_ID, DISK_WRITE), (SNAPSHOT_ID, SNAPSHOT_WRITE)],
    ids=["disk", "snapshot"],
)


def names(findings: Sequence[Finding]) -> list[str]:
    """The rules of findings."""
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(
    ("guard", "resource_id"), [(disk.GUARD, DISK_ID), (snapshot.GUARD, SNAPSHOT_ID)]
)
@pytest.mark.parametrize("network", ["DenyAll", "denyall", "AllowPrivate", "AllowAll", "New", None])
@pytest.mark.parametrize("public", ["Disabled", "disabled", "Enabled", "New", None])
def test_only_what_is_open_in_both_ways_is_found(
    guard: Guard, resource_id: str, network: str | None, public: str | None
) -> None:
    """One of the two is enough; otherwise both are to be closed."""
    body = open_disk(resource_id, networkAccessPolicy=network, publicNetworkAccess=public)
    verdict = decide(guard, ResourceId.parse(resource_id), body, MINIMUM, Mode.ENFORCE, START)
    shut = network in ("DenyAll", "denyall", "AllowPrivate") or public in ("Disabled", "disabled")
    assert names(verdict.to_close) == ([] if shut else [NETWORK, PUBLIC])
    assert verdict.state == ("Compliant" if shut else "NonCompliant")


@pytest.mark.parametrize("export", ["enabled", "disabled"])
@pytest.mark.parametrize("public", ["Enabled", "Disabled"])
def test_registries_are_judged_as_strictly(export: str, public: str) -> None:
    """Each of their settings by itself."""
    resource, body = ResourceId.parse(REGISTRY_ID), registry(export=export, public=public)
    guard = container_registry.GUARD
    one, other = (decide(guard, resource, body, p, Mode.ENFORCE, START) for p in (MINIMUM, made()))
    assert one.findings == other.findings


@BOTH_TYPES
@pytest.mark.parametrize(
    "settings",
    [
        {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Disabled"},
        {"networkAccessPolicy": "AllowPrivate", "diskAccessId": DISK_ACCESS_ID},
        {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Enabled"},
    ],
)
async def test_what_azures_policies_accept_is_left_alone(
    resource_id: str, operation: str, settings: dict[str, str]
) -> None:
    """One GET, nothing written, nobody alerted."""
    world = World(open_disk(resource_id, **settings), rules=RULES)
    before = dict(world.properties(resource_id))
    result = await world.event(event(operation, resource_id))
    assert result.outcome == Outcome.ALREADY_COMPLIANT
    assert before == world.properties(resource_id)
    assert world.trouble.calls == ["own_id", "policy", "arm.get"]


@BOTH_TYPES
async def test_what_is_open_in_both_ways_is_closed_in_both(
    resource_id: str, operation: str
) -> None:
    """As strictly as by the strict profile, in one PATCH, told once with its undo."""
    world = World(open_disk(resource_id), rules=RULES)
    await world.event(event(operation, resource_id))
    assert world.is_closed(resource_id)
    assert len(world.arm.patches) == 1
    assert (world.alert["outcome"], len(world.alert["changes"])) == ("reverted", 2)
    assert world.alert["resourceId"] == resource_id
    assert world.alert["undo"]
    assert world.intents == []


async def test_a_private_disk_that_is_also_public_stays_private() -> None:
    """AllowPrivate is enough, so its disk access stays where it is."""
    body = open_disk(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID)
    world = World(body, rules=RULES)
    await world.event(event())
    assert world.properties()["diskAccessId"] == DISK_ACCESS_ID
    assert world.arm.patches == []


async def test_a_registry_is_closed_by_the_minimum_too() -> None:
    """There is no laxer way for registries."""
    world = World(registry(), rules=RULES)
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    now = world.properties(REGISTRY_ID)
    assert now["policies"]["exportPolicy"]["status"] == "disabled"
    assert now["publicNetworkAccess"] == "Disabled"


@pytest.mark.parametrize("rule", BOTH_RULES)
async def test_one_exempt_rule_leaves_the_other_to_be_closed(rule: str) -> None:
    """The resource is compliant then, and the exempt setting is as it was."""
    world = World(open_disk(), rules=f"{RULES}\n{rules_of(exemptions=[exemption(rules=[rule])])}")
    before = world.properties()[rule]
    await world.event(event())
    (other,) = set(BOTH_RULES) - {rule}
    assert world.properties()[rule] == before
    assert world.properties()[other] in ("DenyAll", "Disabled")
    assert world.alert["outcome"] == "reverted"


async def test_a_half_applied_change_is_no_success() -> None:
    """Azure took one of the two: "reverted" only if it shows every planned setting closed."""
    world = World(open_disk(), rules=RULES)
    world.arm.deaf = {"publicNetworkAccess"}
    await world.event(event())
    assert world.properties()["publicNetworkAccess"] == "Enabled"
    assert world.alert["outcome"] == "not reverted"
    assert [c["path"] for c in world.alert["changes"]] == ["properties.networkAccessPolicy"]


@pytest.mark.parametrize("strict", [GROUP, DISK_ID])
async def test_a_scope_may_be_stricter_than_the_rest(strict: str) -> None:
    """There, what the minimum accepts is closed."""
    rules = rules_of(profile="minimum", scopes=[{"scope": strict, "profile": "strict"}])
    world = World(open_disk(publicNetworkAccess="Disabled"), rules=rules)
    await world.event(event())
    assert world.is_closed()
    assert world.arm.patches == [{"properties": {"networkAccessPolicy": "DenyAll"}}]


async def test_a_scope_may_be_laxer_than_the_rest() -> None:
    """There, one way out that is shut is enough; other types are as strict as before."""
    rules = rules_of(scopes=[{"scope": GROUP, "profile": "minimum"}])
    world = World(open_disk(publicNetworkAccess="Disabled"), registry(), rules=rules)
    await world.event(event())
    assert world.arm.patches == []
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert world.properties(REGISTRY_ID)["publicNetworkAccess"] == "Disabled"
    assert world.alert["resourceType"] == REGISTRIES
