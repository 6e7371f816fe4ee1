"""Messages of guard-work say where to look. Whoever forges one gets a fresh look or an alert."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine import events, intake, tasks
from guards.engine.errors import Transient, Unreadable
from guards.engine.model import Outcome, Source
from tests.engine.samples import DISK_ACCESS_ID, DISK_ID, SNAPSHOT_ID, closed_disk, disk, event
from tests.engine.test_hostile_events import EVENTS, JSON
from tests.engine.world import World


async def genuine() -> dict[str, Any]:
    """The intent of a real violation, as it stands in the queue."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await world.event(event())
    (message,) = world.intents
    return message


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(message: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            message = message[parent]
        message[last] = value

    return change


async def forged(path: str, value: object) -> dict[str, Any]:
    """A genuine message with one thing changed."""
    message = await genuine()
    _set(path, value)(message)
    return message


async def test_a_genuine_message_is_read() -> None:
    """The counterpart of what follows."""
    world = World(disk())
    await world.message(await genuine())
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


FORGERIES = [
    ("plan", [{"step": "patch", "body": {"properties": {"networkAccessPolicy": "AllowAll"}}}]),
    ("steps", []),
    ("evidence.plan", {"properties": {}}),
    ("change.caller.roles", ["Owner"]),
    ("schema", "exportguard.work/2"),
    ("source", "admin"),
    ("attempt", -1),
    ("attempt", 10_001),
    ("attempt", "many"),
    ("attempt", 1.5),
    ("recheck", 11),
    ("firstSeen", "yesterday"),
    ("firstSeen", "2026-03-01T12:00:00"),
    ("firstSeen", "2026-99-99T99:99:99Z"),
    ("firstSeen", None),
    ("evidence.alertId", "not-a-hash"),
    ("evidence.alertId", "A" * 64),
    ("evidence.alertId", "0" * 63),
    ("evidence.findings", [{}] * 65),
    ("evidence.severity", "apocalyptic"),
    ("evidence.policyHash", "zz"),
    ("evidence.policyHash", "ab"),
    ("evidence.seenAt", "2026-13-45T12:00:00.000Z"),
    ("change.resource", None),
    ("change", None),
    ("change.eventId", "x" * 257),
    ("evidence", []),
    ("evidence.accepted", "perhaps"),
    ("change.resource", f"https://evil.example{DISK_ID}"),
    ("change.resource", f"//evil.example{DISK_ID}"),
    ("change.resource", f"{DISK_ID}?x=y"),
    ("change.resource", f"{DISK_ID}/../x"),
    ("change.resource", SNAPSHOT_ID),
    ("change.resource", DISK_ACCESS_ID),
    ("change.resource", "x" * 1_000_000),
]


@pytest.mark.parametrize(
    ("path", "value"), FORGERIES, ids=[f"{n}-{p}" for n, (p, _) in enumerate(FORGERIES)]
)
async def test_a_forged_message_causes_no_request_and_one_alert(path: str, value: object) -> None:
    """Nothing of it is executed, nothing is retried, a person is told."""
    world = World(disk())
    result = await world.message(await forged(path, value))
    assert world.arm.asked == []
    assert world.intents == []
    assert result.outcome == Outcome.REPORTED_ONLY
    assert "could not be read" in world.alert["reason"]
    assert len(world.alert["reason"]) <= 4096


@pytest.mark.parametrize("path", ["change.operationName", "change.eventType"])
async def test_a_message_for_another_type_leads_nowhere(path: str) -> None:
    """What is not guarded is not read."""
    message = await forged("change.operationName", "")
    _set("change.resource", DISK_ACCESS_ID)(message)
    _set(path, "Microsoft.Web/sites/write")(message)
    world = World(disk())
    await world.message(message)
    assert world.arm.asked == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"not json",
        b"[" * 100_000,
        b"x" * 1_000_000,
        b'{"schema": 1e999}',
    ],
)
async def test_what_is_no_message_at_all_is_told(text: bytes) -> None:
    """Whatever the bytes are."""
    world = World(disk())
    await world.message(text)
    assert world.arm.asked == []
    assert world.alert["outcome"] == "reported only"


async def test_a_forged_change_is_not_executed() -> None:
    """Stored changes are evidence: a compliant disk is read and left as it is."""
    opened = [{"path": "properties.networkAccessPolicy", "before": "DenyAll", "after": "AllowAll"}]
    world = World(closed_disk())
    await world.message(await forged("evidence.changes", opened))
    assert world.arm.patches == []
    assert world.is_closed()


async def test_forged_findings_do_not_shape_the_patch() -> None:
    """The plan is computed from the body that Azure returns."""
    message = await genuine()
    for finding in message["evidence"]["findings"]:
        finding["desired"] = "AllowAll"
    world = World(disk())
    await world.message(message)
    assert world.is_closed()


@pytest.mark.parametrize(
    "path", ["change.caller.name", "change.operationName", "change.eventId", "change.correlationId"]
)
async def test_text_of_a_message_loses_its_control_characters(path: str) -> None:
    """A forged message cannot break the lines of an alert either."""
    message = await forged("change.operationName", "")
    _set(path, "a\n\x1b[31m\u202eb")(message)
    world = World(closed_disk())
    await world.message(message)
    assert not {"\n", "\x1b", "\u202e"} & set("".join(_texts(world.alerts)))


@pytest.mark.parametrize("length", [5, 9000])
async def test_a_name_of_a_forged_key_loses_its_control_characters(length: int) -> None:
    """The reason shows where the mistake is, as harmless text."""
    world = World()
    await world.message(await forged("a\n\u202eb" + "x" * length, 1))
    assert not {"\n", "\u202e"} & set(world.alert["reason"])


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "stamp", ["2026-99-99T99:99:99Z", "0000-00-00T00:00:00Z", "2026-03-01T::::::::Z"]
)
async def test_a_time_that_is_none_does_not_stop_the_retry(stamp: str) -> None:
    """Also when the look runs into trouble, no forged time makes a message poison."""
    world = World(disk())
    world.trouble.errors["arm.get"] = [Transient("busy", status=503)]
    await world.message(await forged("firstSeen", stamp))
    assert len(world.intents) + len(world.alerts) == 1


@settings(max_examples=50)
@given(
    JSON
    | st.dictionaries(st.sampled_from(["schema", "source", "change", "evidence", "attempt"]), JSON)
)
async def test_any_json_as_a_message_is_told(anything: Any) -> None:
    """No message raises."""
    world = World(disk())
    await world.message(json.dumps(anything).encode())
    assert world.arm.asked == []
    assert len(world.alerts) == 1


@settings(max_examples=50)
@given(EVENTS.filter(lambda made: isinstance(made, dict)), st.integers(0, 2))
async def test_what_an_event_says_survives_the_queue(made: Any, recheck: int) -> None:
    """A task that was put off is the same task, whatever the event looked like."""
    try:
        change = events.parse(made)
    except Unreadable:
        return
    task = tasks.Task(change, Source.WORK, "2026-03-01T12:00:00.000Z", 3, recheck)
    text = json.dumps(task.message()).encode()
    assert task == tasks.parse(text)


@pytest.mark.parametrize("queue", ["guard-work", "guard-events"])
@pytest.mark.parametrize("text", [b"", b"\xff", b"not json", b"<b>\n\0</b>", b"x" * 1_000_000])
async def test_a_poison_message_becomes_an_alert_with_its_text(queue: str, text: bytes) -> None:
    """What failed five times ends in front of a person, short and harmless."""
    world = World()
    if queue == "guard-work":
        await intake.on_poison_work(text, world.ports)
    else:
        await intake.on_poison_events(text, world.ports)
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    assert queue in world.alert["reason"]
    assert not set("\n\0") & set(world.alert["reason"])
    assert len(world.alert["reason"]) <= 4096


async def test_a_poison_intent_keeps_what_was_seen() -> None:
    """Its alert has the id, findings and caller of the violation."""
    message = await genuine()
    world = World()
    await intake.on_poison_work(json.dumps(message).encode(), world.ports)
    assert message["evidence"]["alertId"] == world.alert["alertId"]
    assert len(world.alert["findings"]) == 2
    assert world.alert["caller"]["name"] == "alice@contoso.example"
    assert world.alert["resourceId"] == DISK_ID


async def test_a_forged_undo_does_not_reach_a_person() -> None:
    """Changes that the guard could not have made are left out of the alert and its undo."""
    forged_changes = [
        {"path": "properties.encryption.type", "before": "None", "after": "x"},
        {"path": "properties.networkAccessPolicy", "before": "AllowAll", "after": "DenyAll"},
    ]
    world = World(closed_disk())
    await world.message(await forged("evidence.changes", forged_changes))
    assert [change["path"] for change in world.alert["changes"]] == [
        "properties.networkAccessPolicy"
    ]
    assert [request["body"] for request in world.alert["undo"]] == [
        {"properties": {"networkAccessPolicy": "AllowAll"}}
    ]
