"""`python -m guards evaluate TEMPLATE`: what a deployment would open, told before it happens."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli import evaluate
from guards.cli.crosswalk import Say, opinions
from guards.cli.evaluate import Deployment
from guards.cli.judge import Judged
from guards.engine import policy
from guards.engine.model import ComplianceState, Guard, Mode
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import moment
from guards.engine.rules import at, merged, nested
from tests.cli.command import GROUP, Said, closed, disk, guards, write

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DISKS = "Microsoft.Compute/disks"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
DEPLOYMENTS = "Microsoft.Resources/deployments"
SUBSCRIPTION = GROUP.split("/")[2]
HERE = GROUP.removesuffix("/providers")
"""The resource group that templates are deployed to, where that matters."""
ACCESS = f"{GROUP}/Microsoft.Compute/diskAccesses/private"
TODAY = "2026-06-01"
BY_TYPE = {guard.resource_type: guard for guard in GUARDS}
EACH_GUARD = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)

COMPLIANT, NON_COMPLIANT = ComplianceState.COMPLIANT, ComplianceState.NON_COMPLIANT
EXEMPT, UNKNOWN = ComplianceState.EXEMPT, ComplianceState.UNKNOWN


def template(*resources: Any, **sections: Any) -> dict[str, Any]:
    """A template with these resources; a parameter is declared by its type."""
    declared = {name: {"type": type_} for name, type_ in sections.pop("parameters", {}).items()}
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": declared,
        "resources": list(resources),
        **sections,
    }


def resource(guard: Guard | str, body: Mapping[str, Any] | None = None, **members: Any) -> Any:
    """One of a template, with this body and these members instead of its own."""
    type_ = guard if isinstance(guard, str) else guard.resource_type
    return {"type": type_, "apiVersion": "2023-07-01", "name": "one", **(body or {}), **members}


def shut(guard: Guard) -> dict[str, Any]:
    """The body that every policy accepts."""
    return merged(*(nested(rule.path, rule.desired) for rule in guard.rules))


def deployed(
    folder: Path,
    document: Any,
    *arguments: str | Path,
    rules: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Said:
    """`evaluate` on a template, with parameters, and a policy unless the built-in one is meant."""
    extra: list[str | Path] = ["--format", "json", "--at", TODAY, *arguments]
    if rules is not None:
        extra += ["--policy", write(folder / "policy.yaml", {"version": 1, **rules})]
    if parameters:
        extra += ["--parameters", parameter_file(folder, parameters)]
    return guards("evaluate", write(folder / "main.json", document), *extra)


def parameter_file(folder: Path, values: Mapping[str, Any]) -> Path:
    """A parameter file with these values."""
    listed = {name: {"value": value} for name, value in values.items()}
    return write(folder / "parameters.json", {"contentVersion": "1.0.0.0", "parameters": listed})


def states(said: Said) -> list[str]:
    """Of each resource, in order."""
    assert said.code in (0, 1), said.err
    found = [verdict["complianceState"] for verdict in said.json]
    assert said.code == (0 if {*found} <= {COMPLIANT, EXEMPT} else 1)
    return found


def exemption(**place: Any) -> dict[str, Any]:
    """An exemption of the network settings, in force."""
    return {
        "rules": ["networkAccessPolicy", "publicNetworkAccess"],
        "reason": "copied to the archive",
        "owner": "data@contoso.example",
        "approved_by": "security@contoso.example",
        "ticket": "CHG0042",
        "expires_on": "2026-12-31",
        **place,
    }


# Every setting -----------------------------------------------------------------------------------


@EACH_GUARD
def test_every_combination_of_settings_is_judged(guard: Guard, tmp_path: Path) -> None:
    """Closed or absent counts as Azure does; for registries this is Azure.ACR.ExportPolicy."""
    rules = [rule for rule in guard.rules if rule.default_mode is not Mode.OFF]
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


# What nobody can know ----------------------------------------------------------------------------


def places() -> list[tuple[Guard, str, str]]:
    """Each enforced rule, and each object that it lies in."""
    return [
        (guard, rule.id, ".".join(rule.path.split(".")[:length]))
        for guard in GUARDS
        for rule in guard.rules
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


LISTED = {"resources": {DISKS: {"networkAccessPolicy": {"allowed_disk_accesses": [ACCESS]}}}}


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


STRICTER_BY_TAG = {
    "scopes": [
        {
            "tag": {"name": "data", "values": ["secret"]},
            "resources": {DISKS: {"dataAccessAuthMode": {"mode": "enforce"}}},
        }
    ]
}
CLOSED = {"properties": {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}}
OPEN = {"properties": {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Disabled"}}
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


ANY_DISK = f"/subscriptions/*/resourceGroups/*/providers/{DISKS}"
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


# The central promise -----------------------------------------------------------------------------

STRICT = policy.default(GUARDS)


def reads_tags(rules: Policy) -> bool:
    """Whether the tags of a resource can make a difference."""
    return any(one.tag for one in rules.layers) or any(one.tag for one in rules.exemptions)


POLICIES: list[dict[str, Any]] = [
    {},
    {"profile": "minimum"},
    {"mode": "audit"},
    {"resources": {DISKS: {"dataAccessAuthMode": {"mode": "enforce"}}}},
    LISTED,
    {"profile": "minimum", **LISTED},
    {
        "resources": {
            DISKS: {
                "networkAccessPolicy": {
                    "satisfied_by": ["dataAccessAuthMode", "publicNetworkAccess"],
                    "allowed_disk_accesses": [ACCESS],
                },
                "publicNetworkAccess": {"satisfied_by": ["dataAccessAuthMode"]},
            },
            REGISTRIES: {
                "exportPolicy": {"mode": "audit", "satisfied_by": ["publicNetworkAccess"]},
                "publicNetworkAccess": {"mode": "off", "when_unreachable": "revert"},
            },
        }
    },
    STRICTER_BY_TAG,
    {"profile": "minimum", **STRICTER_BY_TAG},
    {"exemptions": [exemption(scope=HERE, rules=["networkAccessPolicy", "exportPolicy"])]},
    {"scopes": [{"scope": HERE, "profile": "minimum"}]},
]
PARSED = [
    policy.parse(json.dumps({"version": 1, **rules}), GUARDS, moment(TODAY)) for rules in POLICIES
]

PATHS = {
    guard.resource_type: [*(rule.path for rule in guard.rules), *guard.also_changes, "sku.name"]
    for guard in GUARDS
}
"""The settings that a verdict may hang on, by type."""


def last(path: str) -> str:
    """The name that a setting has in its object, and here its parameter."""
    return path.rpartition(".")[2]


def values_of(path: str) -> list[str]:
    """What a setting may be, the wanted value first."""
    rules = [rule for guard in GUARDS for rule in guard.rules if rule.path == path]
    if rules:
        return [*dict.fromkeys((rules[0].desired, rules[0].when_absent, *rules[0].values))]
    return {"sku.name": ["Premium", "Basic"]}.get(path, [ACCESS, "other"])


SETTINGS = {last(path): values_of(path) for paths in PATHS.values() for path in paths}
OBJECTS = {"properties", "policies", "exportPolicy", "sku", "tags"}
TYPES_OF = {
    **dict.fromkeys([*SETTINGS, "data", "never"], "string"),
    **dict.fromkeys(OBJECTS, "object"),
    "flag": "bool",
}
VARIABLES = {
    **{name: f"[parameters('{name}')]" for name in SETTINGS},
    "all": {name: f"[parameters('{name}')]" for name in SETTINGS},
    "policies": {"exportPolicy": {"status": "[parameters('status')]"}},
}
FORMULAS = [
    "[parameters('{name}')]",
    "[Parameters('{upper}')]",
    "[variables('{name}')]",
    "[variables('all').{name}]",
    "[variables(parameters('{name}'))]",
    "[parameters('properties').{name}]",
    "[parameters('properties')['{upper}']]",
    "[concat(parameters('{name}'))]",
    "[concat('{wanted}', parameters('{name}'))]",
    "[toLower(variables('{name}'))]",
    "[coalesce(parameters('{name}'), '{wanted}')]",
    "[createArray('{wanted}', parameters('{name}'))[1]]",
    "[createObject('a', '{wanted}', 'b', parameters('{name}')).a]",
    "[if(parameters('flag'), '{wanted}', '{other}')]",
    "[if(not(parameters('flag')), '{wanted}', null())]",
    "[if(equals(parameters('{name}'), '{other}'), '{wanted}', '{other}')]",
    "[if(or(true(), parameters('flag')), '{wanted}', '{other}')]",
    "[if(and(false(), parameters('flag')), '{wanted}', '{other}')]",
    "[if(empty(parameters('properties')), '{other}', parameters('{name}'))]",
    "[reference('another').properties.{name}]",
    "[null()]",
    "[parameters('never')]",
]


@st.composite
def written(draw: st.DrawFn, path: str) -> str | None:
    """How a template may write one setting: a value, nothing, or an expression."""
    wanted, other, *_ = values_of(path)
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([*values_of(path), None]))
    name = last(path)
    words = {"name": name, "upper": name.upper(), "wanted": wanted, "other": other}
    return draw(st.sampled_from(FORMULAS)).format(**words)


@st.composite
def bodies(draw: st.DrawFn, type_: str) -> dict[str, Any]:
    """A resource, closed, private or empty, of which something hangs on parameters."""
    private = nested("properties.networkAccessPolicy", "AllowPrivate")
    closed_ = shut(BY_TYPE[type_])
    body: dict[str, Any] = draw(st.sampled_from([closed_, merged(closed_, private), {}]))
    for path in draw(st.lists(st.sampled_from(PATHS[type_]), unique=True, max_size=3)):
        body = merged(body, nested(path, draw(written(path))))
    if draw(st.integers(0, 3)) == 0:
        around = {path.rpartition(".")[0] for path in PATHS[type_]} | {"properties"}
        path = draw(st.sampled_from(sorted(around)))
        body = merged(body, nested(path, f"[parameters('{last(path)}')]"))
    tags = ["[parameters('tags')]", {"data": "[parameters('data')]"}, {"data": "x"}, {}]
    return {**body, "tags": draw(st.sampled_from(tags))}


@st.composite
def parameters_of(draw: st.DrawFn, type_: str) -> dict[str, Any]:
    """Values for all parameters, some of them closing what hangs on them."""
    found = {
        name: draw(st.sampled_from(values) | st.text(max_size=3))
        for name, values in SETTINGS.items()
    }
    body = merged(
        draw(st.sampled_from([shut(BY_TYPE[type_]), {"properties": {}}])),
        *(nested(path, found[last(path)]) for path in draw(st.sets(st.sampled_from(PATHS[type_])))),
    )
    data = draw(st.sampled_from(["secret", "x"]))
    return {
        **found,
        "properties": body["properties"],
        "policies": {"exportPolicy": {"status": found["status"]}},
        "exportPolicy": {"status": found["status"]},
        "sku": {"name": found["name"]},
        "tags": draw(st.sampled_from([{"data": data}, {}])),
        "data": data,
        "flag": draw(st.booleans()),
    }


def plain(one: Any) -> dict[str, Any]:
    """In a template by itself."""
    return template(one, parameters=TYPES_OF, variables=VARIABLES)


def symbolic(one: Any) -> dict[str, Any]:
    """By a name, as Bicep writes it."""
    return {**plain(one), "languageVersion": "2.0", "resources": {"one": one}}


def outer(one: Any) -> dict[str, Any]:
    """In a nested deployment that sees the outer parameters."""
    inside = {"mode": "Incremental", "template": template(one)}
    return plain({"type": DEPLOYMENTS, "name": "more", "properties": inside})


def inner(one: Any) -> dict[str, Any]:
    """In a nested deployment that sees what it is given, as a Bicep module."""
    inside = {
        "expressionEvaluationOptions": {"scope": "inner"},
        "parameters": {name: {"value": f"[parameters('{name}')]"} for name in TYPES_OF},
        "template": plain(one),
    }
    return plain({"type": DEPLOYMENTS, "name": "more", "properties": inside})


def judged(folder: Path, document: Any, rules: policy.Policy, given_: Mapping[str, Any]) -> Judged:
    """The one verdict, with some parameters."""
    file = write(folder / "main.json", document)
    within = Deployment(given_, (SUBSCRIPTION, "rg-data"))
    (verdict,) = evaluate.run([str(file)], rules, moment(TODAY), within).verdicts
    return verdict


CERTAIN = (COMPLIANT, NON_COMPLIANT)
FORMS = st.sampled_from([plain, symbolic, outer, inner])
ENOUGH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120
)


@ENOUGH
@given(data=st.data(), type_=st.sampled_from(sorted(BY_TYPE)), form=FORMS)
def test_a_certain_verdict_holds_whatever_the_parameters_are(
    data: st.DataObject, type_: str, form: Any, tmp_path: Path
) -> None:
    """The central promise, rule by rule: more is known with more parameters, and nothing else."""
    rules = data.draw(st.sampled_from(PARSED))
    body = data.draw(bodies(type_))
    document = form(resource(type_, body))
    more = data.draw(parameters_of(type_))
    names = data.draw(st.just(set()) | st.sets(st.sampled_from(sorted(more))))
    before = judged(tmp_path, document, rules, {name: more[name] for name in names})
    after = judged(tmp_path, document, rules, more)
    if before.state in CERTAIN:
        assert after.state is before.state
    if before.state is EXEMPT:
        assert after.passes
    if not reads_tags(rules) or "[" not in json.dumps(body.get("tags")):
        found = {finding.rule for finding in before.findings}
        assert found - before.unknown <= {finding.rule for finding in after.findings}
        assert {finding.rule for finding in after.findings} <= found
        assert after.unknown <= before.unknown


@settings(ENOUGH, max_examples=60)
@given(data=st.data(), form=FORMS)
def test_the_command_keeps_the_promise(data: st.DataObject, form: Any, tmp_path: Path) -> None:
    """The same through files and options, for a template of several resources."""
    rules = data.draw(st.sampled_from(POLICIES))
    document = form(resource(DISKS, data.draw(bodies(DISKS))))
    more = data.draw(parameters_of(DISKS))
    before = states(deployed(tmp_path, document, "--scope", HERE, rules=rules))
    after = states(deployed(tmp_path, document, "--scope", HERE, rules=rules, **more))
    assert [b if b in CERTAIN else a for b, a in zip(before, after, strict=True)] == after


def test_the_policies_of_the_promise_make_a_difference() -> None:
    """The tests above are not empty: each policy differs from the built-in one."""
    assert len({rules.hash for rules in PARSED}) == len(POLICIES)
    assert any(map(reads_tags, PARSED))
    assert not reads_tags(STRICT)


# Parameters --------------------------------------------------------------------------------------

CHOICE = template(
    resource(
        DISKS, merged(CLOSED, nested("properties.networkAccessPolicy", "[parameters('net')]"))
    ),
    parameters={"net": "string"},
)
DEFAULTED = {**CHOICE, "parameters": {"net": {"type": "string", "defaultValue": "AllowAll"}}}


@pytest.mark.parametrize(
    ("document", "entry", "state"),
    [
        (CHOICE, {"value": "DenyAll"}, COMPLIANT),
        (CHOICE, {"value": "AllowAll"}, NON_COMPLIANT),
        (CHOICE, {"value": None}, UNKNOWN),
        (CHOICE, {"value": "[parameters('net')]"}, UNKNOWN),
        (CHOICE, {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}, UNKNOWN),
        (DEFAULTED, {"value": "DenyAll"}, COMPLIANT),
        (DEFAULTED, {"value": None}, NON_COMPLIANT),
        (DEFAULTED, {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}, UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["net", "NET"])
@pytest.mark.parametrize("bare", [True, False])
def test_a_parameter_file_is_read_as_azure_reads_it(
    document: Any, entry: Any, state: str, name: str, bare: bool, tmp_path: Path
) -> None:
    """Both of its forms, names in any casing, null for the default; secrets stay unknown."""
    listed = {name: entry}
    file = write(tmp_path / "p.json", listed if bare else {"$schema": "x", "parameters": listed})
    assert states(deployed(tmp_path, document, "--parameters", file)) == [state]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "nothing in it"),
        (b"{", "ends in the middle"),
        (b"[]", "parameters: an object is needed"),
        (b'{"parameters": {"net": "DenyAll"}}', "net: a value or a reference is needed"),
        (b"using './main.bicep'\nparam net = 'DenyAll'", "build it to JSON first"),
        (b'{"net": {"value": "\xff"}}', "not UTF-8"),
    ],
)
def test_a_parameter_file_that_cannot_be_read_is_named(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    """Exit 2, and nothing is judged by half of what is known."""
    file = tmp_path / "p.json"
    if content is not None:
        file.write_bytes(content)
    said = deployed(tmp_path, CHOICE, "--parameters", file)
    assert (said.code, said.out) == (2, "")
    assert str(file) in said.err
    assert words in said.err


def test_parameters_are_for_all_templates(tmp_path: Path) -> None:
    """Each takes those that it declares."""
    one, other = write(tmp_path / "a.json", CHOICE), write(tmp_path / "b.json", DEFAULTED)
    file = parameter_file(tmp_path, {"net": "DenyAll", "not-declared": 5})
    assert states(guards("evaluate", one, other, "--parameters", file, "--format", "json")) == [
        COMPLIANT,
        COMPLIANT,
    ]


# Where resources stand ---------------------------------------------------------------------------


def test_children_and_nested_deployments_are_found(tmp_path: Path) -> None:
    """With their full names; what is not guarded is counted only."""
    registry = resource(
        REGISTRIES,
        name="images",
        resources=[resource("webhooks", name="push"), resource("replications", name="north")],
    )
    module = resource(
        DEPLOYMENTS,
        name="module",
        properties={
            "expressionEvaluationOptions": {"scope": "Inner"},
            "parameters": {"name": {"value": "[concat('snap', 'shot')]"}},
            "template": template(
                resource("Microsoft.Compute/snapshots", name="[parameters('name')]"),
                parameters={"name": "string"},
            ),
        },
    )
    said = deployed(tmp_path, template(registry, module))
    assert [(one["resourceId"], one["resourceType"]) for one in said.json] == [
        ("images", REGISTRIES),
        ("snapshot", "Microsoft.Compute/snapshots"),
    ]
    assert "2 resources of types that are not guarded were left out" in said.err


@pytest.mark.parametrize("form", [plain, symbolic, outer, inner])
def test_a_loop_is_judged_once(form: Any, tmp_path: Path) -> None:
    """All of its resources are alike, but for what hangs on the index; a loop of none is none."""
    loop = resource(
        DISKS, CLOSED, name="[concat('d', copyIndex())]", copy={"name": "d", "count": 3}
    )
    assert states(deployed(tmp_path, form(loop))) == [COMPLIANT]
    by_index = "[if(equals(copyIndex(), 0), 'AllowAll', 'DenyAll')]"
    loop = {**loop, **merged(CLOSED, nested("properties.networkAccessPolicy", by_index))}
    assert states(deployed(tmp_path, form(loop))) == [UNKNOWN]
    assert states(deployed(tmp_path, form({**loop, "copy": {"name": "d", "count": 0}}))) == []


def test_a_setting_made_by_a_loop_is_unknown(tmp_path: Path) -> None:
    """Odd, but Azure takes it."""
    looped = {"copy": [{"name": "networkAccessPolicy", "count": 1, "input": "DenyAll"}]}
    document = template(resource(DISKS, properties={**looped, "publicNetworkAccess": "Disabled"}))
    assert states(deployed(tmp_path, document)) == [UNKNOWN]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (False, []),
        ("[false()]", []),
        ("[not(equals('a', 'a'))]", []),
        (True, [NON_COMPLIANT]),
        ("[parameters('deploy')]", [NON_COMPLIANT]),
    ],
)
def test_what_is_certainly_not_deployed_is_not_judged(
    condition: Any, found: list[str], tmp_path: Path
) -> None:
    """What may be deployed is."""
    document = template(resource(DISKS, OPEN, condition=condition), parameters={"deploy": "bool"})
    assert states(deployed(tmp_path, document)) == found
    if "deploy" in str(condition):
        assert states(deployed(tmp_path, document, deploy=False)) == []


def test_comments_and_line_breaks_in_strings_are_read(tmp_path: Path) -> None:
    """As Azure Resource Manager takes them, with a byte order mark on top."""
    text = json.dumps(template(resource(DISKS, CLOSED)), indent=1)
    text = text.replace('"resources": [', '/* all\n of them */ "resources": [ // here')
    file = tmp_path / "main.json"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("DenyAll", "[concat('Deny',\n'All')]").encode())
    assert states(guards("evaluate", file, "--format", "json")) == [COMPLIANT]


def test_what_a_template_links_to_is_told(tmp_path: Path) -> None:
    """With the line: nobody takes it for judged."""
    linked = resource(DEPLOYMENTS, properties={"templateLink": {"relativePath": "more.json"}})
    file = tmp_path / "main.json"
    file.write_text(json.dumps(template(linked), indent=1))
    line = file.read_text()[: file.read_text().index('"templateLink"')].count("\n") + 1
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.json) == (0, [])
    assert said.err.startswith(f"{file}:{line}: the linked template was not read")


# Unreadable and enormous -------------------------------------------------------------------------

WHOLE = json.dumps(template(resource(DISKS, OPEN), resource(REGISTRIES)), indent=1)


@pytest.mark.parametrize("cut", range(1, len(WHOLE), 23))
def test_a_template_that_was_cut_is_never_half_judged(cut: int, tmp_path: Path) -> None:
    """Wherever it ends: exit 2, the file with a line, and no verdict."""
    file = tmp_path / "main.json"
    file.write_text(WHOLE[:cut])
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.json) == (2, [])
    assert re.match(f"{re.escape(str(file))}:[0-9]+: ", said.err)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"name": "one",', '"name": "one"', "a comma or } is needed"),
        ('"DenyAll"', "DenyAll", "not JSON"),
        ('"DenyAll"', "'DenyAll'", "not JSON"),
        ('"resources"', '"resources": [], "resources"', "stands there twice"),
        ('"name": "one"', '"name": 5', "name: a text is needed"),
        ('"properties"', '"Properties": {}, "properties"', ""),
    ],
)
def test_a_template_with_a_mistake_names_its_line(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    """Properties in two casings are none: nobody knows which of them counts."""
    text = json.dumps(template(resource(DISKS, CLOSED)), indent=1)
    file = tmp_path / "main.json"
    file.write_text(text.replace(old, new, 1))
    said = guards("evaluate", file, "--format", "json")
    if not words:
        assert states(said) == [UNKNOWN]
        return
    assert (said.code, said.json) == (2, [])
    assert re.match(f"{re.escape(str(file))}:[0-9]+: .*{re.escape(words)}", said.err)


def test_ten_thousand_resources_are_judged(tmp_path: Path) -> None:
    """More than Azure takes, which is told; each of them is judged."""
    many = [resource(DISKS, OPEN, name=f"[concat('d', '{i}')]") for i in range(10_000)]
    said = deployed(tmp_path, template(*many))
    assert states(said) == [NON_COMPLIANT] * 10_000
    assert said.json[-1]["resourceId"] == "d9999"
    assert "10000 resources: Azure Resource Manager takes at most 800" in said.err


def test_expressions_that_cost_too_much_are_unknown(tmp_path: Path) -> None:
    """A text that doubles a hundred times: it is not built, and the setting is not guessed."""
    doubling = {
        f"v{i}": f"[concat(variables('v{i + 1}'), variables('v{i + 1}'))]" for i in range(99)
    }
    bomb = merged(CLOSED, nested("properties.networkAccessPolicy", "[variables('v0')]"))
    document = template(
        *[resource(DISKS, bomb) for _ in range(50)], variables={**doubling, "v99": "x" * 1000}
    )
    assert states(deployed(tmp_path, document)) == [UNKNOWN] * 50


# The policy's scopes -----------------------------------------------------------------------------


def scoped(where: str) -> dict[str, Any]:
    """A policy that lets this place alone."""
    return {"scopes": [{"scope": where, "mode": "off"}]}


THERE = f"/subscriptions/{SUBSCRIPTION}"
ELSEWHERE = "/subscriptions/99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("scope", "where", "fits"),
    [
        (THERE, THERE, True),
        (f"{THERE}/", THERE, True),
        (HERE, THERE, True),
        (HERE, HERE, True),
        (HERE.upper(), HERE, True),
        (HERE, f"{THERE}/resourceGroups/rg-*", True),
        (HERE, f"{GROUP}/{DISKS}/one", True),
        (HERE, f"{GROUP}/{DISKS}/other", False),
        (HERE, f"{THERE}/resourceGroups/rg-other", False),
        (HERE, ELSEWHERE, False),
        (THERE, HERE, False),
        (THERE, f"{THERE}/resourceGroups/*", True),
        (THERE, f"{THERE}/resourceGroups/*/providers/{DISKS}/o*", True),
        (None, THERE, False),
        (None, HERE, False),
        (None, "/subscriptions/*/resourceGroups/rg-*", False),
        (None, f"{THERE}/resourceGroups/*/providers/{DISKS}/o*", False),
        (None, f"/subscriptions/*/resourceGroups/rg-data/providers/{DISKS}/o*", False),
        (None, f"{ANY_DISK}/o*", True),
        (None, f"{ANY_DISK}/*n*", True),
        (None, f"{ANY_DISK}/two", False),
    ],
)
def test_a_scope_fits_where_it_is_certain_to(
    scope: str | None, where: str, fits: bool, tmp_path: Path
) -> None:
    """By the deployment's subscription and group; without them, only a pattern for all of them."""
    extra = ["--scope", scope] if scope else []
    said = deployed(tmp_path, template(resource(DISKS, OPEN)), *extra, rules=scoped(where))
    assert states(said) == [COMPLIANT if fits else NON_COMPLIANT]


@pytest.mark.parametrize("scope", ["", "rg-data", "/subscriptions/x", f"{GROUP}/{DISKS}/one", "/"])
def test_a_scope_that_is_none_is_refused(scope: str, tmp_path: Path) -> None:
    """By the command line, before anything is judged."""
    said = deployed(tmp_path, CHOICE, "--scope", scope)
    assert (said.code, said.out) == (2, "")
    assert "is not /subscriptions/GUID" in said.err


@pytest.mark.parametrize(
    "other",
    [
        {"resourceGroup": "rg-prod"},
        {"subscriptionId": ELSEWHERE.rpartition("/")[2], "resourceGroup": "rg-data"},
        {"resourceGroup": "[parameters('group')]"},
    ],
)
def test_a_nested_deployment_elsewhere_is_not_judged_as_if_it_were_here(
    other: Mapping[str, Any], tmp_path: Path
) -> None:
    """A module for another group or subscription: what holds for `--scope` says nothing of it."""
    inside = {"mode": "Incremental", "template": template(resource(DISKS, OPEN))}
    module = resource(DEPLOYMENTS, properties=inside, **other)
    document = template(module, parameters={"group": "string"})
    said = deployed(tmp_path, document, "--scope", HERE, rules=scoped(HERE))
    assert states(said) != [COMPLIANT]


# Files, output, exit codes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ([], 0),
        ([resource("Microsoft.Web/sites")], 0),
        ([resource(DISKS, CLOSED)], 0),
        ([resource(DISKS, OPEN)], 1),
        ([resource(DISKS, properties="[parameters('unknown')]")], 1),
        ([resource(DISKS, CLOSED), resource(DISKS, OPEN)], 1),
        ([resource(DISKS, CLOSED), 5], 2),
        ([resource(DISKS, OPEN), {"type": DISKS}], 2),
    ],
)
@pytest.mark.parametrize("form", ["table", "json", "sarif"])
def test_the_exit_code_tells_what_was_found(
    resources: Sequence[Any], code: int, form: str, tmp_path: Path
) -> None:
    """0 all compliant, 1 something is not or nobody knows, 2 something could not be read."""
    document = template(*resources, parameters={"unknown": "object"})
    assert deployed(tmp_path, document, "--format", form).code == code


def test_templates_and_resources_go_together(tmp_path: Path) -> None:
    """What is and what will be, in the order of the files; a broken one does not hide them."""
    files = [
        write(tmp_path / "a.json", template(resource(DISKS, OPEN, name="will"))),
        write(tmp_path / "b.json", [disk("is"), closed()]),
        write(tmp_path / "c.json", template(resource(DISKS, CLOSED, name="fine"))),
    ]
    said = guards("evaluate", *files, "--format", "json")
    names = [one["resourceId"].rpartition("/")[2] for one in said.json]
    assert (said.code, names) == (1, ["will", "is", "shut", "fine"])
    files[1].write_text(WHOLE[:200])
    said = guards("evaluate", *files, "--format", "json")
    assert (said.code, [one["resourceId"] for one in said.json]) == (2, ["will", "fine"])


def test_standard_input_may_be_a_template(tmp_path: Path) -> None:
    """As `az bicep build --stdout` writes it, beside a file of resources."""
    content = json.dumps(template(resource(DISKS, OPEN, name="will"))).encode()
    said = guards(
        "evaluate", "-", write(tmp_path / "b", [disk("is")]), "--format", "json", stdin=content
    )
    assert [one["resourceId"].rpartition("/")[2] for one in said.json] == ["will", "is"]
    said = guards("evaluate", "-", stdin=content[:-20])
    assert said.code == 2
    assert said.err.startswith("standard input:1: ")


@pytest.mark.parametrize("word", ["contentVersion", "deploymentTemplate.json"])
@pytest.mark.parametrize("separator", ["\n", ",\n"])
def test_resources_that_only_look_like_a_template_are_judged(
    word: str, separator: str, tmp_path: Path
) -> None:
    """A tag of an estate may have any name; JSON lines and lists are read as they always are."""
    rows = separator.join(json.dumps({**disk(name), "tags": {word: "1"}}) for name in "abc")
    file = tmp_path / "estate.json"
    file.write_text(f"[{rows}]" if "," in separator else rows)
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.err, len(said.json)) == (1, "", 3)


def table(folder: Path, document: Any, **rules: Any) -> str:
    """The table, its folded lines put together."""
    out = deployed(folder, document, "--format", "table", rules=rules).out
    return re.sub(r"\s+", " ", out)


def test_the_table_says_what_is_not_known(tmp_path: Path) -> None:
    """With the expression, and the count."""
    said = table(tmp_path, CHOICE)
    assert "networkAccessPolicy is not known before deployment: [parameters('net')]" in said
    assert "1 resource, 0 not compliant, 1 unknown" in said


def test_the_table_shows_a_name_that_is_not_known_whole(tmp_path: Path) -> None:
    """An expression is no resource ID: a / in it parts nothing."""
    name = "[concat('a/b', parameters('x'))]"
    assert name in table(tmp_path, template(resource(DISKS, OPEN, name=name)))


def test_the_table_does_not_call_a_known_value_unknown(tmp_path: Path) -> None:
    """AllowPrivate stands there; what is not known is the disk access."""
    properties = {
        "networkAccessPolicy": "AllowPrivate",
        "publicNetworkAccess": "Disabled",
        "diskAccessId": "[parameters('x')]",
    }
    said = table(tmp_path, template(resource(DISKS, properties=properties)), **LISTED)
    assert "Unknown" in said
    assert "not known before deployment: AllowPrivate" not in said


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


@EACH_GUARD
def test_every_setting_can_be_written_as_the_rule_says(guard: Guard, tmp_path: Path) -> None:
    """The body of the rules' paths and wanted values is compliant, here and for the guard."""
    body = shut(guard)
    assert all(at(body, rule.path) == rule.desired for rule in guard.rules)
    assert states(deployed(tmp_path, template(resource(guard, body)))) == [COMPLIANT]
