"""Role assignments: who was given a role that lets export, told of with who, what and where."""

from typing import Any

import pytest

from guards import disk, role_assignment, role_definition
from guards.engine import catalogue, policy
from guards.engine.errors import Unreadable
from guards.engine.model import (
    Caller,
    Finding,
    Kind,
    Lookup,
    Mode,
    Plan,
    ResourceChange,
    Severity,
    TypePolicy,
)
from guards.engine.rules import with_known
from sandbox.arm.roles import BUILT_IN
from tests.engine.samples import ALICE_ID, DISK_ID, DISK_WRITE, GROUP, SUBSCRIPTION
from tests.fakes import START

GUARD = role_assignment.GUARD
SUB = f"/subscriptions/{SUBSCRIPTION}"
NAME = "77777777-8888-9999-aaaa-bbbbbbbbbbbb"
ROLE = "0a1b2c3d-1111-2222-3333-444455556666"
DATA_OPERATOR = role_assignment.DATA_OPERATOR
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"


def rules(mode: str = "audit") -> TypePolicy:
    """A policy for role assignments."""
    text = f"""
version: 1
resources:
  {GUARD.resource_type}:
    exportPermissions: {{mode: "{mode}"}}
"""
    return policy.parse(text, (GUARD,), START).of(GUARD)


def assignment(role: object = ROLE, scope: str = SUB, **properties: Any) -> dict[str, Any]:
    """An assignment as ARM returns it, of a role by its GUID or whole ID."""
    short = isinstance(role, str) and "/" not in role
    return {
        "id": f"{scope}/providers/{GUARD.resource_type}/{NAME}",
        "name": NAME,
        "type": GUARD.resource_type,
        "properties": {
            "roleDefinitionId": f"{SUB}{DEFINITIONS}/{role}" if short else role,
            "principalId": ALICE_ID,
            "principalType": "User",
            "scope": scope,
            "createdOn": "2026-03-01T11:59:58.0000000Z",
            **properties,
        },
    }


def custom(*actions: str, name: str = "Disk Operators", **properties: Any) -> dict[str, Any]:
    """A custom role as the lookup finds it."""
    permissions = [{"actions": list(actions), "notActions": []}]
    return {
        "id": f"{SUB}{DEFINITIONS}/{ROLE}",
        "properties": {
            "roleName": name,
            "type": "CustomRole",
            "permissions": permissions,
            **properties,
        },
    }


def built_in(guid: str) -> dict[str, Any]:
    """One of Azure's own roles as the lookup finds it."""
    return {"id": f"{SUB}{DEFINITIONS}/{guid}", "name": guid, "properties": dict(BUILT_IN[guid])}


def found(body: dict[str, Any], role: object) -> str:
    """What the one finding says where the lookup found this; "" without one."""
    findings = GUARD.inspect(with_known(body, roleDefinition=role), rules())
    assert len(findings) < 2
    return (findings[0].actual or "?") if findings else ""


def asked(body: dict[str, Any]) -> list[str]:
    """The paths of what would be read beside an assignment."""
    assert GUARD.lookups is not None
    return [one.resource.path if one.resource else "" for one in GUARD.lookups(body, rules())]


def test_the_definition_of_the_role_is_asked_for() -> None:
    """One GET, in the version that definitions have."""
    assert GUARD.lookups is not None
    (lookup,) = GUARD.lookups(assignment(), rules())
    assert lookup == Lookup("roleDefinition", "2022-04-01", resource=lookup.resource)
    assert lookup.resource is not None
    assert lookup.resource.path == f"{SUB}{DEFINITIONS}/{ROLE}"


@pytest.mark.parametrize(
    "role",
    [
        ROLE,
        f"{DEFINITIONS}/{ROLE}",
        f"{SUB}{DEFINITIONS}/{ROLE.upper()}".replace("roleDef", "ROLEDEF"),
        f"{GROUP}{DEFINITIONS}/{ROLE}",
        f"/subscriptions/{SUBSCRIPTION.replace('1', '2')}{DEFINITIONS}/{ROLE}",
    ],
)
@pytest.mark.parametrize("scope", [SUB, GROUP, DISK_ID])
def test_a_role_is_asked_for_in_the_assignments_own_subscription(role: str, scope: str) -> None:
    """Of what the assignment says, only the GUID counts."""
    assert asked(assignment(role, scope)) == [f"{SUB}{DEFINITIONS}/{ROLE}"]


UNREADABLE = pytest.mark.parametrize(
    "role",
    [
        None,
        7,
        "",
        [],
        "Owner/",
        f"{SUB}{DEFINITIONS}/Owner",
        f"{SUB}{DEFINITIONS}/{ROLE}/x/y",
        f"{SUB}{DEFINITIONS}/..",
        f"{SUB}{DEFINITIONS}/{ROLE}?x",
        f"{SUB}{DEFINITIONS}/{ROLE}\n",
        f"https://evil.example{SUB}{DEFINITIONS}/{ROLE}",
        f"/providers/Microsoft.Management/managementGroups/mg{DEFINITIONS}/{ROLE}",
        DISK_ID,
        f"{SUB}/providers/Microsoft.Authorization/policyDefinitions/{ROLE}",
    ],
)


@UNREADABLE
def test_what_is_no_role_is_not_asked_for_and_told_of(role: object) -> None:
    """No request is built from it, and it does not look clean."""
    body = assignment(role if role is None or role else f"/{role}")
    assert asked(body) == []
    (finding,) = GUARD.inspect(body, rules())
    says = f"User {ALICE_ID} has a role whose ID could not be read at {SUB}"
    assert finding.actual == says


@pytest.mark.parametrize("given", [None, "", 5, "/", f"{SUB}/..", "https://evil.example/x"])
def test_without_an_id_of_its_own_nothing_is_asked_for(given: object) -> None:
    """The subscription to ask in is not known then."""
    assert asked({**assignment(), "id": given}) == []


def test_an_assignment_of_a_template_is_judged_once_it_is_deployed() -> None:
    """It has no ID yet, and its role may be an expression."""
    body = assignment("[parameters('role')]")
    del body["id"]
    assert GUARD.inspect(body, rules()) == ()
    assert GUARD.inspect({}, rules()) == ()


def test_a_custom_role_that_lets_export_is_found() -> None:
    """The finding says who has which role where, and what for."""
    role = custom("Microsoft.Compute/snapshots/*")
    body = with_known(assignment(scope=GROUP), roleDefinition=role)
    (finding,) = GUARD.inspect(body, rules())
    assert finding == Finding(
        rule="exportPermissions",
        path="properties.roleDefinitionId",
        actual=f"User {ALICE_ID} has Disk Operators at {GROUP}, 1 export permission: "
        "snapshots/beginGetAccess/action by Microsoft.Compute/snapshots/*",
        desired="no export permissions",
        severity=Severity.HIGH,
        mode=Mode.AUDIT,
    )


def test_data_operator_for_managed_disks_is_found() -> None:
    """Azure's own role for taking disks out, whatever the casing of its ID."""
    says = found(assignment(DATA_OPERATOR.upper()), built_in(DATA_OPERATOR))
    assert says.startswith(f"User {ALICE_ID} has Data Operator for Managed Disks at {SUB}, ")
    assert "disks/download/action" in says


@pytest.mark.parametrize("guid", sorted(set(BUILT_IN) - {DATA_OPERATOR}))
def test_azures_other_roles_are_too_ordinary_to_tell_of(guid: str) -> None:
    """Owners and Contributors come and go all day."""
    assert found(assignment(guid), built_in(guid)) == ""


@pytest.mark.parametrize("actions", [(), ("*/read",), ("Microsoft.Compute/disks/write",)])
def test_a_custom_role_that_lets_nobody_export_is_clean(actions: tuple[str, ...]) -> None:
    """Whoever has it."""
    assert found(assignment(), custom(*actions)) == ""


def test_a_role_that_does_not_say_whose_it_is_counts_as_custom() -> None:
    """What is left out is no way around."""
    assert found(assignment(), custom("*", type=None))


def test_a_definition_that_could_not_be_asked_for_is_told_of_with_the_reason() -> None:
    """What the role gives is not known then."""
    says = found(assignment(), "AuthorizationFailed: no right\nto read it")
    assert says == (
        f"User {ALICE_ID} has role {ROLE} at {SUB}, and its definition could not be read: "
        "AuthorizationFailed: no right to read it"
    )


@pytest.mark.parametrize("permissions", [None, "*", [None], [{"action": ["*"]}]])
def test_a_definition_that_cannot_be_understood_is_told_of(permissions: object) -> None:
    """A slip does not look like a clean role."""
    says = found(assignment(), custom(permissions=permissions))
    assert f"has Disk Operators at {SUB}, its permissions could not be read: " in says


def test_where_nobody_looked_nothing_is_found() -> None:
    """An export of resources, say, comes without definitions."""
    assert GUARD.inspect(assignment(), rules()) == ()
    assert GUARD.inspect(with_known(assignment(), other=1), rules()) == ()


@pytest.mark.parametrize("kind", ["ServicePrincipal", "Group", "ForeignGroup", "Device"])
def test_the_finding_says_what_kind_of_principal_has_the_role(kind: str) -> None:
    """A pipeline is another matter than a person."""
    says = found(assignment(principalType=kind), custom("*"))
    assert says.startswith(f"{kind} {ALICE_ID} has Disk Operators at ")


def test_a_finding_is_short_and_has_nothing_that_breaks_a_line() -> None:
    """Names, IDs and scopes come from outside."""
    body = assignment(
        scope=f"{GROUP}/{'x' * 500}", principalId="p\n" * 500, principalType="\u202eUser" * 50
    )
    says = found({**body, "id": assignment()["id"]}, custom("*", name="a\r\nb" * 100))
    assert 200 < len(says) <= 300
    assert not set(says) & set("\r\n\u202e")
    assert ", 7 export permissions: " in says


@pytest.mark.parametrize("missing", [{}, {"properties": None}, {"properties": {}}])
def test_an_assignment_without_a_principal_benefits_nobody_known(missing: dict[str, Any]) -> None:
    """No exporter has an empty ID."""
    assert GUARD.beneficiary is not None
    assert GUARD.beneficiary(missing) == ""


def test_who_has_the_role_is_who_benefits() -> None:
    """By the object ID, in the casing that the policy is compared in."""
    assert GUARD.beneficiary is not None
    assert GUARD.beneficiary(assignment(principalId=ALICE_ID.upper())) == ALICE_ID


def test_a_rule_that_is_off_costs_no_request_and_finds_nothing() -> None:
    """Not even where a role cannot be read."""
    assert GUARD.lookups is not None
    assert GUARD.lookups(assignment(), rules("off")) == ()
    body = with_known(assignment(), roleDefinition=custom("*"))
    assert GUARD.inspect(body, rules("off")) == ()
    assert GUARD.inspect(assignment(None), rules("off")) == ()


def test_nothing_is_ever_changed() -> None:
    """Taking rights away is for people."""
    body = with_known(assignment(), roleDefinition=custom("*"))
    assert GUARD.plan(body, GUARD.inspect(body, rules()), rules()) == Plan()
    assert GUARD.own_operations == ()
    assert GUARD.permissions == (f"{GUARD.resource_type}/read",)
    assert {rule.kind for rule in GUARD.rules} == {Kind.REPORTED}


GUARDS = (disk.GUARD, role_definition.GUARD, GUARD)


def change(operation: str, resource: str) -> ResourceChange:
    """An event about a resource."""
    event_type = "Microsoft.Resources.ResourceWriteSuccess"
    return ResourceChange("e", "", event_type, operation, resource, "", Caller())


@pytest.mark.parametrize("scope", [SUB, GROUP, DISK_ID])
def test_an_event_leads_to_the_assignment_wherever_it_is(scope: str) -> None:
    """An assignment on a disk is none of the disk's own writes."""
    resource = f"{scope}/providers/{GUARD.resource_type}/{NAME}"
    located = catalogue.locate(change(f"{GUARD.resource_type}/write", resource), GUARDS)
    assert located is not None
    assert (located[0], located[1].path) == (GUARD, resource)


def test_an_assignment_event_that_names_no_assignment_is_unreadable() -> None:
    """It is told of, and the disk is not read for it."""
    with pytest.raises(Unreadable):
        catalogue.locate(change(f"{GUARD.resource_type}/write", DISK_ID), GUARDS)
    assert catalogue.locate(change(DISK_WRITE, DISK_ID), GUARDS) is not None
