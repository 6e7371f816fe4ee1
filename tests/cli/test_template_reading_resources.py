"""Resources of ARM templates: conditions, loops, children, nested deployments, spelling."""

import json
from typing import Any

import pytest

from guards import GUARDS
from guards.cli.expressions import Unresolved
from guards.cli.template import Note
from guards.engine.rules import at
from tests.cli.template_reading import DISKS, INNER, disk, document, line, nested, one, read


@pytest.mark.parametrize(
    ("broken", "text", "mistake"),
    [
        (5, "a resource is an object", True),
        (None, "a resource is an object", True),
        ("[variables('disk')]", "a resource is an object", True),
        ({}, "type: a text is needed", True),
        ({"type": ["a"], "name": "a"}, "type: a text is needed", True),
        ({"type": DISKS}, "name: a text is needed", True),
        ({"type": DISKS, "name": ""}, "name: a text is needed", True),
        ({"type": DISKS, "name": "[true()]"}, "name: a text is needed", True),
        ({**disk(), "resources": 5}, "resources: an array or an object is needed", True),
        ({**disk(), "type": "[parameters('p')]"}, "type cannot be known", False),
        ({**disk(), "Type": "Microsoft.Web/sites"}, "type cannot be known", False),
        (nested("[variables('x')]"), "the nested template cannot be known", False),
        ({**nested({}), "properties": "[json('x')]"}, "the nested template cannot", False),
        (nested(5), "properties.template: an object is needed", True),
        (nested({"contentVersion": "1"}), "resources: an array or an object is needed", True),
        (nested(document(), expressionEvaluationOptions={"scope": 5}), "neither inner", False),
        (
            nested(document(), expressionEvaluationOptions="[parameters('p')]"),
            "neither inner nor outer",
            False,
        ),
        (nested(document(5), **INNER), "a resource is an object", True),
        (nested(document(variables=[]), **INNER), "variables: an object is needed", True),
    ],
)
def test_what_is_wrong_with_one_resource_does_not_hide_the_others(
    broken: Any, text: str, mistake: bool
) -> None:
    """It is told with its line, and as a mistake where the template is wrong."""
    found, (note,) = read(document(disk("before"), broken, disk("after")))
    names = [resource.name for resource in found if resource.name != "ledger"]
    assert names == ["before", "after"]
    assert note.text.startswith(text)
    assert note.mistake is mistake
    assert note.line > found[0].line


@pytest.mark.parametrize("section", ["parameters", "variables"])
def test_a_section_of_another_type_is_a_mistake(section: str) -> None:
    """The resources are read all the same."""
    found, notes = read(document(disk(tags={"a": f"[{section}('p')]"}), **{section: [1]}))
    assert [note.mistake for note in notes] == [True]
    assert found[0].body["tags"] == {"a": Unresolved(f"[{section}('p')]")}


@pytest.mark.parametrize(
    ("fields", "deployed"),
    [
        ({"condition": True}, True),
        ({"condition": False}, False),
        ({"Condition": "[parameters('off')]"}, False),
        ({"condition": "[not(parameters('off'))]"}, True),
        ({"condition": "[parameters('p')]"}, True),
        ({"condition": "[equals(resourceGroup().name, 'x')]"}, True),
        ({"condition": False, "Condition": False}, True),
        ({"copy": {"name": "x", "count": 2}}, True),
        ({"copy": {"name": "x", "count": 0}}, False),
        ({"copy": {"name": "x", "count": "[length(createArray())]"}}, False),
        ({"copy": {"name": "x", "count": "[length(variables('x'))]"}}, True),
        ({"existing": True}, False),
        ({"existing": False}, True),
    ],
)
@pytest.mark.parametrize("make", [disk, lambda **more: {**nested(document(disk())), **more}])
def test_what_is_certainly_not_deployed_is_left_out(
    make: Any, fields: dict[str, Any], deployed: bool
) -> None:
    """Everything else is judged as if it were deployed, a nested deployment like a resource."""
    found, notes = read(document(make(**fields)))
    assert (len(found), notes) == (int(deployed), [])


def test_a_loop_is_one_resource_with_unknown_indices() -> None:
    """Its instances differ in nothing that can be known."""
    found = one(document(disk("[concat('d', copyIndex())]", copy={"name": "x", "count": 500})))
    assert found.name == Unresolved("[concat('d', copyIndex())]")
    assert found.body["name"] == found.name
    assert found.body["properties"]["networkAccessPolicy"] == "DenyAll"
    assert "copy" not in found.body


def test_a_property_made_by_a_loop_is_unresolved() -> None:
    """As ARM names them: name, count, input."""
    loop = {"name": "publicNetworkAccess", "count": 1, "input": "Disabled"}
    found = one(document(disk(properties={"copy": [loop], "networkAccessPolicy": "DenyAll"})))
    assert found.body["properties"] == {
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": Unresolved("copy of publicNetworkAccess"),
    }


@pytest.mark.parametrize(
    ("parent", "child", "expected"),
    [
        ((DISKS, "p"), ("a", "c"), (f"{DISKS}/a", "p/c")),
        ((DISKS, "p"), (f"{DISKS}/a", "c"), (f"{DISKS}/a", "p/c")),
        ((DISKS, "p"), (f"{DISKS}/a", "p/c"), (f"{DISKS}/a", "p/c")),
        ((DISKS, "p"), ("providers/locks", "X.Y/c"), (f"{DISKS}/providers/locks", "p/X.Y/c")),
        (("Microsoft.Web/sites", "p"), (DISKS, "c"), (DISKS, "c")),
        ((DISKS, "p"), ("a", "[newGuid()]"), (f"{DISKS}/a", Unresolved("[newGuid()]"))),
        ((DISKS, "[newGuid()]"), ("a", "c"), (f"{DISKS}/a", Unresolved("[newGuid()]"))),
        ((DISKS, "[concat('p', 'q')]"), ("[concat('a')]", "c"), (f"{DISKS}/a", "pq/c")),
    ],
)
@pytest.mark.parametrize("symbolic", [True, False])
def test_a_child_has_its_parents_type_and_name_before_its_own(
    parent: tuple[str, str], child: tuple[str, str], expected: Any, symbolic: bool
) -> None:
    """Whether it is written relative to the parent or in full."""
    inside = {"type": child[0], "name": child[1], "apiVersion": "2023-04-02"}
    listed: Any = {"x": inside} if symbolic else [inside]
    outside = {"type": parent[0], "name": parent[1], "resources": listed}
    (above, found), notes = read(document(outside))
    assert notes == []
    assert (found.type, found.name) == expected
    assert (found.body["type"], found.body["name"]) == expected
    assert "resources" not in above.body
    assert found.line > above.line


def test_a_condition_says_nothing_about_children() -> None:
    """Azure deploys them unless they have one of their own."""
    child = {"type": "a", "name": "c"}
    found = one(document(disk(condition=False, resources=[child])))
    assert found.name == "ledger/c"


OUTER_AND_INNER = {
    "parameters": {"access": {"type": "string", "defaultValue": "outer"}},
    "variables": {"v": "outer"},
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("outer", "outer")),
        ({"expressionEvaluationOptions": {"scope": "outer"}}, ("outer", "outer")),
        ({"expressionEvaluationOptions": {"scope": "NotSpecified"}}, ("outer", "outer")),
        ({"expressionEvaluationOptions": {}}, ("outer", "outer")),
        (INNER, ("default", "inner")),
        ({"ExpressionEvaluationOptions": {"Scope": "[concat('in', 'ner')]"}}, ("default", "inner")),
        ({**INNER, "parameters": {"access": {"value": "given"}}}, ("given", "inner")),
        (
            {**INNER, "parameters": {"ACCESS": {"value": "[parameters('access')]"}}},
            ("outer", "inner"),
        ),
        (
            {**INNER, "parameters": {"access": {"value": "[newGuid()]"}}},
            (Unresolved("[parameters('access')]"), "inner"),
        ),
        (
            {**INNER, "parameters": {"access": {"reference": {"keyVault": {}}}}},
            (Unresolved("[parameters('access')]"), "inner"),
        ),
        ({**INNER, "parameters": {"access": {"value": None}}}, ("default", "inner")),
        (
            {**INNER, "parameters": {"access": 5}},
            (Unresolved("[parameters('access')]"), "inner"),
        ),
        (
            {**INNER, "parameters": "[variables('nowhere')]"},
            (Unresolved("[parameters('access')]"), "inner"),
        ),
        (
            {**INNER, "parametersLink": {"uri": "https://example.org"}},
            (Unresolved("[parameters('access')]"), "inner"),
        ),
    ],
)
@pytest.mark.parametrize("depth", [1, 3])
def test_a_nested_deployment_sees_the_values_of_its_scope(
    options: dict[str, Any], expected: Any, depth: int
) -> None:
    """The parent's by default; its own where the scope is inner, whatever the depth."""
    settings_ = {"networkAccessPolicy": "[parameters('access')]", "x": "[variables('v')]"}
    inside = document(
        disk(properties=settings_),
        parameters={"access": {"type": "string", "defaultValue": "default"}},
        variables={"v": "inner"},
    )
    template = document(nested(inside, **options), **OUTER_AND_INNER)
    for _ in range(depth - 1):
        template = document(nested(template), **OUTER_AND_INNER)
    found = one(template)
    assert tuple(found.body["properties"].values()) == expected


def test_what_azure_would_evaluate_again_in_a_nested_template_is_unresolved() -> None:
    """In the outer scope an escaped expression is one for the nested deployment."""
    inside = document(disk(tags={"a": "[[parameters('x')]"}), {**disk(), "type": "[[concat('x')]"})
    (found,), (note,) = read(document(nested(inside)))
    assert found.body["tags"] == {"a": Unresolved("[parameters('x')]")}
    assert note.text.startswith("type cannot be known")
    found, other = read(document(nested(inside, **INNER)))[0]
    assert found.body["tags"] == {"a": "[parameters('x')]"}
    assert other.type == "[concat('x')]"


@pytest.mark.parametrize(
    "link",
    [
        {"uri": "https://example.org/main.json"},
        {"relativePath": "modules/acr.json"},
        {"id": "/subscriptions/x/templateSpecs/y/versions/1"},
        "[parameters('p')]",
    ],
)
def test_a_linked_template_is_not_read_and_told(link: Any) -> None:
    """Links are never followed."""
    deployment = nested(None, templateLink=link)
    text = json.dumps(document(deployment, disk()), indent=2)
    found, notes = read(text)
    assert [resource.type for resource in found] == [DISKS]
    told = "the linked template was not read: what it deploys is not judged"
    assert notes == [Note(line(text, 0, '"templateLink"'), told)]


def test_the_spelling_of_guarded_settings_does_not_matter() -> None:
    """ARM takes any casing, the guards look for theirs."""
    written = {
        "Type": "microsoft.containerregistry/Registries",
        "NAME": "acr",
        "APIVersion": "2023-07-01",
        "SKU": {"Name": "Premium"},
        "TAGS": {"Owner": "x", "owner": "y"},
        "Properties": {
            "PublicNetworkAccess": "Disabled",
            "POLICIES": {"exportpolicy": {"Status": "disabled"}, "Other": 1},
        },
    }
    found = one(document(written))
    assert found.body == {
        "type": "microsoft.containerregistry/Registries",
        "name": "acr",
        "sku": {"name": "Premium"},
        "tags": {"Owner": "x", "owner": "y"},
        "properties": {
            "publicNetworkAccess": "Disabled",
            "policies": {"exportPolicy": {"status": "disabled"}, "Other": 1},
        },
    }
    assert found.api_version == "2023-07-01"
    path = ("properties", "policies", "exportPolicy", "status")
    assert found.lines[path] == found.line_of("sku") + 11


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)
def test_every_setting_of_every_guard_is_found_in_any_casing(guard: Any) -> None:
    """A rule that is added needs no line here."""
    for rule in guard.rules:
        value: Any = rule.desired
        for name in reversed(rule.path.upper().split(".")):
            value = {name: value}
        found = one(document({"type": guard.resource_type, "name": "x", **value}))
        assert at(found.body, rule.path) == rule.desired


def test_a_setting_written_twice_in_two_casings_is_unresolved() -> None:
    """Nobody can say which one Azure takes."""
    twice = {"publicNetworkAccess": "Disabled", "PublicNetworkAccess": "Enabled", "a": 1, "A": 2}
    found = one(document(disk(properties=twice)))
    unknown = Unresolved("publicNetworkAccess stands there twice")
    assert found.body["properties"] == {"publicNetworkAccess": unknown, "a": 1, "A": 2}


def test_types_that_are_not_guarded_keep_their_spelling() -> None:
    """Nothing is known of their settings."""
    written = {"type": "Microsoft.Web/sites", "name": "a", "Properties": {"publicnetworkaccess": 1}}
    found = one(document(written))
    assert found.body["Properties"] == {"publicnetworkaccess": 1}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2023-04-02", "2023-04-02"),
        ("[concat('2023', '-04-02')]", "2023-04-02"),
        ("[parameters('p')]", Unresolved("[parameters('p')]")),
        (None, Unresolved("")),
        (5, Unresolved("")),
    ],
)
def test_the_api_version_is_told(version: Any, expected: Any) -> None:
    """Unresolved where nobody knows it."""
    assert one(document(disk(apiVersion=version))).api_version == expected
