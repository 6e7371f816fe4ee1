"""Events and messages made to mislead: no request to anywhere, nothing executed, somebody told."""

import json
from typing import Any

import pytest

from sandbox.outside import Outside, path_of, until
from tests.e2e.events import event_about
from tests.e2e.names import CLOSED, DISK, OPEN, PREMIUM, fresh

WRITE = "Microsoft.Compute/disks/write"


def hostile_ids(name: str) -> dict[str, str]:
    """IDs that would lead a careless client elsewhere."""
    good = path_of(DISK, name)
    return {
        "absolute URL": f"https://evil.example{good}",
        "two slashes": f"//evil.example{good}",
        "dots": good.replace("payroll-rg", ".."),
        "dots in the name": f"{good}/../../{name}",
        "query": f"{good}?api-version=2020-01-01&x=",
        "fragment": f"{good}#x",
        "encoded slash": f"{good}%2f..%2fother",
        "newline": f"{good}\nHost: evil.example",
        "control": f"{good}\x00",
        "markup": f"{good}<script>alert(1)</script>",
        "colon": f"{good}:8080",
        "no GUID": good.replace("11111111-2222-4333-8444-555555555555", "mine"),
    }


@pytest.mark.parametrize("kind", hostile_ids("x"))
async def test_a_hostile_resource_id_causes_no_request_and_an_alert(
    outside: Outside, kind: str
) -> None:
    """In `resourceUri` or `subject`: no ARM call, no token sent, one alert with the cut text."""
    name = fresh("disk")
    await outside.forget_calls()
    hostile = hostile_ids(name)[kind]
    in_uri = event_about(hostile, WRITE)
    in_subject = event_about(hostile, WRITE)
    del in_subject["data"]["resourceUri"]
    assert await outside.post_event(in_uri) == 202
    assert await outside.post_event(in_subject) == 202
    ids = {in_uri["id"], in_subject["id"]}

    async def told() -> bool | None:
        alerts = await outside.alerts()
        return {a["eventId"] for a in alerts} >= ids or None

    await until(told, "two alerts about unreadable events")
    assert await outside.guard_calls() == []


@pytest.mark.parametrize(
    "event",
    [
        {"id": "1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": "/x"},
        {
            "id": "2",
            "eventType": "Microsoft.Resources.ResourceWriteSuccess",
            "subject": "/x",
            "data": None,
        },
        {"id": "3", "subject": "/x", "data": {"operationName": WRITE}},
        {"id": "4", "specversion": "1.0", "type": "x", "source": "y"},
        {"id": "5", "data": ["a", "list"], "eventType": "Microsoft.Resources.ResourceWriteSuccess"},
        {"id": "6", "data": {"operationName": WRITE, "resourceUri": "/" * 1_000_000}},
        {"id": "7", "data": {"operationName": WRITE, "claims": "{not json", "resourceUri": 5}},
    ],
    ids=["no data", "null data", "no type", "bare cloud event", "list data", "1 MB", "wrong types"],
)
async def test_a_malformed_event_is_accepted_and_never_retried(
    outside: Outside, event: dict[str, Any]
) -> None:
    """Event Grid gets its 202; nothing is asked of ARM."""
    await outside.forget_calls()
    assert await outside.post_event(event) == 202
    assert await outside.guard_calls() == []


async def test_forged_work_messages_change_nothing(outside: Outside) -> None:
    """A plan, a type that is not guarded, another host: no call to anywhere, an alert each."""
    closed = fresh("disk")
    await outside.put("platform", DISK, closed, CLOSED, PREMIUM)
    await outside.wait_for_calls_of(closed, 1)
    await outside.forget_calls()
    forged: list[Any] = [
        {"plan": [{"step": "patch", "body": {"properties": OPEN}}], "resourceId": "x"},
        {**work_message(path_of(DISK, closed)), "plan": [{"step": "patch", "body": OPEN}]},
        work_message("https://evil.example" + path_of(DISK, closed)),
        work_message(path_of("Microsoft.Compute/virtualMachines", closed)),
        "not json",
        "[" * 20_000,
    ]
    before = len(await outside.alerts())
    for message in forged:
        await outside.put_message("guard-work", message)

    async def told() -> bool | None:
        return len(await outside.alerts()) >= before + len(forged) or None

    await until(told, "an alert about each forged message")
    assert await outside.guard_calls() == []


async def test_a_forged_intent_about_a_closed_disk_only_looks(outside: Outside) -> None:
    """Well-formed evidence makes the guard look, and changes nothing that is closed."""
    name = fresh("disk")
    await outside.put("platform", DISK, name, CLOSED, PREMIUM)
    await outside.wait_for_calls_of(name, 1)
    await outside.forget_calls()
    await outside.put_message("guard-work", work_message(path_of(DISK, name)))
    await outside.wait_for_calls_of(name, 1)
    await outside.wait_until_idle()
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]


def work_message(resource: str) -> dict[str, Any]:
    """A message of guard-work as the guard writes it, without evidence."""
    return {
        "schema": "exportguard.work/1",
        "source": "event",
        "firstSeen": "2026-11-22T02:00:00.000Z",
        "attempt": 0,
        "recheck": 0,
        "change": {
            "eventId": "e",
            "eventTime": "",
            "eventType": "",
            "operationName": "Microsoft.Compute/disks/write",
            "resource": resource,
            "correlationId": "",
            "caller": {
                "objectId": "",
                "appId": "",
                "name": "",
                "ipAddress": "",
                "principalType": "",
            },
        },
        "evidence": None,
    }


@pytest.mark.parametrize("shape", ["one", "array", "cloudevents"])
async def test_events_routed_into_a_queue_are_handled_the_same(
    outside: Outside, shape: str
) -> None:
    """One event or an array, either schema, in guard-events: closed, and told."""
    name = fresh("disk")
    path = await outside.put_unnoticed("mallory", DISK, name, OPEN, PREMIUM)
    event = event_about(path, WRITE)
    cloud = {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "subject": path,
        "data": event["data"],
    }
    message: Any = {"one": event, "array": [event], "cloudevents": cloud}[shape]
    await outside.put_message("guard-events", message)
    alert = await outside.alert_about(name)
    assert alert["outcome"] == "reverted"


@pytest.mark.parametrize("queue", ["guard-events", "guard-work"])
async def test_a_poison_message_becomes_an_alert(outside: Outside, queue: str) -> None:
    """What failed five times is told with its text, not left to rot."""
    marker = fresh("poison")
    await outside.put_message(f"{queue}-poison", {"strange": marker})

    async def told() -> bool | None:
        return any(marker in (a["reason"] or "") for a in await outside.alerts()) or None

    await until(told, "an alert about the poison message")


async def test_the_guards_identity_used_by_someone_else_is_critical(outside: Outside) -> None:
    """Any operation but the guard's own, under its object ID, is told at once."""
    name = fresh("vm")
    claims = {
        "http://schemas.microsoft.com/identity/claims/objectidentifier": await outside.guard_id()
    }
    path = path_of("Microsoft.Compute/virtualMachines", name)
    event = event_about(path, "Microsoft.Compute/virtualMachines/delete", claims=claims)
    await outside.post_event(event)
    alert = await outside.alert_about(name)
    assert (alert["outcome"], alert["severity"]) == ("reported only", "critical")
    assert json.dumps(claims) not in json.dumps(alert)
