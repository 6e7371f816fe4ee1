"""The storage account: clients of its queues and of its table, by connection string or identity."""

from typing import TYPE_CHECKING, Any

from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from guards.edges import http
from guards.edges.identity import Identity
from guards.wiring.settings import STORAGE, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guards.engine.store import Row, Store, Write

WORK_QUEUE = "guard-work"
ALERTS_QUEUE = "guard-alerts"
EVENTS_QUEUE = "guard-events"
DELIVERIES_QUEUE = "guard-deliveries"


class LaterStore:
    """The `Store` port, made when it is first used: most events never need a table's client."""

    def __init__(self, make: "Callable[[], Store]") -> None:
        self._make = make
        self._made: Store | None = None

    @property
    def _store(self) -> "Store":
        if self._made is None:
            self._made = self._make()
        return self._made

    async def get(self, partition: str, key: str) -> "Row | None":
        """As `Store.get`."""
        return await self._store.get(partition, key)

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> "Sequence[Row]":
        """As `Store.page`."""
        return await self._store.page(partition, prefix, limit, after=after)

    async def write(self, partition: str, *writes: "Write") -> None:
        """As `Store.write`."""
        await self._store.write(partition, *writes)


class Storage:
    """What the app stores where."""

    def __init__(self, settings: Settings, transport: Any) -> None:
        self._settings = settings
        self._transport = transport
        self._identity: Identity | None = None
        if not settings.storage["connection"]:
            client_id = settings.storage["client_id"] or settings.client_id
            self._identity = Identity(settings.arm_scope, client_id=client_id)

    async def close(self) -> None:
        """Close the identity's connections; the others are the transport's."""
        if self._identity is not None:
            await self._identity.close()

    def queue(self, name: str) -> QueueClient:
        """A client of one queue.

        Raises:
            SettingsError: the connection string is none.
        """
        connection, uri = self._settings.storage["connection"], self._settings.storage["uri"]
        options = {
            **self._options(uri or "https://queue.core.windows.net"),
            "message_encode_policy": TextBase64EncodePolicy(),
            "initial_backoff": 0,
            "increment_base": 0.3,
            "random_jitter_range": 0.1,
        }
        if not connection:
            return QueueClient(uri, name, credential=self._identity, **options)
        try:
            return QueueClient.from_connection_string(connection, name, **options)
        except ValueError as e:
            raise SettingsError(f"{STORAGE} is not a storage connection string") from e

    def table(self) -> "Store":
        """The state that instances share; without an address, one that says so when it is used."""
        from azure.data.tables.aio import TableClient  # a guard event never needs it

        from guards.edges.tables import TABLE, NoTable, TableStore

        connection, uri = self._settings.storage["connection"], self._settings.storage["tables"]
        options = {
            **self._options(uri or "https://table.core.windows.net"),
            "retry_backoff_factor": 0.15,
        }
        if not connection and not uri:
            return NoTable(f"set {STORAGE}__tableServiceUri to the https:// address of its tables")
        if not connection:
            return TableStore(TableClient(uri, TABLE, credential=self._identity, **options))
        try:
            return TableStore(TableClient.from_connection_string(connection, TABLE, **options))
        except ValueError:
            return NoTable(f"{STORAGE} is a connection string without a table service")

    def _options(self, uri: str) -> dict[str, Any]:
        return {
            **http.sdk_options(uri, self._transport),
            # A dropped connection is common, and there are 3 s: again after 0.3 s, and once more
            # at once. The SDK's defaults wait 15 s and more.
            "retry_total": 2,
            "connection_timeout": http.CONNECT_TIMEOUT_S,
            "read_timeout": http.READ_TIMEOUT_S,
        }
