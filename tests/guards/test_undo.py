"""Undo: the requests of an alert, sent in order, bring the old values back."""

from typing import Any

import pytest

from guards import container_registry
from guards.engine import alerts
from guards.engine.ids import ResourceId
from tests.engine.samples import (
    DISK_ACCESS_ID,
    DISK_ID,
    DISK_WRITE,
    REGISTRY_ID,
    REGISTRY_WRITE,
    disk,
    event,
    registry,
)
from tests.engine.world import World


async def undone(world: World, operation: str, resource_id: str) -> list[dict[str, Any]]:
    """Close the resource, then send what the alert says; the requests."""
    await world.event(event(operation, resource_id))
    requests: list[dict[str, Any]] = world.alert["undo"]
    for request in requests:
        assert request["method"] == "PATCH"
        resource = ResourceId.parse(request["path"])
        await world.arm.patch(resource, request["apiVersion"], request["body"], 0)
    return requests


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"networkAccessPolicy": "AllowPrivate", "diskAccessId": DISK_ACCESS_ID},
        {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Disabled"},
        {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Enabled"},
    ],
)
async def test_a_disk_gets_its_old_values_back_in_one_request(properties: dict[str, str]) -> None:
    """AllowPrivate and its disk access go together, or Azure refuses."""
    world = World(disk(**properties))
    before = dict(world.properties())
    requests = await undone(world, DISK_WRITE, DISK_ID)
    assert len(requests) == 1
    assert before == world.properties()


async def test_absent_values_come_back_as_azures_default() -> None:
    """A PATCH cannot unset them, and the default means the same."""
    world = World(disk(networkAccessPolicy=None, publicNetworkAccess=None))
    await undone(world, DISK_WRITE, DISK_ID)
    assert world.properties()["networkAccessPolicy"] == "AllowAll"
    assert world.properties()["publicNetworkAccess"] == "Enabled"


async def test_a_registry_gets_exports_back_before_public_access() -> None:
    """Azure refuses public access while exports are off."""
    world = World(registry())
    before = dict(world.properties(REGISTRY_ID))
    first, second = await undone(world, REGISTRY_WRITE, REGISTRY_ID)
    assert first["body"]["properties"] == {"policies": {"exportPolicy": {"status": "enabled"}}}
    assert second["body"]["properties"] == {"publicNetworkAccess": "Enabled"}
    assert before == world.properties(REGISTRY_ID)


def test_without_changes_there_is_nothing_to_undo() -> None:
    """An alert of something that was not changed offers no requests."""
    assert alerts.undo(container_registry.GUARD, REGISTRY_ID, ()) == ()
