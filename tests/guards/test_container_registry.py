"""Registries: exports and public access belong together, and not every registry can be closed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import container_registry
from guards.engine.model import Mode, Patch, Plan, RuleSettings, Severity, TypePolicy
from tests.engine.samples import registry
from tests.fakes import merge

GUARD = container_registry.GUARD
EXPORT_OFF = {"policies": {"exportPolicy": {"status": "disabled"}}}
PUBLIC_OFF = {"publicNetworkAccess": "Disabled"}
PULL_OFF = {"anonymousPullEnabled": False}
BYPASS_OFF = {"networkRuleBypassOptions": "None"}
EXPORTS = {"exportPolicy", "publicNetworkAccess"}


def rules(
    *, export: str = "enforce", public: str = "enforce", unreachable: str = "block", **more: str
) -> TypePolicy:
    """A policy for registries: the modes of these rules, and of others their default."""
    modes = {"exportPolicy": export, "publicNetworkAccess": public, **more}
    assert modes.keys() <= {rule.id for rule in GUARD.rules}
    options = {"when_unreachable": unreachable}
    return {
        rule.id: RuleSettings(
            Mode(modes.get(rule.id, rule.default_mode)),
            rule.allowed,
            options={name: options.get(name, default) for name, default in rule.options},
        )
        for rule in GUARD.rules
    }


def doors(*, pull: object = None, bypass: object = None, **more: Any) -> dict[str, Any]:
    """A registry with these doors; None leaves one out."""
    body = registry(**more)
    values = {"anonymousPullEnabled": pull, "networkRuleBypassOptions": bypass}
    body["properties"] |= {name: value for name, value in values.items() if value is not None}
    return body


def sent(plan: Plan) -> list[Any]:
    """The bodies of the plan's steps, which are all PATCHes."""
    assert all(isinstance(step, Patch) for step in plan.steps)
    return [step.body for step in plan.steps if isinstance(step, Patch)]


def plan_of(body: dict[str, Any], settings_: TypePolicy) -> Plan:
    """The plan for what the policy enforces."""
    closable = [finding for finding in GUARD.inspect(body, settings_) if finding.mode == "enforce"]
    return GUARD.plan(body, closable, settings_)


@pytest.mark.parametrize(
    ("export", "public", "expected"),
    [
        ("enabled", "Enabled", {**EXPORT_OFF, **PUBLIC_OFF}),
        (None, None, {**EXPORT_OFF, **PUBLIC_OFF}),
        ("enabled", "Disabled", EXPORT_OFF),
        ("Enabled", "disabled", EXPORT_OFF),
        (None, "Disabled", EXPORT_OFF),
        ("disabled", "Enabled", PUBLIC_OFF),
        ("DISABLED", None, PUBLIC_OFF),
        ("unknown", "unknown", {**EXPORT_OFF, **PUBLIC_OFF}),
    ],
)
def test_what_deviates_goes_into_one_patch(
    export: str | None, public: str | None, expected: dict[str, Any]
) -> None:
    """Nothing else is sent: other policies of the registry stay as they are."""
    plan = plan_of(registry(export=export, public=public), rules())
    assert [{"properties": expected}] == sent(plan)
    assert plan.blocked is None


@pytest.mark.parametrize(("export", "public"), [("disabled", "Disabled"), ("Disabled", "DISABLED")])
@pytest.mark.parametrize("sku", ["Premium", "Basic"])
def test_a_closed_registry_is_left_alone(export: str, public: str, sku: str) -> None:
    """Whatever its tier says."""
    body = registry(export=export, public=public, sku=sku)
    assert GUARD.inspect(body, rules()) == ()
    assert Plan() == plan_of(body, rules())


@pytest.mark.parametrize(
    "policies",
    [
        None,
        [],
        "text",
        {},
        {"exportPolicy": None},
        {"exportPolicy": "disabled"},
        {"exportPolicy": {"status": False}},
    ],
)
def test_policies_of_another_shape_are_open(policies: object) -> None:
    """Nothing unexpected passes for disabled."""
    body = registry(public="Disabled")
    body["properties"]["policies"] = policies
    assert [finding.rule for finding in GUARD.inspect(body, rules())] == ["exportPolicy"]


@pytest.mark.parametrize("sku", ["Basic", "Standard", "basic", "Classic", None])
@pytest.mark.parametrize("unreachable", ["block", "revert"])
def test_a_tier_that_cannot_disable_exports_is_blocked(sku: str | None, unreachable: str) -> None:
    """The reason says what to do instead; nothing is sent that Azure refuses."""
    plan = plan_of(registry(sku=sku), rules(unreachable=unreachable))
    assert (plan.steps, plan.changes) == ((), ())
    assert plan.blocked is not None
    assert plan.blocked.severity == Severity.HIGH
    assert plan.blocked.by_caller is None
    assert {"exportPolicy", "publicNetworkAccess"} == set(plan.blocked.rules)
    assert "az acr update --sku Premium" in plan.blocked.reason


@pytest.mark.parametrize("endpoint", ["Pending", "Rejected", "Disconnected", "", None])
def test_public_access_stays_while_nobody_could_reach_the_registry(endpoint: str | None) -> None:
    """Without an approved private endpoint a revert would stop every pull."""
    plan = plan_of(registry(endpoint=endpoint), rules())
    assert plan.steps == ()
    assert plan.blocked is not None
    assert (plan.blocked.severity, plan.blocked.by_caller) == (Severity.HIGH, Severity.CRITICAL)
    assert "approve a private endpoint" in plan.blocked.reason


@pytest.mark.parametrize("endpoint", ["Approved", "approved", "APPROVED"])
def test_an_approved_private_endpoint_is_enough(endpoint: str) -> None:
    """In any casing."""
    assert plan_of(registry(endpoint=endpoint), rules()).steps


@pytest.mark.parametrize(
    "connections", [None, "text", {}, [None], ["x"], [{}], [{"properties": None}]]
)
def test_connections_of_another_shape_approve_nothing(connections: object) -> None:
    """What cannot be read is no private endpoint."""
    body = registry()
    body["properties"]["privateEndpointConnections"] = connections
    assert plan_of(body, rules()).blocked is not None


def test_one_approved_connection_among_others_is_enough() -> None:
    """The pending ones do not count against it."""
    body = registry()
    connections = body["properties"]["privateEndpointConnections"]
    pending = {"properties": {"privateLinkServiceConnectionState": {"status": "Pending"}}}
    body["properties"]["privateEndpointConnections"] = [pending, *connections]
    assert plan_of(body, rules()).blocked is None


@pytest.mark.parametrize("endpoint", ["Pending", None])
def test_the_policy_may_close_an_unreachable_registry_all_the_same(endpoint: str | None) -> None:
    """when_unreachable: revert is somebody's decision."""
    plan = plan_of(registry(endpoint=endpoint), rules(unreachable="revert"))
    assert sent(plan) == [{"properties": {**EXPORT_OFF, **PUBLIC_OFF}}]


@pytest.mark.parametrize("endpoint", ["Pending", None])
def test_exports_alone_need_no_private_endpoint(endpoint: str | None) -> None:
    """Public access is off already, so nobody loses anything."""
    plan = plan_of(registry(public="Disabled", endpoint=endpoint), rules())
    assert sent(plan) == [{"properties": EXPORT_OFF}]


@pytest.mark.parametrize("public", ["audit", "off"])
def test_exports_wait_while_public_access_may_stay_on(public: str) -> None:
    """Azure takes them only together; the reason names the policy's line."""
    plan = plan_of(registry(), rules(public=public))
    assert plan.steps == ()
    assert plan.blocked is not None
    assert plan.blocked.rules == ("exportPolicy",)
    assert "publicNetworkAccess" in plan.blocked.reason


@pytest.mark.parametrize("public", ["audit", "off"])
def test_exports_are_closed_where_public_access_is_off_anyway(public: str) -> None:
    """Then the policy's mode for it does not matter."""
    plan = plan_of(registry(public="Disabled"), rules(public=public))
    assert sent(plan) == [{"properties": EXPORT_OFF}]


def test_public_access_is_closed_while_exports_are_only_audited() -> None:
    """The other way round Azure has no objection."""
    plan = plan_of(registry(), rules(export="audit"))
    assert sent(plan) == [{"properties": PUBLIC_OFF}]


@pytest.mark.parametrize(
    ("rule", "open_", "patch"),
    [
        ("anonymousPull", {"pull": True}, PULL_OFF),
        ("networkRuleBypass", {"bypass": "AzureServices"}, BYPASS_OFF),
        ("networkRuleBypass", {"bypass": None}, BYPASS_OFF),
    ],
)
@pytest.mark.parametrize("sku", ["Standard", "Premium"])
def test_a_door_alone_needs_neither_premium_nor_an_endpoint(
    rule: str, open_: dict[str, Any], patch: dict[str, Any], sku: str
) -> None:
    """The JSON that Azure wants: a boolean where it has one."""
    body = doors(sku=sku, endpoint=None, **open_)
    plan = plan_of(body, rules(export="off", public="off", **{rule: "enforce"}))
    assert sent(plan) == [{"properties": patch}]
    assert plan.blocked is None


@pytest.mark.parametrize("sku", ["Basic", "Premium"])
def test_what_blocks_exports_does_not_keep_a_door_open(sku: str) -> None:
    """The rest goes into the PATCH, and the reason stays."""
    body = doors(pull=True, bypass="AzureServices", sku=sku, endpoint=None)
    enforced = rules(anonymousPull="enforce", networkRuleBypass="enforce")
    plan = plan_of(body, enforced)
    assert sent(plan) == [{"properties": {**PULL_OFF, **BYPASS_OFF}}]
    assert [(c.path, c.before, c.after) for c in plan.changes] == [
        ("properties.anonymousPullEnabled", "true", "false"),
        ("properties.networkRuleBypassOptions", "AzureServices", "None"),
    ]
    assert plan.blocked is not None
    assert set(plan.blocked.rules) == EXPORTS


def test_exports_and_doors_go_into_the_same_patch() -> None:
    """One request, whatever is open."""
    body = doors(pull=True, bypass="AzureServices")
    plan = plan_of(body, rules(anonymousPull="enforce", networkRuleBypass="enforce"))
    assert sent(plan) == [{"properties": {**EXPORT_OFF, **PUBLIC_OFF, **PULL_OFF, **BYPASS_OFF}}]


def test_the_doors_are_off_by_default() -> None:
    """Azure's defaults deviate on nearly every registry: a policy opts in."""
    body = doors(pull=True, bypass="AzureServices", export="disabled", public="Disabled")
    assert GUARD.inspect(body, rules()) == ()


def test_a_door_that_is_off_can_still_satisfy_another_rule() -> None:
    """Its value counts, though nobody closes it: open, it satisfies nothing."""
    settings_ = dict(rules())
    settings_["publicNetworkAccess"] = RuleSettings(
        Mode.ENFORCE,
        ("Disabled",),
        satisfied_by=("anonymousPull",),
        options={"when_unreachable": "block"},
    )
    found = GUARD.inspect(doors(pull=True, export="disabled"), settings_)
    assert [finding.rule for finding in found] == ["publicNetworkAccess"]
    assert GUARD.inspect(doors(pull=False, export="disabled"), settings_) == ()


def test_with_everything_off_nothing_is_found() -> None:
    """However open the registry is."""
    off = rules(**{rule.id: "off" for rule in GUARD.rules if rule.id not in EXPORTS})
    off = {name: RuleSettings(Mode.OFF, one.allowed, (), one.options) for name, one in off.items()}
    assert GUARD.inspect(doors(pull=True, bypass="AzureServices"), off) == ()
    assert GUARD.lookups is not None
    assert GUARD.lookups({}, off) == ()


def test_pipelines_are_listed_when_a_patch_is_refused_and_deleted_only_on_request() -> None:
    """The option is the export rule's, and its default only reports."""
    refusal = GUARD.refusal
    assert refusal is not None
    assert (refusal.type, refusal.rule) == ("exportPipelines", "exportPolicy")
    (rule,) = [rule for rule in GUARD.rules if rule.id == refusal.rule]
    assert dict(rule.options)[refusal.option] == "audit"


def test_each_way_out_leads_to_the_registry() -> None:
    """The guard performs two of its operations itself, and needs a permission for each."""
    prefix = f"{GUARD.resource_type}/"
    operations = {name.removeprefix(prefix) for name in GUARD.operations}
    assert operations >= {
        "exportPipelines/write",
        "pipelineRuns/write",
        "importImage/action",
        "tokens/write",
        "scopeMaps/write",
        "connectedRegistries/write",
        "cacheRules/write",
    }
    assert {name.removeprefix(prefix) for name in GUARD.exports} == {
        "exportPipelines/write",
        "pipelineRuns/write",
        "importImage/action",
    }
    own = {f"{prefix}write", f"{prefix}exportPipelines/delete"}
    assert set(GUARD.own_operations) == own
    assert own <= set(GUARD.permissions)


def test_every_list_that_is_asked_for_may_be_read() -> None:
    """A lookup without its permission would only ever report that it failed."""
    every = {rule.id: RuleSettings(Mode.AUDIT, rule.allowed) for rule in GUARD.rules}
    assert GUARD.lookups is not None
    for lookup in GUARD.lookups({}, every):
        path = f"{GUARD.resource_type}/{lookup.children}".rpartition("providers/")
        assert f"{path[2]}/read" in GUARD.permissions


_MODES = st.sampled_from(["off", "audit", "enforce"])
_SENT = {
    "policies": "exportPolicy",
    "publicNetworkAccess": "publicNetworkAccess",
    "anonymousPullEnabled": "anonymousPull",
    "networkRuleBypassOptions": "networkRuleBypass",
}


@settings(max_examples=150)
@given(
    export=st.sampled_from(["enabled", "disabled", "Disabled", None]),
    public=st.sampled_from(["Enabled", "Disabled", "disabled", None]),
    sku=st.sampled_from(["Premium", "premium", "Basic", None]),
    endpoint=st.sampled_from(["Approved", "Pending", None]),
    pull=st.sampled_from([True, False, None]),
    bypass=st.sampled_from(["AzureServices", "None", "none", None]),
    modes=st.fixed_dictionaries(
        dict.fromkeys(("export", "public", "anonymousPull", "networkRuleBypass"), _MODES)
    ),
    unreachable=st.sampled_from(["block", "revert"]),
)
def test_after_the_plan_nothing_it_promised_is_open(
    export: str | None, public: str | None, sku: str | None, endpoint: str | None,
    pull: bool | None, bypass: str | None, modes: dict[str, str], unreachable: str,
) -> None:  # fmt: skip
    """Closed, or blocked with a reason, and never exports off with public access on."""
    settings_ = rules(unreachable=unreachable, **modes)
    body = doors(pull=pull, bypass=bypass, export=export, public=public, sku=sku, endpoint=endpoint)
    closable = [finding for finding in GUARD.inspect(body, settings_) if finding.mode == "enforce"]
    plan = GUARD.plan(body, closable, settings_)
    wanted = {finding.rule for finding in closable}
    blocked = set(plan.blocked.rules) if plan.blocked else set()
    assert blocked <= wanted & EXPORTS
    promised = wanted - blocked
    patches = sent(plan)
    assert len(patches) == bool(promised)
    changed = {_SENT[name] for patch in patches for name in patch["properties"]}
    assert changed == promised
    assert len(plan.changes) == len(promised)
    for patch in patches:
        merge(body, patch)
    assert set() == promised & {finding.rule for finding in GUARD.inspect(body, settings_)}
    if "exportPolicy" in promised:
        assert body["properties"]["policies"]["exportPolicy"]["status"] == "disabled"
        assert body["properties"]["publicNetworkAccess"].lower() == "disabled"
