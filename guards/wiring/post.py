"""What delivers alerts: the configured channels, their queues, and the store they share.

Imported with the first delivery; each kind of channel with the first one of its kind.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential

from guards.edges import http
from guards.edges.channels.base import Base
from guards.edges.identity import Identity
from guards.edges.queues import StorageQueue
from guards.engine.errors import Terminal, Transient
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Channel, Post, Sent
from guards.engine.notify.routes import Routes
from guards.engine.ports import Clock, Ports
from guards.wiring.channels import ChannelSettings, Kind
from guards.wiring.settings import Settings, is_https
from guards.wiring.storage import DELIVERIES_QUEUE, Storage

if TYPE_CHECKING:
    from guards.edges.channels.smtp import Server

log = logging.getLogger(__name__)


class Broken(Base):
    """A channel with a mistake in its settings: what it should deliver, the others are told."""

    def __init__(self, name: str, mistake: str) -> None:
        super().__init__(name, (), 1)
        self._mistake = mistake

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`."""
        raise Terminal(f"it is not configured: {self._mistake}")


class PostOffice:
    """Makes the `Post`, and closes what it opened for it."""

    def __init__(
        self,
        settings: Settings,
        configured: Sequence[ChannelSettings],
        storage: Storage,
        session: aiohttp.ClientSession,
        ports: Ports,
    ) -> None:
        self._ports = ports
        # One of their own: a service that refuses its tokens must not renew those for ARM.
        self._identity = Identity(settings.arm_scope, client_id=settings.client_id)
        makers = Makers(session, self._identity, ports.clock)
        self.post = Post(
            channels={one.name: makers.channel(one) for one in configured},
            deliveries=StorageQueue(storage.queue(DELIVERIES_QUEUE)),
            given_up=StorageQueue(storage.queue(f"{DELIVERIES_QUEUE}-poison")),
            store=ports.store,
            clock=ports.clock,
            routes=self._routes,
            ticket=lambda: uuid4().hex,
            portal=settings.portal,
        )

    async def _routes(self) -> Routes:
        """The policy's; while it cannot be read, everybody is told of everything."""
        try:
            return (await self._ports.policy()).notify
        except Transient as e:
            log.warning("the policy's routes are not known, every channel is told: %s", e)
            return Routes()

    async def close(self) -> None:
        """Close the identity that channels share."""
        await self._identity.close()


class Makers:
    """Makes channels of their settings; those of Azure get tokens of `identity`."""

    def __init__(
        self, session: aiohttp.ClientSession, identity: AsyncTokenCredential, clock: Clock
    ) -> None:
        self._session = session
        self._identity = identity
        self._clock = clock

    def channel(self, one: ChannelSettings) -> Channel:
        """The channel; one that cannot be made because of its settings says so when it is used."""
        if one.mistake:
            return Broken(one.name, one.mistake)
        makers = {
            Kind.TEAMS: self._teams,
            Kind.SMTP: self._smtp,
            Kind.EMAIL: self._email,
            Kind.EVENTGRID: self._eventgrid,
            Kind.WEBHOOK: self._webhook,
        }
        try:
            return makers[one.kind](one)
        except ValueError as e:
            mistake = str(e)
        except Exception as e:  # whatever one's settings do to a library, the others deliver
            log.exception("channel %s cannot be made", one.name)
            mistake = f"{type(e).__name__}, see the app's log"
        log.critical("channel %s cannot deliver: %s", one.name, mistake)
        return Broken(one.name, mistake)

    def _teams(self, one: ChannelSettings) -> Channel:
        from guards.edges.channels.teams import Teams

        return Teams(one.name, _url(one), self._session, http.proxy_for(one.address))

    def _webhook(self, one: ChannelSettings) -> Channel:
        from guards.edges.channels.webhook import Webhook

        url, secret = _url(one), one.values["secret"]
        return Webhook(one.name, url, secret, self._session, http.proxy_for(url), self._clock.now)

    def _smtp(self, one: ChannelSettings) -> Channel:
        from guards.edges.channels.smtp import Smtp

        return Smtp(one.name, _server(one), one.values["from"], _recipients(one), self._clock.now)

    def _email(self, one: ChannelSettings) -> Channel:
        from guards.edges.channels.communication_email import CommunicationEmail

        return CommunicationEmail(
            one.name,
            _url(one),
            one.values["from"],
            _recipients(one),
            self._identity,
            http.transport(self._session),
        )

    def _eventgrid(self, one: ChannelSettings) -> Channel:
        from guards.edges.channels.eventgrid import EventGrid

        transport = http.transport(self._session)
        return EventGrid(one.name, _url(one), self._identity, transport)


def _url(one: ChannelSettings) -> str:
    """The address of a channel that is spoken to over https.

    Raises:
        ValueError: it is none; what it was is not said, since it may be a secret.
    """
    try:
        if is_https(one.address):
            return one.address
    except ValueError:
        pass
    raise ValueError(f"{one.setting} must be an https:// URL")


def _recipients(one: ChannelSettings) -> list[str]:
    return [address.strip() for address in one.values["to"].split(",") if address.strip()]


_SCHEMES: dict[str, tuple[Literal["starttls", "tls", "none"], int]] = {
    "smtp": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp+plain": ("none", 25),
}


def _server(one: ChannelSettings) -> "Server":
    """smtp://HOST[:PORT] is STARTTLS, smtps:// is TLS, smtp+plain:// is neither.

    Raises:
        ValueError: it is none of these.
    """
    from guards.edges.channels.smtp import Server

    wanted = f"{one.setting} must be smtp://HOST[:PORT] (STARTTLS), smtps:// or smtp+plain://"
    try:
        parts = urlsplit(one.address)
        tls, port = _SCHEMES[parts.scheme]
        host, port = parts.hostname or "", parts.port or port
    except (ValueError, LookupError):
        raise ValueError(wanted) from None
    if not host or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            f"{wanted}, without a password: that is {one.setting}'s neighbour __password"
        )
    user = one.values.get("user", "") or unquote(parts.username or "")
    return Server(host, port, tls, user, one.values.get("password", ""))
