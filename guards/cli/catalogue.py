"""What a deployment needs to know of the catalogue: the role of the guard, and the event filter."""

import json
from collections.abc import Sequence
from typing import Any, TextIO

from guards import GUARDS, LEADS
from guards.engine.model import Guard, Lead

ROLE_NAME = "Export Guard"


def role_definition(scopes: Sequence[str]) -> dict[str, Any]:
    """The custom role for `az role definition create`: exactly what the guards need."""
    return {
        "Name": ROLE_NAME,
        "Description": "Reads and closes the export settings of the guarded resource types.",
        "IsCustom": True,
        "Actions": permissions(),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": list(scopes),
    }


def permissions() -> list[str]:
    """Every RBAC action of the guards and leads once, in the catalogue's order."""
    return list(dict.fromkeys(action for one in _every() for action in one.permissions))


def operations() -> list[str]:
    """The operation names whose events the guards and leads want, in the catalogue's order."""
    return [operation for one in _every() for operation in one.operations]


def _every() -> tuple[Guard | Lead, ...]:
    return (*GUARDS, *LEADS)


def print_role(scopes: Sequence[str], out: TextIO) -> None:
    """The role as JSON."""
    json.dump(role_definition(scopes), out, indent=2)
    out.write("\n")


def print_operations(out: TextIO, *, as_json: bool) -> None:
    """The operations on one line, as words or as the JSON list of an event filter's values."""
    out.write((json.dumps(operations()) if as_json else " ".join(operations())) + "\n")
