"""Reading ARM templates of any size and kind: enormous, hostile, secret, cut, broken."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.cli.expressions import Unresolved
from guards.cli.positions import parse
from guards.cli.template import Note
from guards.engine.errors import Unreadable
from tests.cli.template_reading import (
    BICEP,
    DEPLOYMENTS,
    DISKS,
    HAND_WRITTEN,
    INNER,
    disk,
    document,
    nested,
    one,
    read,
)


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


def test_thousands_of_resources_are_read() -> None:
    """More than Azure takes, with expressions in each."""
    listed = [
        {
            "type": DISKS,
            "name": f"[concat(parameters('prefix'), '-{i}')]",
            "tags": "[parameters('tags')]",
            "properties": {"publicNetworkAccess": "[variables('access')]"},
        }
        for i in range(3000)
    ]
    parameters = {
        "prefix": {"type": "string", "defaultValue": "ledger"},
        "tags": {"type": "object", "defaultValue": {"owner": "data", "env": "prod"}},
    }
    variables = {"access": "[if(empty(parameters('prefix')), 'Enabled', 'Disabled')]"}
    text = json.dumps(document(*listed, parameters=parameters, variables=variables))
    found, notes = read(text)
    assert [resource.name for resource in found] == [f"ledger-{i}" for i in range(3000)]
    assert all(len(resource.body["tags"]) == 2 for resource in found)
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


@settings(max_examples=75)
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


@settings(max_examples=50)
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
