"""What Azure would index: function names, triggers, queues, connections. And handlers stay thin."""

import ast
import importlib.util
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from guards.wiring import STORAGE

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "function_app.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("function_app_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = _load()


@cache
def _indexed() -> dict[str, dict[str, Any]]:
    """Function name -> its only binding, as the worker reports it to the host."""
    found = {}
    for function in MODULE.app.get_functions():
        (binding,) = function.get_bindings()
        found[function.get_function_name()] = binding.get_dict_repr()
    return found


def test_azure_indexes_the_expected_functions() -> None:
    """A renamed or lost function would leave a queue without a reader."""
    assert {
        "resource_changed", "event_queued", "work_due", "event_given_up", "work_given_up",
    } == set(_indexed())  # fmt: skip


def test_events_are_pushed_into_the_app() -> None:
    """An Event Grid subscription of type Azure Function finds its function."""
    binding = _indexed()["resource_changed"]
    assert (binding["type"], binding["name"]) == ("eventGridTrigger", "event")


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("event_queued", "guard-events"),
        ("work_due", "guard-work"),
        ("event_given_up", "guard-events-poison"),
        ("work_given_up", "guard-work-poison"),
    ],
)
def test_every_queue_has_its_function(name: str, queue: str) -> None:
    """Each with the same storage setting as the rest of the app."""
    binding = _indexed()[name]
    assert binding["type"] == "queueTrigger"
    assert queue == binding["queueName"]
    assert "GUARD_STORAGE" == STORAGE == binding["connection"]
    assert binding["name"] == "message"


def test_every_queue_trigger_has_a_handler_of_its_poison() -> None:
    """A message that fails five times ends in front of a person."""
    queues = {binding["queueName"] for binding in _indexed().values() if "queueName" in binding}
    poisoned = {queue for queue in queues if not queue.endswith("-poison")}
    assert {f"{queue}-poison" for queue in poisoned} <= queues


def test_nothing_is_bound_for_output_and_nothing_answers_http() -> None:
    """The host would reparse what it sends, and no door is open to the network."""
    assert {"IN"} == {binding["direction"].name for binding in _indexed().values()}
    assert {"eventGridTrigger", "queueTrigger"} == {
        binding["type"] for binding in _indexed().values()
    }


def _functions() -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize(
    "function", [f for f in _functions() if f.decorator_list], ids=lambda f: f.name
)
def test_a_handler_decodes_calls_and_logs(function: ast.AsyncFunctionDef) -> None:
    """Three statements at most beside its docstring: everything else is tested without Azure."""
    assert isinstance(function, ast.AsyncFunctionDef)
    assert len(function.body) - 1 <= 3
    branches = (ast.If, ast.Try, ast.While, ast.With, ast.IfExp)
    assert not [node for node in ast.walk(function) if isinstance(node, branches)]


def test_loading_the_app_builds_nothing() -> None:
    """No connection, no token and no setting is needed to be indexed."""
    assert MODULE._running == []


def test_an_event_reaches_the_engine_as_it_came() -> None:
    """Nothing is lost between the library's object and the engine's JSON."""
    moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    event = func.EventGridEvent(
        id="event-1",
        data={"resourceUri": "/x", "operationName": "o"},
        topic="/t",
        subject="/x",
        event_type="Microsoft.Resources.ResourceWriteSuccess",
        event_time=moment,
        data_version="2",
    )
    assert MODULE._as_json(event) == {
        "id": "event-1",
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-03-01T12:00:00.000Z",
        "subject": "/x",
        "data": {"resourceUri": "/x", "operationName": "o"},
    }
