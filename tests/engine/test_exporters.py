"""Who may export is left alone while it lasts, whatever event comes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guards import GUARDS
from guards.engine import policy
from guards.engine.model import Outcome
from tests.engine.policies import BACKUP_ID, SCANNER_ID, exporter, rules_of
from tests.engine.samples import (
    DISK_ID,
    SNAPSHOT_ID,
    anonymous,
    asked,
    closed_disk,
    disk,
    event,
    grant,
)
from tests.engine.world import World
from tests.fakes import START

LISTED = rules_of(exporters=[exporter()])


def backup(resource: str = DISK_ID, **data: Any) -> dict[str, Any]:
    """A grant by the exporter."""
    return grant(resource, BACKUP_ID, **data)


def world_of(body: dict[str, Any], **changed: Any) -> World:
    """A world with one exporter."""
    return World(body, rules=rules_of(exporters=[exporter(**changed)]))


def out(**more: Any) -> dict[str, Any]:
    """A closed disk with a link that is out."""
    return closed_disk(diskState="ActiveSAS", **more)


@pytest.mark.parametrize("resource", [DISK_ID, SNAPSHOT_ID])
@pytest.mark.parametrize(
    ("data", "hours", "lasts_s"),
    [
        ({}, 24, 24 * 3600),
        ({}, 3, 3 * 3600),
        ({"httpRequest": asked(7200)}, 24, 7200),
        ({"httpRequest": asked(7200)}, 1, 3600),
    ],
)
async def test_an_exporters_grant_is_recorded_and_nothing_is_changed(
    resource: str, data: dict[str, Any], hours: int, lasts_s: int
) -> None:
    """Which resource, by whom, until when: as asked for, or as long as the policy says."""
    world = world_of(closed_disk(resource, diskState="ActiveSAS"), hours=hours)
    result = await world.event(backup(resource, at=START, **data))
    assert (result.outcome, world.alerts, world.changed) == (Outcome.EXEMPT, [], False)
    (known,) = world.exports
    assert (known["resource"], known["principal"]) == (resource, BACKUP_ID)
    assert known["until"] == (START + timedelta(seconds=lasts_s)).isoformat()
    assert world.trouble.count("arm") == 1
    assert world.delays == [min(lasts_s + 1, 3600)]


async def test_an_exporter_may_be_listed_by_its_app() -> None:
    """Azure's own products are known by their app ID."""
    world = world_of(out(), principals=[SCANNER_ID.upper()])
    await world.event(grant(claims={"appid": SCANNER_ID}, authorization=None))
    assert (world.changed, world.alerts, len(world.exports)) == (False, [], 1)


@pytest.mark.parametrize(
    "entry",
    [
        {"scope": f"{SNAPSHOT_ID}"},
        {"principals": [SCANNER_ID]},
        {"expires_on": (START - timedelta(seconds=2)).isoformat()},
    ],
)
async def test_whoever_is_not_listed_here_and_now_is_a_stranger(entry: dict[str, Any]) -> None:
    """Elsewhere, somebody else, or no longer."""
    world = world_of(out(), **entry)
    await world.event(backup())
    assert not world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")


EACH_EVENT = pytest.mark.parametrize(
    "arriving",
    [
        lambda: event(id="tag"),
        lambda: anonymous(id="resize"),
        backup,
        lambda: anonymous("Microsoft.Compute/disks/beginGetAccess/action", id="empty"),
        lambda: grant(at=START - timedelta(seconds=30), id="earlier"),
    ],
    ids=["tag", "resize", "doubled", "empty claims", "late stranger"],
)


@EACH_EVENT
@pytest.mark.parametrize("after_s", [1, 200, 3000, 7000])
@pytest.mark.parametrize("state", ["Succeeded", "Updating"])
async def test_no_later_event_ends_a_backup(
    arriving: Callable[[], dict[str, Any]], after_s: float, state: str
) -> None:
    """While it lasts, neither the link nor an open setting is touched."""
    world = World(disk(diskState="ActiveSAS", provisioningState=state), rules=LISTED)
    await world.event(backup(httpRequest=asked(7200)))
    await world.pass_time(after_s)
    await world.event(arriving())
    await world.pass_time(100)
    assert (world.changed, world.link_is_out()) == (False, True)
    told = {alert["alertId"]: alert["outcome"] for alert in world.alerts}
    assert sorted(told.values()) in (["deferred"], ["deferred", "reported only"])  # another link


@pytest.mark.parametrize("state", ["Succeeded", "Updating"])
async def test_doubled_events_begin_one_chain_of_looks(state: str) -> None:
    """Hourly, and when it must be over; then what is open is closed."""
    world = World(disk(diskState="ActiveSAS", provisioningState=state), rules=LISTED)
    for _ in range(3):
        await world.event(backup(at=START, httpRequest=asked(9000)))
    await world.pass_time(60)
    assert world.delays == [3540]
    world.properties()["provisioningState"] = "Succeeded"
    gets = world.trouble.count("arm.get")
    await world.pass_time(8000)
    assert (world.trouble.count("arm.get") - gets, len(world.intents)) == (2, 1)
    assert (world.changed, set(world.outcomes)) == (False, {"deferred"})
    world.properties()["diskState"] = "Unattached"
    await world.pass_time(9000 - world.clock.passed)
    assert not world.changed
    await world.pass_time(1)
    assert (world.is_closed(), world.outcomes[-1]) == (True, "reverted")
    await world.settle()  # no chain goes on


@pytest.mark.parametrize("state", ["Succeeded", "Updating"])
async def test_a_look_that_was_too_early_begins_no_second_chain(state: str) -> None:
    """Azure was still at work on the disk when the grant was heard of."""
    world = World(out(provisioningState=state), rules=LISTED)
    await world.event(backup(at=START))
    await world.pass_time(60)
    assert world.delays == [3540]


async def test_a_backup_that_is_done_early_leaves_nothing_open_for_longer_than_an_hour() -> None:
    """The next hourly look finds no link and closes the settings."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(backup(at=START))
    world.properties()["diskState"] = "Unattached"
    await world.pass_time(3600)
    assert world.is_closed()
    await world.settle()
    assert world.outcomes == ["deferred", "reverted"]


async def test_a_link_that_is_out_longer_than_allowed_is_told() -> None:
    """Nobody knows it any more, and nobody may: it is reported, as any such link."""
    world = world_of(out(), hours=1)
    await world.event(backup(at=START))
    await world.settle()
    assert (world.outcomes, world.link_is_out()) == (["reported only"], True)


async def test_a_link_that_does_not_show_yet_is_honoured_for_five_minutes() -> None:
    """The event of a tag overtakes the state; later the export must show."""
    world = World(disk(), rules=LISTED)
    await world.event(backup(at=START))
    await world.pass_time(299)
    await world.event(event(id="tag"))
    assert not world.changed
    await world.pass_time(2)
    await world.event(event(id="another"))
    assert world.is_closed()


ENDS = {"expires_on": (START + timedelta(seconds=5)).isoformat()}


async def test_an_entry_that_expires_between_grant_and_event_is_honoured_and_told() -> None:
    """It counted when the grant was made; the next one is cut."""
    world = world_of(out(), **ENDS)
    world.clock.passed = 6
    for _ in range(2):
        await world.event(backup(at=START + timedelta(seconds=4), id="first"))
    assert (world.changed, set(world.outcomes)) == (False, {"reported only"})
    assert "has ended since it began" in world.alerts[0]["reason"]
    assert len({alert["alertId"] for alert in world.alerts}) == 1
    await world.event(event(id="tag"))
    assert not world.changed
    await world.event(backup(at=START + timedelta(seconds=6), id="second"))
    assert not world.link_is_out()
    assert world.outcomes[-1] == "reverted"


async def test_an_export_that_has_begun_outlives_its_entry() -> None:
    """Whoever takes an entry out of the policy does not break the backup that runs."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(backup())
    world.policy = policy.parse("version: 1\n", GUARDS, START)
    await world.event(event(id="tag"))
    assert not world.changed


async def test_a_strangers_fresh_grant_is_cut_while_an_exporter_is_at_work() -> None:
    """Azure knows no single links: all are cut."""
    world = World(out(), rules=LISTED)
    await world.event(backup(at=START))
    world.clock.passed = 60
    await world.event(grant(at=START + timedelta(seconds=59)))
    assert not world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")
