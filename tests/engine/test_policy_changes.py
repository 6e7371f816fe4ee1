"""What another policy would loosen: whoever can write it can switch the guard off, and is told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.decide import decide
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Finding, Guard, Mode
from guards.engine.policy import Policy
from guards.engine.policy.changes import loosened
from tests.engine.policies import (
    BOTH_RULES,
    ESTATE,
    POLICIES,
    REGISTRIES,
    SUB,
    Data,
    changed_policies,
    disk_id,
    dropped_scopes,
    exemption,
    made,
    on_disks,
    tag,
)
from tests.engine.samples import DISK_ACCESS_ID, DISK_ID, GROUP
from tests.engine.samples import disk as open_disk
from tests.fakes import START

SECRET = tag("data", "secret")


def scope(place: str | Data, **settings_: Any) -> Data:
    """An entry of `scopes`, by ID or by tag."""
    return {"scope" if isinstance(place, str) else "tag": place, **settings_}


def said(old: Data, new: Data, now: datetime = START) -> str:
    """What is told of a change between two policies."""
    return "\n".join(loosened(made(**old), made(**new), now) or ())


LOOSENED: list[tuple[Data, Data, str]] = [
    ({}, {"mode": "audit"}, "every rule: mode enforce to audit"),
    ({"mode": "audit"}, {"mode": "off"}, "every rule: mode audit to off"),
    ({}, {"profile": "minimum"}, "networkAccessPolicy: allowed now has AllowPrivate"),
    (
        {},
        {"resources": on_disks(networkAccessPolicy={"allowed_disk_accesses": [DISK_ACCESS_ID]})},
        f"networkAccessPolicy: allowed_disk_accesses now has {DISK_ACCESS_ID}",
    ),
    (
        {"resources": {REGISTRIES: {"publicNetworkAccess": {"when_unreachable": "revert"}}}},
        {},
        f"{REGISTRIES} publicNetworkAccess: when_unreachable revert to block",
    ),
    ({}, {"scopes": [scope(GROUP, mode="off")]}, f"{GROUP}: every rule: mode enforce to off"),
    ({"scopes": [scope(GROUP, mode="audit")]}, {"mode": "off"}, "mode enforce to off"),
    ({"mode": "off", "scopes": [scope(GROUP, mode="audit")]}, {"mode": "off"}, f"{GROUP}: "),
    (
        {"mode": "off", "scopes": [scope(SECRET, mode="audit")]},
        {"mode": "off"},
        "tag data=secret: ",
    ),
    ({}, {"tags_may_exempt": True}, "tags may now exempt and loosen"),
    ({}, {"exemptions": [exemption()]}, f"new exemption: {GROUP} (networkAccessPolicy, publicN"),
    (
        {"exemptions": [exemption()]},
        {"exemptions": [exemption(expires_on="2027-01-01")]},
        f"prolonged exemption: {GROUP} (networkAccessPolicy, publicNetworkAccess) until 2027-01-01",
    ),
    (
        {"exemptions": [exemption(expires_on="2026-02-01")]},
        {"exemptions": [exemption()]},
        "new exemption: ",
    ),
    (
        {"exemptions": [exemption(rules=["publicNetworkAccess"])]},
        {"exemptions": [exemption()]},
        f"new exemption: {GROUP} (networkAccessPolicy, publicNetworkAccess) until 2026-12-31",
    ),
    (
        {"exemptions": [exemption()]},
        {"exemptions": [exemption(scope=SUB)]},
        f"new exemption: {SUB} (networkAccessPolicy",
    ),
]
# What a scope or a tag tightened among others that loosen: no place by itself shows it.
HIDDEN: dict[str, tuple[list[Data], list[Data], bool, str, Data]] = {
    "a tag within a laxer group": (
        [scope(GROUP, mode="audit"), scope(SECRET, mode="enforce")],
        [scope(GROUP, mode="audit")],
        False,
        DISK_ID,
        {"data": "secret"},
    ),
    "a tag changed within a laxer group": (
        [scope(GROUP, mode="off"), scope(SECRET, profile="strict", mode="enforce")],
        [scope(GROUP, mode="off"), scope(SECRET, profile="strict")],
        False,
        DISK_ID,
        {"data": "secret"},
    ),
    "a tag beside a laxer tag": (
        [scope(SECRET, mode="enforce"), scope(tag("a", "b"), mode="off")],
        [scope(tag("a", "b"), mode="off")],
        True,
        DISK_ID,
        {"data": "secret", "a": "b"},
    ),
    "a new laxer tag within a laxer group": (
        [scope(GROUP, mode="audit"), scope(SECRET, mode="audit")],
        [scope(GROUP, mode="audit"), scope(SECRET, mode="audit"), scope(tag("a", "b"), mode="off")],
        True,
        disk_id(group="rg-other"),
        {"a": "b"},
    ),
    "a pattern across a laxer pattern": (
        [
            scope(f"{SUB}/resourceGroups/rg-*", mode="audit"),
            scope(f"{SUB}/resourceGroups/*-data", mode="enforce"),
        ],
        [scope(f"{SUB}/resourceGroups/rg-*", mode="audit")],
        False,
        DISK_ID,
        {},
    ),
    "a group of any subscription within a laxer subscription": (
        [scope("/subscriptions/*/resourceGroups/rg-data", mode="enforce"), scope(SUB, mode="off")],
        [scope(SUB, mode="off")],
        False,
        DISK_ID,
        {},
    ),
    "a pattern of disks across a laxer group": (
        [scope(disk_id("*", "ledger-*"), mode="enforce"), scope(GROUP, mode="audit")],
        [scope(GROUP, mode="audit")],
        False,
        DISK_ID,
        {},
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), LOOSENED)
def test_what_is_looser_is_said(old: Data, new: Data, told: str) -> None:
    """Where, which setting, from what to what; and nothing of the way back but what it loosens."""
    assert told in said(old, new)
    assert told not in said(new, old)


@pytest.mark.parametrize("case", HIDDEN)
def test_what_is_looser_only_where_scopes_meet_is_said_too(case: str) -> None:
    """A resource that was closed is not any more: some sentence has to say so."""
    before, after, may, resource_id, tags = HIDDEN[case]
    old, new = (made(scopes=scopes, tags_may_exempt=may) for scopes in (before, after))
    resource, body = ResourceId.parse(resource_id), {**open_disk(), "tags": tags}
    guard = next(guard for guard in old.guards if guard.resource_type.endswith("disks"))
    assert opens(guard, resource, body, old, new)
    assert loosened(old, new, START)


def opens(guard: Guard, resource: ResourceId, body: Body, old: Policy, new: Policy) -> bool:
    """Whether a finding that the old policy closes or sees is none, or not closed, by the new."""

    def names(findings: Sequence[Finding]) -> set[str]:
        return {finding.rule for finding in findings}

    was, now = (decide(guard, resource, body, p, Mode.ENFORCE, START) for p in (old, new))
    less = names(was.findings) - names(now.findings)
    return bool(less or names(was.to_close) - names(now.to_close))


@settings(max_examples=75)
@given(changed_policies() | dropped_scopes())
def test_nothing_is_opened_without_a_word(changed: tuple[Policy, Policy]) -> None:
    """If nothing is said of a change, no resource of the estate is guarded less than before."""
    old, new = changed
    if loosened(old, new, START):
        return
    for guard, resource, body in ESTATE:
        opened = opens(guard, resource, body, old, new)
        assert not opened, (str(resource), body["tags"], _shown(old), _shown(new))


def _shown(parsed: Policy) -> list[object]:
    layers = [(one.where, one.cap, one.profile, one.given) for one in parsed.layers]
    return [*layers, *(one.key for one in parsed.exemptions)]


@settings(max_examples=40)
@given(POLICIES, st.integers(-60, 60))
def test_a_policy_loosens_nothing_against_itself(parsed: Policy, days: int) -> None:
    """Whatever it says, and whenever it is asked."""
    assert loosened(parsed, parsed, START + timedelta(days=days)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"exemptions": [exemption()]}, {}),
        ({"exemptions": [exemption()]}, {"exemptions": [exemption(expires_on="2026-06-01")]}),
        ({"exemptions": [exemption()]}, {"exemptions": [exemption(owner="other", ticket="x")]}),
        ({}, {"exemptions": [exemption(expires_on="2026-03-01")]}),
        ({"tags_may_exempt": True}, {}),
        ({"profile": "minimum"}, {}),
        ({"mode": "audit"}, {}),
        ({}, {"scopes": [scope(SECRET, mode="enforce")]}),
        ({}, {"scopes": [scope(GROUP, profile="strict")]}),
        ({"scopes": [scope(GROUP, mode="off")]}, {"scopes": [scope(GROUP.lower(), mode="audit")]}),
    ],
)  # fmt: skip
def test_what_only_tightens_needs_no_word(old: Data, new: Data) -> None:
    """Nobody has to be woken for it."""
    assert said(old, new) == ""


def test_an_exemption_of_another_tag_value_is_a_new_one() -> None:
    """Values are compared as they are written: other resources are exempt now."""
    old, new = (
        {"exemptions": [exemption(scope=None, tag=tag("Export", v))], "tags_may_exempt": True}
        for v in ("Approved", "approved")
    )
    assert "new exemption: tag Export=approved" in said(old, new)


def test_what_holds_everywhere_is_said_once() -> None:
    """Not again for each scope."""
    scopes = [scope(GROUP, resources=on_disks(dataAccessAuthMode={"mode": "audit"}))]
    told = loosened(made(scopes=scopes), made(scopes=scopes, mode="audit"), START)
    assert told == ["every rule: mode enforce to audit"]


def test_a_sentence_is_one_line() -> None:
    """Text of the policy goes into an alert."""
    entry = exemption(reason="a\nb", owner="\u202ex", scope=None, tag=tag("a\nb", "c\u202ed"))
    told = said({"tags_may_exempt": True}, {"exemptions": [entry], "tags_may_exempt": True})
    assert "new exemption" in told
    assert not {"\n", "\u202e"} & set(told)
    assert all(rule in told for rule in BOTH_RULES)
