"""One resource explained: every setting, where the policy says so, and what others say of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TextIO

from guards.cli import report
from guards.cli.crosswalk import Opinion, Say, differs, opinions
from guards.cli.judge import Judged
from guards.engine.events import clean
from guards.engine.model import ComplianceState, Mode, Rule
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import Exemption
from guards.engine.rules import at, text_at
from guards.engine.shapes import timestamp

_SAY_COLOURS = {Say.PASSES: "green", Say.FAILS: "red"}


def write(
    verdicts: Sequence[Judged], policy: Policy, now: datetime, out: TextIO, *, as_json: bool
) -> None:
    """Explain the verdicts, of which there is at most one."""
    if as_json:
        documents = [_document(verdict, policy, now) for verdict in verdicts]
        report.dump(documents[0] if documents else None, out)
    elif not verdicts:
        out.write("no resource of a guarded type was read\n")
    for verdict in () if as_json else verdicts:
        _print(verdict, policy, now, out)


def _document(verdict: Judged, policy: Policy, now: datetime) -> dict[str, Any]:
    """What `evaluate` says of it, and `settings`, `policy`, `exemptions`, `others` on top."""
    return {
        **report.verdict_json(verdict),
        "settings": [_setting(verdict, rule) for rule in verdict.guard.rules],
        "policy": {
            "hash": policy.hash,
            "layers": [
                {"name": layer.name or None, "where": layer.where}
                for layer in (policy.layers[0], *verdict.verdict.applied.layers)
            ],
        },
        "exemptions": [
            {**report.exemption_json(one), "counts": not one.expired(now)}
            for one in verdict.verdict.applied.exemptions
        ],
        "others": [
            {
                "checker": opinion.checker,
                "check": opinion.check,
                "verdict": opinion.verdict,
                "reason": opinion.reason,
                "differs": why or None,
            }
            for opinion, why in _others(verdict)
        ],
    }


def _setting(verdict: Judged, rule: Rule) -> dict[str, Any]:
    """One setting: what it is, what is allowed, and what becomes of it."""
    settings = verdict.verdict.applied.rules[rule.id]
    found = {finding.rule: finding for finding in verdict.findings}.get(rule.id)
    actual = found.actual if found else text_at(verdict.body, rule.path)
    return {
        "rule": rule.id,
        "path": rule.path,
        "actual": actual,
        "whenAbsent": rule.when_absent,
        "allowed": list(settings.allowed),
        "options": {
            name: value if isinstance(value, str) else list(value)
            for name, value in settings.options.items()
        },
        "satisfiedBy": list(settings.satisfied_by),
        "desired": rule.desired,
        "mode": settings.mode,
        "result": _result(verdict, rule),
    }


def _result(verdict: Judged, rule: Rule) -> str:
    """What becomes of one setting, in two or three words."""
    blocked = verdict.plan.blocked
    if verdict.verdict.applied.rules[rule.id].mode is Mode.OFF:
        return "not looked at"
    if rule.id in verdict.unknown:
        return "not known yet"
    if all(finding.rule != rule.id for finding in verdict.findings):
        return "fine" if _shown_in_bodies(verdict, rule) else "not in a file: the app looks"
    if any(finding.rule == rule.id for finding in verdict.verdict.exempted):
        return "exempt"
    if blocked and rule.id in blocked.rules:
        return "blocked"
    closing = any(change.path == rule.path for change in verdict.plan.changes)
    return "would be closed" if closing else "only reported"


def _shown_in_bodies(verdict: Judged, rule: Rule) -> bool:
    """Whether a file can tell: children, and links of restore points, only Azure can."""
    return rule.path.startswith("properties.") or at(verdict.body, rule.path) is not None


def _others(verdict: Judged) -> Iterator[tuple[Opinion, str]]:
    """What other checkers say, and why where it is not what the guard says."""
    compliant = verdict.state is ComplianceState.COMPLIANT
    for opinion in opinions(verdict.guard.resource_type, verdict.body):
        yield opinion, differs(opinion, compliant)


def _print(verdict: Judged, policy: Policy, now: datetime, out: TextIO) -> None:
    from rich.text import Text

    screen = report.console(out)
    state = Text(verdict.state, style=report.COLOURS[verdict.state])
    name = Text(clean(verdict.resource_id, 400), style="bold")
    screen.print(Text.assemble(name, "\n", verdict.guard.resource_type, ": ", state))

    settings = report.table(("SETTING", "ACTUAL", "ALLOWED", "SET TO", "MODE", "RESULT"))
    for rule in verdict.guard.rules:
        told = _setting(verdict, rule)
        actual = told["actual"]
        settings.add_row(
            Text(_named(verdict, rule)),
            Text(_actual(verdict, rule, actual)),
            Text(_allowed(told)),
            Text(rule.desired),
            Text(told["mode"]),
            Text(told["result"]),
        )
    screen.print()
    screen.print(settings)
    screen.print()
    screen.print(Text(f"What the guard would do: {report.intention(verdict)}"))
    for line in _policy_lines(verdict, policy, now):
        screen.print(Text(line))

    others = report.table(("CHECKER", "CHECK", "SAYS", "BECAUSE IT", "DIFFERS SINCE IT"))
    for opinion, why in _others(verdict):
        says = Text(opinion.verdict, style=_SAY_COLOURS.get(opinion.verdict, ""))
        others.add_row(
            *(Text(text) for text in (opinion.checker, opinion.check)),
            says,
            *(Text(text) for text in (opinion.reason, why)),
        )
    screen.print()
    screen.print(others)


def _named(verdict: Judged, rule: Rule) -> str:
    """The path of a setting, and the rule where others look at the same one."""
    shared = sum(other.path == rule.path for other in verdict.guard.rules) > 1
    return f"{rule.path} ({rule.id})" if shared else rule.path


def _actual(verdict: Judged, rule: Rule, actual: Any) -> str:
    if actual is not None:
        return clean(actual)
    return f"not set ({rule.when_absent})" if _shown_in_bodies(verdict, rule) else "-"


def _allowed(told: dict[str, Any]) -> str:
    accesses = told["options"].get("allowed_disk_accesses", ())
    lines = [", ".join(told["allowed"])]
    lines += [f"AllowPrivate with {clean(access.rpartition('/')[2])}" for access in accesses]
    if told["satisfiedBy"]:
        lines.append(f"or {' or '.join(told['satisfiedBy'])} is fine")
    return "\n".join(lines)


def _policy_lines(verdict: Judged, policy: Policy, now: datetime) -> Iterator[str]:
    """Which policy, which of its scopes, and which exemptions."""
    yield f"Policy: SHA-256 {policy.hash[:12]}…"
    for layer in verdict.verdict.applied.layers:
        name = f"{clean(layer.name)}: " if layer.name else ""
        yield f"  scope {name}{clean(layer.where, 300)}"
    for one in verdict.verdict.applied.exemptions:
        yield f"  {_exemption(one, now)}"


def _exemption(one: Exemption, now: datetime) -> str:
    where = f"{clean(one.where, 300)} ({', '.join(one.rules)})"
    if not one.expired(now):
        return f"exemption of {where} {one}"
    return f"exemption of {where}: expired at {timestamp(one.expires_on)}, counts no more"
