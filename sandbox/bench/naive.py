"""The floor to beat: the SDK clients as their documentation shows them, without any app around.

Clients are created once and used with their default settings.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.compute.models import DiskUpdate, DiskUpdateProperties
from azure.storage.queue.aio import QueueClient

from sandbox.bench.floor import ALERTS, INTENT_S, WORK, Surroundings
from sandbox.outside import SUBSCRIPTION


class Naive:
    """A `Floor` of SDK clients."""

    def __init__(
        self,
        compute: ComputeManagementClient,
        work: QueueClient,
        alerts: QueueClient,
        message: str,
    ) -> None:
        self._compute = compute
        self._work = work
        self._alerts = alerts
        self._message = message

    async def noncompliant(self, disk: str) -> None:
        """As `Floor`."""
        group, name = _names(disk)
        await self._compute.disks.get(group, name)
        intent = await self._work.send_message(self._message, visibility_timeout=INTENT_S)
        closed = DiskUpdateProperties(
            network_access_policy="DenyAll", public_network_access="Disabled"
        )
        poller = await self._compute.disks.begin_update(group, name, DiskUpdate(properties=closed))
        await poller.result()
        await self._alerts.send_message(self._message)
        await self._work.delete_message(intent)

    async def compliant(self, disk: str) -> None:
        """As `Floor`."""
        await self._compute.disks.get(*_names(disk))


def _names(disk: str) -> tuple[str, str]:
    parts = disk.split("/")
    return parts[4], parts[8]


@asynccontextmanager
async def opened(surroundings: Surroundings) -> AsyncIterator[Naive]:
    """The clients, for as long as they are needed."""
    async with AsyncExitStack() as stack:
        credential = await stack.enter_async_context(ManagedIdentityCredential())
        compute = await stack.enter_async_context(
            ComputeManagementClient(credential, SUBSCRIPTION, base_url=surroundings.arm)
        )
        work, alerts = [
            await stack.enter_async_context(
                QueueClient.from_connection_string(surroundings.queues, name)
            )
            for name in (WORK, ALERTS)
        ]
        yield Naive(compute, work, alerts, surroundings.message)
