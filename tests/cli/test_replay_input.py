"""What `replay` reads: events and resources in every form, and what cannot be read of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from guards import GUARDS
from guards.cli import replay
from guards.cli.replay import Would
from guards.engine import policy
from tests.cli.command import flattened, guards, write
from tests.cli.replays import SITE_ID, outcomes, replayed
from tests.engine.samples import (
    DISK_ID,
    ENDPOINT_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    closed_disk,
    cloud_event,
    disk,
    event,
    registry,
)

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
