"""How bad a finding is hangs on what the body shows, not only on the rule."""

import itertools
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from guards import GUARDS, container_registry, disk, snapshot
from guards.engine import policy
from guards.engine.decide import by
from guards.engine.model import Granter, Guard, Kind, Mode, RuleSettings, Severity, TypePolicy
from guards.engine.policy import Applied
from guards.engine.rules import merged, nested
from tests.engine.samples import DISK_ACCESS_ID, registry
from tests.engine.samples import disk as body_of
from tests.fakes import START

BOTH = pytest.mark.parametrize("guard", [disk.GUARD, snapshot.GUARD], ids=["disks", "snapshots"])
NETWORK, PUBLIC, AUTH = "networkAccessPolicy", "publicNetworkAccess", "dataAccessAuthMode"
LIVE = ["ActiveSAS", "activesas", "ActiveSASFrozen"]
UPLOADS = ["ReadyToUpload", "ActiveUpload", "activeupload"]
"""Data on its way in takes none out."""
HELD = ["Attached", "attached", "Frozen"]
SETTINGS = (NETWORK, PUBLIC)

type Found = dict[str, Severity]


def strict(guard: Guard = disk.GUARD, *accesses: str) -> TypePolicy:
    """Everything looked at, dataAccessAuthMode, too; these disk accesses are listed."""
    rules = dict(policy.default(GUARDS).of(guard))
    listed = {"allowed_disk_accesses": accesses}
    rules[NETWORK] = RuleSettings(Mode.ENFORCE, ("DenyAll",), options=listed)
    rules[AUTH] = RuleSettings(Mode.AUDIT, ("AzureActiveDirectory",))
    return rules


def severities(body: dict[str, Any], guard: Guard = disk.GUARD, *accesses: str) -> Found:
    """Rule -> severity, of both network rules."""
    findings = guard.inspect(body, strict(guard, *accesses))
    return {finding.rule: finding.severity for finding in findings if finding.rule in SETTINGS}


TABLE = [
    # network, public, severities detached, attached, with a link that is out
    ("AllowAll", "Enabled", ("high", "high"), ("medium", "medium"), ("high", "high")),
    ("allowall", "ENABLED", ("high", "high"), ("medium", "medium"), ("high", "high")),
    (None, None, ("high", "high"), ("medium", "medium"), ("high", "high")),
    ("Whatever", "Enabled", ("high", "high"), ("medium", "medium"), ("high", "high")),
    ("AllowAll", "SecuredByPerimeter", ("high", "high"), ("medium", "medium"), ("high", "high")),
    ("AllowAll", "Disabled", ("low", None), ("low", None), ("high", None)),
    (None, "disabled", ("low", None), ("low", None), ("high", None)),
    ("AllowPrivate", "Disabled", ("medium", None), ("medium", None), ("high", None)),
    ("ALLOWPRIVATE", "Enabled", ("medium", "low"), ("medium", "low"), ("high", "high")),
    ("DenyAll", "Enabled", (None, "low"), (None, "low"), (None, "high")),
    ("denyall", None, (None, "low"), (None, "low"), (None, "high")),
    ("DenyAll", "Disabled", (None, None), (None, None), (None, None)),
]


@BOTH
@pytest.mark.parametrize(("network", "public", "detached", "attached", "live"), TABLE)
def test_the_severity_follows_from_what_the_body_shows(
    guard: Guard,
    network: str | None,
    public: str | None,
    detached: tuple[str | None, str | None],
    attached: tuple[str | None, str | None],
    live: tuple[str | None, str | None],
) -> None:
    """Open to the internet is worse than a way in that leads nowhere; a link that is out is."""
    states = [("Unattached", detached), (None, detached), ("Whatever", detached)]
    states.append(("Reserved", detached))  # of a deallocated machine, which Azure exports
    states += [(state, detached) for state in UPLOADS]
    states += [(state, attached) for state in HELD] + [(state, live) for state in LIVE]
    for state, wanted in states:
        body = body_of(networkAccessPolicy=network, publicNetworkAccess=public, diskState=state)
        told = severities(body, guard)
        assert (told.get(NETWORK), told.get(PUBLIC)) == wanted, state


@pytest.mark.parametrize("holder", [{"managedBy": "/vm"}, {"managedByExtended": ["/vm"]}])
def test_a_disk_that_a_machine_holds_is_medium_unless_a_link_is_out(holder: dict[str, Any]) -> None:
    """Whoever holds it, as long as the machine runs; the link is what counts."""
    assert severities({**body_of(), **holder}) == {NETWORK: "medium", PUBLIC: "medium"}
    stopped = {**body_of(diskState="Reserved"), **holder}
    assert severities(stopped) == {NETWORK: "high", PUBLIC: "high"}
    held_and_out = {**body_of(diskState="ActiveSAS"), **holder}
    assert severities(held_and_out) == {NETWORK: "high", PUBLIC: "high"}


def test_public_access_beside_a_listed_disk_access_is_low() -> None:
    """The network policy lets nobody else in."""
    body = body_of(networkAccessPolicy="AllowPrivate", diskAccessId=DISK_ACCESS_ID)
    assert severities(body, disk.GUARD, DISK_ACCESS_ID) == {PUBLIC: "low"}
    assert severities(body) == {NETWORK: "medium", PUBLIC: "low"}


@pytest.mark.parametrize("state", ["Unattached", *HELD, *LIVE, *UPLOADS])
def test_data_access_auth_is_medium_whatever_else_is_open(state: str) -> None:
    """It is a second lock, and says nothing of the door."""
    findings = disk.GUARD.inspect(body_of(diskState=state), strict())
    assert [f.severity for f in findings if f.rule == AUTH] == ["medium"]


@BOTH
@pytest.mark.parametrize("network", ["AllowAll", "AllowPrivate", "DenyAll"])
@pytest.mark.parametrize("state", LIVE)
def test_a_link_that_is_out_is_high_whatever_the_settings_are(
    guard: Guard, network: str, state: str
) -> None:
    """It reads the whole disk; that a stranger took it just now only the event tells."""
    body = body_of(networkAccessPolicy=network, publicNetworkAccess="Disabled", diskState=state)
    findings = guard.inspect(body, strict(guard))
    assert [f.severity for f in findings if f.rule == "liveExport"] == [Severity.HIGH]


@BOTH
@pytest.mark.parametrize("state", UPLOADS)
def test_an_upload_is_medium_and_no_live_export(guard: Guard, state: str) -> None:
    """Off by default; what waits for an upload is told and never enforced."""
    body = body_of(diskState=state)
    rules = strict(guard)
    assert {f.rule for f in guard.inspect(body, rules)} == {*SETTINGS, AUTH}
    rules = {**rules, "import": RuleSettings(Mode.ENFORCE, rules["import"].allowed)}
    (found,) = (f for f in guard.inspect(body, rules) if f.rule not in {*SETTINGS, AUTH})
    mode = Mode.AUDIT if state == "ReadyToUpload" else Mode.ENFORCE
    assert (found.rule, found.severity, found.mode) == ("import", Severity.MEDIUM, mode)


@pytest.mark.parametrize("sku", ["Basic", "Standard", "Premium", None])
@pytest.mark.parametrize("endpoint", ["Approved", "Pending", None])
def test_findings_of_registries_are_high(sku: str | None, endpoint: str | None) -> None:
    """Whoever has the images has the code."""
    guard = container_registry.GUARD
    findings = guard.inspect(registry(sku=sku, endpoint=endpoint), policy.default(GUARDS).of(guard))
    assert [finding.severity for finding in findings] == ["high", "high"]


CHANGING = [g for g in GUARDS if any(rule.kind is Kind.SETTING for rule in g.rules)]


@pytest.mark.parametrize("guard", CHANGING, ids=lambda guard: guard.resource_type)
def test_what_the_guard_cannot_close_is_at_least_high(guard: Guard) -> None:
    """A person has to do it; what the guard does by itself later is no worse than it was."""
    rules = {
        name: RuleSettings(Mode.ENFORCE, one.allowed, options=one.options)
        for name, one in policy.default(GUARDS).of(guard).items()
    }
    attached = body_of(diskState="Attached", networkAccessPolicy="DenyAll")
    bodies = [attached, {**attached, "tags": {"RSVaultBackup": "nightly"}}]
    bodies += [registry(sku=sku, endpoint=None) for sku in ("Basic", "Premium")]
    blocked = [guard.plan(b, guard.inspect(b, rules), rules).blocked for b in bodies]
    assert any(blocked)
    assert {one.severity for one in blocked if one and not one.deferred} == {Severity.HIGH}
    assert {one.severity for one in blocked if one and one.deferred} <= {Severity.MEDIUM}


@pytest.mark.parametrize("guard", CHANGING, ids=lambda guard: guard.resource_type)
def test_the_severity_of_a_rule_is_the_worst_of_its_findings(guard: Guard) -> None:
    """SARIF shows it for the rule as a whole.

    A link is worse than its body shows only where its event names a stranger.
    """
    bodies: list[dict[str, Any]] = [
        merged(registry(), nested("properties.anonymousPullEnabled", True))
    ]
    for network, public, state in itertools.product(
        ("AllowAll", "AllowPrivate", "DenyAll"),
        ("Enabled", "Disabled"),
        ("Unattached", "Attached", "ActiveSAS", "ActiveUpload"),
    ):
        bodies.append(
            body_of(networkAccessPolicy=network, publicNetworkAccess=public, diskState=state)
        )
    rules = {
        name: RuleSettings(Mode.AUDIT, one.allowed, options=one.options)
        for name, one in policy.default(GUARDS).of(guard).items()
    }
    applied = Applied(rules, (), ())
    stranger = [
        finding
        for body in bodies
        for finding in by(applied, guard, body, Mode.AUDIT, START, Granter.FOREIGN).findings
    ]
    for rule in guard.rules:
        if rule.kind is Kind.REPORTED:
            continue
        found = [finding.severity for finding in stranger if finding.rule == rule.id]
        assert max(found, key=lambda severity: severity.rank) == rule.severity


_NETWORKS = ["AllowAll", "AllowPrivate", "DenyAll"]
_PUBLICS = ["Enabled", "Disabled"]
_STATES = ["ActiveSAS", "Unattached", "Attached"]
_LADDERS = (_NETWORKS, _PUBLICS, _STATES)
"""Each from open to closed."""

_STEPS = st.tuples(*(st.integers(0, len(ladder) - 1) for ladder in _LADDERS))


def _body(steps: tuple[int, ...]) -> dict[str, Any]:
    network, public, state = (one[n] for one, n in zip(_LADDERS, steps, strict=True))
    return body_of(networkAccessPolicy=network, publicNetworkAccess=public, diskState=state)


def _opens_a_way(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """AllowAll without public access leads nowhere; AllowPrivate leads to a private endpoint."""
    return before[:2] == (0, 1) and after[0] == 1


@BOTH
@settings(max_examples=150)
@given(_STEPS, _STEPS)
def test_a_stricter_body_is_never_worse(
    guard: Guard, one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """Of each rule: the severity falls or stays, or the finding is gone; it is never below low."""
    looser, stricter = tuple(map(min, one, other)), tuple(map(max, one, other))
    assume(not _opens_a_way(looser, stricter))
    before, after = severities(_body(looser), guard), severities(_body(stricter), guard)
    assert before.keys() >= after.keys()
    assert all(after[rule].rank <= before[rule].rank for rule in after)


_ANY: st.SearchStrategy[object] = st.one_of(
    st.sampled_from([*_NETWORKS, *_PUBLICS, *_STATES, *LIVE, "", None]),
    st.integers(),
    st.booleans(),
    st.lists(st.text(max_size=3), max_size=2),
    st.text(max_size=8),
)


@BOTH
@settings(max_examples=100)
@given(network=_ANY, public=_ANY, state=_ANY, holder=_ANY)
def test_every_finding_has_a_severity_whatever_stands_in_the_body(
    guard: Guard, network: object, public: object, state: object, holder: object
) -> None:
    """A body comes from outside; an unknown value counts as open."""
    settings_: dict[str, Any] = {NETWORK: network, PUBLIC: public, "diskState": state}
    told = severities({**body_of(**settings_), "managedBy": holder}, guard)
    assert set(told.values()) <= {Severity.LOW, Severity.MEDIUM, Severity.HIGH}
    if PUBLIC in told and str(network).lower() not in ("denyall", "allowprivate"):
        assert told[NETWORK] is told[PUBLIC] is not Severity.LOW
