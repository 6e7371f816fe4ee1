"""Events of both schemas become a change: what happened where, and who did it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from guards.engine import events
from guards.engine.errors import Unreadable
from guards.engine.model import Caller
from tests.engine.samples import (
    ALICE_ID,
    CLAIMS,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    cloud_event,
    event,
)

type Make = Callable[..., dict[str, Any]]
SCHEMAS = pytest.mark.parametrize("make", [event, cloud_event], ids=["eventgrid", "cloudevents"])
ALICE = Caller(
    object_id=ALICE_ID,
    app_id="04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    name="alice@contoso.example",
    ip_address="203.0.113.7",
    principal_type="User",
)


@SCHEMAS
@pytest.mark.parametrize(
    ("operation", "resource", "event_type"),
    [
        (DISK_WRITE, DISK_ID, "Microsoft.Resources.ResourceWriteSuccess"),
        (SNAPSHOT_WRITE, SNAPSHOT_ID, "Microsoft.Resources.ResourceWriteSuccess"),
        (REGISTRY_WRITE, REGISTRY_ID, "Microsoft.Resources.ResourceWriteSuccess"),
        (DISK_GRANT, DISK_ID, "Microsoft.Resources.ResourceActionSuccess"),
        (ENDPOINT_DELETE, ENDPOINT_ID, "Microsoft.Resources.ResourceDeleteSuccess"),
    ],
)
def test_both_schemas_tell_the_same_change(
    make: Make, operation: str, resource: str, event_type: str
) -> None:
    """It does not matter which schema the subscription was created with."""
    change = events.parse(make(operation, resource))
    assert event_type == change.event_type
    assert operation == change.operation_name
    assert resource == change.resource
    assert change.event_id == "event-1"
    assert change.event_time == "2026-03-01T11:59:59.1234567Z"
    assert change.correlation_id == "c0ffee00-0000-0000-0000-000000000001"
    assert change.caller == ALICE


@SCHEMAS
@pytest.mark.parametrize("claims", [CLAIMS, json.dumps(CLAIMS), f"  {json.dumps(CLAIMS)}"])
def test_claims_may_be_json_in_a_string(make: Make, claims: object) -> None:
    """The alert names the caller in either form."""
    assert events.parse(make(claims=claims)).caller == ALICE


@pytest.mark.parametrize("claims", [{}, None, "", "{}", "{not json", "[]", [], 7, {"name": 5}])
def test_without_claims_the_evidence_still_names_the_caller(claims: object) -> None:
    """Empty claims leave what the authorization says."""
    caller = events.parse(event(claims=claims)).caller
    expected = Caller(ALICE_ID, ip_address="203.0.113.7", principal_type="User")
    assert caller == expected


@pytest.mark.parametrize("authorization", [None, "", {}, [], {"evidence": None}, {"evidence": []}])
def test_without_authorization_the_claims_still_name_the_caller(authorization: object) -> None:
    """A missing authorization costs the principal type and nothing else."""
    caller = events.parse(event(authorization=authorization)).caller
    assert caller.name == "alice@contoso.example"
    assert caller.principal_type == ""


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"evidence": {"principalId": ALICE_ID}}),
        {"evidence": f'{{"principalId": "{ALICE_ID}"}}'},
    ],
)
def test_authorization_may_be_json_in_a_string(text: object) -> None:
    """As the activity log writes it."""
    assert events.parse(event(authorization=text, claims=None)).caller.object_id == ALICE_ID


def test_a_caller_nobody_names_is_false() -> None:
    """An anonymous change can be told from a known caller's."""
    assert not events.parse(event(claims={}, authorization=None)).caller


@SCHEMAS
@pytest.mark.parametrize("data", [None, [], [1], "text", 5, True])
def test_data_that_is_no_object_leaves_the_subject(make: Make, data: object) -> None:
    """An event without data still says where to look."""
    change = events.parse({**make(), "data": data})
    assert change.resource == DISK_ID
    assert change.operation_name == ""


@pytest.mark.parametrize(
    "claim", ["email", "groups", "http://schemas.example/secret", "iat", "xms_tcdt"]
)
def test_only_an_allow_list_of_claims_is_kept(claim: str) -> None:
    """Group memberships and the like never reach an alert."""
    change = events.parse(event(claims={**CLAIMS, claim: "private-text"}))
    assert "private-text" not in repr(change)


def test_names_lose_control_and_direction_marks() -> None:
    """A caller cannot break the log line or turn the card's text around."""
    claims = {**CLAIMS, "appid": "a\x00b\x1b[31m", "ipaddr": "\u202e1.2.3.4\u2066\r\nX: y"}
    caller = events.parse(event(claims=claims, id="a\nb")).caller
    assert (caller.app_id, caller.ip_address) == ("a b [31m", "1.2.3.4 X: y")


def test_long_names_are_cut() -> None:
    """A megabyte in a claim stays out of queues and alerts."""
    claims = {"name": "x" * 1_000_000}
    assert len(events.parse(event(claims=claims)).caller.name) == 256


def test_an_id_with_control_characters_is_not_mended() -> None:
    """It has to fail as an ID instead of meaning another resource."""
    assert events.parse(event(resource=f"{DISK_ID}\n")).resource == f"{DISK_ID}\n"


@pytest.mark.parametrize(
    "broken", [None, [], "text", 5, b"bytes", {}, {"data": {}}, {"id": "x"}, {"eventType": 5}]
)
def test_what_is_no_event_is_unreadable(broken: object) -> None:
    """The reader says why, and nothing else is raised."""
    with pytest.raises(Unreadable, match=r"^event: "):
        events.parse(broken)


@pytest.mark.parametrize("field", ["claims", "authorization"])
def test_claims_of_a_hundred_thousand_levels_count_as_empty(field: str) -> None:
    """Depth in a string is no way to stop the guard from looking."""
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert events.parse(event(**{field: deep})).resource == DISK_ID


def test_no_text_of_an_event_holds_half_a_character() -> None:
    """JSON may escape lone surrogates, which no queue message can hold."""
    half = json.loads(r'"x\ud83dy"')
    change = events.parse(event(id=half, correlationId=half, claims={"name": half, "appid": half}))
    for text in (change.event_id, change.correlation_id, change.caller.name, change.caller.app_id):
        assert text.encode("utf-8", "replace").decode() == text
