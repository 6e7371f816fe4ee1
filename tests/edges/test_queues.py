"""Storage queues on Azurite, through the clients that the app wires."""

import asyncio
import base64
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from guards.edges.queues import StorageQueue
from guards.engine.errors import Transient
from guards.engine.ports import Receipt
from guards.wiring import App, open_app
from sandbox.storage import Azurite
from tests.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGE = {"resourceId": "/subscriptions/x", "attempt": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    """One storage account for this module, without any queue."""
    running = Azurite()
    await running.start()
    yield running
    await running.stop()


async def app_of(connection: str) -> App:
    """The app on a storage account."""
    return await open_app({"GUARD_STORAGE": connection})


@pytest_asyncio.fixture(loop_scope="module")
async def queue(azurite: Azurite) -> AsyncIterator[StorageQueue]:
    """guard-work, new and empty."""
    async with azurite.client() as service:
        await service.create_queue("guard-work")
        app = await app_of(azurite.connection)
        assert isinstance(app.ports.work, StorageQueue)
        yield app.ports.work
        await app.close()
        await service.delete_queue("guard-work")


@pytest_asyncio.fixture(loop_scope="module")
async def other(azurite: Azurite, queue: StorageQueue) -> AsyncIterator[QueueClient]:
    """Somebody else at the same queue, who sees the messages as they are."""
    async with azurite.client() as service:
        yield service.get_queue_client("guard-work")


async def visible(other: QueueClient) -> list[Any]:
    """The messages that can be seen, decoded from base64 and JSON."""
    found = await other.peek_messages(max_messages=32)
    return [json.loads(base64.b64decode(message.content)) for message in found]


async def test_a_message_is_base64_of_json(queue: StorageQueue, other: QueueClient) -> None:
    """As the Functions host reads it by default."""
    await queue.put(MESSAGE)
    assert await visible(other) == [MESSAGE]


async def test_connections_that_are_dropped_do_not_put_a_message_off(
    azurite: Azurite, queue: StorageQueue, other: QueueClient
) -> None:
    """Twice in a row, and the message is there within the time one operation has."""
    async with Proxy(azurite.queue_service_uri) as proxy:
        port = azurite.queue_service_uri.rpartition(":")[2].partition("/")[0]
        app = await app_of(azurite.connection.replace(f":{port}/", f":{proxy.port}/"))
        proxy.dropping = 2
        await app.ports.work.put(MESSAGE)
        await app.close()
    assert MESSAGE in await visible(other)


async def test_a_message_is_invisible_for_its_delay(
    queue: StorageQueue, other: QueueClient
) -> None:
    """Then it surfaces."""
    await queue.put(MESSAGE, 1)
    assert await visible(other) == []
    await asyncio.sleep(1.2)
    assert await visible(other) == [MESSAGE]


async def test_a_message_does_not_expire(queue: StorageQueue, other: QueueClient) -> None:
    """What nobody has dealt with in a week still counts."""
    await queue.put(MESSAGE)
    (message,) = [m async for m in other.receive_messages()]
    assert message.expires_on is not None
    assert message.expires_on > datetime.now(UTC) + timedelta(days=365)


async def test_a_message_is_replaced(queue: StorageQueue, other: QueueClient) -> None:
    """New content, new delay."""
    receipt = await queue.put(MESSAGE, 60)
    await queue.update(receipt, {"attempt": 2}, 0)
    assert await visible(other) == [{"attempt": 2}]


async def test_a_message_is_deleted(queue: StorageQueue, other: QueueClient) -> None:
    """While nobody else can see it."""
    await queue.delete(await queue.put(MESSAGE, 60))
    assert (await other.get_queue_properties()).approximate_message_count == 0


async def test_deleting_twice_is_silent(
    queue: StorageQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else was faster: that is how it should be."""
    receipt = await queue.put(MESSAGE)
    await queue.delete(receipt)
    await queue.delete(receipt)
    await queue.update(receipt, MESSAGE, 5)
    assert "could not be deleted" not in caplog.text


async def test_a_message_that_somebody_took_is_left_to_them(
    queue: StorageQueue, other: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Their pop receipt counts; ours says nothing any more, and nothing is said about it."""
    receipt = await queue.put(MESSAGE)
    (theirs,) = [m async for m in other.receive_messages(visibility_timeout=1)]
    await queue.update(receipt, {"attempt": 9}, 0)
    await queue.delete(receipt)
    assert "could not be deleted" not in caplog.text
    assert json.loads(base64.b64decode(theirs.content)) == MESSAGE
    await asyncio.sleep(1.2)
    assert await visible(other) == [MESSAGE]


@pytest.mark.parametrize(
    "text", ["Größe 数据 🗝", "\ud800 half a pair", "\x00\x1b[31m\u202e", "<&>\"'", "x" * 40_000]
)
async def test_any_text_comes_through(text: str, queue: StorageQueue, other: QueueClient) -> None:
    """Names and words of others are in alerts, whatever they are made of."""
    receipt = await queue.put({"reason": ""}, 60)
    await queue.update(receipt, {"reason": text}, 0)
    await queue.put({"reason": text})
    assert [{"reason": text}] * 2 == await visible(other)


async def test_a_queue_that_is_not_there_is_trouble_of_the_moment(azurite: Azurite) -> None:
    """A deployment may be under way; the error names the queue."""
    app = await app_of(azurite.connection)
    with pytest.raises(Transient, match=r"guard-alerts.*QueueNotFound") as caught:
        await app.ports.alerts.put(MESSAGE)
    assert caught.value.status == 404
    with pytest.raises(Transient):
        await app.ports.alerts.update(Receipt("00000000-0000-0000-0000-000000000000", "x"), {}, 1)
    await app.close()


async def test_a_wrong_key_is_told_without_it(azurite: Azurite) -> None:
    """403 is Transient here: an intent that cannot be written must stop the change."""
    key = base64.b64encode(b"not the key of this account").decode()
    start, _, rest = azurite.connection.partition("AccountKey=")
    app = await app_of(f"{start}AccountKey={key};{rest.partition(';')[2]}")
    with pytest.raises(Transient) as caught:
        await app.ports.work.put(MESSAGE)
    assert caught.value.status == 403
    assert key not in str(caught.value)
    await app.close()


async def test_a_storage_that_is_down_is_known_within_five_seconds(
    azurite: Azurite, queue: StorageQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused or hanging, with all retries: `put` and `update` raise, `delete` says so in the log.

    Budget, alert and deletion have to fit the 30 seconds that Event Grid waits.
    """
    stopped = await app_of(
        azurite.connection.replace(azurite.queue_service_uri, "http://127.0.0.1:1/a")
    )
    receipt = await queue.put(MESSAGE, 60)
    os.kill(azurite.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        results = await asyncio.gather(
            *(
                call
                for one in (queue, stopped.ports.work)
                for call in (
                    one.put(MESSAGE),
                    one.update(receipt, MESSAGE, 5),
                    one.delete(receipt),
                )
            ),
            return_exceptions=True,
        )
        took = time.monotonic() - start
    finally:
        os.kill(azurite.pid, signal.SIGCONT)
        await stopped.close()
    assert [Transient, Transient, type(None)] * 2 == [type(result) for result in results]
    assert took < 10
    assert caplog.text.count("an intent could not be deleted and will surface") == 2
