"""Refusals that say more than that a setting stays open: told each time, not with their group."""

import json
from typing import Any

import pytest

from guards.engine.errors import Terminal
from tests.engine.policies import DISKS, REGISTRIES, rules_of
from tests.engine.samples import (
    DISK_ID,
    POINT_GRANT,
    POINT_ID,
    POINT_WRITE,
    REGISTRY_ID,
    REGISTRY_WRITE,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import merge

DENIED = Terminal("denied", code="DenyAssignmentAuthorizationFailed", status=403)
UNLISTED = Terminal("no right to list", code="AuthorizationFailed", status=403)
ANONYMOUS_PULL = rules_of(resources={REGISTRIES: {"anonymousPull": {"mode": "enforce"}}})
UPLOADS = rules_of(resources={DISKS: {"import": {"mode": "enforce"}}})
HOUR_S = 3600


def denied(world: World) -> World:
    """Azure refuses the guard for good."""
    world.trouble.errors["arm.patch"] = [DENIED] * 50
    return world


@pytest.mark.parametrize(
    ("operation", "child"),
    [("pipelineRuns/write", "/pipelineRuns/r"), ("importImage/action", "")],
)
async def test_each_export_and_import_is_told_where_nothing_can_be_closed(
    operation: str, child: str
) -> None:
    """Six in eighteen hours by the same caller: six alerts, each with what was done."""
    world = denied(World(registry()))
    source = {"source": {"registryUri": "elsewhere.example", "sourceImage": "app:1"}}
    asked = {"requestBody": json.dumps(source)}
    for number in range(6):
        what = event(
            f"{REGISTRIES}/{operation}", f"{REGISTRY_ID}{child}", id=f"{number}", httpRequest=asked
        )
        await world.event(what)
        await world.pass_time(3 * HOUR_S)
    assert [alert["outcome"] for alert in world.alerts] == ["not reverted"] * 6
    assert {alert["operationName"] for alert in world.alerts} == {f"{REGISTRIES}/{operation}"}
    assert len({alert["alertId"] for alert in world.alerts}) == 6


async def test_what_is_critical_is_told_at_once_with_what_was_not_even_tried() -> None:
    """Public access opened where nobody has an endpoint, beside a setting that Azure refuses."""
    body = registry(endpoint=None)
    merge(body, {"properties": {"anonymousPullEnabled": True}})
    world = denied(World(body, rules=ANONYMOUS_PULL))
    for number in range(2):
        await world.event(event(REGISTRY_WRITE, REGISTRY_ID, id=f"{number}"))
        assert len(world.alerts) == number + 1
        assert world.alerts[number]["severity"] == "critical"
        assert "DenyAssignmentAuthorizationFailed" in world.alerts[number]["reason"]
        assert "no private endpoint" in world.alerts[number]["reason"]
        await world.pass_time(HOUR_S)


async def test_a_link_that_was_cut_before_the_refusal_is_told() -> None:
    """An upload's, where the policy ends them."""
    world = denied(World(disk(diskState="ActiveUpload"), rules=UPLOADS))
    await world.event(event())
    assert world.arm.posts == [(DISK_ID.lower(), "endGetAccess")]
    assert world.alert["outcome"] == "not reverted"
    changes = [(change["path"], change["from"]) for change in world.alert["changes"]]
    assert changes == [("properties.diskState", "ActiveUpload")]


def links_taken(**data: Any) -> dict[str, Any]:
    """The event of links to all copies in a restore point."""
    return event(POINT_GRANT, POINT_ID, **data)


@pytest.mark.parametrize("written_before", [0, 1, 2])
async def test_links_to_copies_that_nobody_may_list_are_told(written_before: int) -> None:
    """Though the same caller's writes of the restore point were told with its group."""
    world = World()
    world.trouble.errors["arm.children"] = [UNLISTED] * 50
    for number in range(written_before):
        await world.event(event(POINT_WRITE, POINT_ID, id=f"w{number}"))
        await world.pass_time(60)
    before = len(world.alerts)
    await world.event(links_taken(id="g"))
    (alert,) = world.alerts[before:]
    assert (alert["outcome"], alert["severity"]) == ("not reverted", "high")
    assert "SAS links" in alert["reason"]
    assert "no right to list" in alert["reason"]


@pytest.mark.parametrize("claims", [None, {}], ids=["named", "nobody"])
async def test_links_to_a_restore_point_wait_for_no_turn(claims: dict[str, Any] | None) -> None:
    """Seconds after two writes of it: the copy is looked at for the link, whoever took it."""
    copy = disk(f"{POINT_ID}/diskRestorePoints/copy-0", networkAccessPolicy="DenyAll")
    world = World(copy)
    for number in range(2):
        await world.event(event(POINT_WRITE, POINT_ID, id=f"w{number}"))
    who = {} if claims is None else {"claims": claims, "authorization": {}}
    await world.event(links_taken(id="g", **who))
    await world.settle()
    told = [{finding["rule"] for finding in alert["findings"]} for alert in world.alerts]
    assert any("liveExport" in rules for rules in told)


async def test_a_list_of_copies_that_names_others_leads_only_to_its_own() -> None:
    """A copy in another collection is none of this restore point's, whatever the answer says."""
    other = disk(f"{POINT_ID.replace('/vm1/', '/vm2/')}/diskRestorePoints/copy-0")
    world = World(other)
    world.arm.pipelines = [other]
    await world.event(links_taken())
    await world.settle()
    assert (world.arm.posts, world.alerts) == ([], [])
