"""The policy seen last, across restarts and instances: user metadata of the queue `guard-work`.

The queue is there already, and the role that puts messages covers its metadata. What stands there
is data from outside: it is read with bounds, and believed only as far as its hash goes.
"""

import asyncio
import base64
import hashlib
import re
import zlib
from dataclasses import dataclass

from azure.storage.queue.aio import QueueClient

from guards.edges.queues import TIMEOUT_S, TROUBLE, failed
from guards.engine.policy.text import MAX_SIZE

MAX_VALUE = 5000
"""Characters of one metadata value; Azure takes 8 KiB for all metadata of a queue."""

MAX_TEXT = MAX_SIZE
"""Bytes of a policy, however small it was packed."""


_LONGEST = 256 * 1024
"""Characters of a text that may fit a value when packed; longer ones are not worth the time."""

_HASH = "guardpolicyhash"
_TEXT = "guardpolicytext"
_IS_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A policy by its SHA-256, in lower-case hex, and its text, "" where that is not known."""

    hash: str
    text: str

    @classmethod
    def of(cls, text: str) -> "Seen":
        """A policy by its text."""
        return cls(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), text)


class Register:
    """Keeps one `Seen` in a queue's metadata, beside the metadata of others.

    Storage has no condition for it: of two instances that write at once, the last one stays.
    """

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def recall(self) -> Seen | None:
        """What was remembered last; None if nothing was, or nothing that can be read.

        Raises:
            Transient: the queue cannot be asked.
        """
        return _seen({name.lower(): value for name, value in (await self._metadata()).items()})

    async def remember(self, seen: Seen) -> None:
        """Put it in place of what was remembered before; a text that does not fit is left out.

        Raises:
            Transient: it may not be remembered.
        """
        metadata = {
            name: value
            for name, value in (await self._metadata()).items()
            if name.lower() not in (_HASH, _TEXT)
        }
        metadata[_HASH] = seen.hash
        packed = await asyncio.to_thread(_packed, seen.text)
        if packed:
            metadata[_TEXT] = packed
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._client.set_queue_metadata(metadata)
        except TROUBLE as e:
            raise failed(self._client, e) from e

    async def _metadata(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return (await self._client.get_queue_properties()).metadata or {}
        except TROUBLE as e:
            raise failed(self._client, e) from e


def _seen(metadata: dict[str, str]) -> Seen | None:
    """What metadata says; a text that is not the hash's is dropped."""
    known = metadata.get(_HASH, "")
    if not _IS_HASH.fullmatch(known):
        return None
    seen = Seen.of(_unpacked(metadata.get(_TEXT, "")))
    return seen if seen.hash == known else Seen(known, "")


def _packed(text: str) -> str:
    """Text as a metadata value; "" if it is too long for one."""
    if len(text) > _LONGEST:
        return ""
    value = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()
    return value if text and len(value) <= MAX_VALUE else ""


def _unpacked(value: str) -> str:
    """The text of a metadata value; "" if it is none."""
    if len(value) > MAX_VALUE:
        return ""
    try:
        packed = base64.b64decode(value, validate=True)
        return zlib.decompressobj().decompress(packed, MAX_TEXT).decode()
    except (ValueError, zlib.error):
        return ""
