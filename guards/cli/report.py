"""Verdicts for people (a table) and for programs (JSON)."""

import json
from collections.abc import Sequence
from typing import Any, TextIO

from guards.cli.evaluate import Verdict
from guards.engine.events import clean
from guards.engine.model import Plan
from guards.engine.shapes import finding_json


def as_json(verdicts: Sequence[Verdict], out: TextIO) -> None:
    """A list, one object a resource; the keys are a stable interface."""
    json.dump([_object(verdict) for verdict in verdicts], out, indent=2)
    out.write("\n")


def _object(verdict: Verdict) -> dict[str, Any]:
    return {
        "resourceId": verdict.resource_id,
        "resourceType": verdict.resource_type,
        "complianceState": verdict.state,
        "findings": [finding_json(finding) for finding in verdict.findings],
        "plan": _steps(verdict.plan),
        "blocked": verdict.plan.blocked.reason if verdict.plan.blocked else None,
        "exemption": None,
    }


def _steps(plan: Plan) -> list[dict[str, Any]]:
    return [{"step": "patch", "body": step.body} for step in plan.steps]


def as_table(verdicts: Sequence[Verdict], out: TextIO) -> None:
    """One row a resource; colours on a terminal, plain text when piped."""
    if not verdicts:
        out.write("no resource of a guarded type was read\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, width=None if out.isatty() else 160, highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("RESOURCE", "TYPE", "STATE", "FINDINGS", "WHAT THE GUARD WOULD DO"):
        table.add_column(column, overflow="fold")
    for verdict in verdicts:
        table.add_row(
            Text(clean(verdict.resource_id, 300).rpartition("/")[2]),
            Text(verdict.resource_type.rpartition("/")[2]),
            Text(verdict.state, style="green" if verdict.compliant else "red"),
            Text("\n".join(_sentence(verdict)) or "-"),
            Text(_intention(verdict)),
        )
    console.print(table)
    bad = sum(not verdict.compliant for verdict in verdicts)
    resources = "1 resource" if len(verdicts) == 1 else f"{len(verdicts)} resources"
    console.print(f"\n{resources}, {bad} not compliant")


def _sentence(verdict: Verdict) -> list[str]:
    return [
        f"{f.rule} is {clean(f.actual) or 'not set'}, not {f.desired} ({f.severity})"
        for f in verdict.findings
    ]


def _intention(verdict: Verdict) -> str:
    lines = [f"PATCH {json.dumps(step.body)}" for step in verdict.plan.steps]
    if verdict.plan.blocked:
        lines.append(f"blocked: {verdict.plan.blocked.reason}")
    if not lines:
        lines.append("nothing" if verdict.compliant else "alert only (audit)")
    return "\n".join(lines)
