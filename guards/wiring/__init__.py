"""App settings become edges: the only place that builds them, once per process, inside the loop.

    settings     the app settings, parsed
    channels     those of channels; read at the start, to know whether there is any
    storage      clients of queues and of the table
    post         what delivers alerts, made when the first one is to be delivered

An event that is only guarded imports nothing of what delivering needs.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient

from guards import GUARDS, LEADS
from guards.edges import http
from guards.edges.arm import AzureResourceManager
from guards.edges.identity import Identity
from guards.edges.policy_keeper import PolicyKeeper
from guards.edges.policy_source import BlobSource, FileSource, NoSource, blob_url
from guards.edges.queues import StorageQueue
from guards.edges.register import Register
from guards.engine.ports import Ports
from guards.wiring import channels
from guards.wiring.channels import ChannelSettings
from guards.wiring.settings import STORAGE, Settings, SettingsError
from guards.wiring.storage import (
    ALERTS_QUEUE,
    DELIVERIES_QUEUE,
    EVENTS_QUEUE,
    WORK_QUEUE,
    LaterStore,
    Storage,
)

if TYPE_CHECKING:
    from guards.engine.notify.ports import Post
    from guards.wiring.post import PostOffice

__all__ = [
    "ALERTS_QUEUE",
    "DELIVERIES_QUEUE",
    "EVENTS_QUEUE",
    "STORAGE",
    "WORK_QUEUE",
    "App",
    "Settings",
    "SettingsError",
    "SystemClock",
    "notifies",
    "open_app",
]


def notifies(environ: Mapping[str, str]) -> bool:
    """Whether alerts are delivered by the app: else `guard-alerts` is left to other readers."""
    return bool(channels.read(environ))


class SystemClock:
    """The `Clock` port."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()


class App:
    """The running app: its ports, and what must be closed with it."""

    def __init__(
        self,
        settings: Settings,
        configured: tuple[ChannelSettings, ...],
        session: aiohttp.ClientSession,
    ) -> None:
        self._settings = settings
        self._channels = configured
        self._session = session
        self._post_office: PostOffice | None = None
        transport = http.transport(self._session)
        self._identity = Identity(
            settings.arm_scope, client_id=settings.client_id, expected_id=settings.principal_id
        )
        arm = AzureResourceManager(
            endpoint=settings.arm_endpoint,
            scope=settings.arm_scope,
            identity=self._identity,
            transport=transport,
            clients={
                "Microsoft.Compute": ComputeManagementClient,
                "Microsoft.Authorization": ComputeManagementClient,  # any has endpoint and token
                "Microsoft.ContainerRegistry": ContainerRegistryManagementClient,
            },
        )
        self._storage = Storage(settings, transport)
        work, alerts = map(self._storage.queue, (WORK_QUEUE, ALERTS_QUEUE))
        clock = SystemClock()
        self._blob_identity: Identity | None = None
        keeper = PolicyKeeper(
            self._policy_source(), Register(work), StorageQueue(alerts), clock, GUARDS
        )
        self.ports = Ports(
            guards=GUARDS,
            arm=arm,
            work=StorageQueue(work),
            alerts=StorageQueue(alerts),
            clock=clock,
            policy=keeper.current,
            own_id=self._identity.own_id,
            own_names=self._identity.own_names,
            store=LaterStore(self._storage.table),
            sleep=asyncio.sleep,
            leads=LEADS,
            cap=settings.cap,
            budget_s=settings.budget_s,
        )

    async def close(self) -> None:
        """Close connections; for tests and the benchmark, Functions just ends the process."""
        await self._identity.close()
        await self._storage.close()
        if self._blob_identity is not None:
            await self._blob_identity.close()
        if self._post_office is not None:
            await self._post_office.close()
        await self._session.close()

    def post(self) -> "Post":
        """What delivers alerts; made when the first one is to be delivered.

        Raises:
            SettingsError: a setting is missing or wrong.
        """
        if self._post_office is None:
            from guards.wiring.post import PostOffice  # a guard event never pays for it

            self._post_office = PostOffice(
                self._settings, self._channels, self._storage, self._session, self.ports
            )
        return self._post_office.post

    def _policy_source(self) -> FileSource | BlobSource | NoSource:
        """Where GUARD_POLICY points; no token goes to a URL that is no blob of this cloud.

        A wrong one is like a policy that cannot be read: events wait, and an alert tells why.
        """
        settings = self._settings
        if "://" not in settings.policy:
            return FileSource(settings.policy)
        try:
            url = blob_url(settings.policy, settings.blob_hosts, settings.blob_endpoint)
        except ValueError as e:
            return NoSource(str(e))
        # Of its own: an account that refuses its tokens must not renew those for ARM.
        self._blob_identity = Identity(settings.arm_scope, client_id=settings.client_id)
        return BlobSource(url, self._session, self._blob_identity)


async def open_app(environ: Mapping[str, str]) -> App:
    """The app that the app settings describe, inside the running loop.

    Raises:
        SettingsError: a setting is missing or wrong; nothing is left open.
    """
    settings = Settings.read(environ)
    session = http.open_session()
    try:
        return App(settings, channels.read(environ), session)
    except BaseException:
        await session.close()
        raise
