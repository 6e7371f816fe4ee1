"""State that all instances share, as rows: the port, and the words it is written in.

Exports that are known, fights, and what notifications remember live here, each in partitions of
their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

type Value = str | int | float | bytes
"""What a row of the store may hold; a text has 32,000 characters at most, bytes 64 KiB."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the store; `etag` changes with every write."""

    partition: str
    key: str
    values: Mapping[str, Value]
    etag: str


@dataclass(frozen=True, slots=True)
class Insert:
    """A row that must not be there yet."""

    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Put:
    """A row's new values; with `etag` only if nobody has written it since."""

    key: str
    values: Mapping[str, Value]
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """The end of a row that must be there, unchanged if `etag` is given."""

    key: str
    etag: str | None = None


type Write = Insert | Put | Delete

MOST_WRITES = 100
"""In one call of `Store.write`."""


class Conflict(Exception):
    """Somebody else was faster: a row is there already, has changed, or is gone."""


class Store(Protocol):
    """State that all instances share, strongly consistent. Every method may raise Transient."""

    async def get(self, partition: str, key: str) -> Row | None:
        """One row."""
        ...

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> Sequence[Row]:
        """The first rows whose keys begin so, in the order of their keys; after a key, if given."""
        ...

    async def write(self, partition: str, *writes: Write) -> None:
        """All of them or none, in one partition.

        Raises:
            Conflict: see there; nothing was written.
        """
        ...
