"""What holds for `replay` whatever it is given: nothing is changed, and it does not fail."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli import memory as memories
from guards.cli.memory import Memory
from guards.cli.replay import Would
from guards.engine import intake, policy
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Mode
from tests.cli.command import guards
from tests.cli.replays import outcomes, raw, replayed
from tests.engine.samples import (
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    ENDPOINT_DELETE,
    ENDPOINT_ID,
    GROUP,
    GUARD_ID,
    REGISTRY_ID,
    REGISTRY_WRITE,
    anonymous,
    by_guard,
    cloud_event,
    disk,
    event,
    registry,
)
from tests.engine.test_hostile_events import EVENTS

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
        memory.arm.post(ResourceId.parse(DISK_ID), "endGetAccess", "1", 0),
        memory.arm.delete(ResourceId.parse(DISK_ID), "1", 0),
        memory.ports.sleep(1),
    ):
        with pytest.raises(AssertionError, match="where nothing may change"):
            await refused


def test_the_apps_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the app's environment at hand replays all the same."""
    monkeypatch.setenv("GUARD_MODE", "enforce")
    monkeypatch.setattr(memories.Arm, "patch", None)
    assert outcomes(replayed(tmp_path, [event()], disk())) == [Would.REVERTED]


# Anything --------------------------------------------------------------------------------------

_KEYS = st.sampled_from(["id", "type", "properties", "tags", "sku", "systemData"])
_ODD = st.builds(lambda body, key, value: {**body, key: value}, _BODIES, _KEYS, EVENTS)
_RESOURCES = st.lists(_BODIES | _ODD | EVENTS, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(_MADE | EVENTS, max_size=5),
    resources=_RESOURCES,
    lines=st.booleans(),
    form=st.sampled_from(["json", "table"]),
)
def test_no_list_of_events_makes_it_fail(
    events: list[Any], resources: list[Any], lines: bool, form: str, tmp_path: Path
) -> None:
    """A line for each in their order, or a place on standard error; never anything else."""
    content = "\n".join(map(json.dumps, events)) if lines else json.dumps(events)
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
