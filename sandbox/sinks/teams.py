"""A Teams workflow, "When a Teams webhook request is received", that keeps its messages."""

import json
import secrets
import ssl
from typing import Any

from aiohttp import web

from sandbox.sinks.endpoint import Endpoint, refused
from sandbox.sinks.kept import Kept

CARD = "application/vnd.microsoft.card.adaptive"
"""The content type of an attachment that is an Adaptive Card."""

_LARGEST = 28 * 1024
"""Bytes; Teams refuses larger messages."""

_PATH = "/workflows/sandbox/triggers/manual/paths/invoke"


class Teams(Endpoint):
    """A workflow that anyone with its address may call.

    As there, an Authorization header makes the request fail, and 202 does not prove that a card
    was shown.
    """

    def __init__(self) -> None:
        self._kept: Kept[Any] = Kept()
        self._signature = secrets.token_urlsafe(16)
        super().__init__([("POST", _PATH, self._post)], largest=2**20)

    async def start(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns the webhook's address, with its secret signature."""
        root = await self.listen(ssl_context, port)
        return f"{root}{_PATH}?api-version=2016-06-01&sig={self._signature}"

    def kept(self) -> list[Any]:
        """The bodies that were posted, oldest first."""
        return self._kept.all()

    async def _post(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return refused(401, "DirectApiAuthorizationRequired", "Anyone may post, so no OAuth.")
        if request.query.get("sig") != self._signature:
            return refused(401, "AuthorizationFailed", "The signature is not the workflow's.")
        body = await request.read()
        if len(body) > _LARGEST:
            return refused(413, "RequestEntityTooLarge", "A Teams message has 28 KB at most.")
        try:
            message = json.loads(body)
        except ValueError as exc:
            return refused(400, "InvalidRequestContent", str(exc))
        if not _is_message(message):
            return refused(400, "InvalidRequestContent", "It is no message with Adaptive Cards.")
        self._kept.add(message, len(body))
        return web.Response(status=202)


def _is_message(body: object) -> bool:
    """Whether it has the documented form, with one card or more."""
    if not isinstance(body, dict) or body.get("type") != "message":
        return False
    attachments = body.get("attachments")
    return isinstance(attachments, list) and attachments != [] and all(map(_is_card, attachments))


def _is_card(attachment: object) -> bool:
    if not isinstance(attachment, dict) or attachment.get("contentType") != CARD:
        return False
    content = attachment.get("content")
    return isinstance(content, dict) and content.get("type") == "AdaptiveCard"
