"""An Event Grid topic: each alert as a CloudEvent, sent with the app's identity.

Delivery is at least once: the id of an event is the same for the same piece of news.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.messaging import CloudEvent
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.eventgrid.aio import EventGridPublisherClient

from guards.edges.channels.answers import failed, have_token
from guards.edges.channels.base import Base
from guards.edges.http import sdk_options
from guards.edges.queues import TROUBLE
from guards.engine.events import clean
from guards.engine.notify.deliveries import identity as news
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Another, Sent

TIMEOUT_S = 10
"""For the token, the event and its answer."""

MOST_EVENTS = 16
"""In one request, which holds a megabyte; an alert has 48 KiB at most."""

TYPE = "ExportGuard.Alert"
SOURCE = "export-guard"
NOTE = "exportguardnote"
"""The extension attribute that says why an alert comes through this channel."""

_SCOPE = "https://eventgrid.azure.net/.default"
_MAX_SUBJECT = 2048
_WHO = "the Event Grid topic"
_ROLE = (
    "the app's identity needs the role EventGrid Data Sender on it, and its firewall must let "
    "the app in"
)
_ADVICE = {
    400: "its input schema must be Cloud Event Schema v1.0",
    401: _ROLE,
    403: _ROLE,
    404: "there is none: correct the channel's endpoint",
    413: "the alert is too large for it",
}


class EventGrid(Base):
    """A custom topic by its endpoint, https://TOPIC.REGION.eventgrid.azure.net/api/events."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        identity: AsyncTokenCredential,
        transport: AsyncHttpTransport[Any, Any],
    ) -> None:
        super().__init__(name, (), MOST_EVENTS)
        self._identity = identity
        self._client = EventGridPublisherClient(
            endpoint,
            identity,
            **sdk_options(endpoint, transport),
            retry_total=0,  # the delivery is tried again, later
        )

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`: an event for each alert, all of them in one request."""
        events = [_event(item) for item in parcel.items]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await have_token(self._identity, _SCOPE)
                await self._client.send(events)
        except TROUBLE as e:
            trouble = failed(_WHO, e, _ADVICE)
        else:
            return Sent("200 accepted by the topic")
        raise trouble


def _event(item: Item) -> CloudEvent[dict[str, Any]]:
    """An alert as an event; what it does not have, or not in the right form, is left out."""
    alert = item.alert
    note = clean(item.note)
    return CloudEvent(
        source=SOURCE,
        type=TYPE,
        id=news(alert),
        subject=clean(alert.get("resourceId"), _MAX_SUBJECT) or None,
        time=_moment(alert),
        datacontenttype="application/json",
        data=dict(alert),
        extensions={NOTE: note} if note else None,
    )


def _moment(alert: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(clean(alert.get("seenAt"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
