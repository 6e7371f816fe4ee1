"""Verdicts on templates as files and pipelines see them: mistakes, sizes, exit codes, the table."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from guards.engine.rules import merged, nested
from tests.cli.command import closed, disk, guards, write
from tests.cli.template_verdicts import (
    CHOICE,
    CLOSED,
    COMPLIANT,
    DISKS,
    LISTED,
    NON_COMPLIANT,
    OPEN,
    REGISTRIES,
    UNKNOWN,
    deployed,
    resource,
    states,
    template,
)

# Unreadable and enormous -------------------------------------------------------------------------

WHOLE = json.dumps(template(resource(DISKS, OPEN), resource(REGISTRIES)), indent=1)


@pytest.mark.parametrize("cut", range(1, len(WHOLE), 23))
def test_a_template_that_was_cut_is_never_half_judged(cut: int, tmp_path: Path) -> None:
    """Wherever it ends: exit 2, the file with a line, and no verdict."""
    file = tmp_path / "main.json"
    file.write_text(WHOLE[:cut])
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.json) == (2, [])
    assert re.match(f"{re.escape(str(file))}:[0-9]+: ", said.err)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"name": "one",', '"name": "one"', "a comma or } is needed"),
        ('"DenyAll"', "DenyAll", "not JSON"),
        ('"DenyAll"', "'DenyAll'", "not JSON"),
        ('"resources"', '"resources": [], "resources"', "stands there twice"),
        ('"name": "one"', '"name": 5', "name: a text is needed"),
        ('"properties"', '"Properties": {}, "properties"', ""),
    ],
)
def test_a_template_with_a_mistake_names_its_line(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    """Properties in two casings are none: nobody knows which of them counts."""
    text = json.dumps(template(resource(DISKS, CLOSED)), indent=1)
    file = tmp_path / "main.json"
    file.write_text(text.replace(old, new, 1))
    said = guards("evaluate", file, "--format", "json")
    if not words:
        assert states(said) == [UNKNOWN]
        return
    assert (said.code, said.json) == (2, [])
    assert re.match(f"{re.escape(str(file))}:[0-9]+: .*{re.escape(words)}", said.err)


def test_thousands_of_resources_are_judged(tmp_path: Path) -> None:
    """More than Azure takes, which is told; each of them is judged by itself."""
    bodies = [CLOSED if i % 100 else OPEN for i in range(3000)]
    many = [{"type": DISKS, "name": f"d{i}", **body} for i, body in enumerate(bodies)]
    said = deployed(tmp_path, template(*many))
    assert said.code == 1
    found = [(one["resourceId"], one["complianceState"]) for one in said.json]
    judged = [NON_COMPLIANT if body is OPEN else COMPLIANT for body in bodies]
    assert found == [(f"d{i}", state) for i, state in enumerate(judged)]
    assert "3000 resources: Azure Resource Manager takes at most 800" in said.err


def test_expressions_that_cost_too_much_are_unknown(tmp_path: Path) -> None:
    """A text that doubles a hundred times: it is not built, and the setting is not guessed."""
    doubling = {
        f"v{i}": f"[concat(variables('v{i + 1}'), variables('v{i + 1}'))]" for i in range(99)
    }
    bomb = merged(CLOSED, nested("properties.networkAccessPolicy", "[variables('v0')]"))
    document = template(
        *[resource(DISKS, bomb) for _ in range(50)], variables={**doubling, "v99": "x" * 1000}
    )
    assert states(deployed(tmp_path, document)) == [UNKNOWN] * 50


# Files, output, exit codes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ([], 0),
        ([resource("Microsoft.Web/sites")], 0),
        ([resource(DISKS, CLOSED)], 0),
        ([resource(DISKS, OPEN)], 1),
        ([resource(DISKS, properties="[parameters('unknown')]")], 1),
        ([resource(DISKS, CLOSED), resource(DISKS, OPEN)], 1),
        ([resource(DISKS, CLOSED), 5], 2),
        ([resource(DISKS, OPEN), {"type": DISKS}], 2),
    ],
)
@pytest.mark.parametrize("form", ["table", "json", "sarif"])
def test_the_exit_code_tells_what_was_found(
    resources: Sequence[Any], code: int, form: str, tmp_path: Path
) -> None:
    """0 all compliant, 1 something is not or nobody knows, 2 something could not be read."""
    document = template(*resources, parameters={"unknown": "object"})
    assert deployed(tmp_path, document, "--format", form).code == code


def test_templates_and_resources_go_together(tmp_path: Path) -> None:
    """What is and what will be, in the order of the files; a broken one does not hide them."""
    files = [
        write(tmp_path / "a.json", template(resource(DISKS, OPEN, name="will"))),
        write(tmp_path / "b.json", [disk("is"), closed()]),
        write(tmp_path / "c.json", template(resource(DISKS, CLOSED, name="fine"))),
    ]
    said = guards("evaluate", *files, "--format", "json")
    names = [one["resourceId"].rpartition("/")[2] for one in said.json]
    assert (said.code, names) == (1, ["will", "is", "shut", "fine"])
    files[1].write_text(WHOLE[:200])
    said = guards("evaluate", *files, "--format", "json")
    assert (said.code, [one["resourceId"] for one in said.json]) == (2, ["will", "fine"])


def test_standard_input_may_be_a_template(tmp_path: Path) -> None:
    """As `az bicep build --stdout` writes it, beside a file of resources."""
    content = json.dumps(template(resource(DISKS, OPEN, name="will"))).encode()
    said = guards(
        "evaluate", "-", write(tmp_path / "b", [disk("is")]), "--format", "json", stdin=content
    )
    assert [one["resourceId"].rpartition("/")[2] for one in said.json] == ["will", "is"]
    said = guards("evaluate", "-", stdin=content[:-20])
    assert said.code == 2
    assert said.err.startswith("standard input:1: ")


@pytest.mark.parametrize("word", ["contentVersion", "deploymentTemplate.json"])
@pytest.mark.parametrize("separator", ["\n", ",\n"])
def test_resources_that_only_look_like_a_template_are_judged(
    word: str, separator: str, tmp_path: Path
) -> None:
    """A tag of an estate may have any name; JSON lines and lists are read as they always are."""
    rows = separator.join(json.dumps({**disk(name), "tags": {word: "1"}}) for name in "abc")
    file = tmp_path / "estate.json"
    file.write_text(f"[{rows}]" if "," in separator else rows)
    said = guards("evaluate", file, "--format", "json")
    assert (said.code, said.err, len(said.json)) == (1, "", 3)


def table(folder: Path, document: Any, **rules: Any) -> str:
    """The table, its folded lines put together."""
    out = deployed(folder, document, "--format", "table", rules=rules).out
    return re.sub(r"\s+", " ", out)


def test_the_table_says_what_is_not_known(tmp_path: Path) -> None:
    """With the expression, and the count."""
    said = table(tmp_path, CHOICE)
    assert "networkAccessPolicy is not known before deployment: [parameters('net')]" in said
    assert "1 resource, 0 not compliant, 1 unknown" in said


def test_the_table_shows_a_name_that_is_not_known_whole(tmp_path: Path) -> None:
    """An expression is no resource ID: a / in it parts nothing."""
    name = "[concat('a/b', parameters('x'))]"
    assert name in table(tmp_path, template(resource(DISKS, OPEN, name=name)))


def test_the_table_does_not_call_a_known_value_unknown(tmp_path: Path) -> None:
    """AllowPrivate stands there; what is not known is the disk access."""
    properties = {
        "networkAccessPolicy": "AllowPrivate",
        "publicNetworkAccess": "Disabled",
        "diskAccessId": "[parameters('x')]",
    }
    said = table(tmp_path, template(resource(DISKS, properties=properties)), **LISTED)
    assert "Unknown" in said
    assert "not known before deployment: AllowPrivate" not in said
