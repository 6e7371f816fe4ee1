"""Disks and snapshots: which bodies are open, and the smallest PATCH that closes them."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS, disk, snapshot
from guards.engine import policy
from guards.engine.model import Body, Guard, Patch, RevokeAccess, Step, TypePolicy
from tests.engine.samples import DISK_ACCESS_ID, SNAPSHOT_ID
from tests.engine.samples import disk as body_of
from tests.fakes import START, merge

BOTH = pytest.mark.parametrize("guard", [disk.GUARD, snapshot.GUARD], ids=["disks", "snapshots"])
OTHER_ACCESS = DISK_ACCESS_ID.replace("backup", "unknown")


def rules(
    guard: Guard = disk.GUARD,
    *,
    auth: str = "off",
    network: str = "enforce",
    public: str = "enforce",
) -> TypePolicy:
    """A policy that lists one disk access."""
    text = f"""
version: 1
resources:
  {guard.resource_type}:
    networkAccessPolicy: {{mode: "{network}", allowed_disk_accesses: [{DISK_ACCESS_ID}]}}
    publicNetworkAccess: {{mode: "{public}"}}
    dataAccessAuthMode: {{mode: "{auth}"}}
"""
    return policy.parse(text, GUARDS, START).of(guard)


def found(body: dict[str, Any], settings_: TypePolicy) -> set[str]:
    """The rules that deviate."""
    return {finding.rule for finding in disk.GUARD.inspect(body, settings_)}


def sent_by(steps: Sequence[Step]) -> list[Body]:
    """What each step sends: each is a PATCH."""
    return [step.body for step in steps if isinstance(step, Patch) or pytest.fail(str(step))]


def patched(body: dict[str, Any], settings_: TypePolicy) -> dict[str, Any]:
    """The properties of the one PATCH; empty if there is none."""
    plan = disk.GUARD.plan(body, disk.GUARD.inspect(body, settings_), settings_)
    assert len(plan.steps) <= 1
    return {key: value for sent in sent_by(plan.steps) for key, value in sent["properties"].items()}


NETWORKS = ["DenyAll", "denyall", "AllowAll", "AllowPrivate", "ALLOWPRIVATE", None]
PUBLICS = ["Disabled", "DISABLED", "Enabled", None]
ACCESSES = [None, "", DISK_ACCESS_ID, DISK_ACCESS_ID.upper(), OTHER_ACCESS]
TABLE = list(itertools.product(NETWORKS, PUBLICS, ACCESSES))


@BOTH
@pytest.mark.parametrize(("network", "public", "access"), TABLE, ids=range(len(TABLE)))
def test_every_combination_is_judged_and_closed_with_the_smallest_patch(
    guard: Guard, network: str | None, public: str | None, access: str | None
) -> None:
    """What deviates is sent, what does not is not, and a disk access goes where DenyAll comes."""
    body = body_of(
        "x/" * 6 + guard.resource_type,
        networkAccessPolicy=network,
        publicNetworkAccess=public,
        diskAccessId=access,
    )
    settings_ = rules(guard)
    private = (network or "").lower() == "allowprivate" and (
        access or ""
    ).lower() == DISK_ACCESS_ID.lower()
    open_network = (network or "").lower() != "denyall" and not private
    open_public = (public or "").lower() != "disabled"
    findings = guard.inspect(body, settings_)
    expected_findings = ["networkAccessPolicy"] * open_network + [
        "publicNetworkAccess"
    ] * open_public
    assert expected_findings == [finding.rule for finding in findings]

    expected: dict[str, Any] = {}
    if open_network:
        expected["networkAccessPolicy"] = "DenyAll"
    if open_public:
        expected["publicNetworkAccess"] = "Disabled"
    if open_network and access:
        expected["diskAccessId"] = None
    plan = guard.plan(body, findings, settings_)
    assert ([expected] if expected else []) == [sent["properties"] for sent in sent_by(plan.steps)]
    assert plan.blocked is None
    assert set(expected) == {change.path.removeprefix("properties.") for change in plan.changes}


def test_without_a_list_allow_private_is_open() -> None:
    """A disk access that nobody listed may lead to anyone's network."""
    body = body_of(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID)
    assert "networkAccessPolicy" in found(body, policy.default(GUARDS).of(disk.GUARD))


@pytest.mark.parametrize("access", [7, [DISK_ACCESS_ID], {"id": DISK_ACCESS_ID}, True])
def test_a_disk_access_of_another_type_is_not_listed(access: object) -> None:
    """What cannot be compared is not trusted."""
    body = body_of(networkAccessPolicy="AllowPrivate", diskAccessId=access)
    assert "networkAccessPolicy" in found(body, rules())


@pytest.mark.parametrize("value", [False, 0, [], ["DenyAll"], {"v": "Disabled"}, "", "Unknown"])
def test_a_value_of_another_type_is_open(value: object) -> None:
    """Nothing unexpected passes for closed."""
    body = body_of(networkAccessPolicy=value, publicNetworkAccess=value)
    assert {"networkAccessPolicy", "publicNetworkAccess"} == found(body, rules())


@pytest.mark.parametrize("properties", [None, [], "text"])
def test_a_body_without_properties_is_open(properties: object) -> None:
    """Azure's defaults are open, so absence is."""
    body = {**body_of(), "properties": properties}
    assert {"networkAccessPolicy", "publicNetworkAccess"} == found(body, rules())
    assert patched(body, rules()) == {
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
    }


def test_absent_values_are_shown_as_absent() -> None:
    """The alert does not invent a value that the body did not have."""
    findings = disk.GUARD.inspect(body_of(networkAccessPolicy=None), rules())
    assert findings[0].actual is None


def test_the_other_form_clears_the_disk_access_with_an_empty_text() -> None:
    """For an Azure that calls null a conflict; the rest of the PATCH is the same."""
    body = body_of(networkAccessPolicy="AllowPrivate", diskAccessId=OTHER_ACCESS)
    plan = disk.GUARD.plan(body, disk.GUARD.inspect(body, rules()), rules())
    shut = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    expected = Patch(
        {"properties": {**shut, "diskAccessId": None}}, {"properties": {**shut, "diskAccessId": ""}}
    )
    assert (expected,) == plan.steps


def test_a_disk_access_stays_where_the_network_policy_is_not_enforced() -> None:
    """Audited settings are not changed by the side."""
    body = body_of(networkAccessPolicy="AllowPrivate", diskAccessId=OTHER_ACCESS)
    settings_ = rules(network="audit")
    closable = [f for f in disk.GUARD.inspect(body, settings_) if f.mode == "enforce"]
    plan = disk.GUARD.plan(body, closable, settings_)
    assert plan.steps == (Patch({"properties": {"publicNetworkAccess": "Disabled"}}, None),)


@pytest.mark.parametrize("mode", ["None", None, "Password"])
def test_data_access_auth_is_off_unless_the_policy_turns_it_on(mode: str | None) -> None:
    """It breaks backups, so nobody gets it unasked."""
    body = body_of(dataAccessAuthMode=mode)
    assert "dataAccessAuthMode" not in found(body, rules())
    assert "dataAccessAuthMode" not in patched(body, rules())
    assert "dataAccessAuthMode" in found(body, rules(auth="audit"))
    assert patched(body, rules(auth="enforce"))["dataAccessAuthMode"] == "AzureActiveDirectory"


def test_data_access_auth_that_is_set_is_fine() -> None:
    """In any casing."""
    body = body_of(dataAccessAuthMode="azureactivedirectory")
    assert "dataAccessAuthMode" not in found(body, rules(auth="enforce"))


@pytest.mark.parametrize("state", ["Attached", "attached", "Reserved", "Frozen"])
def test_an_attached_disk_keeps_its_auth_mode_and_says_why(state: str) -> None:
    """Azure would refuse; the other settings are closed all the same."""
    body = body_of(diskState=state)
    plan = disk.GUARD.plan(
        body, disk.GUARD.inspect(body, rules(auth="enforce")), rules(auth="enforce")
    )
    assert plan.blocked is not None
    assert plan.blocked.rules == ("dataAccessAuthMode",)
    assert "detach" in plan.blocked.reason
    (sent,) = sent_by(plan.steps)
    assert {"networkAccessPolicy", "publicNetworkAccess"} == set(sent["properties"])


@pytest.mark.parametrize("holder", [{"managedBy": "/vm"}, {"managedByExtended": ["/vm"]}])
def test_a_disk_that_a_machine_holds_is_attached(holder: dict[str, object]) -> None:
    """Also where the state does not say so."""
    settings_ = rules(auth="enforce")
    body = {**body_of(networkAccessPolicy="DenyAll", publicNetworkAccess="Disabled"), **holder}
    plan = disk.GUARD.plan(body, disk.GUARD.inspect(body, settings_), settings_)
    assert (plan.steps, plan.changes) == ((), ())
    assert plan.blocked is not None


_VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, "", "DenyAll", "AllowAll", "AllowPrivate", "Enabled", "disabled", "None", 5, []]
)
_BODIES = st.fixed_dictionaries(
    {
        "networkAccessPolicy": _VALUES,
        "publicNetworkAccess": _VALUES,
        "dataAccessAuthMode": _VALUES,
        "diskAccessId": st.sampled_from(ACCESSES),
        "diskState": st.sampled_from(["Unattached", "Attached", "ActiveSAS", None]),
    }
)
_MODES = st.sampled_from(["off", "audit", "enforce"])


@BOTH
@settings(max_examples=100)
@given(properties=_BODIES, auth=_MODES, network=_MODES, public=_MODES)
def test_after_the_plan_nothing_it_promised_is_open(
    guard: Guard, properties: dict[str, Any], auth: str, network: str, public: str
) -> None:
    """The PATCH closes what it says, and holds nothing that did not deviate; a link goes first."""
    settings_ = rules(guard, auth=auth, network=network, public=public)
    body = body_of(SNAPSHOT_ID, **properties)
    closable = [finding for finding in guard.inspect(body, settings_) if finding.mode == "enforce"]
    plan = guard.plan(body, closable, settings_)
    blocked = set(plan.blocked.rules) if plan.blocked else set()
    promised = {finding.rule for finding in closable} - blocked
    steps = list(plan.steps)
    assert bool(promised) == bool(steps)
    assert ("liveExport" in promised) == (properties["diskState"] == "ActiveSAS")
    if "liveExport" in promised:
        assert steps.pop(0) == RevokeAccess()
        merge(body, {"properties": {"diskState": "Unattached"}})
        promised.remove("liveExport")
    assert len(steps) == bool(promised)
    for step in steps:
        assert isinstance(step, Patch)
        sent = set(step.body["properties"])
        with_access = (
            {"diskAccessId"}
            if "networkAccessPolicy" in promised and properties["diskAccessId"]
            else set()
        )
        assert promised | with_access == sent
        merge(body, step.body)
    assert set() == promised & {finding.rule for finding in guard.inspect(body, settings_)}
