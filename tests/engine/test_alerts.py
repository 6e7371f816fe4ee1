"""The alert is the public contract: every field, always small enough, with an id to count by."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guards.engine.alerts import Alert
from guards.engine.errors import Terminal, Transient
from guards.engine.model import Caller, Change, Finding, Mode, Outcome, Severity, Source
from tests.engine.samples import (
    DISK_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    by_guard,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import Crash

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "alert.schema.json").read_text())
FINDING = Finding(
    "networkAccessPolicy", "properties.networkAccessPolicy", None, "DenyAll", Severity.HIGH
)
FULL = Alert(
    alert_id="ab" * 32,
    source=Source.EVENT,
    outcome=Outcome.REVERTED,
    severity=Severity.HIGH,
    seen_at="2026-03-01T12:00:00.000Z",
    resource_id=DISK_ID,
    resource_type="Microsoft.Compute/disks",
    findings=(FINDING,),
    changes=(Change("properties.networkAccessPolicy", None, "DenyAll"),),
    reason="why",
    caller=Caller("oid", "app", "Alice", "203.0.113.7", "User"),
    operation_name="Microsoft.Compute/disks/write",
    event_id="event-1",
    event_time="2026-03-01T11:59:59Z",
    closed_at="2026-03-01T12:00:01.000Z",
    correlation_id="c-1",
    policy_hash="cd" * 32,
    undo=(
        {
            "method": "PATCH",
            "path": DISK_ID,
            "apiVersion": "2026-03-02",
            "body": {"properties": {}},
        },
    ),
)
HOST_KEYS = {
    "id",
    "dequeuecount",
    "popreceipt",
    "insertiontime",
    "expirationtime",
    "nextvisibletime",
}


def as_sent(alert: Alert) -> dict[str, Any]:
    """The alert as a reader of the queue gets it."""
    read: dict[str, Any] = json.loads(json.dumps(alert.message()))
    return read


def size(alert: Alert) -> int:
    """Bytes of the text that goes into the queue."""
    return len(json.dumps(alert.message()).encode())


def test_every_field_is_as_documented() -> None:
    """A reader relies on these names and forms."""
    assert as_sent(FULL) == {
        "schema": "exportguard.alert/1",
        "alertId": "ab" * 32,
        "source": "event",
        "resourceId": DISK_ID,
        "resourceType": "Microsoft.Compute/disks",
        "outcome": "reverted",
        "severity": "high",
        "findings": [
            {
                "rule": "networkAccessPolicy",
                "path": "properties.networkAccessPolicy",
                "actual": None,
                "desired": "DenyAll",
                "severity": "high",
            }
        ],
        "changes": [{"path": "properties.networkAccessPolicy", "from": None, "to": "DenyAll"}],
        "reason": "why",
        "caller": {
            "objectId": "oid",
            "appId": "app",
            "name": "Alice",
            "ipAddress": "203.0.113.7",
            "principalType": "User",
        },
        "operationName": "Microsoft.Compute/disks/write",
        "eventId": "event-1",
        "eventTime": "2026-03-01T11:59:59Z",
        "seenAt": "2026-03-01T12:00:00.000Z",
        "closedAt": "2026-03-01T12:00:01.000Z",
        "correlationId": "c-1",
        "policyHash": "cd" * 32,
        "undo": [
            {
                "method": "PATCH",
                "path": DISK_ID,
                "apiVersion": "2026-03-02",
                "body": {"properties": {}},
            }
        ],
    }


async def _worlds() -> list[World]:
    """One world for each way an alert comes about."""
    worlds = [World(disk()) for _ in range(6)]
    reverted, refused, crashed, deleted, audited, unreadable = worlds
    await reverted.event(event())
    refused.trouble.errors["arm.patch"] = [Terminal("locked", code="ScopeLocked", status=409)]
    await refused.event(event())
    crashed.trouble.crash = (5, "after")
    with pytest.raises(Crash):
        await crashed.event(event())
    await crashed.settle()
    deleted.trouble.errors["arm.patch"] = [Transient("busy")]
    await deleted.event(event())
    deleted.arm.bodies.clear()
    await deleted.settle()
    audited.ports = replace(audited.ports, cap=Mode.AUDIT)
    await audited.event(event())
    await unreadable.event({"junk": 1})
    blocked, misused, given_up = World(registry(sku="Basic")), World(closed_disk()), World(disk())
    await blocked.event(event(REGISTRY_WRITE, REGISTRY_ID))
    await misused.event(by_guard("Microsoft.Compute/disks/delete"))
    given_up.trouble.errors["arm.get"] = [Transient("busy")] * 500
    await given_up.event(event())
    await given_up.settle()
    return [*worlds, blocked, misused, given_up]


async def test_every_alert_fits_the_published_schema() -> None:
    """Whatever happened, a reader that validates is never surprised."""
    worlds = await _worlds()
    expected = ["reverted", "not reverted", "found closed", "deleted meanwhile", "reported only"]
    expected += ["reported only", "blocked", "reported only", "not reverted"]
    assert expected == [world.alert["outcome"] for world in worlds]
    for world in worlds:
        jsonschema.validate(world.alert, SCHEMA)


async def test_no_message_has_a_key_that_the_host_overwrites() -> None:
    """The Functions host puts its own values over id, dequeueCount and the like."""
    waiting = World(disk())
    waiting.trouble.errors["arm.patch"] = [Transient("busy")]
    await waiting.event(event())
    messages = [*waiting.intents, *(world.alert for world in await _worlds())]
    for message in messages:
        assert set() == HOST_KEYS & {key.lower() for key in message}


MANY = tuple(replace(FINDING, rule=f"rule-{n}", actual="ж" * 300) for n in range(300))
HUGE = [
    replace(FULL, findings=MANY, changes=tuple(Change(f.path, f.actual, "x") for f in MANY)),
    replace(FULL, findings=MANY, reason="r" * 1_000_000),
    replace(FULL, reason="r" * 1_000_000),
    replace(FULL, reason="ж" * 1_000_000),
    replace(FULL, reason="\U0001f512" * 1_000_000),
    replace(FULL, reason="\U0001f512" * 4096, findings=()),
    replace(FULL, reason="\U0001f512" * 4096, findings=MANY),
    replace(FULL, findings=(replace(FINDING, actual="x" * 1_000_000),)),
    replace(FULL, findings=(), changes=(Change("properties.diskAccessId", "x" * 100_000, None),)),
    replace(
        FULL,
        findings=(),
        undo=(
            {"method": "PATCH", "path": DISK_ID, "apiVersion": "1", "body": {"x": "y" * 99_999}},
        ),
    ),
    replace(FULL, caller=Caller(*["\U0001f512" * 256] * 5), reason="\U0001f512" * 4096),
]


@pytest.mark.parametrize("alert", HUGE, ids=range(len(HUGE)))
def test_an_alert_always_fits_a_queue_message(alert: Alert) -> None:
    """It is cut, never dropped: under 48 KiB, and what counts is still there."""
    assert size(alert) < 48 * 1024
    sent = as_sent(alert)
    jsonschema.validate(sent, SCHEMA)
    assert (
        sent["alertId"],
        sent["resourceId"],
        sent["outcome"],
    ) == ("ab" * 32, DISK_ID, "reverted")


def test_a_cut_alert_says_so() -> None:
    """The reader knows that there were more findings."""
    sent = as_sent(HUGE[0])
    assert "300 findings in all" in sent["reason"]
    assert 0 < len(sent["findings"]) < 300


def test_a_whole_alert_is_not_cut() -> None:
    """A handful of findings comes with everything."""
    few = replace(FULL, findings=MANY[:10])
    assert len(as_sent(few)["findings"]) == 10
    assert "cut" not in as_sent(few)["reason"]


@pytest.mark.parametrize("mark", ["\n", "\r", "\0", "\x1b[31m", "\u202e", "\u2066", "\x85"])
def test_no_alert_holds_control_characters(mark: str) -> None:
    """Whatever field they came in by, a card or a log line is not broken by them."""
    text = f"a{mark}b"
    dirty = replace(
        FULL,
        reason=text,
        operation_name=text,
        event_id=text,
        caller=Caller(name=text),
        findings=(replace(FINDING, actual=text),),
    )
    assert mark not in json.dumps(dirty.message(), ensure_ascii=False)
    assert mark not in "".join(str(value) for value in as_sent(dirty).values())
