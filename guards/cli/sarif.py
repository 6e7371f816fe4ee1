"""Verdicts as SARIF 2.1.0, for code scanning in GitHub and Azure DevOps.

The same input gives the same bytes, no times and no random IDs, so that reviews can compare them.
Exempt findings are results with a suppression; unknown ones have the kind `open`, SARIF's word for
what cannot be decided, which leaves them no level but `none`.
"""

import os
import re
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from guards import GUARDS
from guards.cli import report
from guards.cli.evaluate import Evaluated, Remark, name_of
from guards.cli.judge import Judged
from guards.engine.alerts import digest
from guards.engine.events import clean
from guards.engine.ids import MAX_LENGTH
from guards.engine.model import Finding, Guard, Rule, Severity
from guards.engine.policy.exemptions import Exemption
from guards.engine.rules import at
from guards.engine.shapes import timestamp

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
"""GitHub's `security-severity`: above 9 it shows critical, from 7 high, from 4 medium."""


def write(result: Evaluated, out: TextIO) -> None:
    """One run: a rule for each setting of the catalogue, a result for each finding.

    Remarks are notifications, of level error if something could not be read.
    """
    report.dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(result)]}, out)


def _run(result: Evaluated) -> dict[str, Any]:
    rules = [_rule(guard, rule) for guard in GUARDS for rule in guard.rules]
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    return {
        "tool": {"driver": {"name": "Export Guard", "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": not any(remark.mistake for remark in result.remarks),
                "toolExecutionNotifications": [_notification(remark) for remark in result.remarks],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(verdict, finding, numbers)
            for verdict in result.verdicts
            for finding in verdict.findings
        ],
    }


# Rules -------------------------------------------------------------------------------------------


def _rule_id(guard: Guard, rule: str) -> str:
    return f"{guard.resource_type.rpartition('/')[2]}/{rule}"


def _rule(guard: Guard, rule: Rule) -> dict[str, Any]:
    """A reportingDescriptor. Its texts have no braces, which SARIF would take for placeholders."""
    kind = guard.resource_type.rpartition("/")[2]
    parent, _, name = rule.path.rpartition(".")
    return {
        "id": _rule_id(guard, rule.id),
        "name": f"{kind[0].upper()}{kind[1:]}{rule.id[0].upper()}{rule.id[1:]}",
        "shortDescription": {"text": f"{rule.id} of {kind} should be {rule.desired}"},
        "fullDescription": {
            "text": f"{rule.path} of {guard.resource_type} decides who can take data out of the "
            f"resource. Azure knows {', '.join(rule.values)}; {rule.desired} is always allowed, "
            "others are if the policy says so."
        },
        "help": {
            "text": f"Compliant: {rule.path} is {rule.desired}, or whatever else the policy allows "
            f'for the resource.\nIn the template: write "{name}": "{rule.desired}" in {parent} '
            f"of the resource.\nLeft out: Azure's default is {rule.when_absent}, which is not "
            "compliant."
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "security-severity": SCORES[rule.severity],
            "tags": ["security", "azure", "data-exfiltration"],
        },
    }


# Results -----------------------------------------------------------------------------------------


def _result(verdict: Judged, finding: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    rule_id = _rule_id(verdict.guard, finding.rule)
    unknown = finding.rule in verdict.unknown
    exemption = verdict.verdict.exemption_of(finding.rule)
    full_name = clean(verdict.resource_id, MAX_LENGTH)
    line = verdict.lines.get(finding.rule, verdict.line)
    return {
        "ruleId": rule_id,
        "ruleIndex": numbers[rule_id],
        "kind": "open" if unknown else "fail",
        "level": "none" if unknown else _LEVELS[finding.severity],
        "message": _message(" ".join(_sentences(verdict, finding, exemption))),
        "locations": [
            {
                "physicalLocation": _place(verdict.file, line),
                "logicalLocations": [{"fullyQualifiedName": full_name, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"resourceAndRule/v1": _fingerprint(verdict, finding)},
        # Of all results or of none, says SARIF: an empty list means "not suppressed".
        "suppressions": [_suppression(exemption)] if exemption else [],
    }


def _fingerprint(verdict: Judged, finding: Finding) -> str:
    """The same wherever the resource stands in the file, and in whatever casing."""
    return digest(verdict.guard.resource_type, verdict.resource_id.lower(), finding.rule)


def _suppression(exemption: Exemption) -> dict[str, Any]:
    return {
        "kind": "external",
        "status": "accepted",
        "justification": clean(exemption.reason, 500),
        "properties": {
            "owner": clean(exemption.owner),
            "approvedBy": clean(exemption.approved_by),
            "ticket": clean(exemption.ticket),
            "until": timestamp(exemption.expires_on),
        },
    }


# Texts -------------------------------------------------------------------------------------------


def _message(text: str) -> dict[str, str]:
    """Braces would be placeholders, and `](` could make a link of somebody's name."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "] (")}


def _name(verdict: Judged) -> str:
    name = clean(verdict.resource_id, MAX_LENGTH)
    if name.startswith("/"):  # an ID; a name may be an expression with a / anywhere
        name = name.rpartition("/")[2]
    return f"{clean(name) or 'a resource without a name'} ({verdict.guard.resource_type})"


def _sentences(verdict: Judged, finding: Finding, exemption: Exemption | None) -> list[str]:
    """What it is, what it should be, and what keeps the guard from closing it."""
    found = [f"{finding.rule} of {_name(verdict)} {_is(verdict, finding)}."]
    blocked = verdict.plan.blocked
    if blocked and finding.rule in blocked.rules:
        found.append(f"The guard cannot close it: {blocked.reason}")
    if exemption:
        found.append(f"It is exempt {exemption}.")
    return found


def _is(verdict: Judged, finding: Finding) -> str:
    actual = None if finding.actual is None else clean(finding.actual) or '""'
    wanted = f"and should be {finding.desired}"
    if finding.rule in verdict.unknown and actual and at(verdict.body, finding.path) is None:
        return f"is known only at deployment, {actual}, {wanted}"
    if actual is None:
        (default,) = (r.when_absent for r in verdict.guard.rules if r.id == finding.rule)
        actual = f"not set, which means {default},"
    if finding.rule in verdict.unknown:  # a listed disk access, or another rule that is enough
        return f"is {actual} {wanted}, unless what is known only at deployment makes it compliant"
    return f"is {actual} {wanted}"


# Places and notifications ------------------------------------------------------------------------

_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Of surrogate pairs, but for those that Python makes of bytes: no file has them in its name."""


def _uri(file: str) -> str:
    """Relative if the path is, else file://; percent-encoded, with / on every system."""
    if file == name_of("-"):
        return "stdin"
    path = Path(_HALVES.sub("\ufffd", file))
    if path.is_absolute():
        return (path.resolve() if ".." in path.parts else path).as_uri()
    return quote(os.fsencode(path.as_posix()))


def _place(file: str, line: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    return {**place, "region": {"startLine": line}} if line else place


def _notification(remark: Remark) -> dict[str, Any]:
    return {
        "level": "error" if remark.mistake else "note",
        "message": _message(clean(remark.text, 1000)),
        "locations": [{"physicalLocation": _place(remark.file, remark.line)}],
    }
