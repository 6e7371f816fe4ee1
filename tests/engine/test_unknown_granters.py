"""A link nobody knows the taker of: told, and left alone, since a backup's looks the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import Transient
from tests.engine.policies import on_disks, rules_of
from tests.engine.samples import (
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    anonymous,
    closed_disk,
    disk,
    event,
    grant,
)
from tests.engine.world import World
from tests.fakes import START

OLD = START - timedelta(hours=1)
REVOKE = rules_of(resources=on_disks(liveExport={"unknown_granter": "revoke"}))


def failed() -> dict[str, Any]:
    """The event of a grant that Azure refused."""
    return {**grant(), "eventType": "Microsoft.Resources.ResourceActionFailure"}


def nameless() -> dict[str, Any]:
    """A grant whose claims hold nobody: only an address."""
    return grant(claims={"ipaddr": "203.0.113.7"}, authorization=None)


EACH_WAY = pytest.mark.parametrize(
    "arriving",
    [
        event,
        lambda: event(DISK_WRITE, claims={}),
        lambda: anonymous(DISK_GRANT),
        lambda: grant(at=OLD),
        lambda: {**grant(), "eventTime": "yesterday"},
        lambda: {**grant(), "eventTime": "2026-03-01T11:59:59"},
        nameless,
        failed,
    ],
    ids=["tag", "write", "empty", "old", "no-time", "no-zone", "nameless", "failed"],
)


@EACH_WAY
@pytest.mark.parametrize("state", ["ActiveSAS", "ActiveSASFrozen"])
async def test_a_link_of_nobody_known_is_told_and_left(
    arriving: Callable[[], dict[str, Any]], state: str
) -> None:
    """One GET, one look into the shared state, one alert."""
    world = World(closed_disk(diskState=state))
    await world.event(arriving())
    await world.settle()
    assert world.trouble.count("arm") == 1
    assert world.trouble.count("store.get") == 1
    assert (world.alert["outcome"], world.alert["severity"]) == ("reported only", "high")
    assert "The link is out" in world.alert["exposure"]["statement"]
    assert world.alert["reason"].startswith("nobody knows who took the link, so it is left")
    assert [f["rule"] for f in world.alert["findings"]] == ["liveExport"]
    assert (world.alert["changes"], world.exports) == ([], [])


@EACH_WAY
async def test_open_settings_are_closed_around_such_a_link(
    arriving: Callable[[], dict[str, Any]],
) -> None:
    """The next link is kept away; this one stays, and the alert says so."""
    world = World(disk(diskState="ActiveSAS"))
    await world.event(arriving())
    assert world.is_closed()
    assert world.link_is_out()
    assert world.arm.posts == []
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "high")
    assert "only reports it: liveExport" in world.alert["reason"]
    assert "The link is out" in world.alert["exposure"]["statement"]
    assert "properties.diskState" not in [c["path"] for c in world.alert["changes"]]


@EACH_WAY
async def test_a_policy_may_cut_such_links(arriving: Callable[[], dict[str, Any]]) -> None:
    """Where nothing exports by SAS, there is no backup to spare."""
    world = World(disk(diskState="ActiveSAS"), rules=REVOKE)
    await world.event(arriving())
    assert world.is_closed()
    assert not world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "high")
    assert "The link was revoked" in world.alert["exposure"]["statement"]


async def test_where_it_is_told_the_same_link_stays_one_alert_for_doubled_events() -> None:
    """A reader counts alert ids."""
    world = World(closed_disk(diskState="ActiveSAS"))
    for _ in range(3):
        await world.event(anonymous(DISK_GRANT))
    assert len({alert["alertId"] for alert in world.alerts}) == 1


async def test_a_grant_that_comes_a_second_time_an_hour_later_cuts_nobody_elses_link() -> None:
    """The stranger's was cut at once; what is out now may be a backup's."""
    world = World(closed_disk(diskState="ActiveSAS"))
    await world.event(grant())
    assert not world.link_is_out()
    await world.pass_time(3600)
    world.opened()
    await world.event(grant())
    assert world.link_is_out()
    assert world.outcomes == ["reverted", "reported only"]


async def test_a_strangers_link_that_was_cut_late_does_not_condemn_the_next_one() -> None:
    """What was remembered to cut it is forgotten with it, though a PATCH was refused since."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [Transient("busy", status=409)]
    world.trouble.errors["arm.patch"] = [Transient("busy", status=409)]
    await world.event(grant())
    await world.settle()
    assert (world.is_closed(), world.link_is_out()) == (True, False)
    assert await world.spares_the_next_link()


async def test_a_strangers_link_that_ended_by_itself_does_not_condemn_the_next_one() -> None:
    """Azure finished the revocation after the look had been put off."""
    world = World(closed_disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [Transient("busy", status=409)]
    await world.event(grant())
    world.properties()["diskState"] = "Unattached"
    await world.settle()
    assert await world.spares_the_next_link()


async def test_a_strangers_link_is_cut_whatever_event_comes_while_it_is_put_off() -> None:
    """By the look of that event or by the stranger's own, and told as the stranger's."""
    world = World(closed_disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [Transient("busy", status=409)]
    await world.event(grant())
    await world.event(event(id="tag"))
    await world.settle()
    assert not world.link_is_out()
    told = [(alert["outcome"], alert["severity"]) for alert in world.alerts]
    assert ("reverted", "critical") in told


async def test_a_late_event_of_another_stranger_does_not_spare_a_link_that_is_put_off() -> None:
    """What is remembered is the younger grant, whichever is looked at last."""
    world = World(closed_disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.post"] = [Transient("busy", status=409)]
    await world.event(grant(at=START))
    world.trouble.errors["arm.get"] = [Transient("busy", status=503)]
    await world.event(grant(at=OLD, id="late"))
    await world.settle()
    assert not world.link_is_out()
    assert "critical" in {alert["severity"] for alert in world.alerts}


async def test_without_the_shared_state_a_link_is_nobodys() -> None:
    """No exporter is listed here, so nothing has to wait for it."""
    world = World(closed_disk(diskState="ActiveSAS"))
    world.trouble.errors["store.get"] = [Transient("away")]
    await world.event(event())
    assert world.link_is_out()
    assert world.outcomes == ["reported only"]


@pytest.mark.parametrize("away", ["store.get", "store.write"])
async def test_a_known_stranger_is_cut_though_the_shared_state_is_away(away: str) -> None:
    """The event says enough."""
    world = World(disk(DISK_ID, diskState="ActiveSAS"))
    world.trouble.errors[away] = [Transient("away")] * 9
    await world.event(grant())
    assert world.is_closed()
    assert not world.link_is_out()
    assert world.outcomes == ["reverted"]
