"""Documentation is a promise: README, sample settings, policy and schema say what the code does."""

import json
import re
from itertools import chain
from pathlib import Path

import jsonschema
import pytest
import yaml

from guards import GUARDS
from guards.cli import catalogue
from guards.engine.model import Outcome
from guards.engine.policy import default, parse
from guards.engine.policy.shape import schema
from guards.engine.policy.text import load
from guards.wiring import channels
from guards.wiring.channels import MAY, NEEDS, Kind
from tests.fakes import START

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ALERT_DOC = (ROOT / "docs/alert.md").read_text()
CHANNELS_DOC = (ROOT / "docs/notifications.md").read_text()
SCHEMA = json.loads((ROOT / "docs/alert.schema.json").read_text())
PREFIX = "GUARD_CHANNEL_<NAME>__"
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]


def settings_read_by_the_app() -> set[str]:
    """Every app setting that the modules of wiring name; channels have tests of their own."""
    source = "".join(file.read_text() for file in (ROOT / "guards/wiring").glob("*.py"))
    names = set(re.findall(r'"((?:GUARD|AZURE|ARM)_[A-Z_]+)"', source))
    suffixes = re.findall(r'f"\{STORAGE\}(__\w+)"', source)
    return names | {f"GUARD_STORAGE{suffix}" for suffix in suffixes}


@pytest.mark.parametrize("setting", sorted(settings_read_by_the_app()))
def test_every_setting_is_in_readme_and_sample(setting: str) -> None:
    """A setting the app reads is explained, and has a harmless value in the sample."""
    assert f"| `{setting}` |" in README
    assert setting in SAMPLE


def test_the_settings_are_found() -> None:
    """In more than one module, or the tests above are about nothing."""
    wanted = {"GUARD_MODE", "GUARD_NOTIFY", "GUARD_STORAGE__tableServiceUri", "ARM_ENDPOINT"}
    assert settings_read_by_the_app() >= wanted


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_channel_is_explained(kind: Kind) -> None:
    """README names the kind, and docs/notifications.md has a row for it with an example below."""
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{PREFIX}<KIND>` |")]
    assert f"`{kind}`" in row
    assert f"| `{PREFIX}{kind}` |" in CHANNELS_DOC
    assert re.search(rf'"GUARD_CHANNEL_[A-Z_]+__{kind}=', CHANNELS_DOC)


@pytest.mark.parametrize("field", sorted({*chain(*NEEDS.values(), *MAY.values())}))
def test_every_setting_of_a_channel_is_explained(field: str) -> None:
    """In the table of README, and in that of docs/notifications.md with an example below."""
    assert f"`{PREFIX}{field}`" in "".join(re.findall(r"(?m)^\| (.*?) \|", README))
    assert f"| `{PREFIX}{field}` |" in CHANNELS_DOC
    assert re.search(rf'"GUARD_CHANNEL_[A-Z_]+__{field}=', CHANNELS_DOC)


def test_the_sample_changes_nothing() -> None:
    """Whoever copies the sample starts in audit mode, and leaves guard-alerts alone."""
    assert SAMPLE["GUARD_MODE"] == "audit"
    assert channels.read(SAMPLE) == ()


def test_the_channels_of_the_sample_work_once_they_are_filled_in() -> None:
    """None of their names is misspelt, and none is missing."""
    filled = {name: "x" for name in SAMPLE if name.startswith("GUARD_CHANNEL_")}
    found = channels.read({**SAMPLE, **filled})
    assert [(one.name, one.mistake) for one in found] == [("mail", ""), ("teams", "")]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)
def test_every_guard_and_rule_is_in_the_readme_table(guard: object) -> None:
    """The table shows each type with each setting, its desired value and what absence means."""
    rows = [row.split("|") for row in README.splitlines() if row.startswith("| ")]
    table: dict[str, dict[str, list[str]]] = {}
    current = ""
    for cells in rows:
        current = cells[1].strip(" `") or current
        table.setdefault(current, {})[cells[2].split("`")[1] if "`" in cells[2] else ""] = cells
    type_ = guard.resource_type  # type: ignore[attr-defined]
    for rule in guard.rules:  # type: ignore[attr-defined]
        wanted = f'add a row for {type_} {rule.path} to README.md, "What is guarded"'
        assert rule.path in table.get(type_, {}), wanted
        cells = table[type_][rule.path]
        assert cells[4].strip() == rule.desired
        assert cells[5].strip() == rule.when_absent


def test_the_shipped_policy_names_every_rule_and_enforces_the_strict_default() -> None:
    """policy.yaml is the default, written out: changing a line there is all it takes."""
    text = (ROOT / "policy.yaml").read_text()
    named = yaml.safe_load(text)["resources"]
    missing = {guard.resource_type for guard in GUARDS} - set(named)
    assert not missing, f"add {missing} to policy.yaml"
    assert {g.resource_type: {r.id for r in g.rules} for g in GUARDS} == {
        type_: set(rules) for type_, rules in named.items()
    }
    shipped = parse(text, GUARDS, START).types
    assert shipped == default(GUARDS).types


def test_the_policy_schema_is_what_the_guard_reads() -> None:
    """Editors follow the file; `policy schema` follows the code."""
    file = json.loads((ROOT / "policy.schema.json").read_text())
    renew = "renew it: .venv/bin/python -m guards policy schema > policy.schema.json"
    assert file == schema(GUARDS), renew
    jsonschema.Draft202012Validator.check_schema(file)


def test_the_shipped_policy_fits_its_schema() -> None:
    """No editor underlines anything in policy.yaml, which names the schema in its first line."""
    text = (ROOT / "policy.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=./policy.schema.json\n")
    validator = jsonschema.Draft202012Validator(schema(GUARDS))
    assert [error.message for error in validator.iter_errors(load(text).data)] == []
    assert not validator.is_valid({"version": 1, "profil": "strict"})


def test_the_role_has_no_action_that_exports_or_deletes() -> None:
    """Least privilege: the guard can neither take a SAS nor delete what it guards.

    Of what stands in its way it can delete export pipelines, and does where the policy says so.
    """
    actions = [action.lower() for action in catalogue.permissions()]
    assert len(actions) == len(set(actions))
    for forbidden in ("begingetaccess", "delete", "importimage", "pipelineruns", "*"):
        found = [action for action in actions if forbidden in action]
        pipelines = "microsoft.containerregistry/registries/exportpipelines/delete"
        assert found == ([pipelines] if forbidden == "delete" else [])


def test_the_event_filter_fits_event_grid() -> None:
    """An advanced filter takes 25 values in all."""
    assert 0 < len(catalogue.operations()) <= 25


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_every_field_of_the_alert_is_explained(field: str) -> None:
    """docs/alert.md names each field of the schema."""
    assert f"`{field}`" in ALERT_DOC


def test_every_outcome_of_the_schema_is_explained() -> None:
    """docs/alert.md says what each outcome means, and the engine knows no other."""
    outcomes = SCHEMA["properties"]["outcome"]["enum"]
    assert set(outcomes) == set(Outcome) - {Outcome.ALREADY_COMPLIANT, Outcome.EXEMPT}
    for outcome in outcomes:
        assert f"| *{outcome}* |" in ALERT_DOC
