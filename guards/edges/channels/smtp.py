"""Mail through a mail server, over a connection of its own for each message.

Certificates are verified; where STARTTLS is set, a server that does not offer it gets nothing, and
a password never goes over a connection that is not encrypted.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

import aiosmtplib

from guards.edges.channels import mails
from guards.edges.channels.base import Base
from guards.edges.http import CONNECT_TIMEOUT_S
from guards.engine.errors import GuardError, Terminal, Transient, Unanswered
from guards.engine.events import clean
from guards.engine.notify.mail import MOST_ALERTS, Mail, compose
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Sent

TIMEOUT_S = 20
"""For one message, from the connection to the server's word that it has it."""

_QUIT_S = 2
_MAX_WORDS = 200
_TROUBLE = (aiosmtplib.SMTPException, OSError, ValueError)  # a TimeoutError is an OSError


POLICY = SMTP.clone(max_line_length=900)
"""Lines of mail may have 998 characters; folded shorter, Python adds spaces to a subject."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server; `tls` is when encryption begins: after STARTTLS, at once, or never.

    Without a user nobody signs in.
    """

    host: str
    port: int
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)


class Smtp(Base):
    """Recipients behind a mail server.

    Raises:
        ValueError: an address is none, or a password would go out unencrypted.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        sender: str,
        recipients: Sequence[str],
        now: Callable[[], datetime],
    ) -> None:
        if server.user and server.tls == "none":
            raise ValueError("a password needs an encrypted connection to the mail server")
        (self._sender,) = mails.addresses([sender])
        self._recipients = mails.addresses(recipients)
        super().__init__(name, mails.limits_of(self._recipients), MOST_ALERTS)
        self._server = server
        self._now = now
        self._context: ssl.SSLContext | None = None

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`."""
        # Thousands of alerts take a while; other events go on meanwhile.
        message = self._message(await asyncio.to_thread(compose, parcel))
        client = await self._client()
        begun = asyncio.Event()
        transport: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sent = await self._hand_over(client, message, begun)
        except _TROUBLE as e:
            trouble = self._failure(e, begun=begun.is_set())
        else:
            transport = client.transport  # which saying goodbye lets go of
            await _quit(client)
            return sent
        finally:
            _hang_up(client, transport or client.transport)
        raise trouble  # out here it has no context: a server may repeat what it was told

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(POLICY)
        message["From"] = Address("Export Guard", addr_spec=self._sender)
        message["To"] = [Address(addr_spec=one) for one in self._recipients]
        message["Subject"] = mail.subject
        message["Date"] = self._now()
        message["Message-ID"] = mails.message_id(mail.key, self.name, self._sender)
        message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence note answers it
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        if mail.attachment is not None:
            _, _, subtype = mail.attachment.content_type.partition("/")
            name = mail.attachment.name
            message.add_attachment(mail.attachment.text, subtype=subtype, filename=name)
        return message

    async def _client(self) -> aiosmtplib.SMTP:
        if self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context)
        return aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls == "tls",
            start_tls=False,  # see `_encrypt`
            tls_context=self._context,
            local_hostname=self._sender.rpartition("@")[2],  # not the name of this machine
            timeout=TIMEOUT_S,
        )

    async def _hand_over(
        self, client: aiosmtplib.SMTP, message: EmailMessage, begun: asyncio.Event
    ) -> Sent:
        await client.connect(timeout=CONNECT_TIMEOUT_S)
        if self._server.tls == "starttls":
            await self._encrypt(client)
        if self._server.user:
            await self._sign_in(client)
        begun.set()
        # Not `send_message`, which folds the headers in its own way.
        utf8 = not "".join((self._sender, *self._recipients)).isascii()
        if utf8 and not client.supports_extension("smtputf8"):
            raise Terminal(f"{self._server.host} takes no addresses with letters beyond ASCII")
        refused, answer = await client.sendmail(
            self._sender,
            self._recipients,
            message.as_bytes(policy=POLICY.clone(utf8=utf8)),
            mail_options=["SMTPUTF8"] if utf8 else [],
        )
        return Sent(f"250 {clean(answer, _MAX_WORDS)}".rstrip(), refused=tuple(refused))

    async def _encrypt(self, client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        if not client.supports_extension("starttls"):
            raise Terminal(
                f"{self._server.host} offers no STARTTLS, so nothing was sent to it: turn it on "
                "there, or set the channel to the port that is encrypted from the start"
            )
        await client.starttls()

    async def _sign_in(self, client: aiosmtplib.SMTP) -> None:
        """With one method only: a wrong password must not count several times."""
        await client.ehlo()
        user, password = self._server.user, self._server.password
        if "plain" in client.server_auth_methods:
            await client.auth_plain(user, password)
        elif "login" in client.server_auth_methods:
            await client.auth_login(user, password)
        else:
            raise Terminal(f"{self._server.host} offers no way to sign in with a password")

    def _failure(self, error: Exception, *, begun: bool) -> GuardError:
        host = self._server.host
        if _is_untrusted(error):
            return Terminal(
                f"the certificate of {host} is not trusted: set the name that stands in it, or "
                "trust its authority through SSL_CERT_FILE"
            )
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            # One that may be taken later is worth another try.
            error = min(error.recipients, key=lambda one: one.code)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            words = "to user name and password: correct them in the channel's settings"
            return _answered(host, error.code, words)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return _answered(host, error.code, clean(error.message, _MAX_WORDS))
        if isinstance(error, (aiosmtplib.SMTPNotSupported, ValueError)):
            return Terminal(f"{host} cannot be given this mail", code=type(error).__name__)
        # A server that is only slow may have taken the mail.
        late = begun and isinstance(error, TimeoutError)
        kind = Unanswered if late else Transient
        return kind(f"no answer of {host}", code=type(error).__name__)


def _answered(host: str, status: int, words: str) -> GuardError:
    kind = Terminal if 500 <= status < 600 else Transient
    return kind(f"{host} answered {status} {words}".rstrip(), status=status)


def _is_untrusted(error: BaseException | None) -> bool:
    """Whether a certificate is behind it; aiosmtplib wraps the error once."""
    cause = error.__cause__ if error else None
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in (error, cause))


def _hang_up(client: aiosmtplib.SMTP, transport: asyncio.BaseTransport | None) -> None:
    """End the connection now: closing alone would wait for the server's word."""
    client.close()
    if isinstance(transport, asyncio.Transport):
        transport.abort()


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; the server has the mail, whatever becomes of this."""
    with contextlib.suppress(*_TROUBLE):
        async with asyncio.timeout(_QUIT_S):
            await client.quit()
