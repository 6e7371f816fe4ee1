"""Where the app's messages to people end: a Teams workflow and a mail server, which keep them."""

import asyncio
import email
import email.policy
import json
import secrets
import ssl
from collections import deque
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.server import Server

KEPT = 1_000
"""How many messages a sink remembers; older ones are forgotten."""

_LARGEST_CARD = 28 * 1024
"""Bytes; Teams refuses larger messages."""

_LARGEST_MAIL = 2**20


class Teams:
    """A "When a Teams webhook request is received" workflow that anyone with its address may call.

    As there, an Authorization header makes the request fail, and 202 does not prove that a card
    was shown.
    """

    def __init__(self) -> None:
        self._kept: deque[Any] = deque(maxlen=KEPT)
        self._signature = secrets.token_urlsafe(16)
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/workflows/{id}/triggers/manual/paths/invoke", self._post)
        self._server = Server(app)

    async def start(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns the webhook's address, with its secret signature."""
        root = await self._server.start(ssl_context, port)
        path = "/workflows/sandbox/triggers/manual/paths/invoke"
        return f"{root}{path}?api-version=2016-06-01&sig={self._signature}"

    async def stop(self) -> None:
        """Close."""
        await self._server.stop()

    def kept(self) -> list[Any]:
        """The bodies that were posted, oldest first."""
        return list(self._kept)

    async def _post(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return _refused(401, "DirectApiAuthorizationRequired", "Anyone may post, so no OAuth.")
        if request.query.get("sig") != self._signature:
            return _refused(401, "AuthorizationFailed", "The signature is not the workflow's.")
        body = await request.read()
        if len(body) > _LARGEST_CARD:
            return _refused(413, "RequestEntityTooLarge", "A Teams message has 28 KB at most.")
        try:
            self._kept.append(json.loads(body))
        except ValueError as exc:
            return _refused(400, "InvalidRequestContent", str(exc))
        return web.Response(status=202)


class Mails:
    """A mail server without accounts; STARTTLS is offered when it gets a certificate."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()

    async def start(self, ssl_context: ssl.SSLContext | None = None, port: int = 0) -> str:
        """Listen; returns "host:port"."""

        def session() -> SMTP:
            return SMTP(
                self,
                hostname="localhost",
                ident="sandbox",
                tls_context=ssl_context,
                data_size_limit=_LARGEST_MAIL,
                enable_SMTPUTF8=True,
                loop=asyncio.get_running_loop(),
            )

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(session, "127.0.0.1", port)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close, open conversations included."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()

    def kept(self) -> list[dict[str, Any]]:
        """The mails, oldest first: {from, to, subject, text, headers, raw}."""
        return list(self._kept)

    async def handle_DATA(  # noqa: N802 (the mail library's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        body = mail.get_body(("plain", "html"))
        self._kept.append(
            {
                "from": envelope.mail_from,
                "to": list(envelope.rcpt_tos),
                "subject": str(mail["subject"] or ""),
                "text": "" if body is None else str(body.get_content()).replace("\r\n", "\n"),
                "headers": {name: str(value) for name, value in mail.items()},
                "raw": raw.decode("utf-8", "replace"),
            }
        )
        return "250 OK"


def _refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
