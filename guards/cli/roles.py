"""`python -m guards roles`: which role definitions give permissions to export, and by what."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from guards.cli import report, rows
from guards.cli.evaluate import name_of
from guards.engine import roles
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.notify.digest import plural
from guards.engine.roles import EXPORTS, Role

if TYPE_CHECKING:
    from rich.table import Table


def run(options: argparse.Namespace) -> int:
    """0 if no role gives an export permission, 1 if one does, 2 if something is unreadable."""
    found, mistakes = _read(options.files)
    if options.format == "json":
        report.dump([_json(role) for role in found], sys.stdout)
    else:
        _table(found, sys.stdout)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        return 2
    return 1 if any(role.grants for role in found) else 0


def _read(files: Sequence[str]) -> tuple[list[Role], list[str]]:
    """Every role that can be read, and a sentence for everything that cannot."""
    found: list[Role] = []
    mistakes: list[str] = []
    for file in files:
        for item in rows.from_file(file):
            try:
                found.append(_role(item))
            except Unreadable as e:
                mistakes.append(f"{rows.where(name_of(file), item)}: {e}")
    return found, mistakes


def _role(item: rows.Row | rows.Bad) -> Role:
    if isinstance(item, rows.Bad):
        raise Unreadable(item.reason)
    if not isinstance(item.value, dict):
        raise Unreadable(f"a role definition is an object, not {type(item.value).__name__}")
    return roles.read(item.value)


def _json(role: Role) -> dict[str, Any]:
    """One role, as `roles --format json` promises it."""
    return {
        "roleName": role.name,
        "id": role.id,
        "type": role.type,
        "assignableScopes": list(role.assignable_scopes),
        "grants": [
            {"operation": one.operation, "kind": one.kind, "by": one.by} for one in role.grants
        ],
    }


def _table(found: Sequence[Role], out: TextIO) -> None:
    """A row for each permission, what they allow, and how many roles are not shown at all."""
    if not found:
        out.write("no role definition was read\n")
        return
    giving = [role for role in found if role.grants]
    screen = report.console(out)
    if giving:
        screen.print(_permissions(giving))
        screen.print()
        screen.print(_meanings(giving))
        screen.print()
    screen.print(f"{plural(len(found), 'role')}, {len(giving)} with export permissions")


def _permissions(giving: Sequence[Role]) -> "Table":
    from rich.text import Text

    table = report.table(("ROLE", "TYPE", "EXPORT PERMISSION", "KIND", "BY"))
    for role in giving:
        title = (clean(role.name, 128), role.type or "-")
        for number, one in enumerate(role.grants):
            cells = (*(("", "") if number else title), one.operation, one.kind, clean(one.by, 120))
            table.add_row(*map(Text, cells))
    return table


def _meanings(giving: Sequence[Role]) -> "Table":
    """Each permission once, in the order of the list."""
    shown = {one.operation for role in giving for one in role.grants}
    table = report.table(("PERMISSION", "ALLOWS TO"))
    for one in EXPORTS:
        if one.name in shown:
            table.add_row(one.name, one.allows)
    return table
