"""Role definitions and assignments: what is written, found and refused."""

from typing import Any

import pytest

from sandbox.arm.callers import named
from tests.sandbox.test_arm_server import DISK, GROUP, SUB, Azure, Reply, azure_over_tls

SUBSCRIPTION = f"/subscriptions/{SUB}"
DEFINITION = "/providers/Microsoft.Authorization/roleDefinitions/"
ASSIGNMENT = "/providers/Microsoft.Authorization/roleAssignments/"
OWN = "0a1b2c3d-1111-4222-8333-444455556666"
GIVEN = "77777777-1111-4222-8333-444455556666"
ANA = "99999999-1111-4222-8333-444455556666"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
OPERATOR = "959f8984-c045-4866-89c7-12bf9737be2e"
EXPORT = "Microsoft.Compute/disks/beginGetAccess/action"
SCOPES = [SUBSCRIPTION, GROUP, DISK]


async def define(az: Azure, scope: str = SUBSCRIPTION, name: str = OWN, **more: Any) -> Reply:
    """Alice writes a role that may export disks."""
    permission = {"actions": [EXPORT], "notActions": ["Microsoft.Authorization/*/Write"]}
    properties = {
        "roleName": "Disk exporter",
        "description": "Exports.",
        "type": "CustomRole",
        "permissions": [permission],
        "assignableScopes": [scope],
        **more,
    }
    return await az.call("PUT", scope + DEFINITION + name, {"properties": properties})


async def assign(az: Azure, scope: str = SUBSCRIPTION, name: str = GIVEN, **more: Any) -> Reply:
    """Alice gives the Contributor role to Ana, or what `more` says."""
    properties = {
        "roleDefinitionId": f"{SUBSCRIPTION}{DEFINITION}{CONTRIBUTOR}",
        "principalId": ANA,
        "principalType": "ServicePrincipal",
        **more,
    }
    return await az.call("PUT", scope + ASSIGNMENT + name, {"properties": properties})


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_custom_role_is_written_and_read(scope: str) -> None:
    """With all four lists, its author, and the scopes it may be given at."""
    async with azure_over_tls() as az:
        made = await define(az, scope)
        assert (made.status, made.body["id"]) == (201, scope + DEFINITION + OWN)
        assert (made.body["name"], made.body["type"]) == (
            OWN,
            "Microsoft.Authorization/roleDefinitions",
        )
        assert made.properties["roleName"] == "Disk exporter"
        assert made.properties["type"] == "CustomRole"
        assert made.properties["assignableScopes"] == [scope]
        assert made.properties["permissions"] == [
            {
                "actions": [EXPORT],
                "notActions": ["Microsoft.Authorization/*/Write"],
                "dataActions": [],
                "notDataActions": [],
            }
        ]
        assert made.properties["createdBy"] == named("alice").object_id
        for path in (scope, SUBSCRIPTION, GROUP):
            assert made.body == (await az.call("GET", path + DEFINITION + OWN.upper())).body


async def test_a_custom_role_is_changed_by_another_put() -> None:
    """201 again, and its time of creation stays."""
    async with azure_over_tls() as az:
        before = (await define(az)).properties
        changed = await define(az, permissions=[{"dataActions": ["*"]}])
        assert changed.status == 201
        assert changed.properties["permissions"][0]["dataActions"] == ["*"]
        assert changed.properties["permissions"][0]["actions"] == []
        assert before["createdOn"] == changed.properties["createdOn"]
        assert before["updatedOn"] < changed.properties["updatedOn"]


@pytest.mark.parametrize("scope", ["", *SCOPES])
@pytest.mark.parametrize(
    ("name", "role", "listed", "permits"),
    [
        ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "actions", "*"),
        (CONTRIBUTOR, "Contributor", "notActions", "Microsoft.Authorization/*/Write"),
        ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "actions", "*/read"),
        (
            OPERATOR,
            "Data Operator for Managed Disks",
            "dataActions",
            "Microsoft.Compute/disks/download/action",
        ),
    ],
)
async def test_built_in_roles_are_found_at_every_scope(
    scope: str, name: str, role: str, listed: str, permits: str
) -> None:
    """By their GUIDs, even without a subscription."""
    async with azure_over_tls() as az:
        found = await az.call("GET", scope + DEFINITION + name)
        above = SUBSCRIPTION if scope else ""
        assert (found.status, found.body["id"]) == (200, above + DEFINITION + name)
        assert (found.properties["roleName"], found.properties["type"]) == (role, "BuiltInRole")
        [permission] = found.properties["permissions"]
        assert permits in permission[listed]
        assert permission.keys() == {"actions", "notActions", "dataActions", "notDataActions"}


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_role_is_assigned_at_any_scope(scope: str) -> None:
    """The body tells scope, role and principal; the event's subject is the assignment's ID."""
    async with azure_over_tls() as az:
        given = await assign(az, scope)
        assert (given.status, given.body["id"]) == (201, scope + ASSIGNMENT + GIVEN)
        assert given.properties["scope"] == scope
        assert given.properties["principalId"] == ANA
        assert given.properties["principalType"] == "ServicePrincipal"
        assert given.properties["roleDefinitionId"].endswith(CONTRIBUTOR)
        assert given.body == (await az.call("GET", scope + ASSIGNMENT + GIVEN)).body

        [event] = az.events
        subject = f"{scope}{ASSIGNMENT}{GIVEN}".replace("resourceGroups", "resourcegroups")
        assert event["subject"] == subject
        assert event["data"]["operationName"] == "Microsoft.Authorization/roleAssignments/write"


async def test_a_custom_role_is_assigned_and_told_of() -> None:
    """Each write and delete raises its event, and a DELETE shows what was there."""
    async with azure_over_tls() as az:
        role = (await define(az, GROUP)).body["id"]
        given = await assign(az, GROUP, roleDefinitionId=role)
        assert given.status == 201
        kept = await az.call("DELETE", role)
        assert (kept.status, kept.code) == (400, "RoleDefinitionHasAssignments")

        removed = await az.call("DELETE", GROUP + ASSIGNMENT + GIVEN)
        assert (removed.status, removed.body) == (200, given.body)
        assert (await az.call("DELETE", role)).properties["roleName"] == "Disk exporter"
        assert (await az.call("DELETE", role)).status == 204
        assert (await az.call("GET", GROUP + ASSIGNMENT + GIVEN)).status == 404
        assert [event["data"]["operationName"].partition("/")[2] for event in az.events] == [
            "roleDefinitions/write",
            "roleAssignments/write",
            "roleAssignments/delete",
            "roleDefinitions/delete",
        ]


async def test_assignments_are_listed_from_their_scope_down() -> None:
    """Those of the subscription are not those of the group."""
    async with azure_over_tls() as az:
        other = GIVEN.replace("7", "8")
        await assign(az)
        await assign(az, GROUP, other)
        for scope, names in ((SUBSCRIPTION, [GIVEN, other]), (GROUP, [other])):
            listed = await az.call("GET", scope + ASSIGNMENT.rstrip("/"))
            assert names == [one["name"] for one in listed.body["value"]]


async def test_the_same_assignment_is_not_made_twice() -> None:
    """Under another name; under its own it is the same, but for who has which role."""
    async with azure_over_tls() as az:
        await assign(az)
        twin = await assign(az, name=GIVEN.replace("7", "8"))
        assert (twin.status, twin.code) == (409, "RoleAssignmentExists")
        described = await assign(az, description="for the nightly export")
        assert described.status == 200
        assert described.properties["description"] == "for the nightly export"
        changed = await assign(az, principalId=OWN)
        assert (changed.status, changed.code) == (409, "RoleAssignmentUpdateNotPermitted")
        assert (await assign(az, GROUP, GIVEN.replace("7", "8"))).status == 201


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"principalId": "ana"}, 400),
        ({"principalType": "Robot"}, 400),
        ({"roleDefinitionId": f"{SUBSCRIPTION}{DEFINITION}{OWN}"}, 404),
        ({"rights": "all"}, 400),
    ],
)
async def test_an_assignment_that_makes_no_sense_is_refused(
    wrong: dict[str, Any], status: int
) -> None:
    """Nothing is given, and nothing told."""
    async with azure_over_tls() as az:
        assert status == (await assign(az, **wrong)).status
        assert (await az.call("GET", SUBSCRIPTION + ASSIGNMENT + GIVEN)).status == 404
        assert az.events == []


@pytest.mark.parametrize(
    ("name", "wrong", "status"),
    [
        ("not-a-guid", {}, 400),
        (CONTRIBUTOR, {}, 409),
        (OWN, {"type": "BuiltInRole"}, 409),
        (OWN, {"roleName": ""}, 400),
        (OWN, {"permissions": "all"}, 400),
        (OWN, {"permissions": [{"rights": []}]}, 400),
        (OWN, {"permissions": [{"actions": "*"}]}, 400),
    ],
)
async def test_a_role_that_makes_no_sense_is_refused(
    name: str, wrong: dict[str, Any], status: int
) -> None:
    """Built-in roles, too, stay as they are."""
    async with azure_over_tls() as az:
        assert status == (await define(az, name=name, **wrong)).status
        assert az.events == []


async def test_a_roles_name_is_given_once() -> None:
    """Another GUID needs another name."""
    async with azure_over_tls() as az:
        await define(az)
        twin = await define(az, name=GIVEN)
        assert (twin.status, twin.code) == (409, "RoleDefinitionWithSameNameExists")
        assert (await define(az, name=GIVEN, roleName="Other")).status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", DEFINITION + OWN),
        ("DELETE", DEFINITION + CONTRIBUTOR),
        ("GET", DEFINITION.rstrip("/")),
        ("GET", "/providers/Microsoft.Compute/disks"),
        ("GET", "/providers/Microsoft.Compute/disks/db-01"),
        ("PUT", "/providers/Microsoft.Authorization/locks/keep"),
    ],
)
async def test_above_subscriptions_there_is_nothing_else(method: str, path: str) -> None:
    """404, whatever there is below."""
    async with azure_over_tls() as az:
        await az.disk()
        await define(az)
        assert (await az.call(method, path, {"properties": {}})).status == 404
