"""The state that instances share, in Azure Table Storage: one table, its rows written by ETag.

Grants, limits and what was delivered live here, each in partitions of its own. The table is made
when it is first missed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from guards.edges.queues import TROUBLE, code_of
from guards.engine.errors import Transient
from guards.engine.store import MOST_WRITES, Conflict, Delete, Insert, Row, Write

log = logging.getLogger(__name__)

TABLE = "guardstate"

TIMEOUT_S = 8
"""For one operation with its retries."""

_CONFLICTS = {
    "EntityAlreadyExists",
    "EntityNotFound",
    "ResourceNotFound",
    "UpdateConditionNotSatisfied",
    "ConditionNotMet",
}
_NO_TABLE = {"TableNotFound"}
_MADE_ALREADY = {"TableAlreadyExists"}

_BY_PREFIX = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"


class TableStore:
    """The `Store` port over one table."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, partition: str, key: str) -> Row | None:
        """As `ports.Store.get`."""

        async def get() -> Row | None:
            try:
                return _row(await self._client.get_entity(partition, key))
            except HttpResponseError as e:
                if code_of(e) in _CONFLICTS:
                    return None
                raise

        return await self._attempt(get)

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> Sequence[Row]:
        """As `ports.Store.page`."""
        first = max(prefix, after + " " if after else "")  # no key of ours goes on with a space

        async def page() -> Sequence[Row]:
            found = self._client.query_entities(
                _BY_PREFIX,
                parameters={"partition": partition, "first": first, "end": f"{prefix}~"},
                results_per_page=min(limit, 1000),
            )
            rows: list[Row] = []
            # A page may be short, or empty, and still be followed by others.
            async for entity in found:
                rows.append(_row(entity))
                if len(rows) >= limit:
                    break
            return rows

        return await self._attempt(page)

    async def write(self, partition: str, *writes: Write) -> None:
        """As `ports.Store.write`."""
        if not 1 <= len(writes) <= MOST_WRITES:
            raise ValueError(f"1 to {MOST_WRITES} writes at a time, not {len(writes)}")

        operations = [_operation(partition, one) for one in writes]

        async def write() -> None:
            # One write as well: by itself, the SDK's delete is silent about a row that is not
            # there, and its create names no error code.
            await self._client.submit_transaction(operations)

        await self._attempt(write)

    async def _attempt[T](self, operation: Callable[[], Awaitable[T]]) -> T:
        """An operation, and once more if the table had to be made first.

        Raises:
            Conflict: another writer was faster.
            Transient: anything else; nothing is known of what was written.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                try:
                    return await operation()
                except HttpResponseError as e:
                    if code_of(e) not in _NO_TABLE:
                        raise
                await self._make()
                return await operation()
        except TROUBLE as e:
            code = code_of(e) or type(e).__name__
            if code in _CONFLICTS:
                raise Conflict(code) from e
            status = getattr(e, "status_code", None) or 0
            raise Transient(f"table {TABLE}: {code}", status=status) from e

    async def _make(self) -> None:
        log.warning("the table %s was missing and is made", TABLE)
        try:
            await self._client.create_table()
        except HttpResponseError as e:
            if code_of(e) not in _MADE_ALREADY:
                raise


class NoTable:
    """The `Store` port where none is configured: whatever needs it waits until there is one."""

    def __init__(self, missing: str) -> None:
        self._missing = missing

    async def get(self, partition: str, key: str) -> Row | None:
        """As `ports.Store.get`."""
        raise Transient(self._missing)

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> Sequence[Row]:
        """As `ports.Store.page`."""
        raise Transient(self._missing)

    async def write(self, partition: str, *writes: Write) -> None:
        """As `ports.Store.write`."""
        raise Transient(self._missing)


def _operation(partition: str, write: Write) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A write as the SDK's verb, entity and options."""
    entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": write.key}
    if isinstance(write, Insert):
        return "create", entity | dict(write.values), {}
    unchanged = (
        {"etag": write.etag, "match_condition": MatchConditions.IfNotModified} if write.etag else {}
    )
    if isinstance(write, Delete):
        return "delete", entity, unchanged
    verb = "update" if write.etag else "upsert"
    return verb, entity | dict(write.values), {"mode": UpdateMode.REPLACE, **unchanged}


def _row(entity: TableEntity) -> Row:
    values = {k: v for k, v in entity.items() if k not in ("PartitionKey", "RowKey")}
    return Row(entity["PartitionKey"], entity["RowKey"], values, str(entity.metadata["etag"]))
