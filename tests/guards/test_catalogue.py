"""What holds for every guard, also for those that do not exist yet."""

import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from guards import GUARDS, LEADS
from guards.cli.catalogue import print_operations
from guards.engine.model import Guard, Kind, Mode, TypePolicy
from guards.engine.policy import default
from guards.engine.rules import merged, nested, wire

EACH = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)


def _enforced(guard: Guard) -> TypePolicy:
    return default(GUARDS).of(guard)


def _looked_at(guard: Guard) -> TypePolicy:
    """The same with every setting and state that is off enforced."""
    kinds = {rule.id: rule.kind for rule in guard.rules}
    return {
        name: settings if kinds[name] is Kind.REPORTED else replace(settings, mode=Mode.ENFORCE)
        for name, settings in _enforced(guard).items()
    }


def test_no_type_is_guarded_twice() -> None:
    """One type, one guard; one operation, one guard."""
    assert len(GUARDS) == len({guard.resource_type.lower() for guard in GUARDS})
    operations = [operation.lower() for guard in GUARDS for operation in guard.operations]
    assert len(operations) == len(set(operations))


def test_the_first_types_are_guarded() -> None:
    """What the README promises."""
    expected = {"disks", "snapshots", "registries", "diskRestorePoints", "diskAccesses"}
    assert expected <= {guard.resource_type.rpartition("/")[2] for guard in GUARDS}


def test_an_event_filter_has_room_for_all_operations() -> None:
    """The advanced filters of an event subscription take 25 values in all."""
    out = io.StringIO()
    print_operations(out, as_json=True)
    values = json.loads(out.getvalue())
    assert len(values) == len({value.lower() for value in values}) <= 25
    wanted = {name for one in (*GUARDS, *LEADS) for name in one.operations}
    assert set(values) == wanted


@EACH
def test_a_guard_knows_its_own_operations(guard: Guard) -> None:
    """Everything lies within its type, and it may do, and recognises, what it does itself."""
    prefix = f"{guard.resource_type}/"
    changing = [name for name in guard.permissions if not name.endswith("/read")]
    assert guard.operations
    assert all(name.startswith(prefix) for name in (*guard.operations, *guard.own_operations))
    assert all(name.startswith(prefix) for name in changing)  # elsewhere it only reads
    assert f"{prefix}read" in guard.permissions
    assert set(guard.own_operations) <= set(changing) <= {*guard.own_operations, *guard.operations}
    assert not any("*" in name for name in guard.permissions)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", guard.api_version)


@EACH
def test_a_guard_may_do_what_its_rules_take_and_no_more(guard: Guard) -> None:
    """Settings are written, links are revoked; of what is reported nothing is changed."""
    kinds, prefix = {rule.kind for rule in guard.rules}, f"{guard.resource_type}/"
    writes, revokes = f"{prefix}write", f"{prefix}endGetAccess/action"
    assert (writes in guard.own_operations) == (Kind.SETTING in kinds)
    assert (revokes in guard.own_operations) == (Kind.STATE in kinds)
    assert Kind.SETTING not in kinds or writes in guard.operations
    assert kinds != {Kind.REPORTED} or guard.own_operations == ()


@EACH
def test_the_guard_of_links_knows_what_hands_them_out(guard: Guard) -> None:
    """One rule of the kind, and an event of each of its own grants leads to it."""
    states = {rule.id for rule in guard.rules if rule.kind is Kind.STATE}
    assert bool(states) == (guard.links is not None)
    if guard.links is not None:
        inside = [name for name in guard.links.grants if name.startswith(guard.resource_type)]
        led = {
            name for lead in LEADS if lead.leads_to == guard.resource_type for name in lead.grants
        }
        assert guard.links.rule in states
        assert inside
        assert set(inside) <= set(guard.operations)
        assert set(guard.links.grants) == {*inside, *led}


@EACH
def test_a_rule_is_consistent(guard: Guard) -> None:
    """What a guard sets it also accepts, and rules have names of their own.

    Each setting has a path of its own; a state is one value, and several rules may be about it.
    """
    assert len(guard.rules) == len({rule.id for rule in guard.rules})
    paths = Counter(rule.path for rule in guard.rules if rule.kind is not Kind.STATE)
    states = {rule.path for rule in guard.rules if rule.kind is Kind.STATE}
    assert set(paths.values()) <= {1}
    assert not states & set(paths)
    for rule in guard.rules:
        assert rule.desired in rule.allowed
        assert set(rule.allowed) <= set(rule.values)
        assert rule.kind is not Kind.REPORTED or rule.default_mode is not Mode.ENFORCE
        assert rule.kind is not Kind.SETTING or rule.path.startswith("properties.")


@EACH
def test_an_empty_body_is_judged_by_azures_defaults(guard: Guard) -> None:
    """Nothing in a body is taken for granted."""
    expected = {
        rule.id
        for rule in guard.rules
        if rule.default_mode is not Mode.OFF and rule.when_absent not in rule.allowed
    }
    assert expected == {finding.rule for finding in guard.inspect({}, _enforced(guard))}


@EACH
def test_a_body_with_every_desired_value_is_compliant(guard: Guard) -> None:
    """The guard is content with its own work, and with what it would have a person set.

    What it only tells of may have words for people instead of values.
    """
    of_values = [r for r in guard.rules if r.kind is not Kind.REPORTED or len(r.values) > 1]
    body = merged(*(nested(rule.path, wire(rule, rule.desired)) for rule in of_values))
    others = {rule.id for rule in guard.rules} - {rule.id for rule in of_values}
    assert others >= {finding.rule for finding in guard.inspect(body, _looked_at(guard))}
    assert others >= {finding.rule for finding in guard.inspect(body, _enforced(guard))}


@EACH
def test_no_findings_no_plan(guard: Guard) -> None:
    """A compliant resource is never touched."""
    plan = guard.plan({}, (), _enforced(guard))
    assert (plan.steps, plan.changes, plan.blocked) == ((), (), None)


HERE = Path(__file__).parent
MODULES = sorted(
    file.stem
    for file in (HERE.parent.parent / "guards").glob("*.py")
    if re.search(r"^GUARD\b", file.read_text(), re.MULTILINE)
)


@pytest.mark.parametrize("module", MODULES)
def test_every_guard_has_tests_of_its_own(module: str) -> None:
    """A type that is added comes with a file here that imports its module."""
    files = [file for file in HERE.glob("test_*.py") if file.name != Path(__file__).name]
    imports = re.compile(rf"^from guards(\.{module}\b| import .*\b{module}\b)", re.MULTILINE)
    assert any(imports.search(file.read_text()) for file in files), (
        f"write tests/guards/test_{module}.py"
    )
