"""Who could export: what a role definition of Azure allows of the operations that copy data out.

Evaluated as Azure does: an entry of `permissions` gives what its `actions` cover and its own
`notActions` do not, data actions likewise; `*` stands for any characters, casing does not matter,
and a role gives what any of its entries gives. An entry's condition is not evaluated: what it may
allow counts as given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from guards.engine.ids import folded
from guards.engine.policy.scopes import matches
from guards.engine.roles import definition
from guards.engine.roles.definition import Entry, Pattern


class Kind(StrEnum):
    """Who grants an operation: `actions`, or `dataActions`."""

    ACTION = "action"
    DATA_ACTION = "dataAction"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that copies data out, in Azure's spelling, and what it allows."""

    name: str
    kind: Kind
    allows: str


@dataclass(frozen=True, slots=True)
class Grant:
    """An operation that a role gives, and `by` which of its patterns."""

    operation: str
    kind: Kind
    by: str
    allows: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role definition; `id` and `type` (BuiltInRole, CustomRole) are None where it has none."""

    name: str
    id: str | None
    type: str | None
    assignable_scopes: tuple[str, ...]
    grants: tuple[Grant, ...]


_COMPUTE = "Microsoft.Compute"
_POINTS = f"{_COMPUTE}/restorePointCollections/restorePoints"
_REGISTRIES = "Microsoft.ContainerRegistry/registries"

EXPORTS = (
    Operation(
        f"{_COMPUTE}/disks/beginGetAccess/action",
        Kind.ACTION,
        "make a SAS link to a whole disk",
    ),
    Operation(
        f"{_COMPUTE}/snapshots/beginGetAccess/action",
        Kind.ACTION,
        "make a SAS link to a whole snapshot",
    ),
    Operation(
        f"{_POINTS}/retrieveSasUris/action",
        Kind.ACTION,
        "read a restore point together with SAS links to its disks",
    ),
    Operation(
        f"{_POINTS}/diskRestorePoints/beginGetAccess/action",
        Kind.ACTION,
        "make a SAS link to a disk of a restore point",
    ),
    Operation(
        f"{_REGISTRIES}/importImage/action",
        Kind.ACTION,
        "copy images into a registry from any other that the caller can read",
    ),
    Operation(
        f"{_REGISTRIES}/exportPipelines/write",
        Kind.ACTION,
        "set up a transfer of a registry's images into a storage account",
    ),
    Operation(
        f"{_REGISTRIES}/pipelineRuns/write",
        Kind.ACTION,
        "run a transfer that is set up, out of a registry or into it",
    ),
    Operation(
        f"{_COMPUTE}/disks/download/action",
        Kind.DATA_ACTION,
        "download a disk by its SAS link where dataAccessAuthMode asks who it is",
    ),
    Operation(
        f"{_COMPUTE}/snapshots/download/action",
        Kind.DATA_ACTION,
        "download a snapshot by its SAS link where dataAccessAuthMode asks who it is",
    ),
)
"""Every operation that is looked for. What opens a setting (`disks/write`) is not among them."""


def grants(role: Mapping[str, Any]) -> tuple[Grant, ...]:
    """The export operations that a role definition gives, in the order of `EXPORTS`.

    Raises:
        Unreadable: it is no role definition, or not all of it can be understood.
    """
    return _granted(definition.entries(role))


def read(role: Mapping[str, Any]) -> Role:
    """A role definition as az, PowerShell or the REST API writes it, evaluated.

    Raises:
        Unreadable: it is no role definition, or not all of it can be understood.
    """
    title = definition.title(role)
    return Role(title.name, title.id, title.type, title.assignable_scopes, grants(role))


def _granted(entries: Sequence[Entry]) -> tuple[Grant, ...]:
    found = ((one, _patterns(one, entries)) for one in EXPORTS)
    return tuple(
        Grant(one.name, one.kind, min(patterns, key=_breadth).text, one.allows)
        for one, patterns in found
        if patterns
    )


def _patterns(operation: Operation, entries: Sequence[Entry]) -> list[Pattern]:
    """Every pattern that gives the operation and is not outdone in its own entry."""
    name = folded(operation.name)
    given: list[Pattern] = []
    for entry in entries:
        wanted, unwanted = entry.actions, entry.not_actions
        if operation.kind is Kind.DATA_ACTION:
            wanted, unwanted = entry.data_actions, entry.not_data_actions
        covering = [one for one in wanted if matches(one.folded, name)]
        if covering and not any(matches(one.folded, name) for one in unwanted):
            given += covering
    return given


def _breadth(pattern: Pattern) -> tuple[int, str, str]:
    """What says most comes first, whatever the order in the file: more text beside the stars."""
    return -len(pattern.text.replace("*", "")), pattern.folded, pattern.text
