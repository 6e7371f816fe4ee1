"""A link is out and Azure or the events make trouble: cut all the same, or told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.outside import Outside
from tests.e2e.events import granted
from tests.e2e.links import asked, closed, is_closed, properties_of, rules, told
from tests.e2e.names import DISK, OPEN, PREMIUM, SNAPSHOT, fresh

END = "POST endGetAccess"


def endings(name: str, **fault: Any) -> dict[str, Any]:
    """A fault of the guard's revocations of one resource."""
    match = {"method": "POST", "caller": "guard", "path": f"/{name}/endGetAccess"}
    return {"match": match, **fault}


async def open_disk(outside: Outside, kind: str, type_: str = DISK) -> tuple[str, str]:
    """A disk or snapshot that can be exported, and that the guard has not seen: name and ID."""
    name = fresh(kind)
    return name, await outside.put_unnoticed("mallory", type_, name, OPEN, PREMIUM)


async def test_a_busy_disk_keeps_its_link_no_longer_than_a_moment(outside: Outside) -> None:
    """Revoking answers 409 twice: asked again within the event's budget, cut, one alert."""
    name, path = await open_disk(outside, "busy")
    await outside.fault(endings(name, status=409, times=2))
    link = await outside.grant_access("mallory", path)
    alert = await told(outside, name, "reverted")
    assert await outside.link_status(link) == 403
    assert await is_closed(outside, path)
    assert alert["source"] == "event"
    assert (await asked(outside, name)).count(END) == 3
    assert len(await outside.alerts_about(name)) == 1


async def test_a_revocation_that_takes_too_long_goes_on_later_and_is_told(
    outside: Outside,
) -> None:
    """202 beyond the budget: closed from guard-work; 202 without an end: a person learns soon."""
    slow, slow_path = await open_disk(outside, "slow")
    stuck, stuck_path = await open_disk(outside, "stuck")
    link = await outside.grant_unnoticed("mallory", slow_path)
    for name, path, seconds in ((stuck, stuck_path, 600), (slow, slow_path, 5)):
        await outside.settings(operation_s=seconds)
        await outside.fault(endings(name, accept=True))
        calls = len(await outside.guard_calls_of(name))
        if name == stuck:
            endless = await outside.grant_access("mallory", path)
        else:
            await outside.post_event(granted(DISK, path, "mallory"))
        await outside.wait_for_calls_of(name, calls + 2)

    alert = await told(outside, slow, "reverted")
    assert alert["source"] == "work"
    assert (alert["severity"], rules(alert) >= {"liveExport"}) == ("critical", True)
    assert await outside.link_status(link) == 403
    await closed(outside, slow_path)

    note = await told(outside, stuck, "deferred")
    assert "tried again" in note["reason"]
    assert (note["severity"], rules(note) >= {"liveExport"}) == ("critical", True)
    assert "The link is out" in note["exposure"]["statement"]
    assert await outside.link_status(endless) == 200
    assert len(await outside.alerts_about(stuck)) == 1


async def test_a_locked_disk_keeps_its_link_and_a_person_is_told(outside: Outside) -> None:
    """A ReadOnly lock stops POST and PATCH: one try of each, "not reverted", Azure's words."""
    name, path = await open_disk(outside, "locked", SNAPSHOT)
    match = {"method": "GET", "caller": "guard", "path": f"{name}$"}
    await outside.forget_calls()
    await outside.fault({"match": match, "delay_s": 0.5})
    link = await outside.grant_access("mallory", path)
    lock = f"{path}/providers/Microsoft.Authorization/locks/freeze"
    status, answer = await outside.arm("PUT", lock, "owner", {"properties": {"level": "ReadOnly"}})
    assert status in (200, 201), answer
    alert = await outside.alert_about(name)
    await outside.wait_until_idle()
    assert (alert["outcome"], alert["severity"]) == ("not reverted", "critical")
    assert "ScopeLocked" in alert["reason"]
    assert "The link is out" in alert["exposure"]["statement"]
    assert alert["exposure"]["revokedAt"] is None
    assert await outside.link_status(link) == 200
    assert await asked(outside, name) == ["GET", END, "PATCH"]
    assert len(await outside.alerts_about(name)) == 1


async def test_a_link_that_cannot_be_cut_keeps_no_setting_open(outside: Outside) -> None:
    """Revoking is refused for good: what is open is closed, and the alert is no success."""
    name, path = await open_disk(outside, "half")
    refusal = {"error": {"code": "AuthorizationFailed", "message": "No right to endGetAccess."}}
    await outside.fault(endings(name, status=403, body=refusal, times=9))
    link = await outside.grant_access("mallory", path)
    alert = await outside.alert_about(name)
    assert await is_closed(outside, path)
    assert await outside.link_status(link) == 200
    assert (alert["outcome"], alert["severity"]) == ("not reverted", "critical")
    assert "No right to endGetAccess" in alert["reason"]
    assert "The link is out" in alert["exposure"]["statement"]
    assert {change["path"] for change in alert["changes"]} == {
        *("properties.networkAccessPolicy", "properties.publicNetworkAccess"),
    }


async def test_a_grant_without_claims_is_told_and_the_link_left(outside: Outside) -> None:
    """Nobody is named, so it may be a backup's: settings closed, link good, severity high."""
    name, path = await open_disk(outside, "empty")
    await outside.settings(claims="empty")
    link = await outside.grant_access("backup", path)
    await closed(outside, path)
    alert = await told(outside, name, "reported only")
    await outside.wait_until_idle()
    assert await outside.link_status(link) == 200
    assert END not in await asked(outside, name)
    assert {one["severity"] for one in await outside.alerts_about(name)} == {"high"}
    assert rules(alert) == {"liveExport"}
    assert "The link is out" in alert["exposure"]["statement"]


@pytest.mark.parametrize(
    ("minutes", "kind", "status"),
    [(10, "Success", 200), (-10, "Success", 200), (0, "Failure", 200), (0, "Success", 403)],
    ids=["ten minutes old", "of the future", "a grant that failed", "fresh"],
)
async def test_only_the_fresh_event_of_a_grant_that_succeeded_says_whose_link_it_is(
    outside: Outside, minutes: int, kind: str, status: int
) -> None:
    """An old event tells of an old link: reported only, while the same one fresh cuts it."""
    name, path = await open_disk(outside, "old")
    link = await outside.grant_unnoticed("backup", path)
    event = granted(DISK, path, "mallory", datetime.now(UTC) - timedelta(minutes=minutes))
    event["eventType"] = f"Microsoft.Resources.ResourceAction{kind}"
    await outside.post_event(event)
    await closed(outside, path)
    alert = await outside.alert_about(name)
    assert await outside.link_status(link) == status
    assert ((await properties_of(outside, path))["diskState"] == "Unattached") == (status == 403)
    assert alert["severity"] == ("critical" if status == 403 else "high")
    assert "liveExport" in rules(alert)


async def test_a_forged_message_of_the_work_queue_cuts_nothing(outside: Outside) -> None:
    """Who took a link is learned from Event Grid only: a message is told of as nobody's grant."""
    name, path = await open_disk(outside, "forged")
    link = await outside.grant_unnoticed("backup", path)
    event = granted(DISK, path, "mallory")
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    caller = {"objectId": "mallory", "appId": "", "name": "mallory"}
    change = {
        "eventId": event["id"],
        "eventTime": now,
        "eventType": event["eventType"],
        "operationName": event["data"]["operationName"],
        "resource": path,
        "correlationId": "",
        "caller": {**caller, "ipAddress": "", "principalType": ""},
    }
    message = {"schema": "exportguard.work/1", "source": "event", "firstSeen": now, "attempt": 0}
    await outside.put_message(
        "guard-work", {**message, "recheck": 0, "change": change, "evidence": None}
    )
    alert = await outside.alert_about(name)
    await outside.wait_until_idle()
    assert await outside.link_status(link) == 200
    assert END not in await asked(outside, name)
    assert (alert["severity"], alert["source"]) == ("high", "work")
