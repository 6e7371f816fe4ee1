"""A mail server that keeps its mails: without accounts or with one, in the clear or not."""

import asyncio
import email
import email.policy
import hmac
import ssl
from email.message import MIMEPart
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.sinks.kept import Kept

UNKNOWN_RECIPIENT = "550 5.1.1 Recipient address rejected: User unknown"

_LARGEST = 2**20
_GONE_S = 10.0
"""Seconds within which a connection that was cut is noticed to be gone."""


class Mails:
    """A mail server; STARTTLS is offered when it gets a certificate and TLS is not implicit."""

    def __init__(self) -> None:
        self._kept: Kept[dict[str, Any]] = Kept()
        self._server: asyncio.Server | None = None
        self._refusals: dict[str, str] = {}
        self._drops = 0
        self._account: tuple[bytes, bytes] | None = None

    async def start(
        self,
        ssl_context: ssl.SSLContext | None = None,
        port: int = 0,
        *,
        implicit_tls: bool = False,
    ) -> str:
        """Listen; returns "host:port". With `implicit_tls` the conversation is TLS from its start.

        Without a certificate there is no TLS at all.
        """
        implicit = ssl_context if implicit_tls else None

        def session() -> SMTP:
            return SMTP(
                self,
                hostname="localhost",
                ident="sandbox",
                tls_context=None if implicit_tls else ssl_context,
                data_size_limit=_LARGEST,
                enable_SMTPUTF8=True,
                authenticator=self._authenticate,
                auth_require_tls=implicit is None,  # else every conversation has it already
                loop=asyncio.get_running_loop(),
            )

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(session, "127.0.0.1", port, ssl=implicit)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close, open conversations included."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()

    def kept(self) -> list[dict[str, Any]]:
        """The mails, oldest first: {from, to, subject, text, html, attachments, headers, raw}.

        `attachments` are {name, type, text}; `to` are the recipients that were accepted.
        """
        return self._kept.all()

    def refuse(self, *addresses: str, answer: str = UNKNOWN_RECIPIENT) -> None:
        """From now on these recipients, and no others, are refused with `answer`."""
        self._refusals = {address.lower(): answer for address in addresses}

    def drop_mid_data(self, times: int = 1) -> None:
        """Cut the next `times` connections after DATA, before an answer; the mail is not kept."""
        self._drops = times

    def require(self, user: str, password: str) -> None:
        """From now on mail is taken from this account only; AUTH is there under TLS only."""
        self._account = (user.encode(), password.encode())

    async def handle_MAIL(  # noqa: N802 (the mail library's name)
        self, _server: SMTP, session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        """Take a sender, if it has shown who it is."""
        if self._account is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        recipient: str,
        options: list[str],
    ) -> str:
        """Take a recipient, or refuse it as ordered."""
        if refusal := self._refusals.get(recipient.lower()):
            return refusal
        envelope.rcpt_tos.append(recipient)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail, or cut the connection as ordered."""
        if self._drops > 0:
            self._drops -= 1
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            await asyncio.sleep(_GONE_S)  # cancelled by the loss of the connection
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        self._kept.add(_mail(envelope, raw), len(raw))
        return "250 OK"

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        user, password = self._account or (b"", b"")
        good = hmac.compare_digest(given.login, user) & hmac.compare_digest(
            given.password, password
        )
        return AuthResult(success=self._account is not None and good, handled=False)


def _mail(envelope: Envelope, raw: bytes) -> dict[str, Any]:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    return {
        "from": envelope.mail_from,
        "to": list(envelope.rcpt_tos),
        "subject": str(mail["subject"] or ""),
        "text": _text(mail.get_body(("plain", "html"))),
        "html": _text(mail.get_body(("html",))),
        "attachments": [
            {
                "name": part.get_filename() or "",
                "type": part.get_content_type(),
                "text": _text(part),
            }
            for part in mail.iter_attachments()
        ],
        "headers": {name: str(value) for name, value in mail.items()},
        "raw": raw.decode("utf-8", "replace"),
    }


def _text(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    content = part.get_content()
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    return text.replace("\r\n", "\n")
