"""Mail through Azure Communication Services, sent with the app's identity.

The id of an operation is made of the alerts and the channel, and the service sends one mail for one
id: a delivery that is tried again because an answer was lost is no second mail. The state of an
operation is asked for at the configured endpoint, whatever address an answer names: a token goes
along.
"""

import asyncio
import base64
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from azure.communication.email.aio import EmailClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest

from guards.edges.arm_errors import error_of
from guards.edges.channels import mails
from guards.edges.channels.answers import failed, have_token, refused, wait_s
from guards.edges.channels.base import Base
from guards.edges.http import sdk_options
from guards.edges.queues import TROUBLE
from guards.engine.errors import Terminal, Transient
from guards.engine.events import clean
from guards.engine.notify.mail import MOST_ALERTS, Attachment, Mail, compose
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Sent

TIMEOUT_S = 10
"""For the token, the request and its answer."""

WATCH_S = 20
"""For all of it: what is not finished by then was accepted at least."""

POLL_S = 2.0
"""Between two questions for the state, unless the service asks for longer."""

_VERSION = {"api-version": "2025-09-01"}
_ACCEPTED = {202, 409}
"""409: an earlier request for the same operation is on its way."""

_SCOPE = "https://communication.azure.com//.default"  # the SDK asks for it in this form
_SPACE = uuid.UUID("6f1f6c1e-6a0b-5d0e-9a57-6c4d1c3f8e42")
_TURNS = 20
"""An id whose operation failed is used up: nobody got that mail, so the next one is tried."""

_PASSING = {"InternalServerError", "ServiceUnavailable", "Timeout", "TooManyRequests"}
_WHO = "Communication Services"
_SENDER = (
    "the sender is not set up: link the domain to the Communication Services resource, and set "
    "the channel's sender to an address that the domain has as MailFrom"
)
_ROLE = "the app's identity needs the role Communication and Email Service Owner on the resource"
_ADVICE = {400: _SENDER, 401: _ROLE, 403: _ROLE, 404: _SENDER, 413: "the mail is too large for it"}


class CommunicationEmail(Base):
    """Recipients behind a Communication Services resource.

    Raises:
        ValueError: an address is none.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        sender: str,
        recipients: Sequence[str],
        identity: AsyncTokenCredential,
        transport: AsyncHttpTransport[Any, Any],
    ) -> None:
        (self._sender,) = mails.addresses([sender])
        self._recipients = mails.addresses(recipients)
        super().__init__(name, mails.limits_of(self._recipients), MOST_ALERTS)
        self._identity = identity
        self._client = EmailClient(
            endpoint,
            identity,
            **sdk_options(endpoint, transport),
            retry_total=0,  # the delivery is tried again, later
        )

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`; an operation that is not finished in time counts as sent."""
        mail = await asyncio.to_thread(compose, parcel)
        message = self._message(mail)
        end = asyncio.get_running_loop().time() + WATCH_S
        for turn in range(_TURNS):
            operation = str(uuid.uuid5(_SPACE, f"{mail.key} {self.name} {turn}"))
            await self._begin(message, operation, end)
            state = await self._watch(operation, end)
            if state.get("status") not in ("Failed", "Canceled"):
                return Sent(f"202 accepted, {clean(state.get('status')) or 'not finished yet'}")
            code = _code(state)
            if code not in _PASSING:
                raise Terminal(f"{_WHO} took the mail and failed to send it", code=code)
        raise Transient(f"{_WHO} took the mail and failed to send it", code=code)

    def _message(self, mail: Mail) -> dict[str, Any]:
        return {
            "senderAddress": self._sender,
            "recipients": {"to": [{"address": one} for one in self._recipients]},
            "content": {"subject": mail.subject, "plainText": mail.text, "html": mail.html},
            # The service checks this one, and puts its own in place of one it does not like.
            "headers": {"Message-ID": mails.message_id(mail.key, self.name, self._sender)},
            "attachments": [_attachment(mail.attachment)] if mail.attachment else [],
            "userEngagementTrackingDisabled": True,  # links stay as they are
        }

    async def _begin(self, message: Mapping[str, Any], operation: str, end: float) -> None:
        now = asyncio.get_running_loop().time()
        headers = {"Operation-Id": operation}
        request = HttpRequest(
            "POST", "/emails:send", params=_VERSION, headers=headers, json=message
        )
        try:
            async with asyncio.timeout_at(min(now + TIMEOUT_S, end)):
                await have_token(self._identity, _SCOPE)
                answer = await self._client.send_request(request)
        except TROUBLE as e:
            trouble = failed(_WHO, e, _ADVICE)
        else:
            if answer.status_code in _ACCEPTED:
                return
            code, _ = error_of(answer.content)
            trouble = refused(_WHO, answer.status_code, answer.headers, code, _ADVICE)
        raise trouble

    async def _watch(self, operation: str, end: float) -> Mapping[str, Any]:
        """The last state of an operation, {} if none was to be had until `end`."""
        clock = asyncio.get_running_loop().time
        state: Mapping[str, Any] = {}
        while clock() < end:
            try:
                async with asyncio.timeout_at(end):
                    state, pause = await self._state(operation)
            except TROUBLE:
                pause = POLL_S  # the mail was accepted; this is only to know what became of it
            if state.get("status") in ("Succeeded", "Failed", "Canceled") or clock() + pause > end:
                break
            await asyncio.sleep(pause)
        return state

    async def _state(self, operation: str) -> tuple[Mapping[str, Any], float]:
        """An operation's state, {} if the answer is none, and seconds until the next question."""
        url = f"/emails/operations/{operation}"
        request = HttpRequest("GET", url, params=_VERSION)
        answer = await self._client.send_request(request)
        body = answer.json() if answer.status_code == 200 else {}
        pause = max(wait_s(answer.headers) or 0.0, POLL_S)
        return body if isinstance(body, Mapping) else {}, pause


def _attachment(attachment: Attachment) -> dict[str, str]:
    return {
        "name": attachment.name,
        "contentType": attachment.content_type,
        "contentInBase64": base64.b64encode(attachment.text.encode()).decode(),
    }


def _code(state: Mapping[str, Any]) -> str:
    error = state.get("error")
    return clean(error.get("code"), 64) if isinstance(error, Mapping) else ""
