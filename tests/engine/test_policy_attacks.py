"""Policies made to hurt: memory, time, look-alike names, and noise that hides what counts."""

import tracemalloc
from typing import Any

import pytest

from guards import GUARDS
from guards.engine import policy
from guards.engine.errors import Transient
from guards.engine.ids import folded
from guards.engine.policy import Policy, PolicyError
from guards.engine.policy.changes import loosened
from guards.engine.policy.notices import changed
from tests.engine.policies import BOTH_RULES, exemption, made, on_disks, rules_of, tag
from tests.engine.samples import GROUP, disk, event
from tests.engine.world import World
from tests.fakes import START

NETWORK, PUBLIC = BOTH_RULES


@pytest.mark.parametrize(
    "text",
    [
        f"? {'A' * 300_000}\n: [{'0, ' * 100_000}]",
        "\n".join(" " * n + "k" * 1000 + ":" for n in range(30)) + f" [{'0, ' * 20_000}]",
        f"a: [{'&x 1, ' * 100_000}]",
        f"a: [{'0, ' * 300_000}]",
        "version: 1\nresources: {Microsoft.Compute/disks: {networkAccessPolicy: "
        f"{{allowed_disk_accesses: [{'x, ' * 90_000}]}}}}}}",
    ],
    ids=["a key of a megabyte", "long keys within keys", "anchors", "values", "wrong accesses"],
)
def test_a_small_file_never_takes_much_memory(text: str) -> None:
    """Half a gigabyte would end the process, and with it the last good policy."""
    tracemalloc.start()
    try:
        with pytest.raises(PolicyError) as refused:
            policy.parse(text, GUARDS, START)
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()
    assert len(refused.value.mistakes) <= 201
    assert len(str(refused.value)) < 200_000


def by_tags(count: int, name: str = "t", **others: Any) -> Policy:
    """A policy with so many scopes by tag, of twenty values each."""
    values = [f"v{number}" for number in range(20)]
    scopes = [{"tag": tag(f"{name}{n}", *values), "mode": "enforce"} for n in range(count)]
    return made(scopes=scopes, **others)


def test_a_policy_that_is_another_one_altogether_is_not_compared_for_hours() -> None:
    """The alert says that it cannot be told; that is high, too."""
    assert loosened(by_tags(400), made(mode="off"), START) is not None
    assert loosened(by_tags(40), by_tags(41), START) == []
    assert loosened(by_tags(100), by_tags(100, "u", mode="off"), START) is None
    alert = changed("a" * 64, "b" * 64, None, "policy.yaml", "", START).message()
    assert alert["severity"] == "high"


def test_what_reaches_furthest_is_said_first() -> None:
    """Forty harmless scopes do not push it out of the alert."""
    noise = [{"scope": f"{GROUP}-{n:02}", "profile": "minimum"} for n in range(40)]
    told = loosened(made(), made(mode="off", tags_may_exempt=True, scopes=noise), START)
    assert told is not None
    assert told[:2] == ["tags may now exempt and loosen", "every rule: mode enforce to off"]


def test_a_tag_that_countered_another_is_missed_aloud() -> None:
    """With tags that may exempt, a scope counts for what it does not name, too."""
    lax = {"tag": {"name": "env", "values": ["test"]}, "mode": "off"}
    strict = {
        "tag": {"name": "data", "values": ["secret"]},
        "resources": on_disks(dataAccessAuthMode={"mode": "audit"}),
    }
    old = made(scopes=[lax, strict], tags_may_exempt=True)
    assert loosened(old, made(scopes=[lax], tags_may_exempt=True), START)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("rg-BACKUP", "rg-backup", True),
        ("rg-Ä", "rg-ä", True),
        ("rg-bac\u212aup", "rg-backup", False),
        ("rg-\u212b", "rg-å", False),
        ("rg-\u1e9e", "rg-ß", False),
        ("rg-Σ", "rg-σ", True),
        ("rg-ΑΣ", "rg-ας", False),
    ],
)
def test_names_are_alike_by_casing_only(one: str, other: str, same: bool) -> None:
    """Nobody borrows an exemption with a letter that only looks the same."""
    assert (folded(one) == folded(other)) is same


async def test_a_setting_that_became_enforced_meanwhile_is_closed() -> None:
    """Its intent had planned another one, which is exempt by now."""
    reports = rules_of(resources=on_disks(publicNetworkAccess={"mode": "audit"}))
    world = World(disk(), rules=reports)
    world.trouble.errors["arm.patch"] = [Transient("busy", status=503)]
    await world.event(event())
    changed_rules = rules_of(exemptions=[exemption(rules=[NETWORK])])
    world.policy = policy.parse(f"version: 1\n{changed_rules}", GUARDS, START)
    await world.settle()
    assert world.properties()[PUBLIC] == "Disabled"
    assert world.properties()[NETWORK] == "AllowAll"


async def test_each_exemption_is_named_with_its_own_rules() -> None:
    """Until when, and by whose word: never another one's."""
    entries = [
        exemption(rules=[NETWORK], owner="alice", expires_on="2026-10-02"),
        exemption(rules=["dataAccessAuthMode"], owner="bob", expires_on="2026-12-01"),
    ]
    enforced = on_disks(dataAccessAuthMode={"mode": "enforce"})
    world = World(disk(), rules=rules_of(exemptions=entries, resources=enforced))
    await world.event(event())
    reason = world.alert["reason"]
    assert f"{NETWORK} exempt: until 2026-10-02" in reason
    assert "dataAccessAuthMode exempt: until 2026-12-01" in reason
    assert reason.index("alice") < reason.index("bob")
