"""Exports that may go on while calls fail: nothing is changed as long as nobody knows."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from guards.engine.errors import Transient
from guards.engine.model import Outcome
from tests.engine.policies import BACKUP_ID
from tests.engine.samples import ALICE_ID, DISK_WRITE, GUARD_ID, OBJECT_ID_CLAIM, disk, event, grant
from tests.engine.test_exporters import LISTED, backup, out
from tests.engine.world import World
from tests.fakes import START

AWAY = Transient("the table is away")


@pytest.mark.parametrize("call", ["arm.get", "policy"])
async def test_a_late_grant_of_a_stranger_does_not_displace_an_exporters(call: str) -> None:
    """Also where its look is put off: what is remembered then is the younger one."""
    world = World(out(), rules=LISTED)
    await world.event(backup(at=START))
    world.trouble.errors[call] = [Transient("busy", status=503)]
    await world.event(grant(at=START - timedelta(seconds=9)))
    await world.pass_time(60)
    assert (world.changed, world.link_is_out()) == (False, True)


@pytest.mark.parametrize("call", ["arm.get", "policy", "store.get", "work.put"])
async def test_an_exporters_grant_that_is_put_off_is_honoured_later(call: str) -> None:
    """Who it was is kept, and one chain of looks begins."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    world.trouble.errors[call] = [AWAY]
    await world.event(backup(at=START))
    await world.pass_time(60)
    await world.event(event(id="tag"))
    assert not world.changed
    assert [row["principal"] for row in world.exports] == [BACKUP_ID]
    assert [delay for delay in world.delays if delay > 3000] == world.delays
    assert len(world.intents) == 1


@pytest.mark.parametrize("by", [ALICE_ID, BACKUP_ID])
async def test_while_nobody_knows_whose_export_it_is_nothing_is_changed(by: str) -> None:
    """The shared state is away: it goes on from the queue, or Event Grid brings it again."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    world.trouble.errors["store.get"] = [AWAY] * 4
    for _ in range(2):
        with contextlib.suppress(Transient):
            await world.event(grant(by=by))
    assert not world.changed
    await world.event(grant(by=by))
    await world.pass_time(60)
    assert world.changed is (by == ALICE_ID)


async def test_a_tag_written_while_the_shared_state_is_away_is_put_off() -> None:
    """An exporter may be at work."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(backup(at=START))
    world.trouble.errors["store.get"] = [AWAY]
    result = await world.event(event(id="tag"))
    assert (result.outcome, world.changed) == (Outcome.DEFERRED, False)
    await world.pass_time(60)
    assert not world.changed


async def test_an_exporters_grant_behind_the_guards_own_write_is_honoured() -> None:
    """Azure is at work on the guard's PATCH when the grant arrives."""
    body = disk(diskState="ActiveSAS", provisioningState="Updating")
    body["systemData"] = {"lastModifiedBy": GUARD_ID, "lastModifiedAt": START.isoformat()}
    world = World(body, rules=LISTED)
    await world.event(backup(at=START))
    world.properties()["provisioningState"] = "Succeeded"
    await world.pass_time(60)
    assert not world.changed
    assert [row["principal"] for row in world.exports] == [BACKUP_ID]
    assert len(world.intents) == 1


@pytest.mark.parametrize("operation", [DISK_WRITE, DISK_WRITE.upper()])
async def test_a_write_by_an_exporter_makes_no_strangers_link_its_own(operation: str) -> None:
    """What is remembered names who took the link, though the exporter's look is put off, too."""
    world = World(out(), rules=LISTED)
    busy = Transient("busy", status=409)
    world.trouble.errors["arm.post"] = [busy] * 2
    await world.event(grant(at=START))
    await world.event(event(operation, claims={OBJECT_ID_CLAIM: BACKUP_ID}, id="tag"))
    await world.settle()
    assert not world.link_is_out()
    assert ("reverted", "critical") in [(a["outcome"], a["severity"]) for a in world.alerts]


async def test_doubled_events_at_the_same_time_end_no_export() -> None:
    """On several instances, together with a tag and a stranger's late event."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(backup(at=START))
    late = grant(at=START - timedelta(seconds=9))
    events = [backup(at=START), event(id="tag"), late, backup(at=START)]
    await asyncio.gather(*map(world.event, events))
    await world.pass_time(60)
    assert (world.changed, world.link_is_out(), len(world.exports)) == (False, True, 1)


@pytest.mark.parametrize("late_s", [1, 20, 120, 290])
async def test_a_tag_that_overtakes_the_exporters_event_changes_nothing(late_s: float) -> None:
    """A link is out, and whose it is may still be told; after five minutes nobody tells it."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(event(id="tag"))
    await world.pass_time(late_s)
    assert (world.changed, world.alerts) == (False, [])
    await world.event(backup(at=START))
    await world.pass_time(3000)
    assert (world.changed, world.link_is_out()) == (False, True)


async def test_a_link_whose_owner_stays_unknown_keeps_settings_open_for_minutes_only() -> None:
    """Then they are closed, and the link is told of."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(event(id="tag"))
    await world.pass_time(700)
    assert (world.changed, world.link_is_out()) == (True, True)
    assert world.outcomes == ["reverted"]
    assert "liveExport" in world.alert["reason"]


async def test_looks_do_not_multiply_while_the_shared_state_takes_no_writes() -> None:
    """A role that was taken away, say: reading works, and each look leads to one."""
    world = World(disk(diskState="ActiveSAS"), rules=LISTED)
    await world.event(backup(at=START))
    world.trouble.errors["store.write"] = [AWAY] * 1000
    await world.pass_time(6 * 3600)
    assert len(world.intents) == 1
    assert not world.changed
