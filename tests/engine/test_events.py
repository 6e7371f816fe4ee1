"""Events of both schemas become a change: what happened where, and who did it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from guards.engine import events
from guards.engine.errors import Unreadable
from guards.engine.model import Caller, Request
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
    SUBSCRIPTION,
    cloud_event,
    event,
)

REGISTRY_IMPORT = "Microsoft.ContainerRegistry/registries/importImage/action"

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


ROLE_ID = "/providers/Microsoft.Authorization/roleDefinitions/0a1b2c3d-1111-2222-3333-444455556666"
ROLE_WRITE = "Microsoft.Authorization/roleDefinitions/write"


@SCHEMAS
def test_a_role_of_the_tenant_is_looked_for_in_the_subscription_of_the_event(make: Make) -> None:
    """Azure may name a role definition without the subscription that the event comes from."""
    change = events.parse(make(ROLE_WRITE, ROLE_ID))
    assert change.resource == f"/subscriptions/{SUBSCRIPTION}{ROLE_ID}"


@pytest.mark.parametrize("subscription", [None, "", 5, [], "mg", f"{SUBSCRIPTION}/.."])
def test_a_role_of_the_tenant_without_a_subscription_stays_as_it_is(subscription: object) -> None:
    """It fails as an ID then, and is told of."""
    change = events.parse(event(ROLE_WRITE, ROLE_ID, subscriptionId=subscription))
    assert change.resource == ROLE_ID


def test_the_subscription_of_an_event_changes_no_other_id() -> None:
    """Where a disk is says its own ID."""
    other = SUBSCRIPTION.replace("1", "2")
    assert events.parse(event(subscriptionId=other)).resource == DISK_ID


ASKED = {"access": "Read", "durationInSeconds": 3600}


def sent(body: object, place: str = "requestBody") -> dict[str, Any]:
    """The data of an event that has what the caller sent."""
    if place == "requestbody":
        return {"properties": {"requestbody": body}}
    return {"httpRequest": {"clientIpAddress": "203.0.113.7", place: body}}


@SCHEMAS
@pytest.mark.parametrize("place", ["requestBody", "body", "requestbody"])
@pytest.mark.parametrize("body", [ASKED, json.dumps(ASKED)], ids=["object", "text"])
def test_an_event_may_say_what_was_asked_for(make: Make, place: str, body: object) -> None:
    """Wherever it stands, as an object or as the activity log writes it."""
    change = events.parse(make(DISK_GRANT, **sent(body, place)))
    assert change.request == Request(access="Read", duration_s=3600)
    assert change.caller.ip_address == "203.0.113.7"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"httpRequest": None, "properties": None},
        {"httpRequest": [], "properties": "text"},
        sent("{not json"),
        sent([ASKED]),
        sent(7),
        sent('{"a":' * 100_000),
    ],
    ids=range(7),
)
def test_mostly_an_event_does_not_say_it(data: dict[str, Any]) -> None:
    """Nothing is made up then."""
    assert events.parse(event(DISK_GRANT, **data)).request == Request()


@pytest.mark.parametrize(
    ("given", "access"),
    [
        ("Read", "Read"),
        ("read", "Read"),
        ("WRITE", "Write"),
        ("None", ""),
        ("Read; https://evil.example", ""),
        (["Read"], ""),
        (None, ""),
    ],
)
def test_only_azures_words_for_access_are_kept(given: object, access: str) -> None:
    """In Azure's own spelling."""
    change = events.parse(event(DISK_GRANT, **sent({**ASKED, "access": given})))
    assert change.request == Request(access=access, duration_s=3600)


SIXTY_DAYS = 60 * 24 * 3600


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1, 1),
        (SIXTY_DAYS, SIXTY_DAYS),
        (SIXTY_DAYS + 1, 0),
        (0, 0),
        (-5, 0),
        (10**400, 0),
        (True, 0),
        (60.5, 0),
        (float("nan"), 0),
        ("3600", 0),
        (None, 0),
    ],
)
def test_only_a_life_that_a_link_can_have_is_kept(given: object, seconds: int) -> None:
    """Azure hands out none for longer than sixty days."""
    change = events.parse(event(DISK_GRANT, **sent({**ASKED, "durationInSeconds": given})))
    assert change.request == Request(access="Read", duration_s=seconds)


DIGEST = f"app@sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"registryUri": "docker.io", "sourceImage": "library/nginx:1.27"},
         "library/nginx:1.27 from docker.io"),
        ({"registryUri": "localhost:5000", "sourceImage": DIGEST}, f"{DIGEST} from localhost:5000"),
        ({"resourceId": REGISTRY_ID, "sourceImage": "app:1"}, f"app:1 from {REGISTRY_ID}"),
        ({"sourceImage": "app"}, "app"),
        ({"registryUri": "docker.io"}, "docker.io"),
        ({"resourceId": f"{REGISTRY_ID}?x", "sourceImage": "app:1"}, "app:1"),
        ({"registryUri": "https://u:p@evil.example/?sig=s", "sourceImage": "a"}, "a"),
        ({"registryUri": "docker.io", "sourceImage": "a b"}, "docker.io"),
        ({"registryUri": "docker.io", "sourceImage": "a\n"}, "docker.io"),
        ({"registryUri": "d" * 300, "sourceImage": "i" * 300}, ""),
        ({"registryUri": ["docker.io"], "sourceImage": {}}, ""),
        ([], ""),
        ("docker.io", ""),
        (None, ""),
    ],
)  # fmt: skip
def test_an_import_says_where_its_image_comes_from(source: object, said: str) -> None:
    """As far as it has the form of a registry and of an image."""
    change = events.parse(event(REGISTRY_IMPORT, REGISTRY_ID, **sent({"source": source})))
    assert change.request == Request(source=said)


def test_credentials_of_a_request_are_never_kept() -> None:
    """What opens another registry stays out of queues and alerts."""
    source = {
        "registryUri": "docker.io",
        "sourceImage": "library/nginx:1",
        "credentials": {"username": "private-name", "password": "private-text"},
    }
    change = events.parse(event(REGISTRY_IMPORT, REGISTRY_ID, **sent({"source": source})))
    assert change.request.source == "library/nginx:1 from docker.io"
    assert "private" not in repr(change)
