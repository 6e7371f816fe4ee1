"""The other doors of a registry: what lists and events say, and what is asked for at all."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS, container_registry
from guards.engine import policy
from guards.engine.errors import Terminal
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Finding, Kind, Lookup, Mode, Plan, RuleSettings, Severity
from guards.engine.rules import with_known
from tests.engine.samples import REGISTRY_ID, REGISTRY_WRITE, event, registry
from tests.engine.world import World
from tests.fakes import START

GUARD = container_registry.GUARD
RULES = {rule.id: rule for rule in GUARD.rules}
REPORTED = {name for name, rule in RULES.items() if rule.kind is Kind.REPORTED}
IMPORT = "microsoft.containerregistry/registries/importimage/action"
CLOSED = registry(export="disabled", public="Disabled")
READS = ["repositories/app/content/read"]


def only(*names: str) -> dict[str, RuleSettings]:
    """A policy that audits these rules; all others are off."""
    assert RULES.keys() >= set(names)
    return {
        name: RuleSettings(Mode.AUDIT if name in names else Mode.OFF, rule.allowed)
        for name, rule in RULES.items()
    }


def found(rule: str, **facts: Any) -> list[str | None]:
    """What is told of a rule, the only one that is looked at, where this is known."""
    findings = GUARD.inspect(with_known(CLOSED, **facts), only(rule))
    assert {finding.rule for finding in findings} <= {rule}
    return [finding.actual for finding in findings]


def named(*names: str) -> list[dict[str, Any]]:
    """Children of which only the name matters."""
    return [{"name": name, "properties": {}} for name in names]


def token(name: str = "ci", status: object = "enabled", scope_map: str = "ours") -> dict[str, Any]:
    """A token; the status None leaves it out."""
    properties = {"scopeMapId": f"{REGISTRY_ID}/scopeMaps/{scope_map}", "status": status}
    return {"name": name, "properties": {k: v for k, v in properties.items() if v is not None}}


def scope_map(actions: object, name: str = "ours") -> dict[str, Any]:
    """A scope map."""
    return {"name": name, "properties": {"actions": actions}}


def test_all_but_imports_are_off_by_default() -> None:
    """An import is an event, and costs no call."""
    on = {name for name in REPORTED if RULES[name].default_mode is not Mode.OFF}
    assert on == {"importImage"}
    assert RULES["importImage"].default_mode is Mode.AUDIT


@pytest.mark.parametrize(
    ("rule", "children"),
    [
        ("readTokens", ["tokens", "scopeMaps"]),
        ("connectedRegistries", ["connectedRegistries"]),
        ("cacheRules", ["cacheRules"]),
        ("diagnosticSettings", ["providers/Microsoft.Insights/diagnosticSettings"]),
        ("importImage", []),
        ("anonymousPull", []),
    ],
)
def test_only_what_a_rule_needs_is_listed(rule: str, children: list[str]) -> None:
    """One GET for each list, and none for a rule that is off."""
    assert GUARD.lookups is not None
    asked = GUARD.lookups(CLOSED, only(rule))
    assert children == [lookup.children for lookup in asked]
    assert children == [lookup.children for lookup in GUARD.lookups({}, only(rule))]


def test_the_lists_are_asked_for_in_an_api_version_that_has_them() -> None:
    """Registries' children in that of the registry; diagnostic settings have one of their own."""
    assert GUARD.lookups is not None
    asked = GUARD.lookups(CLOSED, only(*REPORTED))
    assert {lookup.name: lookup.api_version for lookup in asked} == {
        **dict.fromkeys(
            ("tokens", "scopeMaps", "connectedRegistries", "cacheRules"), GUARD.api_version
        ),
        "diagnosticSettings": "2021-05-01-preview",
    }
    assert all(lookup.resource is None for lookup in asked)


@pytest.mark.parametrize("body", [CLOSED, with_known(CLOSED), with_known(CLOSED, operation="x")])
def test_of_what_nobody_looked_at_nothing_is_said(body: dict[str, Any]) -> None:
    """Offline evaluation has the body only."""
    assert GUARD.inspect(body, only(*REPORTED)) == ()


@pytest.mark.parametrize(
    ("rule", "lists"),
    [
        ("readTokens", {"tokens": [], "scopeMaps": [scope_map(READS)]}),
        ("connectedRegistries", {"connectedRegistries": []}),
        ("cacheRules", {"cacheRules": []}),
    ],
)
def test_an_empty_list_is_fine(rule: str, lists: dict[str, Any]) -> None:
    """There is no such child."""
    assert found(rule, **lists) == []


@pytest.mark.parametrize("rule", ["connectedRegistries", "cacheRules"])
def test_any_child_of_these_types_is_a_finding(rule: str) -> None:
    """With the names, in order."""
    assert found(rule, **{rule: named("beta", "alpha")}) == ["alpha, beta"]
    assert found(rule, **{rule: tuple(named("beta"))}) == ["beta"]


@pytest.mark.parametrize(
    ("actions", "reads"),
    [
        (READS, True),
        (["repositories/*/content/read", "repositories/*/content/write"], True),
        (["repositories/app/Content/READ"], True),
        (["repositories/app/content/write", "repositories/app/metadata/read"], False),
        (["gateway/edge/config/read"], False),
        ([], False),
        ([None, 5, {}], False),
    ],
)
def test_a_token_reads_by_its_scope_map(actions: list[Any], reads: bool) -> None:
    """Writing, or reading metadata, gives nobody an image."""
    told = found("readTokens", tokens=[token()], scopeMaps=[scope_map(actions)])
    assert told == (["ci"] if reads else [])


@pytest.mark.parametrize("name", ["_repositories_pull", "_repositories_admin", "gone"])
def test_a_scope_map_that_is_not_listed_lets_read(name: str) -> None:
    """The built-in ones do, and of another one nobody knows."""
    harmless = scope_map(["repositories/app/content/write"])
    told = found("readTokens", tokens=[token(scope_map=name)], scopeMaps=[harmless])
    assert told == ["ci"]


def test_a_built_in_scope_map_that_is_listed_lets_read() -> None:
    """Azure lists them beside the others; names compare without case."""
    maps = [scope_map(["repositories/*/content/read"], "_repositories_pull")]
    assert found("readTokens", tokens=[token(scope_map="_Repositories_Pull")], scopeMaps=maps)


@pytest.mark.parametrize("actions", [None, "text", {"0": READS[0]}])
def test_a_scope_map_of_another_shape_lets_read(actions: object) -> None:
    """Nothing that cannot be read passes for harmless."""
    assert found("readTokens", tokens=[token()], scopeMaps=[scope_map(actions)]) == ["ci"]


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("enabled", True),
        ("Enabled", True),
        (None, True),
        (7, True),
        ("disabled", False),
        ("DISABLED", False),
    ],
)
def test_only_a_token_that_is_disabled_does_not_count(status: object, counts: bool) -> None:
    """Absent means enabled, as in Azure."""
    told = found("readTokens", tokens=[token(status=status)], scopeMaps=[scope_map(READS)])
    assert bool(told) == counts


@pytest.mark.parametrize("which", ["tokens", "scopeMaps"])
def test_half_of_what_tokens_need_is_not_enough(which: str) -> None:
    """Nothing is said of tokens without their scope maps, or of these alone."""
    lists = {"tokens": [token()], "scopeMaps": [scope_map(READS)]}
    assert found("readTokens", **{which: lists[which]}) == []


def log(*, enabled: object = True, **what: str) -> dict[str, Any]:
    """A diagnostic setting with one log."""
    return {"name": "to-siem", "properties": {"logs": [{**what, "enabled": enabled}]}}


METRICS = {"properties": {"logs": [], "metrics": [{"category": "AllMetrics", "enabled": True}]}}


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], ["none"]),
        ([log(category="ContainerRegistryLoginEvents")], []),
        ([log(categoryGroup="allLogs")], []),
        ([{"name": "m", **METRICS}, log(categoryGroup="audit")], []),
        ([log(categoryGroup="allLogs", enabled=False)], ["no logs in to-siem"]),
        ([log(categoryGroup="allLogs", enabled="true")], ["no logs in to-siem"]),
        ([log()], ["no logs in to-siem"]),
        ([{"name": "m", **METRICS}], ["no logs in m"]),
        ([{"name": "m", "properties": {"logs": "all"}}], ["no logs in m"]),
    ],
)
def test_a_diagnostic_setting_counts_by_its_logs(listed: list[Any], told: list[str]) -> None:
    """One that is enabled in any of the settings is enough; metrics tell of no pull."""
    assert found("diagnosticSettings", diagnosticSettings=listed) == told


@pytest.mark.parametrize(
    ("rule", "lists"),
    [
        ("readTokens", {"tokens": "403 AuthorizationFailed", "scopeMaps": []}),
        ("readTokens", {"tokens": [], "scopeMaps": "403 AuthorizationFailed"}),
        (
            "readTokens",
            {"tokens": "403 AuthorizationFailed", "scopeMaps": "403 AuthorizationFailed"},
        ),
        ("connectedRegistries", {"connectedRegistries": "403 AuthorizationFailed"}),
        ("cacheRules", {"cacheRules": "403 AuthorizationFailed"}),
        ("diagnosticSettings", {"diagnosticSettings": "403 AuthorizationFailed"}),
    ],
)
def test_a_list_that_could_not_be_read_is_told(rule: str, lists: dict[str, Any]) -> None:
    """Once for each rule: nobody takes it for an empty one."""
    assert found(rule, **lists) == ["could not be listed: 403 AuthorizationFailed"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("", "the event does not say from where"),
        (None, "the event does not say from where"),
        ({"a": 1}, "the event does not say from where"),
        ("a\nb\u202ec", "a b c"),
    ],
)
def test_an_import_is_told_with_its_source(source: object, told: str) -> None:
    """As far as the event has it."""
    facts: dict[str, object] = {} if source is None else {"source": source}
    assert found("importImage", operation=IMPORT, **facts) == [told]


@pytest.mark.parametrize(
    "operation",
    ["microsoft.containerregistry/registries/write", f"{IMPORT}/x", "importimage/action", "", 5],
)
def test_no_other_event_is_an_import(operation: object) -> None:
    """Whatever source it names."""
    assert found("importImage", operation=operation, source="docker.io/app:1") == []


def test_an_import_is_told_by_default() -> None:
    """As audit, beside what is open, and never as something to close."""
    rules = {
        name: RuleSettings(rule.default_mode, rule.allowed, (), dict(rule.options))
        for name, rule in RULES.items()
    }
    body = with_known(registry(), operation=IMPORT, source="docker.io/app:1")
    findings = GUARD.inspect(body, rules)
    assert findings[-1] == Finding(
        "importImage",
        "importImage",
        "docker.io/app:1",
        "no imports",
        Severity.MEDIUM,
        Mode.AUDIT,
    )
    assert "importImage" not in {
        change.path for change in GUARD.plan(body, findings, rules).changes
    }


EVERYTHING: dict[str, Any] = {
    "tokens": [token()],
    "scopeMaps": [scope_map(READS)],
    "connectedRegistries": named("edge"),
    "cacheRules": named("hub"),
    "diagnosticSettings": [],
    "operation": IMPORT,
}


def test_what_is_only_reported_is_never_in_a_plan() -> None:
    """Not even where a policy said enforce: there is nothing to send."""
    rules = {name: RuleSettings(Mode.ENFORCE, rule.allowed) for name, rule in RULES.items()}
    rules |= {name: RuleSettings(Mode.OFF, RULES[name].allowed) for name in RULES.keys() - REPORTED}
    body = with_known(CLOSED, **EVERYTHING)
    findings = GUARD.inspect(body, rules)
    assert {finding.rule for finding in findings} == REPORTED
    assert GUARD.plan(body, findings, rules) == Plan()


@pytest.mark.parametrize("rule", sorted(REPORTED))
def test_a_finding_has_the_severity_and_the_words_of_its_rule(rule: str) -> None:
    """SARIF and the docs say of the rule what holds for its findings."""
    (finding,) = GUARD.inspect(with_known(CLOSED, **EVERYTHING), only(rule))
    its = RULES[rule]
    assert (its.path, its.desired, its.severity, Mode.AUDIT) == (
        finding.path,
        finding.desired,
        finding.severity,
        finding.mode,
    )


def test_many_names_are_cut() -> None:
    """The first five, each of bounded length, and how many more there are."""
    listed = named(*(f"rule-{n:02}" for n in range(12)))
    assert found("cacheRules", cacheRules=listed) == [
        "rule-00, rule-01, rule-02, rule-03, rule-04 and 7 more"
    ]
    (told,) = found("cacheRules", cacheRules=named(*(f"{n:02}{'x' * 500}" for n in range(99))))
    assert told is not None
    assert told.endswith("… and 94 more")


def test_the_order_of_a_list_does_not_matter() -> None:
    """An alert is the same however Azure sorts."""
    names = [f"rule-{n}" for n in range(9)]
    forwards = found("cacheRules", cacheRules=named(*names))
    assert forwards == found("cacheRules", cacheRules=named(*reversed(names)))


_HOSTILE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "properties", "logs", "actions", "status", "scopeMapId"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(facts=st.fixed_dictionaries({}, optional=dict.fromkeys(EVERYTHING, _HOSTILE)))
def test_whatever_stands_in_a_list_findings_are_short_and_clean(facts: dict[str, Any]) -> None:
    """Names and texts of others are shown on one line, or not at all."""
    for finding in GUARD.inspect(with_known(CLOSED, **facts), only(*REPORTED)):
        assert finding.actual
        assert finding.actual == clean(finding.actual)
        assert finding.rule in REPORTED


def test_a_lookup_says_under_which_name_its_list_is_known() -> None:
    """The names the findings are made from."""
    assert GUARD.lookups is not None
    asked: tuple[Lookup, ...] = GUARD.lookups(CLOSED, only(*REPORTED))
    assert {lookup.name for lookup in asked} == EVERYTHING.keys() - {"operation"}


DOC = (Path(__file__).parents[2] / "docs/registries.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"exportPolicy", "publicNetworkAccess"}))
def test_the_page_has_the_rule_as_it_is(rule: str) -> None:
    """What it is by default, how bad a finding is, and whether the guard closes it."""
    (row,) = re.findall(rf"(?m)^\| `{rule}` \|.*\|$", DOC.partition("## How to turn")[0])
    its = RULES[rule]
    can = "close it" if its.kind is Kind.SETTING else "report it"
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:] == [its.default_mode, its.severity, can]


def test_the_policies_of_the_page_can_be_used() -> None:
    """Each of them, and they turn on what the text around them says."""
    examples = re.findall(r"(?s)```yaml\n(.*?)```", DOC)
    first, second, third = (policy.parse(text, GUARDS, START) for text in examples)
    turned_on = first.of(GUARD)
    assert {name for name, one in turned_on.items() if one.mode is Mode.OFF} == set()
    doors = turned_on.keys() - {"exportPolicy", "publicNetworkAccess"}
    assert {turned_on[name].mode for name in doors} == {Mode.AUDIT}
    assert turned_on["exportPolicy"].options["export_pipelines"] == "audit"
    assert third.of(GUARD)["exportPolicy"].options["export_pipelines"] == "delete"
    body = {**CLOSED, "id": REGISTRY_ID.replace("rg-data", "rg-build-7")}
    there = second.applied(GUARD, ResourceId.parse(body["id"]), body)
    assert there.rules["importImage"].mode is Mode.OFF
    assert second.of(GUARD)["importImage"].mode is Mode.AUDIT


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_page_says_how_many_lists_a_rule_takes(rule: str) -> None:
    """One GET for each."""
    rows = re.findall(r"(?m)^\| (`.*?) \| (none|\d GETs?\b.*?) \|$", DOC)
    said = {name: calls for names, calls in rows for name in re.findall(r"`(\w+)`", names)}
    assert said.keys() | {"exportPolicy", "publicNetworkAccess"} == RULES.keys()
    assert GUARD.lookups is not None
    asked = len(GUARD.lookups(CLOSED, only(rule)))
    assert said.get(rule, "none").split()[0] == (str(asked) if asked else "none")


POLICY = f"""
resources:
  {GUARD.resource_type}:
    anonymousPull: {{ mode: enforce }}
    readTokens: {{ mode: audit }}
    cacheRules: {{ mode: audit }}
"""


def told(world: World) -> dict[str, str]:
    """Rule -> what the only alert says of it."""
    return {finding["rule"]: finding["actual"] for finding in world.alert["findings"]}


async def test_each_import_is_told_and_costs_one_get() -> None:
    """By default, of a registry that is closed; a doubled event is the same piece of news."""
    world = World(CLOSED)
    for event_id in ("one", "two", "two"):
        await world.event(event(GUARD.exports[-1], REGISTRY_ID, id=event_id))
    assert [alert["outcome"] for alert in world.alerts] == ["reported only"] * 3
    assert len({alert["alertId"] for alert in world.alerts}) == 2
    assert all(one["rule"] == "importImage" for alert in world.alerts for one in alert["findings"])
    assert world.trouble.count("arm.") == world.trouble.count("arm.get") == 3


async def test_a_new_token_leads_to_a_look_at_its_registry() -> None:
    """One GET, and one for each list that the policy's rules need."""
    child = {**token(scope_map="_repositories_pull"), "id": f"{REGISTRY_ID}/tokens/ci"}
    world = World(CLOSED, child, rules=POLICY)
    await world.event(event(f"{GUARD.resource_type}/tokens/write", child["id"]))
    assert told(world) == {"readTokens": "ci"}
    assert world.trouble.count("arm.get") == 1
    assert world.trouble.count("arm.children") == 3
    assert world.trouble.count("arm.patch") == 0


async def test_a_list_that_azure_refuses_stops_nothing() -> None:
    """It is a finding, and what is open is closed all the same."""
    open_ = registry(export="disabled", public="Disabled")
    open_["properties"]["anonymousPullEnabled"] = True
    world = World(open_, rules=POLICY)
    world.trouble.errors["arm.children"] = [None, None, Terminal("403 AuthorizationFailed")]
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert told(world) == {
        "anonymousPull": "true",
        "cacheRules": "could not be listed: 403 AuthorizationFailed",
    }
    assert world.alert["outcome"] == "reverted"
    assert world.properties(REGISTRY_ID)["anonymousPullEnabled"] is False


async def test_a_registry_that_cannot_be_closed_loses_its_open_door_and_gets_it_back() -> None:
    """The alert says what is left and why; what it has for undo is a boolean again."""
    open_ = registry(endpoint=None)
    open_["properties"]["anonymousPullEnabled"] = True
    world = World(open_, rules=POLICY)
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert world.alert["outcome"] == "reverted"
    assert "not changed (exportPolicy, publicNetworkAccess)" in world.alert["reason"]
    assert world.properties(REGISTRY_ID)["anonymousPullEnabled"] is False
    assert world.properties(REGISTRY_ID)["publicNetworkAccess"] == "Enabled"
    [undo] = world.alert["undo"]
    assert undo["body"] == {"properties": {"anonymousPullEnabled": True}}
