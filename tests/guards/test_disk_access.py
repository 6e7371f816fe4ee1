"""Disk accesses: one that the policy relies on has an approved private endpoint."""

from typing import Any

import pytest
from azure.mgmt.compute.operations import _operations as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import disk_access
from guards.engine.endpoints import approved_endpoint
from guards.engine.events import clean
from guards.engine.model import Finding, Kind, Mode, Plan, RuleSettings, Severity, TypePolicy
from guards.engine.policy.settings import of_profile
from guards.engine.policy.shape import Profile
from tests.engine.samples import DISK_ACCESS_ID
from tests.engine.test_hostile_events import JSON

GUARD = disk_access.GUARD
PATH = "properties.privateEndpointConnections"


def rules(mode: Mode = Mode.AUDIT) -> TypePolicy:
    """A policy that looks at the one rule."""
    return {"privateEndpoint": RuleSettings(mode, ("approved",))}


def connection(status: object) -> dict[str, Any]:
    """A private endpoint connection in this state."""
    return {"properties": {"privateLinkServiceConnectionState": {"status": status}}}


def access(*states: object) -> dict[str, Any]:
    """A disk access with a private endpoint connection in each of these states."""
    properties = {"privateEndpointConnections": [connection(state) for state in states]}
    return {"id": DISK_ACCESS_ID, "name": "backup", "properties": properties}


def test_the_sdks_version_is_spoken() -> None:
    """The one that Microsoft tests this client with."""
    url = sdk.build_disk_accesses_get_request("g", "a", "s").url
    assert url.endswith(f"?api-version={GUARD.api_version}")


@pytest.mark.parametrize(
    "states", [["Approved"], ["approved"], ["Pending", "APPROVED"], [None, "Approved", "Rejected"]]
)
def test_one_approved_endpoint_is_enough(states: list[object]) -> None:
    """In any casing, whatever the others are."""
    assert approved_endpoint(access(*states))
    assert GUARD.inspect(access(*states), rules()) == ()


@pytest.mark.parametrize(
    ("body", "actual"),
    [
        (access(), None),
        ({}, None),
        ({"properties": None}, None),
        ({"properties": {"privateEndpointConnections": "Approved"}}, None),
        (access("Pending"), "none approved: Pending"),
        (access("Rejected", "Pending", "Pending"), "none approved: Pending, Rejected"),
        (access("Pending", "Rejected"), "none approved: Pending, Rejected"),
        (access("Not approved"), "none approved: Not approved"),
        (access(None, {"a": 1}), "none approved: unknown, {'a': 1}"),
        ({"properties": {"privateEndpointConnections": ["Approved"]}}, "none approved: unknown"),
        (access("Pend\r\ning"), "none approved: Pend ing"),
    ],
)
def test_without_one_it_is_a_finding_that_says_which_states_there_are(
    body: dict[str, Any], actual: str | None
) -> None:
    """The same text in whatever order Azure lists them, and nothing where there is none."""
    finding = Finding("privateEndpoint", PATH, actual, "approved", Severity.MEDIUM, Mode.AUDIT)
    assert GUARD.inspect(body, rules()) == (finding,)


def test_it_is_off_unless_the_policy_turns_it_on() -> None:
    """And told only: approving an endpoint is for people."""
    assert GUARD.inspect(access(), of_profile(GUARD, Profile.STRICT)) == ()
    assert [(rule.kind, rule.default_mode) for rule in GUARD.rules] == [(Kind.REPORTED, Mode.OFF)]
    assert GUARD.plan(access(), GUARD.inspect(access(), rules()), rules()) == Plan()


def test_it_is_looked_at_when_its_endpoints_change() -> None:
    """Only one that the policy lists, and nothing of it can be written."""
    type_ = "Microsoft.Compute/diskAccesses"
    assert set(GUARD.operations) == {
        f"{type_}/write",
        f"{type_}/privateEndpointConnections/write",
        f"{type_}/privateEndpointConnections/delete",
    }
    assert GUARD.listed_by == "allowed_disk_accesses"
    assert GUARD.permissions == (f"{type_}/read",)
    assert GUARD.own_operations == ()


_CONNECTIONS = st.lists(
    JSON | st.text(max_size=300).map(connection) | JSON.map(connection), max_size=40
)
_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.fixed_dictionaries({"privateEndpointConnections": _CONNECTIONS}) | JSON
    },
)


@settings(max_examples=30)
@given(_BODIES)
def test_any_body_is_judged(body: dict[str, Any]) -> None:
    """A finding or none, short and in one line whatever Azure answers."""
    findings = GUARD.inspect(body, rules())
    assert len(findings) == (0 if approved_endpoint(body) else 1)
    for finding in findings:
        assert finding.actual is None or finding.actual == clean(finding.actual)
