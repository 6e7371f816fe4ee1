"""Scopes on their way through the guard: what is off costs nothing, unless something may matter."""

from typing import Any

import pytest

from guards import GUARDS
from guards.engine import policy
from guards.engine.errors import Transient
from guards.engine.model import Mode, Outcome
from tests.engine.policies import SUB, exemption, on_disks, rules_of, tag
from tests.engine.samples import (
    DISK_ID,
    GROUP,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    anonymous,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import START

SECRET = {"tag": tag("data", "secret"), "mode": "enforce"}
RULES = ("networkAccessPolicy", "publicNetworkAccess", "liveExport")
OFF = {rule: {"mode": "off"} for rule in RULES}


@pytest.mark.parametrize(
    "rules",
    [
        "mode: off",
        rules_of(resources=on_disks(**OFF)),
        rules_of(scopes=[{"scope": SUB, "mode": "off"}]),
        rules_of(scopes=[{"scope": GROUP.replace("data", "*"), "mode": "off"}]),
        rules_of(scopes=[{"scope": DISK_ID.upper(), "resources": on_disks(**OFF)}]),
        rules_of(mode="off", exemptions=[exemption()]),
    ],
)
async def test_what_is_off_for_an_id_costs_no_call(rules: str) -> None:
    """Not even a GET: whole subscriptions may be left out without a bill."""
    world = World(disk(), rules=rules)
    result = await world.event(anonymous())
    assert result.outcome is None
    assert "out of scope" in str(result)
    assert world.trouble.calls == ["policy"]
    assert not world.is_closed()


@pytest.mark.parametrize("left", RULES)
async def test_one_rule_that_is_not_off_is_worth_a_get(left: str) -> None:
    """Links, too: they can be out while the settings are nobody's business."""
    rules = {rule: settings for rule, settings in OFF.items() if rule != left}
    world = World(disk(diskState="ActiveSAS"), rules=rules_of(resources=on_disks(**rules)))
    result = await world.event(anonymous())
    assert world.trouble.calls[:2] == ["policy", "arm.get"]
    assert [finding["rule"] for finding in world.alert["findings"]] == [left]
    assert result.outcome is not None


@pytest.mark.parametrize("rules", ["", rules_of(scopes=[SECRET])])
async def test_guard_mode_off_costs_no_call_whatever_the_policy_says(rules: str) -> None:
    """The app setting is above every tag."""
    world = World({**disk(), "tags": {"data": "secret"}}, rules=rules, cap=Mode.OFF)
    result = await world.event(anonymous())
    assert (result.outcome, result.reason.split(":")[0]) == (None, "out of scope")
    assert world.trouble.calls == ["policy"]


async def test_an_off_scope_leaves_the_rest_guarded() -> None:
    """Another group, another type."""
    scopes = [{"scope": f"{GROUP}/providers/Microsoft.Compute/disks/*", "mode": "off"}]
    world = World(disk(), disk(SNAPSHOT_ID), registry(), rules=rules_of(scopes=scopes))
    await world.event(event())
    await world.event(event(SNAPSHOT_WRITE, SNAPSHOT_ID))
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert not world.is_closed()
    assert world.is_closed(SNAPSHOT_ID)
    assert world.properties(REGISTRY_ID)["publicNetworkAccess"] == "Disabled"
    assert len(world.alerts) == 2


@pytest.mark.parametrize(
    ("tags", "closed"), [({"Data": "secret"}, True), ({"data": "x"}, False), (None, False)]
)
async def test_where_a_tag_may_matter_the_resource_is_read(tags: Any, closed: bool) -> None:
    """Its ID alone does not tell; one GET does."""
    body = {**disk(), "tags": tags} if tags else disk()
    world = World(body, rules=rules_of(mode="off", scopes=[SECRET]))
    result = await world.event(anonymous())
    assert world.trouble.calls[:2] == ["policy", "arm.get"]
    assert world.is_closed() is closed
    assert result.outcome == (Outcome.REVERTED if closed else Outcome.ALREADY_COMPLIANT)
    assert len(world.alerts) == closed


async def test_a_tag_closes_within_a_scope_that_only_reports() -> None:
    """The strictest of both; without the tag, an alert is all."""
    rules = rules_of(scopes=[{"scope": GROUP, "mode": "audit"}, SECRET])
    secret = {**disk(), "tags": {"data": "secret"}}
    world = World(secret, disk(SNAPSHOT_ID), rules=rules)
    await world.event(event())
    await world.event(event(SNAPSHOT_WRITE, SNAPSHOT_ID))
    assert world.is_closed()
    assert not world.is_closed(SNAPSHOT_ID)
    assert [alert["outcome"] for alert in world.alerts] == ["reverted", "reported only"]


@pytest.mark.parametrize("scope", [SUB, GROUP, DISK_ID])
@pytest.mark.parametrize("mode", ["audit", "enforce"])
async def test_a_scope_decides_whether_a_disk_is_closed(scope: str, mode: str) -> None:
    """Audit in an enforcing policy, and a first group enforced in a policy that only reports."""
    other = "enforce" if mode == "audit" else "audit"
    world = World(disk(), rules=rules_of(mode=other, scopes=[{"scope": scope, "mode": mode}]))
    await world.event(event())
    assert world.is_closed() is (mode == "enforce")
    assert world.alert["outcome"] == ("reverted" if mode == "enforce" else "reported only")


@pytest.mark.parametrize("cap", [Mode.ENFORCE, Mode.OFF])
async def test_what_an_earlier_look_saw_is_told_though_all_is_off_now(cap: Mode) -> None:
    """By the policy or by GUARD_MODE: the intent is read, and a person learns how it ended."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event())
    off = "mode: off" if cap is Mode.ENFORCE else ""
    world.policy = policy.parse(f"version: 1\n{off}", GUARDS, START)
    world.ports = world.with_cap(cap)
    await world.settle()
    assert (world.alert["alertId"], world.alert["outcome"]) == (result.alert_id, "not reverted")
    assert not world.is_closed()
    assert world.intents == []


async def test_a_task_without_evidence_ends_where_the_policy_is_off_now() -> None:
    """Nothing was seen, so there is nothing to tell."""
    world = World(disk())
    world.trouble.errors["arm.get"] = [Transient("busy", status=503)]
    await world.event(event())
    world.policy = policy.parse("version: 1\nmode: off\n", GUARDS, START)
    await world.settle()
    assert world.alerts == world.intents == []
    assert world.trouble.count("arm") == 1
