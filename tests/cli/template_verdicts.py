"""Templates with known and unknown settings, judged by `python -m guards evaluate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guards import GUARDS
from guards.engine.model import ComplianceState, Guard, Kind, Rule
from guards.engine.rules import merged, nested, wire
from tests.cli.command import GROUP, Said, guards, write

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DISKS = "Microsoft.Compute/disks"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
DEPLOYMENTS = "Microsoft.Resources/deployments"
SUBSCRIPTION = GROUP.split("/")[2]
HERE = GROUP.removesuffix("/providers")
"""The resource group that templates are deployed to, where that matters."""
ACCESS = f"{GROUP}/Microsoft.Compute/diskAccesses/private"
TODAY = "2026-06-01"
BY_TYPE = {guard.resource_type: guard for guard in GUARDS}


def settings_of(guard: Guard) -> list[Rule]:
    """What a template can write; states and what is only reported it cannot."""
    return [rule for rule in guard.rules if rule.kind is Kind.SETTING]


WRITTEN = [guard for guard in GUARDS if settings_of(guard)]
EACH_GUARD = pytest.mark.parametrize("guard", WRITTEN, ids=lambda guard: guard.resource_type)

COMPLIANT, NON_COMPLIANT = ComplianceState.COMPLIANT, ComplianceState.NON_COMPLIANT
EXEMPT, UNKNOWN = ComplianceState.EXEMPT, ComplianceState.UNKNOWN


def template(*resources: Any, **sections: Any) -> dict[str, Any]:
    """A template with these resources; a parameter is declared by its type."""
    declared = {name: {"type": type_} for name, type_ in sections.pop("parameters", {}).items()}
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": declared,
        "resources": list(resources),
        **sections,
    }


def resource(guard: Guard | str, body: Mapping[str, Any] | None = None, **members: Any) -> Any:
    """One of a template, with this body and these members instead of its own."""
    type_ = guard if isinstance(guard, str) else guard.resource_type
    return {"type": type_, "apiVersion": "2023-07-01", "name": "one", **(body or {}), **members}


def shut(guard: Guard) -> dict[str, Any]:
    """The body that every policy accepts."""
    rules = settings_of(guard)
    return merged(*(nested(rule.path, wire(rule, rule.desired)) for rule in rules))


def deployed(
    folder: Path,
    document: Any,
    *arguments: str | Path,
    rules: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Said:
    """`evaluate` on a template, with parameters, and a policy unless the built-in one is meant."""
    extra: list[str | Path] = ["--format", "json", "--at", TODAY, *arguments]
    if rules is not None:
        extra += ["--policy", write(folder / "policy.yaml", {"version": 1, **rules})]
    if parameters:
        extra += ["--parameters", parameter_file(folder, parameters)]
    return guards("evaluate", write(folder / "main.json", document), *extra)


def parameter_file(folder: Path, values: Mapping[str, Any]) -> Path:
    """A parameter file with these values."""
    listed = {name: {"value": value} for name, value in values.items()}
    return write(folder / "parameters.json", {"contentVersion": "1.0.0.0", "parameters": listed})


def states(said: Said) -> list[str]:
    """Of each resource, in order."""
    assert said.code in (0, 1), said.err
    found = [verdict["complianceState"] for verdict in said.json]
    assert said.code == (0 if {*found} <= {COMPLIANT, EXEMPT} else 1)
    return found


def exemption(**place: Any) -> dict[str, Any]:
    """An exemption of the network settings, in force."""
    return {
        "rules": ["networkAccessPolicy", "publicNetworkAccess"],
        "reason": "copied to the archive",
        "owner": "data@contoso.example",
        "approved_by": "security@contoso.example",
        "ticket": "CHG0042",
        "expires_on": "2026-12-31",
        **place,
    }


# Policies and resources that many tests need -----------------------------------------------------

LISTED = {"resources": {DISKS: {"networkAccessPolicy": {"allowed_disk_accesses": [ACCESS]}}}}
STRICTER_BY_TAG = {
    "scopes": [
        {
            "tag": {"name": "data", "values": ["secret"]},
            "resources": {DISKS: {"dataAccessAuthMode": {"mode": "enforce"}}},
        }
    ]
}
CLOSED = {"properties": {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}}
OPEN = {"properties": {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Disabled"}}
ANY_DISK = f"/subscriptions/*/resourceGroups/*/providers/{DISKS}"

CHOICE = template(
    resource(
        DISKS, merged(CLOSED, nested("properties.networkAccessPolicy", "[parameters('net')]"))
    ),
    parameters={"net": "string"},
)


# Settings that hang on parameters ----------------------------------------------------------------

PATHS = {
    guard.resource_type: [
        *(rule.path for rule in settings_of(guard)),
        *guard.also_changes,
        "sku.name",
    ]
    for guard in WRITTEN
}
"""The settings that a verdict may hang on, by type."""


def last(path: str) -> str:
    """The name that a setting has in its object, and here its parameter."""
    return path.rpartition(".")[2]


def values_of(path: str) -> list[str]:
    """What a setting may be, the wanted value first."""
    rules = [rule for guard in WRITTEN for rule in settings_of(guard) if rule.path == path]
    if rules:
        return [*dict.fromkeys((rules[0].desired, rules[0].when_absent, *rules[0].values))]
    return {"sku.name": ["Premium", "Basic"]}.get(path, [ACCESS, "other"])


SETTINGS = {last(path): values_of(path) for paths in PATHS.values() for path in paths}
OBJECTS = {"properties", "policies", "exportPolicy", "sku", "tags"}
TYPES_OF = {
    **dict.fromkeys([*SETTINGS, "data", "never"], "string"),
    **dict.fromkeys(OBJECTS, "object"),
    "flag": "bool",
}
VARIABLES = {
    **{name: f"[parameters('{name}')]" for name in SETTINGS},
    "all": {name: f"[parameters('{name}')]" for name in SETTINGS},
    "policies": {"exportPolicy": {"status": "[parameters('status')]"}},
}


def plain(one: Any) -> dict[str, Any]:
    """In a template by itself."""
    return template(one, parameters=TYPES_OF, variables=VARIABLES)


def symbolic(one: Any) -> dict[str, Any]:
    """By a name, as Bicep writes it."""
    return {**plain(one), "languageVersion": "2.0", "resources": {"one": one}}


def outer(one: Any) -> dict[str, Any]:
    """In a nested deployment that sees the outer parameters."""
    inside = {"mode": "Incremental", "template": template(one)}
    return plain({"type": DEPLOYMENTS, "name": "more", "properties": inside})


def inner(one: Any) -> dict[str, Any]:
    """In a nested deployment that sees what it is given, as a Bicep module."""
    inside = {
        "expressionEvaluationOptions": {"scope": "inner"},
        "parameters": {name: {"value": f"[parameters('{name}')]"} for name in TYPES_OF},
        "template": plain(one),
    }
    return plain({"type": DEPLOYMENTS, "name": "more", "properties": inside})
