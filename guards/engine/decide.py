"""From findings to a verdict: which of them may be closed, under the cap of GUARD_MODE."""

from collections.abc import Sequence
from dataclasses import dataclass

from guards.engine.model import ComplianceState, Finding, Mode


@dataclass(frozen=True, slots=True)
class Verdict:
    """`findings` are all that deviates; `to_close` those the policy enforces."""

    state: ComplianceState
    findings: tuple[Finding, ...] = ()
    to_close: tuple[Finding, ...] = ()


def decide(findings: Sequence[Finding], cap: Mode) -> Verdict:
    """A finding in audit mode is still NonCompliant; only a rule that is off is not looked at."""
    seen = tuple(finding for finding in findings if finding.mode.capped(cap) is not Mode.OFF)
    if not seen:
        return Verdict(ComplianceState.COMPLIANT)
    to_close = tuple(finding for finding in seen if finding.mode.capped(cap) is Mode.ENFORCE)
    return Verdict(ComplianceState.NON_COMPLIANT, seen, to_close)
