"""The worker half: messages are strict, apps are checked by the library that runs in Azure."""

import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.host import Host, protos
from sandbox.host.settings import HostSettingsError, read_host_json, resolve, seconds
from sandbox.host.values import add_binding_data, queue_messages, typed, untyped
from sandbox.host.worker import FunctionFailed, UnsupportedBindingError
from tests.sandbox.host_fixtures import SAMPLE, app_of

EVENT = "@app.event_grid_trigger(arg_name='event')\n"


def test_a_message_with_an_unknown_field_is_an_error() -> None:
    """A library that starts to send more is noticed at once."""
    with pytest.raises(ValueError, match="StatusResult has no field colour"):
        protos.StatusResult(colour="red")


@pytest.mark.parametrize(
    "given", [{"string": "a", "json": "{}"}, {"stream": b""}], ids=["two fields", "unknown field"]
)
def test_typed_data_holds_one_known_field(given: dict[str, Any]) -> None:
    """A value cannot be two things, or a thing that nobody reads."""
    with pytest.raises(ValueError, match="TypedData"):
        protos.TypedData(**given)


def test_typed_data_refuses_a_value_of_another_type() -> None:
    """Text is not smuggled in as bytes."""
    with pytest.raises(TypeError):
        protos.TypedData(bytes="text")


@pytest.mark.parametrize("value", [None, b"b", "text", 1.5, 7, True, {"a": [1]}])
def test_values_survive_the_way_to_a_function_and_back(value: Any) -> None:
    """What the host hands over is what it would get back."""
    assert untyped(typed(value)) == value


def test_an_output_that_looks_like_json_is_rewritten() -> None:
    """The host's quirk: arrays become several messages, objects come out indented."""
    messages = list(queue_messages('[{"a":1},"b"]'))
    assert messages == [b'{\n  "a": 1\n}', b"b"]


def test_an_output_that_is_broken_json_fails() -> None:
    """The host's quirk: text in braces has to be JSON."""
    with pytest.raises(ValueError):
        list(queue_messages("{not json"[:-1] + "}"))


def test_properties_of_a_message_overwrite_its_metadata() -> None:
    """The host's quirk that makes `id` a bad name for a property; arrays and nulls are left out."""
    metadata = {"Id": typed("real"), "DequeueCount": typed(1)}
    add_binding_data('{"id": "mine", "dequeuecount": 9, "list": [], "none": null}', metadata)
    assert {name: untyped(data) for name, data in metadata.items()} == {
        "Id": "mine",
        "DequeueCount": "9",
    }


async def test_functions_are_listed_with_the_bindings_that_azure_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A test can compare an app's bindings with what its deployment promises."""
    monkeypatch.setenv("GUARD_STORAGE", "UseDevelopmentStorage=true")
    monkeypatch.setenv("IN_QUEUE", "Incoming")
    monkeypatch.setenv("QUIET", "1")
    host = Host(SAMPLE)
    await host.start()
    try:
        assert set(host.functions) == {
            "on_event",
            "on_work",
            "on_poison",
            "forward",
            "tick",
            "hello",
        }
        assert host.functions["on_work"].bindings == (
            {
                "direction": "IN",
                "type": "queueTrigger",
                "name": "msg",
                "queueName": "work",
                "connection": "GUARD_STORAGE",
            },
        )
        assert host.functions["forward"].kind == "queuetrigger"
        assert set(host.functions["forward"].outputs) == {"out"}
    finally:
        await host.stop()


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("raise RuntimeError('boom')", FunctionFailed, "boom"),
        ("import not_there", FunctionFailed, "not_there"),
        ("", FunctionFailed, "No functions found"),
        (EVENT + "def f(event: dict): pass", FunctionFailed, "event"),
        (EVENT + "def f(other: func.EventGridEvent): pass", FunctionFailed, "other"),
        (EVENT + "def f(event: func.EventGridEvent, more=1): pass", FunctionFailed, "more"),
        (
            "@app.blob_trigger(arg_name='b', path='a', connection='C')\n"
            "def f(b: func.InputStream): pass",
            UnsupportedBindingError,
            "blobTrigger",
        ),
        (
            EVENT + "@app.cosmos_db_output(arg_name='out', database_name='d', container_name='c',"
            " connection='C')\ndef f(event: func.EventGridEvent, out: func.Out[str]): pass",
            UnsupportedBindingError,
            "cosmosDB",
        ),
    ],
    ids=["raises", "import", "empty", "type", "name", "extra", "trigger", "output"],
)
async def test_a_bad_app_does_not_start(
    tmp_path: Path, source: str, error: type[Exception], says: str
) -> None:
    """What Azure would refuse, or this host does not reproduce, is told at the start."""
    with pytest.raises(error, match=re.escape(says)):
        await Host(app_of(tmp_path, source)).start()


def test_time_spans_are_read() -> None:
    """host.json writes .NET time spans."""
    assert (seconds("00:00:30"), seconds("1.02:00:00.5")) == (30.0, 93600.5)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"functionTimeout": "soon"}',
        '{"extensions": {"queues": {"batchsize": 1}}}',
        '{"extensions": {"queues": {"batchSize": 33}}}',
        '{"extensions": {"queues": {"messageEncoding": "rot13"}}}',
    ],
)
def test_a_bad_host_json_is_an_error(tmp_path: Path, text: str) -> None:
    """A typing error in host.json is found here and not by its effects in production."""
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(HostSettingsError):
        read_host_json(tmp_path)


def test_host_json_defaults_are_azures(tmp_path: Path) -> None:
    """Without host.json the documented defaults hold."""
    settings = read_host_json(tmp_path)
    assert (settings.function_timeout, settings.route_prefix) == (1800.0, "api")
    queues = settings.queues
    assert (queues.batch_size, queues.new_batch_threshold, queues.max_dequeue_count) == (16, 8, 5)
    assert (queues.visibility_timeout, queues.max_polling_interval, queues.base64) == (0, 60, True)


def test_a_missing_app_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """%NAME% in a binding needs the app setting."""
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(HostSettingsError, match="NOT_SET"):
        resolve("%NOT_SET%-queue")
