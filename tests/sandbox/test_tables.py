"""The sandbox's table service, with the real client: by connection string and with a token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableServiceClient

from sandbox.certificates import Certificates
from sandbox.identity import Tokens
from sandbox.storage import ACCOUNT, KEY, Tables
from tests.sandbox.clients import Credential, post

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def running(certificates: Certificates | None) -> AsyncIterator[Tables]:
    """A table service with the table of a deployment."""
    tables = Tables(certificates)
    await tables.start()
    try:
        await tables.create_table("guardstate")
        yield tables
    finally:
        await tables.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def authority() -> AsyncIterator[Certificates]:
    """A throw-away authority for the service over https."""
    made = Certificates()
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured(authority: Certificates) -> AsyncIterator[Tables]:
    """The service over https."""
    async with running(authority) as tables:
        yield tables


async def write_and_read(service: TableServiceClient) -> None:
    """Two rows in one transaction, read back in the order of their keys."""
    table = service.get_table_client("guardstate")
    rows = [{"PartitionKey": "p", "RowKey": key, "text": "Größe ✓"} for key in ("b", "a")]
    await table.submit_transaction([("upsert", row) for row in rows])
    found = [row async for row in table.query_entities("PartitionKey eq 'p'")]
    assert [row["RowKey"] for row in found] == ["a", "b"]
    assert found[0]["text"] == "Größe ✓"


async def test_tables_are_reached_with_the_accounts_connection_string() -> None:
    """In the clear, as the queues are then."""
    async with running(None) as tables:
        assert tables.connection == f"TableEndpoint={tables.uri};"
        text = f"AccountName={ACCOUNT};AccountKey={KEY};{tables.connection}"
        async with TableServiceClient.from_connection_string(text) as service:
            await write_and_read(service)


async def test_tables_are_reached_with_a_token_over_https(
    authority: Certificates, secured: Tables
) -> None:
    """As a managed identity does."""
    assert secured.uri.startswith("https://")
    async with TableServiceClient(
        secured.uri,
        credential=Credential(Tokens()),
        connection_verify=str(authority.ca),
    ) as service:
        await write_and_read(service)


@pytest.mark.parametrize(
    ("resource", "life_s", "status"),
    [
        ("https://storage.azure.com", 60, 200),
        ("https://management.azure.com", 60, 403),
        ("https://storage.azure.com", -60, 403),
    ],
)
async def test_only_a_token_for_storage_opens_the_tables(
    authority: Certificates, secured: Tables, resource: str, life_s: float, status: int
) -> None:
    """Neither ARM's nor one that ran out."""
    token, _ = Tokens().issue(resource, lifetime_s=life_s)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    answer = await post(authority, f"{secured.uri}/Tables", method="GET", headers=headers)
    assert answer.status == status


async def test_a_table_may_be_there_already(secured: Tables) -> None:
    """A deployment may come twice."""
    await secured.create_table("guardstate")
    async with secured.client() as service:
        assert [table.name async for table in service.list_tables()] == ["guardstate"]
