"""The one decision: the policy's modes under GUARD_MODE, exemptions by the clock passed in."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import disk
from guards.engine.decide import Verdict, decide
from guards.engine.ids import ResourceId
from guards.engine.model import Body, ComplianceState, Mode
from guards.engine.policy import Policy
from tests.engine.policies import (
    BOTH_RULES,
    ESTATE,
    POLICIES,
    SUB,
    disk_id,
    exemption,
    made,
    on_disks,
    tag,
)
from tests.engine.samples import DISK_ID, GROUP, SNAPSHOT_ID, closed_disk
from tests.engine.samples import disk as open_disk
from tests.fakes import START

NETWORK, PUBLIC = BOTH_RULES
END = datetime.fromisoformat("2026-06-01T00:00:00Z")


def judged(
    parsed: Policy, body: Body | None = None, cap: Mode = Mode.ENFORCE, now: datetime = START
) -> Verdict:
    """The verdict on a disk, open unless told otherwise."""
    resource = ResourceId.parse(DISK_ID)
    return decide(disk.GUARD, resource, open_disk() if body is None else body, parsed, cap, now)


def names(findings: tuple[Any, ...]) -> list[str]:
    """The rules of findings."""
    return [finding.rule for finding in findings]


AUDITED = made(resources=on_disks(publicNetworkAccess={"mode": "audit"}))


@pytest.mark.parametrize(
    ("cap", "state", "seen", "closed"),
    [
        (Mode.ENFORCE, ComplianceState.NON_COMPLIANT, [NETWORK, PUBLIC], [NETWORK]),
        (Mode.AUDIT, ComplianceState.NON_COMPLIANT, [NETWORK, PUBLIC], []),
        (Mode.OFF, ComplianceState.COMPLIANT, [], []),
    ],
)
def test_guard_mode_caps_what_the_policy_allows(
    cap: Mode, state: ComplianceState, seen: list[str], closed: list[str]
) -> None:
    """One app setting stops every change; audit still tells what deviates."""
    verdict = judged(AUDITED, cap=cap)
    assert (verdict.state, names(verdict.findings), names(verdict.to_close)) == (
        state,
        seen,
        closed,
    )


@pytest.mark.parametrize("cap", list(Mode))
def test_nothing_found_is_compliant_under_every_cap(cap: Mode) -> None:
    """No finding, no verdict but compliant; an exemption changes nothing."""
    verdict = judged(made(exemptions=[exemption()]), closed_disk(), cap)
    assert (verdict.state, verdict.exempted, verdict.exemption) == (
        ComplianceState.COMPLIANT,
        (),
        None,
    )


def test_a_rule_that_is_off_is_not_looked_at() -> None:
    """Neither told nor closed; the other one is."""
    parsed = made(resources=on_disks(networkAccessPolicy={"mode": "off"}))
    assert names(judged(parsed).findings) == [PUBLIC]
    assert judged(made(mode="off")).state is ComplianceState.COMPLIANT


def test_exempt_is_what_deviates_only_by_leave() -> None:
    """Nothing is to be told or closed, and the exemption is there to be named."""
    parsed = made(exemptions=[exemption()])
    verdict = judged(parsed)
    assert verdict.state is ComplianceState.EXEMPT
    assert (verdict.findings, verdict.to_close) == ((), ())
    assert names(verdict.exempted) == [NETWORK, PUBLIC]
    assert verdict.exemption is parsed.exemptions[0]


@pytest.mark.parametrize("rule", BOTH_RULES)
def test_partly_exempt_is_not_compliant(rule: str) -> None:
    """The rest is closed, the exempt part is not."""
    verdict = judged(made(exemptions=[exemption(rules=[rule])]))
    (other,) = set(BOTH_RULES) - {rule}
    assert verdict.state is ComplianceState.NON_COMPLIANT
    assert names(verdict.exempted) == [rule]
    assert names(verdict.findings) == names(verdict.to_close) == [other]
    assert verdict.exemption is not None


@pytest.mark.parametrize(
    ("passed", "state"),
    [
        (timedelta(microseconds=-1), ComplianceState.EXEMPT),
        (timedelta(0), ComplianceState.NON_COMPLIANT),
        (timedelta(days=1), ComplianceState.NON_COMPLIANT),
    ],
)
def test_an_exemption_ends_at_its_second(passed: timedelta, state: ComplianceState) -> None:
    """Whoever asks, in whatever way in: the clock that is passed in decides."""
    parsed = made(exemptions=[exemption(expires_on=END.isoformat())])
    assert judged(parsed, now=END + passed).state is state


@pytest.mark.parametrize(
    ("scope", "exempt"),
    [
        (GROUP, True),
        (GROUP.upper().replace("/SUBSCRIPTIONS", "/subscriptions"), True),
        (DISK_ID, True),
        (disk_id(group="rg-*", name="ledger*"), True),
        (disk_id(name="ledger-*").replace(SUB, "/subscriptions/*"), True),
        (disk_id(name="ledger"), False),
        (SNAPSHOT_ID.replace("ledger-snap", "ledger-disk"), False),
        (f"{GROUP}-x", False),
    ],
)
def test_an_exemption_counts_only_where_it_is_written_for(scope: str, exempt: bool) -> None:
    """Another name, type or group is not exempt."""
    verdict = judged(made(exemptions=[exemption(scope=scope)]))
    assert (verdict.state is ComplianceState.EXEMPT) is exempt


@pytest.mark.parametrize(
    ("scope", "tags", "exempt"),
    [
        (None, {"Export": "approved"}, True),
        (None, {"EXPORT": "approved"}, True),
        (None, {"Export": "Approved"}, False),
        (None, {"Export": "approved "}, False),
        (None, {"Other": "approved"}, False),
        (None, {}, False),
        (None, None, False),
        (GROUP, {"Export": "approved"}, True),
        (GROUP, {}, False),
        (f"{GROUP}-x", {"Export": "approved"}, False),
    ],
)
def test_a_tag_exempts_in_exactly_its_value_and_within_its_scope(
    scope: str | None, tags: object, exempt: bool
) -> None:
    """Where the policy lets tags exempt at all; scope and tag together must both hold."""
    entry = exemption(scope=scope, tag=tag("export", "approved"))
    parsed = made(exemptions=[entry], tags_may_exempt=True)
    verdict = judged(parsed, {**open_disk(), "tags": tags})
    assert (verdict.state is ComplianceState.EXEMPT) is exempt


def test_of_several_exemptions_the_one_lasting_longest_counts() -> None:
    """And the verdict names the one that ends first of those its findings hang on."""
    parsed = made(
        exemptions=[
            exemption(ticket="long", rules=[NETWORK], expires_on="2026-12-01"),
            exemption(ticket="short", rules=[NETWORK, PUBLIC], expires_on="2026-05-01"),
            exemption(ticket="mid", rules=[PUBLIC], expires_on="2026-08-01", scope=DISK_ID),
            exemption(ticket="past", rules=[PUBLIC], expires_on="2026-02-01"),
        ]
    )
    verdict = judged(parsed)
    assert (verdict.state, verdict.exemption) == (ComplianceState.EXEMPT, parsed.exemptions[2])
    later = judged(parsed, now=datetime.fromisoformat("2026-09-01T00:00:00Z"))
    assert (names(later.exempted), names(later.findings)) == ([NETWORK], [PUBLIC])
    assert later.exemption is parsed.exemptions[0]


def test_what_is_not_created_yet_is_exempt_by_nothing_but_its_tags() -> None:
    """A template has no ID that a scope could cover."""
    by_id, by_tag = exemption(), exemption(scope=None, tag=tag("a", "b"))
    body = {**open_disk(), "tags": {"a": "b"}}
    for entry, state in ((by_id, "NonCompliant"), (by_tag, "Exempt")):
        parsed = made(exemptions=[entry], tags_may_exempt=True)
        assert decide(disk.GUARD, None, body, parsed, Mode.ENFORCE, START).state == state


@settings(max_examples=30)
@given(POLICIES, st.sampled_from(list(Mode)), st.integers(-40, 100))
def test_a_verdict_is_in_itself_consistent(parsed: Policy, cap: Mode, days: int) -> None:
    """State, findings, exempt findings and the exemption say the same, for any policy."""
    now = START + timedelta(days=days)
    for guard, resource, body in ESTATE:
        verdict = decide(guard, resource, body, parsed, cap, now)
        assert set(verdict.to_close) <= set(verdict.findings)
        assert not set(names(verdict.findings)) & set(names(verdict.exempted))
        assert bool(verdict.exempted) == (verdict.exemption is not None)
        state = (
            "NonCompliant" if verdict.findings else "Exempt" if verdict.exempted else "Compliant"
        )
        assert verdict.state == state
        for rule in names(verdict.exempted):
            assert any(e.counts(rule, now) for e in verdict.applied.exemptions)
        for rule in names(verdict.findings):
            assert not any(e.counts(rule, now) for e in verdict.applied.exemptions)
        if parsed.out_of_scope(guard, resource):
            assert verdict.state == "Compliant"
