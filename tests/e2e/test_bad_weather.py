"""Trouble from Azure, one test each: closed all the same, or told once and not tried for ever."""

import asyncio
from typing import Any

import pytest

from sandbox.outside import Outside, path_of
from tests.e2e.events import event_about
from tests.e2e.names import CLOSED, DISK, OPEN, PREMIUM, REGISTRY, fresh

FORBIDDEN = "00000000-dead-4333-8444-555555555555"


def error(code: str, message: str = "Azure's own words.") -> dict[str, Any]:
    """An error body in ARM's shape."""
    return {"error": {"code": code, "message": message}}


async def is_closed(outside: Outside, name: str) -> bool:
    """Whether a disk denies all network access."""
    properties = (await outside.get(DISK, name)).get("properties", {})
    wanted = ("DenyAll", "Disabled")
    return (properties.get("networkAccessPolicy"), properties.get("publicNetworkAccess")) == wanted


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}, "times": 1},
        {"status": 500, "times": 2},
        {"status": 503, "headers": {"Retry-After": "1"}, "times": 1},
        {"status": 412, "times": 1},
        {"status": 401, "times": 1},
        {"status": 409, "body": error("Conflict"), "times": 2},
        {"reset": True, "times": 2},
    ],
    ids=["429", "500 twice", "503", "412", "401 once", "409 busy", "reset twice"],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_passing_trouble_is_outlasted_within_the_budget(
    outside: Outside, method: str, fault: dict[str, Any]
) -> None:
    """Throttled, failing or cut off for a moment: closed within the event's own budget."""
    name = fresh("disk")
    match = {"method": method, "caller": "guard", "path": name}
    await outside.fault({"match": match, **fault})
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    assert await is_closed(outside, name)
    assert (alert["outcome"], alert["source"]) == ("reverted", "event")


LONGER: dict[str, dict[str, Any]] = {
    "Retry-After beyond the budget": {"status": 429, "headers": {"Retry-After": "4"}, "times": 1},
    "500 four times": {"status": 500, "times": 4},
    "no answer": {"delay_s": 4, "status": 503, "times": 1},
}
"""Trouble that outlasts the event's budget."""


async def test_longer_trouble_goes_on_from_the_work_queue(outside: Outside) -> None:
    """Event Grid is not kept waiting: the look goes on later, and there is one alert id.

    All at once, on a disk each: most of it is waiting.
    """
    methods = ("GET", "PATCH")
    cases = [(method, kind, fresh("disk")) for method in methods for kind in LONGER]
    for method, kind, name in cases:
        match = {"method": method, "caller": "guard", "path": name}
        await outside.fault({"match": match, **LONGER[kind]})
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    for *case, name in cases:
        alert = await outside.alert_about(name, within_s=40)
        assert await is_closed(outside, name), case
        assert (alert["outcome"], alert["source"]) == ("reverted", "work"), case
    for *case, name in cases:
        assert len({alert["alertId"] for alert in await outside.alerts_about(name)}) == 1, case


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "ScopeLocked"),
        (403, "RequestDisallowedByPolicy"),
        (400, "InvalidParameter"),
    ],
)
async def test_a_refusal_for_good_is_told_once_with_azures_words(
    outside: Outside, status: int, code: str
) -> None:
    """One alert "not reverted", one PATCH, no retry loop."""
    name = fresh("disk")
    await outside.fault(
        {
            "match": {"method": "PATCH", "caller": "guard", "path": name},
            "status": status,
            "body": error(code, "Please remove the lock and try again."),
            "times": 9,
        }
    )
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    await outside.wait_until_idle()
    assert alert["outcome"] == "not reverted"
    assert code in alert["reason"]
    assert "Please remove the lock" in alert["reason"]
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET", "PATCH"]
    assert len(await outside.alerts_about(name)) == 1


async def test_a_real_lock_is_told_not_fought(outside: Outside) -> None:
    """A ReadOnly lock on the disk: Azure's words are in the alert, the disk stays as it is."""
    name = fresh("disk")
    path = await outside.put_unnoticed("owner", DISK, name, OPEN, PREMIUM)
    lock = f"{path}/providers/Microsoft.Authorization/locks/freeze"
    status, answer = await outside.arm("PUT", lock, "owner", {"properties": {"level": "ReadOnly"}})
    assert status in (200, 201), answer
    await outside.post_event(event_about(path, "Microsoft.Compute/disks/write"))
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "ScopeLocked" in alert["reason"]
    assert not await is_closed(outside, name)


async def test_an_answer_that_still_deviates_is_not_called_reverted(outside: Outside) -> None:
    """200, and the disk is open all the same: "not reverted", and no second PATCH."""
    name = fresh("disk")
    body = {"id": path_of(DISK, name), "properties": {"networkAccessPolicy": "AllowAll"}}
    await outside.fault(
        {
            "match": {"method": "PATCH", "caller": "guard", "path": name},
            "status": 200,
            "body": body,
            "times": 9,
        }
    )
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    await outside.wait_until_idle(quiet_s=1)
    assert alert["outcome"] == "not reverted"
    assert "networkAccessPolicy" in alert["reason"]
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET", "PATCH"]


async def test_a_deleted_resource_raises_no_alert(outside: Outside) -> None:
    """An event about what is gone costs one GET and says nothing."""
    name = fresh("disk")
    await outside.post_event(event_about(path_of(DISK, name), "Microsoft.Compute/disks/write"))
    assert [call["status"] for call in await outside.guard_calls_of(name)] == [404]
    assert await outside.alerts_about(name) == []


async def test_a_subscription_the_guard_may_not_touch_is_told(outside: Outside) -> None:
    """403 on reading: one alert with Azure's words instead of silence."""
    name = fresh("disk")
    path = path_of(DISK, name, subscription=FORBIDDEN)
    await outside.post_event(event_about(path, "Microsoft.Compute/disks/write"))
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert "AuthorizationFailed" in alert["reason"]
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]


async def test_the_same_event_many_times_is_one_alert_id(outside: Outside) -> None:
    """Ten copies, two at once and eight in a row: closed, one alert id."""
    name = fresh("disk")
    path = await outside.put_unnoticed("mallory", DISK, name, OPEN, PREMIUM)
    event = event_about(path, "Microsoft.Compute/disks/write")
    await asyncio.gather(outside.post_event(event), outside.post_event(event))
    for _ in range(8):
        await outside.post_event(event)
    await outside.alert_about(name)
    assert await is_closed(outside, name)
    assert len({alert["alertId"] for alert in await outside.alerts_about(name)}) == 1


async def test_events_out_of_order_end_in_the_state_of_the_world(outside: Outside) -> None:
    """An old event after a newer one: the resource decides, not the event."""
    name = fresh("disk")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.alert_about(name)
    old = event_about(path_of(DISK, name), "Microsoft.Compute/disks/write")
    old["eventTime"] = "2020-01-01T00:00:00.0000000Z"
    await outside.forget_calls()
    await outside.post_event(old)
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]
    assert len(await outside.alerts_about(name)) == 1


async def test_an_event_sent_when_the_write_was_only_accepted_closes_all_the_same(
    outside: Outside,
) -> None:
    """The first look is too early; the re-check closes what the write opens in the end."""
    name = fresh("disk")
    await outside.put("platform", DISK, name, CLOSED, PREMIUM)
    await outside.wait_for_calls_of(name, 1)
    await outside.settings(event_at="accepted", patch="async", operation_s=1)
    status, _ = await outside.arm("PATCH", path_of(DISK, name), "mallory", {"properties": OPEN})
    assert status == 202
    alert = await outside.alert_about(name, within_s=30)
    assert await is_closed(outside, name)
    assert alert["outcome"] == "reverted"


async def test_an_operation_longer_than_the_budget_is_finished_later(outside: Outside) -> None:
    """Deferred, then finished: one alert "reverted", one PATCH. A disk and a registry at once."""
    state = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
    endpoints = {"privateEndpointConnections": [state]}
    kinds: dict[str, dict[str, Any]] = {DISK: OPEN, REGISTRY: endpoints}
    names = {type_: fresh("slow") for type_ in kinds}
    paths = {
        type_: await outside.put_unnoticed("mallory", type_, names[type_], properties, PREMIUM)
        for type_, properties in kinds.items()
    }
    await outside.settings(patch="async", operation_s=5)
    events = [event_about(path, f"{type_}/write") for type_, path in paths.items()]
    await asyncio.gather(*map(outside.post_event, events))
    for type_, name in names.items():
        alert = await outside.alert_about(name, within_s=40)
        methods = [call["method"] for call in await outside.guard_calls_of(name)]
        assert alert["outcome"] == "reverted", type_
        assert methods.count("PATCH") == 1, type_
        assert len(await outside.alerts_about(name)) == 1, type_
