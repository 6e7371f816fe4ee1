"""The store keeps its promises over the table service, as does the fake of the engine's tests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables.aio import TableClient

from guards.edges.tables import TABLE, TableStore
from guards.engine.errors import Transient
from guards.engine.store import Conflict, Delete, Insert, Put, Store, Value
from sandbox.processes import free_port
from sandbox.storage import ACCOUNT, KEY, Tables
from tests.fakes import Store as FakeStore
from tests.fakes import Trouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 2, "read_timeout": 5}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tables() -> AsyncIterator[Tables]:
    """Azurite's table service, without any table."""
    service = Tables()
    await service.start()
    yield service
    await service.stop()


@pytest_asyncio.fixture(loop_scope="module", params=["table", "fake"])
async def store(
    request: pytest.FixtureRequest, tables: Tables, partition: str
) -> AsyncIterator[Store]:
    """The edge and the fake, held to the same."""
    if request.param == "fake":
        yield FakeStore(Trouble())
        return
    async with client(tables.uri) as table:
        yield TableStore(table)


@pytest.fixture
def partition(request: pytest.FixtureRequest) -> str:
    """One for each test: the table is shared."""
    return str(request.node.name).replace("[", " ").replace("]", "")


def client(uri: str, table: str = TABLE) -> TableClient:
    """A client that does not try again."""
    key = AzureNamedKeyCredential(ACCOUNT, KEY)
    return TableClient(uri, table, credential=key, use_env_settings=False, **_OPTIONS)


async def test_a_row_is_read_as_it_was_written(store: Store, partition: str) -> None:
    """Text, numbers and bytes come back as what they were."""
    values: dict[str, Value] = {
        "text": "Grüße | <b>",
        "number": 7,
        "time": 1793000000.25,
        "bytes": b"\x00\xff" * 99,
    }
    await store.write(partition, Insert("key", values))
    row = await store.get(partition, "key")
    assert row is not None
    assert {name: row.values[name] for name in values} == values
    assert (row.partition, row.key) == (partition, "key")


async def test_what_is_not_there_is_none(store: Store, partition: str) -> None:
    """Neither a missing row nor a missing table is an error."""
    assert await store.get(partition, "nothing") is None
    assert list(await store.page(partition, "no", 10)) == []


async def test_a_row_is_inserted_once(store: Store, partition: str) -> None:
    """Of two writers that want to be first, one is told."""
    await store.write(partition, Insert("key", {"by": "first"}))
    with pytest.raises(Conflict):
        await store.write(partition, Insert("key", {"by": "second"}))
    row = await store.get(partition, "key")
    assert row is not None
    assert row.values["by"] == "first"


async def test_a_row_that_somebody_wrote_meanwhile_is_left(store: Store, partition: str) -> None:
    """An ETag is the promise that nobody else was here."""
    await store.write(partition, Insert("key", {"n": 1}))
    row = await store.get(partition, "key")
    assert row is not None
    await store.write(partition, Put("key", {"n": 2}, row.etag))
    for late in (Put("key", {"n": 3}, row.etag), Delete("key", row.etag)):
        with pytest.raises(Conflict):
            await store.write(partition, late)
    with pytest.raises(Conflict):
        await store.write(partition, Put("absent", {"n": 3}, row.etag))
    now = await store.get(partition, "key")
    assert now is not None
    assert now.values["n"] == 2


async def test_without_an_etag_whatever_is_there_is_replaced(store: Store, partition: str) -> None:
    """All of it: what the new values do not name is gone."""
    await store.write(partition, Put("key", {"a": 1, "b": 2}))
    await store.write(partition, Put("key", {"a": 3}))
    row = await store.get(partition, "key")
    assert row is not None
    assert row.values["a"] == 3
    assert "b" not in row.values


@pytest.mark.parametrize(
    "broken",
    [Insert("there", {}), Delete("absent"), Put("there", {}, 'W/"old"'), Delete("there", 'W/"x"')],
    ids=["insert", "delete", "put", "delete-etag"],
)
async def test_a_transaction_is_all_or_nothing(
    store: Store, partition: str, broken: Insert | Put | Delete
) -> None:
    """One write that does not fit, and none of them has happened."""
    await store.write(partition, Insert("there", {"n": 1}), Insert("doomed", {"n": 1}))
    with pytest.raises(Conflict):
        await store.write(partition, Insert("new", {"n": 1}), Delete("doomed"), broken)
    keys = [row.key for row in await store.page(partition, "", 10)]
    assert keys == ["doomed", "there"]


async def test_the_end_of_a_row_that_is_not_there_is_a_conflict(
    store: Store, partition: str
) -> None:
    """Alone as in a transaction."""
    with pytest.raises(Conflict):
        await store.write(partition, Delete("absent"))


async def test_a_page_has_the_first_rows_with_a_prefix_in_order(
    store: Store, partition: str
) -> None:
    """Others in the partition do not disturb it."""
    keys = [f"w|{n:03d}" for n in (5, 1, 3, 2, 4)]
    await store.write(partition, *(Insert(key, {}) for key in [*keys, "s|1", "x|1", "w", "wz"]))
    assert [row.key for row in await store.page(partition, "w|", 3)] == sorted(keys)[:3]
    assert [row.key for row in await store.page(partition, "w|", 100)] == sorted(keys)
    after = await store.page(partition, "w|", 2, after="w|002")
    assert [row.key for row in after] == ["w|003", "w|004"]


async def test_of_many_writers_at_once_one_wins_each_round(store: Store, partition: str) -> None:
    """A counter that twelve raise side by side ends where it must."""
    await store.write(partition, Insert("n", {"n": 0}))

    async def raise_it() -> None:
        for _ in range(200):
            row = await store.get(partition, "n")
            assert row is not None
            try:
                await store.write(partition, Put("n", {"n": int(row.values["n"]) + 1}, row.etag))
            except Conflict:
                continue
            return
        raise AssertionError("never its turn")

    await asyncio.gather(*(raise_it() for _ in range(12)))
    row = await store.get(partition, "n")
    assert row is not None
    assert row.values["n"] == 12


async def test_a_page_may_be_longer_than_a_page_of_the_service(tables: Tables) -> None:
    """The service hands out a thousand rows at a time at most."""
    async with client(tables.uri) as table:
        store = TableStore(table)
        for start in range(0, 1100, 100):
            await store.write("long", *(Insert(f"k{n:05d}", {}) for n in range(start, start + 100)))
        first = await store.page("long", "k", 1000)
        rest = await store.page("long", "k", 1000, after=first[-1].key)
    assert [row.key for row in [*first, *rest]] == [f"k{n:05d}" for n in range(1100)]


async def test_the_table_is_made_when_it_is_missed(tables: Tables) -> None:
    """Reading, writing or a transaction may come first; nobody has to make it by hand."""
    async with client(tables.uri, "firstread") as table:
        assert await TableStore(table).get("p", "k") is None
        await TableStore(table).write("p", Insert("k", {}))
    async with client(tables.uri, "firstwrite") as table:
        await TableStore(table).write("p", Insert("k", {}), Insert("l", {}))
        assert len(await TableStore(table).page("p", "", 9)) == 2


async def test_a_service_that_cannot_be_reached_is_transient() -> None:
    """With no word about keys or addresses."""
    uri = f"http://127.0.0.1:{free_port()}/{ACCOUNT}"
    async with client(uri) as table:
        store = TableStore(table)
        for operation in (
            store.get("p", "k"),
            store.page("p", "k", 1),
            store.write("p", Delete("k")),
        ):
            with pytest.raises(Transient, match="table guardstate") as caught:
                await operation
            assert KEY not in str(caught.value)
            assert "127.0.0.1" not in str(caught.value)
