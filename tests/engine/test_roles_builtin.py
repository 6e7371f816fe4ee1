"""Azure's own roles, as Microsoft documents them, and the one that the pages propose."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from guards.engine.roles import EXPORTS, Kind, grants, read

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": (ROOT / "README.md").read_text(encoding="utf-8"),
    "docs/roles.md": (ROOT / "docs/roles.md").read_text(encoding="utf-8"),
}

_CONTRIBUTOR_WITHOUT = [
    "Microsoft.Authorization/*/Delete",
    "Microsoft.Authorization/*/Write",
    "Microsoft.Authorization/elevateAccess/Action",
    "Microsoft.Blueprint/blueprintAssignments/write",
    "Microsoft.Blueprint/blueprintAssignments/delete",
    "Microsoft.Compute/galleries/share/action",
    "Microsoft.Purview/consents/write",
    "Microsoft.Purview/consents/delete",
    "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
    "Microsoft.Subscription/cancel/action",
    "Microsoft.Subscription/enable/action",
]
_MEASURES_OF_MICROSOFT = {
    f"Microsoft.Compute/{kind}/{action}/action"
    for kind in ("disks", "snapshots")
    for action in ("beginGetAccess", "endGetAccess")
}
"""What an RBAC role must not have, in the article on restricting the export of managed disks."""


def builtin(name: str, guid: str, **lists: list[str]) -> dict[str, Any]:
    """A built-in role as `az role definition list` writes it."""
    empty: dict[str, list[str]] = {"dataActions": [], "notActions": [], "notDataActions": []}
    return {
        "assignableScopes": ["/"],
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        "name": guid,
        "permissions": [{"actions": [], **empty, **lists}],
        "roleName": name,
        "roleType": "BuiltInRole",
        "type": "Microsoft.Authorization/roleDefinitions",
    }


OWNER = builtin("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", actions=["*"])
CONTRIBUTOR = builtin(
    "Contributor",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    actions=["*"],
    notActions=_CONTRIBUTOR_WITHOUT,
)
READER = builtin("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", actions=["*/read"])
DATA_OPERATOR = builtin(
    "Data Operator for Managed Disks",
    "959f8984-c045-4866-89c7-12bf9737be2e",
    dataActions=[
        "Microsoft.Compute/disks/download/action",
        "Microsoft.Compute/disks/upload/action",
        "Microsoft.Compute/snapshots/download/action",
        "Microsoft.Compute/snapshots/upload/action",
    ],
)
BACKUP_READER = builtin(
    "Disk Backup Reader",
    "3e5e47e6-65f7-47ef-90b5-e5dd4d455f24",
    actions=[
        "Microsoft.Authorization/*/read",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/beginGetAccess/action",
    ],
)
ACR_PUSH = builtin(
    "AcrPush",
    "8311e382-0749-4cb8-b61a-304f252e45ec",
    actions=[
        "Microsoft.ContainerRegistry/registries/pull/read",
        "Microsoft.ContainerRegistry/registries/push/write",
    ],
)


def names(kind: Kind) -> set[str]:
    """Every export operation of a kind."""
    return {one.name for one in EXPORTS if one.kind is kind}


@pytest.mark.parametrize(
    ("role", "operations"),
    [
        (OWNER, names(Kind.ACTION)),
        (CONTRIBUTOR, names(Kind.ACTION)),
        (DATA_OPERATOR, names(Kind.DATA_ACTION)),
        (BACKUP_READER, {"Microsoft.Compute/disks/beginGetAccess/action"}),
        (READER, set()),
        (ACR_PUSH, set()),
    ],
    ids=lambda value: value["roleName"] if isinstance(value, dict) else "",
)
def test_a_role_of_azure_gives_what_it_is_known_for(role: Any, operations: set[str]) -> None:
    """All of it, and nothing else."""
    assert {one.operation for one in grants(role)} == operations


def proposed(page: str) -> dict[str, Any]:
    """The custom role of a page."""
    (shown,) = re.findall(r'(?ms)^```json\n(\{\n  "Name".*?)^```$', PAGES[page])
    found: dict[str, Any] = json.loads(shown)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_proposed_role_gives_no_export_permission(page: str) -> None:
    """And needs each of its lines for that: without one of them, that operation is given."""
    role = proposed(page)
    assert read(role).grants == ()
    for name in names(Kind.ACTION):
        fewer = {**role, "NotActions": [one for one in role["NotActions"] if one != name]}
        assert [one.operation for one in grants(fewer)] == [name]


@pytest.mark.parametrize("page", PAGES)
def test_the_proposed_role_is_contributor_in_everything_else(page: str) -> None:
    """It takes away what Contributor does, the export operations, and what Microsoft advises."""
    role = proposed(page)
    taken = set(role["NotActions"])
    assert taken == {*_CONTRIBUTOR_WITHOUT, *names(Kind.ACTION), *_MEASURES_OF_MICROSOFT}
    assert (role["Actions"], role["DataActions"], role["NotDataActions"]) == (["*"], [], [])
    assert len(taken) == len(role["NotActions"])


def test_the_proposed_role_is_what_az_creates_a_custom_role_from() -> None:
    """Both pages show the same one, for subscriptions that the reader fills in."""
    role = proposed("docs/roles.md")
    assert proposed("README.md") == role
    assert role["IsCustom"] is True
    assert role["AssignableScopes"] == ["/subscriptions/00000000-0000-0000-0000-000000000000"]
    assert role["Name"]
    assert role["Description"]


@pytest.mark.parametrize("operation", EXPORTS, ids=lambda one: one.name)
def test_every_operation_is_explained(operation: Any) -> None:
    """The page has a row for it, with its kind and what it allows."""
    assert (
        f"| `{operation.name}` | {operation.kind} | {operation.allows} |" in PAGES["docs/roles.md"]
    )


def test_the_page_names_no_other_operation_in_its_table() -> None:
    """A row that is not looked for would promise too much."""
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (?:action|dataAction) \|", PAGES["docs/roles.md"])
    assert rows == [one.name for one in EXPORTS]
