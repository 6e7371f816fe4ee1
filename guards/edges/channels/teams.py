"""A channel of Microsoft Teams, through "When a Teams webhook request is received" of Workflows.

The workflow answers 202 before it posts, so an answer proves that it was told, not that a card is
shown. It refuses requests with an Authorization header.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from guards.edges.channels.answers import refused
from guards.edges.channels.base import Base
from guards.edges.channels.posting import Answer, Mailbox
from guards.engine.errors import Transient
from guards.engine.notify import card, limits
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Sent

_WHO = "the Teams workflow"
_CARD_REFUSED = {400, 413}
_ADDRESS = (
    "its address is not accepted: copy the workflow's URL into the channel's setting again, and "
    "let anyone trigger the workflow"
)
_GONE = (
    "its workflow was deleted or turned off: turn it on in Teams, or create a new one and put its "
    "URL into the channel's setting"
)
_ADVICE = {
    400: "it takes neither the card nor its plain form: is it a workflow for webhook requests?",
    401: _ADDRESS,
    403: _ADDRESS,
    404: _GONE,
    410: _GONE,
    413: "the message is too large for Teams, its plain form as well",
}


class Teams(Base):
    """A workflow by its webhook's URL, which is a secret."""

    def __init__(
        self, name: str, url: str, session: aiohttp.ClientSession, proxy: str | None = None
    ) -> None:
        key = hashlib.sha256(url.encode()).hexdigest()[:32]
        super().__init__(name, (limits.teams(key),), card.MOST_ALERTS)
        self._mailbox = Mailbox(_WHO, url, session, proxy)

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`; a card that is refused is posted again in plain words, once."""
        answer = await self._post(await asyncio.to_thread(card.message, parcel))
        if answer.status in _CARD_REFUSED:
            if not await another():
                raise Transient(
                    "Teams refused the card, and its plain form waits until a post is free",
                    code=answer.code,
                    status=answer.status,
                )
            answer = await self._post(await asyncio.to_thread(card.plain, parcel))
        if not answer.ok:
            raise refused(_WHO, answer.status, answer.headers, answer.code, _ADVICE)
        return Sent(f"{answer.status} accepted by the workflow")

    async def _post(self, message: Mapping[str, Any]) -> Answer:
        return await self._mailbox.post(json.dumps(message).encode(), {})
