"""`explain`: every setting of one resource, each told apart from the others."""

import json
from pathlib import Path

import pytest

from guards import GUARDS
from guards.engine.model import Guard
from tests.cli.command import guards
from tests.engine.samples import disk


def test_rules_that_look_at_the_same_setting_are_named(tmp_path: Path) -> None:
    """A disk's state tells of exports and of uploads: a row each, and nobody has to guess."""
    file = tmp_path / "disk.json"
    file.write_text(json.dumps(disk(diskState="ActiveSAS")), "utf-8")
    said = guards("explain", str(file))
    assert said.code == 1
    assert "properties.diskState (liveExport)" in said.out
    assert "properties.diskState (import)" in said.out
    assert "properties.publicNetworkAccess (" not in said.out


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type.rpartition("/")[2])
def test_every_rule_has_an_id_of_its_own(guard: Guard) -> None:
    """So that a name after a path tells which it is."""
    ids = [rule.id for rule in guard.rules]
    assert len(set(ids)) == len(ids)
