"""Resources of a template: judged twice, with what nobody can know at its best and at its worst.

What deviates even at its best deviates; what deviates only at its worst is unknown, never guessed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from guards import GUARDS
from guards.cli.expressions import Unresolved
from guards.cli.judge import Judged
from guards.cli.template import TemplateResource
from guards.engine.catalogue import by_type
from guards.engine.decide import Verdict, decide
from guards.engine.ids import ResourceId
from guards.engine.model import Body, ComplianceState, Finding, Guard, Mode, TypePolicy
from guards.engine.policy import Policy
from guards.engine.rules import merged, nested

ANYWHERE = ("*", "*")
"""Subscription and group of a deployment nobody named: only patterns that fit all of them fit."""


def judge_template(
    resource: TemplateResource, policy: Policy, now: datetime, within: tuple[str, str] = ANYWHERE
) -> Judged | None:
    """The verdict on what a deployment to this subscription and group would write."""
    guard = by_type(GUARDS).get(resource.type.lower())
    if guard is None:
        return None
    name = "*" if isinstance(resource.name, Unresolved) else resource.name
    place = ResourceId(*within, *_type(guard), (name,))
    worst_body = _known(resource.body)
    worst = decide(guard, place, worst_body, policy, Mode.ENFORCE, now)
    best_body = _at_best(guard, resource.body, worst_body, worst.applied.rules)
    best = decide(guard, place, best_body, policy, Mode.ENFORCE, now)
    certain = {finding.rule for finding in (*best.findings, *best.exempted)}
    found = (*worst.findings, *worst.exempted)
    unknown = frozenset(finding.rule for finding in found) - certain
    closing = [finding for finding in worst.to_close if finding.rule not in unknown]
    return Judged(
        resource_id=resource.name.text if isinstance(resource.name, Unresolved) else resource.name,
        guard=guard,
        body=worst_body,
        state=_state(worst, unknown, policy, resource.body),
        findings=tuple(_as_written(finding, resource.body, unknown) for finding in found),
        plan=guard.plan(worst_body, closing, worst.applied.rules),
        verdict=worst,
        unknown=unknown,
        line=resource.line,
        lines={rule.id: resource.line_of(rule.path) for rule in guard.rules},
    )


def target(text: str) -> tuple[str, str]:
    """Subscription and group of `--scope`.

    Raises:
        Unreadable: it is neither a subscription nor a resource group.
    """
    words = text.strip("/").split("/")
    if len(words) == 2:
        words += ["resourceGroups", "any"]
        parsed = ResourceId.parse("/".join(("", *words, "providers/Microsoft.Compute/disks/any")))
        return parsed.subscription, "*"
    parsed = ResourceId.parse("/".join(("", *words, "providers/Microsoft.Compute/disks/any")))
    return parsed.subscription, parsed.group


def _type(guard: Guard) -> tuple[str, tuple[str, ...]]:
    namespace, *types = guard.resource_type.split("/")
    return namespace, tuple(types)


def _known(value: Any) -> Any:
    """The same without what is unresolved: absent, it means Azure's default."""
    if isinstance(value, Mapping):
        return {k: _known(v) for k, v in value.items() if not isinstance(v, Unresolved)}
    if isinstance(value, list):
        return [_known(item) for item in value if not isinstance(item, Unresolved)]
    return value


def _at_best(guard: Guard, body: Body, known: Body, rules: TypePolicy) -> Body:
    """The body with every unresolved setting as the policy wants it."""
    wanted = {rule.path: rule.desired for rule in guard.rules}
    for path in guard.also_changes:  # a disk access that may turn out to be a listed one
        listed = [
            v for rule in rules.values() for v in rule.options.get("allowed_disk_accesses", ())
        ]
        wanted.update({path: listed[0]} if listed else {})
    open_ = [nested(path, value) for path, value in wanted.items() if _unresolved(body, path)]
    return merged(known, *open_)


def _unresolved(body: Body, path: str) -> Unresolved | None:
    """What stands unresolved at a path or around it."""
    value: Any = body
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, Unresolved):
            return value
    return None


def _as_written(finding: Finding, body: Body, unknown: frozenset[str]) -> Finding:
    written = _unresolved(body, finding.path) if finding.rule in unknown else None
    return replace(finding, actual=written.text) if written else finding


def _state(worst: Verdict, unknown: frozenset[str], policy: Policy, body: Body) -> ComplianceState:
    if any(finding.rule not in unknown for finding in worst.findings):
        return ComplianceState.NON_COMPLIANT
    if worst.findings or (policy.reads_tags and _open_tags(body)):
        return ComplianceState.UNKNOWN
    return worst.state


def _open_tags(body: Body) -> bool:
    """Whether a tag, by which the policy might say otherwise, is not known yet."""
    tags = body.get("tags")
    values = tags.values() if isinstance(tags, Mapping) else (tags,)
    return any(isinstance(value, Unresolved) for value in values)
