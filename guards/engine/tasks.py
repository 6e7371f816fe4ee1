"""What goes through `guard-work`: where to look again, and what was seen before.

A message never says what to do. Its consumer parses the resource ID afresh, reads the resource and
plans anew; `Evidence` only ends up in an alert. No top-level key is named as the host's own message
properties (`id`, `dequeueCount`, ...), which the host would overwrite.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.exposure import NOT_CUT, Cut
from guards.engine.model import (
    Body,
    Caller,
    Change,
    Finding,
    Request,
    ResourceChange,
    Severity,
    Source,
)
from guards.engine.shapes import caller_json, finding_json, moment, timestamp

SCHEMA = "exportguard.work/1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen before the first change; `accepted` once Azure took the change (201 or 202)."""

    alert_id: str
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    severity: Severity
    seen_at: str
    policy_hash: str
    accepted: bool = False
    saved: tuple[Body, ...] = ()
    """Bodies of children that are deleted, or about to be."""
    cut: Cut = NOT_CUT
    """When a link was cut, if it was."""

    def covers(self, findings: Iterable[Finding]) -> bool:
        """Whether it holds a finding of each of these rules."""
        return {finding.rule for finding in self.findings} >= {f.rule for f in findings}


@dataclass(frozen=True, slots=True)
class Task:
    """One look at one resource: why, how often so far, and what an earlier look saw."""

    change: ResourceChange
    source: Source
    first_seen: str
    attempt: int = 0
    recheck: int = 0
    evidence: Evidence | None = None
    after: str = ""
    """Of the resources that a lead names, the last that was passed on, in the order of IDs."""
    watch: bool = False
    """Whether it only looks if an export has ended."""

    def again(self) -> "Task":
        """The next attempt of the same look."""
        return replace(self, attempt=self.attempt + 1)

    def with_evidence(self, evidence: Evidence) -> "Task":
        """The same look, with what it saw."""
        return replace(self, evidence=evidence)

    def message(self) -> dict[str, Any]:
        """The JSON of `guard-work`."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "firstSeen": self.first_seen,
            "attempt": self.attempt,
            "recheck": self.recheck,
            "change": _change_json(self.change),
            "evidence": _evidence_json(self.evidence) if self.evidence else None,
            "after": self.after,
            "watch": self.watch,
        }


def _change_json(change: ResourceChange) -> dict[str, Any]:
    # Written out: this is on the way of every revert, and generic conversion costs ten times more.
    return {
        "eventId": change.event_id,
        "eventTime": change.event_time,
        "eventType": change.event_type,
        "operationName": change.operation_name,
        "resource": change.resource,
        "correlationId": change.correlation_id,
        "caller": caller_json(change.caller),
        "request": {
            "access": change.request.access,
            "durationS": change.request.duration_s,
            "source": change.request.source,
        },
    }


def _evidence_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "alertId": evidence.alert_id,
        "findings": [{**finding_json(f), "mode": f.mode} for f in evidence.findings],
        "changes": [
            {"path": c.path, "before": c.before, "after": c.after} for c in evidence.changes
        ],
        "severity": evidence.severity,
        "seenAt": evidence.seen_at,
        "policyHash": evidence.policy_hash,
        "accepted": evidence.accepted,
        "saved": list(evidence.saved),
        "cut": {"revokedAt": evidence.cut.revoked_at, "state": evidence.cut.state},
    }


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


def _moment(text: str) -> str:
    found = moment(text)
    if found is None:
        raise ValueError("no time with its zone")
    return timestamp(found)


_Short = Annotated[str, Field(max_length=256), AfterValidator(clean)]
_Value = Annotated[str, Field(max_length=2048)]
_Time = Annotated[str, Field(max_length=40), AfterValidator(_moment)]


class _Caller(_Model):
    object_id: _Short
    app_id: _Short
    name: _Short
    ip_address: _Short
    principal_type: _Short


class _Request(_Model):
    access: _Short = ""
    duration_s: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    source: _Value = ""


class _Change(_Model):
    event_id: _Short
    event_time: _Short
    event_type: _Short
    operation_name: _Short
    resource: str
    correlation_id: _Short
    caller: _Caller
    request: _Request = _Request()


class _Finding(_Model):
    rule: _Short
    path: _Short
    actual: _Value | None
    desired: _Short
    severity: Severity
    mode: Literal["audit", "enforce"]


class _Setting(_Model):
    path: _Short
    before: _Value | None
    after: _Value | None


class _CutRead(_Model):
    revoked_at: _Time | None = None
    state: _Short | None = None


class _Evidence(_Model):
    alert_id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    findings: Annotated[list[_Finding], Field(max_length=64)]
    changes: Annotated[list[_Setting], Field(min_length=1, max_length=64)]
    severity: Severity
    seen_at: _Time
    policy_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    accepted: bool
    saved: Annotated[list[dict[str, Any]], Field(max_length=64)] = []
    cut: _CutRead = _CutRead()


class _Message(_Model):
    schema_: Annotated[Literal["exportguard.work/1"], Field(alias="schema")]
    source: Source
    first_seen: _Time
    attempt: Annotated[int, Field(ge=0, le=10_000)]
    recheck: Annotated[int, Field(ge=0, le=10)]
    change: _Change
    evidence: _Evidence | None
    after: Annotated[str, Field(max_length=2048)] = ""
    watch: bool = False


class _Gathered(_Model):
    schema_: Annotated[Literal["exportguard.gathered/1"], Field(alias="schema")]
    topic: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    attempt: Annotated[int, Field(ge=0, le=10_000)] = 0


def gathered(text: bytes) -> tuple[str, int]:
    """The key of what a message says is to be told together, and the attempt; "" if it is none."""
    if b"exportguard.gathered/" not in text:
        return "", 0
    try:
        read = _Gathered.model_validate_json(text)
    except ValidationError:
        return "", 0
    return read.topic, read.attempt


def parse(text: str | bytes) -> Task:
    """A message of `guard-work`.

    Raises:
        Unreadable: it is not one, with the first place that is wrong.
    """
    try:
        read = _Message.model_validate_json(text, strict=False)
    except ValidationError as e:
        error = e.errors()[0]
        place = clean(".".join(str(part) for part in error["loc"])) or "message"
        raise Unreadable(f"work message: {place}: {error['msg']}") from e
    change = read.change.model_dump()
    change["caller"] = Caller(**change["caller"])
    change["request"] = Request(**change["request"])
    return Task(
        change=ResourceChange(**change),
        source=Source.WORK,
        first_seen=read.first_seen,
        attempt=read.attempt,
        recheck=read.recheck,
        evidence=_evidence(read.evidence) if read.evidence else None,
        after=read.after,
        watch=read.watch,
    )


def _evidence(read: _Evidence) -> Evidence:
    fields = read.model_dump()
    fields["findings"] = tuple(Finding(**finding) for finding in fields["findings"])
    fields["changes"] = tuple(Change(**change) for change in fields["changes"])
    fields["saved"] = tuple(fields["saved"])
    fields["cut"] = Cut(**fields["cut"])
    return Evidence(**fields)
