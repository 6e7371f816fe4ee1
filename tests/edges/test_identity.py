"""The app's own identity: azure-identity on the sandbox's endpoint, and on one that misbehaves."""

import base64
import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.edges import identity as edge
from guards.edges.identity import Identity, claims_of
from sandbox.identity import GUARD_APP_ID, GUARD_OBJECT_ID
from tests.edges.conftest import SCOPE, Tokens
from tests.edges.loopback import Loopback, Script, answer, reset, silence

SOON = "99999999999"


def token_of(claims: Any) -> str:
    """A token with these claims, unsigned."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


async def test_the_own_id_is_that_of_the_token(tokens: Tokens) -> None:
    """Asked for once, however often it is needed."""
    for _ in range(3):
        assert await tokens.identity.own_id() == GUARD_OBJECT_ID
    assert tokens.endpoint.requests == 1


async def test_an_expected_id_is_compared_without_case(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    """A right setting is not a word in the log."""
    async with Identity(SCOPE, expected_id=GUARD_OBJECT_ID.upper()) as identity:
        assert await identity.own_id() == GUARD_OBJECT_ID
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_wrong_expected_id_is_an_error_in_the_log(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is believed, the setting is named, and the token stays out of the log."""
    async with Identity(SCOPE, expected_id="00000000-0000-0000-0000-000000000000") as identity:
        assert await identity.own_id() == GUARD_OBJECT_ID
        token = (await identity.get_token(SCOPE)).token
    (error,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "GUARD_PRINCIPAL_ID" in error.getMessage()
    assert token not in caplog.text
    assert token.split(".")[1] not in caplog.text


async def test_a_user_assigned_identity_is_asked_for_by_its_client_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also after the token was renewed."""
    resource = SCOPE.removesuffix("/.default")
    said = {"access_token": token_of({"oid": "A"}), "expires_on": SOON, "resource": resource}
    async with Loopback(None, answer(200, said, {"Content-Type": "application/json"})) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        async with Identity(SCOPE, client_id=GUARD_APP_ID) as identity:
            assert await identity.own_id() == "a"
            await identity.renew(identity.generation)
            await identity.get_token(SCOPE)
    assert len(server.requests) == 2  # the first, and the one after `renew`
    for request in server.requests:
        assert f"client_id={GUARD_APP_ID}" in request.split("\r\n")[0]


async def test_an_identity_the_app_does_not_have_gives_no_id(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong AZURE_CLIENT_ID is a warning; events are looked at all the same."""
    async with Identity(SCOPE, client_id="00000000-0000-0000-0000-000000000000") as identity:
        assert await identity.own_id() == ""
    assert "own identity unknown" in caplog.text


async def test_the_own_id_is_known_once_the_endpoint_is_back(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold start before the identity is ready is not for ever."""
    monkeypatch.setattr(edge, "TIMEOUT_S", 0.3)
    async with Loopback(None, answer(500)) as server:
        with monkeypatch.context() as down:
            down.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
            identity = Identity(SCOPE)
        async with identity:
            assert await identity.own_id() == ""
            token, _ = tokens.issuer.issue("https://management.azure.com")
            said = {"access_token": token, "expires_on": SOON, "resource": "r"}
            server.script(answer(200, said, {"Content-Type": "application/json"}))
            assert await identity.own_id() == GUARD_OBJECT_ID


JSON = {"Content-Type": "application/json"}
NONSENSE: dict[str, Script] = {
    "html": answer(200, "<html>", {"Content-Type": "text/html"}),
    "not json": answer(200, "nope", JSON),
    "empty": answer(200, "", JSON),
    "array": answer(200, ["access_token", "expires_on"], JSON),
    "no resource": answer(200, {"access_token": "a.b.c", "expires_on": SOON}, JSON),
    "odd expiry": answer(200, {"access_token": "a", "expires_on": "x", "resource": "r"}, JSON),
    "no token": answer(200, {"access_token": None, "expires_on": SOON, "resource": "r"}, JSON),
    "not a token": answer(200, {"access_token": "a", "expires_on": SOON, "resource": "r"}, JSON),
    "refused": answer(400, {"message": "no"}, JSON),
    "server error": answer(500, "", JSON),
    "reset": reset,
    "silence": silence,
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_no_identity_endpoint_makes_it_raise(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown identity costs a GET for the guard's own writes; it must not cost the event."""
    monkeypatch.setattr(edge, "TIMEOUT_S", 0.3)
    async with Loopback(None, NONSENSE[name]) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        start = time.monotonic()
        async with Identity(SCOPE) as identity:
            assert await identity.own_id() == ""
        assert time.monotonic() - start < 20


async def own_names(token: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, frozenset[str]]:
    """Who the app is, by a token that the endpoint gives it."""
    said = {"access_token": token, "expires_on": SOON, "resource": "r"}
    async with Loopback(None, answer(200, said, JSON)) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        async with Identity(SCOPE) as identity:
            return await identity.own_id(), await identity.own_names()


async def test_the_names_are_object_and_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """In lower case, since events write them in any."""
    token = token_of({"oid": "AB-1", "appid": "CD-2", "sub": "other"})
    assert await own_names(token, monkeypatch) == ("ab-1", frozenset({"ab-1", "cd-2"}))


async def test_the_sandboxs_names_are_known(tokens: Tokens) -> None:
    """The same from a signed token."""
    assert await tokens.identity.own_names() == {GUARD_OBJECT_ID, GUARD_APP_ID}


@pytest.mark.parametrize(
    "token",
    [
        ".", "..", "a", "a.b", "a.b.c", "a.é.c", "a.====.c",
        token_of({}), token_of([]), token_of("oid"), token_of(None), token_of(b"\xff"),
        token_of({"oid": None}), token_of({"oid": 5}), token_of({"oid": ["a"]}),
        token_of(b"[" * 100_000),
    ],
    ids=lambda token: repr(token[:30]),
)  # fmt: skip
async def test_a_token_without_an_object_id_gives_none(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty ID is nobody's; "none" could be compared with a caller."""
    assert await own_names(token, monkeypatch) == ("", frozenset())


@given(st.text() | st.binary().map(token_of))
def test_no_text_makes_reading_a_token_fail(text: str) -> None:
    """The token is somebody else's to write."""
    assert isinstance(claims_of(text), dict)
