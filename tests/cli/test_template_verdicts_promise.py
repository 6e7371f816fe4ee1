"""The central promise of verdicts on templates: certain ones hold whatever the parameters are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli import evaluate
from guards.cli.evaluate import Deployment
from guards.cli.judge import Judged
from guards.engine import policy
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import moment
from guards.engine.rules import merged, nested
from tests.cli.command import write
from tests.cli.template_verdicts import (
    ACCESS,
    BY_TYPE,
    COMPLIANT,
    DISKS,
    EXEMPT,
    HERE,
    LISTED,
    NON_COMPLIANT,
    PATHS,
    REGISTRIES,
    SETTINGS,
    STRICTER_BY_TAG,
    SUBSCRIPTION,
    TODAY,
    deployed,
    exemption,
    inner,
    last,
    outer,
    plain,
    resource,
    shut,
    states,
    symbolic,
    values_of,
)

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


def judged(folder: Path, document: Any, rules: policy.Policy, given_: Mapping[str, Any]) -> Judged:
    """The one verdict, with some parameters."""
    file = write(folder / "main.json", document)
    within = Deployment(given_, (SUBSCRIPTION, "rg-data"))
    (verdict,) = evaluate.run([str(file)], rules, moment(TODAY), within).verdicts
    return verdict


CERTAIN = (COMPLIANT, NON_COMPLIANT)
FORMS = st.sampled_from([plain, symbolic, outer, inner])
ENOUGH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@ENOUGH
@given(data=st.data(), type_=st.sampled_from(sorted(PATHS)), form=FORMS)
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


@settings(ENOUGH, max_examples=30)
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
