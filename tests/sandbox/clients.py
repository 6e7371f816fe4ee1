"""What clients of the sandbox's servers have in common: a request, and an identity."""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiohttp import ClientSession, ClientTimeout
from azure.core.credentials import AccessToken

from sandbox.certificates import Certificates
from sandbox.identity import Tokens


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


async def post(
    certificates: Certificates,
    url: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    **body: Any,
) -> Answer:
    """One request with `data=` (bytes) or `json=`."""
    if "data" in body:
        body["data"] = io.BytesIO(body["data"])  # aiohttp warns of large bytes
    async with (
        ClientSession(timeout=ClientTimeout(total=10)) as session,
        session.request(
            method, url, headers=headers, ssl=certificates.client_context(), **body
        ) as answer,
    ):
        return Answer(answer.status, answer.headers.copy(), await answer.text())


class Credential:
    """An identity with the sandbox's tokens: for what a client asks, or always for `resource`."""

    def __init__(self, tokens: Tokens, resource: str = "") -> None:
        self._tokens = tokens
        self._resource = resource

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for the scope's resource."""
        resource = self._resource or scopes[0].removesuffix("/.default")
        return AccessToken(*self._tokens.issue(resource))

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""
