"""Mail through the sandbox's mail server, and through a scripted one for bad weather."""

import asyncio
import contextlib
import email.policy
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.parser import Parser
from typing import Any, Self

import pytest

from guards.edges.channels import smtp
from guards.edges.channels.smtp import Server, Smtp
from guards.engine.errors import Terminal, Transient
from guards.engine.notify.mail import compose
from sandbox.certificates import Certificates
from sandbox.sinks import Mails
from tests.cli.command import HOSTILE
from tests.edges.channels.conftest import Fails, Slots
from tests.edges.channels.parcels import NOW, ONE, alert, parcel

SENDER = "guard@contoso.example"
TEAM = ("ann@contoso.example", "bob@contoso.example", "eve@contoso.example")
USER, PASSWORD = "guard", "s3cret Pässword"


@pytest.fixture
async def mails() -> AsyncIterator[Mails]:
    """A mail server that is not started yet."""
    sink = Mails()
    yield sink
    await sink.stop()


@pytest.fixture(autouse=True)
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The throw-away CA is trusted as an operator makes one trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))


def channel(address: str, *, to: tuple[str, ...] = TEAM, **options: Any) -> Smtp:
    """A channel to a server by "host:port"; STARTTLS unless told otherwise."""
    host, _, port = address.partition(":")
    return Smtp("on-call", Server(host, int(port), **options), SENDER, to, lambda: NOW)


def structure(raw: str) -> list[str]:
    """The content types of a mail's parts, outermost first."""
    mail = Parser(policy=email.policy.default).parsestr(raw)
    return [part.get_content_type() for part in mail.walk()]


class Scripted:
    """A server that says its lines one by one, each after a line of the client."""

    def __init__(self, *lines: str) -> None:
        self.heard: list[str] = []
        self.closed = asyncio.Event()
        self.address = ""
        self._lines = lines

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in self._lines:
            writer.write(f"{line}\r\n".encode())
            end = b"\r\n.\r\n" if line.startswith("354") else b"\n"
            with contextlib.suppress(asyncio.IncompleteReadError):  # the client has gone
                self.heard.append((await reader.readuntil(end)).decode().rstrip())
        while await reader.read(1000):
            pass
        writer.close()
        self.closed.set()


HELLO = "220 mail.example ESMTP"


async def test_a_mail_reaches_all_recipients(mails: Mails, certificates: Certificates) -> None:
    """With both forms of its text, after STARTTLS."""
    address = await mails.start(certificates.server_context())
    sent = await channel(address).send(ONE, Slots())
    assert sent.answer.startswith("250")
    assert sent.refused == ()
    (mail,), made = mails.kept(), compose(ONE)
    assert (mail["from"], mail["to"]) == (SENDER, list(TEAM))
    assert mail["subject"] == made.subject
    assert (mail["text"], mail["html"]) == (made.text, made.html)
    assert mail["attachments"] == []
    assert structure(mail["raw"]) == ["multipart/alternative", "text/plain", "text/html"]


async def test_headers_say_who_when_and_that_no_person_wrote_it(
    mails: Mails, certificates: Certificates
) -> None:
    """Absence notes do not answer what is generated."""
    await channel(await mails.start(certificates.server_context())).send(ONE, Slots())
    headers: Mapping[str, str] = mails.kept()[0]["headers"]
    assert headers["From"] == f"Export Guard <{SENDER}>"
    assert headers["To"] == ", ".join(TEAM)
    assert datetime.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S %z") == NOW
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Message-ID"] == f"<{compose(ONE).key}.on-call@contoso.example>"


@pytest.mark.parametrize("reason", ["x " * 200, "in the group zürich-söder " * 9, "漢字 " * 60])
async def test_a_long_subject_arrives_as_it_was_written(
    mails: Mails, certificates: Certificates, reason: str
) -> None:
    """With no space more or less, whatever letters are in it."""
    notice = parcel(alert(resourceId=None, resourceType=None, reason=reason))
    await channel(await mails.start(certificates.server_context())).send(notice, Slots())
    assert mails.kept()[0]["subject"] == compose(notice).subject


async def test_doubles_have_one_message_id(mails: Mails, certificates: Certificates) -> None:
    """Mail programs show them as one; other news is another mail."""
    sender = channel(await mails.start(certificates.server_context()))
    for one in (ONE, ONE, parcel(alert(2))):
        await sender.send(one, Slots())
    first, double, other = (mail["headers"]["Message-ID"] for mail in mails.kept())
    assert first == double != other


async def test_a_digest_lists_every_alert_in_an_attachment(
    mails: Mails, certificates: Certificates
) -> None:
    """As many as the channel has capacity for."""
    sender = channel(await mails.start(certificates.server_context()))
    many = parcel(*(alert(number) for number in range(sender.capacity)))
    await sender.send(many, Slots())
    (mail,), made = mails.kept(), compose(many).attachment
    assert made is not None
    (kept,) = mail["attachments"]
    assert (kept["name"], kept["type"]) == (made.name, made.content_type)
    assert kept["text"].splitlines() == made.text.splitlines()
    assert all(item.alert["alertId"] in kept["text"] for item in many.items)
    assert structure(mail["raw"])[0] == "multipart/mixed"


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_from_outside_makes_no_header(
    mails: Mails, certificates: Certificates, name: str
) -> None:
    """The mail arrives, with the headers it always has."""
    sender = channel(await mails.start(certificates.server_context()))
    await sender.send(ONE, Slots())
    hostile = alert(resourceId=f"{alert()['resourceId']}{name}\r\nBcc: mallory@evil.example")
    await sender.send(parcel(hostile), Slots())
    usual, other = mails.kept()
    assert other["headers"].keys() == usual["headers"].keys()
    assert other["to"] == list(TEAM)
    assert "\n" not in other["subject"]


def test_each_recipient_has_a_limit_of_its_own_in_every_channel() -> None:
    """By a digest of the address, however it is written; each is in the list once."""
    one = channel("mail.example:587", to=("Ann@contoso.example", "bob@contoso.example"))
    other = channel("relay.example:25", to=("ann@CONTOSO.example", "ANN@contoso.example"))
    assert [limit.window_s for limit in one.limits] == [62, 62]
    assert list(other.limits) == [one.limits[0]]
    assert all("contoso" not in limit.key for limit in one.limits)
    assert all(len(limit.key) == len("mail ") + 32 for limit in one.limits)


def test_a_repr_shows_name_and_kind_only() -> None:
    """Of the server everything but the password."""
    sender = channel("mail.example:587", user=USER, password=PASSWORD)
    assert repr(sender) == "Smtp('on-call')"
    assert PASSWORD not in repr(Server("mail.example", 587, user=USER, password=PASSWORD))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ann",
        "ann@",
        "@x.example",
        "a b@x.example",
        "a@x\r\nDATA",
        "a@b@x.example",
        "ann <a@x.example>",
        "a..b@x.example",
        "a@x.example> SIZE=1",
        "a\0@x.example",
        "\ud800@x",
        "\u202ea@x.example",
        "a" * 250 + "@x.example",
    ],
)
def test_what_is_no_address_is_refused_at_once(wrong: str) -> None:
    """Not by the server later, and never as a command."""
    with pytest.raises(ValueError, match="no mail address"):
        channel("mail.example:587", to=(*TEAM, wrong))
    with pytest.raises(ValueError, match="no mail address"):
        Smtp("on-call", Server("mail.example", 587), wrong, TEAM, lambda: NOW)


def test_a_channel_without_recipients_is_refused() -> None:
    """It would send mail to nobody."""
    with pytest.raises(ValueError, match="no mail address"):
        channel("mail.example:587", to=())


def test_a_password_is_not_for_the_open_wire() -> None:
    """Whatever the settings ask for."""
    with pytest.raises(ValueError, match="encrypted") as caught:
        channel("mail.example:25", tls="none", user=USER, password=PASSWORD)
    assert PASSWORD not in str(caught.value)


# Encryption and sign-in


async def test_a_server_may_be_encrypted_from_the_start(
    mails: Mails, certificates: Certificates
) -> None:
    """As on port 465."""
    address = await mails.start(certificates.server_context(), implicit_tls=True)
    mails.require(USER, PASSWORD)
    await channel(address, tls="tls", user=USER, password=PASSWORD).send(ONE, Slots())
    assert len(mails.kept()) == 1


async def test_a_server_without_encryption_is_used_only_if_asked_for(
    mails: Mails, fails: Fails
) -> None:
    """A relay next door may do without."""
    address = await mails.start()
    error = await fails(channel(address))
    assert isinstance(error, Terminal)
    assert mails.kept() == []
    await channel(address, tls="none").send(ONE, Slots())
    assert len(mails.kept()) == 1


async def test_an_account_is_signed_in_to(mails: Mails, certificates: Certificates) -> None:
    """After STARTTLS."""
    address = await mails.start(certificates.server_context())
    mails.require(USER, PASSWORD)
    await channel(address, user=USER, password=PASSWORD).send(ONE, Slots())
    assert len(mails.kept()) == 1


async def test_a_wrong_password_is_told_to_people(
    mails: Mails, certificates: Certificates, fails: Fails
) -> None:
    """Without it."""
    address = await mails.start(certificates.server_context())
    mails.require(USER, "another one")
    sender = channel(address, user=USER, password=PASSWORD)
    error = await fails(sender, PASSWORD, "another one")
    assert isinstance(error, Terminal)
    assert error.status == 535
    assert "correct them" in str(error)
    assert mails.kept() == []


async def test_a_missing_account_is_told_to_people(
    mails: Mails, certificates: Certificates, fails: Fails
) -> None:
    """In the server's words, which say what it wants."""
    address = await mails.start(certificates.server_context())
    mails.require(USER, PASSWORD)
    error = await fails(channel(address), PASSWORD)
    assert isinstance(error, Terminal)
    assert "530 5.7.0 Authentication required" in str(error)


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_certificate_nobody_vouches_for_gets_neither_mail_nor_password(
    mails: Mails, fails: Fails, implicit: bool
) -> None:
    """People hear which server it is."""
    strange = Certificates()
    address = await mails.start(strange.server_context(), implicit_tls=implicit)
    sender = channel(address, tls="tls" if implicit else "starttls", user=USER, password=PASSWORD)
    error = await fails(sender, PASSWORD)
    strange.close()
    assert isinstance(error, Terminal)
    assert "the certificate of 127.0.0.1 is not trusted" in str(error)
    assert mails.kept() == []


# Refusals


async def test_one_refused_recipient_does_not_keep_the_mail_from_the_others(
    mails: Mails, certificates: Certificates
) -> None:
    """It is named, so that somebody can correct it."""
    mails.refuse(TEAM[1])
    sent = await channel(await mails.start(certificates.server_context())).send(ONE, Slots())
    assert sent.refused == (TEAM[1],)
    assert mails.kept()[0]["to"] == [TEAM[0], TEAM[2]]


async def test_a_mail_that_all_recipients_refuse_is_told_to_people(
    mails: Mails, certificates: Certificates, fails: Fails
) -> None:
    """Nobody got it."""
    mails.refuse(*TEAM)
    error = await fails(channel(await mails.start(certificates.server_context())))
    assert isinstance(error, Terminal)
    assert "550 5.1.1" in str(error)
    assert mails.kept() == []


async def test_recipients_that_are_refused_for_now_are_tried_again(
    mails: Mails, certificates: Certificates, fails: Fails
) -> None:
    """As greylisting wants it."""
    mails.refuse(*TEAM, answer="451 4.7.1 Greylisted, please try again later")
    error = await fails(channel(await mails.start(certificates.server_context())))
    assert isinstance(error, Transient)
    assert error.status == 451


async def test_one_recipient_that_may_take_it_later_is_worth_another_try(fails: Fails) -> None:
    """Though another one never will."""
    lines = ("250 mail.example", "250 OK", "550 5.1.1 Unknown", "451 4.7.1 Greylisted", "250 OK")
    async with Scripted(HELLO, *lines) as server:
        error = await fails(channel(server.address, to=TEAM[:2], tls="none"))
    assert isinstance(error, Transient)
    assert error.status == 451


async def test_a_connection_that_ends_within_the_mail_is_tried_again(
    mails: Mails, certificates: Certificates, fails: Fails
) -> None:
    """Nobody knows whether the server has it; the next attempt is the same mail."""
    mails.drop_mid_data()
    sender = channel(await mails.start(certificates.server_context()))
    assert isinstance(await fails(sender), Transient)
    await sender.send(ONE, Slots())
    assert len(mails.kept()) == 1


async def test_a_server_without_starttls_hears_nothing_but_hello(fails: Fails) -> None:
    """Somebody on the way may have taken the offer out; nor does it hear this machine's name."""
    async with Scripted(HELLO, "250-mail.example\r\n250 AUTH PLAIN LOGIN", "250 OK") as server:
        sender = channel(server.address, user=USER, password=PASSWORD)
        error = await fails(sender, PASSWORD)
        await server.closed.wait()
    assert isinstance(error, Terminal)
    assert "offers no STARTTLS" in str(error)
    assert server.heard == ["EHLO contoso.example"]


LINES = {
    "busy": ("421 4.3.2 Too busy", Transient, "421 4.3.2 Too busy"),
    "blocked": ("554 5.7.1 You are blocked", Terminal, "554 5.7.1 You are blocked"),
    "nonsense": ("HTTP/1.1 400 Bad Request", Transient, ""),
    "hostile": ("554 \x1b[31m" + "red" * 300, Terminal, "…"),
}


@pytest.mark.parametrize("name", LINES)
async def test_a_greeting_says_whether_to_try_again(fails: Fails, name: str) -> None:
    """In the server's words, cleaned and cut."""
    line, kind, words = LINES[name]
    async with Scripted(line) as server:
        error = await fails(channel(server.address, tls="none"), "\x1b")
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error)) < 300


async def test_a_server_that_repeats_the_password_is_not_quoted(
    fails: Fails, certificates: Certificates
) -> None:
    """Some echo the command that they refuse."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{HELLO}\r\n".encode())
        while line := await reader.readline():
            hello = line.startswith(b"EHLO")
            writer.write(b"250 AUTH PLAIN\r\n" if hello else b"500 What is " + line)
        writer.close()

    context = certificates.server_context()
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    sender = channel(f"127.0.0.1:{port}", tls="tls", user="u", password="p")
    error = await fails(sender, "AHUAcA==")  # "\0u\0p" as AUTH PLAIN puts it
    server.close()
    await server.wait_closed()
    assert isinstance(error, Terminal)


async def test_a_server_that_hangs_is_tried_again(
    fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits longer than the channel's time."""
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.3)
    async with Scripted(HELLO) as server:
        assert isinstance(await fails(channel(server.address)), Transient)
        await server.closed.wait()


async def test_a_server_that_hangs_after_it_has_the_mail_does_not_get_it_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its word counts, whether or not it says goodbye."""
    monkeypatch.setattr(smtp, "_QUIT_S", 0.2)
    lines = ("250 mail.example", "250 OK", "250 OK", "354 Go on", "250 2.0.0 queued as 4711")
    async with Scripted(HELLO, *lines) as server:
        sent = await channel(server.address, to=TEAM[:1], tls="none").send(ONE, Slots())
        await server.closed.wait()
    assert server.heard[-1] == "QUIT"
    assert sent.answer == "250 2.0.0 queued as 4711"


async def test_a_server_that_is_away_is_tried_again(fails: Fails) -> None:
    """Nobody listens."""
    async with Scripted(HELLO) as server:
        sender = channel(server.address)
    assert isinstance(await fails(sender), Transient)
