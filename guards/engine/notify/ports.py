"""What notifications need from outside: channels, queues, and the store of shared state."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guards.engine.notify.limits import Limit
from guards.engine.notify.parcel import Links, Parcel
from guards.engine.notify.routes import Routes
from guards.engine.ports import Clock, Queue
from guards.engine.store import Store


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
