"""A link that a stranger took just now: cut first, whatever comes after; told with its exposure."""

from datetime import timedelta
from typing import Any

import pytest

from guards.engine.errors import Transient
from guards.engine.events import parse
from guards.engine.model import Mode, Source
from guards.engine.shapes import timestamp
from guards.engine.tasks import Task
from tests.engine.policies import exporter, on_disks, rules_of
from tests.engine.samples import (
    DISK_ID,
    GUARD_ID,
    SNAPSHOT_ID,
    SUBSCRIPTION,
    asked,
    by_guard,
    closed_disk,
    disk,
    event,
    grant,
)
from tests.engine.world import World
from tests.fakes import START

BUSY = Transient("another operation", code="OperationNotAllowed", status=409)
BEFORE = ["own_id", "policy", "arm.get", "work.put", "arm.post", "arm.get"]
AT_LAST = ["alerts.put", "work.delete"]
"""What becomes of the shared state stands between the two."""

ELSEWHERE = rules_of(exporters=[exporter(scope=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/b")])
HERE = rules_of(exporters=[exporter()])


def out(resource_id: str = DISK_ID, state: str = "ActiveSAS", **more: Any) -> dict[str, Any]:
    """A closed disk or snapshot with a link that is out."""
    return closed_disk(resource_id, diskState=state, **more)


@pytest.mark.parametrize("resource", [DISK_ID, SNAPSHOT_ID])
@pytest.mark.parametrize("state", ["ActiveSAS", "ActiveSASFrozen"])
@pytest.mark.parametrize("rules", ["", ELSEWHERE])
async def test_a_link_is_cut_after_one_get_and_the_intent(
    resource: str, state: str, rules: str
) -> None:
    """No other call stands between the event and the revocation."""
    world = World(out(resource, state), rules=rules)
    await world.event(grant(resource))
    assert world.trouble.calls[:6] == BEFORE
    assert world.trouble.calls[-2:] == AT_LAST
    assert world.trouble.count("arm") == 3
    assert world.arm.posts == [(resource.lower(), "endGetAccess")]
    assert not world.link_is_out(resource)
    assert (world.intents, world.exports) == ([], [])


async def test_settings_are_closed_in_one_patch_after_the_link() -> None:
    """Whether Azure takes a PATCH while a link is out is unverified."""
    world = World(disk(diskState="ActiveSAS"))
    await world.event(grant())
    assert world.trouble.calls[:7] == [*BEFORE, "arm.patch"]
    assert world.trouble.calls[-2:] == AT_LAST
    assert world.is_closed()
    changes = {change["path"]: change["to"] for change in world.alert["changes"]}
    assert (len(changes), changes["properties.diskState"]) == (3, "Unattached")
    (undo,) = world.alert["undo"]
    assert set(undo["body"]["properties"]) == {"networkAccessPolicy", "publicNetworkAccess"}


async def test_where_an_exporter_may_be_at_work_only_the_state_is_asked_before() -> None:
    """A late event of a stranger must not cut the exporter's link."""
    world = World(out(), rules=HERE)
    await world.event(grant())
    before = world.trouble.calls[: world.trouble.calls.index("arm.post")]
    assert [call for call in before if call != "store.get"] == BEFORE[:4]
    assert 1 <= before.count("store.get") <= 2
    assert not world.link_is_out()


async def test_the_alert_says_how_long_it_was_open() -> None:
    """Since when, by whom, for how long, and what Azure showed afterwards."""
    world = World(out())
    world.arm.lingering = 2
    await world.event(grant(httpRequest=asked(7200)))
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")
    seen = world.alert["exposure"]
    assert "The link was revoked. Data may have been read" in seen.pop("statement")
    assert seen == {
        "grantedAt": "2026-03-01T11:59:59.1234567Z",
        "access": "Read",
        "durationSeconds": 7200,
        "revokedAt": "2026-03-01T12:00:01.500Z",
        "secondsOpen": 2.377,
        "caller": "alice@contoso.example",
        "ipAddress": "203.0.113.7",
        "stateAfter": "Unattached",
    }


@pytest.mark.parametrize(
    ("age_s", "cut"), [(0, True), (299, True), (300, False), (3600, False), (-299, True)]
)
async def test_only_a_fresh_grant_says_whose_link_is_out(age_s: int, cut: bool) -> None:
    """Five minutes later it may be somebody else's."""
    world = World(out())
    await world.event(grant(at=START - timedelta(seconds=age_s)))
    assert world.link_is_out() is not cut
    assert world.outcomes == ["reverted" if cut else "reported only"]


@pytest.mark.parametrize("with_evidence", [False, True])
async def test_a_message_is_not_believed_about_who_took_a_link(with_evidence: bool) -> None:
    """Whoever can write to guard-work cannot have a backup's link cut."""
    world = World(out())
    task = Task(parse(grant()), Source.EVENT, timestamp(START))
    message = task.message()
    if with_evidence:
        other = World(out())
        other.trouble.errors["arm.post"] = [BUSY]
        await other.event(grant())
        (message,) = other.intents
    await world.message(message)
    await world.settle()
    assert world.link_is_out()
    assert world.arm.posts == []
    assert (world.alert["outcome"], world.alert["severity"]) == (
        "reported only",
        "high" if not with_evidence else "critical",
    )


async def test_a_link_taken_while_the_guards_own_write_goes_on_is_cut() -> None:
    """Azure is at work on the guard's PATCH: nobody hides behind it."""
    body = out(provisioningState="Updating")
    body["systemData"] = {"lastModifiedBy": GUARD_ID, "lastModifiedAt": START.isoformat()}
    world = World(body)
    await world.event(grant())
    world.properties()["provisioningState"] = "Succeeded"
    await world.settle()
    assert not world.link_is_out()
    assert (world.alert["outcome"], world.alert["severity"]) == ("reverted", "critical")


@pytest.mark.parametrize("cap", [Mode.AUDIT, Mode.ENFORCE])
async def test_where_links_are_only_reported_nothing_is_cut(cap: Mode) -> None:
    """By the policy, or by GUARD_MODE."""
    rules = rules_of(resources=on_disks(liveExport={"mode": "audit"}))
    world = World(out(), rules=rules if cap is Mode.ENFORCE else "", cap=cap)
    await world.event(grant())
    assert (world.alert["outcome"], world.alert["severity"]) == ("reported only", "critical")
    assert "enforced, it would have been endGetAccess" in world.alert["reason"]
    assert (world.arm.posts, world.intents) == ([], [])


async def test_the_guards_own_revocation_leads_nowhere() -> None:
    """Its event comes back, and is known by who did it."""
    world = World(out())
    await world.event(by_guard("Microsoft.Compute/disks/endGetAccess/action"))
    assert world.trouble.calls == ["own_id"]


@pytest.mark.parametrize("state", ["ActiveUpload", "ReadyToUpload"])
@pytest.mark.parametrize("mode", ["off", "audit", "enforce"])
async def test_an_upload_is_a_rule_of_its_own(state: str, mode: str) -> None:
    """Off by default; what only waits for an upload has no link that could be revoked."""
    given = {} if mode == "off" else {"import": {"mode": mode}}
    world = World(out(state=state), rules=rules_of(resources=on_disks(**given)) if given else "")
    await world.event(event())
    cut = (mode, state) == ("enforce", "ActiveUpload")
    assert world.properties()["diskState"] == ("Unattached" if cut else state)
    told = [] if mode == "off" else ["reverted" if cut else "reported only"]
    assert world.outcomes == told
    assert [alert["exposure"] for alert in world.alerts] == [None] * len(told)
