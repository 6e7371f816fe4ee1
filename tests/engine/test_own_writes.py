"""The guard's own writes come back as events: they cost nothing, and hide nobody else's."""

import pytest

from guards.engine.errors import Transient
from tests.engine.samples import (
    DISK_GRANT,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    GUARD_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    anonymous,
    by_guard,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        (DISK_WRITE, disk()["id"]),
        (DISK_WRITE.upper(), disk()["id"]),
        (SNAPSHOT_WRITE, SNAPSHOT_ID),
        (REGISTRY_WRITE, REGISTRY_ID),
    ],
)
async def test_an_own_write_makes_no_call(operation: str, resource: str) -> None:
    """The event of the guard's own PATCH ends before any request."""
    world = World(disk())
    await world.event(by_guard(operation, resource))
    assert world.trouble.calls == ["own_id"]


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        (DISK_GRANT, disk()["id"]),
        (ENDPOINT_DELETE, ENDPOINT_ID),
        ("Microsoft.Compute/disks/delete", disk()["id"]),
        ("Microsoft.Authorization/roleAssignments/write", "/subscriptions/x"),
    ],
)
async def test_anything_else_by_its_identity_is_a_critical_alert(
    operation: str, resource: str
) -> None:
    """Someone who took over the guard's identity does not stay unseen."""
    world = World(disk(), registry())
    await world.event(by_guard(operation, resource))
    critical = [alert for alert in world.alerts if alert["severity"] == "critical"]
    assert len(critical) == 1
    assert operation in critical[0]["reason"]
    assert operation == critical[0]["operationName"]


async def test_a_grant_by_its_identity_is_still_looked_at() -> None:
    """The stolen identity opens nothing either: the resource is judged all the same."""
    world = World(disk(diskState="ActiveSAS"))
    await world.event(by_guard(DISK_GRANT))
    assert world.is_closed()


async def test_someone_elses_write_is_not_taken_for_its_own() -> None:
    """Only the identity counts, not how alike the change looks."""
    world = World(disk())
    await world.event(event())
    assert world.is_closed()


async def test_while_its_identity_is_unknown_nothing_is_skipped() -> None:
    """Without a token the guard cannot know itself, so every write is looked at."""
    world = World(disk(), own_id="")
    await world.event(by_guard())
    assert world.is_closed()


async def test_an_own_write_without_claims_costs_one_get() -> None:
    """No loop: it ends as compliant."""
    world = World(closed_disk())
    result = await world.event(anonymous())
    assert result.outcome == "already compliant"
    assert world.trouble.calls == ["policy", "arm.get"]


async def test_a_work_message_cannot_claim_to_be_its_own() -> None:
    """Skipping is for events only: a message in guard-work always leads to a look."""
    world = World(disk())
    world.trouble.errors["arm.get"] = [Transient("busy", status=503)]
    await world.event(event())
    (message,) = world.intents
    message["change"]["caller"]["objectId"] = GUARD_ID
    world.work.messages.clear()
    await world.message(message)
    assert world.is_closed()
