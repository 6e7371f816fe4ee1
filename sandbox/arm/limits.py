"""ARM's request limits, counted but not enforced: the `x-ms-ratelimit-remaining-*` headers.

A token bucket for each subscription and kind of request, of ARM's documented sizes. To see a 429,
order a fault.
"""

import time
from typing import Final

_SIZES: Final = {"reads": (250.0, 25.0), "writes": (200.0, 10.0), "deletes": (200.0, 10.0)}
"""Tokens in a full bucket, and tokens that come back in a second."""
_KINDS: Final = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}


class Limits:
    """The buckets of all subscriptions."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def count(self, subscription: str, method: str) -> tuple[str, str]:
        """Take one token; the name and the value of the header that says what is left."""
        kind = _KINDS.get(method, "writes")
        size, refill = _SIZES[kind]
        now = time.monotonic()
        key = (subscription.lower(), kind)
        left, at = self._buckets.get(key, (size, now))
        left = max(0.0, min(size, left + (now - at) * refill) - 1)
        self._buckets[key] = (left, now)
        return f"x-ms-ratelimit-remaining-subscription-{kind}", str(int(left))
