"""`role` and `operations`: what a deployment needs to know, from the catalogue."""

import pytest

from guards import GUARDS, LEADS
from guards.engine.model import Guard, Lead
from tests.cli.command import guards

SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555"

EVERY: tuple[Guard | Lead, ...] = (*GUARDS, *LEADS)


def test_the_role_is_exactly_what_the_guards_need() -> None:
    """As `az role definition create` takes it; no wildcard, no delete."""
    scopes = [SCOPE, SCOPE.replace("1", "2")]
    said = guards("role", "--scope", *scopes)
    assert (said.code, said.err) == (0, "")
    role = said.json
    assert role["AssignableScopes"] == scopes
    assert True is role["IsCustom"]
    needed = list(dict.fromkeys(permission for one in EVERY for permission in one.permissions))
    assert needed == role["Actions"]
    deletes = [one for one in needed if "*" in one or one.endswith("/delete")]
    assert deletes == ["Microsoft.ContainerRegistry/registries/exportPipelines/delete"]
    assert [role[key] for key in ("NotActions", "DataActions", "NotDataActions")] == [[], [], []]


def test_the_operations_are_one_line_of_words() -> None:
    """As `az eventgrid` takes the values of a filter."""
    said = guards("operations")
    assert (said.code, said.err) == (0, "")
    assert said.out.count("\n") == 1
    assert [operation for one in EVERY for operation in one.operations] == said.out.split()


@pytest.mark.parametrize(
    "arguments", [(), ("nope",), ("role",), ("evaluate",), ("evaluate", "a", "--format", "xml")]
)
def test_a_command_that_is_none_is_explained(arguments: tuple[str, ...]) -> None:
    """Exit 2 with the usage, nothing on standard output."""
    said = guards(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "usage: python -m guards" in said.err


def test_help_tells_the_exit_codes() -> None:
    """Whoever writes the pipeline reads them there."""
    said = guards("--help")
    assert said.code == 0
    assert "0 if all is well, 1 if something is not compliant" in said.out
