"""Resources of a template: judged twice, with what nobody can know at its best and at its worst.

What deviates even at its best deviates; what deviates only at its worst is unknown, never guessed.
That goes for settings, and for names, tags and places that decide what the policy says.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from guards import GUARDS
from guards.cli.expressions import Unresolved
from guards.cli.judge import Judged
from guards.cli.template import TemplateResource
from guards.engine import decide
from guards.engine.catalogue import by_type
from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId, folded
from guards.engine.model import Body, ComplianceState, Finding, Guard, Kind, Mode, TypePolicy
from guards.engine.policy import Applied, Policy
from guards.engine.policy.unsettled import Place, Tags, bounds
from guards.engine.rules import at, merged, nested

ANYWHERE = ("*", "*")
"""Subscription and group of a deployment nobody named: only patterns that fit all of them fit."""


def judge_template(
    resource: TemplateResource, policy: Policy, now: datetime, within: tuple[str, str] = ANYWHERE
) -> Judged | None:
    """The verdict on what a deployment to this subscription and group would write."""
    guard = by_type(GUARDS).get(resource.type.lower())
    if guard is None:
        return None
    body = resource.body
    found = bounds(policy, guard, _place(resource, guard, within), _tags(body.get("tags")))
    known = policy.layers[:1]
    worst_body, best_body = _known(body), _at_best(guard, body, found.loosest)
    strict = Applied(found.strictest, known, found.certain)
    loose = Applied(found.loosest, known, (*found.certain, *found.possible))
    worst = decide.by(strict, guard, worst_body, Mode.ENFORCE, now)
    best = decide.by(loose, guard, best_body, Mode.ENFORCE, now)
    open_ = _reported_unresolved(guard, body)
    certain = {f.rule for f in best.findings} - open_  # deviates, and exempt by nothing
    unknown = frozenset(finding.rule for finding in worst.findings) - certain
    open_at_best = certain | {finding.rule for finding in best.exempted}
    unknown |= {finding.rule for finding in worst.exempted if finding.rule not in open_at_best}
    findings = (*worst.findings, *worst.exempted)
    return Judged(
        resource_id=resource.name.text if isinstance(resource.name, Unresolved) else resource.name,
        resource=None,
        guard=guard,
        body=worst_body,
        state=ComplianceState.UNKNOWN if worst.findings and not certain else worst.state,
        findings=tuple(_as_written(finding, body, unknown) for finding in findings),
        plan=guard.plan(best_body, best.to_close, found.loosest),
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
    group = [*words, "resourceGroups", "any"] if len(words) == 2 else words
    if len(group) != 4:
        raise Unreadable("neither a subscription nor a resource group")
    parsed = ResourceId.parse("/".join(("", *group, "providers/Microsoft.Compute/disks/any")))
    return parsed.subscription, "*" if len(words) == 2 else parsed.group


def _place(resource: TemplateResource, guard: Guard, within: tuple[str, str]) -> Place:
    """What scopes are compared with; None for what is not known."""
    subscription, group = (
        own if own is not None else given
        for own, given in zip((resource.subscription, resource.group), within, strict=True)
    )
    parts = (subscription, group, guard.resource_type, resource.name)
    return tuple(None if isinstance(part, Unresolved) else folded(part) for part in parts)


def _tags(value: Any) -> Tags:
    if isinstance(value, Unresolved):
        return None
    named = value.items() if isinstance(value, Mapping) else ()
    return {
        folded(name): None if isinstance(its, Unresolved) else its
        for name, its in named
        if isinstance(its, str | Unresolved)
    }


def _known(value: Any) -> Any:
    """The same without what is unresolved: absent, it means Azure's default, which is open."""
    if isinstance(value, Mapping):
        return {k: _known(v) for k, v in value.items() if not isinstance(v, Unresolved)}
    if isinstance(value, list):
        return [_known(item) for item in value if not isinstance(item, Unresolved)]
    return value


def _written(value: Any) -> Any:
    """The same with expressions as they are written."""
    if isinstance(value, Mapping):
        return {k: _written(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    return value.text if isinstance(value, Unresolved) else value


def _at_best(guard: Guard, body: Body, rules: TypePolicy) -> Body:
    """The body with every unresolved setting as the policy wants it."""
    wanted = {rule.path: rule.desired for rule in guard.rules}
    for path in guard.also_changes:  # a disk access that may turn out to be a listed one
        for rule in rules.values():
            wanted.update((path, one) for one in rule.options.get("allowed_disk_accesses", ())[:1])
    open_ = [nested(path, value) for path, value in wanted.items() if _unresolved(body, path)]
    return merged(_written(body), *open_)


def _unresolved(body: Body, path: str) -> Unresolved | None:
    """What stands unresolved at a path or around it."""
    value: Any = body
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, Unresolved):
            return value
    return None


def _reported_unresolved(guard: Guard, body: Body) -> set[str]:
    """The rules without a wanted value whose part of the body is not all known."""
    reported = [rule for rule in guard.rules if rule.kind is Kind.REPORTED]
    return {r.id for r in reported if _unresolved(body, r.path) or _holds(at(body, r.path))}


def _holds(value: Any) -> bool:
    """Whether something unresolved stands anywhere within a value."""
    if isinstance(value, Mapping):
        return any(map(_holds, value.values()))
    if isinstance(value, list):
        return any(map(_holds, value))
    return isinstance(value, Unresolved)


def _as_written(finding: Finding, body: Body, unknown: frozenset[str]) -> Finding:
    written = _unresolved(body, finding.path) if finding.rule in unknown else None
    return replace(finding, actual=written.text) if written else finding
