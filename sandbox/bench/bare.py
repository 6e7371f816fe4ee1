"""The floor below all floors: the same HTTP requests with aiohttp and nothing else.

One session, a token fetched once, queues addressed by a shared access signature made once.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import ClientSession, TCPConnector
from azure.storage.queue import AccountSasPermissions, ResourceTypes, generate_account_sas
from yarl import URL

from sandbox.bench.floor import ALERTS, INTENT_S, LIMITS, WORK, Surroundings

_COMPUTE_VERSION = "2026-03-02"
_CLOSED = {"properties": {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}}
_RECEIPT = re.compile(rb"<MessageId>(.*?)</MessageId>.*<PopReceipt>(.*?)</PopReceipt>", re.DOTALL)


class Bare:
    """A `Floor` of plain HTTP; the one that also asks what Azurite can do."""

    def __init__(self, session: ClientSession, surroundings: Surroundings, token: str) -> None:
        self._session = session
        self._arm = surroundings.arm
        self._headers = {"Authorization": f"Bearer {token}"}
        settings = dict(part.split("=", 1) for part in surroundings.queues.split(";") if part)
        self._queues = settings["QueueEndpoint"]
        self._sas = generate_account_sas(
            settings["AccountName"],
            settings["AccountKey"],
            ResourceTypes(container=True, object=True),
            AccountSasPermissions(read=True, add=True, process=True, delete=True, update=True),
            datetime.now(UTC) + timedelta(hours=2),
        )
        text = escape(surroundings.message)
        self._message = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        self._receipts: list[tuple[str, str]] = []

    async def noncompliant(self, disk: str) -> None:
        """As `Floor`."""
        await self._arm_call("GET", disk)
        intent = await self._put(WORK, f"visibilitytimeout={INTENT_S}&")
        await self._arm_call("PATCH", disk, _CLOSED)
        await self._put(ALERTS)
        await self._delete(WORK, *intent)

    async def compliant(self, disk: str) -> None:
        """As `Floor`."""
        await self._arm_call("GET", disk)

    async def put(self, _: object) -> None:
        """One message into a queue."""
        self._receipts.append(await self._put(LIMITS))

    async def get(self, _: object) -> None:
        """One message out of the same queue; it stays there, invisible."""
        await self._queue_call("GET", f"{LIMITS}/messages?numofmessages=1&visibilitytimeout=600&")

    async def delete(self, _: object) -> None:
        """Delete a message that `put` has put."""
        await self._delete(LIMITS, *self._receipts.pop())

    async def _arm_call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self._arm}{path}?api-version={_COMPUTE_VERSION}"
        async with self._session.request(method, url, json=body, headers=self._headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _put(self, queue: str, query: str = "") -> tuple[str, str]:
        answer = await self._queue_call("POST", f"{queue}/messages?{query}", self._message)
        found = _RECEIPT.search(answer)
        assert found is not None, answer
        return found[1].decode(), found[2].decode()

    async def _delete(self, queue: str, message: str, receipt: str) -> None:
        path = f"{queue}/messages/{message}?popreceipt={quote(receipt, safe='')}&"
        await self._queue_call("DELETE", path)

    async def _queue_call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        url = URL(f"{self._queues}/{path}{self._sas}", encoded=True)
        async with self._session.request(method, url, data=body) as answer:
            answer.raise_for_status()
            return await answer.read()


@asynccontextmanager
async def opened(surroundings: Surroundings) -> AsyncIterator[Bare]:
    """The session, for as long as it is needed."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        async with session.get(
            surroundings.identity_endpoint,
            params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
            headers={"X-IDENTITY-HEADER": surroundings.identity_header},
        ) as answer:
            token = (await answer.json())["access_token"]
        yield Bare(session, surroundings, token)
