"""What `replay` says would become of an event: as of its time, by the policy, as the engine."""

from pathlib import Path

import pytest

from guards.cli import replay
from guards.cli.memory import Memory
from guards.cli.replay import Would
from guards.engine.model import Body, Patch
from tests.cli.replays import EXEMPT_ID, EXEMPTION, at, outcomes, replayed
from tests.engine.samples import (
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
    anonymous,
    by_guard,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World


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
    left = "left open, as the policy only reports it: publicNetworkAccess, liveExport; "
    assert left in line["reason"]
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
    patches = [step for step in line.end.plan.steps if isinstance(step, Patch)]
    assert [step.body for step in patches] == world.arm.patches
    assert len(line.end.plan.steps) - len(patches) == len(world.arm.posts)
    assert [delay for delay in [line.again_s] if delay] == world.delays


def test_links_to_what_the_file_does_not_have_raise_no_alert(tmp_path: Path) -> None:
    """Whether it is gone nobody knows here, and many of them are no fight."""
    grants = [event(DISK_GRANT, id=f"event-{number}") for number in range(6)]
    said = replayed(tmp_path, grants)
    assert outcomes(said) == [Would.NOT_IN_FILE] * 6
    assert [line["alert"] for line in said.json] == [None] * 6
