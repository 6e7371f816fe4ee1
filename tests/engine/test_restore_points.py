"""Links to copies of disks in restore points: the body tells nothing, only the event does."""

from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import StillRunning, Terminal, Transient
from guards.engine.events import parse
from guards.engine.model import Source
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task
from tests.engine.policies import BACKUP_ID, exporter, rules_of
from tests.engine.samples import (
    ALICE_ID,
    COPY_ID,
    OBJECT_ID_CLAIM,
    POINT_GRANT,
    POINT_ID,
    anonymous,
    asked,
    copy_of_disk,
    event,
    grant,
)
from tests.engine.test_leads import slow_queue
from tests.engine.world import World
from tests.fakes import START

TYPE = "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints"
REVOKE = rules_of(resources={TYPE: {"liveExport": {"unknown_granter": "revoke"}}})
LISTED = rules_of(exporters=[exporter()])
COPIES = [copy_of_disk(number) for number in range(4)]
IDS = [copy["id"] for copy in COPIES]


def all_of(by: str = ALICE_ID, **data: Any) -> dict[str, Any]:
    """The event of links to all copies of the restore point."""
    more: dict[str, Any] = {} if by == ALICE_ID else {"claims": {OBJECT_ID_CLAIM: by}}
    return event(POINT_GRANT, POINT_ID, **more, **data)


def revoked(world: World) -> list[str]:
    """The copies whose links were revoked."""
    return [key for key, action in world.arm.posts if action == "endGetAccess"]


async def test_a_link_to_a_copy_is_revoked_by_its_event_alone() -> None:
    """There is nothing to read afterwards: Azure's answer is the confirmation."""
    world = World(copy_of_disk())
    await world.event(grant(COPY_ID, httpRequest=asked(3600)))
    first, last = ["own_id", "policy", "arm.get", "work.put", "arm.post"], ["alerts.put"]
    assert world.trouble.calls[:5] == first
    assert world.trouble.count("arm") == 2
    assert world.trouble.calls[-2:] == [*last, "work.delete"]
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")
    assert [c["to"] for c in world.alert["changes"]] == ["revoked"]
    assert world.alert["undo"] == []
    seen = world.alert["exposure"]
    assert (seen["durationSeconds"], seen["stateAfter"]) == (3600, None)
    assert (seen["revokedAt"], seen["secondsOpen"]) == (timestamp(START), 0.877)
    assert "was revoked" in seen["statement"]


async def test_open_settings_of_a_copy_are_told_with_its_link() -> None:
    """No request changes them."""
    world = World(copy_of_disk(networkAccessPolicy="AllowAll", publicNetworkAccess="Enabled"))
    await world.event(grant(COPY_ID))
    assert (world.alert["outcome"], world.arm.patches) == ("reverted", [])
    assert "networkAccessPolicy, publicNetworkAccess" in world.alert["reason"]
    assert "liveExport" not in world.alert["reason"]


@pytest.mark.parametrize(
    "arriving", [anonymous(grant(COPY_ID)["data"]["operationName"], COPY_ID),
                 grant(COPY_ID, at=START - timedelta(minutes=6))], ids=["empty", "old"]
)  # fmt: skip
@pytest.mark.parametrize("rules", ["", REVOKE])
async def test_a_link_of_nobody_known_is_told(arriving: dict[str, Any], rules: str) -> None:
    """And revoked only where the policy says so."""
    world = World(copy_of_disk(), rules=rules)
    await world.event(arriving)
    await world.settle()
    assert revoked(world) == [COPY_ID.lower()] * bool(rules)
    assert world.outcomes == ["reverted" if rules else "reported only"]
    assert world.alert["severity"] == "high"


@pytest.mark.parametrize("error", [Transient("busy", status=409), StillRunning("202", status=202)])
async def test_a_revocation_that_is_put_off_is_made_later(error: Exception) -> None:
    """Who took the link is kept, and forgotten once it is cut."""
    world = World(copy_of_disk())
    world.trouble.errors["arm.post"] = [error]
    await world.event(grant(COPY_ID))
    await world.settle()
    assert revoked(world) == [COPY_ID.lower()] * 2
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")
    assert world.exports == []


async def test_a_refused_revocation_is_told() -> None:
    """It is still out for all anyone knows."""
    world = World(copy_of_disk())
    world.trouble.errors["arm.post"] = [Terminal("locked", code="ScopeLocked", status=409)]
    await world.event(grant(COPY_ID))
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "critical")
    assert "ScopeLocked" in world.alert["reason"]
    assert (len(world.arm.posts), world.intents) == (1, [])


@pytest.mark.parametrize("arriving", [grant(COPY_ID, BACKUP_ID), all_of(BACKUP_ID)])
async def test_an_exporters_links_to_copies_are_left_and_never_told(
    arriving: dict[str, Any],
) -> None:
    """There is nothing to look at again when they are over, either."""
    world = World(copy_of_disk(), rules=LISTED)
    await world.event(arriving)
    await world.settle()
    assert (revoked(world), world.alerts) == ([], [])
    assert [row["principal"] for row in world.exports] == [BACKUP_ID]
    await world.event(arriving)
    await world.settle()
    assert (revoked(world), world.alerts) == ([], [])


async def test_links_to_all_copies_are_all_revoked() -> None:
    """Who took them is kept of each before it is looked at."""
    world = World(*COPIES)
    await world.event(all_of())
    calls = [call for call in world.trouble.calls if call in ("store.write", "work.put")]
    assert calls[-8:] == ["store.write", "work.put"] * 4
    await world.settle()
    assert sorted(revoked(world)) == sorted(map(str.lower, IDS))
    assert world.outcomes == ["reverted"] * 4
    assert {alert["severity"] for alert in world.alerts} == {"critical"}
    assert {alert["exposure"]["grantedAt"] for alert in world.alerts} == {all_of()["eventTime"]}
    assert world.exports == []


async def test_what_does_not_fit_the_budget_is_revoked_as_well() -> None:
    """The rest goes on from the queue, whose messages are not believed."""
    world = World(*COPIES)
    slow_queue(world, 15)
    await world.event(all_of())
    assert any(message["after"] for message in world.intents)
    await world.settle()
    assert sorted(revoked(world)) == sorted(map(str.lower, IDS))
    assert set(world.outcomes) == {"reverted"}


@pytest.mark.parametrize(
    "arriving",
    [
        anonymous(POINT_GRANT, POINT_ID),
        {**all_of(), "eventTime": (START - timedelta(minutes=6)).isoformat()},
        {**all_of(), "eventType": "Microsoft.Resources.ResourceActionFailure"},
    ],
    ids=["empty", "old", "failed"],
)
async def test_links_to_all_copies_of_nobody_known_are_told(arriving: dict[str, Any]) -> None:
    """Nothing is remembered of them."""
    world = World(*COPIES)
    await world.event(arriving)
    await world.settle()
    assert (revoked(world), world.exports) == ([], [])
    assert world.outcomes == ["reported only"] * 4
    assert {alert["severity"] for alert in world.alerts} == {"high"}


@pytest.mark.parametrize("call", ["store.get", "store.write", "arm.children", "policy", "work.put"])
async def test_an_event_that_alone_tells_of_links_comes_again(call: str) -> None:
    """Or goes on from the queue, but never without who took them."""
    world = World(*COPIES)
    world.trouble.errors[call] = [None, Transient("away")] if "store" in call else [Transient("x")]
    try:
        await world.event(all_of())
    except Transient:
        await world.event(all_of())
    await world.settle()
    assert set(revoked(world)) == set(map(str.lower, IDS))
    assert "reported only" not in world.outcomes


async def test_a_forged_message_about_a_restore_point_revokes_nothing() -> None:
    """Only an event is believed about who took links."""
    world = World(*COPIES)
    await world.message(Task(parse(all_of()), Source.EVENT, timestamp(START)).message())
    await world.settle()
    assert (revoked(world), world.exports) == ([], [])
    assert world.outcomes == ["reported only"] * 4


async def test_a_message_forged_after_a_real_event_makes_no_stranger_of_its_exporter() -> None:
    """What is passed on to the copies is what the event said, not what the message says."""
    world = World(*COPIES, rules=LISTED)
    await world.event(all_of(BACKUP_ID))
    await world.settle()
    await world.message(Task(parse(all_of()), Source.EVENT, timestamp(START)).message())
    await world.settle()
    assert revoked(world) == []
