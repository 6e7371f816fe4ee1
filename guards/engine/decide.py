"""The one decision about a resource, for every way in: event, queue, sweep and command line.

Settings by the scopes the resource is within, exemptions by the clock that is passed in, links by
who handed them out, and all of it under the cap of GUARD_MODE.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from guards.engine.ids import ResourceId
from guards.engine.model import (
    Body,
    ComplianceState,
    Finding,
    Granter,
    Guard,
    Mode,
    Severity,
)
from guards.engine.policy import Applied, Policy
from guards.engine.policy.exemptions import Exemption


@dataclass(frozen=True, slots=True)
class Verdict:
    """`findings` are what deviates and is not exempt; `to_close` those the policy enforces.

    `exempted` are findings that an exemption covers, `exempting` the ones they hang on, in the same
    order, `exemption` that of these which ends first; `applied` is what the policy says about this
    resource.
    """

    state: ComplianceState
    applied: Applied
    findings: tuple[Finding, ...] = ()
    to_close: tuple[Finding, ...] = ()
    exempted: tuple[Finding, ...] = ()
    exempting: tuple[Exemption, ...] = ()
    exemption: Exemption | None = None

    def exemption_of(self, rule: str) -> Exemption | None:
        """What the finding of a rule hangs on; None if it is not exempt."""
        pairs = zip(self.exempted, self.exempting, strict=True)
        return next((one for finding, one in pairs if finding.rule == rule), None)

    def leave(self) -> str:
        """Which findings are exempt, until when, and by whom."""
        rules: dict[str, list[str]] = {}
        for finding, exemption in zip(self.exempted, self.exempting, strict=True):
            rules.setdefault(str(exemption), []).append(finding.rule)
        return "; ".join(f"{', '.join(names)} exempt: {why}" for why, names in rules.items())


def decide(
    guard: Guard,
    resource: ResourceId | None,
    body: Body,
    policy: Policy,
    cap: Mode,
    now: datetime,
    granter: Granter = Granter.NOBODY,
) -> Verdict:
    """A finding in audit mode is still NonCompliant; only a rule that is off is not looked at."""
    applied = policy.applied(guard, resource, body)
    if _left_out(guard, resource, body, policy, now):
        return Verdict(ComplianceState.COMPLIANT, applied)
    return by(applied, guard, body, cap, now, granter)


def by(
    applied: Applied,
    guard: Guard,
    body: Body,
    cap: Mode,
    now: datetime,
    granter: Granter = Granter.NOBODY,
) -> Verdict:
    """The verdict by settings and exemptions that are known to apply."""
    seen = guard.inspect(body, applied.rules) if cap is not Mode.OFF else ()
    if seen and guard.links is not None:
        seen = _granted(seen, guard, applied, granter)
    if not seen:
        return Verdict(ComplianceState.COMPLIANT, applied)
    used = {finding.rule: _exempting(finding.rule, applied, now) for finding in seen}
    exempted = tuple(finding for finding in seen if used[finding.rule])
    left = tuple(finding for finding in seen if not used[finding.rule])
    return Verdict(
        ComplianceState.NON_COMPLIANT if left else ComplianceState.EXEMPT,
        applied,
        findings=left,
        to_close=tuple(f for f in left if f.mode.capped(cap) is Mode.ENFORCE),
        exempted=exempted,
        exempting=tuple(e for e in used.values() if e),
        exemption=min((e for e in used.values() if e), key=_end, default=None),
    )


def _left_out(
    guard: Guard, resource: ResourceId | None, body: Body, policy: Policy, now: datetime
) -> bool:
    """Whether the policy says elsewhere that nothing here is worth a word.

    Rights that an exporter gets, and what is looked at only where the policy lists it.
    """
    if guard.beneficiary is not None and resource is not None:
        principal = guard.beneficiary(body)
        return bool(principal) and policy.exports(principal, resource, now) is not None
    if not guard.listed_by:
        return False
    return resource is None or resource.key not in _listed(policy, guard.listed_by)


@lru_cache(maxsize=8)
def _listed(policy: Policy, option: str) -> frozenset[str]:
    """Everything that an option of this name lists anywhere in a policy, lower case."""
    settings = [
        named
        for layer in policy.layers
        for rules in (layer.given or {}).values()
        for named in rules.values()
    ]
    return frozenset(entry.lower() for named in settings for entry in named.get(option) or ())


def _granted(
    seen: tuple[Finding, ...], guard: Guard, applied: Applied, granter: Granter
) -> tuple[Finding, ...]:
    """Findings with the link that is out judged by who handed it out.

    An exporter's is none; a stranger's is the worst; one nobody knows of looks like a backup's,
    and is only reported unless the policy says revoke.
    """
    assert guard.links is not None
    name = guard.links.rule
    if granter is Granter.EXPORTER:
        return tuple(finding for finding in seen if finding.rule != name)
    if granter is Granter.FOREIGN:
        return tuple(
            replace(one, severity=Severity.CRITICAL) if one.rule == name else one for one in seen
        )
    if applied.rules[name].options.get("unknown_granter") == "revoke":
        return seen
    return tuple(replace(one, mode=Mode.AUDIT) if one.rule == name else one for one in seen)


def _exempting(rule: str, applied: Applied, now: datetime) -> Exemption | None:
    """The exemption that a finding hangs on: of several the one that lasts longest."""
    counting = (one for one in applied.exemptions if one.counts(rule, now))
    return max(counting, key=_end, default=None)


def _end(exemption: Exemption) -> datetime:
    return exemption.expires_on
