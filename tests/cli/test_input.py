"""Input that cannot be read, or wants to do harm: named with its place, and the rest goes on."""

import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli import evaluate, report
from guards.engine import policy
from tests.cli.command import GROUP, HOSTILE, ROOT, closed, disk, flattened, guards, write
from tests.fakes import START

DEFAULT = policy.default(GUARDS)

UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "cut off": (b'[\n {"id": "x",\n', 2, "[0]: ends in the middle of the row that began in line 2"),
    "not JSON": (b"\n\nnope", 3, "not JSON: Expecting value at column 1"),
    "empty": (b"", 0, "empty"),
    "not UTF-8": (b'{"id": "\xff"}', 1, "not UTF-8: byte 0xFF at column 9"),
    "UTF-16": (json.dumps(disk()).encode("utf-16"), 0, "not UTF-8 but UTF-16"),
    "a text": (b'"disk"', 1, "a resource is an object, not str"),
    "a number in a list": (
        b'[{"type": "a/b"}, 5]',
        1,
        "[1]: a resource is an object, not int",
    ),
    "a number in data": (b'{"data": [\n5]}', 2, "data[0]: a resource is an object, not int"),
    "a number in value": (b'{"value": [[]]}', 1, "value[0]: a resource is an object, not list"),
    "no resource": (b'{"name": "x"}', 1, "neither id nor type"),
    "an ID that is none": (b'[{"id": "https://evil.example/"}]', 1, "[0]: resource ID"),
    "properties that are none": (
        json.dumps({**disk(), "properties": "open"}).encode(),
        1,
        "properties: an object is needed, not str",
    ),
    "deep": (b"[" * 200_000 + b"]" * 200_000, 1, "[0]: not JSON of a reasonable depth"),
    "deep and cut off": (b"[" * 200_000, 1, "[0]: ends in the middle of the row"),
    "a very long number": (b"[\n" + b"1" * 10_000 + b"]", 2, "[0]: not JSON"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_input_is_named_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    """File, line and place on standard error, exit 2, and the verdicts on everything else."""
    content, line, words = UNREADABLE[name]
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    good = write(tmp_path / "good.json", disk())
    said = guards("evaluate", bad, good, "--format", "json")
    assert (said.code, len(said.json)) == (2, 1)
    place = f"{bad}:{line}" if line else f"{bad}"
    assert f"{place}: {words}" in said.err


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    """Missing, or a folder."""
    good = write(tmp_path / "good.json", closed())
    said = guards("evaluate", tmp_path / name, good)
    assert said.code == 2
    assert f"{tmp_path / name}: cannot be read" in said.err
    assert "1 resource, 0 not compliant" in said.out


@pytest.mark.parametrize("command", ["evaluate", "explain", "preview"])
def test_a_closed_standard_input_is_told(command: str) -> None:
    """`<&-`: a sentence and exit 2, no traceback; with standard output closed, too, as `>&-`."""
    for closed_ones in ("<&-", "<&- >&-"):
        ended = subprocess.run(
            ["sh", "-c", f'exec "$0" -m guards {command} - {closed_ones}', sys.executable],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        said = ended.stderr.decode()
        assert (ended.returncode, said) == (2, "standard input: cannot be read: it is closed\n")


def test_unreadable_standard_input_is_called_so() -> None:
    """There is no file name to tell."""
    said = guards("evaluate", "-", stdin=b"nope")
    assert said.code == 2
    assert "standard input:1: not JSON: Expecting value at column 1" in said.err


def raw(text: str) -> list[str]:
    """Characters that can steer a terminal, or be half of one."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", ["table", "json"])
def test_names_cannot_steer_the_terminal(text: str, form: str, tmp_path: Path) -> None:
    """Names, types and values come from others; markup is text, control characters are gone."""
    documents = [
        {**disk(networkAccessPolicy=text), "id": f"{disk()['id']}{text}", "name": text},
        {**closed(), "id": text},
        {"id": text},
        {"id": f"{GROUP}/Microsoft.Compute/{text}/x"},
        {"type": text},
        {
            "id": f"{GROUP}/Microsoft.ContainerRegistry/registries/{text}",
            "type": "Microsoft.ContainerRegistry/registries",
            "sku": {"name": text},
            "properties": {},
        },
    ]
    said = guards("evaluate", write(tmp_path / "in.json", documents), "--format", form)
    assert said.code == 2
    assert (raw(said.out), raw(said.err)) == ([], [])
    if "markup" in text and form == "table":
        assert "[bold red]" in said.out


def test_the_json_keeps_what_the_file_said(tmp_path: Path) -> None:
    """Escaped, not changed: programs get the ID as it is."""
    name = "Größe 数据"
    said = guards("evaluate", write(tmp_path / "in.json", disk(name)), "--format", "json")
    assert f"{GROUP}/Microsoft.Compute/disks/{name}" == said.json[0]["resourceId"]


MISTAKES = """\
version: 1
resources:
  Microsoft.Compute/disks:
    networkAccesPolicy: {mode: enforce}
    publicNetworkAccess: {mode: enforced}
  Microsoft.Storage/storageAccounts: {}
"""


def test_a_policy_with_mistakes_names_every_one(tmp_path: Path) -> None:
    """One run, one round of mending; nothing is evaluated meanwhile."""
    file = tmp_path / "policy.yaml"
    file.write_text(MISTAKES)
    said = guards("evaluate", write(tmp_path / "in.json", disk()), "--policy", file)
    assert (said.code, said.out) == (2, "")
    assert str(file) in said.err
    for place in ("networkAccesPolicy", "publicNetworkAccess.mode", "storageAccounts"):
        assert place in said.err


@pytest.mark.parametrize("content", [None, b"\xff", b"version: 2", b"a: [", b"[]"])
def test_a_policy_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    """Exit 2 with the file's name."""
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_bytes(content)
    said = guards("evaluate", write(tmp_path / "in.json", disk()), "--policy", file)
    assert (said.code, said.out) == (2, "")
    assert str(file) in said.err


@pytest.mark.parametrize("text", HOSTILE[:2], ids=ascii)
def test_a_policy_cannot_steer_the_terminal(text: str, tmp_path: Path) -> None:
    """It may be somebody else's file, in a pull request."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        f"version: 1\nresources: {{Microsoft.Compute/disks: {{{json.dumps(text)}: 1}}}}"
    )
    said = guards("evaluate", write(tmp_path / "in.json", disk()), "--policy", file)
    assert (said.code, raw(said.err)) == (2, [])


WORDS = st.sampled_from(
    ["id", "type", "name", "sku", "properties", "data", "value", "managedBy", "policies"]
)
SETTINGS = st.sampled_from(
    ["exportPolicy", "status", "networkAccessPolicy", "diskAccessId", "privateEndpointConnections"]
)
KEYS = WORDS | SETTINGS
TYPES = st.sampled_from([guard.resource_type for guard in GUARDS])
VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | TYPES
DOCUMENTS = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=6)
        | st.builds(
            lambda type_, rest: {**rest, "type": type_}, TYPES, st.dictionaries(KEYS, inner)
        )
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENTS)
def test_no_json_document_makes_it_fail(document: Any, tmp_path: Path) -> None:
    """A verdict, a note or a mistake for whatever stands in the file, in either format."""
    file = write(tmp_path / "in.json", document)
    result = evaluate.run([str(file)], DEFAULT, START)
    out = io.StringIO()
    report.as_table(result.verdicts, out)
    report.as_json(result.verdicts, out)
    assert result.skipped >= 0
    assert [one for one in map(str, result.remarks) if not one.startswith(f"{file}:")] == []


@pytest.mark.parametrize("value", [None, [], {}, 5, True, "", "\ud800", [[[{}]]]])
@pytest.mark.parametrize("key", ["id", "type", "name", "sku", "properties", "networkAccessPolicy"])
def test_no_value_of_a_known_key_makes_it_fail(key: str, value: Any, tmp_path: Path) -> None:
    """In ARM's form and in az's."""
    rows = [{**disk(), key: value}, {**flattened(disk()), key: value}, disk(**{key: value})]
    result = evaluate.run([str(write(tmp_path / "a", rows))], DEFAULT, START)
    assert len(rows) == len(result.verdicts) + len(result.remarks) + result.skipped
    report.as_table(result.verdicts, io.StringIO())


@pytest.mark.parametrize("depth", [500, 5_000, 9_000, 20_000])
def test_no_depth_makes_it_fail(depth: int, tmp_path: Path) -> None:
    """A value nested as deep as JSON can be read is a finding or a mistake."""
    file = tmp_path / "deep.json"
    deep = "[" * depth + "]" * depth
    file.write_text(json.dumps(disk(networkAccessPolicy="@")).replace('"@"', deep))
    result = evaluate.run([str(file)], DEFAULT, START)
    assert len(result.verdicts) + len(result.remarks) == 1
    report.as_json(result.verdicts, io.StringIO())
