"""`python -m guards evaluate TEMPLATE`: what a deployment would open, told before it happens."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guards.cli.crosswalk import Say, opinions
from guards.engine.model import Guard, Mode
from guards.engine.rules import at, merged, nested, wire
from tests.cli.template_verdicts import (
    ACCESS,
    ANY_DISK,
    BY_TYPE,
    CLOSED,
    COMPLIANT,
    DISKS,
    EACH_GUARD,
    EXEMPT,
    LISTED,
    NON_COMPLIANT,
    OPEN,
    REGISTRIES,
    STRICTER_BY_TAG,
    UNKNOWN,
    WRITTEN,
    deployed,
    exemption,
    resource,
    settings_of,
    shut,
    states,
    template,
)

# Every setting -----------------------------------------------------------------------------------


@EACH_GUARD
def test_every_combination_of_settings_is_judged(guard: Guard, tmp_path: Path) -> None:
    """Closed or absent counts as Azure does; for registries this is Azure.ACR.ExportPolicy."""
    rules = [rule for rule in settings_of(guard) if rule.default_mode is not Mode.OFF]
    choices = [(*rule.values, rule.desired.swapcase(), None, "") for rule in rules]
    combinations = [
        {rule: value for rule, value in zip(rules, values, strict=True) if value is not None}
        for values in itertools.product(*choices)
    ]
    premium = {"sku": {"name": "Premium"}}
    bodies = [
        merged(premium, *(nested(rule.path, value) for rule, value in values.items()))
        for values in combinations
    ]
    said = deployed(tmp_path, template(*(resource(guard, body) for body in bodies)))
    for values, body, verdict in zip(combinations, bodies, said.json, strict=True):
        wanted = {
            rule.id: values.get(rule)
            for rule in rules
            if values.get(rule, rule.when_absent).lower() != rule.desired.lower()
        }
        assert {one["rule"]: one["actual"] for one in verdict["findings"]} == wanted
        assert verdict["complianceState"] == (NON_COMPLIANT if wanted else COMPLIANT)
        for one in opinions(guard.resource_type, body):
            if one.check == "Azure.ACR.ExportPolicy" and one.verdict is not Say.NOT_APPLICABLE:
                assert (one.verdict is Say.FAILS) is bool(wanted)


@EACH_GUARD
@pytest.mark.parametrize("members", [{}, {"properties": {}}, {"properties": None}])
def test_what_is_left_out_counts_as_azures_default(
    guard: Guard, members: Mapping[str, Any], tmp_path: Path
) -> None:
    """A template that says nothing opens all of it."""
    said = deployed(tmp_path, template(resource(guard, members)))
    assert states(said) == [NON_COMPLIANT]
    assert {one["actual"] for one in said.json[0]["findings"]} == {None}


def test_the_spelling_does_not_matter(tmp_path: Path) -> None:
    """Azure takes names and values in any casing."""
    body = {"PROPERTIES": {"NetworkAccessPolicy": "denyall", "publicnetworkaccess": "DISABLED"}}
    said = deployed(tmp_path, template({"Type": DISKS.upper(), "NAME": "one", **body}))
    assert states(said) == [COMPLIANT]


@EACH_GUARD
def test_every_setting_can_be_written_as_the_rule_says(guard: Guard, tmp_path: Path) -> None:
    """The body of the rules' paths and wanted values is compliant, here and for the guard."""
    body = shut(guard)
    assert all(at(body, rule.path) == wire(rule, rule.desired) for rule in settings_of(guard))
    assert states(deployed(tmp_path, template(resource(guard, body)))) == [COMPLIANT]


# What nobody can know ----------------------------------------------------------------------------


def places() -> list[tuple[Guard, str, str]]:
    """Each enforced rule, and each object that it lies in."""
    return [
        (guard, rule.id, ".".join(rule.path.split(".")[:length]))
        for guard in WRITTEN
        for rule in settings_of(guard)
        if rule.default_mode is not Mode.OFF
        for length in range(1, rule.path.count(".") + 2)
    ]


@pytest.mark.parametrize(
    ("guard", "rule", "path"), places(), ids=lambda v: getattr(v, "resource_type", v)
)
@pytest.mark.parametrize(
    "expression",
    [
        "[parameters('unknown')]",
        "[reference('other').value]",
        "[if(parameters('unknown'), 'DenyAll', 'AllowAll')]",
        "[concat('Disa', parameters('unknown'))]",
        "[variables('unknown')]",
        "[no.such('function')]",
    ],
)
def test_what_is_unresolved_is_unknown_with_its_expression(
    guard: Guard, rule: str, path: str, expression: str, tmp_path: Path
) -> None:
    """The setting itself, or an object around it; nothing is guessed, nothing planned."""
    body = merged(shut(guard), nested(path, expression))
    variables = {"unknown": "[parameters('unknown')]"}
    declared = {"unknown": "string"}
    said = deployed(
        tmp_path, template(resource(guard, body), parameters=declared, variables=variables)
    )
    assert states(said) == [UNKNOWN]
    (verdict,) = said.json
    assert {one["rule"]: one["actual"] for one in verdict["findings"]}[rule] == expression
    assert (verdict["plan"], verdict["blocked"]) == ([], None)


@EACH_GUARD
def test_what_is_known_is_judged_beside_what_is_not(guard: Guard, tmp_path: Path) -> None:
    """A certain finding is enough: whatever the rest turns out to be, it is not compliant."""
    first, second, *_ = guard.rules
    body = merged(
        shut(guard),
        nested(first.path, "[parameters('unknown')]"),
        nested(second.path, second.when_absent),
    )
    said = deployed(tmp_path, template(resource(guard, body), parameters={"unknown": "string"}))
    assert states(said) == [NON_COMPLIANT]
    found = {one["rule"]: one["actual"] for one in said.json[0]["findings"]}
    assert found == {first.id: "[parameters('unknown')]", second.id: second.when_absent}


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("DenyAll", COMPLIANT),
        ("denyall", COMPLIANT),
        ("AllowAll", NON_COMPLIANT),
        (5, NON_COMPLIANT),
    ],
)
def test_with_the_parameter_it_is_known(value: Any, state: str, tmp_path: Path) -> None:
    """Unknown is either: it depends on the value alone."""
    body = merged(
        shut(BY_TYPE[DISKS]), nested("properties.networkAccessPolicy", "[parameters('a')]")
    )
    document = template(resource(DISKS, body), parameters={"a": "string"})
    assert states(deployed(tmp_path, document)) == [UNKNOWN]
    assert states(deployed(tmp_path, document, a=value)) == [state]


@pytest.mark.parametrize(
    ("access", "state"),
    [
        (ACCESS, COMPLIANT),
        (ACCESS.upper(), COMPLIANT),
        ("[resourceId('Microsoft.Compute/diskAccesses', 'private')]", UNKNOWN),
        ("other", NON_COMPLIANT),
        (None, NON_COMPLIANT),
    ],
)
def test_a_disk_access_that_may_be_a_listed_one_is_unknown(
    access: Any, state: str, tmp_path: Path
) -> None:
    """AllowPrivate is fine with a listed one only; without a list it is certainly not."""
    properties = {
        "networkAccessPolicy": "AllowPrivate",
        "publicNetworkAccess": "Disabled",
        "diskAccessId": access,
    }
    document = template(resource(DISKS, properties=properties))
    assert states(deployed(tmp_path, document, rules=LISTED)) == [state]
    assert states(deployed(tmp_path, document)) == [NON_COMPLIANT]


@pytest.mark.parametrize("rule", ["networkAccessPolicy", "publicNetworkAccess"])
@pytest.mark.parametrize("other", ["closed", "open", "unknown", "absent"])
def test_what_is_satisfied_by_another_setting_is_as_unknown_as_that(
    rule: str, other: str, tmp_path: Path
) -> None:
    """The profile minimum: one of the two is enough, as for Azure Policy 8405fdab."""
    rules = {one.id: one for one in BY_TYPE[DISKS].rules}
    (name,) = {"networkAccessPolicy", "publicNetworkAccess"} - {rule}
    values = {
        "closed": rules[name].desired,
        "open": rules[name].when_absent,
        "unknown": "[parameters('unknown')]",
        "absent": None,
    }
    properties = {rule: rules[rule].when_absent, name: values[other]}
    document = template(resource(DISKS, properties=properties), parameters={"unknown": "string"})
    state = {"closed": COMPLIANT, "unknown": UNKNOWN}.get(other, NON_COMPLIANT)
    assert states(deployed(tmp_path, document, rules={"profile": "minimum"})) == [state]


TAGS = ["[parameters('tags')]", {"DATA": "[parameters('tags').data]"}, {"[parameters('t')]": "x"}]


@pytest.mark.parametrize("tags", TAGS, ids=str)
def test_tags_nobody_knows_yet_may_ask_for_more(tags: Any, tmp_path: Path) -> None:
    """Closed, but perhaps not for this policy; one without tags does not care."""
    declared = {"tags": "object", "t": "string"}
    document = template(resource(DISKS, CLOSED, tags=tags), parameters=declared)
    assert states(deployed(tmp_path, document, rules=STRICTER_BY_TAG)) == [UNKNOWN]
    assert states(deployed(tmp_path, document)) == [COMPLIANT]
    secret = deployed(tmp_path, document, rules=STRICTER_BY_TAG, tags={"data": "secret"}, t="other")
    assert states(secret) == [COMPLIANT if "[parameters('t')]" in tags else NON_COMPLIANT]


LOOSER_BY_TAG: dict[str, dict[str, Any]] = {
    "exemption": {
        "tags_may_exempt": True,
        "exemptions": [exemption(tag={"name": "export", "values": ["agreed"]})],
    },
    "off": {
        "tags_may_exempt": True,
        "scopes": [{"tag": {"name": "export", "values": ["agreed"]}, "mode": "off"}],
    },
}


@pytest.mark.parametrize("kind", LOOSER_BY_TAG)
@pytest.mark.parametrize(
    "tags", ["[parameters('tags')]", {"export": "[parameters('tags').export]"}]
)
def test_tags_nobody_knows_yet_may_exempt(kind: str, tags: Any, tmp_path: Path) -> None:
    """Open, but perhaps not for this policy: neither verdict is certain."""
    document = template(resource(DISKS, OPEN, tags=tags), parameters={"tags": "object"})
    rules = LOOSER_BY_TAG[kind]
    with_it = states(deployed(tmp_path, document, rules=rules, tags={"export": "agreed"}))
    assert with_it == [EXEMPT if kind == "exemption" else COMPLIANT]
    assert states(deployed(tmp_path, document, rules=rules)) == [UNKNOWN]


BY_NAME: dict[str, tuple[dict[str, Any], str]] = {
    "looser": ({"scopes": [{"scope": f"{ANY_DISK}/scratch-*", "mode": "off"}]}, COMPLIANT),
    "exempt": ({"exemptions": [exemption(scope=f"{ANY_DISK}/scratch-*")]}, EXEMPT),
    "stricter": (
        {"mode": "off", "scopes": [{"scope": f"{ANY_DISK}/scratch-*", "mode": "enforce"}]},
        NON_COMPLIANT,
    ),
}


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_name_nobody_knows_yet_may_be_one_the_policy_knows(kind: str, tmp_path: Path) -> None:
    """What the policy says by name is as unknown as the name; any other policy does not care."""
    rules, state = BY_NAME[kind]
    document = template(
        resource(DISKS, OPEN, name="[parameters('name')]"), parameters={"name": "string"}
    )
    assert states(deployed(tmp_path, document, rules=rules, name="scratch-1")) == [state]
    assert states(deployed(tmp_path, document)) == [NON_COMPLIANT]
    assert states(deployed(tmp_path, document, rules=rules)) == [UNKNOWN]


def test_a_guarded_resource_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """Its type is known, and that nothing else is known makes it no better: not exit code 0."""
    body = {"[parameters('member')]": OPEN["properties"]}
    document = template(resource(DISKS, body), parameters={"member": "string"})
    assert deployed(tmp_path, document, member="properties").code == 1
    assert deployed(tmp_path, document).code == 1


def test_a_plan_is_not_blocked_by_what_is_only_unknown(tmp_path: Path) -> None:
    """The policy does enforce publicNetworkAccess; nobody may be told to set its mode."""
    registry = resource(
        REGISTRIES,
        sku={"name": "Premium"},
        properties={
            "publicNetworkAccess": "[parameters('public')]",
            "policies": {"exportPolicy": {"status": "enabled"}},
        },
    )
    said = deployed(tmp_path, template(registry, parameters={"public": "string"}))
    assert states(said) == [NON_COMPLIANT]
    assert "does not enforce publicNetworkAccess" not in (said.json[0]["blocked"] or "")
