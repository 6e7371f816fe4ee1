"""Azure Communication Services: takes mail by https from an identity, and keeps it.

An operation is asked for until it has ended, as with the real service. Not reproduced: keys,
limits, suppression lists, and checks of addresses beyond the sender's domain.
"""

import base64
import binascii
import json
import ssl
import uuid
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from aiohttp import web

from sandbox.identity import TokenRefusedError, Tokens
from sandbox.sinks.endpoint import Endpoint, refused
from sandbox.sinks.kept import KEPT, Kept

_AUDIENCES = frozenset({"https://communication.azure.com"})
_LARGEST = 10 * 2**20
"""Bytes of a request, attachments included."""


class Communication(Endpoint):
    """One Communication Services resource.

    Args:
        tokens: who may send.
        domains: linked ones, from which senders may send.
        polls: how often an operation is still running when it is asked for.
        retry_after_s: what clients are told to wait until they ask again.
    """

    def __init__(
        self,
        tokens: Tokens,
        domains: Collection[str] = ("contoso.example",),
        *,
        polls: int = 0,
        retry_after_s: int = 1,
    ) -> None:
        self._tokens = tokens
        self._domains = {domain.lower() for domain in domains}
        self._polls = polls
        self._retry_after = {"retry-after": str(retry_after_s)}
        self._kept: Kept[dict[str, Any]] = Kept()
        self._operations: OrderedDict[str, _Operation] = OrderedDict()
        self._failures: list[dict[str, str]] = []
        routes = [
            ("POST", "/emails:send", self._send),
            ("GET", "/emails/operations/{id}", self._status),
        ]
        super().__init__(routes, largest=_LARGEST)

    async def start(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns the resource's endpoint."""
        return await self.listen(ssl_context, port)

    def kept(self) -> list[dict[str, Any]]:
        """The mails, oldest first: {from, to, subject, text, html, headers, attachments}.

        `to` holds the addresses of copies as well; `attachments` are {name, type, text}.
        """
        return self._kept.all()

    def fail_operation(self, code: str, message: str) -> None:
        """Let the next mail that is taken end as "Failed"; it is not kept."""
        self._failures.append({"code": code, "message": message})

    async def _send(self, request: web.Request) -> web.Response:
        if denied := self._denied(request):
            return denied
        try:
            operation_id = _operation_id(request)
            mail = _mail(json.loads(await request.read()))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            return refused(400, "BadRequest", f"The request is invalid: {exc!r}")
        if mail["from"].rpartition("@")[2].lower() not in self._domains:
            message = "The specified sender domain has not been linked."
            return refused(404, "DomainNotLinked", message)
        if operation_id not in self._operations:
            self._take(operation_id, mail, len(await request.read()))
        path = f"/emails/operations/{operation_id}?api-version={request.query['api-version']}"
        headers = {"Operation-Location": f"{request.url.origin()}{path}", **self._retry_after}
        body = {"id": operation_id, "status": "Running", "error": None}
        return web.json_response(body, status=202, headers=headers)

    def _take(self, operation_id: str, mail: dict[str, Any], size: int) -> None:
        error = self._failures.pop(0) if self._failures else None
        self._operations[operation_id] = _Operation(self._polls, error)
        if len(self._operations) > KEPT:
            self._operations.popitem(last=False)
        if error is None:
            self._kept.add(mail, size)

    async def _status(self, request: web.Request) -> web.Response:
        if denied := self._denied(request):
            return denied
        operation_id = request.match_info["id"]
        operation = self._operations.get(operation_id)
        if operation is None:
            return refused(404, "OperationNotFound", "There is no such operation.")
        status = operation.asked()
        body = {"id": operation_id, "status": status, "error": operation.error}
        if status == "Running":
            return web.json_response({**body, "error": None}, headers=self._retry_after)
        return web.json_response(body)

    def _denied(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return refused(401, "Denied", "A bearer token is missing.")
        try:
            self._tokens.verify(token, _AUDIENCES)
        except TokenRefusedError as exc:
            return refused(401, exc.code, exc.message)
        if not request.query.get("api-version"):
            return refused(400, "MissingApiVersionParameter", "The api-version is required.")
        return None


class _Operation:
    """One mail on its way: some polls "Running", then its end."""

    def __init__(self, polls: int, error: dict[str, str] | None) -> None:
        self._polls = polls
        self.error = error

    def asked(self) -> str:
        """Its state, one poll later."""
        if self._polls > 0:
            self._polls -= 1
            return "Running"
        return "Succeeded" if self.error is None else "Failed"


def _operation_id(request: web.Request) -> str:
    """The client's own, which makes its second request the same mail, or a new one.

    Raises:
        ValueError: it is no GUID.
    """
    given = request.headers.get("Operation-Id")
    return str(uuid.uuid4() if given is None else uuid.UUID(given))


def _mail(body: Any) -> dict[str, Any]:
    """A mail of the request's JSON; raises what reading another form raises."""
    content, recipients = body["content"], body["recipients"]
    to = [one["address"] for kind in ("to", "cc", "bcc") for one in recipients.get(kind) or []]
    text, html = content.get("plainText") or "", content.get("html") or ""
    if not to or not (text or html):
        raise ValueError("a mail has recipients and a text")
    return {
        "from": str(body["senderAddress"]),
        "to": to,
        "subject": content["subject"],
        "text": text,
        "html": html,
        "headers": dict(body.get("headers") or {}),
        "attachments": [_attachment(one) for one in body.get("attachments") or []],
    }


def _attachment(given: Any) -> dict[str, str]:
    try:
        content = base64.b64decode(given["contentInBase64"], validate=True)
    except binascii.Error as exc:
        raise ValueError(f"attachment {given['name']}: {exc}") from exc
    return {
        "name": given["name"],
        "type": given["contentType"],
        "text": content.decode("utf-8", "replace"),
    }
