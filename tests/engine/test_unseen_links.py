"""A link that was over before the guard could look: nothing to cut, and a person learns of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import Gone, Transient
from guards.engine.model import Mode
from guards.engine.ports import Recent
from tests.engine.policies import BACKUP_ID, DISKS, exemption, exporter, on_disks, rules_of
from tests.engine.samples import (
    ALICE_ID,
    COPY_ID,
    DISK_GRANT,
    DISK_ID,
    GROUP,
    POINT_GRANT,
    POINT_ID,
    SNAPSHOT_ID,
    anonymous,
    asked,
    closed_disk,
    copy_of_disk,
    disk,
    event,
    grant,
)
from tests.engine.world import World
from tests.fakes import START, merge

HERE = rules_of(exporters=[exporter()])
AWAY = Transient("the table is away")
AN_HOUR_AGO = START - timedelta(hours=1)


async def told_in_the_end(world: World, what: dict[str, Any]) -> dict[str, Any]:
    """An event that finds no link, and the alert about it once all looks are made."""
    await world.event(what)
    assert world.alerts == []
    await world.settle()
    return world.alert


@pytest.mark.parametrize("resource", [DISK_ID, SNAPSHOT_ID])
async def test_a_strangers_link_that_is_over_is_told_once(resource: str) -> None:
    """After the last look, with who took it and when; nothing is revoked or changed."""
    world = World(closed_disk(resource))
    alert = await told_in_the_end(world, grant(resource))
    assert (alert["outcome"], alert["severity"]) == ("found closed", "critical")
    assert [finding["rule"] for finding in alert["findings"]] == ["liveExport"]
    assert alert["caller"]["objectId"] == ALICE_ID
    assert "over before the guard could revoke it" in alert["reason"]
    seen = alert["exposure"]
    assert "No link is out any more. Data may have been read" in seen["statement"]
    assert (seen["grantedAt"], seen["revokedAt"]) == (alert["eventTime"], None)
    assert (world.changed, alert["changes"], alert["undo"]) == (False, [], [])
    assert world.trouble.count("arm.get") == 4


async def test_what_is_open_is_closed_at_once_and_the_link_told_later() -> None:
    """Two alerts, each about what it is about."""
    world = World(disk())
    await world.event(grant())
    assert (world.is_closed(), world.outcomes) == (True, ["reverted"])
    await world.settle()
    assert world.outcomes == ["reverted", "found closed"]
    assert [f["rule"] for f in world.alerts[1]["findings"]] == ["liveExport"]


async def test_a_link_whose_disk_is_gone_is_told_at_once() -> None:
    """Snapshot, link, copy, away with it: what a thief would do."""
    world = World()
    await world.event(grant(SNAPSHOT_ID))
    assert (world.alert["outcome"], world.alert["severity"]) == ("deleted meanwhile", "critical")
    assert "The resource is gone" in world.alert["exposure"]["statement"]
    assert world.intents == []


async def test_a_disk_that_goes_between_two_looks_takes_no_link_with_it_untold() -> None:
    """The second look finds nothing."""
    world = World(closed_disk())
    await world.event(grant())
    world.arm.bodies.clear()
    await world.settle()
    assert (world.alert["outcome"], world.alert["severity"]) == ("deleted meanwhile", "critical")


@pytest.mark.parametrize("what", [grant(COPY_ID), event(POINT_GRANT, POINT_ID)])
async def test_links_to_a_restore_point_that_is_gone_are_told(what: dict[str, Any]) -> None:
    """To one copy, and to all of them."""
    world = World()
    world.trouble.errors["arm.children"] = [Gone("gone", code="ResourceNotFound", status=404)]
    await world.event(what)
    assert world.alert["outcome"] == "deleted meanwhile"
    assert world.alert["severity"] in ("high", "critical")
    assert "taken" in world.alert["reason"]


@pytest.mark.parametrize("what", [event(), event(f"{DISKS}/delete"), event(f"{POINT_GRANT[:-6]}x")])
async def test_what_is_gone_without_a_link_is_nobodys_business(what: dict[str, Any]) -> None:
    """One GET at most, and no alert."""
    world = World()
    await world.event(what)
    assert (world.alerts, world.intents) == ([], [])


async def test_nobody_named_is_told_as_well_though_not_as_the_worst() -> None:
    """It may have been a backup's."""
    world = World(closed_disk())
    alert = await told_in_the_end(world, anonymous(DISK_GRANT))
    assert (alert["outcome"], alert["severity"]) == ("found closed", "high")


@pytest.mark.parametrize("at", [None, AN_HOUR_AGO, START - timedelta(days=3)])
@pytest.mark.parametrize("bodies", [[], [closed_disk()]], ids=["gone", "there"])
async def test_an_exporters_link_is_never_told(at: Any, bodies: list[dict[str, Any]]) -> None:
    """Fresh, late, and long after its export was over."""
    world = World(*bodies, rules=HERE)
    await world.event(grant(by=BACKUP_ID, at=at))
    await world.settle()
    assert world.alerts == []


async def test_a_late_event_of_a_link_that_is_over_is_told() -> None:
    """Event Grid brought it an hour later: who took it is known all the same."""
    alert = await told_in_the_end(World(closed_disk()), grant(at=AN_HOUR_AGO))
    assert (alert["severity"], alert["caller"]["objectId"]) == ("high", ALICE_ID)


@pytest.mark.parametrize(
    "rules",
    [
        {"resources": on_disks(liveExport={"mode": "off"})},
        {"exemptions": [exemption(rules=["liveExport"])]},
        {"scopes": [{"scope": GROUP, "mode": "off"}]},
    ],
    ids=["off", "exempt", "out of scope"],
)
@pytest.mark.parametrize("bodies", [[], [closed_disk()]], ids=["gone", "there"])
async def test_where_the_policy_does_not_care_nothing_is_told(
    rules: dict[str, Any], bodies: list[dict[str, Any]]
) -> None:
    """Links of this disk are nobody's business."""
    world = World(*bodies, rules=rules_of(**rules))
    await world.event(grant())
    await world.settle()
    assert world.alerts == []


async def test_without_the_guard_nothing_is_told() -> None:
    """GUARD_MODE off."""
    world = World(cap=Mode.OFF)
    await world.event(grant())
    assert world.alerts == []


async def test_a_grant_that_failed_handed_nothing_out() -> None:
    """Its event says so."""
    world = World(closed_disk())
    await world.event({**grant(), "eventType": "Microsoft.Resources.ResourceActionFailure"})
    await world.settle()
    assert world.alerts == []


@pytest.mark.parametrize("state", ["ReadyToUpload", "ActiveUpload"])
async def test_an_upload_is_no_export(state: str) -> None:
    """The state shows what the link is for."""
    world = World(closed_disk(diskState=state))
    await world.event(grant())
    await world.settle()
    assert world.alerts == []


async def test_a_link_to_write_is_no_export() -> None:
    """Where the event tells what was asked for."""
    world = World(closed_disk())
    await world.event(grant(httpRequest=asked(3600, "Write")))
    await world.settle()
    assert world.alerts == []


async def test_a_disk_made_for_an_upload_was_filled_by_all_signs() -> None:
    """Told as that, and not in the middle of the night."""
    world = World(closed_disk(creationData={"createOption": "Upload"}))
    alert = await told_in_the_end(world, grant())
    assert (alert["severity"], "made for an upload" in alert["reason"]) == ("medium", True)


async def test_a_link_that_another_instance_cut_is_not_told_again() -> None:
    """Its event comes a second time, to a process that knows nothing of the first."""
    world = World(closed_disk(diskState="ActiveSAS"))
    await world.event(grant())
    assert world.outcomes == ["reverted"]
    for bodies in (world.arm.bodies, {}):
        world.arm.bodies = bodies
        world.ports = replace(world.ports, recent=Recent())
        await world.event(grant())
        await world.settle()
        assert world.outcomes == ["reverted"]


async def test_without_the_shared_state_it_is_told_when_that_is_back() -> None:
    """Whether somebody cut it is known there only."""
    world = World()
    world.trouble.errors["store.get"] = [AWAY] * 3
    await world.event(grant())
    assert world.alerts == []
    await world.settle()
    assert world.alert["outcome"] == "deleted meanwhile"


async def test_a_link_that_shows_late_is_cut_though_the_settings_are_exempt() -> None:
    """The exemption is about the settings."""
    rules = rules_of(exemptions=[exemption()])
    world = World(disk(), rules=rules)
    await world.event(grant())
    merge(world.properties(), {"diskState": "ActiveSAS"})
    await world.settle()
    assert not world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")


async def test_a_copy_that_is_there_is_cut_and_told_as_ever() -> None:
    """Its body never shows a link, so nothing is made of that."""
    world = World(copy_of_disk())
    await world.event(grant(COPY_ID))
    await world.settle()
    assert world.outcomes == ["reverted"]
