"""Anything may come in as an event: it is told or ignored, and no request goes astray."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine import events, intake
from guards.engine.errors import Unreadable
from guards.engine.model import Outcome
from tests.engine.samples import (
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    REGISTRY_WRITE,
    cloud_event,
    disk,
    event,
)
from tests.engine.world import World

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_IDS = st.sampled_from([DISK_ID, ENDPOINT_ID, f"{DISK_ID}?x", f"//evil.example{DISK_ID}", "/.."])
_OPERATIONS = st.sampled_from(
    [DISK_WRITE, REGISTRY_WRITE, ENDPOINT_DELETE, "Microsoft.Web/sites/write"]
)
_KINDS = st.sampled_from(
    ["Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Storage.BlobCreated"]
)
_BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "access": JSON,
        "durationInSeconds": JSON,
        "source": JSON
        | st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("resourceId", "registryUri", "sourceImage"), JSON)
        ),
    },
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "resourceUri": _IDS | JSON,
        "operationName": _OPERATIONS | JSON,
        "claims": JSON | JSON.map(json.dumps),
        "authorization": JSON | st.fixed_dictionaries({"evidence": JSON}),
        "httpRequest": JSON | st.fixed_dictionaries({"requestBody": _BODIES}),
        "properties": JSON | st.fixed_dictionaries({"requestbody": _BODIES.map(json.dumps)}),
        "subscriptionId": JSON,
        "correlationId": JSON,
    },
)
EVENTS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "id": JSON, "eventType": _KINDS | JSON, "type": _KINDS | JSON, "eventTime": JSON,
        "time": JSON, "subject": _IDS | JSON, "data": DATA | DATA.map(json.dumps) | JSON,
    },
)  # fmt: skip
GUARDED = {guard.resource_type.lower() for guard in GUARDS}


@settings(max_examples=125)
@given(EVENTS)
def test_any_json_is_a_change_or_unreadable(anything: Any) -> None:
    """No event raises anything else."""
    try:
        change = events.parse(anything)
    except Unreadable:
        return
    assert change.event_type or change.operation_name
    assert change.request.access in ("", "Read", "Write")
    assert 0 <= change.request.duration_s <= 60 * 86_400
    assert len(change.request.source) < 2600


@settings(max_examples=100)
@given(EVENTS)
async def test_any_json_is_handled_and_only_guarded_resources_are_read(anything: Any) -> None:
    """Nothing in an event makes the guard fail, or ask ARM for anything but a guarded resource."""
    world = World(disk())
    await world.event(anything)
    assert {one.type.lower() for one in world.arm.asked} <= GUARDED
    text = json.dumps(anything).lower()
    assert all(json.dumps(one.key)[1:-1] in text for one in world.arm.asked)


@settings(max_examples=50)
@given(
    st.binary(max_size=200)
    | EVENTS.map(json.dumps).map(str.encode)
    | st.lists(EVENTS, max_size=3).map(json.dumps).map(str.encode)
)
async def test_any_bytes_in_guard_events_are_handled(text: bytes) -> None:
    """A message of guard-events never becomes poison by what stands in it."""
    world = World(disk())
    await intake.on_queued_events(text, world.ports)
    assert {one.type.lower() for one in world.arm.asked} <= GUARDED


HOSTILE_IDS = [
    f"https://evil.example{DISK_ID}",
    f"//evil.example{DISK_ID}",
    f"{DISK_ID}/../../other",
    f"{DISK_ID}?api-version=2020-01-01",
    f"{DISK_ID}%2f..",
    f"{DISK_ID}\n",
    f"{DISK_ID}\0",
    f"{DISK_ID}/",
    "x" * 1_000_000,
    DISK_ID + "<script>alert(1)</script>",
    "",
]


@pytest.mark.parametrize("make", [event, cloud_event])
@pytest.mark.parametrize("resource", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
async def test_a_hostile_id_causes_no_request_and_one_alert(make: Any, resource: str) -> None:
    """No token is sent anywhere, and a person learns of it."""
    world = World(disk())
    result = await world.event(
        {**make(), "subject": resource, "data": {**make()["data"], "resourceUri": resource}}
    )
    assert world.arm.asked == []
    assert world.intents == []
    assert result.outcome == Outcome.REPORTED_ONLY
    assert "could not be read" in world.alert["reason"]
    assert world.alert["resourceId"] is None
    assert "\n" not in world.alert["reason"]


@pytest.mark.parametrize("broken", [None, [], "text", 5, {}, {"data": {"resourceUri": DISK_ID}}])
async def test_an_unreadable_event_is_told_with_its_text(broken: object) -> None:
    """Nothing that cannot be read disappears without a word."""
    world = World(disk())
    await world.event(broken)
    assert world.arm.asked == []
    shown = broken if isinstance(broken, str) else json.dumps(broken)
    assert world.alert["reason"].endswith(f"It was: {shown}")


async def test_a_megabyte_of_event_becomes_a_short_alert() -> None:
    """Its beginning is enough to find out where it comes from."""
    world = World(disk())
    await world.event({"junk": "ж" * 1_000_000})
    assert len(world.alert["reason"]) < 1500


@pytest.mark.parametrize("depth", [10, 500, 900, 3_000, 20_000, 60_000, 200_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
async def test_events_of_any_depth_are_told(depth: int, pair: str) -> None:
    """Nesting alone does not make a message poison."""
    world = World()
    start = "[" if pair == "[]" else '{"a":'
    text = "[" + start * depth + "1" + pair[1] * depth + "]"
    await intake.on_queued_events(text.encode(), world.ports)
    assert "could not be read" in world.alert["reason"]


async def test_half_a_character_in_an_event_does_not_keep_the_disk_open() -> None:
    """A lone surrogate in a name is no way around the guard."""
    world = World(disk())
    text = json.dumps(event(claims={"name": "HALF"})).replace("HALF", r"Al\ud83dice")
    await world.event(json.loads(text))
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_one_bad_event_of_a_batch_does_not_hide_the_others() -> None:
    """The good ones of an array are handled all the same."""
    world = World(disk())
    batch = [None, event(id="e-1"), {"junk": 1}, cloud_event(id="e-2")]
    results = await intake.on_queued_events(json.dumps(batch).encode(), world.ports)
    assert [r.outcome for r in results] == [
        "reported only",
        "reverted",
        "reported only",
        "already compliant",
    ]
    assert world.is_closed()


async def test_a_single_queued_event_needs_no_array() -> None:
    """Event Grid puts them into the queue one by one."""
    world = World(disk())
    (result,) = await intake.on_queued_events(json.dumps(event()).encode(), world.ports)
    assert result.outcome == Outcome.REVERTED
    assert world.is_closed()
