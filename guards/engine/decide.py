"""The one decision about a resource, for every way in: event, queue, sweep and command line.

Settings by the scopes the resource is within, exemptions by the clock that is passed in, and all
of it under the cap of GUARD_MODE.
"""

from dataclasses import dataclass
from datetime import datetime

from guards.engine.ids import ResourceId
from guards.engine.model import Body, ComplianceState, Finding, Guard, Mode
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
) -> Verdict:
    """A finding in audit mode is still NonCompliant; only a rule that is off is not looked at."""
    return by(policy.applied(guard, resource, body), guard, body, cap, now)


def by(applied: Applied, guard: Guard, body: Body, cap: Mode, now: datetime) -> Verdict:
    """The verdict by settings and exemptions that are known to apply."""
    seen = guard.inspect(body, applied.rules) if cap is not Mode.OFF else ()
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


def _exempting(rule: str, applied: Applied, now: datetime) -> Exemption | None:
    """The exemption that a finding hangs on: of several the one that lasts longest."""
    counting = (one for one in applied.exemptions if one.counts(rule, now))
    return max(counting, key=_end, default=None)


def _end(exemption: Exemption) -> datetime:
    return exemption.expires_on
