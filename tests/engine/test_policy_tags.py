"""Scopes by tag: whoever can open a disk can usually tag it, so a tag only tightens."""

from typing import Any

import pytest
from hypothesis import given, settings

from guards import disk
from guards.engine.decide import decide
from guards.engine.ids import ResourceId
from guards.engine.model import Mode
from guards.engine.policy import Policy
from guards.engine.policy.settings import looser, strictest
from tests.engine.policies import (
    ESTATE,
    POLICIES,
    SUB,
    Data,
    made,
    modes,
    on_disks,
    tag,
    wrong,
)
from tests.engine.samples import DISK_ACCESS_ID, DISK_ID
from tests.fakes import START

SECRET = {"tag": tag("data", "secret"), "mode": "enforce", "profile": "strict"}


def by_tag(**settings_: Any) -> Data:
    """A scope for everything tagged data=secret."""
    return {"tag": tag("data", "secret"), **settings_}


def test_a_tag_tightens_what_the_id_says() -> None:
    """An audited group's secret disks are closed."""
    parsed = made(mode="audit", scopes=[by_tag(mode="enforce")])
    assert modes(parsed, DISK_ID, {"data": "secret"}) == ["enforce", "enforce"]
    assert modes(parsed, DISK_ID, {"data": "public"}) == ["audit", "audit"]
    assert modes(parsed, DISK_ID) == ["audit", "audit"]


@pytest.mark.parametrize(
    ("tags", "counts"),
    [
        ({"data": "secret"}, True),
        ({"DATA": "secret"}, True),
        ({"data": "top"}, True),
        ({"data": "Secret"}, False),
        ({"data": "secret "}, False),
        ({"data": ""}, False),
        ({"secret": "data"}, False),
        ({"data": None}, False),
        ({"data": ["secret"]}, False),
        ({"data": {"secret": "secret"}}, False),
        ({}, False),
        ("data=secret", False),
        (["data", "secret"], False),
        (None, False),
        (5, False),
    ],
)
def test_a_tag_counts_in_exactly_the_listed_values(tags: Any, counts: bool) -> None:
    """The name in any casing, as Azure compares names; the value as it is written."""
    parsed = made(mode="off", scopes=[{"tag": tag("Data", "secret", "top"), "mode": "enforce"}])
    applied = parsed.applied(disk.GUARD, ResourceId.parse(DISK_ID), {"tags": tags})
    assert applied.off is not counts


@pytest.mark.parametrize(
    ("base", "settings_", "said"),
    [
        ({}, {"mode": "audit"}, "networkAccessPolicy: mode enforce to audit"),
        ({}, {"mode": "off"}, "publicNetworkAccess: mode enforce to off"),
        ({"mode": "audit"}, {"mode": "off"}, "networkAccessPolicy: mode audit to off"),
        ({}, {"profile": "minimum"}, "networkAccessPolicy: allowed now has AllowPrivate"),
        (
            {},
            {
                "resources": on_disks(
                    networkAccessPolicy={"allowed_disk_accesses": [DISK_ACCESS_ID]}
                )
            },
            f"networkAccessPolicy: allowed_disk_accesses now has {DISK_ACCESS_ID}",
        ),
        (
            {},
            {"resources": on_disks(publicNetworkAccess={"satisfied_by": ["networkAccessPolicy"]})},
            "publicNetworkAccess: satisfied_by now has networkAccessPolicy",
        ),
        (
            {},
            {"resources": on_disks(networkAccessPolicy={"allowed": ["AllowPrivate"]})},
            "networkAccessPolicy: allowed now has AllowPrivate",
        ),
    ],
)
def test_a_tag_that_loosens_is_a_mistake(base: Data, settings_: Data, said: str) -> None:
    """Unless the policy says that tags may; the mistake says what it loosens."""
    told = wrong(**base, scopes=[by_tag(**settings_)])
    assert "scopes[0]: a scope by tag may only tighten" in told
    assert "`tags_may_exempt: true` allows it" in told
    assert said in told
    allowed = made(**base, scopes=[by_tag(**settings_)], tags_may_exempt=True)
    assert len(allowed.layers) == 2


def test_a_tag_never_loosens_what_a_scope_tightened() -> None:
    """Fine beside the policy's own settings, and still not below those of the ID."""
    lax = {"allowed": ["DenyAll", "AllowPrivate"]}
    parsed = made(
        resources=on_disks(networkAccessPolicy=lax),
        scopes=[
            {"scope": SUB, "resources": on_disks(networkAccessPolicy={"allowed": ["DenyAll"]})},
            by_tag(resources=on_disks(networkAccessPolicy=lax, publicNetworkAccess={})),
        ],
    )
    resource = ResourceId.parse(DISK_ID)
    rules = parsed.applied(disk.GUARD, resource, {"tags": {"data": "secret"}}).rules
    assert rules["networkAccessPolicy"].allowed == ("DenyAll",)


def test_a_tag_may_loosen_where_the_policy_says_so() -> None:
    """Only for the values it lists."""
    scopes = [{"scope": SUB, "mode": "enforce"}, by_tag(mode="off")]
    parsed = made(scopes=scopes, tags_may_exempt=True)
    assert modes(parsed, DISK_ID, {"data": "secret"}) == ["off", "off"]
    assert modes(parsed, DISK_ID, {"data": "other"}) == ["enforce", "enforce"]


@pytest.mark.parametrize("may", [True, False])
def test_among_several_tags_the_strictest_counts(may: bool) -> None:
    """Another tag does not undo one; the order is of no account."""
    scopes = [
        {"tag": tag("a", "x"), "mode": "off" if may else "audit"},
        {"tag": tag("b", "x"), "mode": "enforce"},
        {"tag": tag("c", "x"), "mode": "audit"},
    ]
    parsed = made(mode="enforce" if may else "off", scopes=scopes, tags_may_exempt=may)
    everything = {"a": "x", "b": "x", "c": "x"}
    assert modes(parsed, DISK_ID, everything) == ["enforce", "enforce"]
    assert modes(parsed, DISK_ID, dict(reversed(everything.items()))) == ["enforce", "enforce"]
    assert modes(parsed, DISK_ID, {"a": "x", "c": "x"}) == ["audit", "audit"]


@pytest.mark.parametrize(
    "other", [tag("data", "secret"), tag("DATA", "x", "secret"), tag("Data", "secret", "y")]
)
def test_two_scopes_for_the_same_tag_are_refused(other: Data) -> None:
    """As two for the same resource are."""
    told = wrong(scopes=[SECRET, {"tag": other, "mode": "enforce"}])
    assert "scopes[1]: as specific as scopes[0] (line 2)" in told


def test_a_tag_in_another_casing_of_its_value_is_another_tag() -> None:
    """Values are compared as they are written."""
    scopes = [SECRET, {"tag": tag("data", "Secret"), "mode": "enforce"}]
    assert len(made(scopes=scopes).layers) == 3


@settings(max_examples=30)
@given(POLICIES)
def test_no_tag_makes_anything_looser_than_its_id(parsed: Policy) -> None:
    """Whatever scopes and tags a policy combines, unless it says that tags may."""
    if parsed.tags_may_exempt:
        return
    for guard, resource, body in ESTATE:
        tagged = parsed.applied(guard, resource, body)
        plain = parsed.applied(guard, resource, {})
        assert looser(plain.rules, tagged.rules) == []
        one, other = (
            decide(guard, resource, seen, parsed, Mode.ENFORCE, START)
            for seen in (body, {**body, "tags": {}})
        )
        assert {f.rule for f in one.findings} >= {f.rule for f in other.findings}
        assert {f.rule for f in one.to_close} >= {f.rule for f in other.to_close}


@settings(max_examples=30)
@given(POLICIES)
def test_several_tags_mean_the_strictest_of_each(parsed: Policy) -> None:
    """Never less than one of them alone."""
    for guard, resource, body in ESTATE:
        whole = parsed.applied(guard, resource, body).rules
        single = [
            parsed.applied(guard, resource, {"tags": {name: value}})
            for name, value in body["tags"].items()
        ]
        hit = [one.rules for one in single if any(layer.tag for layer in one.layers)]
        if hit:
            expected = strictest(hit)
            assert looser(expected, whole) == looser(whole, expected) == []
