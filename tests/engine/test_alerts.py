"""The alert is the public contract: every field, always small enough, nothing lost in silence."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine import saved
from guards.engine.alerts import Alert, Exposure
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

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "alert.schema.json").read_text())
ALERT_DOC = (DOCS / "alert.md").read_text()
NEWER = {"exposure", "deleted"}
"""Fields that the first alerts of this version did not have."""

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
LINK = Exposure(
    statement="The link was revoked. Data may have been read through it in the 47.2 s it was out.",
    granted_at="2026-03-01T11:59:13Z",
    access="Read",
    duration_s=3600,
    revoked_at="2026-03-01T12:00:00.214Z",
    seconds_open=47.214,
    state_after="Unattached",
)
PIPELINE = {
    "id": f"{REGISTRY_ID}/exportPipelines/nightly",
    "name": "nightly",
    "type": "Microsoft.ContainerRegistry/registries/exportPipelines",
    "apiVersion": "2025-06-01-preview",
    "location": "westeurope",
    "tags": {"owner": 'the "nightly" team'},
    "properties": {
        "target": {"type": "AzureStorageBlobContainer", "uri": "https://x.example/out"},
        "options": ["OverwriteBlobs"],
        "retries": 3,
        "verified": True,
        "keyVault": None,
    },
}
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


def size_of(alert: Alert) -> int:
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
        "exposure": None,
        "deleted": [],
    }


def test_a_link_that_was_out_is_told_as_documented() -> None:
    """The caller is that of the alert: a name, or else an ID."""
    sent = as_sent(replace(FULL, exposure=LINK))
    assert sent["exposure"] == {
        "grantedAt": "2026-03-01T11:59:13Z",
        "access": "Read",
        "durationSeconds": 3600,
        "revokedAt": "2026-03-01T12:00:00.214Z",
        "secondsOpen": 47.214,
        "caller": "Alice",
        "ipAddress": "203.0.113.7",
        "stateAfter": "Unattached",
        "statement": LINK.statement,
    }
    jsonschema.validate(sent, SCHEMA)


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (Caller(object_id="oid", app_id="app"), "oid"),
        (Caller(app_id="app"), "app"),
        (Caller(), None),
    ],
)
def test_what_is_not_known_of_a_link_is_null(caller: Caller, shown: str | None) -> None:
    """Nothing is made up."""
    sent = as_sent(replace(FULL, exposure=Exposure("It is out."), caller=caller))
    jsonschema.validate(sent, SCHEMA)
    assert sent["exposure"].pop("caller") == shown
    assert sent["exposure"].pop("statement") == "It is out."
    assert set(sent["exposure"].values()) == {None}


@pytest.mark.parametrize("field", sorted(SCHEMA["properties"]["exposure"]["properties"]))
def test_every_field_of_a_link_is_explained(field: str) -> None:
    """In the table of docs/alert.md."""
    (table,) = re.findall(r"(?s)\| field of `exposure` \|.*?\n\n", ALERT_DOC)
    assert f"`{field}`" in table


def test_the_example_of_the_docs_fits_the_schema() -> None:
    """What people copy into a reader's tests."""
    (example,) = re.findall(r"(?s)```json\n(.*?)```", ALERT_DOC)
    jsonschema.validate({**as_sent(FULL), "exposure": json.loads(example)}, SCHEMA)
    assert set(json.loads(example)) == set(SCHEMA["properties"]["exposure"]["required"])


def test_an_alert_of_an_earlier_version_still_fits_the_schema() -> None:
    """Fields are added: nobody who validates is surprised by what waits in the queue."""
    older = {key: value for key, value in as_sent(FULL).items() if key not in NEWER}
    assert len(older) == len(as_sent(FULL)) - len(NEWER)
    jsonschema.validate(older, SCHEMA)


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


LOCKS = "\U0001f512" * 100_000
MANY = tuple(replace(FINDING, rule=f"rule-{n}", actual="ж" * 300) for n in range(300))
HUGE = [
    replace(FULL, findings=MANY, changes=tuple(Change(f.path, f.actual, "x") for f in MANY)),
    replace(FULL, findings=MANY, reason="r" * 1_000_000),
    replace(FULL, reason="r" * 1_000_000),
    replace(FULL, reason="r" * 5000),
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
    replace(FULL, caller=Caller(*[LOCKS[:256]] * 5), reason=LOCKS[:4096]),
    replace(FULL, findings=MANY, changes=(), exposure=LINK, deleted=(PIPELINE,)),
    replace(FULL, exposure=replace(LINK, statement=LOCKS), reason="ж" * 4096),
]
WORST = replace(
    FULL,
    findings=MANY,
    reason=LOCKS[:4096],
    caller=Caller(*[LOCKS[:256]] * 5),
    operation_name=LOCKS[:256],
    event_id=LOCKS[:256],
    event_time=LOCKS[:256],
    correlation_id=LOCKS[:256],
    exposure=replace(LINK, statement=LOCKS, access=LOCKS[:256], state_after=LOCKS[:256]),
)
"""All that comes from outside is as long as it can be, and takes twelve bytes a character."""


def pipelines(count: int, size: int) -> tuple[dict[str, Any], ...]:
    """Bodies of so many bytes of text each."""
    return tuple({**PIPELINE, "name": f"nightly-{n}", "x": "y" * size} for n in range(count))


@pytest.mark.parametrize("alert", HUGE, ids=range(len(HUGE)))
def test_an_alert_always_fits_a_queue_message(alert: Alert) -> None:
    """It is cut, never dropped: under 48 KiB, and what counts is still there."""
    assert size_of(alert) < 48 * 1024
    sent = as_sent(alert)
    jsonschema.validate(sent, SCHEMA)
    assert (
        sent["alertId"],
        sent["resourceId"],
        sent["outcome"],
    ) == ("ab" * 32, DISK_ID, "reverted")


@pytest.mark.parametrize("size", [100, 3000, 23_400])
def test_what_was_deleted_is_whole_in_the_worst_alert(size: int) -> None:
    """Everything else is cut before the only copy of it."""
    deleted = pipelines(24_000 // (size + 600), size)
    assert saved.fits(deleted)
    worst = replace(WORST, deleted=deleted, undo=({**FULL.undo[0], "body": deleted[0]},))
    assert size_of(worst) <= 47 * 1024
    sent = as_sent(worst)
    assert sent["deleted"] == list(deleted)
    assert (sent["findings"], sent["undo"]) == ([], [])
    assert sent["reason"].startswith("(cut: 300 findings in all, undo is left out)")
    assert sent["exposure"]["secondsOpen"] == 47.214
    jsonschema.validate(sent, SCHEMA)


@pytest.mark.parametrize("base", [FULL, WORST])
def test_a_body_that_is_lost_is_lost_with_a_word(base: Alert) -> None:
    """The guard deletes no more than fits; if it did, a person would know."""
    sent = as_sent(replace(base, deleted=pipelines(40, 3000)))
    kept = len(sent["deleted"])
    assert kept < 40
    assert sent["deleted"] == list(pipelines(kept, 3000))
    assert sent["reason"].startswith(f"(cut: the bodies of {40 - kept} of 40 deleted resources are")
    assert len(json.dumps(sent)) <= 47 * 1024
    one = as_sent(replace(base, deleted=pipelines(1, 1_000_000)))
    assert one["deleted"] == []
    assert "the bodies of 1 of 1 deleted resources are lost" in one["reason"]


def test_findings_and_undo_are_cut_before_a_link() -> None:
    """What was seen of it is short, and what people ask for first."""
    sent = as_sent(replace(FULL, findings=MANY, exposure=LINK, deleted=(PIPELINE,)))
    assert len(sent["findings"]) < 300
    assert (sent["exposure"]["statement"], sent["deleted"]) == (LINK.statement, [PIPELINE])
    assert sent["undo"] == []


def test_a_long_undo_alone_leaves_the_findings() -> None:
    """No more is cut than has to be, and the reader knows of it."""
    (request,) = FULL.undo
    sent = as_sent(replace(FULL, undo=({**request, "body": {"x": "y" * 2000}},) * 40))
    assert len(sent["findings"]) == len(sent["changes"]) == 1
    assert sent["undo"] == []
    assert sent["reason"] == "(cut: 1 findings in all, undo is left out) why"


_TEXT = st.text(alphabet='ab ж"\\\\/{\U0001f512', max_size=9).map(str.strip)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=6))
def test_a_saved_body_is_what_azure_showed(body: dict[str, Any]) -> None:
    """To the letter, and every value of the same type: somebody may have to put it back."""
    (kept,) = as_sent(replace(FULL, deleted=(body,)))["deleted"]
    assert json.dumps(kept) == json.dumps(body)


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
