"""What other checkers say of the same resource, and why where Export Guard says otherwise.

Each check reads absent settings and casing as its own source does. "inferred" and "not verified"
in a reason mark what no source says outright. docs/policy.md has the page for people; a test
compares every cell of it with this module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from guards.engine.events import clean
from guards.engine.model import Body
from guards.engine.rules import text_at

_NETWORK = "properties.networkAccessPolicy"
_PUBLIC = "properties.publicNetworkAccess"
_AUTH = "properties.dataAccessAuthMode"
_EXPORTS = "properties.policies.exportPolicy.status"
_PULL = "properties.anonymousPullEnabled"


class Say(StrEnum):
    """What a checker says of one resource."""

    PASSES = "passes"
    FAILS = "fails"
    NOT_APPLICABLE = "not applicable"
    NO_CHECK = "no check"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One check's verdict; `contrast` is for `differs`, should Export Guard's be the other one."""

    checker: str
    check: str
    verdict: Say
    reason: str
    contrast: str = ""


type _Answer = tuple[Say, str, str]
"""Verdict, reason and contrast of an opinion."""


@dataclass(frozen=True, slots=True)
class _Check:
    checker: str
    check: str
    judge: Callable[[Body], _Answer]


def opinions(resource_type: str, body: Body) -> tuple[Opinion, ...]:
    """Each check on the body of a resource, and who has none; nothing for an unguarded type."""
    return tuple(
        Opinion(check.checker, check.check, *check.judge(body))
        for check in _CHECKS.get(resource_type.lower(), ())
    )


def differs(opinion: Opinion, compliant: bool) -> str:
    """Why the verdict is not Export Guard's, `compliant`; "" if it is, or if there is none."""
    opposite = Say.FAILS if compliant else Say.PASSES
    return opinion.contrast if opinion.verdict is opposite else ""


_ACCEPTS_LESS = "; Export Guard's policy accepts less here"
_BY_CASE = "compares the values with their casing; Export Guard ignores it"


def _say(passes: bool) -> Say:
    return Say.PASSES if passes else Say.FAILS


def _is(body: Body, path: str, *values: str) -> bool:
    """Whether the value is one of these, whatever its casing; an absent one is none of them."""
    actual = text_at(body, path)
    return actual is not None and actual.lower() in {value.lower() for value in values}


def _is_exactly(body: Body, path: str, *values: str) -> bool:
    return text_at(body, path) in values


def _shown(body: Body, path: str) -> str:
    value = text_at(body, path)
    return "not set" if value is None else clean(value, 60) or "empty"


def _they_are(body: Body, first: str, second: str) -> str:
    if text_at(body, first) is None and text_at(body, second) is None:
        return "neither is set"
    return f"they are {_shown(body, first)} and {_shown(body, second)}"


def _as_policy_reads_absence(body: Body, *paths: str) -> str:
    """`notIn` and `notEquals` hold on an absent field; said where it may decide."""
    if all(text_at(body, path) is not None for path in paths):
        return ""
    return "; Azure Policy counts an absent setting as open (inferred, not verified)"


def _disk_network_contrast(body: Body) -> str:
    """Why a check that passes the network settings of a disk asks for less than `strict`."""
    if not _both_closed(body):
        return "counts either setting as enough; Export Guard's strict profile wants both"
    if _is(body, _NETWORK, "AllowPrivate"):
        return "counts AllowPrivate as closed; Export Guard's strict profile wants DenyAll"
    return "looks at network access only; Export Guard can look at dataAccessAuthMode, too"


def _both_closed(body: Body) -> bool:
    restricted = _is(body, _NETWORK, "DenyAll", "AllowPrivate")
    return restricted and _is(body, _PUBLIC, "Disabled")


def _policy_disk_network(body: Body) -> _Answer:
    restricted = _is(body, _NETWORK, "DenyAll", "AllowPrivate")
    values = _they_are(body, _NETWORK, _PUBLIC)
    reason = (
        "fails only if networkAccessPolicy is neither DenyAll nor AllowPrivate and "
        f"publicNetworkAccess is not Disabled; {values}"
    )
    if restricted or _is(body, _PUBLIC, "Disabled"):
        return Say.PASSES, reason, _disk_network_contrast(body)
    reason += _as_policy_reads_absence(body, _NETWORK, _PUBLIC)
    return Say.FAILS, reason, f"wants one of the two settings closed{_ACCEPTS_LESS}"


_WANTS_BOTH = f"wants both settings closed{_ACCEPTS_LESS}"


def _both_wanted(body: Body) -> str:
    values = _they_are(body, _NETWORK, _PUBLIC)
    wanted = "wants networkAccessPolicy DenyAll or AllowPrivate and publicNetworkAccess Disabled"
    return f"{wanted}; {values}"


def _cis_disk_network(body: Body) -> _Answer:
    passes = _both_closed(body)
    contrast = _disk_network_contrast(body) if passes else _WANTS_BOTH
    return _say(passes), _both_wanted(body), contrast


def _steampipe_disk_network(body: Body) -> _Answer:
    restricted = _is_exactly(body, _NETWORK, "DenyAll", "AllowPrivate")
    if restricted and _is_exactly(body, _PUBLIC, "Disabled"):
        return Say.PASSES, _both_wanted(body), _disk_network_contrast(body)
    contrast = _BY_CASE if _both_closed(body) else _WANTS_BOTH
    return Say.FAILS, _both_wanted(body), contrast


def _checkov_disk(body: Body) -> _Answer:
    reason = (
        "reads Terraform, and fails if public_network_access_enabled is true or left out; "
        f"in Azure publicNetworkAccess is {_shown(body, _PUBLIC)}"
    )
    if _is(body, _PUBLIC, "Disabled"):  # a boolean in Terraform: casing does not get there
        contrast = "looks at publicNetworkAccess only; Export Guard at networkAccessPolicy, too"
        return Say.PASSES, reason, contrast
    contrast = "wants publicNetworkAccess Disabled whatever networkAccessPolicy is"
    return Say.FAILS, reason, contrast + _ACCEPTS_LESS


def _auth_mode(body: Body, passes: bool, note: str = "") -> _Answer:
    reason = f"wants dataAccessAuthMode AzureActiveDirectory; it is {_shown(body, _AUTH)}{note}"
    if passes:
        contrast = "looks at dataAccessAuthMode only; Export Guard at network access, too"
        return Say.PASSES, reason, contrast
    if _is(body, _AUTH, "AzureActiveDirectory"):
        return Say.FAILS, reason, _BY_CASE
    contrast = "wants dataAccessAuthMode AzureActiveDirectory; Export Guard's rule for it is off"
    return Say.FAILS, reason, f"{contrast} unless the policy turns it on"


def _policy_disk_auth(body: Body) -> _Answer:
    passes = _is(body, _AUTH, "AzureActiveDirectory")
    return _auth_mode(body, passes, _as_policy_reads_absence(body, _AUTH))


def _cis_disk_auth(body: Body) -> _Answer:
    return _auth_mode(body, _is(body, _AUTH, "AzureActiveDirectory"))


def _steampipe_disk_auth(body: Body) -> _Answer:
    return _auth_mode(body, _is_exactly(body, _AUTH, "AzureActiveDirectory"))


_PUBLIC_ONLY = "looks at public network access only; Export Guard at exports, too"
_WANTS_NO_PUBLIC = f"wants public network access disabled{_ACCEPTS_LESS}"


def _exports_off(body: Body) -> bool:
    return _is(body, _EXPORTS, "disabled") and _is(body, _PUBLIC, "Disabled")


def _exports_contrast(passes: bool) -> str:
    if passes:
        return "looks at exports and public network access only; Export Guard's policy wants more"
    return f"wants exports and public network access disabled{_ACCEPTS_LESS}"


def _policy_exports(body: Body) -> _Answer:
    passes = _exports_off(body)
    reason = (
        "fails if exportPolicy or publicNetworkAccess is not Disabled, in every tier; "
        f"{_they_are(body, _EXPORTS, _PUBLIC)}{_as_policy_reads_absence(body, _EXPORTS, _PUBLIC)}"
    )
    return _say(passes), reason, _exports_contrast(passes)


def _policy_registry_public(body: Body) -> _Answer:
    passes = _is(body, _PUBLIC, "Disabled")
    reason = (
        f"fails if publicNetworkAccess is not Disabled; it is {_shown(body, _PUBLIC)}"
        f"{_as_policy_reads_absence(body, _PUBLIC)}"
    )
    return _say(passes), reason, _PUBLIC_ONLY if passes else _WANTS_NO_PUBLIC


def _policy_anonymous_pull(body: Body) -> _Answer:
    passes = not _is(body, _PULL, "true")
    reason = f"fails only if anonymousPullEnabled is true; it is {_shown(body, _PULL)}"
    if passes:
        return Say.PASSES, reason, "looks at anonymous pull only; Export Guard at exports, too"
    contrast = "wants anonymousPullEnabled false; Export Guard's rule for it is off"
    return Say.FAILS, reason, f"{contrast} unless the policy turns it on"


def _psrule_exports(body: Body) -> _Answer:
    if not _is(body, "sku.name", "Premium") and not _is(body, "sku.tier", "Premium"):
        tier = _shown(body, "sku.name")
        return Say.NOT_APPLICABLE, f"is for Premium registries only; the tier is {tier}", ""
    if text_at(body, _EXPORTS) is None:
        reason = "is not evaluated where exportPolicy is not set (inferred from its unit tests)"
        return Say.NOT_APPLICABLE, reason, ""
    passes = _exports_off(body)
    reason = (
        f"wants exportPolicy and publicNetworkAccess disabled; {_they_are(body, _EXPORTS, _PUBLIC)}"
        " (inferred from its documentation and unit tests)"
    )
    return _say(passes), reason, _exports_contrast(passes)


def _checkov_registry(body: Body) -> _Answer:
    passes = _is_exactly(body, _PUBLIC, "Disabled")
    reason = f"wants publicNetworkAccess set to Disabled; it is {_shown(body, _PUBLIC)}"
    if passes:
        return Say.PASSES, reason, _PUBLIC_ONLY
    return Say.FAILS, reason, _BY_CASE if _is(body, _PUBLIC, "Disabled") else _WANTS_NO_PUBLIC


def _steampipe_registry(body: Body) -> _Answer:
    reason = f"fails only if publicNetworkAccess is Enabled; it is {_shown(body, _PUBLIC)}"
    if _is_exactly(body, _PUBLIC, "Enabled"):
        return Say.FAILS, reason, _WANTS_NO_PUBLIC
    if _is(body, _PUBLIC, "Disabled"):
        return Say.PASSES, reason, _PUBLIC_ONLY
    if _is(body, _PUBLIC, "Enabled"):
        return Say.PASSES, reason, _BY_CASE
    contrast = "counts anything but Enabled as closed; for Export Guard absent means Enabled"
    return Say.PASSES, reason, contrast


def _always(verdict: Say, reason: str) -> Callable[[Body], _Answer]:
    return lambda _: (verdict, reason, "")


def _none(reason: str) -> Callable[[Body], _Answer]:
    return _always(Say.NO_CHECK, reason)


_AUTH_POLICY = (
    "c3921d55 Protect your data with authentication requirements when exporting or uploading to a "
    "disk or snapshot. (1.0.0)"
)
_CIS = "Azure Compute Services Benchmark 2.0"
_CIS_NETWORK = f"{_CIS}, 20.4: network access (Foundations 3.0: 8.5)"
_CIS_AUTH = f"{_CIS}, 20.5: data access authentication mode (Foundations 3.0: 8.6)"
_MISSION = "no built-in for general use covers snapshots; 44a0b5ee is for Mission Platform only"
_CIS_SNAPSHOTS = (
    "its text names snapshots, but its audit steps are for managed disks only (read in Foundations "
    "3.0, 8.5; not verified for other editions)"
)
_STEAMPIPE_SNAPSHOTS = (
    "cannot see them: its snapshot table lacks publicNetworkAccess and dataAccessAuthMode"
)

_DISK_CHECKS = (
    _Check(
        "Azure Policy",
        "8405fdab Managed disks should disable public network access (2.1.0)",
        _policy_disk_network,
    ),
    _Check("Azure Policy", _AUTH_POLICY, _policy_disk_auth),
    _Check("CIS", _CIS_NETWORK, _cis_disk_network),
    _Check("CIS", _CIS_AUTH, _cis_disk_auth),
    _Check(
        "Checkov",
        "CKV_AZURE_251 Ensure Azure Virtual Machine disks are configured without public network "
        "access",
        _checkov_disk,
    ),
    _Check("Steampipe", "compute_disk_public_access_disabled", _steampipe_disk_network),
    _Check("Steampipe", "compute_disk_data_access_auth_mode_enabled", _steampipe_disk_auth),
    _Check("PSRule", "export settings", _none("no rule on the exports of disks was found")),
)
_SNAPSHOT_CHECKS = (
    _Check("Azure Policy", "network access", _none(_MISSION)),
    _Check(
        "Azure Policy",
        _AUTH_POLICY,
        _always(Say.NOT_APPLICABLE, "covers disks only, in spite of its name"),
    ),
    _Check("CIS", "export settings", _none(_CIS_SNAPSHOTS)),
    _Check("Checkov", "export settings", _none("CKV_AZURE_251 knows azurerm_managed_disk only")),
    _Check("Steampipe", "export settings", _none(_STEAMPIPE_SNAPSHOTS)),
    _Check("PSRule", "export settings", _none("no rule on the exports of snapshots was found")),
)
_REGISTRY_CHECKS = (
    _Check(
        "Azure Policy",
        "524b0254 Container registries should have exports disabled (1.0.0)",
        _policy_exports,
    ),
    _Check(
        "Azure Policy",
        "0fdf0491 Public network access should be disabled for Container registries (1.0.0)",
        _policy_registry_public,
    ),
    _Check(
        "Azure Policy",
        "9f2dea28 Container registries should have anonymous authentication disabled. (1.0.0)",
        _policy_anonymous_pull,
    ),
    _Check(
        "Azure Policy",
        "ff05e24e Container registries should have repository scoped access token disabled. "
        "(1.0.0)",
        _always(Say.NOT_APPLICABLE, "judges each token, not the registry"),
    ),
    _Check(
        "Azure Policy",
        "84497762 Container registries should prevent cache rule creation (1.0.0)",
        _always(Say.NOT_APPLICABLE, "judges each cache rule, not the registry"),
    ),
    _Check("CIS", "exports", _none("no recommendation on the exports of registries was found")),
    _Check(
        "Checkov",
        "CKV_AZURE_139 Ensure ACR set to disable public networking",
        _checkov_registry,
    ),
    _Check("Steampipe", "container_registry_public_network_access_disabled", _steampipe_registry),
    _Check("PSRule", "Azure.ACR.ExportPolicy", _psrule_exports),
)

_CHECKS = {
    "microsoft.compute/disks": _DISK_CHECKS,
    "microsoft.compute/snapshots": _SNAPSHOT_CHECKS,
    "microsoft.containerregistry/registries": _REGISTRY_CHECKS,
}
