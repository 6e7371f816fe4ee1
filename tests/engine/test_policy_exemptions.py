"""Exemptions as the file writes them: who, why, for what, and until when; a year at most."""

from datetime import UTC, datetime, timedelta

import pytest

from guards.engine.policy.exemptions import Exemption
from tests.engine.policies import (
    BOTH_RULES,
    DISKS,
    REGISTRIES,
    SUB,
    disk_id,
    exemption,
    made,
    tag,
    wrong,
)
from tests.engine.samples import DISK_ID, GROUP, REGISTRY_ID
from tests.fakes import START

MANDATORY = ["rules", "reason", "owner", "approved_by", "ticket", "expires_on"]


def test_an_exemption_is_read_with_all_that_it_says() -> None:
    """Each field is there for the person who has to judge it later."""
    (one,) = made(exemptions=[exemption()]).exemptions
    assert one.scope is not None
    assert one.scope.text == GROUP
    assert (one.tag, one.rules) == (None, BOTH_RULES)
    assert (one.reason, one.owner, one.approved_by, one.ticket) == (
        "nightly copy",
        "backup-team",
        "security",
        "CHG0042",
    )
    assert one.expires_on == datetime(2026, 12, 31, tzinfo=UTC)
    assert str(one) == (
        "until 2026-12-31T00:00:00.000Z, nightly copy (owner backup-team, approved by security, "
        "ticket CHG0042)"
    )


@pytest.mark.parametrize("field", MANDATORY)
def test_no_field_may_be_left_out(field: str) -> None:
    """An exemption that nobody owns, or that never ends, is none."""
    assert f"exemptions[0].{field}: is missing" in wrong(exemptions=[exemption(**{field: None})])


@pytest.mark.parametrize(
    ("field", "empty"),
    [(field, "") for field in ("reason", "owner", "approved_by", "ticket")]
    + [("owner", empty) for empty in (" ", "\t\n", "\x07", "\u202e", " \u200e ")],
)
def test_no_field_may_be_empty(field: str, empty: str) -> None:
    """Nor may it hold only what nobody can see."""
    assert f"exemptions[0].{field}: " in wrong(exemptions=[exemption(**{field: empty})])


@pytest.mark.parametrize("value", [True, [], ["x"], {"name": "x"}])
@pytest.mark.parametrize("field", ["reason", "owner", "approved_by", "ticket", "expires_on"])
def test_a_field_of_another_type_is_a_mistake(field: str, value: object) -> None:
    """Words are needed."""
    assert f"exemptions[0].{field}: " in wrong(exemptions=[exemption(**{field: value})])


def test_a_ticket_may_be_a_bare_number() -> None:
    """Most ticket systems count."""
    (one,) = made(exemptions=[exemption(ticket=4711)]).exemptions
    assert one.ticket == "4711"


def test_fields_lose_their_control_characters() -> None:
    """They end up in alerts and logs."""
    (one,) = made(exemptions=[exemption(owner="a\nb\u202ec", reason=" x ")]).exemptions
    assert (one.owner, one.reason) == ("a b c", "x")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], "rules: "),
        ("networkAccessPolicy", "rules: a list is needed (found 'networkAccessPolicy')"),
        (["*"], "rules[0]: '*' is not allowed; allowed: 'networkAccessPolicy', "),
        (["networkaccesspolicy"], "rules[0]: 'networkaccesspolicy' is not allowed; allowed: "),
        ([*BOTH_RULES, None], "rules[2]: None is not allowed; allowed: "),
    ],
)
def test_an_exemption_names_its_rules(rules: object, told: str) -> None:
    """There is none for everything."""
    assert f"exemptions[0].{told}" in wrong(exemptions=[exemption(rules=rules)])


@pytest.mark.parametrize(
    ("scope", "rule", "allowed"),
    [
        (DISK_ID, "exportPolicy", ", ".join((*BOTH_RULES, "dataAccessAuthMode"))),
        (REGISTRY_ID.upper(), "networkAccessPolicy", "exportPolicy, publicNetworkAccess"),
        (
            f"/subscriptions/*/resourceGroups/*/providers/{REGISTRIES}/acr*",
            "dataAccessAuthMode",
            "exportPolicy, publicNetworkAccess",
        ),
    ],
)
def test_an_exemption_names_rules_of_its_type(scope: str, rule: str, allowed: str) -> None:
    """One that can never count is a mistake; in a whole group every rule can."""
    told = wrong(exemptions=[exemption(scope=scope, rules=["publicNetworkAccess", rule])])
    assert f"exemptions[0].rules[1]: {rule} is no rule there; allowed: {allowed}" in told
    assert made(exemptions=[exemption(scope=GROUP, rules=[rule])]).exemptions


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("/subscriptions/*", "matches everything; name a subscription, or part of a group's or"),
        ("/subscriptions/*/resourceGroups/**", "matches everything; name a subscription"),
        (disk_id("*", "*").replace(SUB, "/subscriptions/*"), "matches everything; name a sub"),
        ("*", "a scope is /subscriptions/GUID, /subscriptions/GUID/resourceGroups/NAME or a res"),
        ("", "a scope is /subscriptions/GUID"),
        (DISK_ID.replace(DISKS, "Microsoft.Web/sites"), f"not a guarded type; allowed: {DISKS}"),
        (5, "a scope is /subscriptions/GUID"),
    ],
)
def test_an_exemption_of_no_readable_place_is_a_mistake(scope: object, told: str) -> None:
    """Whoever wants everything exempt sets the mode, where everybody sees it."""
    assert f"exemptions[0].scope: {told}" in wrong(exemptions=[exemption(scope=scope)])


def test_an_exemption_needs_a_place() -> None:
    """A scope, a tag, or both."""
    told = wrong(exemptions=[exemption(scope=None)])
    assert "exemptions[0]: `scope`, `tag` or both are needed" in told


@pytest.mark.parametrize("scope", [None, GROUP])
def test_a_tag_exempts_only_where_the_policy_says_so(scope: str | None) -> None:
    """Whoever can open a disk can usually write its tags; together with a scope, too."""
    entry = exemption(scope=scope, tag=tag("export", "approved"))
    told = wrong(exemptions=[entry])
    assert (
        "exemptions[0].tag: tags do not exempt unless the policy says `tags_may_exempt: true`"
        in (told)
    )
    assert "whoever can open a disk can usually write its tags" in told
    (one,) = made(exemptions=[entry], tags_may_exempt=True).exemptions
    assert one.where == ("" if scope is None else f"{GROUP} and ") + "tag export=approved"


@pytest.mark.parametrize("value", ["", "*", "appr*"])
def test_a_tag_exempts_by_values_that_are_written_out(value: str) -> None:
    """No pattern, and no empty value."""
    entry = exemption(tag=tag("export", value))
    told = wrong(exemptions=[entry], tags_may_exempt=True)
    assert "exemptions[0].tag.values[0]: " in told


def test_an_exemption_counts_until_the_second_it_ends() -> None:
    """Before it does, from then on it does not; and only for its rules."""
    (one,) = made(exemptions=[exemption(rules=["publicNetworkAccess"])]).exemptions
    end = one.expires_on
    assert one.counts("publicNetworkAccess", START)
    assert one.counts("publicNetworkAccess", end - timedelta(microseconds=1))
    assert not one.counts("publicNetworkAccess", end)
    assert not one.counts("publicNetworkAccess", end + timedelta(days=1))
    assert not one.counts("networkAccessPolicy", START)


@pytest.mark.parametrize(
    "changed",
    [
        {"expires_on": "2026-06-01"},
        {"reason": "another"},
        {"owner": "another"},
        {"ticket": "another"},
        {"rules": list(reversed(BOTH_RULES))},
        {"scope": GROUP.lower()},
    ],
)
def test_an_exemption_stays_the_same_when_it_is_renewed(changed: dict[str, object]) -> None:
    """Its place and its rules are what makes it."""
    assert _one().key == _one(**changed).key


def test_exemptions_of_different_places_or_rules_are_different_ones() -> None:
    """Values of tags are compared as they are written, so each of these exempts other resources."""
    tags = [("a", "b"), ("a", "B"), ("a", "b|c"), ("a", "b", "c"), ("a=b", "c"), ("a", "b=c")]
    those = [_one(), _one(scope=SUB), _one(rules=["publicNetworkAccess"])]
    those += [_one(tag=tag(*words)) for words in tags]
    those += [_one(scope=None, tag=tag(*words)) for words in tags]
    assert len({one.key for one in those}) == len(those)


def _one(**changed: object) -> Exemption:
    (one,) = made(exemptions=[exemption(**changed)], tags_may_exempt=True).exemptions
    return one
