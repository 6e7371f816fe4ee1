"""`python -m guards replay`: what the guard would have done, told event by event."""

import asyncio
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guards import GUARDS
from guards.cli import replay, replay_report
from guards.cli.memory import Memory
from guards.cli.replay import Would
from guards.engine import policy
from tests.cli.command import ROOT, Said, process, write
from tests.cli.replays import (
    CLOSING,
    EXEMPT_ID,
    EXEMPTION,
    SITE_ID,
    SITE_WRITE,
    at,
    outcomes,
    replayed,
)
from tests.engine.samples import (
    ALICE_ID,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    GUARD_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    anonymous,
    by_guard,
    closed_disk,
    cloud_event,
    disk,
    event,
    grant,
    registry,
)

STORY: list[tuple[Any, str]] = [
    (event(id="e-1"), Would.REVERTED),
    (cloud_event(SNAPSHOT_WRITE, SNAPSHOT_ID, id="e-2"), Would.ALREADY_COMPLIANT),
    (event(REGISTRY_WRITE, REGISTRY_ID, id="e-3"), Would.BLOCKED),
    (at("2026-03-01T11:59:59.9999999Z", id="e-4"), Would.EXEMPT),
    (at("2026-03-01T12:00:00Z", id="e-5"), Would.REVERTED),
    ({"id": "e-6", "subject": DISK_ID}, Would.UNREADABLE),
    (by_guard(id="e-7"), Would.OWN_WRITE),
    (event(SITE_WRITE, SITE_ID, id="e-8"), Would.NOT_GUARDED),
    (cloud_event(DISK_GRANT, id="e-9"), Would.REVERTED),
    (event(id="e-1"), Would.REVERTED),
]
STORY_EVENTS = [one for one, _ in STORY]
STORY_RESOURCES = (
    disk(),
    closed_disk(SNAPSHOT_ID),
    registry(sku="Basic"),
    disk(EXEMPT_ID),
)


def story(tmp_path: Path, **how: Any) -> Said:
    """Ten events, with the guard's own identity known unless told otherwise."""
    how = {"rules": EXEMPTION, "principal_id": GUARD_ID, **how}
    return replayed(tmp_path, STORY_EVENTS, *STORY_RESOURCES, **how)


def test_ten_events_tell_what_would_have_been_done(tmp_path: Path) -> None:
    """Each in its order; the unreadable one in the middle keeps nobody waiting."""
    said = story(tmp_path)
    assert said.code == 2
    assert [outcome for _, outcome in STORY] == outcomes(said)
    assert [line["eventId"] for line in said.json[:5]] == ["e-1", "e-2", "e-3", "e-4", "e-5"]
    plans = [line["plan"] for line in said.json]
    patch = [{"step": "patch", "body": CLOSING}]
    assert plans == [patch, [], [], [], patch, [], [], [], patch, patch]
    assert [line["lookAgainSeconds"] for line in said.json] == [*[None] * 8, 5, None]
    assert [line["otherAlerts"] for line in said.json] == [[]] * 10


def test_the_table_has_a_line_for_each_of_them_and_a_summary(tmp_path: Path) -> None:
    """As a person or grep reads it: what is piped is never folded."""
    said = story(tmp_path, form="table")
    head, *lines = said.out.splitlines()
    assert head.split() == ["TIME", "OPERATION", "RESOURCE", "CALLER", "OUTCOME", "WHAT"]
    for line, (_, outcome) in zip(lines, STORY, strict=False):
        assert outcome in line
    cells = re.split(r" {2,}", lines[0], maxsplit=5)
    time, operation, name, caller, outcome, what = cells
    assert (time, operation, name) == ("2026-03-01T11:59:59Z", "disks/write", "ledger-disk")
    assert (caller, outcome) == ("alice@contoso.example", "would be reverted")
    assert what == f"PATCH {json.dumps(CLOSING)}"
    assert "tier is Basic" in lines[2]
    assert "ticket CHG0042" in lines[3]
    assert "could not be read" in lines[5]
    assert lines[8].endswith("would look again in 5 s")
    assert lines[10:] == [
        "",
        "10 events, 4 would be reverted, 1 blocked, 1 exempt, 1 already compliant, 1 own write, "
        "1 not guarded, 1 unreadable",
        "different resources that would be reverted: 2",
        "calls to ARM: 7 GET and at most 4 PATCH, without what is looked at again",
        "resources were taken as they stand in their file, at every event",
    ]


def test_without_the_guards_identity_its_events_are_anybodys(tmp_path: Path) -> None:
    """Whoever does not say which identity is the guard's sees its writes looked at."""
    assert outcomes(story(tmp_path, principal_id=""))[6] == Would.REVERTED
    assert outcomes(story(tmp_path, principal_id=GUARD_ID.upper()))[6] == Would.OWN_WRITE


def test_a_doubled_event_has_the_same_alert(tmp_path: Path) -> None:
    """Readers of the alerts would drop it."""
    first, *_, last = story(tmp_path).json
    assert first["alert"]["alertId"] == last["alert"]["alertId"]


def test_all_good_ends_with_0(tmp_path: Path) -> None:
    """What would have been reverted is an answer, not a failure."""
    said = replayed(tmp_path, [event(), anonymous(REGISTRY_WRITE, REGISTRY_ID)], disk())
    assert (said.code, said.err) == (0, "")
    assert outcomes(said) == [Would.REVERTED, Would.NOT_IN_FILE]


def test_the_process_ends_with_that_code(tmp_path: Path) -> None:
    """As a pipeline sees it, with the events on standard input."""
    estate = write(tmp_path / "resources.json", [disk()])
    for events, code in (([event()], 0), ([event(), 5], 2)):
        said = process("replay", "-", "--resources", estate, stdin=json.dumps(events).encode())
        assert said.code == code
        assert "1 would be reverted" in said.out


def test_the_json_has_exactly_the_promised_shape(tmp_path: Path) -> None:
    """Programs are written against it."""
    said = replayed(tmp_path, [event(), 5], disk())
    line, unreadable = said.json
    alert = line.pop("alert")
    assert line == {
        "time": "2026-03-01T11:59:59.123Z",
        "eventId": "event-1",
        "operationName": DISK_WRITE,
        "resourceId": DISK_ID,
        "caller": {
            "objectId": ALICE_ID,
            "appId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
            "name": "alice@contoso.example",
            "ipAddress": "203.0.113.7",
            "principalType": "User",
        },
        "outcome": "would be reverted",
        "reason": None,
        "plan": [{"step": "patch", "body": CLOSING}],
        "exemption": None,
        "lookAgainSeconds": None,
        "otherAlerts": [],
    }
    schema = json.loads((ROOT / "docs/alert.schema.json").read_text())
    assert set(alert) == set(schema["properties"])
    assert (alert["outcome"], alert["seenAt"]) == ("reported only", "2026-03-01T11:59:59.123Z")
    assert unreadable["alert"]["reason"] == unreadable["reason"]
    assert {key: unreadable[key] for key in ("time", "eventId", "operationName", "resourceId")} == {
        "time": None, "eventId": None, "operationName": None, "resourceId": None,
    }  # fmt: skip
    assert unreadable["caller"] == dict.fromkeys(line["caller"], "")
    assert list(unreadable) == list(said.json[0])


def test_every_key_of_the_json_is_explained() -> None:
    """The module's first lines are its documentation."""
    memory = Memory({}, policy.default(GUARDS), "", datetime(2026, 3, 1, tzinfo=UTC))
    out = io.StringIO()
    view = replay_report.Json(out)
    view.add(asyncio.run(replay.replayed(event(), memory)))
    view.end(0)
    for key in json.loads(out.getvalue())[0]:
        assert re.search(rf"(?m)^    ([a-zA-Z, ]+, )?{key}\b", replay_report.__doc__ or "")


def test_a_strangers_link_is_counted_with_its_revocation(tmp_path: Path) -> None:
    """And no PATCH, where the settings are closed."""
    said = replayed(tmp_path, [grant()], closed_disk(diskState="ActiveSAS"), form="table")
    assert "endGetAccess (every SAS link is revoked)" in said.out
    assert "1 GET and at most 0 PATCH, 1 POST endGetAccess with a GET each" in said.out
