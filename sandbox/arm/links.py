"""Links to the data of disks and snapshots: whoever holds one may read until it has ended.

A link ends when it runs out, when it is revoked, or when its resource goes. Azure puts data on
hosts of their own; here a link leads back to this ARM, where `downloads` answers.
"""

import asyncio
import hmac
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "/md-"
"""How the paths of links begin; no path of ARM does."""


@dataclass(eq=False)
class Link:
    """One link, unguessable: 256 random bits are its signature."""

    resource_id: str
    type: str
    access: str
    """Read or Write."""
    seconds: float
    """How long it lives, from when it is handed out."""
    signature: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    container: str = field(default_factory=lambda: secrets.token_hex(6))
    on_end: set[Callable[[], None]] = field(default_factory=set, repr=False)
    """Called once, when the link ends before they are taken out."""

    @property
    def key(self) -> str:
        """The resource's ID, for comparing."""
        return self.resource_id.lower()

    @property
    def path(self) -> str:
        """Account, container and blob, as a storage client reads a path on a bare address."""
        account = uuid.uuid5(uuid.NAMESPACE_URL, self.key).hex[:12]
        return f"{PREFIX}{account}/{self.container}/abcd"

    def url(self, base_url: str) -> str:
        """The whole link, a secret."""
        allowed = "r" if self.access == "Read" else "w"
        return f"{base_url}{self.path}?sv=2018-03-28&sr=b&sp={allowed}&sig={self.signature}"


class Links:
    """The links that are out.

    Args:
        lapsed: gets each link that ran out by itself.
    """

    def __init__(self, lapsed: Callable[[Link], None]) -> None:
        self._lapsed = lapsed
        self._out: dict[str, tuple[Link, asyncio.TimerHandle]] = {}

    def add(self, link: Link) -> None:
        """Let the link be used from now on."""
        timer = asyncio.get_running_loop().call_later(link.seconds, self._lapse, link)
        self._out[link.path] = (link, timer)

    def find(self, path: str, signature: str) -> Link | None:
        """The link that a request shows, if it is out."""
        link, _ = self._out.get(path, (None, None))
        if link is None or not hmac.compare_digest(link.signature.encode(), signature.encode()):
            return None
        return link

    def holds(self, key: str) -> bool:
        """Whether a link to this very resource is out."""
        return any(link.key == key for link, _ in self._out.values())

    def end(self, key: str) -> None:
        """Revoke the links to a resource and to what is below it; none is fine, too."""
        for link, _ in list(self._out.values()):
            if f"{link.key}/".startswith(f"{key}/"):
                self._end(link)

    def stop(self) -> None:
        """Revoke all."""
        for link, _ in list(self._out.values()):
            self._end(link)

    def _lapse(self, link: Link) -> None:
        self._end(link)
        self._lapsed(link)

    def _end(self, link: Link) -> None:
        _, timer = self._out.pop(link.path)
        timer.cancel()
        for call in list(link.on_end):
            call()
