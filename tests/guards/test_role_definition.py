"""Role definitions: a custom role that lets export is told of, and one that cannot be read."""

import copy
from typing import Any

import pytest

from guards import role_definition
from guards.engine import policy, roles
from guards.engine.model import Finding, Kind, Mode, Plan, Severity, TypePolicy
from guards.engine.policy.scopes import matches
from guards.engine.roles import EXPORTS
from sandbox.arm.roles import BUILT_IN
from tests.engine.samples import SUBSCRIPTION
from tests.fakes import START

GUARD = role_definition.GUARD
NAME = "0a1b2c3d-1111-2222-3333-444455556666"
ROLE_ID = f"/subscriptions/{SUBSCRIPTION}/providers/{GUARD.resource_type}/{NAME}"
DISKS = "Microsoft.Compute/disks/beginGetAccess/action"


def rules(mode: str = "audit") -> TypePolicy:
    """A policy for role definitions."""
    text = f"""
version: 1
resources:
  {GUARD.resource_type}:
    exportPermissions: {{mode: "{mode}"}}
"""
    return policy.parse(text, (GUARD,), START).of(GUARD)


def role(*actions: Any, **properties: Any) -> dict[str, Any]:
    """A custom role as ARM returns it; None leaves a property out."""
    lists: dict[str, Any] = {"notActions": [], "dataActions": [], "notDataActions": []}
    whole = {
        "roleName": "Disk Operators",
        "type": "CustomRole",
        "description": "",
        "assignableScopes": [f"/subscriptions/{SUBSCRIPTION}"],
        "permissions": [{"actions": list(actions), **lists}],
        "createdOn": "2026-03-01T11:59:58.0000000Z",
        "updatedOn": "2026-03-01T11:59:58.0000000Z",
        "createdBy": None,
        "updatedBy": None,
        **properties,
    }
    kept = {name: value for name, value in whole.items() if name not in properties or value}
    return {"id": ROLE_ID, "name": NAME, "type": GUARD.resource_type, "properties": kept}


def found(body: dict[str, Any]) -> str:
    """What the one finding of a role says; "" without one."""
    findings = GUARD.inspect(body, rules())
    assert len(findings) < 2
    return (findings[0].actual or "?") if findings else ""


def test_a_custom_role_that_lets_export_is_found() -> None:
    """The finding says which role, which operation, and by which of its lines."""
    (finding,) = GUARD.inspect(role("Microsoft.Compute/DISKS/*", "*/read"), rules())
    assert finding == Finding(
        rule="exportPermissions",
        path="properties.permissions",
        actual="Disk Operators: 1 export permission: disks/beginGetAccess/action by "
        "Microsoft.Compute/DISKS/*",
        desired="no export permissions",
        severity=Severity.HIGH,
        mode=Mode.AUDIT,
    )


@pytest.mark.parametrize("operation", EXPORTS, ids=lambda one: one.name)
def test_every_export_operation_is_found(operation: Any) -> None:
    """Actions and data actions alike."""
    body = role("*/read")
    body["properties"]["permissions"][0][f"{operation.kind}s"].append(operation.name)
    assert f"1 export permission: {operation.name.partition('/')[2]} by " in found(body)


@pytest.mark.parametrize(
    "actions", [(), ("*/read",), ("Microsoft.Compute/disks/write",), ("Microsoft.Storage/*",)]
)
def test_a_custom_role_that_lets_nobody_export_is_clean(actions: tuple[str, ...]) -> None:
    """Nothing is told of it."""
    assert found(role(*actions)) == ""


def test_what_is_taken_away_in_the_same_entry_is_not_given() -> None:
    """As Azure evaluates it: another entry still gives it."""
    body = role("Microsoft.Compute/disks/*")
    (entry,) = body["properties"]["permissions"]
    other = copy.deepcopy(entry)
    entry["notActions"] = [DISKS]
    assert found(body) == ""
    body["properties"]["permissions"].append(other)
    assert "disks/beginGetAccess/action" in found(body)


@pytest.mark.parametrize("guid", BUILT_IN)
def test_azures_own_roles_are_not_told_of(guid: str) -> None:
    """Nobody wrote them here; who has one is told of where it is assigned, if at all."""
    properties = dict(BUILT_IN[guid])
    assert found({"id": ROLE_ID, "name": guid, "properties": properties}) == ""


@pytest.mark.parametrize("type_", [None, "", "customRole", "CUSTOMROLE", "Other", 7])
def test_a_role_that_is_not_known_to_be_azures_own_counts_as_custom(type_: object) -> None:
    """A body that leaves it out is no way around."""
    assert found(role("*", type=type_))


@pytest.mark.parametrize(
    "properties",
    [
        {"permissions": None},
        {"permissions": "*"},
        {"permissions": [None]},
        {"permissions": [{"action": ["*"]}]},
        {"permissions": [{"actions": "*"}]},
        {"permissions": [{"actions": [7]}]},
        {"permissions": [{"actions": [" *"]}]},
        {"permissions": [{"actions": ["a" * 2000]}]},
        {"permissions": [{"actions": ["a/read"] * 10_001}]},
    ],
    ids=range(9),
)
def test_a_role_that_cannot_be_read_is_told_of(properties: dict[str, Any]) -> None:
    """A slip does not look like a clean role."""
    says = found(role(**properties))
    assert says.startswith("Disk Operators: its permissions could not be read: ")


@pytest.mark.parametrize("body", [{}, {"properties": None}, {"properties": []}, {"id": ROLE_ID}])
def test_a_body_without_a_role_in_it_is_told_of(body: dict[str, Any]) -> None:
    """It says that there is nothing to judge by."""
    assert "could not be read" in found(body)


def test_many_permissions_are_counted_and_cut() -> None:
    """An alert has room for the first few."""
    body = role("*")
    body["properties"]["permissions"][0]["dataActions"] = ["*"]
    says = found(body)
    assert says.startswith(f"Disk Operators: {len(EXPORTS)} export permissions: disks/")
    assert says.endswith("…")
    assert len(says) <= 300


def test_names_and_patterns_are_shown_without_what_breaks_a_line() -> None:
    """A role's author chooses both."""
    says = found(role("*/beginGetAccess/action*\u202e", DISKS, roleName="a\nb\u202e<c>"))
    assert says == f"a b <c>: 1 export permission: disks/beginGetAccess/action by {DISKS}"
    shown = found(role("Microsoft.Compute/d*", roleName="x" * 5000))
    assert shown.startswith("x" * 59 + "…: ")


def test_without_a_name_a_role_is_told_of_all_the_same() -> None:
    """Azure demands one; a body without is judged by what it gives."""
    assert found(role("*", roleName=None)).startswith("a role without a name: 7 export")


def test_two_thousand_actions_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each operation, that is; the last of them counts as the first does."""
    compared = []

    def counted(glob: str, value: str) -> bool:
        compared.append(glob)
        return matches(glob, value)

    monkeypatch.setattr(roles, "matches", counted)
    others = [f"Microsoft.Compute/type{number}/*/action" for number in range(1999)]
    assert found(role(*others)) == ""
    assert f" by {DISKS}" in found(role(*others, DISKS))
    actions = sum(operation.kind is roles.Kind.ACTION for operation in EXPORTS)
    assert len(compared) == actions * (1999 + 2000)


def test_a_rule_that_is_off_is_not_looked_at() -> None:
    """Not even a role that cannot be read."""
    assert GUARD.inspect(role("*"), rules("off")) == ()
    assert GUARD.inspect({}, rules("off")) == ()


def test_nothing_is_ever_changed() -> None:
    """Whoever wrote the role decides."""
    body = role("*")
    assert GUARD.plan(body, GUARD.inspect(body, rules()), rules()) == Plan()
    assert GUARD.own_operations == ()
    assert GUARD.permissions == (f"{GUARD.resource_type}/read",)
    assert {rule.kind for rule in GUARD.rules} == {Kind.REPORTED}
