"""dataAccessAuthMode in stages: it waits for the disk to be detached, and never breaks a backup."""

from typing import Any

import pytest

from tests.engine.policies import on_disks, rules_of
from tests.engine.samples import DISK_ID, closed_disk, disk, event
from tests.engine.world import World

RULES = rules_of(resources=on_disks(dataAccessAuthMode={"mode": "enforce"}))
HELD: list[dict[str, Any]] = [
    {"diskState": "Attached"},
    {"diskState": "Reserved"},
    {"diskState": "Frozen"},
]
SIGNS: list[dict[str, Any]] = [
    {"tags": {"RSVaultBackup": "nightly"}},
    {"tags": {"AzureSiteRecovery-Vault": "x"}},
    {"name": "asrseeddisk-ledger"},
    {"name": "ledger-ASRReplica"},
    {"managedBy": DISK_ID.replace("Microsoft.Compute/disks", "Microsoft.RecoveryServices/vaults")},
]


def protected(sign: dict[str, Any]) -> dict[str, Any]:
    """A closed disk that by this sign some product protects."""
    return {**closed_disk(), **sign}


@pytest.mark.parametrize("properties", HELD)
async def test_on_an_attached_disk_it_waits_and_is_one_alert(properties: dict[str, Any]) -> None:
    """Azure would refuse; as long as the disk is attached, every event says the same."""
    world = World(closed_disk(**properties), rules=RULES)
    for number in range(3):
        await world.event(event(id=f"event-{number}"))
    assert (world.changed, set(world.outcomes)) == (False, {"deferred"})
    assert len({alert["alertId"] for alert in world.alerts}) == 1
    assert world.alerts[0]["severity"] == "medium"
    assert "detach the disk" in world.alerts[0]["reason"]
    assert world.intents == []


async def test_once_the_disk_is_detached_its_next_event_sets_it() -> None:
    """Nobody has to remember."""
    world = World(closed_disk(diskState="Attached"), rules=RULES)
    await world.event(event(id="first"))
    world.properties()["diskState"] = "Unattached"
    await world.event(event(id="detached"))
    assert world.arm.patches == [{"properties": {"dataAccessAuthMode": "AzureActiveDirectory"}}]
    assert world.outcomes == ["deferred", "reverted"]


async def test_what_has_to_wait_keeps_nothing_else_open() -> None:
    """The alert says what was closed and what was not."""
    world = World(disk(diskState="Attached"), rules=RULES)
    await world.event(event())
    assert world.is_closed()
    assert "dataAccessAuthMode" not in world.properties()
    assert world.alert["outcome"] == "reverted"
    assert "not changed (dataAccessAuthMode)" in world.alert["reason"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("state", ["Unattached", "Attached"])
async def test_where_it_would_break_a_backup_it_is_blocked(
    sign: dict[str, Any], state: str
) -> None:
    """Azure Backup and Site Recovery do not support such disks: a person decides."""
    body = protected(sign)
    body["properties"]["diskState"] = state
    world = World(body, rules=RULES)
    await world.event(event())
    assert (world.alert["outcome"], world.alert["severity"]) == ("blocked", "high")
    assert "Site Recovery" in world.alert["reason"]
    assert not world.changed


@pytest.mark.parametrize("tags", [{}, {"backup": "no"}, {"owner": "rsvaultbackup"}, None, "x"])
async def test_no_sign_of_a_backup_is_no_reason_to_wait(tags: object) -> None:
    """Only what the products write themselves counts."""
    world = World({**closed_disk(), "tags": tags}, rules=RULES)
    await world.event(event())
    assert world.properties()["dataAccessAuthMode"] == "AzureActiveDirectory"
    assert world.outcomes == ["reverted"]


async def test_it_is_off_by_default() -> None:
    """It breaks backups, so nobody gets it unasked."""
    world = World(closed_disk())
    await world.event(event())
    assert (world.changed, world.alerts) == (False, [])
