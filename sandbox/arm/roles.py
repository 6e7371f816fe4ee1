"""Role definitions and role assignments: written, read and told of, but they permit nothing here.

Documented: bodies, the built-in roles (found at every scope), 201 for each PUT of a definition,
what DELETE shows, that an assignment is not changed, not made twice (RoleAssignmentExists) and
keeps its definition from being deleted. Guesses: the statuses of refusals for a missing definition
and a built-in one, and that a custom role is found at every scope of its subscription. Lists show
custom roles only, and scopes above a subscription are served for reading built-in roles only.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.arm.bodies import READ_ONLY, Body, Write, choice, members, part, timestamp
from sandbox.arm.errors import ArmError, bad_request, conflict
from sandbox.arm.paths import Target
from sandbox.arm.store import Store

DEFINITIONS: Final = "Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS: Final = "Microsoft.Authorization/roleAssignments"
GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PRINCIPALS: Final = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
_LISTS: Final = ("actions", "notActions", "dataActions", "notDataActions")
_STAMPS: Final = frozenset({"createdOn", "updatedOn", "createdBy", "updatedBy"})
_DEFINITION: Final = _STAMPS | {
    "roleName",
    "description",
    "type",
    "permissions",
    "assignableScopes",
}
_ASSIGNMENT: Final = _STAMPS | {
    *("roleDefinitionId", "principalId", "principalType", "scope", "description", "condition"),
    *("conditionVersion", "delegatedManagedIdentityResourceId"),
}
_FIXED: Final = ("roleDefinitionId", "principalId")


def _built_in(name: str, description: str, **permission: list[str]) -> dict[str, Any]:
    return {
        "roleName": name,
        "type": "BuiltInRole",
        "description": description,
        "assignableScopes": ["/"],
        "permissions": [{one: permission.get(one, []) for one in _LISTS}],
        "createdOn": "2015-02-02T21:55:09.8806423Z",
        "updatedOn": "2015-02-02T21:55:09.8806423Z",
        "createdBy": None,
        "updatedBy": None,
    }


BUILT_IN: Final[Mapping[str, Mapping[str, Any]]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": _built_in(
        "Owner",
        "Grants full access to manage all resources, including the ability to assign roles in "
        "Azure RBAC.",
        actions=["*"],
    ),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": _built_in(
        "Contributor",
        "Grants full access to manage all resources, but does not allow you to assign roles in "
        "Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
        actions=["*"],
        notActions=[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
        ],
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": _built_in(
        "Reader",
        "View all resources, but does not allow you to make any changes.",
        actions=["*/read"],
    ),
    "959f8984-c045-4866-89c7-12bf9737be2e": _built_in(
        "Data Operator for Managed Disks",
        "Provides permissions to upload data to empty managed disks, read, or export data of "
        "managed disks (not attached to running VMs) and snapshots using SAS URIs and Azure AD "
        "authentication.",
        dataActions=[
            "Microsoft.Compute/disks/download/action",
            "Microsoft.Compute/disks/upload/action",
            "Microsoft.Compute/snapshots/download/action",
            "Microsoft.Compute/snapshots/upload/action",
        ],
    ),
}


def put_definition(write: Write) -> Body:
    """A custom role after a PUT."""
    members(write.body, READ_ONLY | {"properties"}, "RoleDefinition")
    asked = part(write.body, "properties")
    members(asked, _DEFINITION, "RoleDefinitionProperties", "properties.")
    if write.name.lower() in BUILT_IN or asked.get("type", "CustomRole") != "CustomRole":
        raise conflict(
            "A built-in role cannot be changed.", code="RoleDefinitionUpdateNotPermitted"
        )
    if not asked.get("roleName"):
        raise bad_request("The role definition has no name.", code="RoleDefinitionNameNullOrEmpty")
    return _body(
        write,
        {
            "roleName": str(asked["roleName"]),
            "type": "CustomRole",
            "description": str(asked.get("description") or ""),
            "assignableScopes": _texts(asked.get("assignableScopes"), "assignableScopes")
            or [_scope(write)],
            "permissions": _permissions(asked.get("permissions")),
        },
    )


def put_assignment(write: Write) -> Body:
    """A role assignment after a PUT; an existing one may change its description only."""
    members(write.body, READ_ONLY | {"properties"}, "RoleAssignment")
    asked = part(write.body, "properties")
    members(asked, _ASSIGNMENT, "RoleAssignmentProperties", "properties.")
    principal = str(asked.get("principalId") or "")
    if not GUID.fullmatch(principal):
        raise bad_request(f"Invalid principal ID '{principal}'.", code="InvalidPrincipalId")
    role = str(asked.get("roleDefinitionId") or "")
    changed = [name for name in _FIXED if write.old and write.old[name] != asked.get(name)]
    if changed:
        raise conflict(
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            code="RoleAssignmentUpdateNotPermitted",
        )
    return _body(
        write,
        {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": choice(asked, "principalType", PRINCIPALS, "User"),
            "scope": _scope(write),
            **{
                name: asked.get(name)
                for name in ("description", "condition", "conditionVersion")
                if asked.get(name)
            },
        },
    )


def check_definition(store: Store, write: Write, body: Body) -> None:
    """A role's name is given once."""
    wanted = body["properties"]["roleName"]
    for other in store.all(DEFINITIONS.lower()):
        if other.body["properties"]["roleName"] == wanted and other.body["id"] != write.id:
            raise conflict(
                f"A custom role with the same name already exists: '{wanted}'.",
                code="RoleDefinitionWithSameNameExists",
            )


def check_assignment(store: Store, write: Write, body: Body) -> None:
    """The role exists, and nobody has it at this scope already."""
    wanted = body["properties"]
    role = _guid(wanted["roleDefinitionId"])
    subscription = write.id.split("/")[2]
    if role not in BUILT_IN and _custom(store, subscription, role) is None:
        raise ArmError(
            404,
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{role}' does not exist.",
        )
    for other in store.all(ASSIGNMENTS.lower()):
        same = other.body["properties"]
        if (
            other.body["id"].lower() != write.id.lower()
            and same["scope"].lower() == wanted["scope"].lower()
            and same["principalId"].lower() == wanted["principalId"].lower()
            and _guid(same["roleDefinitionId"]) == role
        ):
            raise conflict("The role assignment already exists.", code="RoleAssignmentExists")


def find_definition(store: Store, target: Target) -> Body | None:
    """A role by its GUID alone: built in, or of the subscription."""
    name = target.names[-1].lower()
    if name in BUILT_IN:
        above = f"/subscriptions/{target.subscription}" if target.subscription else ""
        role_id = f"{above}/providers/{DEFINITIONS}/{name}"
        return {"id": role_id, "name": name, "type": DEFINITIONS, "properties": BUILT_IN[name]}
    return _custom(store, target.subscription, name)


def refuse_delete_definition(store: Store, body: Body) -> None:
    """A role that somebody has stays."""
    role = _guid(body["id"])
    for assignment in store.all(ASSIGNMENTS.lower()):
        if _guid(assignment.body["properties"]["roleDefinitionId"]) == role:
            raise bad_request(
                "There are existing role assignments referencing role.",
                code="RoleDefinitionHasAssignments",
            )


def _custom(store: Store, subscription: str, name: str) -> Body | None:
    below = f"/subscriptions/{subscription}".lower()
    for role in store.under(DEFINITIONS.lower(), below):
        if role.body["name"].lower() == name:
            return role.body
    return None


def _body(write: Write, properties: Body) -> Body:
    now, who = timestamp(), write.caller.object_id
    stamps = {
        "createdOn": write.old.get("createdOn", now),
        "updatedOn": now,
        "createdBy": write.old.get("createdBy", who),
        "updatedBy": who,
    }
    head = {"id": write.id, "name": write.name, "type": write.type}
    return {**head, "properties": {**properties, **stamps}}


def _permissions(given: object) -> list[Body]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request("'permissions' is a list of objects.", code="InvalidRoleDefinition")
    for one in given:
        members(one, _LISTS, "Permission", "properties.permissions.")
    return [{name: _texts(one.get(name), name) for name in _LISTS} for one in given]


def _texts(given: object, name: str) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise bad_request(f"'{name}' is a list of texts.", code="InvalidRoleDefinition")
    return given


def _scope(write: Write) -> str:
    return write.id.rpartition("/providers/")[0]


def _guid(role_id: str) -> str:
    """The GUID that a role's ID ends with, for comparing."""
    return role_id.rpartition("/")[2].lower()
