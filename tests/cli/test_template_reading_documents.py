"""ARM templates: which resources a deployment would write, with which settings, in which line."""

import json
from typing import Any

import pytest

from guards.cli.expressions import Unresolved
from guards.cli.template import is_template, read_parameters
from guards.engine.errors import Unreadable
from tests.cli.template_reading import (
    BICEP,
    HAND_WRITTEN,
    REGISTRIES,
    SCHEMA,
    disk,
    document,
    line,
    one,
    read,
)


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
