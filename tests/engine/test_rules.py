"""The part of a rule that is the same for every setting, and the verdict under GUARD_MODE."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.decide import decide
from guards.engine.model import ComplianceState, Finding, Mode, Rule, RuleSettings, Severity
from guards.engine.rules import at, complies, deviation, merged, nested, text_at

RULE = Rule("door", "properties.door", ("Shut", "Locked"), "Shut", "Open", Severity.HIGH)
POLICY = {"door": RuleSettings(Mode.ENFORCE)}


@pytest.mark.parametrize("value", ["Shut", "SHUT", "locked"])
def test_allowed_values_comply_in_any_casing(value: str) -> None:
    """Azure is not strict about casing, so neither is the guard."""
    assert complies(RULE, {"properties": {"door": value}})


@pytest.mark.parametrize(
    "value", ["Open", "", "Shut ", "shut\n", 0, False, True, [], ["Shut"], {"Shut": 1}, 1.5]
)
def test_any_other_value_deviates(value: object) -> None:
    """A value nobody knows is never taken for closed, whatever its type."""
    finding = deviation(RULE, {"properties": {"door": value}}, POLICY)
    assert finding is not None
    assert (finding.rule, finding.path, finding.desired) == ("door", "properties.door", "Shut")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"properties": None},
        {"properties": []},
        {"properties": "x"},
        {"properties": {"door": None}},
    ],
)
def test_an_absent_value_means_azures_default(body: dict[str, object]) -> None:
    """What the body leaves out is judged as Azure treats it, and shown as absent."""
    finding = deviation(RULE, body, POLICY)
    assert finding is not None
    assert finding.actual is None


def test_an_absent_value_complies_where_azures_default_does() -> None:
    """Absence is not a finding by itself."""
    rule = Rule("door", "properties.door", ("Shut",), "Shut", "shut", Severity.LOW)
    assert complies(rule, {})


def test_a_rule_that_is_off_finds_nothing() -> None:
    """Off means: not looked at."""
    assert deviation(RULE, {}, {"door": RuleSettings(Mode.OFF)}) is None


@pytest.mark.parametrize("value", [{"a": "x" * 500}, list(range(500))])
def test_a_value_of_another_type_is_shown_shortened(value: object) -> None:
    """An alert shows what stood there, without its full length."""
    text = text_at({"a": value}, "a")
    assert text is not None
    assert len(text) == 80


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4), st.text() | st.none()
)
def test_what_is_nested_is_found_again(parts: list[str], value: str | None) -> None:
    """A path written into a PATCH is the one that inspect reads."""
    path = ".".join(parts)
    assert value == at(nested(path, value), path)


def test_nested_parts_are_laid_over_each_other() -> None:
    """Several settings make one body, and neither input changes."""
    first, second = nested("a.b.c", "1"), nested("a.b.d", "2")
    expected = {"a": {"b": {"c": "1", "d": "2"}}, "e": "3"}
    assert expected == merged(first, second, nested("e", "3"))
    assert first == {"a": {"b": {"c": "1"}}}


def _finding(rule: str, mode: Mode) -> Finding:
    return Finding(rule, f"properties.{rule}", None, "Shut", Severity.HIGH, mode)


AUDITED, ENFORCED = _finding("window", Mode.AUDIT), _finding("door", Mode.ENFORCE)


@pytest.mark.parametrize(
    ("cap", "state", "seen", "closed"),
    [
        (Mode.ENFORCE, ComplianceState.NON_COMPLIANT, (AUDITED, ENFORCED), (ENFORCED,)),
        (Mode.AUDIT, ComplianceState.NON_COMPLIANT, (AUDITED, ENFORCED), ()),
        (Mode.OFF, ComplianceState.COMPLIANT, (), ()),
    ],
)
def test_guard_mode_caps_what_the_policy_allows(
    cap: Mode, state: ComplianceState, seen: tuple[Finding, ...], closed: tuple[Finding, ...]
) -> None:
    """One app setting stops every change; audit still tells what deviates."""
    verdict = decide((AUDITED, ENFORCED), cap)
    assert (state, seen, closed) == (verdict.state, verdict.findings, verdict.to_close)


@pytest.mark.parametrize("cap", list(Mode))
def test_nothing_found_is_compliant_under_every_cap(cap: Mode) -> None:
    """No finding, no verdict but compliant."""
    assert decide((), cap).state is ComplianceState.COMPLIANT


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("cap", list(Mode))
def test_a_cap_never_makes_a_mode_stronger(mode: Mode, cap: Mode) -> None:
    """GUARD_MODE=enforce does not enforce what the policy only audits."""
    order = [Mode.OFF, Mode.AUDIT, Mode.ENFORCE]
    assert min(order.index(mode), order.index(cap)) == order.index(mode.capped(cap))
