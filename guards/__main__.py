"""The operator's command line: `python -m guards COMMAND`, through the same engine as the app.

evaluate FILE...   what the guard would find and do in resources and ARM templates
explain FILE       one resource: every setting, the plan, exemptions, and what other checkers say
preview FILE       an estate: what would be reverted, blocked, exempt, and how long it takes
replay EVENTS      recorded events through the whole engine, in audit mode
policy check       every mistake in a policy; policy schema prints its JSON Schema
notify test        a test alert through every configured channel; what each answered
notify render      what mail and Teams would show of an alert, as an HTML page
roles FILE...      which role definitions give permissions to export, and by what
role               the custom role the app's identity needs, for az role definition create
operations         the operation names to filter events by, for az eventgrid

They end with 0 if all is well, 1 if something is not compliant (evaluate, explain) or a role gives
an export permission (roles), 2 for input that cannot be read.
"""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from guards.cli import catalogue, commands, notify, policies
from guards.engine.policy.exemptions import moment


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m guards",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands_ = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands_.add_parser("evaluate", help="what the guard would find and do")
    _files(command, "+", "ARM resource, a list of them (az disk list, Resource Graph), or template")
    command.add_argument("--parameters", metavar="FILE", help="parameter file of the templates")
    command.add_argument(
        "--scope",
        type=_target,
        metavar="SCOPE",
        help="where templates are deployed, as /subscriptions/GUID/resourceGroups/NAME",
    )
    _common(command, "table", "json", "sarif")
    command.set_defaults(run=commands.evaluate)

    command = commands_.add_parser("explain", help="one resource, and what others say of it")
    _files(command, None, "one ARM resource, as az disk show or Resource Graph writes it")
    _common(command)
    command.set_defaults(run=commands.explain)

    command = commands_.add_parser("preview", help="what the guard would do to an estate")
    _files(command, "+", "Resource Graph rows, az ... list, or JSON lines")
    command.add_argument(
        "--owner-tag", default="owner", metavar="NAME", help="tag that names owners (owner)"
    )
    _common(command)
    command.set_defaults(run=commands.preview)

    command = commands_.add_parser(
        "replay",
        help="recorded events, in audit mode",
        description="What the guard would have done at each event's time, with the resources as "
        "they stand in the file now.",
    )
    command.add_argument("events", metavar="EVENTS", help="Event Grid events; - for stdin")
    command.add_argument("--resources", required=True, metavar="FILE", help="the resources")
    command.add_argument(
        "--principal-id", default="", metavar="ID", help="object ID of the guard's identity"
    )
    _policy(command)
    _format(command)
    command.set_defaults(run=commands.replay)

    command = commands_.add_parser("policy", help="check a policy, or print its JSON Schema")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("check", help="every mistake, with its line")
    action.add_argument("files", nargs="*", type=Path, default=[policies.DEFAULT], metavar="FILE")
    _at(action)
    _format(action)
    action.set_defaults(run=commands.policy_check)
    action = actions.add_parser("schema", help="the JSON Schema, for editors")
    action.set_defaults(run=commands.policy_schema)

    notify.add(commands_)

    command = commands_.add_parser("roles", help="which roles give permissions to export")
    _files(command, "+", "role definitions, as az role definition list or the REST API writes them")
    _format(command)
    command.set_defaults(run=_roles)
    command = commands_.add_parser("role", help="the custom role the app's identity needs")
    command.add_argument(
        "--scope",
        required=True,
        nargs="+",
        type=_scope,
        metavar="SCOPE",
        help="as /subscriptions/GUID",
    )
    command.set_defaults(run=lambda args: catalogue.print_role(args.scope, sys.stdout))
    command = commands_.add_parser("operations", help="the operation names to filter events by")
    command.add_argument("--format", choices=("words", "json"), default="words")
    command.set_defaults(
        run=lambda args: catalogue.print_operations(sys.stdout, as_json=args.format == "json")
    )
    return parser


def _roles(options: argparse.Namespace) -> int:
    from guards.cli import roles  # the other commands do without

    return roles.run(options)


def _files(command: argparse.ArgumentParser, nargs: str | None, about: str) -> None:
    command.add_argument("files", nargs=nargs, metavar="FILE", help=f"{about}; - for stdin")


def _common(command: argparse.ArgumentParser, *formats: str) -> None:
    _policy(command)
    _at(command)
    _format(command, *formats)


def _policy(command: argparse.ArgumentParser) -> None:
    command.add_argument("--policy", type=Path, default=policies.DEFAULT, metavar="POLICY")


def _at(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--at",
        type=_moment,
        default=None,
        metavar="TIME",
        help="judge exemptions as of this time instead of now, as 2026-12-31",
    )


def _format(command: argparse.ArgumentParser, *formats: str) -> None:
    command.add_argument("--format", choices=formats or ("table", "json"), default="table")


def _moment(text: str) -> datetime:
    try:
        asked = moment(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text!r}: {e}") from e
    if not 2000 <= asked.year < 3000:
        raise argparse.ArgumentTypeError(f"{text!r}: a year from 2000 on is needed")
    return asked


def _scope(text: str) -> str:
    group = r"/providers/Microsoft\.Management/managementGroups/[\w().-]+"
    subscription = r"/subscriptions/[0-9a-fA-F-]{36}(/resourceGroups/[\w().-]+)?"
    if not re.fullmatch(f"{group}|{subscription}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a scope such as /subscriptions/GUID")
    return text


def _target(text: str) -> tuple[str, str]:
    try:
        return commands.target(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not /subscriptions/GUID or /subscriptions/GUID/resourceGroups/NAME"
        ) from e


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(arguments)
    args.now = getattr(args, "at", None) or datetime.now(UTC)
    sys.stdout = sys.stdout or io.StringIO()  # closed by whoever started this
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a pipe on Windows is not UTF-8
    try:
        code = int(args.run(args) or 0)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code is of no use to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
