"""The part of a rule that is the same for every setting."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.model import Body, Mode, Rule, RuleSettings, Severity
from guards.engine.rules import at, complies, deviations, merged, nested, text_at

DOOR = Rule(
    id="door",
    path="properties.door",
    values=("Shut", "Locked", "Open"),
    allowed=("Shut", "Locked"),
    desired="Shut",
    when_absent="Open",
    severity=Severity.HIGH,
)
WINDOW = Rule(
    id="window",
    path="properties.window",
    values=("Shut", "Open"),
    allowed=("Shut",),
    desired="Shut",
    when_absent="Open",
    severity=Severity.LOW,
)
POLICY = {"door": RuleSettings(Mode.ENFORCE, ("Shut", "Locked"))}


def house(door: object, window: object) -> Body:
    """A body with both settings."""
    return {"properties": {"door": door, "window": window}}


def found(
    body: Body, door: RuleSettings, window: RuleSettings, excused: frozenset[str] = frozenset()
) -> list[str]:
    """The rules of both that find something."""
    policy = {"door": door, "window": window}
    findings = deviations((DOOR, WINDOW), body, policy, lambda rule: rule.id in excused)
    return [finding.rule for finding in findings]


@pytest.mark.parametrize("value", ["Shut", "SHUT", "locked"])
def test_allowed_values_comply_in_any_casing(value: str) -> None:
    """Azure is not strict about casing, so neither is the guard."""
    assert complies(DOOR, {"properties": {"door": value}})
    assert deviations((DOOR,), {"properties": {"door": value}}, POLICY) == ()


@pytest.mark.parametrize(
    "value", ["Open", "", "Shut ", "shut\n", 0, False, True, [], ["Shut"], {"Shut": 1}, 1.5]
)
def test_any_other_value_deviates(value: object) -> None:
    """A value nobody knows is never taken for closed, whatever its type."""
    (finding,) = deviations((DOOR,), {"properties": {"door": value}}, POLICY)
    assert (finding.rule, finding.path, finding.desired) == ("door", "properties.door", "Shut")
    assert (finding.severity, finding.mode) == (Severity.HIGH, Mode.ENFORCE)


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
    (finding,) = deviations((DOOR,), body, POLICY)
    assert finding.actual is None


def test_an_absent_value_complies_where_azures_default_does() -> None:
    """Absence is not a finding by itself."""
    assert complies(DOOR, {}, ("Open",))
    assert deviations((DOOR,), {}, {"door": RuleSettings(Mode.ENFORCE, ("oPEN",))}) == ()


@pytest.mark.parametrize(
    ("allowed", "values"),
    [(("Shut",), ["Locked", "Open"]), (("Shut", "Open"), ["Locked"]), ((), ["Shut", "Locked"])],
)
def test_the_policy_says_which_values_are_allowed(
    allowed: tuple[str, ...], values: list[str]
) -> None:
    """More or fewer than the rule's own; without its word, the rule's."""
    for value in values:
        body = {"properties": {"door": value}}
        assert not complies(DOOR, body, allowed)
        assert deviations((DOOR,), body, {"door": RuleSettings(Mode.AUDIT, allowed)})
    assert complies(DOOR, {"properties": {"door": "Locked"}})


def test_a_rule_that_is_off_finds_nothing() -> None:
    """Off means: not looked at."""
    off = RuleSettings(Mode.OFF, ("Shut",))
    assert found({}, off, RuleSettings(Mode.AUDIT, ("Shut",))) == ["window"]
    assert found({}, off, off) == []


def test_what_a_guard_excuses_is_no_finding() -> None:
    """And is met for whatever it is enough for."""
    strict = RuleSettings(Mode.ENFORCE, ("Shut",))
    either = RuleSettings(Mode.ENFORCE, ("Shut",), satisfied_by=("door",))
    assert found({}, strict, strict, frozenset({"door"})) == ["window"]
    assert found({}, strict, either, frozenset({"door"})) == []


def test_a_finding_is_as_bad_as_the_guard_says_of_its_body() -> None:
    """Asked for each finding, and for nothing that is fine: most bodies are."""
    asked = []

    def severity(rule: Rule, body: Body) -> Severity:
        asked.append((rule.id, body))
        return Severity.MEDIUM

    shut = RuleSettings(Mode.AUDIT, ("Shut",))
    body, policy = house("Open", "Shut"), {"door": shut, "window": shut}
    (finding,) = deviations((DOOR, WINDOW), body, policy, severity=severity)
    assert (finding.rule, finding.severity) == ("door", Severity.MEDIUM)
    assert asked == [("door", body)]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("door", "window"), list(product(["Shut", "Open"], repeat=2)))
def test_one_of_two_rules_is_enough_where_the_policy_says_so(
    door: str, window: str, mode: Mode
) -> None:
    """Both are found, or neither; whether the other one is looked at itself is of no account."""
    shut = ("Shut",)
    either = RuleSettings(Mode.ENFORCE, shut, satisfied_by=("window",))
    other = RuleSettings(mode, shut, satisfied_by=("door",))
    both_open = door == window == "Open"
    expected = ["door", "window"] if mode is not Mode.OFF else ["door"]
    assert found(house(door, window), either, other) == (expected if both_open else [])


def test_an_alternative_holds_in_the_direction_it_is_written() -> None:
    """A shut window excuses the door, and not the other way round."""
    either = RuleSettings(Mode.ENFORCE, ("Shut",), satisfied_by=("window",))
    strict = RuleSettings(Mode.ENFORCE, ("Shut",))
    assert found(house("Open", "Shut"), either, strict) == []
    assert found(house("Shut", "Open"), either, strict) == ["window"]


@pytest.mark.parametrize("value", [{"a": "x" * 500}, list(range(500))])
def test_a_value_of_another_type_is_shown_shortened(value: object) -> None:
    """An alert shows what stood there, without its full length."""
    text = text_at({"a": value}, "a")
    assert text is not None
    assert len(text) == 80


def test_a_finding_shows_the_value_without_its_control_characters() -> None:
    """A body comes from outside."""
    (finding,) = deviations((DOOR,), {"properties": {"door": "a\n\u202eb"}}, POLICY)
    assert finding.actual == "a b"


@settings(max_examples=25)
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


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("cap", list(Mode))
def test_a_cap_never_makes_a_mode_stronger(mode: Mode, cap: Mode) -> None:
    """GUARD_MODE=enforce does not enforce what the policy only audits."""
    order = [Mode.OFF, Mode.AUDIT, Mode.ENFORCE]
    assert min(order.index(mode), order.index(cap)) == order.index(mode.capped(cap))
