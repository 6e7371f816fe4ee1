"""What Azure would index: function names, triggers, queues, connections. And handlers stay thin."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from guards.wiring import STORAGE
from tests.engine.notify.office import Office, alert

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "function_app.py"

CHANNEL = {"GUARD_CHANNEL_SECOPS__teams": "https://workflow.example/?sig=secret"}
OFF = {**CHANNEL, "GUARD_NOTIFY": "off"}


def _load(environ: Mapping[str, str]) -> Any:
    """The app as a process with these settings, and no others of channels, has it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith(("GUARD_CHANNEL_", "GUARD_NOTIFY")):
                patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        return _module()


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("function_app_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = _load({})
NOTIFYING = _load(CHANNEL)

GUARDING = {"resource_changed", "event_queued", "work_due", "event_given_up", "work_given_up"}
DELIVERING = {"alert_posted", "alert_given_up", "delivery_due", "delivery_given_up"}


@cache
def _functions(module: Any) -> dict[str, Any]:
    """Function name -> function, as the worker gets them; an app hands them out once."""
    return {function.get_function_name(): function for function in module.app.get_functions()}


def _bindings(module: Any) -> dict[str, dict[str, Any]]:
    """Function name -> its only binding, as the worker reports it to the host."""
    found = {}
    for name, function in _functions(module).items():
        (binding,) = function.get_bindings()
        found[name] = binding.get_dict_repr()
    return found


def _indexed() -> dict[str, dict[str, Any]]:
    """Of an app with a channel, which has all of them."""
    return _bindings(NOTIFYING)


def test_azure_indexes_the_expected_functions() -> None:
    """A renamed or lost function would leave a queue without a reader."""
    assert set(_indexed()) == GUARDING | DELIVERING


@pytest.mark.parametrize("environ", [{}, OFF, {"GUARD_CHANNEL_X__to": "me"}])
def test_without_a_channel_alerts_are_left_to_others(environ: dict[str, str]) -> None:
    """Whoever reads guard-alerts today is not robbed of them, and nothing else changes."""
    bindings = _bindings(_load(environ))
    assert set(bindings) == GUARDING
    assert bindings == {name: _indexed()[name] for name in GUARDING}


def test_a_channel_with_a_mistake_is_a_channel() -> None:
    """Its alerts are told elsewhere or logged, and do not pile up unread."""
    environ = {"GUARD_CHANNEL_X__webhook": "nonsense"}
    assert set(_bindings(_load(environ))) == GUARDING | DELIVERING


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
        ("alert_posted", "guard-alerts"),
        ("alert_given_up", "guard-alerts-poison"),
        ("delivery_due", "guard-deliveries"),
        ("delivery_given_up", "guard-deliveries-poison"),
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


def _source() -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize(
    "function", [f for f in _source() if f.decorator_list], ids=lambda f: f.name
)
def test_a_handler_decodes_calls_and_logs(function: ast.AsyncFunctionDef) -> None:
    """Three statements at most beside its docstring: everything else is tested without Azure."""
    assert isinstance(function, ast.AsyncFunctionDef)
    assert len(function.body) - 1 <= 3
    branches = (ast.If, ast.Try, ast.While, ast.With, ast.IfExp)
    assert not [node for node in ast.walk(function) if isinstance(node, branches)]


def test_loading_the_app_builds_nothing() -> None:
    """No connection, no token and no setting is needed to be indexed."""
    assert MODULE._running == NOTIFYING._running == []


def test_the_walk_sees_every_handler() -> None:
    """Those of notifications stand below a condition."""
    handlers = {function.name for function in _source() if function.decorator_list}
    assert handlers == GUARDING | DELIVERING


async def _deliver(name: str, content: object, post: object) -> None:
    """One of the app's functions, given a message as the worker hands it over."""
    message = func.QueueMessage(id="1", body=json.dumps(content).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NOTIFYING, "_running", [SimpleNamespace(post=lambda: post)])
        await _functions(NOTIFYING)[name].get_user_function()(message)


async def test_an_alert_goes_through_the_functions_to_its_channel() -> None:
    """From guard-alerts to guard-deliveries to the people."""
    office, posted = Office("teams"), alert()
    await _deliver("alert_posted", posted, office.post)
    (message,) = office.deliveries.messages
    await _deliver("delivery_due", message.json, office.post)
    assert office["teams"].told == [posted["alertId"]]


async def test_what_failed_five_times_goes_through_the_functions_to_people() -> None:
    """An alert to every channel, a delivery to the other channels."""
    office, posted = Office("teams", "mail"), alert()
    await _deliver("alert_given_up", posted, office.post)
    first, second = office.deliveries.messages
    assert {first.json["channel"], second.json["channel"]} == {"teams", "mail"}
    office.deliveries.messages.clear()
    await _deliver("delivery_given_up", first.json, office.post)
    assert {m.json["channel"] for m in office.deliveries.messages} >= {second.json["channel"]}


GUARD_AN_EVENT = """
import asyncio, dataclasses, json, os, sys

import azure.functions as func
import function_app

imported = sorted(sys.modules)

from tests.engine.samples import DISK_ID, disk, event
from tests.engine.world import World

async def main():
    app = await function_app._app()
    world = World(disk())
    faked = ("arm", "work", "alerts", "own_id", "own_names", "clock")
    fakes = {name: getattr(world.ports, name) for name in faked}
    app.ports = dataclasses.replace(app.ports, **fakes)
    sent = event()
    await function_app.resource_changed.build().get_user_function()(
        func.EventGridEvent(
            id=sent["id"], data=sent["data"], topic="/t", subject=DISK_ID,
            event_type=sent["eventType"], event_time=None, data_version="2",
        )
    )
    assert world.is_closed() and world.alerts
    await app.close()

asyncio.run(main())
print(json.dumps([imported, sorted(sys.modules)]))
"""

NEVER = (
    "azure.data.tables", "aiosmtplib", "azure.communication", "azure.eventgrid",
    "guards.edges.channels", "guards.edges.tables", "guards.wiring.post",
    *(f"guards.engine.notify.{name}" for name in ("sender", "deliver", "fan_out", "deliveries")),
    *(f"guards.engine.notify.{name}" for name in ("card", "mail", "story", "digest")),
)  # fmt: skip
"""What only delivering needs."""


def test_an_event_to_guard_loads_nothing_of_notifications() -> None:
    """Neither the start nor the first event of an app with channels waits for them."""
    environ = {**os.environ, **CHANNEL, "GUARD_STORAGE": "UseDevelopmentStorage=true"}
    run = subprocess.run(
        [sys.executable, "-c", GUARD_AN_EVENT],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    imported, handled = json.loads(run.stdout)
    for modules in (imported, handled):
        assert "guards.engine.intake" in modules
        for name in NEVER:
            assert not [m for m in modules if m == name or m.startswith(f"{name}.")]


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
