"""The operator's command line: `python -m guards evaluate FILE...`, through the same engine.

Exit codes: 0 all compliant, 1 something is not, 2 input that cannot be read.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from guards import GUARDS
from guards.cli import evaluate, report
from guards.engine import policy

DEFAULT_POLICY = Path(__file__).parent.parent / "policy.yaml"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m guards", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "evaluate", help="say what the guard would find and do, without touching anything"
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="ARM resource, or a list of them (az disk list, Resource Graph); - for stdin",
    )
    command.add_argument("--policy", type=Path, default=DEFAULT_POLICY, metavar="POLICY")
    command.add_argument("--format", choices=("table", "json"), default="table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(arguments)
    try:
        loaded = policy.parse(args.policy.read_text(encoding="utf-8"), GUARDS)
    except (OSError, UnicodeDecodeError, policy.PolicyError) as e:
        print(f"{args.policy}: {e}", file=sys.stderr)
        return 2
    verdicts, mistakes, skipped = evaluate.run(args.files, loaded)
    show = report.as_json if args.format == "json" else report.as_table
    try:
        show(verdicts, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if skipped:
        print(f"{skipped} resources of types that are not guarded were left out", file=sys.stderr)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        return 2
    return 1 if any(not verdict.compliant for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
