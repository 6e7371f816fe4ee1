"""Verdicts for people (a table) and for programs (JSON)."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from guards.cli.judge import Judged
from guards.engine.events import clean
from guards.engine.model import (
    ComplianceState,
    DeleteChild,
    Mode,
    Patch,
    Plan,
    RevokeAccess,
    Step,
)
from guards.engine.policy.exemptions import Exemption
from guards.engine.reconcile import described
from guards.engine.shapes import finding_json, timestamp

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {
    ComplianceState.COMPLIANT: "green",
    ComplianceState.EXEMPT: "cyan",
    ComplianceState.UNKNOWN: "yellow",
    ComplianceState.NON_COMPLIANT: "red",
}


def as_json(verdicts: Sequence[Judged], out: TextIO) -> None:
    """A list, one object a resource; the keys are a stable interface."""
    dump([verdict_json(verdict) for verdict in verdicts], out)


def left_out(count: int) -> str:
    """The note about resources of other types."""
    return f"{count} resources of types that are not guarded were left out"


def dump(document: Any, out: TextIO) -> None:
    """JSON as all commands write it."""
    json.dump(document, out, indent=2)
    out.write("\n")


def verdict_json(verdict: Judged) -> dict[str, Any]:
    """One verdict, as `evaluate --format json` promises it."""
    exemption = verdict.verdict.exemption
    return {
        "resourceId": verdict.resource_id,
        "resourceType": verdict.guard.resource_type,
        "complianceState": verdict.state,
        "findings": [finding_json(finding) for finding in verdict.findings],
        "plan": steps_json(verdict.plan),
        "blocked": verdict.plan.blocked.reason if verdict.plan.blocked else None,
        "exemption": exemption_json(exemption) if exemption else None,
    }


def steps_json(plan: Plan) -> list[dict[str, Any]]:
    """The steps of a plan as data."""
    return [_step_json(step) for step in plan.steps]


def _step_json(step: Step) -> dict[str, Any]:
    match step:
        case Patch():
            return {"step": "patch", "body": step.body}
        case RevokeAccess():
            return {"step": "revokeAccess"}
        case DeleteChild():
            return {"step": "deleteChild", "type": step.type, "name": step.name}


def exemption_json(exemption: Exemption) -> dict[str, Any]:
    """An exemption as data."""
    tag = exemption.tag
    return {
        "scope": exemption.scope.text if exemption.scope else None,
        "tag": {"name": tag.name, "values": list(tag.values)} if tag else None,
        "rules": list(exemption.rules),
        "reason": exemption.reason,
        "owner": exemption.owner,
        "approvedBy": exemption.approved_by,
        "ticket": exemption.ticket,
        "expiresOn": timestamp(exemption.expires_on),
    }


def console(out: TextIO) -> "Console":
    """Colours and the terminal's width, or plain text 160 wide when piped."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            """Not rich's exit 1, which would mean that something is not compliant."""
            raise BrokenPipeError

    return Quiet(file=out, width=None if out.isatty() else 160, highlight=False, soft_wrap=False)


def table(columns: Iterable[str]) -> "Table":
    """A table without lines; the title of a column of numbers begins with >."""
    from rich.table import Table

    found = Table(box=None, header_style="bold", pad_edge=False)
    for title in columns:
        numbers = title.startswith(">")
        found.add_column(title.lstrip(">"), justify="right" if numbers else "left", overflow="fold")
    return found


def as_table(verdicts: Sequence[Judged], out: TextIO) -> None:
    """One row a resource."""
    if not verdicts:
        out.write("no resource of a guarded type was read\n")
        return
    from rich.text import Text

    rows = table(("RESOURCE", "TYPE", "STATE", "FINDINGS", "WHAT THE GUARD WOULD DO"))
    for verdict in verdicts:
        rows.add_row(
            Text(_name(verdict.resource_id)),
            Text(verdict.guard.resource_type.rpartition("/")[2]),
            Text(verdict.state, style=COLOURS[verdict.state]),
            Text("\n".join(sentences(verdict)) or "-"),
            Text(intention(verdict)),
        )
    screen = console(out)
    screen.print(rows)
    screen.print(f"\n{_count(verdicts)}")


def _name(resource_id: str) -> str:
    """The last part of an ID; a name that is not known yet is no ID."""
    shown = clean(resource_id, 300)
    return shown.rpartition("/")[2] if shown.startswith("/") else shown


def _count(verdicts: Sequence[Judged]) -> str:
    """`2 resources, 1 not compliant`, and how many are exempt or unknown."""
    states = [verdict.state for verdict in verdicts]
    bad = states.count(ComplianceState.NON_COMPLIANT)
    parts = ["1 resource" if len(states) == 1 else f"{len(states)} resources"]
    parts.append(f"{bad} not compliant")
    rarer = (ComplianceState.EXEMPT, ComplianceState.UNKNOWN)
    parts += [f"{states.count(state)} {state.lower()}" for state in rarer if state in states]
    return ", ".join(parts)


def sentences(verdict: Judged) -> list[str]:
    """What deviates, a sentence each."""
    exempt = {finding.rule for finding in verdict.verdict.exempted}
    found = []
    for finding in verdict.findings:
        actual = clean(finding.actual) or "not set"
        if finding.rule in verdict.unknown and actual.startswith("["):
            text = f"{finding.rule} is not known before deployment: {actual}"
        elif finding.rule in verdict.unknown:
            text = f"{finding.rule} is {actual}; whether that is fine is not known yet"
        else:
            text = f"{finding.rule} is {actual}, not {finding.desired} ({finding.severity})"
        found.append(f"{text}, exempt" if finding.rule in exempt else text)
    return found


def _why_only(verdict: Judged) -> str:
    """A file does not tell who took a link; an event does, and then it may be revoked."""
    links, rules = verdict.guard.links, verdict.verdict.applied.rules
    found = {finding.rule for finding in verdict.findings}
    if links and found == {links.rule} and rules[links.rule].mode is Mode.ENFORCE:
        return "nobody knows who took the link; a stranger's is revoked at its event"
    return "audit"


def intention(verdict: Judged) -> str:
    """What the guard would do."""
    lines = [described(step) for step in verdict.plan.steps]
    if verdict.plan.blocked:
        lines.append(f"blocked: {verdict.plan.blocked.reason}")
    if verdict.verdict.exemption:
        lines.append(f"exempt {clean(str(verdict.verdict.exemption), 600)}")
    if not lines and verdict.state is ComplianceState.NON_COMPLIANT:
        lines.append(f"alert only ({_why_only(verdict)})")
    if not lines and verdict.verdict.applied.off:
        lines.append("nothing: the policy does not look at it (every rule is off here)")
    return "\n".join(lines) or "nothing"
