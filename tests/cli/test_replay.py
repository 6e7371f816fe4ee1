"""`python -m guards replay`: what the guard would have done, told event by event, and nothing done.

Events and resources have the shapes of `tests.engine.samples`.
"""

import asyncio
import io
import json
import logging
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from guards import GUARDS
from guards.cli import memory as memories
from guards.cli import replay, rows
from guards.cli.memory import Memory
from guards.cli.replay import Would
from guards.engine import intake, policy
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Mode
from tests.cli.command import ROOT, Said, flattened, guards, process, write
from tests.engine.samples import (
    ALICE_ID,
    DISK_ACCESS_ID,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    GROUP,
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
    registry,
)
from tests.engine.test_hostile_events import EVENTS
from tests.engine.world import World

CLOSING = {"properties": {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}}
EXEMPT_ID = f"{GROUP}/providers/Microsoft.Compute/disks/archive"
SITE_WRITE, SITE_ID = "Microsoft.Web/sites/write", f"{GROUP}/providers/Microsoft.Web/sites/shop"

EXEMPTION = f"""\
version: 1
exemptions:
  - scope: {EXEMPT_ID}
    rules: [networkAccessPolicy, publicNetworkAccess]
    reason: nightly copy
    owner: backup@contoso.example
    approved_by: security@contoso.example
    ticket: CHG0042
    expires_on: 2026-03-01T12:00:00Z
"""


def at(time: object, **parts: Any) -> dict[str, Any]:
    """An event of the exempt disk at another time."""
    return {**event(resource=EXEMPT_ID, **parts), "eventTime": time}


def replayed(
    tmp_path: Path,
    events: object,
    *resources: Any,
    rules: str = "version: 1\n",
    principal_id: str = "",
    form: str = "json",
) -> Said:
    """The command, with everything in files; events as they are if they are bytes."""
    recorded = tmp_path / "events.json"
    recorded.write_bytes(events if isinstance(events, bytes) else json.dumps(events).encode())
    (tmp_path / "policy.yaml").write_text(rules, encoding="utf-8")
    return guards(
        "replay", recorded,
        "--resources", write(tmp_path / "resources.json", list(resources)),
        "--policy", tmp_path / "policy.yaml",
        "--principal-id", principal_id,
        "--format", form,
    )  # fmt: skip


def run(tmp_path: Path, events: list[Any], *resources: Any) -> int:
    """The table, without the command line around it."""
    recorded = str(write(tmp_path / "events", events))
    estate = str(write(tmp_path / "resources", resources))
    return replay.run(recorded, estate, policy.default(GUARDS), principal_id="", as_json=False)


def outcomes(said: Said) -> list[str]:
    """Of every event."""
    return [line["outcome"] for line in said.json]


# A story ---------------------------------------------------------------------------------------

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
    assert set(alert) == set(schema["required"])
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
    view = replay._Json(out)
    view.add(asyncio.run(replay.replayed(event(), memory)))
    view.end(0)
    for key in json.loads(out.getvalue())[0]:
        assert re.search(rf"(?m)^    ([a-zA-Z, ]+, )?{key}\b", replay.__doc__ or "")


# Input -----------------------------------------------------------------------------------------

ONE = event()
CLOUD = cloud_event()
_DATA_FIRST = {"data": CLOUD["data"], **{k: v for k, v in CLOUD.items() if k != "data"}}

FORMS: dict[str, tuple[bytes, int]] = {
    "an array": (json.dumps([ONE, CLOUD]).encode(), 2),
    "JSON lines": (f"{json.dumps(ONE)}\n{json.dumps(CLOUD)}\n".encode(), 2),
    "one event": (json.dumps(ONE, indent=2).encode(), 1),
    "one CloudEvent": (json.dumps(CLOUD, indent=2).encode(), 1),
    "data before id and type": (json.dumps(_DATA_FIRST, indent=2).encode(), 1),
    "lines with sorted keys": (
        b"\n".join(json.dumps(e, sort_keys=True).encode() for e in (ONE, CLOUD)),
        2,
    ),
    "data as a text": (
        json.dumps({**CLOUD, "data": json.dumps(CLOUD["data"])}, sort_keys=True).encode(),
        1,
    ),
    "a dead-letter blob": (
        json.dumps(
            [
                {
                    **ONE,
                    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
                    "deliveryAttempts": 30,
                    "lastDeliveryOutcome": "Busy",
                    "publishTime": "2026-03-01T12:00:00Z",
                }
            ]
        ).encode(),
        1,
    ),
    "blobs after one another": (json.dumps([ONE]).encode() + json.dumps([CLOUD]).encode(), 2),
    "a page": (json.dumps({"value": [ONE, CLOUD]}).encode(), 2),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps([ONE]).encode(), 1),
    "no events": (b"[]", 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_events_come_in_every_form(form: str, tmp_path: Path) -> None:
    """As a queue, a dead-letter container or a log has them, in both schemas."""
    content, number = FORMS[form]
    said = replayed(tmp_path, content, disk())
    assert (said.code, said.err) == (0, "")
    assert outcomes(said) == [Would.REVERTED] * number


@pytest.mark.parametrize("data", [[], [1], [{"id": "x"}]])
def test_an_event_that_looks_like_a_page_is_told(data: list[Any], tmp_path: Path) -> None:
    """A list as data, before id and type, is read as a list of events: never without a word."""
    custom = {"data": data, "id": "e-1", "type": "Contoso.Sold", "specversion": "1.0"}
    said = replayed(tmp_path, json.dumps(custom).encode() + b"\n" + json.dumps(ONE).encode())
    assert said.code == 2
    assert "taken for a list" in said.err
    assert outcomes(said)[-1] == Would.NOT_IN_FILE


@pytest.mark.parametrize("form", ["ARM", "az", "Resource Graph", "JSON lines", "a page"])
def test_resources_come_in_every_form(form: str, tmp_path: Path) -> None:
    """As az, ARM and Resource Graph write them, whatever the casing of the ID."""
    private = registry(endpoint="Approved")
    az = {**private, **private["properties"]}
    del az["properties"]
    (connection,) = private["properties"]["privateEndpointConnections"]
    az["privateEndpointConnections"] = [{"id": ENDPOINT_ID, **connection["properties"]}]
    graph = {**private, "id": REGISTRY_ID.lower(), "type": private["type"].lower()}
    content = {
        "ARM": json.dumps([disk(), private]),
        "az": json.dumps([flattened(disk()), az]),
        "Resource Graph": json.dumps({"count": 2, "data": [disk(DISK_ID.upper()), graph]}),
        "JSON lines": f"{json.dumps(disk())}\n{json.dumps(private)}",
        "a page": json.dumps({"value": [disk(), private], "nextLink": None}),
    }[form]
    estate = tmp_path / "resources"
    estate.write_text(content)
    recorded = write(tmp_path / "events", [event(), event(REGISTRY_WRITE, REGISTRY_ID)])
    said = guards("replay", recorded, "--resources", estate, "--format", "json")
    assert (said.code, said.err) == (0, "")
    assert outcomes(said) == [Would.REVERTED, Would.REVERTED]


def test_of_a_resource_that_stands_there_twice_the_later_one_counts(tmp_path: Path) -> None:
    """With a note; nothing is unreadable."""
    said = replayed(tmp_path, [event()], disk(), closed_disk(DISK_ID.upper()))
    assert (said.code, outcomes(said)) == (0, [Would.ALREADY_COMPLIANT])
    assert f"{DISK_ID.lower()} stands here again" in said.err
    assert "resources.json:1: [1]: " in said.err


def test_types_that_are_not_guarded_are_left_out_with_a_note(tmp_path: Path) -> None:
    """A whole tenant can be given, with IDs of any kind."""
    others: list[Any] = [
        {"id": "/subscriptions/x", "type": "Microsoft.Resources/subscriptions"},
        {"id": SITE_ID},
    ]
    said = replayed(tmp_path, [event()], *others, disk())
    assert (said.code, outcomes(said)) == (0, [Would.REVERTED])
    assert "2 resources of types that are not guarded were left out" in said.err


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (5, "a resource is an object, not int"),
        ({}, "resource ID: a string is needed"),
        ({"type": "Microsoft.Compute/disks"}, "resource ID: a string is needed"),
        ({"id": "https://evil.example"}, "resource ID"),
        ({**disk(), "properties": []}, "properties: an object is needed"),
    ],
)
def test_a_resource_that_cannot_be_read_is_named_and_the_rest_counts(
    resource: Any, words: str, tmp_path: Path
) -> None:
    """File, line and place, exit 2."""
    said = replayed(tmp_path, [event()], resource, disk())
    assert (said.code, outcomes(said)) == (2, [Would.REVERTED])
    assert f"{tmp_path / 'resources.json'}:1: [0]: " in said.err
    assert words in said.err


@pytest.mark.parametrize("content", [None, b"", "[]".encode("utf-16")])
def test_without_a_readable_file_of_resources_nothing_is_said(
    content: bytes | None, tmp_path: Path
) -> None:
    """Every line would be wrong."""
    estate = tmp_path / "resources"
    if content is not None:
        estate.write_bytes(content)
    said = guards("replay", write(tmp_path / "events", [event()]), "--resources", estate)
    assert (said.code, said.out) == (2, "")
    assert f"{estate}: " in said.err


def test_without_a_readable_file_of_events_there_is_none(tmp_path: Path) -> None:
    """Exit 2 with the file's name."""
    estate = write(tmp_path / "resources", [disk()])
    said = guards("replay", tmp_path / "missing", "--resources", estate)
    assert said.code == 2
    assert "0 events" in said.out
    assert f"{tmp_path / 'missing'}: cannot be read" in said.err


def test_standard_input_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot be both, and it may be closed."""
    said = guards("replay", "-", "--resources", "-", stdin=b"[]")
    assert (said.code, said.out) == (2, "")
    assert "cannot be both" in said.err
    monkeypatch.setattr(sys, "stdin", None)
    estate = str(write(tmp_path / "resources", []))
    default = policy.default(GUARDS)
    assert replay.run("-", estate, default, principal_id="", as_json=False) == 2
    assert "it is closed" in capsys.readouterr().err


UNREADABLE: list[tuple[Any, str]] = [
    (None, "event: an object is needed, not NoneType"),
    ({"id": "x"}, "neither eventType"),
    (event(resource="//evil.example"), "resource ID"),
    (event(resource=SNAPSHOT_ID), "does not fit Microsoft.Compute/disks/write"),
]


@pytest.mark.parametrize(("broken", "words"), UNREADABLE)
@pytest.mark.parametrize("form", ["table", "json"])
def test_an_unreadable_event_has_a_line_and_is_named(
    broken: Any, words: str, form: str, tmp_path: Path
) -> None:
    """With what the engine says of it; the others are replayed."""
    lines = "\n".join(map(json.dumps, [event(), {"broken": 1}, event()]))
    content = lines.replace('{"broken": 1}', json.dumps([broken]))
    said = replayed(tmp_path, content.encode(), disk(), form=form)
    assert said.code == 2
    assert f"{tmp_path / 'events.json'}:2: [0]: " in said.err
    assert words in said.err
    if form == "json":
        assert outcomes(said) == [Would.REVERTED, Would.UNREADABLE, Would.REVERTED]
        assert words in said.json[1]["reason"]
    else:
        assert "2 would be reverted, 1 unreadable" in said.out
        assert words in said.out


def test_what_is_no_json_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """There is no event to tell of."""
    content = f'{json.dumps(event())}\n{{"id": nope}}\n{json.dumps(event())}\n'
    said = replayed(tmp_path, content.encode(), disk())
    assert (said.code, outcomes(said)) == (2, [Would.REVERTED, Would.REVERTED])
    assert f"{tmp_path / 'events.json'}:2: not JSON" in said.err


# Outcomes --------------------------------------------------------------------------------------


def test_exemptions_count_as_of_the_event(tmp_path: Path) -> None:
    """Events may stand in any order; one without a readable time is of the time before it."""
    before, after = "2026-02-01T00:00:00Z", "2026-03-01T13:00:00+01:00"
    times = [after, before, None, "yesterday", "2026-03-02T00:00:00", after, 5]
    said = replayed(tmp_path, [at(time) for time in times], disk(EXEMPT_ID), rules=EXEMPTION)
    late, early = Would.REVERTED, Would.EXEMPT
    assert outcomes(said) == [late, early, early, early, early, late, late]
    assert [line["time"] is None for line in said.json] == [0, 0, 1, 1, 1, 0, 1]
    assert said.json[0]["time"] == "2026-03-01T12:00:00.000Z"
    assert said.json[1]["exemption"]["ticket"] == "CHG0042"
    assert said.json[1]["alert"] is None


def test_an_event_without_a_readable_time_says_so(tmp_path: Path) -> None:
    """Whoever reads the line knows what it rests on; the first one is of now."""
    said = replayed(tmp_path, [at(None)], disk(EXEMPT_ID), rules=EXEMPTION, form="table")
    line = said.out.splitlines()[1]
    assert line.startswith("- ")
    assert "would be reverted" in line
    assert line.endswith("no readable time: as of the event before")


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_no_time_is_too_far_away(year: str, tmp_path: Path) -> None:
    """Such a time cannot be read; the event can."""
    said = replayed(tmp_path, [at(year)], disk(EXEMPT_ID), rules=EXEMPTION)
    assert (said.code, said.json[0]["time"]) == (0, None)


POLICIES = {
    "the policy only reports": ("mode: audit", Would.REPORTED_ONLY),
    "the rules only report": (
        "resources: {Microsoft.Compute/disks: {networkAccessPolicy: {mode: audit}, "
        "publicNetworkAccess: {mode: audit}}}",
        Would.REPORTED_ONLY,
    ),
    "a scope only reports": (f"scopes: [{{scope: {DISK_ID}, mode: audit}}]", Would.REPORTED_ONLY),
    "a scope is off": (f"scopes: [{{scope: {DISK_ID}, mode: off}}]", Would.OUT_OF_SCOPE),
    "the policy is off": ("mode: off", Would.OUT_OF_SCOPE),
    "minimum": ("profile: minimum", Would.REVERTED),
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_policy_is_tried_out(name: str, tmp_path: Path) -> None:
    """What it enforces would be reverted; what it only reports stays so."""
    rules, outcome = POLICIES[name]
    said = replayed(tmp_path, [event()], disk(), rules=f"version: 1\n{rules}\n")
    assert (said.code, outcomes(said)) == (0, [outcome])
    assert bool(said.json[0]["plan"]) == (outcome == Would.REVERTED)
    assert bool(said.json[0]["alert"]) == (outcome != Would.OUT_OF_SCOPE)


def test_what_a_patch_would_leave_open_is_told(tmp_path: Path) -> None:
    """Reported only, exempt, not possible now, and a link that is out already."""
    auth, audit = "dataAccessAuthMode: {mode: enforce}", "publicNetworkAccess: {mode: audit}"
    body = {**disk(diskState="ActiveSAS"), "managedBy": "/vm"}
    said = replayed(
        tmp_path,
        [event()],
        body,
        rules=f"version: 1\nresources: {{Microsoft.Compute/disks: {{{auth}, {audit}}}}}\n",
    )
    (line,) = said.json
    assert line["outcome"] == Would.REVERTED
    assert line["plan"][0]["body"] == {"properties": {"networkAccessPolicy": "DenyAll"}}
    assert line["reason"].startswith("not changed (dataAccessAuthMode): ")
    assert "left open, as the policy only reports it: publicNetworkAccess; " in line["reason"]
    assert "a SAS link was out" in line["reason"]


def test_a_partial_exemption_is_told_with_the_patch(tmp_path: Path) -> None:
    """Both are answers: what would be closed, and what may stay open."""
    rules = EXEMPTION.replace("networkAccessPolicy, ", "")
    (line,) = replayed(tmp_path, [at("2026-02-01T00:00:00Z")], disk(EXEMPT_ID), rules=rules).json
    assert line["plan"][0]["body"] == {"properties": {"networkAccessPolicy": "DenyAll"}}
    assert line["reason"].startswith("left open: publicNetworkAccess exempt: until ")
    assert line["exemption"]["rules"] == ["publicNetworkAccess"]


def test_an_event_of_a_child_is_about_its_parent(tmp_path: Path) -> None:
    """The registry that lost its private endpoint."""
    said = replayed(tmp_path, [event(ENDPOINT_DELETE, ENDPOINT_ID)], registry(endpoint=None))
    (line,) = said.json
    assert (line["outcome"], line["resourceId"]) == (Would.BLOCKED, REGISTRY_ID)


def test_the_guards_own_change_in_progress_is_deferred(tmp_path: Path) -> None:
    """As the app would: it looks again when Azure is done."""
    body = disk(provisioningState="Updating")
    body["systemData"] = {
        "lastModifiedBy": GUARD_ID,
        "lastModifiedAt": "2026-03-01T11:59:50Z",
    }
    said = replayed(tmp_path, [anonymous()], body, principal_id=GUARD_ID)
    (line,) = said.json
    assert (line["outcome"], line["lookAgainSeconds"], line["alert"]) == (Would.DEFERRED, 5, None)
    assert line["reason"] == "the guard's own change is in progress"


@pytest.mark.parametrize("body", [disk(diskState="ActiveSAS"), closed_disk(diskState="ActiveSAS")])
def test_misuse_of_the_guards_identity_is_an_alert_of_its_own(body: Body, tmp_path: Path) -> None:
    """Whatever becomes of the resource."""
    said = replayed(tmp_path, [by_guard(DISK_GRANT)], body, principal_id=GUARD_ID)
    (line,) = said.json
    (other,) = line["otherAlerts"]
    assert other["severity"] == "critical"
    assert (line["alert"] is None) == (line["outcome"] == Would.ALREADY_COMPLIANT)
    table = replayed(tmp_path, [by_guard(DISK_GRANT)], body, principal_id=GUARD_ID, form="table")
    assert "someone else may be using it" in table.out


BODIES: dict[str, Body] = {
    "open": disk(),
    "closed": closed_disk(),
    "half open": disk(publicNetworkAccess="Disabled"),
    "nothing set": disk(networkAccessPolicy=None, publicNetworkAccess=None),
    "a disk access": disk(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID),
    "in progress": disk(provisioningState="Updating"),
    "premium": registry(),
    "basic": registry(sku="Basic"),
    "unreachable": registry(endpoint=None),
    "exports only": registry(public="Disabled"),
    "public only": registry(export="disabled"),
    "shut": registry(export="disabled", public="Disabled"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "rules", ["", "mode: audit", "profile: minimum", EXEMPTION.replace(EXEMPT_ID, f"{GROUP}")[11:]]
)
async def test_the_answer_is_what_the_guard_does(name: str, rules: str) -> None:
    """The engine itself, free to act on the same resource, ends as was foretold."""
    body = BODIES[name]
    operation = DISK_WRITE if body["id"] == DISK_ID else REGISTRY_WRITE
    seen = event(operation, body["id"])
    world = World(body, rules=rules)
    memory = Memory({body["id"].lower(): body}, world.policy, GUARD_ID, world.clock.now())
    line = await replay.replayed(seen, memory)
    world.clock.passed = (memory.clock.now() - world.clock.now()).total_seconds()
    result = await world.event(seen)
    expected = "reverted" if line.end.outcome is Would.REVERTED else line.end.outcome.value
    assert expected == result.outcome
    assert [step.body for step in line.end.plan.steps] == world.arm.patches
    assert [delay for delay in [line.again_s] if delay] == world.delays


# Nothing is changed ----------------------------------------------------------------------------

_VALUES = st.sampled_from(["AllowAll", "AllowPrivate", "DenyAll", "Enabled", "Disabled", None])
_STATES = st.sampled_from(["Succeeded", "Updating", "Failed", None])
_RULES = st.sampled_from(
    [
        "",
        "mode: audit",
        "mode: off",
        "profile: minimum",
        f"scopes: [{{scope: {GROUP}, mode: audit}}]",
    ]
)
_WRITERS = st.sampled_from(
    [{}, {"lastModifiedBy": GUARD_ID, "lastModifiedAt": "2026-03-01T11:59Z"}]
)
_BODIES = st.builds(
    lambda values, state, writer: {
        **disk(
            networkAccessPolicy=values[0], publicNetworkAccess=values[1], provisioningState=state
        ),
        "systemData": writer,
    },
    st.tuples(_VALUES, _VALUES),
    _STATES,
    _WRITERS,
) | st.builds(
    registry,
    export=st.sampled_from(["enabled", "disabled", None]),
    public=st.sampled_from(["Enabled", "Disabled", None]),
    sku=st.sampled_from(["Premium", "Basic", None]),
    endpoint=st.sampled_from(["Approved", "Pending", None]),
)
_MADE = st.builds(
    lambda make, operation, id_: make(operation, id_),
    st.sampled_from([event, cloud_event, anonymous, by_guard]),
    st.sampled_from([DISK_WRITE, DISK_GRANT, REGISTRY_WRITE, ENDPOINT_DELETE]),
    st.sampled_from([DISK_ID, REGISTRY_ID, ENDPOINT_ID]),
)


@pytest.mark.parametrize("cap", [Mode.AUDIT, Mode.OFF])
@settings(deadline=None)
@given(body=_BODIES, seen=_MADE | EVENTS, rules=_RULES)
async def test_no_path_changes_anything(cap: Mode, body: Body, seen: Any, rules: str) -> None:
    """Neither a PATCH nor an intent, whatever the policy enforces and the event says."""
    compiled = policy.parse(f"version: 1\n{rules}", GUARDS, datetime(2026, 3, 1, tzinfo=UTC))
    when = datetime(2026, 3, 1, 12, tzinfo=UTC)
    memory = Memory({str(body["id"]).lower(): body}, compiled, GUARD_ID, when)
    assert memory.ports.cap is Mode.AUDIT
    before = json.dumps(body)
    await intake.on_event(seen, replace(memory.ports, cap=cap))
    assert json.dumps(body) == before
    assert not [message for message, _ in memory.work.take() if message["evidence"]]


async def test_a_change_would_end_the_program() -> None:
    """The test above would notice one: free to act, the engine runs into a wall."""
    memory = Memory({DISK_ID.lower(): disk()}, policy.default(GUARDS), "", datetime.now(UTC))
    with pytest.raises(AssertionError, match="a PATCH where nothing may change"):
        await intake.on_event(event(), replace(memory.ports, cap=Mode.ENFORCE))
    receipt = await memory.work.put({})
    for refused in (
        memory.work.update(receipt, {}, 0),
        memory.work.delete(receipt),
        memory.arm.children(ResourceId.parse(DISK_ID), "exportPipelines", "1", 0),
    ):
        with pytest.raises(AssertionError, match="where nothing may change"):
            await refused


def test_the_apps_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the app's environment at hand replays all the same."""
    monkeypatch.setenv("GUARD_MODE", "enforce")
    monkeypatch.setattr(memories.Arm, "patch", None)
    assert outcomes(replayed(tmp_path, [event()], disk())) == [Would.REVERTED]


# Output ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def on_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, events: list[Any], *bodies: Body
) -> str:
    """The table as a person sees it."""
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen)
    run(tmp_path, events, *bodies)
    return screen.getvalue()


def without_colours(text: str) -> str:
    """What is left of it without the colours that this program writes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_table_fits_the_terminal(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns stand where they stood, and nothing is cut: long texts are folded."""
    long = event(resource=f"{DISK_ID}-{'x' * 100}")
    wide = event(REGISTRY_WRITE, f"{GROUP}/providers/Microsoft.Web/sites/数据数据数据数据数据数据")
    seen = on_terminal(tmp_path, monkeypatch, width, [event(), long, wide], disk())
    assert "\x1b[31m" in seen
    lines = without_colours(seen).splitlines()
    table = lines[: lines.index("")]
    assert not [line for line in table if cell_len(line) > max(width, 80)]
    assert table[0].split() == ["TIME", "OPERATION", "RESOURCE", "CALLER", "OUTCOME", "WHAT"]
    starts = {line.index("2026-03-01") for line in table if "2026-03-01" in line}
    assert starts == {0}
    assert sum(line.count("x") for line in table) >= 100


HOSTILE = [
    "\x1b]0;owned\x07\x1b[31mred",
    "\x9b31mred",
    "\u202egnp.exe",
    "[bold red]markup[/bold red] [/] [link=https://evil.example]x[/link]",
    "\ud800half",
    "a\r\nb\x00c\x7f",
]


_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def raw(text: str) -> list[str]:
    """Characters that can steer a terminal, or be half of one."""
    steering = (c for c in text if c != "\n")
    return [
        c
        for c in steering
        if unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in _DIRECTIONS
    ]


def hostile(text: str) -> list[Any]:
    """Events that carry a text wherever one is shown."""
    upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
    return [
        event(id=text, claims={upn: text}),
        event(claims={"appid": text}, authorization={}),
        event(text, DISK_ID),
        event(f"{DISK_WRITE}{text}", f"{DISK_ID}{text}"),
        event(resource=f"{DISK_ID}/{text}"),
        {**event(), "eventTime": text},
        {"eventType": text, "subject": text, "data": {"claims": {upn: text}}},
        {"id": text},
        text,
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", ["table", "json"])
def test_names_cannot_steer_the_terminal(text: str, form: str, tmp_path: Path) -> None:
    """Events come from others; markup is text, control characters are gone."""
    resources = [disk(networkAccessPolicy=text), {"id": text}, {"id": f"{DISK_ID}{text}"}]
    said = replayed(tmp_path, hostile(text), *resources, form=form)
    assert said.code == 2
    assert (raw(said.out), raw(said.err)) == ([], [])
    if form == "table":
        assert len(said.out.splitlines()) == 1 + len(hostile(text)) + 5
        assert ("[bold red]" in said.out) == ("markup" in text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nor_where_there_is_one(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal only the outcomes have colours, and they are ours."""
    seen = on_terminal(tmp_path, monkeypatch, 150, hostile(text), disk())
    assert raw(without_colours(seen)) == []
    assert set(re.findall(r"\x1b\[([0-9;]*)m", seen)) <= {
        "",
        "0",
        "1",
        "31",
        "32",
        "33",
        "35",
        "36",
    }


def test_rows_come_while_events_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of a whole week need not be over before the first line."""
    read = rows.from_file
    seen: list[int] = []

    def slowly(file: str) -> Iterator[rows.Row | rows.Bad]:
        for item in read(file):
            yield item
            if file.endswith("events"):
                seen.append(capsys.readouterr().out.count("would be reverted"))

    monkeypatch.setattr(rows, "from_file", slowly)
    run(tmp_path, [event()] * 3, disk())
    assert seen == [1, 1, 1]


def test_the_engines_log_stays_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is for operators of the app; afterwards it goes where it went."""
    log = logging.getLogger("guards.engine.reconcile")
    read = memories.Arm.get

    async def noisy(self: memories.Arm, *args: Any) -> Body:
        log.error("something")
        return await read(self, *args)

    monkeypatch.setattr(memories.Arm, "get", noisy)
    said = replayed(tmp_path, [event()], disk())
    assert (outcomes(said), said.err, caplog.records) == ([Would.REVERTED], "", [])
    log.error("something else")
    assert [record.message for record in caplog.records] == ["something else"]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`| head -n 1`: no traceback, not a word."""
    files = [write(tmp_path / "e", [event()] * 2000), write(tmp_path / "r", [disk()])]
    with subprocess.Popen(
        [sys.executable, "-m", "guards", "replay", str(files[0]), "--resources", str(files[1])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0


# Anything --------------------------------------------------------------------------------------

_KEYS = st.sampled_from(["id", "type", "properties", "tags", "sku", "systemData"])
_ODD = st.builds(lambda body, key, value: {**body, key: value}, _BODIES, _KEYS, EVENTS)
_RESOURCES = st.lists(_BODIES | _ODD | EVENTS, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=st.lists(_MADE | EVENTS, max_size=5), resources=_RESOURCES, lines=st.booleans())
def test_no_list_of_events_makes_it_fail(
    events: list[Any], resources: list[Any], lines: bool, tmp_path: Path
) -> None:
    """A line for each in their order, or a place on standard error; never anything else."""
    content = "\n".join(map(json.dumps, events)) if lines else json.dumps(events)
    for form in ("json", "table"):
        said = replayed(tmp_path, content.encode(), *resources, principal_id=GUARD_ID, form=form)
        assert said.code in (0, 2)
        assert (said.code == 2) <= (str(tmp_path) in said.err)
        if form == "json" and not lines:
            assert _read(events) == len(said.json)
        assert raw(said.out) == []


def _read(events: list[Any]) -> int:
    """How many of them are JSON at all: NaN is none."""
    found = 0
    for one in events:
        try:
            json.loads(json.dumps(one), parse_constant=_no)
        except ValueError:
            continue
        found += 1
    return found


def _no(name: str) -> Mapping[str, Any]:
    raise ValueError(name)


@pytest.mark.parametrize("depth", [500, 5_000, 9_000, 20_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_no_depth_makes_it_fail(depth: int, pair: str, tmp_path: Path) -> None:
    """Of an event, or of a resource's setting."""
    start = "[" if pair == "[]" else '{"a":'
    deep = start * depth + "1" + pair[1] * depth
    recorded, estate = tmp_path / "events", tmp_path / "resources"
    recorded.write_text(f"[{json.dumps(event(claims='@')).replace('"@"', deep)}, {deep}]")
    estate.write_text(json.dumps([disk(networkAccessPolicy="@")]).replace('"@"', deep))
    said = guards("replay", recorded, "--resources", estate, "--format", "json")
    assert said.code == 2
