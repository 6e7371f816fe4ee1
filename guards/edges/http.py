"""One connection pool for ARM and storage, and the proxy settings, read once.

azure-core's own transport reads proxy variables and .netrc for every request, a third of an ARM
call's cost; here they are read when the app starts.
"""

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 10

_KEEP_ALIVE_S = 60
_CONNECTIONS = 100


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL, or None."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def sdk_options(url: str, transport: AsyncHttpTransport[Any, Any]) -> dict[str, Any]:
    """What every Azure client outside ARM is made with: the shared pool, and no redirects."""
    proxy = proxy_for(url)
    return {
        "transport": transport,
        "proxies": {"https": proxy} if proxy else {},
        "permit_redirects": False,  # what is sent is for that address only
    }


def transport(session: aiohttp.ClientSession) -> AioHttpTransport:
    """A transport over the shared session; closing it leaves the session open."""
    return _Shared(
        session=session,
        session_owner=False,
        use_env_settings=False,
        connection_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
    )


class _Shared(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it untyped
    async def __aexit__(self, *_: Any) -> None:
        """Clients come and go; `Session.close` ends the pool."""

    async def close(self) -> None:
        """See above."""


def open_session() -> aiohttp.ClientSession:
    """The pool; to be opened inside the running loop, once."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
