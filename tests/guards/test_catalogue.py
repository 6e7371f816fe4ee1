"""What holds for every guard, also for those that do not exist yet."""

import re
from pathlib import Path

import pytest

from guards import GUARDS
from guards.engine.model import Guard, Mode, TypePolicy
from guards.engine.policy import default
from guards.engine.rules import nested

EACH = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)


def _enforced(guard: Guard) -> TypePolicy:
    return default(GUARDS).of(guard)


def test_no_type_is_guarded_twice() -> None:
    """One type, one guard; one operation, one guard."""
    assert len(GUARDS) == len({guard.resource_type.lower() for guard in GUARDS})
    operations = [operation.lower() for guard in GUARDS for operation in guard.operations]
    assert len(operations) == len(set(operations))


def test_the_first_three_types_are_guarded() -> None:
    """What the README promises."""
    expected = {"disks", "snapshots", "registries"}
    assert expected <= {guard.resource_type.rpartition("/")[2] for guard in GUARDS}


@EACH
def test_a_guard_knows_its_own_operations(guard: Guard) -> None:
    """Everything lies within its type, and it recognises its own writes."""
    prefix = f"{guard.resource_type}/"
    assert f"{prefix}write" in guard.operations
    assert set(guard.own_operations) <= set(guard.operations)
    assert all(name.startswith(prefix) for name in guard.operations + guard.permissions)
    assert {f"{prefix}read", f"{prefix}write"} <= set(guard.permissions)
    assert not any("*" in name for name in guard.permissions)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", guard.api_version)


@EACH
def test_a_rule_is_consistent(guard: Guard) -> None:
    """What a guard sets it also accepts, and rules have names and paths of their own."""
    assert len(guard.rules) == len({rule.id for rule in guard.rules})
    assert len(guard.rules) == len({rule.path for rule in guard.rules})
    for rule in guard.rules:
        assert rule.desired in rule.allowed
        assert rule.path.startswith("properties.")


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
    """The guard is content with its own work."""
    body: dict[str, object] = {}
    for rule in guard.rules:
        (part,) = nested(rule.path, rule.desired).values()
        body = {"properties": {**body.get("properties", {}), **part}}  # type: ignore[dict-item]
    assert guard.inspect(body, _enforced(guard)) == ()


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
