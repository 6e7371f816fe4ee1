"""Undo: the requests of an alert, sent in order, bring the old values back."""

from dataclasses import replace
from typing import Any

import pytest

from guards import container_registry
from guards import disk as disks
from guards.engine import alerts
from guards.engine.ids import ResourceId
from guards.engine.model import Change, Guard, Rule, Severity
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


def bodies(guard: Guard, *changes: Change) -> list[Any]:
    """What the requests would write."""
    return [request["body"] for request in alerts.undo(guard, DISK_ID, changes)]


def test_nothing_restores_a_link_that_was_revoked() -> None:
    """Its state is no setting; a setting that was closed along goes back as before."""
    revoked = Change("properties.diskState", "ActiveSAS", "Unattached")
    closed = Change("properties.publicNetworkAccess", "Enabled", "Disabled")
    assert bodies(disks.GUARD, revoked) == []
    assert bodies(disks.GUARD, revoked, closed) == [
        {"properties": {"publicNetworkAccess": "Enabled"}}
    ]


@pytest.mark.parametrize(
    ("before", "written"), [("true", True), ("True", True), ("false", False), (None, False)]
)
def test_a_setting_that_is_true_or_false_goes_back_as_such(
    before: str | None, written: bool
) -> None:
    """ARM refuses the text; absent is Azure's default, false."""
    rule = Rule(
        id="anonymousPull",
        path="properties.anonymousPullEnabled",
        values=("false", "true"),
        allowed=("false",),
        desired="false",
        when_absent="false",
        severity=Severity.HIGH,
        boolean=True,
    )
    guard = replace(disks.GUARD, rules=(*disks.GUARD.rules, rule))
    (body,) = bodies(guard, Change(rule.path, before, "false"))
    assert body["properties"]["anonymousPullEnabled"] is written


def test_a_path_without_a_rule_goes_back_as_it_was() -> None:
    """The disk access that goes along with AllowPrivate."""
    (body,) = bodies(disks.GUARD, Change("properties.diskAccessId", DISK_ACCESS_ID, None))
    assert body == {"properties": {"diskAccessId": DISK_ACCESS_ID}}
