"""The words of Export Guard as frozen data: what was seen, what it means, what is to be done.

`Guard` at the end ties them together: one per guarded resource type, listed in `guards.GUARDS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from guards.engine.ids import ResourceId

type Body = Mapping[str, Any]
"""A resource as ARM returns it."""


class Severity(StrEnum):
    """How bad it is, lowest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparing: 0 is lowest."""
        return list(Severity).index(self)


class Mode(StrEnum):
    """What the policy lets the guard do about a rule, weakest first."""

    OFF = "off"
    AUDIT = "audit"
    ENFORCE = "enforce"

    def capped(self, cap: "Mode") -> "Mode":
        """The weaker of the two."""
        if self is cap or cap is Mode.ENFORCE:
            return self
        return min(self, cap, key=list(Mode).index)


class ComplianceState(StrEnum):
    """Azure Policy's words for one resource."""

    COMPLIANT = "Compliant"
    NON_COMPLIANT = "NonCompliant"
    EXEMPT = "Exempt"
    UNKNOWN = "Unknown"


class Outcome(StrEnum):
    """Completes the sentence "export settings of X were ..."."""

    REVERTED = "reverted"
    FOUND_CLOSED = "found closed"
    ALREADY_COMPLIANT = "already compliant"
    EXEMPT = "exempt"
    REPORTED_ONLY = "reported only"
    BLOCKED = "blocked"
    NOT_REVERTED = "not reverted"
    DELETED_MEANWHILE = "deleted meanwhile"
    DEFERRED = "deferred"


class Source(StrEnum):
    """Which way in led to the resource."""

    EVENT = "event"
    WORK = "work"
    SWEEP = "sweep"


class Granter(StrEnum):
    """Who handed out the SAS link that is out, as far as it is known."""

    NOBODY = "nobody"
    """No link is looked for, or it is not the moment to ask: offline, say."""
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    """A known caller that the policy does not list as exporter, just now."""
    EXPORTER = "exporter"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made the change, as far as the event tells: a few claims, each may be empty."""

    object_id: str = ""
    app_id: str = ""
    name: str = ""
    ip_address: str = ""
    principal_type: str = ""

    def __bool__(self) -> bool:
        return bool(self.who)

    @property
    def who(self) -> str:
        """What tells best who it is; "" if nothing does. Not cleaned."""
        return self.name or self.object_id or self.app_id


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for, where the event has it: for a link, or for an import's source."""

    access: str = ""
    duration_s: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """An event after parsing: where to look, and who led there. Times are UTC, ISO 8601."""

    event_id: str
    event_time: str
    event_type: str
    operation_name: str
    resource: str
    correlation_id: str
    caller: Caller
    request: Request = Request()


class Kind(StrEnum):
    """What a rule is about, and so what can be done about a finding."""

    SETTING = "setting"
    """A value that one PATCH sets."""
    STATE = "state"
    """What Azure reports of a resource and a step can end, such as a SAS link that is out."""
    REPORTED = "reported"
    """What the guard cannot or must not change: its mode is audit or off."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: where it stands in the body, which values are fine, what to set otherwise.

    `allowed`, `default_mode` and `options` (name, default) are what a policy that does not name
    the rule means; `minimum` is what the profile of that name has instead. `values` are all that
    Azure knows. `severity` is the worst that a finding of the rule can have. Values are text; of a
    `boolean` one ARM has true and false.
    """

    id: str
    path: str
    values: tuple[str, ...]
    allowed: tuple[str, ...]
    desired: str
    when_absent: str
    severity: Severity
    default_mode: Mode = Mode.ENFORCE
    options: tuple[tuple[str, Any], ...] = ()
    minimum: tuple[tuple[str, Any], ...] = ()
    kind: Kind = Kind.SETTING
    boolean: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A setting that is not as the policy wants it; `actual` is None where it is absent."""

    rule: str
    path: str
    actual: str | None
    desired: str
    severity: Severity
    mode: Mode = Mode.ENFORCE


@dataclass(frozen=True, slots=True)
class Patch:
    """One PATCH of what deviates; `otherwise` is sent once if Azure calls it conflicting."""

    body: Body
    otherwise: Body | None = None


@dataclass(frozen=True, slots=True)
class RevokeAccess:
    """One `endGetAccess`: it ends every SAS link to the resource."""


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """One DELETE of a child that Azure wants gone first; its body is saved before."""

    type: str
    name: str
    api_version: str


type Step = Patch | RevokeAccess | DeleteChild


@dataclass(frozen=True, slots=True)
class Change:
    """One setting the plan changes: `before` is None where the body had no value."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why findings cannot be closed by the guard, and what a person has to do.

    `by_caller` is the severity instead when the event is the write of a known caller: somebody is
    opening it now, it has not been standing open. `deferred` says that the guard will close them
    by itself, at a later look, once what is in the way is gone.
    """

    rules: tuple[str, ...]
    reason: str
    severity: Severity
    by_caller: Severity | None = None
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would close the findings, as data: nothing to do, steps, or why there are none."""

    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    blocked: Blocked | None = None


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What the policy says about one rule; `options` are the rule's own.

    `allowed` are the values that are fine, `satisfied_by` the rules of which one is enough.
    """

    mode: Mode
    allowed: tuple[str, ...]
    satisfied_by: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


type TypePolicy = Mapping[str, RuleSettings]
"""Rule id -> settings, for one resource type."""


@dataclass(frozen=True, slots=True)
class Children:
    """Child resources to list when ARM refuses a PATCH, and the sentence that explains them.

    Where the option of this name of the rule says `delete`, they are saved and deleted. Azure's
    refusal has `word` in it, in lower case, if it is about them.
    """

    type: str
    api_version: str
    explanation: str
    rule: str = ""
    option: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One more GET that judging a body takes: `guards.engine.rules.known` has what it found.

    Either the children of a type, listed, or another resource.
    """

    name: str
    api_version: str
    children: str = ""
    resource: ResourceId | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """SAS links to a resource's data: which rule they break, and what hands them out.

    Attributes:
        rule: the rule that a link which is out deviates from.
        grants: the operations that hand one out.
        shown: whether the resource's body tells that a link is out.
        fills: body -> whether a link that was taken may have been one to fill it, not to read it.
    """

    rule: str
    grants: tuple[str, ...]
    shown: bool = True
    fills: Callable[[Body], bool] = lambda _: False


@dataclass(frozen=True, slots=True, eq=False)  # one of a kind: comparing all of it costs time
class Guard:
    """Everything Export Guard knows of one resource type.

    Attributes:
        resource_type: Azure's name of the type.
        api_version: sent with every request for it.
        rules: the settings, in the order people should read them.
        operations: the operations whose events lead to an inspection.
        own_operations: those the guard performs itself; their events by its identity are skipped.
        permissions: the RBAC actions the guard's role needs for it.
        inspect: body, policy -> findings (of modes audit and enforce).
        plan: body, findings to close, policy -> plan.
        exposure: what in the body is out already, in a sentence ("" if nothing): a live SAS link.
        refusal: children to list when a PATCH is refused.
        also_changes: paths without a rule that the plan may change along.
        undo_apart: whether old values go back one request at a time, in the order of the rules.
        links: how SAS links to its data come and go, if there are any.
        exports: operations that are told of each time they happen, like a new finding.
        lookups: what else to read before a body can be judged, by the policy in force.
        beneficiary: the object ID that a body gives rights to; nothing is found of an exporter.
        listed_by: only resources that an option of this name lists in the policy are looked at.
        in_group: whether its resources lie in a resource group, and are no extension of another.
    """

    resource_type: str
    api_version: str
    rules: tuple[Rule, ...]
    operations: tuple[str, ...]
    own_operations: tuple[str, ...]
    permissions: tuple[str, ...]
    inspect: Callable[[Body, TypePolicy], tuple[Finding, ...]]
    plan: Callable[[Body, Sequence[Finding], TypePolicy], Plan]
    exposure: Callable[[Body], str] = lambda _: ""
    refusal: Children | None = None
    also_changes: tuple[str, ...] = ()
    undo_apart: bool = False
    links: Links | None = None
    exports: tuple[str, ...] = ()
    lookups: Callable[[Body, TypePolicy], tuple[Lookup, ...]] | None = None
    beneficiary: Callable[[Body], str] | None = None
    listed_by: str = ""
    in_group: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """A resource that is not guarded itself and leads to some that are: a machine to its disks.

    Attributes:
        resource_type: Azure's name of the type.
        api_version: sent with its one request.
        operations: the operations whose events are followed.
        permissions: the RBAC actions the guard's role needs for it.
        leads_to: the guarded type it leads to.
        resources: the IDs that a body names; not believed, but parsed.
        children: the child type to list, page by page, instead of reading the resource itself.
        grants: those of its operations that hand out links to all it leads to.
    """

    resource_type: str
    api_version: str
    operations: tuple[str, ...]
    permissions: tuple[str, ...]
    leads_to: str
    resources: Callable[[Body], Sequence[object]]
    children: str = ""
    grants: tuple[str, ...] = ()
