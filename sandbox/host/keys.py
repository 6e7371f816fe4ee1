"""The key that opens the webhook, the admin endpoints and the HTTP functions.

Azure has a key for each of these; here one does for all. Without a key everything is open, as in
`func`.
"""

import hmac

from aiohttp import web


class Keys:
    """Checks `?code=` and `x-functions-key`."""

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()

    def open(self, request: web.Request) -> bool:
        """Whether the request carries the key."""
        if self._key is None:
            return True
        given = request.query.get("code") or request.headers.get("x-functions-key") or ""
        return hmac.compare_digest(given.encode(), self._key)
