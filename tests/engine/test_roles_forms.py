"""Forms of role definitions, and mistakes in them: none may look like a role without grants."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.errors import Unreadable
from guards.engine.roles import Role, grants, read
from guards.engine.roles.definition import LONGEST_PATTERN, MOST_PATTERNS

DISKS = "Microsoft.Compute/disks/beginGetAccess/action"
SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555"
GUID = "99999999-2222-3333-4444-555555555555"
ID = f"{SCOPE}/providers/Microsoft.Authorization/roleDefinitions/{GUID}"
ARM_TYPE = "Microsoft.Authorization/roleDefinitions"
ENTRY = {
    "actions": ["*/read", DISKS],
    "condition": None,
    "conditionVersion": None,
    "dataActions": [],
    "notActions": [],
    "notDataActions": None,
}

FORMS: dict[str, dict[str, Any]] = {
    "az role definition list": {
        "assignableScopes": [SCOPE],
        "createdBy": None,
        "description": "",
        "id": ID,
        "name": GUID,
        "permissions": [ENTRY],
        "roleName": "Copier",
        "roleType": "CustomRole",
        "type": ARM_TYPE,
    },
    "REST": {
        "properties": {
            "roleName": "Copier",
            "type": "CustomRole",
            "assignableScopes": [SCOPE],
            "permissions": [{"actions": [DISKS], "notActions": []}],
        },
        "id": ID,
        "type": ARM_TYPE,
        "name": GUID,
    },
    "az role definition create": {
        "Name": "Copier",
        "Id": ID,
        "IsCustom": True,
        "Description": "",
        "Actions": [DISKS],
        "NotActions": [],
        "AssignableScopes": [SCOPE],
    },
    "flat": {"name": "Copier", "id": ID, "type": "CustomRole", "actions": [DISKS]}
    | {"assignableScopes": [SCOPE]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_alike(form: str) -> None:
    """Whatever wrote it."""
    wanted = Role("Copier", ID, "CustomRole", (SCOPE,), grants({"actions": [DISKS]}))
    assert read(FORMS[form]) == wanted
    assert [one.operation for one in wanted.grants] == [DISKS]


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ({"IsCustom": False}, "BuiltInRole"),
        ({"IsCustom": True}, "CustomRole"),
        ({"roleType": "builtinrole"}, "BuiltInRole"),
        ({"type": ARM_TYPE}, None),
        ({"roleType": "Mine", "IsCustom": "yes"}, None),
        ({}, None),
    ],
)
def test_a_role_is_built_in_or_custom_or_does_not_say(said: Any, type_: str | None) -> None:
    """The resource's own type says neither."""
    assert read({"roleName": "x", "permissions": [], **said}).type == type_


def test_a_role_without_an_entry_gives_nothing() -> None:
    """An empty list was meant."""
    assert grants({"permissions": []}) == ()
    assert grants({"permissions": [{"actions": []}]}) == ()


def test_a_condition_is_taken_for_met() -> None:
    """What it may allow is given: it is not evaluated."""
    entry = {"actions": [DISKS], "condition": "@Resource[x] StringEquals 'y'"}
    assert [one.operation for one in grants({"permissions": [entry]})] == [DISKS]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "missing permissions": ({"roleName": "x"}, "actions: missing"),
    "properties without permissions": (
        {"properties": {"roleName": "x"}},
        "properties.actions: missing",
    ),
    "properties that are none": ({"properties": []}, "properties: an object is needed, not list"),
    "permissions that are none": ({"permissions": {}}, "permissions: a list is needed, not dict"),
    "an entry that is none": (
        {"properties": {"permissions": [{"actions": []}, "*"]}},
        "properties.permissions[1]: an object is needed, not str",
    ),
    "a misspelt list": (
        {"permissions": [{"acions": ["*"]}]},
        "permissions[0].acions: unknown; is actions meant?",
    ),
    "no list at all": ({"permissions": [{}]}, "permissions[0].actions: missing"),
    "a text for a list": (
        {"permissions": [{"actions": "*"}]},
        "permissions[0].actions: a list is needed, not str",
    ),
    "a number for a pattern": (
        {"permissions": [{"actions": ["*", 5]}]},
        "permissions[0].actions[1]: a text is needed, not int",
    ),
    "null for a pattern": (
        {"Actions": ["*"], "NotActions": [None]},
        "notActions[0]: a text is needed, not NoneType",
    ),
    "an empty pattern": ({"dataActions": [""]}, "dataActions[0]: empty"),
    "a pattern with a space": (
        {"notActions": ["* "], "actions": ["*"]},
        "notActions[0]: empty, or",
    ),
    "a long pattern": (
        {"actions": ["*" * (LONGEST_PATTERN + 1)]},
        "actions[0]: longer than 1,024 characters",
    ),
    "an expression": (
        {"notDataActions": ["[parameters('x')]"]},
        "notDataActions[0]: an expression, which is not known before deployment",
    ),
    "lists beside permissions": (
        {"permissions": [], "dataActions": ["*"]},
        "dataActions beside permissions",
    ),
    "permissions beside properties": (
        {"properties": {"permissions": []}, "permissions": [{"actions": ["*"]}]},
        "permissions beside properties",
    ),
    "lists beside properties": (
        {"properties": {"permissions": []}, "Actions": ["*"]},
        "actions beside properties",
    ),
    "a list in two casings": (
        {"permissions": [{"actions": ["*"], "Actions": []}]},
        "permissions[0].Actions: stands there twice",
    ),
    "more than is read": (
        {"permissions": [{"actions": ["a"] * MOST_PATTERNS}, {"notDataActions": ["a"]}]},
        "10,001 actions, which is more than the 10,000 that are read",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(name: str) -> None:
    """It never counts as a role that gives nothing, or as one that takes something away."""
    document, words = MISTAKES[name]
    with pytest.raises(Unreadable) as refused:
        grants(document)
    assert str(refused.value).startswith(words)


def test_as_many_patterns_as_are_read_are_read() -> None:
    """The bound itself is fine."""
    assert grants({"actions": ["a"] * (MOST_PATTERNS - 1) + ["*" * LONGEST_PATTERN]})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "roleName: a name is needed"),
        ({"roleName": ""}, "roleName: a name is needed"),
        ({"roleName": ["x"]}, "roleName: a text is needed, not list"),
        ({"name": 5}, "name: a text is needed, not int"),
        ({"roleName": "x", "id": {}}, "id: a text is needed, not dict"),
        ({"roleName": "x", "assignableScopes": "/"}, "assignableScopes: a list is needed, not str"),
        ({"roleName": "x", "assignableScopes": [{}]}, "assignableScopes[0]: a text is needed"),
    ],
)
def test_a_role_that_cannot_be_named_is_told(fields: dict[str, Any], words: str) -> None:
    """Nobody could find it again."""
    with pytest.raises(Unreadable) as refused:
        read({"permissions": [], **fields})
    assert str(refused.value).startswith(words)


KEYS = st.sampled_from(
    ["properties", "permissions", "actions", "Actions", "notActions", "dataActions", "roleName"]
)
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.just("*")
DOCUMENTS = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=4)
    ),
)


@settings(max_examples=100)
@given(st.dictionaries(KEYS | st.text(), DOCUMENTS, max_size=5))
def test_any_object_is_evaluated_or_refused(document: dict[str, Any]) -> None:
    """Nothing else comes out of it."""
    try:
        found = read(document)
    except Unreadable:
        return
    assert found.name


@pytest.mark.parametrize("name", ["Action", "actionss", "NotAction", "DataAction", "noActions"])
def test_a_list_whose_name_is_misspelt_is_no_clean_role(name: str) -> None:
    """What it gives or takes would go unseen, beside others that are spelt right."""
    role = {"Name": "x", "NotActions": [], "DataActions": [], name: ["*"]}
    role.pop("NotActions" if name == "NotAction" else "", None)
    with pytest.raises(Unreadable, match=r"is \w*ctions meant"):
        grants(role)
