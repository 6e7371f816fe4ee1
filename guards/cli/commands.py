"""What each command does with its arguments; returns exit codes."""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from guards.cli import evaluate as evaluating
from guards.cli import policies, report, template
from guards.cli.evaluate import Deployment, Evaluated
from guards.cli.unresolved import ANYWHERE, target
from guards.engine.errors import Unreadable
from guards.engine.policy import Policy, PolicyError

__all__ = ["evaluate", "explain", "policy_check", "policy_schema", "preview", "replay", "target"]


def _with_policy(
    command: Callable[[argparse.Namespace, Policy], int],
) -> Callable[[argparse.Namespace], int]:
    """Reads `--policy` first; without a policy nothing is judged."""

    @wraps(command)
    def run(args: argparse.Namespace) -> int:
        try:
            loaded = policies.load(args.policy, args.now)
        except PolicyError as e:
            policies.told(args.policy, e)
            return 2
        return command(args, loaded)

    return run


@_with_policy
def evaluate(args: argparse.Namespace, policy: Policy) -> int:
    """0 all compliant or exempt, 1 something is not, 2 something could not be read."""
    try:
        deployment = Deployment(_parameters(args.parameters), args.scope or ANYWHERE)
    except Unreadable as e:
        print(f"{evaluating.name_of(args.parameters)}: {e}", file=sys.stderr)
        return 2
    result = evaluating.run(args.files, policy, args.now, deployment)
    if args.format == "sarif":
        from guards.cli import sarif

        sarif.write(result, sys.stdout)
    elif args.format == "json":
        report.as_json(result.verdicts, sys.stdout)
    else:
        report.as_table(result.verdicts, sys.stdout)
    _remarks(result)
    return result.code


def _parameters(file: str | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    return template.read_parameters(evaluating.text(evaluating.read(file)))


def _remarks(result: Evaluated) -> None:
    if result.skipped:
        print(report.left_out(result.skipped), file=sys.stderr)
    for remark in result.remarks:
        print(remark, file=sys.stderr)


@_with_policy
def explain(args: argparse.Namespace, policy: Policy) -> int:
    """As `evaluate`, for one resource."""
    from guards.cli import explain as explaining

    result = evaluating.run([args.files], policy, args.now)
    if len(result.verdicts) > 1:
        print(f"{len(result.verdicts)} resources; the first is explained", file=sys.stderr)
    explaining.write(
        result.verdicts[:1], policy, args.now, sys.stdout, as_json=args.format == "json"
    )
    _remarks(result)
    return result.code


@_with_policy
def preview(args: argparse.Namespace, policy: Policy) -> int:
    """0, or 2 if something could not be read; 130 after Ctrl-C."""
    from guards.cli import preview as previewing

    return previewing.run(
        args.files, policy, args.now, owner_tag=args.owner_tag, as_json=args.format == "json"
    )


@_with_policy
def replay(args: argparse.Namespace, policy: Policy) -> int:
    """0, or 2 if something could not be read."""
    from guards.cli import replay as replaying

    return replaying.run(
        args.events,
        args.resources,
        policy,
        principal_id=args.principal_id,
        as_json=args.format == "json",
    )


def policy_check(args: argparse.Namespace) -> int:
    """0, or 2 if there are mistakes."""
    return policies.check(args.files, args.now, sys.stdout, as_json=args.format == "json")


def policy_schema(args: argparse.Namespace) -> int:
    """Always 0."""
    policies.print_schema(sys.stdout)
    return 0
