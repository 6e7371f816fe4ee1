"""Copies of disks in restore points: a link is revoked, settings are told."""

from dataclasses import replace
from typing import Any

import pytest
from azure.mgmt.compute.operations import _operations as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import managed_disk, restore_point
from guards.engine.model import (
    Body,
    Change,
    Finding,
    Kind,
    Mode,
    Plan,
    RevokeAccess,
    Severity,
    TypePolicy,
)
from guards.engine.policy.settings import of_profile
from guards.engine.policy.shape import Profile
from guards.engine.rules import with_known
from tests.engine.samples import DISK_ACCESS_ID, GROUP
from tests.engine.test_hostile_events import JSON

GUARD = restore_point.GUARD
POINTS = "Microsoft.Compute/restorePointCollections/restorePoints"
COPY_ID = (
    f"{GROUP}/providers/Microsoft.Compute/restorePointCollections/nightly/restorePoints/monday"
    "/diskRestorePoints/ledger-disk_4ccf"
)
DEFAULT = of_profile(GUARD, Profile.STRICT)
NETWORK, PUBLIC, LIVE = "networkAccessPolicy", "publicNetworkAccess", "liveExport"


def copy_of(**properties: object) -> dict[str, Any]:
    """A copy of an open disk; None leaves a property out."""
    every = {NETWORK: "AllowAll", PUBLIC: "Enabled", "completionPercent": 100, **properties}
    return {
        "id": COPY_ID,
        "name": "ledger-disk_4ccf",
        "type": f"{POINTS}/diskRestorePoints",
        "properties": {name: value for name, value in every.items() if value is not None},
    }


def shut(**properties: object) -> dict[str, Any]:
    """A copy of a closed disk."""
    return copy_of(**{NETWORK: "DenyAll", PUBLIC: "Disabled", **properties})


def rules(live: Mode = Mode.ENFORCE, *accesses: str, others: Mode = Mode.AUDIT) -> TypePolicy:
    """A policy with these modes that lists these disk accesses."""
    options = {"allowed_disk_accesses": accesses}
    return {
        NETWORK: replace(DEFAULT[NETWORK], mode=others, options=options),
        PUBLIC: replace(DEFAULT[PUBLIC], mode=others),
        LIVE: replace(DEFAULT[LIVE], mode=live),
    }


def found(body: Body, settings_: TypePolicy = DEFAULT) -> dict[str, Severity]:
    """Rule -> severity of what deviates."""
    return {one.rule: one.severity for one in GUARD.inspect(body, settings_)}


@pytest.mark.parametrize("name", ["get", "grant_access", "revoke_access"])
def test_the_sdks_version_is_spoken(name: str) -> None:
    """The one that Microsoft tests this client with, for each request of a copy."""
    build = getattr(sdk, f"build_disk_restore_point_{name}_request")
    assert build("g", "c", "p", "d", "s").url.endswith(f"?api-version={GUARD.api_version}")


def test_a_link_that_an_event_told_of_is_found_and_revoked() -> None:
    """One step and one change, whatever the settings are."""
    body = with_known(shut(), granted=True)
    (finding,) = GUARD.inspect(body, DEFAULT)
    expected = Finding(LIVE, "accessSAS", "granted", "revoked", Severity.HIGH, Mode.ENFORCE)
    assert finding == expected
    plan = GUARD.plan(body, [finding], DEFAULT)
    assert plan == Plan((RevokeAccess(),), (Change("accessSAS", "granted", "revoked"),))
    assert "SAS link" in GUARD.exposure(body)


@pytest.mark.parametrize("word", [None, False, "true", "granted", 1, [True], {"granted": True}])
def test_without_such_an_event_no_link_is_found(word: object) -> None:
    """The body shows none, so only the engine's own word counts."""
    for body in (shut(), with_known(shut(), granted=word), shut(accessSAS="https://x", granted=1)):
        assert found(body) == {}
        assert GUARD.exposure(body) == ""


def test_the_policy_may_leave_links_alone() -> None:
    """Off finds nothing, audit finds and says that it is only audited."""
    body = with_known(shut(), granted=True)
    assert found(body, rules(Mode.OFF)) == {}
    assert [one.mode for one in GUARD.inspect(body, rules(Mode.AUDIT))] == [Mode.AUDIT]


@pytest.mark.parametrize(
    ("network", "public", "expected"),
    [
        ("DenyAll", "Disabled", {}),
        ("denyall", "DISABLED", {}),
        ("AllowAll", "Enabled", {NETWORK: Severity.HIGH, PUBLIC: Severity.HIGH}),
        (None, None, {NETWORK: Severity.HIGH, PUBLIC: Severity.HIGH}),
        ("AllowAll", "Disabled", {NETWORK: Severity.LOW}),
        ("AllowPrivate", "Disabled", {NETWORK: Severity.MEDIUM}),
        ("DenyAll", None, {PUBLIC: Severity.LOW}),
    ],
)
def test_settings_are_judged_as_those_of_a_disk_that_nobody_holds(
    network: str | None, public: str | None, expected: dict[str, Severity]
) -> None:
    """They were taken over from it."""
    body = copy_of(networkAccessPolicy=network, publicNetworkAccess=public)
    assert found(body) == expected
    assert found(body, rules(others=Mode.OFF)) == {}


@pytest.mark.parametrize(
    ("access", "fine"),
    [
        (DISK_ACCESS_ID, True), (DISK_ACCESS_ID.upper(), True), (f"{DISK_ACCESS_ID}-b", False),
        ("", False), (None, False), (7, False), ([DISK_ACCESS_ID], False),
    ],
)  # fmt: skip
def test_a_listed_disk_access_makes_allow_private_fine(access: object, fine: bool) -> None:
    """As for the disk itself: its nightly copies are no news."""
    private = {NETWORK: "AllowPrivate", "diskAccessId": access}
    assert (found(shut(**private), rules(Mode.ENFORCE, DISK_ACCESS_ID)) == {}) is fine
    assert NETWORK in found(shut(**private))
    both = found(copy_of(**private), rules(Mode.ENFORCE, DISK_ACCESS_ID))
    assert both.keys() == {NETWORK, PUBLIC} - ({NETWORK} if fine else set())
    assert NETWORK in found(copy_of(diskAccessId=access), rules(Mode.ENFORCE, DISK_ACCESS_ID))


def test_settings_are_only_reported_and_never_planned() -> None:
    """No request changes them; the policy's default says audit."""
    body = copy_of()
    findings = GUARD.inspect(body, DEFAULT)
    assert {finding.mode for finding in findings} == {Mode.AUDIT}
    assert GUARD.plan(body, findings, DEFAULT) == Plan()
    kinds = {rule.id: rule.kind for rule in GUARD.rules}
    assert kinds == {NETWORK: Kind.REPORTED, PUBLIC: Kind.REPORTED, LIVE: Kind.STATE}


def test_the_rules_of_a_copy_are_those_of_a_disk() -> None:
    """Same values and the same meaning of absence; without what one setting says of the other."""
    for mine, disks in zip(
        GUARD.rules, (managed_disk.NETWORK_ACCESS, managed_disk.PUBLIC_NETWORK), strict=False
    ):
        changed = {"kind": disks.kind, "default_mode": disks.default_mode}
        assert replace(mine, minimum=disks.minimum, **changed) == disks  # type: ignore[arg-type]
        assert mine.minimum == ()
    live = GUARD.rules[-1]
    assert (live.severity, live.default_mode) == (Severity.CRITICAL, Mode.ENFORCE)
    assert live.options == (("unknown_granter", "report"),)
    assert of_profile(GUARD, Profile.MINIMUM)[LIVE].mode is Mode.AUDIT


def test_grants_of_a_copy_and_of_its_restore_point_are_known() -> None:
    """Both hand out links, and the guard may end them, not take any."""
    assert GUARD.links is not None
    assert not GUARD.links.shown
    own = f"{POINTS}/diskRestorePoints"
    assert GUARD.links.grants == (
        f"{own}/beginGetAccess/action",
        f"{POINTS}/retrieveSasUris/action",
    )
    assert GUARD.links.rule == LIVE
    assert GUARD.permissions == (f"{own}/read", f"{own}/endGetAccess/action")


_VALUES = JSON | st.sampled_from(["DenyAll", "AllowPrivate", "Disabled", DISK_ACCESS_ID])
_PROPERTIES = st.fixed_dictionaries(
    {}, optional={NETWORK: _VALUES, PUBLIC: _VALUES, "diskAccessId": _VALUES, "diskState": _VALUES}
)
_BODIES = st.fixed_dictionaries(
    {}, optional={"properties": _PROPERTIES | JSON, "id": JSON, "managedBy": JSON}
)


@settings(max_examples=40)
@given(body=_BODIES, granted=JSON, live=st.sampled_from(Mode))
def test_any_body_is_judged_and_only_the_link_is_ended(
    body: dict[str, Any], granted: object, live: Mode
) -> None:
    """Whatever Azure answers: nothing but a known link leads to a step."""
    settings_ = rules(live, DISK_ACCESS_ID)
    known = with_known(body, granted=granted)
    findings = GUARD.inspect(known, settings_)
    plan = GUARD.plan(known, findings, settings_)
    out = granted is True
    assert bool(GUARD.exposure(known)) is out
    assert plan.steps == ((RevokeAccess(),) if out and live is not Mode.OFF else ())
    assert {one.rule for one in findings} - {LIVE} == set(found(body, settings_))
