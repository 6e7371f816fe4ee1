"""Resources in files, judged and planned by the engine exactly as an event's resource would be."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guards import GUARDS
from guards.engine.catalogue import by_type
from guards.engine.decide import decide
from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Body, ComplianceState, Finding, Guard, Mode, Plan
from guards.engine.policy import Policy

_ENVELOPE = {
    "apiVersion",
    "etag",
    "extendedLocation",
    "id",
    "identity",
    "kind",
    "location",
    "managedBy",
    "managedByExtended",
    "name",
    "plan",
    "resourceGroup",
    "sku",
    "subscriptionId",
    "systemData",
    "tags",
    "tenantId",
    "type",
    "zones",
}
"""What stands beside `properties` in ARM's form of a resource."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard would find in one resource, and do about it."""

    resource_id: str
    resource_type: str
    state: ComplianceState
    findings: tuple[Finding, ...]
    plan: Plan

    @property
    def compliant(self) -> bool:
        """Whether nothing deviates."""
        return self.state is ComplianceState.COMPLIANT


def run(files: Sequence[str], policy: Policy) -> tuple[list[Verdict], list[str], int]:
    """Judge every resource in the files: verdicts, mistakes with their place, how many skipped."""
    verdicts: list[Verdict] = []
    mistakes: list[str] = []
    skipped = 0
    for file in files:
        try:
            rows = list(_rows(_document(file)))
        except Unreadable as e:
            mistakes.append(f"{_name(file)}: {e}")
            continue
        for place, row in rows:
            try:
                verdict = _judge(row, policy)
            except Unreadable as e:
                mistakes.append(f"{_name(file)}: {place}: {e}")
                continue
            if verdict is None:
                skipped += 1
            else:
                verdicts.append(verdict)
    return verdicts, mistakes, skipped


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _document(file: str) -> Any:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise Unreadable(f"cannot be read: {getattr(e, 'strerror', None) or e}") from e
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise Unreadable(f"line {e.lineno}, column {e.colno}: not JSON: {e.msg}") from e
    except ValueError as e:  # a number of thousands of digits
        raise Unreadable(f"not JSON: {e}") from e
    except RecursionError as e:
        raise Unreadable("not JSON of a reasonable depth") from e


def _rows(document: Any) -> Iterator[tuple[str, Any]]:
    """Places and resources: one, a list, or what `az graph query` and ARM lists wrap around it."""
    if isinstance(document, Mapping) and "type" not in document:
        for key in ("data", "value"):
            if isinstance(document.get(key), list):
                yield from ((f"{key}[{i}]", row) for i, row in enumerate(document[key]))
                return
    if isinstance(document, list):
        yield from ((f"[{i}]", row) for i, row in enumerate(document))
    else:
        yield "the resource", document


def _judge(row: Any, policy: Policy) -> Verdict | None:
    """The verdict on one resource; None if its type is not guarded."""
    if not isinstance(row, Mapping):
        raise Unreadable(f"a resource is an object, not {type(row).__name__}")
    if not isinstance(row.get("id"), str) and not isinstance(row.get("type"), str):
        raise Unreadable("neither id nor type: not an ARM resource")
    resource_id = str(row.get("id") or row.get("name") or "")
    guard = _guard_of(row)
    if guard is None:
        return None
    body = _as_arm(row)
    rules = policy.of(guard)
    verdict = decide(guard.inspect(body, rules), Mode.ENFORCE)
    plan = guard.plan(body, verdict.to_close, rules)
    return Verdict(resource_id, guard.resource_type, verdict.state, verdict.findings, plan)


def _guard_of(row: Mapping[str, Any]) -> Guard | None:
    type_ = row.get("type")
    if not isinstance(type_, str):
        type_ = ResourceId.parse(row["id"]).type
    return by_type(GUARDS).get(type_.lower())


def _as_arm(row: Mapping[str, Any]) -> Body:
    """ARM's form: `az disk list` and its like write the properties beside id and type."""
    properties = row.get("properties")
    if isinstance(properties, Mapping):
        return row
    if properties is not None:
        raise Unreadable(f"properties: an object is needed, not {type(properties).__name__}")
    flat = {key: _child(value) for key, value in row.items() if key not in _ENVELOPE}
    return {**{key: row[key] for key in row if key in _ENVELOPE}, "properties": flat}


def _child(value: Any) -> Any:
    """Child resources in a list (private endpoint connections) are flattened like their parent."""
    if not isinstance(value, list):
        return value
    return [_as_arm(i) if isinstance(i, Mapping) and "id" in i else i for i in value]
