"""The Teams workflow and the mail server."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage

import pytest
from aiohttp import ClientSession

from sandbox import sinks
from sandbox.certificates import Certificates
from sandbox.sinks import Mails, Teams


@pytest.fixture
def certificates() -> Iterator[Certificates]:
    """A throw-away authority."""
    made = Certificates()
    yield made
    made.close()


@pytest.fixture
async def teams(certificates: Certificates) -> AsyncIterator[tuple[Teams, str]]:
    """A workflow and its address."""
    sink = Teams()
    yield sink, await sink.start(certificates.server_context())
    await sink.stop()


@pytest.mark.parametrize(
    ("change", "headers", "body", "status"),
    [
        ("", {}, b'{"type": "message"}', 202),
        ("", {"Authorization": "Bearer x"}, b"{}", 401),
        ("&sig=", {}, b"{}", 202),
        ("wrong", {}, b"{}", 401),
        ("", {}, b"no json", 400),
        ("", {}, b'"' + b"x" * 28 * 1024 + b'"', 413),
    ],
    ids=["taken", "authorization", "sig twice", "wrong sig", "no json", "too large"],
)
async def test_a_workflow_takes_what_teams_takes(
    teams: tuple[Teams, str],
    certificates: Certificates,
    change: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
) -> None:
    """202 for JSON of a moderate size from anyone with the address, and without Authorization."""
    sink, url = teams
    async with (
        ClientSession() as session,
        session.post(
            url + change, data=body, headers=headers, ssl=certificates.client_context()
        ) as answer,
    ):
        assert answer.status == status
    assert len(sink.kept()) == (1 if status == 202 else 0)


async def test_a_workflow_keeps_the_last_messages(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """Older ones are forgotten, so that a long run does not grow."""
    sink, url = teams
    async with ClientSession() as session:
        for number in range(3):
            ssl = certificates.client_context()
            async with session.post(url, json={"n": number}, ssl=ssl):
                pass
    assert sink.kept() == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert sinks.KEPT == 1000


@pytest.fixture
async def mails(certificates: Certificates) -> AsyncIterator[tuple[Mails, str]]:
    """A mail server and its address."""
    sink = Mails()
    yield sink, await sink.start(certificates.server_context())
    await sink.stop()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_mail_is_kept_with_its_parts(
    mails: tuple[Mails, str], certificates: Certificates, encrypted: bool
) -> None:
    """Envelope, subject and text can be read back; STARTTLS is there for those who want it."""
    sink, address = mails
    host, _, port = address.partition(":")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "guard@example.org", "ann@example.org", "Größe ✓"
    mail.set_content("Text mit Umlaut: ä\n")

    def send() -> None:
        with smtplib.SMTP(host, int(port), timeout=10) as client:
            if encrypted:
                client.starttls(context=certificates.client_context())
            client.send_message(mail)

    await asyncio.to_thread(send)
    (kept,) = sink.kept()
    assert (kept["from"], kept["to"]) == ("guard@example.org", ["ann@example.org"])
    assert (kept["subject"], kept["text"]) == ("Größe ✓", "Text mit Umlaut: ä\n")
