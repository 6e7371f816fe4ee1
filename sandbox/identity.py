"""Who the guard is: the tokens of this run, and the App Service endpoint that hands them out.

azure-identity asks the endpoint (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`) as it does in Azure; the
sandbox's ARM, and Azurite with `--oauth basic`, check what it gets. Tokens look like Microsoft
Entra's version 1 ones but are signed with a key that lives as long as the process.
"""

import secrets
import time
import uuid
from typing import Any, Final

import jwt
from aiohttp import web

TENANT_ID: Final = "72f988bf-0000-4000-8000-5a4d0b0c0001"
GUARD_OBJECT_ID: Final = "9a3f7c52-6d1e-4b8a-9c05-1e2d3c4b5a69"
GUARD_APP_ID: Final = "4b1f0c3e-8a27-4f65-b0d9-7c6e5d4f3a21"

API_VERSION: Final = "2019-08-01"
LIFETIME_S: Final = 24 * 3600  # what managed identities get


class TokenRefusedError(Exception):
    """A bearer token ARM would not take: `code` and `message` are ARM's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Tokens:
    """Signs tokens, and tells the good from the bad."""

    def __init__(self, tenant_id: str = TENANT_ID) -> None:
        self.tenant_id = tenant_id
        self._key = secrets.token_bytes(32)
        self._good: dict[str, dict[str, Any]] = {}  # verified once; only the clock can spoil them

    def issue(
        self,
        resource: str,
        *,
        object_id: str = GUARD_OBJECT_ID,
        app_id: str = GUARD_APP_ID,
        lifetime_s: float = LIFETIME_S,
    ) -> tuple[str, int]:
        """A token for `resource`, and the second it expires; one of negative life has."""
        now = int(time.time())
        expires_on = int(now + lifetime_s)
        start = min(now, expires_on - 1) - 5  # a little early, as Entra does for slow clocks
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{self.tenant_id}/",
            "iat": start,
            "nbf": start,
            "exp": expires_on,
            "aio": secrets.token_urlsafe(24),
            "appid": app_id,
            "appidacr": "2",
            "idp": f"https://sts.windows.net/{self.tenant_id}/",
            "idtyp": "app",
            "oid": object_id,
            "sub": object_id,
            "tid": self.tenant_id,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm="HS256"), expires_on

    def verify(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of a token for one of `audiences` (which are given without trailing slash).

        Raises:
            TokenRefusedError: it is not ours, has run out, or was meant for someone else.
        """
        claims = self._good.get(token) or self._decode(token)
        if claims["exp"] <= time.time():
            raise TokenRefusedError(
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{_clock(claims['exp'])}' is earlier than "
                f"current UTC time '{_clock(time.time())}'.",
            )
        if str(claims["aud"]).rstrip("/") not in audiences:
            allowed = ",".join(f"'{a}/','{a}'" for a in sorted(audiences))
            raise TokenRefusedError(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
                f"{allowed}.",
            )
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                options={
                    "verify_aud": False,  # told apart by verify(), in ARM's words
                    "verify_exp": False,
                    "require": ["aud", "exp", "nbf", "iss", "oid", "appid"],
                },
                issuer=f"https://sts.windows.net/{self.tenant_id}/",
            )
        except jwt.InvalidTokenError as e:
            raise TokenRefusedError(
                "InvalidAuthenticationToken", "The access token is invalid."
            ) from e
        self._good[token] = claims
        return claims


class Identity:
    """The managed-identity endpoint of App Service, with one identity: the guard's."""

    def __init__(self, tokens: Tokens) -> None:
        self.header = secrets.token_hex(16).upper()
        self.requests = 0
        """Token requests so far, refused ones included: a guard that caches makes few."""
        self._tokens = tokens
        self._runner: web.ServerRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on loopback; the answer is the `IDENTITY_ENDPOINT`."""
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, bound = self._runner.addresses[0][:2]
        return f"http://{host}:{bound}/msi/token"

    async def stop(self) -> None:
        """Close the door; stopping twice is fine."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.path.rstrip("/") != "/msi/token":
            return _refuse(404, "No such endpoint.")
        if request.method != "GET":
            return _refuse(405, f"The method {request.method} is not allowed.")
        self.requests += 1
        given = request.headers.get("X-IDENTITY-HEADER", "")
        if not secrets.compare_digest(given.encode(), self.header.encode()):
            return _refuse(401, "The X-IDENTITY-HEADER header is missing or wrong.")
        return self._token(request)

    def _token(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        if query.get("api-version") != API_VERSION:
            return _refuse(400, f"The api-version must be {API_VERSION}.")
        resource = query.get("resource")
        if not resource:
            return _refuse(400, "The parameter 'resource' is required.")
        wanted = {"client_id": GUARD_APP_ID, "principal_id": GUARD_OBJECT_ID}
        for name in ("client_id", "principal_id", "object_id", "mi_res_id"):
            value = query.get(name)
            if value is not None and value.lower() != wanted.get(name):
                return _refuse(
                    400,
                    "No Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
                )
        token, expires_on = self._tokens.issue(resource)
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": GUARD_APP_ID.upper(),
            }
        )


def _refuse(status: int, message: str) -> web.Response:
    body = {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}
    return web.json_response(body, status=status)


def _clock(second: float) -> str:
    return time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(second))
