"""ARM templates: which resources a deployment would write, with which settings, in which line."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli.expressions import Unresolved
from guards.cli.positions import parse
from guards.cli.template import (
    Note,
    TemplateResource,
    is_template,
    read_parameters,
    resources,
)
from guards.engine.errors import Unreadable
from guards.engine.rules import at

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DISKS = "Microsoft.Compute/disks"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
DEPLOYMENTS = "Microsoft.Resources/deployments"

HAND_WRITTEN = """{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  // values that differ by environment
  "parameters": {
    "prefix": { "type": "string", "defaultValue": "ledger" },
    "networkAccess": {
      "type": "string",
      "defaultValue": "DenyAll",
      "allowedValues": [ "DenyAll", "AllowPrivate", "AllowAll" ]
    }
  },
  "variables": {
    "registryName": "[concat(parameters('prefix'), 'acr')]",
    /* exports only ever go
       through the pipeline */
    "policies": {
      "exportPolicy": { "status": "enabled" },
      "quarantinePolicy": { "status": "[if(empty(parameters('prefix')), 'a', 'disabled')]" }
    }
  },
  "resources": [
    {
      "type": "Microsoft.ContainerRegistry/registries",
      "apiVersion": "2023-07-01",
      "name": "[variables('registryName')]",
      "location": "[resourceGroup().location]",
      "sku": { "name": "Premium" },
      "properties": {
        "adminUserEnabled": false,
        "policies": "[variables('policies')]",
        "publicNetworkAccess": "Disabled"
      },
      "resources": [
        {
          "type": "webhooks",
          "apiVersion": "2023-07-01",
          "name": "onpush",
          "dependsOn": [ "[variables('registryName')]" ],
          "properties": { "actions": [ "push" ] }
        }
      ]
    },
    {
      "type": "Microsoft.Compute/disks",
      "apiVersion": "2023-04-02",
      "name": "[format('{0}-data', parameters('prefix'))]",
      "copy": { "name": "disks", "count": 3 },
      "properties": {
        "diskSizeGB": 64,
        "networkAccessPolicy": "[parameters('networkAccess')]",
        "publicNetworkAccess": "Disabled" // see the wiki
      }
    }
  ]
}
"""

BICEP = """{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "languageVersion": "2.0",
  "contentVersion": "1.0.0.0",
  "metadata": {
    "_generator": { "name": "bicep", "version": "0.30.23.60470", "templateHash": "123" }
  },
  "parameters": {
    "location": { "type": "string", "defaultValue": "[resourceGroup().location]" },
    "isProd": { "type": "bool", "defaultValue": true }
  },
  "resources": {
    "vault": {
      "existing": true,
      "type": "Microsoft.KeyVault/vaults",
      "apiVersion": "2023-07-01",
      "name": "kv"
    },
    "snapshot": {
      "condition": "[not(parameters('isProd'))]",
      "type": "Microsoft.Compute/snapshots",
      "apiVersion": "2023-04-02",
      "name": "before-release",
      "properties": {}
    },
    "acr": {
      "type": "Microsoft.Resources/deployments",
      "apiVersion": "2022-09-01",
      "name": "[format('acr-{0}', uniqueString(deployment().name))]",
      "properties": {
        "expressionEvaluationOptions": { "scope": "inner" },
        "mode": "Incremental",
        "parameters": {
          "location": { "value": "[parameters('location')]" },
          "acrSku": { "value": "[if(parameters('isProd'), 'Premium', 'Basic')]" },
          "publicNetworkAccess": "[if(parameters('isProd'), createObject('value', 'Disabled'), \
createObject('value', null()))]"
        },
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
          "languageVersion": "2.0",
          "contentVersion": "1.0.0.0",
          "parameters": {
            "location": { "type": "string" },
            "acrSku": { "type": "string", "defaultValue": "Standard" },
            "exportPolicyStatus": { "type": "string", "defaultValue": "disabled" },
            "publicNetworkAccess": { "type": "string", "nullable": true },
            "lock": { "type": "object", "nullable": true }
          },
          "resources": {
            "registry": {
              "type": "Microsoft.ContainerRegistry/registries",
              "apiVersion": "2023-06-01-preview",
              "name": "contoso",
              "location": "[parameters('location')]",
              "sku": { "name": "[parameters('acrSku')]" },
              "properties": {
                "policies": {
                  "exportPolicy": "[if(equals(parameters('acrSku'), 'Premium'), \
createObject('status', parameters('exportPolicyStatus')), null())]"
                },
                "publicNetworkAccess": "[if(not(empty(parameters('publicNetworkAccess'))), \
parameters('publicNetworkAccess'), null())]"
              }
            },
            "registry_lock": {
              "condition": "[not(empty(coalesce(parameters('lock'), createObject())))]",
              "type": "Microsoft.Authorization/locks",
              "apiVersion": "2020-05-01",
              "name": "lock",
              "properties": { "level": "CanNotDelete" }
            }
          }
        }
      }
    }
  }
}
"""


def disk(name: str = "ledger", **more: Any) -> dict[str, Any]:
    """A disk of a template; closed unless told otherwise."""
    closed = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    return {"type": DISKS, "apiVersion": "2023-04-02", "name": name, "properties": closed, **more}


def document(*listed: Any, **sections: Any) -> dict[str, Any]:
    """A template with these resources."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"p": {"type": "string"}, "off": {"type": "bool", "defaultValue": False}},
        "resources": list(listed),
        **sections,
    }


def nested(template: Any, **properties: Any) -> dict[str, Any]:
    """A deployment within a template."""
    return {
        "type": DEPLOYMENTS,
        "apiVersion": "2022-09-01",
        "name": "inside",
        "properties": {"mode": "Incremental", "template": template, **properties},
    }


INNER = {"expressionEvaluationOptions": {"scope": "Inner"}}


def read(
    template: Any, parameters: Mapping[str, Any] | None = None
) -> tuple[list[TemplateResource], list[Note]]:
    """What is read of a template, given as text or as JSON."""
    text = template if isinstance(template, str) else json.dumps(template, indent=2)
    return resources(parse(text), parameters or {})


def one(template: Any, parameters: Mapping[str, Any] | None = None) -> TemplateResource:
    """The only resource of a template without notes."""
    (found,), notes = read(template, parameters)
    assert notes == []
    return found


def line(text: str, after: int, wanted: str) -> int:
    """The line of the first row with these words behind line `after`."""
    rows = text.split("\n")
    return next(i for i, row in enumerate(rows, 1) if i > after and wanted in row)


def test_a_template_written_by_hand_is_read() -> None:
    """Comments, a policy in a variable, a default, a child resource and a loop."""
    (registry, webhook, disks), notes = read(HAND_WRITTEN)
    assert notes == []
    assert (registry.type, registry.name, registry.api_version) == (
        REGISTRIES,
        "ledgeracr",
        "2023-07-01",
    )
    assert registry.body == {
        "type": REGISTRIES,
        "name": "ledgeracr",
        "location": Unresolved("[resourceGroup().location]"),
        "sku": {"name": "Premium"},
        "properties": {
            "adminUserEnabled": False,
            "policies": {
                "exportPolicy": {"status": "enabled"},
                "quarantinePolicy": {"status": "disabled"},
            },
            "publicNetworkAccess": "Disabled",
        },
    }
    assert (webhook.type, webhook.name) == (f"{REGISTRIES}/webhooks", "ledgeracr/onpush")
    assert (disks.name, disks.body["properties"]["networkAccessPolicy"]) == (
        "ledger-data",
        "DenyAll",
    )


def test_settings_are_found_in_their_line() -> None:
    """For an annotation beside the setting, or beside what comes nearest to it."""
    (registry, _, disks), _ = read(HAND_WRITTEN)
    assert registry.line == line(HAND_WRITTEN, 0, '"resources"') + 1
    policies = line(HAND_WRITTEN, registry.line, '"policies"')
    assert registry.lines["properties", "policies"] == policies
    assert registry.line_of("properties.policies.exportPolicy.status") == policies
    access = line(HAND_WRITTEN, registry.line, '"publicNetworkAccess"')
    assert registry.line_of("properties.publicNetworkAccess") == access
    assert registry.line_of("sku.name") == line(HAND_WRITTEN, 0, '"sku"')
    assert registry.line_of("tags") == registry.line
    assert disks.line_of("properties.networkAccessPolicy") == line(
        HAND_WRITTEN, disks.line, '"networkAccessPolicy"'
    )
    assert disks.lines[("name",)] == disks.line + 3


@pytest.mark.parametrize("network", ["AllowAll", "AllowPrivate"])
def test_parameters_that_are_given_count_before_defaults(network: str) -> None:
    """As a deployment with that file would do it."""
    (_, _, disks), _ = read(HAND_WRITTEN, {"NetworkAccess": network})
    assert disks.body["properties"]["networkAccessPolicy"] == network


def test_a_template_that_bicep_compiled_is_read() -> None:
    """Symbolic names, existing resources, conditions, and a module with its own parameters."""
    registry = one(BICEP)
    assert (registry.type, registry.name) == (REGISTRIES, "contoso")
    assert registry.body["sku"] == {"name": "Premium"}
    assert registry.body["properties"] == {
        "policies": {"exportPolicy": {"status": "disabled"}},
        "publicNetworkAccess": "Disabled",
    }
    assert registry.body["location"] == Unresolved("[parameters('location')]")
    assert registry.line == line(BICEP, 0, '"registry": {')
    assert registry.line_of("properties.publicNetworkAccess") == line(
        BICEP, registry.line, '"publicNetworkAccess"'
    )


def test_other_parameters_lead_to_other_resources() -> None:
    """Conditions and modules follow the parameter file."""
    snapshot, registry = read(BICEP, {"isProd": False})[0]
    assert snapshot.name == "before-release"
    assert registry.body["sku"] == {"name": "Basic"}
    assert registry.body["properties"] == {
        "policies": {"exportPolicy": None},
        "publicNetworkAccess": None,
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (SCHEMA, True),
        (SCHEMA.removesuffix("#"), True),
        (SCHEMA.lower(), True),
        (SCHEMA.replace("deploymentTemplate", "subscriptionDeploymentTemplate"), True),
        (SCHEMA.replace("deploymentTemplate", "managementGroupDeploymentTemplate"), True),
        (SCHEMA.replace("deploymentTemplate", "TenantDeploymentTemplate"), True),
        (SCHEMA.replace("2019-04-01", "2014-04-01-preview").replace("https", "http"), True),
        (SCHEMA.replace("Template", "Parameters"), False),
        (SCHEMA.replace("deploymentTemplate", "myDeploymentTemplate"), False),
        ("https://json-schema.org/draft/2020-12/schema", False),
        (5, False),
    ],
)
def test_a_template_is_known_by_its_schema(schema: Any, expected: bool) -> None:
    """Of any version and casing."""
    assert is_template({"$schema": schema}) is expected
    assert is_template({"$Schema": schema}) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"contentVersion": "1.0.0.0", "resources": []}, True),
        ({"ContentVersion": "1.0.0.0", "Resources": {}}, True),
        ({"resources": []}, False),
        ({"contentVersion": "1.0.0.0", "parameters": {}}, False),
        (disk(), False),
        ([document()], False),
        ({}, False),
        (None, False),
        ("text", False),
    ],
)
def test_a_template_without_schema_is_known_by_its_sections(value: Any, expected: bool) -> None:
    """A resource, a list of resources or a parameter file is none."""
    assert is_template(value) is expected


@pytest.mark.parametrize(
    "value",
    [
        {
            "$schema": SCHEMA.replace("Template", "Parameters"),
            "contentVersion": "1.0.0.0",
            "parameters": {"a": {"value": [1]}, "b": {"value": None}},
        },
        {"Parameters": {"a": {"Value": [1]}, "b": {"value": None, "metadata": {}}}},
        {"a": {"value": [1]}, "b": {"value": None}},
    ],
)
def test_a_parameter_file_is_read_in_both_forms(value: Any) -> None:
    """With the frame of a deployment, or bare."""
    assert read_parameters("// ours\n" + json.dumps(value)) == {"a": [1], "b": None}


@pytest.mark.parametrize("kind", ["reference", "expression"])
def test_a_parameter_from_elsewhere_is_unresolved(kind: str) -> None:
    """A key vault's secret is nothing the reader knows, whatever the template's default."""
    given = read_parameters(json.dumps({"p": {kind: {"keyVault": {"id": "x"}, "secretName": "y"}}}))
    assert given == {"p": Unresolved("[parameters('p')]")}
    parameters = {"p": {"type": "string", "defaultValue": "DenyAll"}}
    found = one(
        document(disk(tags={"a": "[parameters('p')]"}), parameters=parameters), parameters=given
    )
    assert found.body["tags"] == {"a": Unresolved("[parameters('p')]")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: not JSON"),
        ("[1,\n", "line 2, column 1: not JSON: ends in the middle of the array"),
        ("[]", "line 1: parameters: an object is needed"),
        ('{"parameters":\n []}', "line 1: parameters: an object is needed"),
        ('{\n"a": 5}', "line 2: a: a value or a reference is needed"),
        ('{"parameters": {\n"a": {"type": "string"}}}', "line 2: a: a value or a reference"),
        ('{"a": {"value": 1},\n"A": {"value": 2}}', "line 2: A stands there twice"),
        (
            "// prod\nusing './main.bicep'\nparam a = 'b'\n",
            "line 2: a .bicepparam file: build it to JSON first (az bicep build-params)",
        ),
        ("using none\n", "line 1: a .bicepparam file"),
    ],
)
def test_what_is_no_parameter_file_is_refused_with_its_line(text: str, message: str) -> None:
    """And a .bicepparam with what to do about it."""
    with pytest.raises(Unreadable) as raised:
        read_parameters(text)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "line 1: a template is an object"),
        ("5", "line 1: a template is an object"),
        ('{"contentVersion": "1"}', "line 1: resources: an array or an object is needed"),
        ('{\n"resources":\n "x"}', "line 2: resources: an array or an object is needed"),
        ('{\n"resources": [],\n "Resources": []}', "line 1: resources: an array or an object"),
    ],
)
def test_a_template_without_resources_is_refused_with_its_line(text: str, message: str) -> None:
    """There is nothing to judge, and nothing is no answer."""
    with pytest.raises(Unreadable) as raised:
        read(text)
    assert str(raised.value).startswith(message)


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


@pytest.mark.parametrize(("count", "told"), [(800, False), (801, True)])
@pytest.mark.parametrize("inside", [True, False])
def test_more_resources_than_azure_takes_are_read_and_told(
    count: int, told: bool, inside: bool
) -> None:
    """The limit holds for each template by itself."""
    template = document(*[disk(f"d{i}") for i in range(count)])
    found, notes = read(document(nested(template), disk()) if inside else template)
    assert len(found) == count + inside
    text = "801 resources: Azure Resource Manager takes at most 800 in one template"
    assert [note.text for note in notes] == [text] * told


def test_ten_thousand_resources_are_read() -> None:
    """Some megabytes, with expressions in each."""
    listed = [
        disk(
            f"[concat('disk-', parameters('prefix'), '-{i}')]",
            location="[resourceGroup().location]",
            tags="[parameters('tags')]",
            properties={
                "creationData": {"createOption": "Empty"},
                "networkAccessPolicy": "DenyAll",
                "publicNetworkAccess": "[if(empty(parameters('prefix')), 'Enabled', 'Disabled')]",
            },
        )
        for i in range(10_000)
    ]
    parameters = {
        "prefix": {"type": "string", "defaultValue": "ledger"},
        "tags": {"type": "object", "defaultValue": {f"tag{i}": "value" for i in range(10)}},
    }
    found, notes = read(document(*listed, parameters=parameters))
    assert len(found) == 10_000
    assert found[-1].name == "disk-ledger-9999"
    assert len(found[-1].body["tags"]) == 10
    assert {r.body["properties"]["publicNetworkAccess"] for r in found} == {"Disabled"}
    assert len(notes) == 1


def test_a_hostile_template_ends_with_a_note() -> None:
    """Variables that double each other: what is left counts as unknown, and it is said."""
    doubled = {f"v{i}": [f"[variables('v{i - 1}')]"] * 2 for i in range(1, 60)}
    variables = {"v0": "x", **doubled}
    listed = [disk(f"d{i}", tags={"a": f"[variables('v{i}')]"}) for i in range(60)]
    found, (note,) = read(document(*listed, variables=variables))
    assert len(found) == 60
    assert found[0].body["tags"] == {"a": "x"}
    assert found[-1].body["tags"] == {"a": Unresolved("[variables('v59')]")}
    assert found[-1].body["properties"]["networkAccessPolicy"] == "DenyAll"
    assert "too much work" in note.text


@pytest.mark.parametrize("options", [{}, INNER])
def test_deployments_nested_as_deep_as_a_file_can_be_are_read(options: dict[str, Any]) -> None:
    """With an expression at the bottom."""
    template = document(disk(tags={"a": "[concat(createArray('x')[0])]"}))
    for _ in range(22):
        template = document(nested(template, **options))
    assert one(template).body["tags"] == {"a": "x"}


@pytest.mark.parametrize("type_", ["secureString", "SECUREOBJECT"])
@pytest.mark.parametrize("inner", ["string", "secureString"])
def test_secrets_come_out_nowhere(type_: str, inner: str) -> None:
    """Not in a body, a name or a note, of the template or of a module it is handed to."""
    secret = "[parameters('pw')]"
    module = document(
        disk(secret, tags={"a": secret}),
        {"type": secret, "name": secret},
        parameters={"pw": {"type": inner}},
    )
    template = document(
        disk(secret, properties={"publicNetworkAccess": secret}),
        nested(module, **INNER, parameters={"pw": {"value": secret}}),
        nested(document(disk(secret))),
        nested(None, templateLink={"uri": secret}),
        {"type": secret, "name": secret},
        {"type": DISKS, "name": "a", secret: secret},
        parameters={"pw": {"type": type_, "defaultValue": "hunter2"}},
    )
    for given_ in ({}, {"pw": "hunter2"}, {"pw": {"a": "[concat('hunter2', newGuid())]"}}):
        assert "hunter2" not in repr(read(template, given_))


@pytest.mark.parametrize("source", [HAND_WRITTEN, BICEP])
def test_a_truncated_template_says_where_it_ends(source: str) -> None:
    """Wherever it was cut; half a template is never judged."""
    for end in range(2, len(source) - 3, 97):
        with pytest.raises(Unreadable, match="ends in the middle of the"):
            read(source[:end])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.text(max_size=5)
    | st.sampled_from([DISKS, DEPLOYMENTS, "[parameters('p')]", "[variables('v')]", "[[x]", "[x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "Type", "name", "copy", "condition", "properties", "resources", "sku",
                 "template", "templateLink", "parameters", "value", "count", "scope", "existing",
                 "expressionEvaluationOptions", "publicNetworkAccess", "PublicNetworkAccess",
                 "[parameters('p')]", "[newGuid()]", "variables", "defaultValue", "v", "p"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(JSON, JSON, JSON, st.dictionaries(st.sampled_from("pvPx"), JSON, max_size=2))
def test_any_json_is_read_or_refused_with_its_line(
    listed: Any, parameters: Any, variables: Any, given_: dict[str, Any]
) -> None:
    """No template raises anything else, and every line exists."""
    template = document(parameters=parameters, variables=variables, resources=listed)
    text = json.dumps(template, indent=1)
    last = text.count("\n") + 1
    try:
        found, notes = read(text, given_)
    except Unreadable as e:
        found, notes = [], [Note(int(str(e).removeprefix("line ").partition(":")[0]), str(e))]
    assert all(1 <= note.line <= last for note in notes)
    for resource in found:
        assert all(resource.line <= at_ <= last for at_ in resource.lines.values())
        assert resource.body["type"] == resource.type


_REAL = [json.dumps(parse(text).value) for text in (HAND_WRITTEN, BICEP)]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_template_with_one_wild_value_is_read_or_refused(data: st.DataObject) -> None:
    """Real templates, broken in one place."""
    template = json.loads(data.draw(st.sampled_from(_REAL)))
    value = template
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(value[key], dict | list) or not value[key] or data.draw(st.booleans()):
            break
        value = value[key]
    value[key] = data.draw(JSON)
    try:
        found, notes = read(template)
    except Unreadable:
        return
    assert all(note.line > 0 for note in notes)
    assert all(isinstance(resource.name, str | Unresolved) for resource in found)
