"""`python -m guards roles`: forms of input, exit codes, the table, the JSON, and docs/roles.md."""

import json
import re
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from guards.__main__ import _parser
from tests import test_policy_doc as pages
from tests.cli.command import HOSTILE, ROOT, Said, cut_off, guards, process, write
from tests.engine.test_roles_builtin import BACKUP_READER, CONTRIBUTOR, DATA_OPERATOR, READER

NAME = "docs/roles.md"
PAGE = (ROOT / NAME).read_text(encoding="utf-8")
DISKS = "Microsoft.Compute/disks/beginGetAccess/action"
MISTAKEN = {"roleName": "Odd", "permissions": [{"actions": ["*", 5]}]}


def roles(document: Any, folder: Path, *options: str) -> Said:
    """The command on a file with this JSON."""
    return guards("roles", write(folder / "in.json", document), *options)


def rest(role: dict[str, Any]) -> dict[str, Any]:
    """The same role as the REST API shows it."""
    inner = {key: role[key] for key in ("roleName", "permissions", "assignableScopes")}
    outer = {key: role[key] for key in ("id", "name", "type")}
    return {"properties": {**inner, "type": role["roleType"]}, **outer}


FORMS = {
    "one role": BACKUP_READER,
    "az role definition list": [BACKUP_READER],
    "REST, one": rest(BACKUP_READER),
    "REST, a list": {"value": [rest(BACKUP_READER)]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_json_of_the_page(form: str, tmp_path: Path) -> None:
    """Exactly this shape: programs are written against it."""
    (shown,) = re.findall(r"(?ms)^```json\n(\[.*?)^```$", PAGE)
    said = roles(FORMS[form], tmp_path, "--format", "json")
    assert (said.code, said.err) == (1, "")
    assert said.json == json.loads(shown)


def test_json_lines_are_read_one_by_one(tmp_path: Path) -> None:
    """As `jq -c '.[]'` leaves them."""
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(map(json.dumps, (READER, CONTRIBUTOR))))
    said = guards("roles", file, "--format", "json")
    assert [len(role["grants"]) for role in said.json] == [0, 7]


def test_what_a_definition_does_not_say_is_null(tmp_path: Path) -> None:
    """The keys are there all the same."""
    (role,) = roles({"Name": "x", "Actions": []}, tmp_path, "--format", "json").json
    assert role == {"roleName": "x", "id": None, "type": None, "assignableScopes": [], "grants": []}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (READER, 0),
        ([], 0),
        ([READER, DATA_OPERATOR], 1),
        ([MISTAKEN, READER], 2),
        ([CONTRIBUTOR, MISTAKEN], 2),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_the_exit_code_tells_what_was_found(
    document: Any, code: int, form: str, tmp_path: Path
) -> None:
    """0 no role gives an export permission, 1 one does, 2 something could not be read."""
    assert roles(document, tmp_path, "--format", form).code == code


@pytest.mark.parametrize(("document", "code"), [(READER, 0), (CONTRIBUTOR, 1), (MISTAKEN, 2)])
def test_the_process_ends_with_that_code(document: Any, code: int) -> None:
    """As a pipeline sees it, from standard input."""
    assert process("roles", "-", stdin=json.dumps(document).encode()).code == code


def test_the_table_shows_who_gives_what_and_what_that_is(tmp_path: Path) -> None:
    """A row for each permission, each explained once; roles without one are only counted."""
    said = roles([BACKUP_READER, READER, {**BACKUP_READER, "roleName": "Copier"}], tmp_path)
    assert said.err == ""
    lines = [re.split(r"\s{2,}", line.strip()) for line in said.out.splitlines()]
    assert ["Disk Backup Reader", "BuiltInRole", DISKS, "action", DISKS] in lines
    assert ["Copier", "BuiltInRole", DISKS, "action", DISKS] in lines
    assert lines.count([DISKS, "make a SAS link to a whole disk"]) == 1
    assert lines[-1] == ["3 roles, 2 with export permissions"]
    assert not [line for line in lines if line[0] == "Reader"]


def test_a_role_without_export_permissions_is_counted(tmp_path: Path) -> None:
    """No table of nothing."""
    assert roles(READER, tmp_path).out == "1 role, 0 with export permissions\n"
    assert roles([], tmp_path).out == "no role definition was read\n"


def test_unreadable_roles_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """File, line and place on standard error, and all other files and roles judged."""
    bad = tmp_path / "bad.json"
    bad.write_text(f"[\n{json.dumps(MISTAKEN)},\n7,\n{json.dumps(CONTRIBUTOR)},\n{{]")
    good = write(tmp_path / "good.json", READER)
    said = guards("roles", bad, tmp_path / "missing.json", good, "--format", "json")
    assert (said.code, [role["roleName"] for role in said.json]) == (2, ["Contributor", "Reader"])
    first, second, third, *_, last = said.err.splitlines()
    assert first == f"{bad}:2: [0]: permissions[0].actions[1]: a text is needed, not int"
    assert second == f"{bad}:3: [1]: a role definition is an object, not int"
    assert third.startswith(f"{bad}:5: [3]: ")
    assert last.startswith(f"{tmp_path / 'missing.json'}: cannot be read: ")


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", ["table", "json"])
def test_names_and_patterns_cannot_steer_the_terminal(text: str, form: str, tmp_path: Path) -> None:
    """Whoever may define a role chooses them; markup is text, control characters are gone."""
    documents = [
        {"roleName": text, "id": text, "assignableScopes": [text], "Actions": ["*"]},
        {"roleName": "x", "roleType": text, "Actions": [f"*{text}*", "*"]},
        {"roleName": "x", text: {}, text.swapcase(): {}, "Actions": [text]},
        {"roleName": "x", "permissions": [{text: []}]},
    ]
    said = roles(documents, tmp_path, "--format", form)
    assert said.code == 2
    unclean = {"Cc", "Cf", "Cs"}
    assert [
        c for c in said.out + said.err if unicodedata.category(c) in unclean and c != "\n"
    ] == []
    if "markup" in text and form == "table":
        assert "[bold red]" in said.out


def test_long_names_and_patterns_are_cut_in_the_table(tmp_path: Path) -> None:
    """A row of stars is no page of stars."""
    said = roles({"roleName": "n" * 5000, "Actions": ["*" * 1000]}, tmp_path)
    assert said.out.count("*") < 7 * 120
    assert said.out.count("n" * 20) < 10
    assert "…" in said.out


def test_the_role_of_the_guard_itself_gives_no_export_permission() -> None:
    """What it is deployed with can be checked by its own command."""
    made = guards("role", "--scope", "/subscriptions/11111111-2222-3333-4444-555555555555")
    said = guards("roles", "-", stdin=made.out.encode())
    assert (said.code, said.out) == (0, "1 role, 0 with export permissions\n")


def test_the_role_of_the_page_gives_no_export_permission(tmp_path: Path) -> None:
    """As whoever saves it first checks it."""
    (shown,) = re.findall(r"(?ms)^```json\n(\{.*?)^```$", PAGE)
    (role,) = roles(json.loads(shown), tmp_path, "--format", "json").json
    assert (role["type"], role["grants"]) == ("CustomRole", [])


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`| head -n 1` on hundreds of roles."""
    assert cut_off("roles", write(tmp_path / "in.json", [CONTRIBUTOR] * 300)) in (0, 1)


def test_other_commands_do_not_load_it() -> None:
    """Nobody pays for what they did not ask for."""
    program = (
        "import sys; from guards.__main__ import main; main(['operations']);"
        "sys.exit('guards.cli.roles' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_help_tells_the_exit_code() -> None:
    """Beside those of the other commands."""
    assert "1 if something is not compliant (evaluate, explain) or a role gives" in (
        guards("--help").out
    )


@pytest.mark.parametrize("line", sorted(set(pages.command_lines(PAGE))))
def test_the_command_line_is_understood(line: str) -> None:
    """No option is misspelt, and none is missing."""
    assert _parser().parse_args(shlex.split(line, comments=True)).command == "roles"


def test_no_link_of_the_page_leads_nowhere() -> None:
    """As in the other pages."""
    pages.test_no_link_leads_nowhere(NAME)
