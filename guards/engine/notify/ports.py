"""What notifications need from outside: channels, and a store of state that instances share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guards.engine.notify.limits import Limit
from guards.engine.notify.parcel import Links, Parcel
from guards.engine.notify.routes import Routes
from guards.engine.ports import Clock, Queue

type Value = str | int | float | bytes
"""What a row of the store may hold; a text has 32,000 characters at most, bytes 64 KiB."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a channel answered, for people; `refused` are recipients that did not get it."""

    answer: str
    refused: tuple[str, ...] = ()


type Another = Callable[[], Awaitable[bool]]
"""Asks for one more message within the channel's limits; False if there is none now."""


class Channel(Protocol):
    """One way to people or machines, configured by app settings.

    Attributes:
        name: as routes and app settings call it.
        limits: all of them are used up by one message; none where machines read.
        capacity: how many alerts one message tells at most.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (see above)

    @property
    def limits(self) -> Sequence[Limit]: ...  # noqa: D102

    @property
    def capacity(self) -> int: ...  # noqa: D102

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """Send one message about one or many alerts; ends within `lane.SEND_S` seconds.

        Raises:
            Transient: it may work later; with `retry_after` if the channel said when.
            Terminal: it will not, for this message or any other; the words are for people, and
                hold no secret.
        """
        ...


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


@dataclass(frozen=True, slots=True)
class Post:
    """Everything that delivering may touch.

    Attributes:
        channels: the configured ones by name, in the order of their settings.
        given_up: the poison queue of deliveries.
        routes: the policy's; those of an unreadable policy are the default ones: it never raises.
        ticket: makes a name that nobody else has, on no instance.
        portal: address of the Azure portal of this cloud.
    """

    channels: Mapping[str, Channel]
    deliveries: Queue
    given_up: Queue
    store: Store
    clock: Clock
    routes: Callable[[], Awaitable[Routes]]
    ticket: Callable[[], str]
    portal: str = "https://portal.azure.com"

    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now().timestamp()

    async def links(self) -> Links:
        """Where buttons lead, by the policy in force."""
        return Links(self.portal, (await self.routes()).runbook)
