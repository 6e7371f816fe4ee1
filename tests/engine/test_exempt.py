"""Exempt resources on their way through the guard: left alone, and never lost or called closed."""

from datetime import timedelta
from typing import Any

import pytest

from guards import GUARDS
from guards.engine import policy
from guards.engine.errors import StillRunning, Transient
from guards.engine.model import Mode, Outcome
from tests.engine.policies import BOTH_RULES, DISKS, exemption, on_disks, rules_of, tag
from tests.engine.samples import (
    DISK_GRANT,
    DISK_ID,
    GROUP,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SNAPSHOT_ID,
    SNAPSHOT_WRITE,
    anonymous,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World
from tests.fakes import START, merge

NETWORK, PUBLIC = BOTH_RULES


def exempt(*changed: dict[str, Any], **others: Any) -> str:
    """Rules with exemptions."""
    return rules_of(exemptions=[exemption(**one) for one in changed or ({},)], **others)


def change_policy(world: World, rules: str) -> None:
    """From now on another policy is in force."""
    world.policy = policy.parse(f"version: 1\n{rules}", GUARDS, START)


def ends_in(**passed: float) -> str:
    """So long after the world's beginning."""
    return (START + timedelta(**passed)).isoformat()


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("Microsoft.Compute/disks/write", disk()),
        (SNAPSHOT_WRITE, disk(SNAPSHOT_ID)),
        (REGISTRY_WRITE, registry()),
        (REGISTRY_WRITE, registry(sku="Basic", endpoint=None)),
        (DISK_GRANT, disk(diskState="ActiveSAS")),
    ],
)
async def test_an_exempt_resource_costs_one_get(operation: str, body: dict[str, Any]) -> None:
    """No alert, no queue message, no change; the log line says by whose leave.

    Only where a link is out, the shared state is asked whose it is.
    """
    rules = [*BOTH_RULES, "exportPolicy", "liveExport"]
    world = World(body, rules=exempt({"rules": rules}))
    before = dict(world.properties(body["id"]))
    result = await world.event(anonymous(operation, body["id"]))
    assert result.outcome == Outcome.EXEMPT
    assert world.trouble.calls == ["policy", "arm.get"] + ["store.get"] * (operation == DISK_GRANT)
    assert before == world.properties(body["id"])
    assert "exempt: until 2026-12-31" in str(result)
    assert "CHG0042" in str(result)


@pytest.mark.parametrize("cap", [Mode.ENFORCE, Mode.AUDIT])
@pytest.mark.parametrize("mode", ["enforce", "audit"])
async def test_exempt_is_exempt_in_every_mode(cap: Mode, mode: str) -> None:
    """What may stay open is not told either."""
    world = World(disk(), rules=exempt(mode=mode), cap=cap)
    result = await world.event(event())
    assert result.outcome == Outcome.EXEMPT
    assert world.alerts == world.intents == []


@pytest.mark.parametrize("rule", BOTH_RULES)
async def test_partly_exempt_closes_the_rest_and_says_so(rule: str) -> None:
    """The exempt setting stays, the alert's reason names it, its end and its owner."""
    world = World(disk(), rules=exempt({"rules": [rule]}))
    left = world.properties()[rule]
    await world.event(event())
    (other,) = set(BOTH_RULES) - {rule}
    assert world.properties()[rule] == left
    assert world.properties()[other] in ("DenyAll", "Disabled")
    assert world.alert["outcome"] == "reverted"
    assert [f["rule"] for f in world.alert["findings"]] == [other]
    assert [c["path"] for c in world.alert["changes"]] == [f"properties.{other}"]
    for part in (rule, "exempt", "2026-12-31", "backup-team", "CHG0042"):
        assert part in world.alert["reason"]
    assert world.intents == []


async def test_partly_exempt_in_audit_is_told_with_the_exempt_part() -> None:
    """What would have been sent leaves the exempt setting out."""
    world = World(disk(), rules=exempt({"rules": [NETWORK]}, mode="audit"))
    await world.event(event())
    assert world.alert["outcome"] == "reported only"
    assert '"publicNetworkAccess": "Disabled"' in world.alert["reason"]
    assert '"networkAccessPolicy": "DenyAll"' not in world.alert["reason"]
    assert "networkAccessPolicy exempt: until 2026-12-31" in world.alert["reason"]


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("exportPolicy", registry(endpoint=None)),
        ("exportPolicy", registry(sku="Basic")),
        ("publicNetworkAccess", registry()),
    ],
)
async def test_partly_exempt_and_blocked_says_both(rule: str, body: dict[str, Any]) -> None:
    """Why the rest could not be closed, and by whose leave the other part is open."""
    world = World(body, rules=exempt({"rules": [rule]}))
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert world.alert["outcome"] == "blocked"
    assert world.arm.patches == []
    assert f"{rule} exempt: until 2026-12-31" in world.alert["reason"]


async def test_the_exempt_exports_of_a_registry_leave_its_public_access_closable() -> None:
    """A disk's rules are nothing to a registry."""
    world = World(registry(), rules=exempt({"rules": ["exportPolicy", NETWORK]}))
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert world.arm.patches == [{"properties": {"publicNetworkAccess": "Disabled"}}]
    assert "exportPolicy exempt" in world.alert["reason"]


@pytest.mark.parametrize("passed", [0.0, 19.999, 20.0, 3600.0])
async def test_the_clock_of_the_look_decides(passed: float) -> None:
    """From the second an exemption expires it counts no more."""
    world = World(disk(), rules=exempt({"expires_on": ends_in(seconds=20)}))
    world.clock.passed = passed
    await world.event(event())
    assert world.is_closed() is (passed >= 20)
    assert len(world.alerts) == (passed >= 20)


async def test_an_exemption_that_expires_before_the_look_is_made_again_counts_no_more() -> None:
    """Exempt at the event, expired when the message of guard-work falls due: closed."""
    world = World(disk(), rules=exempt({"expires_on": ends_in(seconds=5)}))
    world.trouble.errors["arm.get"] = [Transient("busy", status=503)]
    result = await world.event(event())
    assert (result.outcome, world.delays) == (Outcome.DEFERRED, [10.0])
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


async def test_an_exemption_that_expires_before_the_recheck_counts_no_more() -> None:
    """A write in progress is exempt now, and is looked at again in five seconds."""
    rules = exempt({"expires_on": ends_in(seconds=4)})
    world = World(disk(provisioningState="Updating"), rules=rules)
    result = await world.event(event())
    assert (result.outcome, world.alerts) == (Outcome.EXEMPT, [])
    world.properties()["provisioningState"] = "Succeeded"
    await world.settle()
    assert world.is_closed()
    assert world.alert["outcome"] == "reverted"


@pytest.mark.parametrize("changed", [exempt(), "mode: off", "mode: audit", "profile: minimum"])
async def test_an_intent_whose_resource_may_be_open_by_now_is_told(changed: str) -> None:
    """What the first look saw reaches a person, with its id; the guard changes nothing more."""
    world = World(disk(networkAccessPolicy="AllowPrivate"))
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event())
    before = dict(world.properties())
    change_policy(world, changed)
    await world.settle()
    assert before == world.properties()
    assert world.alert["alertId"] == result.alert_id
    assert world.alert["outcome"] in ("not reverted", "reported only")
    assert [f["rule"] for f in world.alert["findings"]] == [NETWORK, PUBLIC]
    assert (world.alert["changes"], world.alert["undo"]) == ([], [])
    assert world.intents == []


async def test_an_intent_whose_resource_became_partly_exempt_closes_the_rest() -> None:
    """Under the id of the first look, and with what was done only."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    result = await world.event(event())
    change_policy(world, exempt({"rules": [PUBLIC]}))
    await world.settle()
    assert world.properties()[NETWORK] == "DenyAll"
    assert world.properties()[PUBLIC] == "Enabled"
    assert (world.alert["outcome"], world.alert["alertId"]) == ("reverted", result.alert_id)
    assert [c["path"] for c in world.alert["changes"]] == [f"properties.{NETWORK}"]
    assert f"{PUBLIC} exempt: until" in world.alert["reason"]


@pytest.mark.parametrize("finished", [True, False])
async def test_a_change_azure_took_on_is_told_though_the_resource_is_exempt_now(
    finished: bool,
) -> None:
    """Closed, or still open: what happened is what is said."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [StillRunning("202", status=202)]
    result = await world.event(event())
    change_policy(world, exempt())
    if finished:
        merge(world.properties(), {NETWORK: "DenyAll", PUBLIC: "Disabled"})
    await world.settle()
    outcome = "reverted" if finished else "not reverted"
    assert (world.alert["outcome"], world.alert["alertId"]) == (outcome, result.alert_id)
    assert len(world.alert["changes"]) == (2 if finished else 0)
    assert len(world.arm.patches) == 1


async def test_an_exempt_resource_that_is_opened_further_is_closed_there() -> None:
    """An exemption for one setting is none for the next one."""
    world = World(closed_disk(networkAccessPolicy="AllowAll"), rules=exempt({"rules": [NETWORK]}))
    assert (await world.event(event(id="first"))).outcome == Outcome.EXEMPT
    merge(world.properties(), {PUBLIC: "Enabled"})
    assert (await world.event(event(id="second"))).outcome == Outcome.REVERTED
    assert world.properties()[NETWORK] == "AllowAll"
    assert world.properties()[PUBLIC] == "Disabled"


@pytest.mark.parametrize(("value", "closed"), [("approved", False), ("Approved", True), ("", True)])
async def test_a_tag_exempts_in_exactly_its_value(value: str, closed: bool) -> None:
    """And only within the group, where the exemption names one."""
    body = {**disk(), "tags": {"EXPORT": value}}
    by_tag = {"tag": tag("export", "approved")}
    world = World(body, rules=exempt(by_tag, tags_may_exempt=True))
    await world.event(event())
    assert world.is_closed() is closed
    elsewhere = World(body, rules=exempt({**by_tag, "scope": f"{GROUP}-x"}, tags_may_exempt=True))
    await elsewhere.event(event())
    assert elsewhere.is_closed()


async def test_what_is_blocked_and_exempt_together_is_exempt() -> None:
    """An attached disk whose authentication mode cannot change is left to its exemption."""
    rules = on_disks(dataAccessAuthMode={"mode": "enforce"})
    entry = {"scope": f"{GROUP}/providers/{DISKS}/*", "rules": [*BOTH_RULES, "dataAccessAuthMode"]}
    world = World({**disk(), "managedBy": "/vm"}, rules=exempt(entry, resources=rules))
    assert (await world.event(event(resource=DISK_ID))).outcome == Outcome.EXEMPT
    assert world.alerts == []
