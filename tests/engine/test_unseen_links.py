"""A link that was over before the guard could look: nothing to cut, and a person learns of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import Gone, Terminal, Transient
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
GONE = Gone("gone", code="ResourceNotFound", status=404)
UNLISTED = Terminal("no right to list", code="AuthorizationFailed", status=403)
FAILED = "Microsoft.Resources.ResourceActionFailure"
COPIES = "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints"
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
    world.trouble.errors["arm.children"] = [GONE]
    await world.event(what)
    assert world.alert["outcome"] == "deleted meanwhile"
    assert world.alert["severity"] in ("high", "critical")
    assert "taken" in world.alert["reason"]


@pytest.mark.parametrize("error", [GONE, UNLISTED], ids=["gone", "unlisted"])
@pytest.mark.parametrize(
    ("rules", "what"),
    [
        ("", {**event(POINT_GRANT, POINT_ID), "eventType": FAILED}),
        (rules_of(exporters=[exporter(principals=[ALICE_ID])]), event(POINT_GRANT, POINT_ID)),
        (
            rules_of(resources={COPIES: {"liveExport": {"mode": "off"}}}),
            event(POINT_GRANT, POINT_ID),
        ),
        (rules_of(scopes=[{"scope": GROUP, "mode": "off"}]), event(POINT_GRANT, POINT_ID)),
    ],
    ids=["failed", "exporter", "off", "out of scope"],
)
async def test_links_to_a_restore_point_that_nobody_cares_for_are_not_told(
    error: Terminal, rules: str, what: dict[str, Any]
) -> None:
    """Whether it is gone, or nobody may list its copies."""
    world = World(rules=rules)
    world.trouble.errors["arm.children"] = [error]
    await world.event(what)
    assert not any("links" in str(alert["reason"]) for alert in world.alerts)


async def test_links_to_a_restore_point_without_copies_are_told() -> None:
    """Azure lists none any more, whatever became of them."""
    world = World()
    await world.event(event(POINT_GRANT, POINT_ID))
    await world.settle()
    assert world.outcomes == ["deleted meanwhile"]


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
    await world.event({**grant(), "eventType": FAILED})
    await world.settle()
    assert world.alerts == []


@pytest.mark.parametrize("state", ["ReadyToUpload", "ActiveUpload"])
async def test_an_upload_is_no_export(state: str) -> None:
    """The state shows what the link is for."""
    world = World(closed_disk(diskState=state))
    await world.event(grant())
    await world.settle()
    assert world.alerts == []


@pytest.mark.parametrize(
    ("create_option", "access", "severity"),
    [
        ("Upload", "Write", None),
        ("Upload", "Read", "critical"),
        ("Copy", "Write", "critical"),
        ("Copy", "Read", "critical"),
    ],
)
async def test_a_link_to_write_to_an_upload_is_no_export(
    create_option: str, access: str, severity: str | None
) -> None:
    """Where the event tells what was asked for, and the disk does not say otherwise."""
    world = World(closed_disk(creationData={"createOption": create_option}))
    await world.event(grant(httpRequest=asked(3600, access)))
    await world.settle()
    assert [alert["severity"] for alert in world.alerts] == [severity] * bool(severity)


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


@pytest.mark.parametrize("rules", ["", rules_of(mode="audit")], ids=["enforce", "audit"])
@pytest.mark.parametrize("made", [grant, lambda **more: anonymous(DISK_GRANT, **more)])
@pytest.mark.parametrize("gone", [True, False])
async def test_a_link_that_was_told_of_while_it_was_out_is_not_told_again(
    rules: str, made: Any, gone: bool
) -> None:
    """Its event comes again after it is over, to any process."""
    world = World(closed_disk(diskState="ActiveSAS"), rules=rules)
    await world.event(made())
    await world.settle()
    before = len(world.alerts)
    assert before == 1
    merge(world.properties(), {"diskState": "Unattached"})
    if gone:
        world.arm.bodies.clear()
    world.ports = replace(world.ports, recent=Recent())
    await world.event(made())
    await world.settle()
    assert len(world.alerts) == before


async def test_an_over_link_has_one_id_whatever_is_written_meanwhile() -> None:
    """A doubled event, while the table forgets everything and somebody writes a tag."""
    world = World(closed_disk())
    for number in range(2):
        world.body()["systemData"] = {"lastModifiedAt": f"2026-03-01T12:0{number}:00Z"}
        world.store.rows.clear()
        await world.event(grant())
        await world.settle()
    assert len({alert["alertId"] for alert in world.alerts}) == 1


async def test_a_link_that_went_with_another_one_says_that_the_guard_revoked_it() -> None:
    """A revocation ends all links: who took the second is told, and when it ended."""
    world = World(closed_disk(diskState="ActiveSAS"))
    await world.event(grant(id="first"))
    await world.event(grant(id="second"))
    await world.settle()
    assert world.outcomes == ["reverted", "found closed"]
    seen = world.alerts[1]["exposure"]
    assert seen["revokedAt"] is not None
    assert "The link was revoked" in seen["statement"]
    assert "together with another one" in world.alerts[1]["reason"]


async def test_many_links_that_are_over_are_one_fight() -> None:
    """Taken and ended again and again: three alerts, and the rest counted in one."""
    world = World(closed_disk())
    for number in range(20):
        await world.event(grant(id=f"round-{number}"))
    await world.settle()
    alone = [alert for alert in world.alerts if alert["eventId"]]
    assert len(alone) == 3
    assert "fight" in alone[2]["reason"]
    assert "17 more SAS links" in world.alerts[3]["reason"]
    assert len(world.alerts) == 4


async def test_a_strangers_link_just_before_a_backup_is_told() -> None:
    """Over before it was seen, and by then an exporter's is out: nothing is cut, it is told."""
    world = World(closed_disk(), rules=HERE)
    await world.event(grant(id="thief"))
    merge(world.properties(), {"diskState": "ActiveSAS"})
    await world.event(grant(by=BACKUP_ID, id="backup", at=START + timedelta(seconds=2)))
    await world.pass_time(600)
    assert world.arm.posts == []
    assert [(a["eventId"], a["outcome"]) for a in world.alerts] == [("thief", "reported only")]


async def test_a_disk_made_anew_under_the_name_hides_nothing() -> None:
    """The one that the link led to is gone, whatever stands in its place."""
    world = World(closed_disk())
    await world.event(grant(SNAPSHOT_ID, id="x"))
    assert world.outcomes == ["deleted meanwhile"]
    later = (START + timedelta(seconds=1)).isoformat()
    new = closed_disk(diskState="ReadyToUpload", timeCreated=later)
    world = World(closed_disk())
    await world.event(grant())
    world.arm.bodies[DISK_ID.lower()] = new
    await world.settle()
    assert world.outcomes == ["deleted meanwhile"]


@pytest.mark.parametrize("state", ["ReadyToUpload", "ActiveUpload"])
async def test_an_upload_that_ends_soon_is_no_export(state: str) -> None:
    """Seen at the first look: its end, or that of its disk, is nobody's business."""
    world = World(closed_disk(diskState=state))
    await world.event(grant())
    world.arm.bodies.clear()
    await world.settle()
    assert (world.alerts, world.intents) == ([], [])


async def test_a_setting_that_waits_hides_no_link() -> None:
    """It is deferred until the disk is detached; a link that shows later is cut all the same."""
    rules = rules_of(resources=on_disks(dataAccessAuthMode={"mode": "enforce"}))
    body = closed_disk(diskState="Reserved", dataAccessAuthMode="None")
    world = World({**body, "managedBy": "/subscriptions/x/vm"}, rules=rules)
    await world.event(grant())
    merge(world.properties(), {"diskState": "ActiveSAS"})
    await world.settle()
    assert not world.link_is_out()
