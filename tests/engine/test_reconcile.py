"""A look at one resource, as the state of the world afterwards: closed, told once, nothing left."""

import pytest

from guards.engine.errors import Transient
from guards.engine.intake import on_event
from guards.engine.model import Mode, Outcome
from tests.engine.samples import (
    DISK_GRANT,
    DISK_ID,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    anonymous,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import merge

AUDITED = """
resources:
  Microsoft.Compute/disks:
    networkAccessPolicy: {mode: audit}
    publicNetworkAccess: {mode: audit}
"""


async def test_a_compliant_resource_costs_one_get() -> None:
    """No queue traffic, no alert."""
    world = World(closed_disk())
    before = dict(world.properties())
    result = await world.event(anonymous())
    assert result.outcome == Outcome.ALREADY_COMPLIANT
    assert world.trouble.calls == ["policy", "arm.get"]
    assert before == world.properties()


@pytest.mark.parametrize(
    ("operation", "resource_id"),
    [("Microsoft.Compute/disks/write", DISK_ID), (SNAPSHOT_WRITE, SNAPSHOT_ID)],
)
async def test_an_open_disk_or_snapshot_is_closed_and_told(
    operation: str, resource_id: str
) -> None:
    """One GET, one PATCH, one alert, and no intent left."""
    world = World(disk(resource_id))
    result = await world.event(anonymous(operation, resource_id))
    assert result.outcome == Outcome.REVERTED
    assert world.is_closed(resource_id)
    assert world.intents == []
    expected = ["policy", "arm.get", "work.put", "arm.patch", "alerts.put", "work.delete"]
    assert expected == world.trouble.calls
    assert world.alert["outcome"] == "reverted"
    assert world.alert["severity"] == "high"
    assert {"AllowAll", "Enabled"} == {change["from"] for change in world.alert["changes"]}
    assert result.alert_id == world.alert["alertId"]
    (undo,) = world.alert["undo"]
    assert resource_id == undo["path"]


@pytest.mark.parametrize(
    ("properties", "severity"),
    [
        ({"networkAccessPolicy": "DenyAll"}, "low"),
        ({"networkAccessPolicy": "AllowPrivate"}, "medium"),
        ({"diskState": "Attached"}, "medium"),
        ({"diskState": "ActiveSAS", "networkAccessPolicy": "DenyAll"}, "high"),
    ],
)
async def test_an_alert_is_as_bad_as_what_was_open(
    properties: dict[str, str], severity: str
) -> None:
    """The worst of its findings, by what the body showed."""
    world = World(disk(**properties))
    await world.event(event())
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", severity)
    assert severity in {finding["severity"] for finding in world.alert["findings"]}


@pytest.mark.parametrize(
    ("operation", "resource_id"), [(REGISTRY_WRITE, REGISTRY_ID), (ENDPOINT_DELETE, ENDPOINT_ID)]
)
async def test_an_open_registry_is_closed_and_told(operation: str, resource_id: str) -> None:
    """Exports and public access in one PATCH, also when a private endpoint was touched."""
    world = World(registry())
    await world.event(event(operation, resource_id))
    now = world.properties(REGISTRY_ID)
    assert now["policies"]["exportPolicy"]["status"] == "disabled"
    assert now["publicNetworkAccess"] == "Disabled"
    assert now["policies"]["quarantinePolicy"] == {"status": "disabled"}
    assert len(world.arm.patches) == 1
    assert (world.alert["outcome"], world.alert["resourceId"]) == ("reverted", REGISTRY_ID)
    assert world.intents == []


async def test_the_intent_is_in_the_queue_before_anything_changes() -> None:
    """If the process dies at the PATCH, the evidence is already safe."""
    world = World(disk())
    seen: list[list[float]] = []

    def look() -> None:
        assert world.properties()["networkAccessPolicy"] == "AllowAll"
        assert [finding["rule"] for finding in world.intents[0]["evidence"]["findings"]] == [
            "networkAccessPolicy",
            "publicNetworkAccess",
        ]
        seen.append(world.delays)

    world.arm.at_patch = look
    await world.event(event())
    assert seen == [[60.0]]


async def test_the_body_of_an_event_decides_nothing() -> None:
    """An event that calls a closed disk open changes nothing, and the other way round."""
    world = World(closed_disk(), disk(SNAPSHOT_ID))
    await world.event(event(networkAccessPolicy="AllowAll", responseBody=disk()))
    await world.event(event(SNAPSHOT_WRITE, SNAPSHOT_ID, responseBody=closed_disk(SNAPSHOT_ID)))
    assert len(world.arm.patches) == 1
    assert world.is_closed(SNAPSHOT_ID)


async def test_events_out_of_order_end_closed() -> None:
    """An old event that comes last finds what is true now."""
    world = World(disk())
    await world.event(event(id="second"))
    await world.event(event(id="first", eventTime="2020-01-01T00:00:00Z"))
    assert world.is_closed()
    assert len(world.alerts) == 1


async def test_a_second_violation_is_another_alert() -> None:
    """Opening it again is not hidden behind the first alert."""
    world = World(disk())
    await world.event(event(id="e-1"))
    merge(world.properties(), {"networkAccessPolicy": "AllowAll"})
    await world.event(event(id="e-2"))
    assert world.is_closed()
    assert len({alert["alertId"] for alert in world.alerts}) == 2


@pytest.mark.parametrize("rules", [AUDITED, ""])
async def test_audit_tells_and_changes_nothing(rules: str) -> None:
    """By the policy or by GUARD_MODE: the alert says what would have been sent."""
    world = World(disk(), rules=rules, cap=Mode.ENFORCE if rules else Mode.AUDIT)
    before = dict(world.properties())
    await world.event(anonymous())
    assert before == world.properties()
    assert world.trouble.calls == ["policy", "arm.get", "alerts.put"]
    assert world.alert["outcome"] == "reported only"
    assert '"networkAccessPolicy": "DenyAll"' in world.alert["reason"]
    assert (world.alert["changes"], world.alert["undo"], world.alert["closedAt"]) == ([], [], None)
    assert len(world.alert["findings"]) == 2


async def test_a_rule_in_audit_is_told_and_the_others_are_closed() -> None:
    """The alert names both, the PATCH holds one."""
    rules = "resources: {Microsoft.Compute/disks: {publicNetworkAccess: {mode: audit}}}"
    world = World(disk(), rules=rules)
    await world.event(event())
    assert world.arm.patches == [{"properties": {"networkAccessPolicy": "DenyAll"}}]
    assert (world.alert["outcome"], len(world.alert["findings"])) == ("reverted", 2)
    assert [c["path"] for c in world.alert["changes"]] == ["properties.networkAccessPolicy"]


async def test_mode_off_stops_everything() -> None:
    """GUARD_MODE=off neither changes nor tells."""
    world = World(disk(), cap=Mode.OFF)
    await world.event(event())
    assert world.alerts == []
    assert not world.is_closed()


async def test_a_deleted_resource_is_no_alert() -> None:
    """There is nothing left to guard."""
    world = World()
    result = await world.event(event())
    assert result.outcome == Outcome.DELETED_MEANWHILE
    assert world.alerts == []
    assert world.intents == []


async def test_without_the_work_queue_nothing_is_changed() -> None:
    """Without a place for the intent, Event Grid has to bring the event again."""
    world = World(disk())
    down = Transient("queue work: down")
    world.trouble.errors["work.put"] = [down, down]
    with pytest.raises(Transient):
        await on_event(event(), world.ports)
    assert world.arm.patches == []
    assert world.alerts == []
    await world.event(event())
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_a_hiccup_of_the_work_queue_only_delays() -> None:
    """The task is put off, and the resource is closed a moment later."""
    world = World(disk())
    world.trouble.errors["work.put"] = [Transient("queue work: busy")]
    result = await world.event(event())
    assert result.outcome == Outcome.DEFERRED
    assert world.arm.patches == []
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_an_alert_that_cannot_be_posted_follows_with_the_same_id() -> None:
    """The intent keeps what was seen until a person can be told."""
    world = World(disk())
    world.trouble.errors["alerts.put"] = [Transient("queue alerts: down")]
    result = await world.event(event())
    assert result.outcome == Outcome.DEFERRED
    assert world.is_closed()
    assert world.alerts == []
    await world.settle()
    assert result.alert_id == world.alert["alertId"]
    assert world.alert["outcome"] == "found closed"
    assert len(world.alert["findings"]) == 2
    assert len(world.alert["changes"]) == 2


async def test_an_alert_queue_that_stays_down_for_an_hour_loses_nothing() -> None:
    """However often it fails, the alert comes, with the id of what was seen."""
    world = World(disk())
    world.trouble.errors["alerts.put"] = [Transient("queue alerts: down")] * 12
    result = await world.event(event())
    await world.settle()
    assert {result.alert_id} == {alert["alertId"] for alert in world.alerts}


async def test_an_unreadable_policy_changes_nothing_and_waits() -> None:
    """A typing mistake in policy.yaml is never taken for "no policy"."""
    world = World(disk())
    world.trouble.errors["policy"] = [
        Transient("the policy cannot be used", code="PolicyUnreadable")
    ] * 3
    result = await world.event(event())
    assert result.outcome == Outcome.DEFERRED
    assert world.arm.asked == []
    assert world.delays == [10.0]
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


@pytest.mark.parametrize("cap", [Mode.ENFORCE, Mode.AUDIT])
async def test_a_sas_grant_leads_to_a_look(cap: Mode) -> None:
    """Handing out a link to an open disk is noticed without any write."""
    world = World(disk(diskState="ActiveSAS"), cap=cap)
    await world.event(event(DISK_GRANT))
    assert (cap is Mode.ENFORCE) == world.is_closed()
    assert world.alert["operationName"] == DISK_GRANT
