"""Registries: exports and public access belong together, and not every registry can be closed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS, container_registry
from guards.engine import policy
from guards.engine.model import Plan, Severity, TypePolicy
from tests.engine.samples import registry
from tests.fakes import START, merge

GUARD = container_registry.GUARD
EXPORT_OFF = {"policies": {"exportPolicy": {"status": "disabled"}}}
PUBLIC_OFF = {"publicNetworkAccess": "Disabled"}


def rules(
    *, export: str = "enforce", public: str = "enforce", unreachable: str = "block"
) -> TypePolicy:
    """A policy for registries."""
    text = f"""
version: 1
resources:
  {GUARD.resource_type}:
    exportPolicy: {{mode: "{export}"}}
    publicNetworkAccess: {{mode: "{public}", when_unreachable: {unreachable}}}
"""
    return policy.parse(text, GUARDS, START).of(GUARD)


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
    assert [{"properties": expected}] == [step.body for step in plan.steps]
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
    assert [step.body for step in plan.steps] == [{"properties": {**EXPORT_OFF, **PUBLIC_OFF}}]


@pytest.mark.parametrize("endpoint", ["Pending", None])
def test_exports_alone_need_no_private_endpoint(endpoint: str | None) -> None:
    """Public access is off already, so nobody loses anything."""
    plan = plan_of(registry(public="Disabled", endpoint=endpoint), rules())
    assert [step.body for step in plan.steps] == [{"properties": EXPORT_OFF}]


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
    assert [step.body for step in plan.steps] == [{"properties": EXPORT_OFF}]


def test_public_access_is_closed_while_exports_are_only_audited() -> None:
    """The other way round Azure has no objection."""
    plan = plan_of(registry(), rules(export="audit"))
    assert [step.body for step in plan.steps] == [{"properties": PUBLIC_OFF}]


_MODES = st.sampled_from(["off", "audit", "enforce"])


@settings(max_examples=200, deadline=None)
@given(
    export=st.sampled_from(["enabled", "disabled", "Disabled", None]),
    public=st.sampled_from(["Enabled", "Disabled", "disabled", None]),
    sku=st.sampled_from(["Premium", "premium", "Basic", None]),
    endpoint=st.sampled_from(["Approved", "Pending", None]),
    export_mode=_MODES,
    public_mode=_MODES,
    unreachable=st.sampled_from(["block", "revert"]),
)
def test_after_the_plan_nothing_it_promised_is_open(
    export: str | None, public: str | None, sku: str | None, endpoint: str | None,
    export_mode: str, public_mode: str, unreachable: str,
) -> None:  # fmt: skip
    """Closed or blocked with a reason, never half, and never exports off with public access on."""
    settings_ = rules(export=export_mode, public=public_mode, unreachable=unreachable)
    body = registry(export=export, public=public, sku=sku, endpoint=endpoint)
    closable = [finding for finding in GUARD.inspect(body, settings_) if finding.mode == "enforce"]
    plan = GUARD.plan(body, closable, settings_)
    promised = {finding.rule for finding in closable}
    assert bool(promised) == bool(plan.steps or plan.blocked)
    assert not (plan.steps and plan.blocked)
    if not plan.steps:
        return
    (step,) = plan.steps
    assert {finding.path for finding in closable} == {change.path for change in plan.changes}
    sent = {"policies": "exportPolicy", "publicNetworkAccess": "publicNetworkAccess"}
    assert promised == {sent[name] for name in step.body["properties"]}
    merge(body, step.body)
    assert set() == promised & {finding.rule for finding in GUARD.inspect(body, settings_)}
    exports_off = (
        body["properties"].get("policies", {}).get("exportPolicy", {}).get("status") == "disabled"
    )
    if "exportPolicy" in promised and exports_off:
        assert body["properties"]["publicNetworkAccess"].lower() == "disabled"
