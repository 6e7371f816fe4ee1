"""The managed-identity endpoint and the tokens it hands out."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest

from sandbox.identity import GUARD_APP_ID, GUARD_OBJECT_ID, TENANT_ID, Identity, Tokens

STORAGE = "https://storage.azure.com"


class Endpoint:
    """A running endpoint and a client."""

    def __init__(self, identity: Identity, url: str, session: aiohttp.ClientSession) -> None:
        self.identity = identity
        self.url = url
        self._session = session

    async def ask(self, header: str | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        """Ask for a token, with the right header unless told otherwise."""
        sent = {"X-IDENTITY-HEADER": self.identity.header if header is None else header}
        async with self._session.get(self.url, params=query, headers=sent) as response:
            return response.status, await response.json()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """An endpoint of one's own."""
    identity = Identity(Tokens())
    url = await identity.start()
    async with aiohttp.ClientSession() as session:
        yield Endpoint(identity, url, session)
    await identity.stop()


GOOD = {"api-version": "2019-08-01", "resource": STORAGE}


async def test_the_endpoint_answers_as_app_services_does(endpoint: Endpoint) -> None:
    """A bearer token, its end as text, and whose it is."""
    status, answer = await endpoint.ask(**GOOD)
    assert status == 200
    assert {"access_token", "expires_on", "resource", "token_type", "client_id"} == answer.keys()
    assert (answer["token_type"], answer["resource"]) == ("Bearer", STORAGE)
    assert answer["client_id"].lower() == GUARD_APP_ID
    assert isinstance(answer["expires_on"], str)
    assert int(answer["expires_on"]) > time.time() + 3600


async def test_the_token_says_that_it_is_the_guards(endpoint: Endpoint) -> None:
    """The claims that ARM, Azurite and the guard itself read."""
    _, answer = await endpoint.ask(**GOOD, client_id=GUARD_APP_ID)
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert tuple(claims[name] for name in ("oid", "appid", "tid", "aud")) == (
        GUARD_OBJECT_ID,
        GUARD_APP_ID,
        TENANT_ID,
        STORAGE,
    )
    assert f"https://sts.windows.net/{TENANT_ID}/" == claims["iss"]
    assert claims["nbf"] <= claims["iat"] <= time.time() < claims["exp"]


@pytest.mark.parametrize("header", ["", "0" * 32, "ü"])
async def test_without_the_secret_header_there_is_no_token(endpoint: Endpoint, header: str) -> None:
    """401: the header keeps other processes' requests out."""
    status, answer = await endpoint.ask(header, **GOOD)
    assert status == 401
    assert "access_token" not in answer


@pytest.mark.parametrize(
    "query",
    [
        {"resource": STORAGE},
        {"api-version": "2017-09-01", "resource": STORAGE},
        {"api-version": "2019-08-01"},
        {**GOOD, "client_id": "00000000-0000-0000-0000-000000000000"},
        {**GOOD, "mi_res_id": "/subscriptions/x"},
    ],
)
async def test_a_wrong_question_is_refused(endpoint: Endpoint, query: dict[str, str]) -> None:
    """400 with a reason, as for an identity the app does not have."""
    status, answer = await endpoint.ask(**query)
    assert status == 400
    assert answer["message"]


async def test_token_requests_are_counted(endpoint: Endpoint) -> None:
    """So that a test can show that tokens are cached."""
    await endpoint.ask(**GOOD)
    await endpoint.ask("wrong", **GOOD)
    assert endpoint.identity.requests == 2


async def test_azure_identity_gets_a_token(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Microsoft's own client speaks with it, and asks once for two uses."""
    from azure.identity.aio import ManagedIdentityCredential

    monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint.url)
    monkeypatch.setenv("IDENTITY_HEADER", endpoint.identity.header)
    async with ManagedIdentityCredential(client_id=GUARD_APP_ID) as credential:
        token = await credential.get_token(f"{STORAGE}/.default")
        assert token == await credential.get_token(f"{STORAGE}/.default")
    assert endpoint.identity.requests == 1
    assert jwt.decode(token.token, options={"verify_signature": False})["aud"] == STORAGE
