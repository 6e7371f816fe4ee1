"""Verdicts on deployments: with their parameters, wherever resources stand, within a scope."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guards.engine.rules import merged, nested
from tests.cli.command import GROUP, guards, write
from tests.cli.template_verdicts import (
    ANY_DISK,
    CHOICE,
    CLOSED,
    COMPLIANT,
    DEPLOYMENTS,
    DISKS,
    HERE,
    NON_COMPLIANT,
    OPEN,
    REGISTRIES,
    SUBSCRIPTION,
    UNKNOWN,
    deployed,
    inner,
    outer,
    parameter_file,
    plain,
    resource,
    states,
    symbolic,
    template,
)

# Parameters --------------------------------------------------------------------------------------

DEFAULTED = {**CHOICE, "parameters": {"net": {"type": "string", "defaultValue": "AllowAll"}}}


@pytest.mark.parametrize(
    ("document", "entry", "state"),
    [
        (CHOICE, {"value": "DenyAll"}, COMPLIANT),
        (CHOICE, {"value": "AllowAll"}, NON_COMPLIANT),
        (CHOICE, {"value": None}, UNKNOWN),
        (CHOICE, {"value": "[parameters('net')]"}, UNKNOWN),
        (CHOICE, {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}, UNKNOWN),
        (DEFAULTED, {"value": "DenyAll"}, COMPLIANT),
        (DEFAULTED, {"value": None}, NON_COMPLIANT),
        (DEFAULTED, {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}, UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["net", "NET"])
@pytest.mark.parametrize("bare", [True, False])
def test_a_parameter_file_is_read_as_azure_reads_it(
    document: Any, entry: Any, state: str, name: str, bare: bool, tmp_path: Path
) -> None:
    """Both of its forms, names in any casing, null for the default; secrets stay unknown."""
    listed = {name: entry}
    file = write(tmp_path / "p.json", listed if bare else {"$schema": "x", "parameters": listed})
    assert states(deployed(tmp_path, document, "--parameters", file)) == [state]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "nothing in it"),
        (b"{", "ends in the middle"),
        (b"[]", "parameters: an object is needed"),
        (b'{"parameters": {"net": "DenyAll"}}', "net: a value or a reference is needed"),
        (b"using './main.bicep'\nparam net = 'DenyAll'", "build it to JSON first"),
        (b'{"net": {"value": "\xff"}}', "not UTF-8"),
    ],
)
def test_a_parameter_file_that_cannot_be_read_is_named(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    """Exit 2, and nothing is judged by half of what is known."""
    file = tmp_path / "p.json"
    if content is not None:
        file.write_bytes(content)
    said = deployed(tmp_path, CHOICE, "--parameters", file)
    assert (said.code, said.out) == (2, "")
    assert str(file) in said.err
    assert words in said.err


def test_parameters_are_for_all_templates(tmp_path: Path) -> None:
    """Each takes those that it declares."""
    one, other = write(tmp_path / "a.json", CHOICE), write(tmp_path / "b.json", DEFAULTED)
    file = parameter_file(tmp_path, {"net": "DenyAll", "not-declared": 5})
    assert states(guards("evaluate", one, other, "--parameters", file, "--format", "json")) == [
        COMPLIANT,
        COMPLIANT,
    ]


# Where resources stand ---------------------------------------------------------------------------


def test_children_and_nested_deployments_are_found(tmp_path: Path) -> None:
    """With their full names; what is not guarded is counted only."""
    registry = resource(
        REGISTRIES,
        name="images",
        resources=[resource("webhooks", name="push"), resource("replications", name="north")],
    )
    module = resource(
        DEPLOYMENTS,
        name="module",
        properties={
            "expressionEvaluationOptions": {"scope": "Inner"},
            "parameters": {"name": {"value": "[concat('snap', 'shot')]"}},
            "template": template(
                resource("Microsoft.Compute/snapshots", name="[parameters('name')]"),
                parameters={"name": "string"},
            ),
        },
    )
    said = deployed(tmp_path, template(registry, module))
    assert [(one["resourceId"], one["resourceType"]) for one in said.json] == [
        ("images", REGISTRIES),
        ("snapshot", "Microsoft.Compute/snapshots"),
    ]
    assert "2 resources of types that are not guarded were left out" in said.err


@pytest.mark.parametrize("form", [plain, symbolic, outer, inner])
def test_a_loop_is_judged_once(form: Any, tmp_path: Path) -> None:
    """All of its resources are alike, but for what hangs on the index; a loop of none is none."""
    loop = resource(
        DISKS, CLOSED, name="[concat('d', copyIndex())]", copy={"name": "d", "count": 3}
    )
    assert states(deployed(tmp_path, form(loop))) == [COMPLIANT]
    by_index = "[if(equals(copyIndex(), 0), 'AllowAll', 'DenyAll')]"
    loop = {**loop, **merged(CLOSED, nested("properties.networkAccessPolicy", by_index))}
    assert states(deployed(tmp_path, form(loop))) == [UNKNOWN]
    assert states(deployed(tmp_path, form({**loop, "copy": {"name": "d", "count": 0}}))) == []


def test_a_setting_made_by_a_loop_is_unknown(tmp_path: Path) -> None:
    """Odd, but Azure takes it."""
    looped = {"copy": [{"name": "networkAccessPolicy", "count": 1, "input": "DenyAll"}]}
    document = template(resource(DISKS, properties={**looped, "publicNetworkAccess": "Disabled"}))
    assert states(deployed(tmp_path, document)) == [UNKNOWN]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (False, []),
        ("[false()]", []),
        ("[not(equals('a', 'a'))]", []),
        (True, [NON_COMPLIANT]),
        ("[parameters('deploy')]", [NON_COMPLIANT]),
    ],
)
def test_what_is_certainly_not_deployed_is_not_judged(
    condition: Any, found: list[str], tmp_path: Path
) -> None:
    """What may be deployed is."""
    document = template(resource(DISKS, OPEN, condition=condition), parameters={"deploy": "bool"})
    assert states(deployed(tmp_path, document)) == found
    if "deploy" in str(condition):
        assert states(deployed(tmp_path, document, deploy=False)) == []


def test_comments_and_line_breaks_in_strings_are_read(tmp_path: Path) -> None:
    """As Azure Resource Manager takes them, with a byte order mark on top."""
    text = json.dumps(template(resource(DISKS, CLOSED)), indent=1)
    text = text.replace('"resources": [', '/* all\n of them */ "resources": [ // here')
    file = tmp_path / "main.json"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("DenyAll", "[concat('Deny',\n'All')]").encode())
    assert states(guards("evaluate", file, "--format", "json")) == [COMPLIANT]


def test_what_a_template_links_to_is_told(tmp_path: Path) -> None:
    """With the line: nobody takes it for judged."""
    linked = resource(DEPLOYMENTS, properties={"templateLink": {"relativePath": "more.json"}})
    file = tmp_path / "main.json"
    file.write_text(json.dumps(template(linked), indent=1))
    line = file.read_text()[: file.read_text().index('"templateLink"')].count("\n") + 1
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.json) == (0, [])
    assert said.err.startswith(f"{file}:{line}: the linked template was not read")


# The policy's scopes -----------------------------------------------------------------------------


def scoped(where: str) -> dict[str, Any]:
    """A policy that lets this place alone."""
    return {"scopes": [{"scope": where, "mode": "off"}]}


THERE = f"/subscriptions/{SUBSCRIPTION}"
ELSEWHERE = "/subscriptions/99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("scope", "where", "fits"),
    [
        (THERE, THERE, True),
        (f"{THERE}/", THERE, True),
        (HERE, THERE, True),
        (HERE, HERE, True),
        (HERE.upper(), HERE, True),
        (HERE, f"{THERE}/resourceGroups/rg-*", True),
        (HERE, f"{GROUP}/{DISKS}/one", True),
        (HERE, f"{GROUP}/{DISKS}/other", False),
        (HERE, f"{THERE}/resourceGroups/rg-other", False),
        (HERE, ELSEWHERE, False),
        (THERE, HERE, False),
        (THERE, f"{THERE}/resourceGroups/*", True),
        (THERE, f"{THERE}/resourceGroups/*/providers/{DISKS}/o*", True),
        (None, THERE, False),
        (None, HERE, False),
        (None, "/subscriptions/*/resourceGroups/rg-*", False),
        (None, f"{THERE}/resourceGroups/*/providers/{DISKS}/o*", False),
        (None, f"/subscriptions/*/resourceGroups/rg-data/providers/{DISKS}/o*", False),
        (None, f"{ANY_DISK}/o*", True),
        (None, f"{ANY_DISK}/*n*", True),
        (None, f"{ANY_DISK}/two", False),
    ],
)
def test_a_scope_fits_where_it_is_certain_to(
    scope: str | None, where: str, fits: bool, tmp_path: Path
) -> None:
    """By the deployment's subscription and group; without them, only a pattern for all of them."""
    extra = ["--scope", scope] if scope else []
    said = deployed(tmp_path, template(resource(DISKS, OPEN)), *extra, rules=scoped(where))
    assert states(said) == [COMPLIANT if fits else NON_COMPLIANT]


@pytest.mark.parametrize("scope", ["", "rg-data", "/subscriptions/x", f"{GROUP}/{DISKS}/one", "/"])
def test_a_scope_that_is_none_is_refused(scope: str, tmp_path: Path) -> None:
    """By the command line, before anything is judged."""
    said = deployed(tmp_path, CHOICE, "--scope", scope)
    assert (said.code, said.out) == (2, "")
    assert "is not /subscriptions/GUID" in said.err


@pytest.mark.parametrize(
    "other",
    [
        {"resourceGroup": "rg-prod"},
        {"subscriptionId": ELSEWHERE.rpartition("/")[2], "resourceGroup": "rg-data"},
        {"resourceGroup": "[parameters('group')]"},
    ],
)
def test_a_nested_deployment_elsewhere_is_not_judged_as_if_it_were_here(
    other: Mapping[str, Any], tmp_path: Path
) -> None:
    """A module for another group or subscription: what holds for `--scope` says nothing of it."""
    inside = {"mode": "Incremental", "template": template(resource(DISKS, OPEN))}
    module = resource(DEPLOYMENTS, properties=inside, **other)
    document = template(module, parameters={"group": "string"})
    said = deployed(tmp_path, document, "--scope", HERE, rules=scoped(HERE))
    assert states(said) != [COMPLIANT]
