"""The app's own identity: tokens, and the object ID they are issued to.

The object ID comes from the token itself (`oid`); GUARD_PRINCIPAL_ID only cross-checks it, since a
wrong setting must not make the guard skip somebody else's writes.
"""

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

log = logging.getLogger(__name__)

TIMEOUT_S = 4
"""For the first token; azure-identity's own timeouts are longer than Event Grid waits."""


class Identity:
    """A managed identity that can be asked for a token as if for the first time.

    An `AsyncTokenCredential` for the SDK clients. azure-identity caches tokens for their whole
    life; after a 401 `renew` puts a new credential with an empty cache in its place.
    """

    def __init__(self, scope: str, *, client_id: str = "", expected_id: str = "") -> None:
        self._scope = scope
        self._client_id = client_id or None  # azure-identity does not read AZURE_CLIENT_ID here
        self._expected = expected_id.lower()
        self._credential = self._new()
        self._replaced: ManagedIdentityCredential | None = None
        self._names: frozenset[str] = frozenset()
        self._own_id = ""
        self._asking = asyncio.Lock()  # a burst at the start asks once, and then the cache
        self.generation = 0
        """How often the credential was replaced."""

    def _new(self) -> ManagedIdentityCredential:
        return ManagedIdentityCredential(client_id=self._client_id)

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """As `AsyncTokenCredential`."""
        credential = self._credential
        async with self._asking:
            with _understood():
                token: AccessToken = await credential.get_token(*scopes, **kwargs)
        return token

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """As `AsyncSupportsTokenInfo`."""
        credential = self._credential
        async with self._asking:
            with _understood():
                token: AccessTokenInfo = await credential.get_token_info(*scopes, options=options)
        return token

    async def renew(self, generation: int) -> None:
        """Forget cached tokens, unless someone did since `generation`.

        The credential in use stays open until the next renewal: others may be waiting for it.
        """
        if generation != self.generation:
            return
        self.generation += 1
        unused, self._replaced = self._replaced, self._credential
        self._credential = self._new()
        if unused is not None:
            await unused.close()

    async def own_id(self) -> str:
        """The identity's object ID, lower case; "" while no token can be had."""
        await self.own_names()
        return self._own_id

    async def own_names(self) -> frozenset[str]:
        """Object ID and application ID, lower case; empty while no token can be had."""
        if not self._names:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    token = await self.get_token(self._scope)
            except (AzureError, TimeoutError) as e:
                log.warning("own identity unknown, no token: %s", type(e).__name__)
                return self._names
            claims = claims_of(token.token)
            self._own_id = _text(claims, "oid")
            self._names = frozenset({self._own_id, _text(claims, "appid")} - {""})
            if self._expected and self._own_id != self._expected:
                log.error(
                    "GUARD_PRINCIPAL_ID is not the object ID of the identity this app runs as; "
                    "the token's is used: correct the setting or the identity assignment"
                )
        return self._names

    async def close(self) -> None:
        """Close the credentials' own connections."""
        await self._credential.close()
        if self._replaced is not None:
            await self._replaced.close()

    async def __aenter__(self) -> "Identity":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """azure-identity stumbles over an endpoint's odd answer with Python's own exceptions."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as e:
        raise ClientAuthenticationError("the identity endpoint's answer is not a token") from e


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.lower() if isinstance(value, str) else ""


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token of ours; its signature is ARM's business. {} if it is not readable."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (AttributeError, ValueError, LookupError, RecursionError):  # or no text at all
        return {}
    return claims if isinstance(claims, dict) else {}
