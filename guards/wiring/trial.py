"""Channels to try out from the command line: without queues, store and limits."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import AzureCliCredential, ManagedIdentityCredential

from guards.edges import http
from guards.engine.notify.ports import Channel
from guards.wiring import SystemClock
from guards.wiring.channels import ChannelSettings
from guards.wiring.post import Makers


@asynccontextmanager
async def opened(
    configured: Sequence[ChannelSettings], client_id: str
) -> AsyncIterator[Mapping[str, Channel]]:
    """The channels of these settings, by name."""
    async with _identity(client_id) as identity, http.open_session() as session:
        makers = Makers(session, identity, SystemClock())
        yield {one.name: makers.channel(one) for one in configured}


def _identity(client_id: str) -> AsyncTokenCredential:
    """The app's own identity where there is one, else who is signed in with `az login`."""
    if os.environ.get("IDENTITY_ENDPOINT"):
        return ManagedIdentityCredential(client_id=client_id or None)
    return AzureCliCredential()
