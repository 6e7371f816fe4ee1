"""The queue listener, against Azurite: leases, failures, poison, encodings and quirks."""

import base64
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue.aio import QueueServiceClient

from sandbox.host import Host
from sandbox.host.queues import BackOff
from sandbox.storage import Azurite
from tests.sandbox.host_fixtures import SAMPLE, app_of, azurite, eventually, put

__all__ = ["azurite"]

SAMPLE_QUEUES = ("work", "work-poison", "incoming", "out")


@pytest.fixture
async def queues(azurite: Azurite) -> AsyncIterator[QueueServiceClient]:
    """A client of a storage account whose queues are empty."""
    async with azurite.client() as client:
        async for queue in client.list_queues():
            await client.get_queue_client(queue.name).clear_messages()
        yield client


@pytest.fixture(autouse=True)
def settings(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app settings of the sample app."""
    monkeypatch.setenv("GUARD_STORAGE", azurite.connection)
    monkeypatch.setenv("IN_QUEUE", "Incoming")


@pytest.fixture
async def sample(queues: QueueServiceClient, azurite: Azurite) -> AsyncIterator[Host]:
    """The sample app, running; its queues exist."""
    await azurite.create_queues(SAMPLE_QUEUES)
    host = Host(SAMPLE)
    await host.start()
    yield host
    await host.stop()


def seen(kind: str) -> list[Any]:
    """What the functions of the app saw."""
    return [what for name, what in sys.modules["function_app"].SEEN if name == kind]


async def count(queues: QueueServiceClient, name: str) -> int:
    """Messages in a queue, the invisible ones included."""
    properties = await queues.get_queue_client(name).get_queue_properties()
    return int(properties.approximate_message_count or 0)


@pytest.mark.usefixtures("sample")
async def test_a_message_is_handled_once_and_deleted(queues: QueueServiceClient) -> None:
    """Success ends a message."""
    await put(queues.get_queue_client("work"), "hello")

    async def gone() -> bool:
        return bool(seen("work")) and await count(queues, "work") == 0

    await eventually(gone)
    assert [found[1:] for found in seen("work")] == [(1, "hello")]


@pytest.mark.usefixtures("sample")
async def test_a_message_that_always_fails_is_tried_and_then_poisoned(
    queues: QueueServiceClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Three tries with the pause of host.json between them, then the poison queue with the body."""
    body = json.dumps({"fail": "always"})
    began = time.monotonic()
    await put(queues.get_queue_client("work"), body)
    await eventually(lambda: seen("poison"))
    assert [found[1:] for found in seen("work")] == [(1, body), (2, body), (3, body)]
    assert seen("poison") == [body]
    assert time.monotonic() - began > 1.5
    failures = [r for r in caplog.records if "Executed 'Functions.on_work'" in r.getMessage()]
    assert len(failures) == 3


@pytest.mark.usefixtures("sample")
async def test_an_undecodable_message_is_poisoned_unseen(queues: QueueServiceClient) -> None:
    """What is not base64 never reaches the function, and its text stays as it was."""
    await queues.get_queue_client("work").send_message("not base64!")
    poison = queues.get_queue_client("work-poison")

    async def hidden() -> bool:
        return await count(queues, "work-poison") == 1 and await poison.peek_messages() == []

    # The sample listens to its poison queue as well, where the text fails again: it stays, hidden
    # by its lease, since a poison queue has no poison queue.
    await eventually(hidden)
    assert (seen("work"), seen("poison")) == ([], [])
    assert "work-poison-poison" not in [queue.name async for queue in queues.list_queues()]


@pytest.mark.usefixtures("sample")
async def test_the_body_overwrites_what_the_host_says_about_a_message(
    queues: QueueServiceClient,
) -> None:
    """The real host's quirk: a property `id` hides the message's own id."""
    await put(queues.get_queue_client("work"), '{"id": "mine"}')
    await eventually(lambda: seen("work"))
    assert seen("work")[0][0] == "mine"


@pytest.mark.usefixtures("sample")
async def test_an_output_binding_writes_to_its_queue(queues: QueueServiceClient) -> None:
    """%SETTING% and upper case in a queue's name are resolved; an array becomes two messages."""
    await put(queues.get_queue_client("incoming"), '["a", {"b": 1}]')
    out = queues.get_queue_client("out")
    found: list[bytes] = []

    async def both() -> bool:
        found.extend([base64.b64decode(m.content) async for m in out.receive_messages()])
        return len(found) == 2

    await eventually(both)
    assert sorted(found) == [b"a", b'{\n  "b": 1\n}']


@pytest.mark.usefixtures("sample")
async def test_no_more_than_batch_and_threshold_run_at_once(queues: QueueServiceClient) -> None:
    """BatchSize 4 and newBatchThreshold 2: at most six at a time, and in the end all."""
    work = queues.get_queue_client("work")
    for _ in range(12):
        await put(work, json.dumps({"wait": 0.3}))
    app = sys.modules["function_app"]
    await eventually(lambda: len(seen("work")) == 12)
    assert 4 <= app.most_running <= 6


async def test_a_stopping_host_settles_what_it_has_taken(
    queues: QueueServiceClient, azurite: Azurite
) -> None:
    """A restart in good order leaves no message hidden behind a lease."""
    await azurite.create_queues(SAMPLE_QUEUES)
    host = Host(SAMPLE)
    await host.start()
    await put(queues.get_queue_client("work"), json.dumps({"wait": 0.5}))
    await eventually(lambda: seen("work"))
    await host.stop()
    assert await count(queues, "work") == 0


LONG = """
SEEN = []

@app.queue_trigger(arg_name="msg", queue_name="long", connection="GUARD_STORAGE")
async def on_long(msg: func.QueueMessage) -> None:
    SEEN.append(msg.get_body())
    await asyncio.sleep(2.5)
"""


async def test_a_timed_out_function_fails_and_its_message_is_released(
    queues: QueueServiceClient,
    azurite: Azurite,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """FunctionTimeout is a failure like any other, and the caller of the host is told."""
    told: list[bool] = []
    await azurite.create_queues(["long"])
    host = Host(
        app_of(tmp_path, LONG, '{"functionTimeout": "00:00:01"}'),
        on_timeout=lambda: told.append(True),
    )
    await host.start()
    try:
        await put(queues.get_queue_client("long"), "x")
        await eventually(lambda: sys.modules["function_app"].SEEN == [b"x", b"x"])
        assert told == [True]
        assert "Timeout value of 1 s exceeded by function 'Functions.on_long'" in caplog.text
    finally:
        await host.stop()


async def test_the_lease_is_renewed_while_a_function_runs(
    queues: QueueServiceClient,
    azurite: Azurite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A function that outlives its message's first lease does not see the message twice."""
    monkeypatch.setenv("SANDBOX_QUEUE_LEASE", "2")
    await azurite.create_queues(["long"])
    polling = '{"extensions": {"queues": {"maxPollingInterval": "00:00:00.2"}}}'
    host = Host(app_of(tmp_path, LONG, polling))
    await host.start()
    try:
        await put(queues.get_queue_client("long"), "x")

        async def gone() -> bool:
            return await count(queues, "long") == 0

        await eventually(gone)
        assert sys.modules["function_app"].SEEN == [b"x"]
    finally:
        await host.stop()


PLAIN = """
SEEN = []

@app.queue_trigger(arg_name="msg", queue_name="plain", connection="GUARD_STORAGE")
@app.queue_output(arg_name="out", queue_name="plain-out", connection="GUARD_STORAGE")
async def on_plain(msg: func.QueueMessage, out: func.Out[str]) -> None:
    SEEN.append(msg.get_body())
    out.set("done")
"""


async def test_messages_may_be_plain_text_and_queues_may_come_later(
    queues: QueueServiceClient, tmp_path: Path
) -> None:
    """MessageEncoding none; the listener waits for its queue, the output makes its own."""
    encoding = '{"extensions": {"queues": {"messageEncoding": "none"}}}'
    host = Host(app_of(tmp_path, PLAIN, encoding))
    await host.start()
    try:
        plain = queues.get_queue_client("plain")
        await plain.create_queue()
        await plain.send_message("not base64!")

        async def done() -> bool:
            return "plain-out" in [queue.name async for queue in queues.list_queues()]

        await eventually(done)
        assert sys.modules["function_app"].SEEN == [b"not base64!"]
        await eventually(lambda: count(queues, "plain-out"))
        out = [m.content async for m in queues.get_queue_client("plain-out").receive_messages()]
        assert out == ["done"]
    finally:
        await host.stop()


async def test_a_storage_that_cannot_be_reached_is_said_once_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The listener goes on asking."""
    storage = Azurite()
    monkeypatch.setenv("GUARD_STORAGE", storage.connection)
    polling = '{"extensions": {"queues": {"maxPollingInterval": "00:00:00.2"}}}'
    host = Host(app_of(tmp_path, LONG.replace("sleep(2.5)", "sleep(0)"), polling))
    await host.start()
    try:
        await eventually(lambda: "queue long cannot be read" in caplog.text)
        await storage.start()
        await storage.create_queues(["long"])
        async with storage.client() as client:
            await put(client.get_queue_client("long"), "late")
        await eventually(lambda: sys.modules["function_app"].SEEN == [b"late"])
        assert caplog.text.count("cannot be read") == 1
    finally:
        await host.stop()
        await storage.stop()


def test_an_empty_queue_is_asked_more_and_more_seldom() -> None:
    """From a tenth of a second to the longest interval, and back at the first message."""
    back_off = BackOff(longest=1.0)
    pauses = [back_off.after(found=False) for _ in range(8)]
    assert pauses[0] == 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 1.0
    assert back_off.after(found=True) == 0.1
    assert back_off.after(found=False) < 1.0


async def test_a_missing_connection_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app setting that is missing is in the error."""
    monkeypatch.delenv("GUARD_STORAGE")
    with pytest.raises(ValueError, match="GUARD_STORAGE"):
        await Host(app_of(tmp_path, LONG)).start()
