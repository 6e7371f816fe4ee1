"""The sandbox's blob service: policies outside the package, over https, read with a token."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from sandbox.outside import Outside
from sandbox.up import QUEUES, Sandbox
from tests.sandbox.host_fixtures import SAMPLE
from tests.sandbox.test_up import SETTINGS, environment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox with blobs and the sample app, for the tests that do not end a part of it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with Sandbox(SAMPLE, SETTINGS, blobs=True, say=lambda line: None) as sandbox:
        yield sandbox
    patch.undo()


async def get(box: Sandbox, url: str, **headers: str) -> tuple[int, str, str]:
    """Status, text and ETag of a blob; of trouble its code in place of the text."""
    context = ssl.create_default_context(cafile=box.endpoints["ca"])
    headers["x-ms-version"] = "2025-05-05"
    async with ClientSession() as session, session.get(url, headers=headers, ssl=context) as said:
        code = said.headers.get("x-ms-error-code", "")
        return said.status, code or await said.text(), said.headers.get("ETag", "")


def bearer(box: Sandbox, resource: str = "https://storage.azure.com", life_s: float = 60) -> str:
    """A token of the app's identity, as it sends it."""
    return f"Bearer {box.tokens.issue(resource, lifetime_s=life_s)[0]}"


async def test_the_app_knows_the_blob_service(box: Sandbox) -> None:
    """By a setting; it is https even where the queues are not."""
    uri = box.endpoints["blobs"]
    assert uri.startswith("https://127.0.0.1:")
    assert uri.endswith("/devstoreaccount1")
    assert environment(box.functions.pid)["GUARD_BLOB_ENDPOINT"] == uri
    assert "QueueEndpoint=http://" in box.endpoints["queueConnection"]


async def test_the_container_is_there_and_empty(box: Sandbox) -> None:
    """As after a deployment; the queues are there as ever."""
    url = f"{box.endpoints['blobs']}/policy/never-put.yaml"
    assert (await get(box, url, Authorization=bearer(box)))[:2] == (404, "BlobNotFound")
    async with box.azurite.client() as client:
        assert {queue.name async for queue in client.list_queues()} >= set(QUEUES)


async def test_a_policy_is_put_and_replaced(box: Sandbox) -> None:
    """With another ETag each time; who knows the newest gets 304."""
    async with Outside(box.endpoints) as outside:
        await outside.put_policy("version: 1  # Größe ✓\n")
        first = await get(box, outside.policy_url, Authorization=bearer(box))
        await outside.put_policy("version: 2\n")
        second = await get(box, outside.policy_url, Authorization=bearer(box))
        known = {"Authorization": bearer(box), "If-None-Match": second[2]}
        assert (await get(box, outside.policy_url, **known))[0] == 304
    assert first[:2] == (200, "version: 1  # Größe ✓\n")
    assert second[:2] == (200, "version: 2\n")
    assert first[2] != second[2]


async def test_only_a_token_for_storage_opens_it(box: Sandbox) -> None:
    """Nobody reads it anonymously, with ARM's token, or with one that ran out."""
    async with Outside(box.endpoints) as outside:
        await outside.put_policy("version: 1\n")
        url = outside.policy_url
    assert (await get(box, url))[0] in (401, 403, 404)
    for token in (
        bearer(box, "https://management.azure.com"),
        bearer(box, life_s=-60),
        "Bearer none",
    ):
        assert (await get(box, url, Authorization=token))[:2] == (403, "AuthenticationFailed")


async def test_a_setting_given_wins_and_an_end_of_the_blobs_is_told() -> None:
    """Whoever names another service means it; and without the blobs the sandbox is broken."""
    mine = {**SETTINGS, "GUARD_BLOB_ENDPOINT": "https://127.0.0.1:1/mine"}
    async with Sandbox(SAMPLE, mine, blobs=True, say=lambda line: None) as sandbox:
        env = environment(sandbox.functions.pid)
        assert env["GUARD_BLOB_ENDPOINT"] == "https://127.0.0.1:1/mine"
        os.kill(sandbox.endpoints["pids"]["blobs"], signal.SIGKILL)
        async with asyncio.timeout(15):
            told = await sandbox.broken()
    assert told == "azurite (blobs) ended with exit code -9, and all it kept is lost"
