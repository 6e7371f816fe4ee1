"""The mail server, as Python's own client sees it."""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from email.message import EmailMessage
from functools import partial

import pytest

from sandbox.certificates import Certificates
from sandbox.sinks import Mails


@pytest.fixture
async def mails(certificates: Certificates) -> AsyncIterator[tuple[Mails, str]]:
    """A mail server with STARTTLS and its address."""
    sink = Mails()
    yield sink, await sink.start(certificates.server_context())
    await sink.stop()


@pytest.fixture
def stranger() -> Iterator[Certificates]:
    """An authority that nobody trusts."""
    made = Certificates()
    yield made
    made.close()


def mail(to: str = "ann@example.org") -> EmailMessage:
    """A small mail."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "guard@example.org", to, "Größe ✓"
    made.set_content("Text mit Umlaut: ä\n")
    return made


async def talk[T](
    address: str, conversation: Callable[[smtplib.SMTP], T], *, tls: ssl.SSLContext | None = None
) -> T:
    """A conversation with the server, which begins with STARTTLS if `tls` is given."""
    host, _, port = address.partition(":")

    def run() -> T:
        with smtplib.SMTP(host, int(port), timeout=10) as client:
            client.ehlo()
            if tls is not None:
                client.starttls(context=tls)
                client.ehlo()
            return conversation(client)

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_mail_is_kept_with_its_envelope(
    mails: tuple[Mails, str], certificates: Certificates, encrypted: bool
) -> None:
    """Sender, recipients, subject and text; STARTTLS is there for those who want it."""
    sink, address = mails
    tls = certificates.client_context() if encrypted else None
    await talk(address, lambda client: client.send_message(mail()), tls=tls)
    (kept,) = sink.kept()
    assert (kept["from"], kept["to"]) == ("guard@example.org", ["ann@example.org"])
    assert (kept["subject"], kept["text"]) == ("Größe ✓", "Text mit Umlaut: ä\n")
    assert (kept["html"], kept["attachments"]) == ("", [])
    assert kept["headers"]["Subject"] == "Größe ✓"


async def test_a_mail_is_kept_with_its_parts(mails: tuple[Mails, str]) -> None:
    """Text, HTML and attachments, each as text."""
    sink, address = mails
    full = mail()
    full.add_alternative("<p>Größe</p>\n", subtype="html")
    full.add_attachment('{"a": "ä"}'.encode(), "application", "json", filename="alert ä.json")
    full.add_attachment("a,b\n", subtype="csv", filename="list.csv")
    await talk(address, lambda client: client.send_message(full))
    (kept,) = sink.kept()
    assert (kept["text"], kept["html"]) == ("Text mit Umlaut: ä\n", "<p>Größe</p>\n")
    assert kept["attachments"] == [
        {"name": "alert ä.json", "type": "application/json", "text": '{"a": "ä"}'},
        {"name": "list.csv", "type": "text/csv", "text": "a,b\n"},
    ]


async def test_a_refused_recipient_is_told_and_the_others_get_the_mail(
    mails: tuple[Mails, str],
) -> None:
    """550 for those that were named, whatever their case, until others are."""
    sink, address = mails
    sink.refuse("Gone@Example.org")
    both = mail("ann@example.org, gone@example.org")
    refused = await talk(address, lambda client: client.send_message(both))
    assert refused["gone@example.org"][0] == 550
    assert sink.kept()[0]["to"] == ["ann@example.org"]
    sink.refuse("ann@example.org", answer="450 4.2.0 Greylisted")
    refused = await talk(address, lambda client: client.send_message(both))
    assert refused["ann@example.org"] == (450, b"4.2.0 Greylisted")
    assert sink.kept()[1]["to"] == ["gone@example.org"]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_connection_is_cut_between_data_and_its_answer(
    mails: tuple[Mails, str], certificates: Certificates, encrypted: bool
) -> None:
    """As often as ordered; the client cannot know whether the mail was taken."""
    sink, address = mails
    tls = certificates.client_context() if encrypted else None
    sink.drop_mid_data(2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await talk(address, lambda client: client.send_message(mail()), tls=tls)
    assert sink.kept() == []
    await talk(address, lambda client: client.send_message(mail()), tls=tls)
    assert len(sink.kept()) == 1


async def test_an_account_is_needed_when_required(
    mails: tuple[Mails, str], certificates: Certificates
) -> None:
    """530 without it, 535 with a wrong one; the right one may send."""
    sink, address = mails
    sink.require("guard", "pass ä")
    tls = certificates.client_context()
    for context in (None, tls):
        with pytest.raises(smtplib.SMTPSenderRefused) as told:
            await talk(address, lambda client: client.send_message(mail()), tls=context)
        assert told.value.smtp_code == 530
    for user, password in (("guard", "wrong"), ("other", "pass ä"), ("", "")):
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            await talk(address, partial(_login, user=user, password=password), tls=tls)
        assert wrong.value.smtp_code == 535
    assert sink.kept() == []

    def send(client: smtplib.SMTP) -> None:
        _login(client, "guard", "pass ä")
        client.send_message(mail())

    await talk(address, send, tls=tls)
    assert len(sink.kept()) == 1


async def test_without_an_account_no_login_is_right(
    mails: tuple[Mails, str], certificates: Certificates
) -> None:
    """Not even an empty one."""
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await talk(
            mails[1], lambda client: _login(client, "", ""), tls=certificates.client_context()
        )


def _login(client: smtplib.SMTP, user: str, password: str) -> None:
    """AUTH PLAIN, in UTF-8, which smtplib's own login() does not speak."""
    given = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, words = client.docmd("AUTH", f"PLAIN {given}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, words)


async def test_auth_is_offered_under_tls_only(
    mails: tuple[Mails, str], certificates: Certificates
) -> None:
    """In the clear a password would be anybody's."""
    sink, address = mails
    sink.require("guard", "password")
    assert not await talk(address, lambda client: client.has_extn("auth"))
    tls = certificates.client_context()
    assert await talk(address, lambda client: client.has_extn("auth"), tls=tls)


async def test_without_a_certificate_there_is_no_starttls() -> None:
    """And no AUTH; mail in the clear is taken."""
    sink = Mails()
    address = await sink.start()
    try:
        assert not await talk(address, lambda client: client.has_extn("starttls"))
        assert not await talk(address, lambda client: client.has_extn("auth"))
        await talk(address, lambda client: client.send_message(mail()))
    finally:
        await sink.stop()
    assert len(sink.kept()) == 1


async def test_implicit_tls_is_tls_from_the_start(certificates: Certificates) -> None:
    """With AUTH at once, and without STARTTLS, which would be TLS in TLS."""
    sink = Mails()
    sink.require("guard", "password")
    address = await sink.start(certificates.server_context(), implicit_tls=True)
    host, _, port = address.partition(":")
    context = certificates.client_context()

    def send() -> bool:
        with smtplib.SMTP_SSL(host, int(port), timeout=10, context=context) as client:
            client.login("guard", "password")
            client.send_message(mail())
            return client.has_extn("starttls")

    try:
        assert not await asyncio.to_thread(send)
    finally:
        await sink.stop()
    assert len(sink.kept()) == 1


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_of_a_stranger_is_not_trusted(
    certificates: Certificates, stranger: Certificates, implicit: bool
) -> None:
    """The client goes before it has told anything."""
    sink = Mails()
    address = await sink.start(stranger.server_context(), implicit_tls=implicit)
    host, _, port = address.partition(":")
    context = certificates.client_context()

    def connect() -> None:
        smtplib.SMTP_SSL(host, int(port), timeout=10, context=context)

    hello = (
        asyncio.to_thread(connect) if implicit else talk(address, smtplib.SMTP.noop, tls=context)
    )
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            await hello
    finally:
        await sink.stop()
    assert sink.kept() == []
