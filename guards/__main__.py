"""The operator's command line: `python -m guards COMMAND`, through the same engine as the app.

evaluate FILE...  what the guard would find and do, without touching anything
role              the custom role the app's identity needs, for az role definition create
operations        the operation names to filter events by, for az eventgrid

evaluate ends with 0 if all is compliant, 1 if something is not, 2 for input that cannot be read.
"""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from guards import GUARDS
from guards.cli import catalogue, evaluate, report
from guards.engine import policy

DEFAULT_POLICY = Path(__file__).parent.parent / "policy.yaml"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m guards",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("evaluate", help="what the guard would find and do")
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="ARM resource, or a list of them (az disk list, Resource Graph); - for stdin",
    )
    command.add_argument("--policy", type=Path, default=DEFAULT_POLICY, metavar="POLICY")
    command.add_argument("--format", choices=("table", "json"), default="table")
    command = commands.add_parser("role", help="the custom role the app's identity needs")
    command.add_argument(
        "--scope",
        required=True,
        nargs="+",
        type=_scope,
        metavar="SCOPE",
        help="as /subscriptions/GUID",
    )
    command = commands.add_parser("operations", help="the operation names to filter events by")
    command.add_argument("--format", choices=("words", "json"), default="words")
    return parser


def _scope(text: str) -> str:
    group = r"/providers/Microsoft\.Management/managementGroups/[\w().-]+"
    subscription = r"/subscriptions/[0-9a-fA-F-]{36}(/resourceGroups/[\w().-]+)?"
    if not re.fullmatch(f"{group}|{subscription}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a scope such as /subscriptions/GUID")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a pipe on Windows is not UTF-8
    try:
        code = _run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code is of no use to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(args: argparse.Namespace) -> int:
    if args.command == "role":
        catalogue.print_role(args.scope, sys.stdout)
        return 0
    if args.command == "operations":
        catalogue.print_operations(sys.stdout, as_json=args.format == "json")
        return 0
    return _evaluate(args)


def _evaluate(args: argparse.Namespace) -> int:
    try:
        loaded = policy.parse(args.policy.read_text(encoding="utf-8"), GUARDS)
    except OSError as e:
        print(f"{args.policy}: {e.strerror}", file=sys.stderr)
        return 2
    except (UnicodeDecodeError, policy.PolicyError) as e:
        print(f"{args.policy}: {e}", file=sys.stderr)
        return 2
    verdicts, mistakes, skipped = evaluate.run(args.files, loaded)
    if args.format == "json":
        report.as_json(verdicts, sys.stdout)
    else:
        report.as_table(verdicts, sys.stdout)
    if skipped:
        print(f"{skipped} resources of types that are not guarded were left out", file=sys.stderr)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        return 2
    return 1 if any(not verdict.compliant for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
