"""Imports point one way: function_app, wiring, edges, engine. Read from the source of all modules.

A module that is added later is checked like the others, without a line here.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    return [file for file in found if "node_modules" not in file.parts]


def _name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


APP = {_name(file): file for file in [ROOT / "function_app.py", *_files("guards")]}
SANDBOX = {_name(file): file for file in _files("sandbox")}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse({**APP, **SANDBOX}[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    """Absolute names of what a module imports, at any depth of it; of ours, the module meant."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import hides where it leads"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in APP or inner in SANDBOX else node.module


def _top(name: str) -> str:
    return name.partition(".")[0]


def _within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _defines_guard(module: str) -> bool:
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "GUARD" for target in node.targets)
        for node in _tree(module).body
    )


_PLACED = ("guards.engine", "guards.edges", "guards.cli", "guards.wiring", "guards.__main__")
LEAVES = [
    name
    for name in APP
    if _within(name, "guards") and name != "guards" and not _within(name, *_PLACED)
]
TYPES = [name for name in LEAVES if _defines_guard(name)]
HELPERS = [name for name in LEAVES if name not in TYPES]
ENGINE = [name for name in APP if _within(name, "guards.engine")]


def allowed(module: str) -> tuple[str, ...]:
    """What of guards a module may import."""
    if _within(module, "guards.engine") or module in HELPERS:
        return ("guards.engine",)
    if module in TYPES:
        return ("guards.engine", *HELPERS)
    if _within(module, "guards.edges"):
        return ("guards.engine", "guards.edges")
    if module == "guards":
        return (*TYPES, "guards.leads")
    if _within(module, "guards.wiring"):
        return ("guards.engine", "guards.edges", "guards.wiring", "guards")
    if module == "function_app":
        return ("guards.engine", "guards.wiring", "guards")
    return ("guards.engine", "guards.cli", "guards.wiring", "guards")


def _may(name: str, module: str) -> bool:
    # `guards` itself is the catalogue; it does not stand for every module below it.
    return any(name == one if one == "guards" else _within(name, one) for one in allowed(module))


@pytest.mark.parametrize("module", APP)
def test_imports_point_one_way(module: str) -> None:
    """Whoever reads a module knows what it can reach."""
    ours = {name for name in imports_of(module) if _top(name) in ("guards", "function_app")}
    assert set() == {name for name in ours if not _may(name, module)}


@pytest.mark.parametrize("module", APP)
def test_the_app_imports_neither_tests_nor_sandbox(module: str) -> None:
    """What is deployed works without them."""
    assert set() == {"tests", "sandbox"} & {_top(name) for name in imports_of(module)}


@pytest.mark.parametrize(
    "module", [name for name in APP if not _within(name, "guards.cli", "guards.__main__")]
)
def test_the_app_does_not_load_the_command_line(module: str) -> None:
    """An event never pays for the operator's tools."""
    assert not [
        name for name in imports_of(module) if _within(name, "guards.cli", "guards.__main__")
    ]


_VENDOR = {
    *(f"guards.edges.{name}" for name in ("arm", "arm_errors", "arm_requests", "http")),
    *(f"guards.edges.{name}" for name in ("identity", "queues")),
    *(f"guards.edges.{name}" for name in ("policy_source", "register", "tables")),
    *(f"guards.edges.channels.{name}" for name in ("answers", "communication_email", "eventgrid")),
    *(f"guards.edges.channels.{name}" for name in ("posting", "teams", "webhook")),
    "guards.wiring",
    *(f"guards.wiring.{name}" for name in ("post", "settings", "storage", "trial")),
    "function_app",
}


@pytest.mark.parametrize("module", [name for name in APP if name not in _VENDOR])
def test_only_the_edges_know_the_vendor(module: str) -> None:
    """Azure's library can change without the engine or a guard noticing."""
    assert not [name for name in imports_of(module) if _top(name) in ("azure", "aiohttp", "msal")]


def test_the_bindings_know_only_the_programming_model() -> None:
    """function_app speaks to Azure through the edges alone."""
    assert {"azure.functions"} == {
        name for name in imports_of("function_app") if _top(name) == "azure"
    }


@pytest.mark.parametrize("module", SANDBOX)
def test_the_sandbox_knows_nothing_of_the_guards(module: str) -> None:
    """It is the outside world: it cannot agree with the guard by sharing its code."""
    assert set() == {"guards", "function_app"} & {_top(name) for name in imports_of(module)}


_IO_MODULES = {
    "socket", "ssl", "subprocess", "requests", "urllib.request", "http", "shutil", "tempfile", "io",
    "time", "random", "secrets", "uuid", "threading", "os", "pathlib", "asyncio", "signal", "sys",
}  # fmt: skip
_IO_CALLS = {"open", "input", "print", "eval", "exec", "__import__"}
_CLOCK_CALLS = {"now", "utcnow", "today", "fromtimestamp"}


@pytest.mark.parametrize("module", [*ENGINE, *LEAVES])
def test_engine_and_guards_do_no_io(module: str) -> None:
    """They are functions of what they are given, so a test can give them anything."""
    used = {part for name in imports_of(module) for part in (name, _top(name))}
    assert set() == used & _IO_MODULES
    for node in ast.walk(_tree(module)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            assert node.func.id not in _IO_CALLS
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            assert (node.func.value.id, node.func.attr) not in {
                (kind, call) for kind in ("datetime", "date") for call in _CLOCK_CALLS
            }


def _requirements() -> set[str]:
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    stated = [line.partition("#")[0].partition("==")[0].strip().lower() for line in lines]
    return {name for name in stated if name}


_DISTRIBUTIONS = {"yaml": "pyyaml"}
"""Packages that are imported under another name."""


def _is_listed(name: str) -> bool:
    if _top(name) == "azure":  # one namespace of many packages: azure-mgmt-compute
        dashed = name.replace(".", "-")
        return any(dashed == one or dashed.startswith(f"{one}-") for one in _requirements())
    return _DISTRIBUTIONS.get(_top(name), _top(name)) in _requirements()


@pytest.mark.parametrize("module", APP)
def test_every_package_the_app_imports_is_listed(module: str) -> None:
    """What is imported is pinned on purpose, not by somebody else's dependency."""
    foreign = {name for name in imports_of(module) if _top(name) not in sys.stdlib_module_names}
    assert set() == {name for name in foreign if _top(name) != "guards" and not _is_listed(name)}


def test_every_listed_package_is_imported() -> None:
    """Nothing is deployed that nobody uses."""
    used = {name for module in APP for name in imports_of(module)}
    dashed = {name.replace(".", "-") for name in used}
    tops = {_DISTRIBUTIONS.get(_top(name), _top(name)) for name in used}
    unused = {
        one
        for one in _requirements()
        if one not in tops and not any(f"{name}-".startswith(f"{one}-") for name in dashed)
    }
    assert set() == unused


def test_the_walk_sees_the_modules() -> None:
    """The tests above are not empty."""
    assert {"guards.disk", "guards.snapshot", "guards.container_registry"} <= set(TYPES)
    assert "guards.managed_disk" in HELPERS
    assert {"guards.engine.reconcile", "guards.engine.intake"} <= set(ENGINE)
    assert SANDBOX
