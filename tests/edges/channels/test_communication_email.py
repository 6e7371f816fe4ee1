"""Mail through Azure Communication Services: the sandbox's, and a scripted one for bad weather."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from guards.edges import http
from guards.edges.channels import communication_email
from guards.edges.channels.communication_email import CommunicationEmail
from guards.edges.identity import Identity
from guards.engine.errors import Terminal, Transient
from guards.engine.notify.mail import compose
from sandbox.certificates import Certificates
from sandbox.sinks import Communication
from tests.edges.channels.conftest import Fails, Slots
from tests.edges.channels.parcels import ONE, alert, parcel
from tests.edges.conftest import SCOPE, Tokens
from tests.edges.loopback import Loopback, Script, answer, reset, silence

SENDER = "guard@contoso.example"
TEAM = ("ann@contoso.example", "bob@contoso.example")
JSON = {"Content-Type": "application/json"}
TOKEN = "eyJ"
NOBODY = "00000000-0000-0000-0000-000000000000"


class Service:
    """The sandbox's Communication Services, and channels to it."""

    def __init__(
        self, sink: Communication, url: str, tokens: Tokens, session: aiohttp.ClientSession
    ) -> None:
        self.sink = sink
        self._url = url
        self._tokens = tokens
        self._session = session

    def channel(self, name: str = "on-call", sender: str = SENDER) -> CommunicationEmail:
        """A channel; another instance of the app has one of its own."""
        transport = http.transport(self._session)
        return CommunicationEmail(name, self._url, sender, TEAM, self._tokens.identity, transport)

    @property
    def calls(self) -> list[str]:
        """What was asked and answered, as `POST 202`."""
        return [f"{request['method']} {request['status']}" for request in self.sink.requests]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the state more often than in Azure."""
    monkeypatch.setattr(communication_email, "POLL_S", 0.01)


@pytest.fixture
async def service(
    certificates: Certificates, session: aiohttp.ClientSession, tokens: Tokens
) -> AsyncIterator[Service]:
    """One of one's own, which sends a mail when it is first asked how far it is."""
    sink = Communication(tokens.issuer)
    url = await sink.start(certificates.server_context())
    yield Service(sink, url, tokens, session)
    await sink.stop()


def scripted(
    server: Loopback, session: aiohttp.ClientSession, tokens: Tokens
) -> CommunicationEmail:
    """A channel to a scripted server."""
    transport = http.transport(session)
    return CommunicationEmail("on-call", server.url, SENDER, TEAM, tokens.identity, transport)


async def test_a_mail_reaches_all_recipients(service: Service) -> None:
    """With both forms of its text, and an id that mail programs know doubles by."""
    sent = await service.channel().send(ONE, Slots())
    assert sent.answer == "202 accepted, Succeeded"
    (mail,), made = service.sink.kept(), compose(ONE)
    assert (mail["from"], mail["to"]) == (SENDER, list(TEAM))
    assert mail["subject"] == made.subject
    assert (mail["text"], mail["html"]) == (made.text, made.html)
    assert mail["headers"] == {"Message-ID": f"<{made.key}.on-call@contoso.example>"}
    assert mail["attachments"] == []
    assert service.calls == ["POST 202", "GET 200"]
    assert repr(service.channel()) == "CommunicationEmail('on-call')"


async def test_a_digest_lists_every_alert_in_an_attachment(service: Service) -> None:
    """As many as the channel has capacity for."""
    channel = service.channel()
    many = parcel(*(alert(number) for number in range(channel.capacity)))
    await channel.send(many, Slots())
    (mail,), made = service.sink.kept(), compose(many).attachment
    assert made is not None
    (kept,) = mail["attachments"]
    assert kept == {"name": made.name, "type": made.content_type, "text": made.text}
    assert len(channel.limits) == len(TEAM)


async def test_the_same_alerts_are_one_mail(service: Service) -> None:
    """Whichever instance tries again; through another channel, or about other news, another."""
    await service.channel().send(ONE, Slots())
    await service.channel().send(ONE, Slots())
    assert len(service.sink.kept()) == 1
    await service.channel("other").send(ONE, Slots())
    await service.channel().send(parcel(alert(2)), Slots())
    assert len(service.sink.kept()) == 3


async def test_a_lost_answer_makes_no_second_mail(service: Service, fails: Fails) -> None:
    """The service had taken the mail when the connection broke."""
    await service.channel().send(ONE, Slots())
    service.sink.answer(500)
    assert isinstance(await fails(service.channel(), TOKEN), Transient)
    await service.channel().send(ONE, Slots())
    assert len(service.sink.kept()) == 1


async def test_a_request_on_its_way_already_is_waited_for(service: Service) -> None:
    """409 says that another request with the id is being dealt with."""
    await service.channel().send(ONE, Slots())
    service.sink.answer(409, body={"error": {"code": "Conflict", "message": "still in progress"}})
    sent = await service.channel().send(ONE, Slots())
    assert sent.answer == "202 accepted, Succeeded"


async def test_a_sender_that_is_not_set_up_is_told_to_people(
    service: Service, fails: Fails
) -> None:
    """With what to do."""
    error = await fails(service.channel(sender="guard@elsewhere.example"), TOKEN)
    assert isinstance(error, Terminal)
    assert error.code == "DomainNotLinked"
    assert "link the domain" in str(error)
    assert service.sink.kept() == []


async def test_an_operation_that_fails_is_told_to_people(service: Service, fails: Fails) -> None:
    """The service has tried for itself, and says why it gave up."""
    service.sink.fail_operation("EmailDroppedAllRecipientsSuppressed", "words of anybody")
    error = await fails(service.channel(), TOKEN, "anybody")
    assert isinstance(error, Terminal)
    assert error.code == "EmailDroppedAllRecipientsSuppressed"
    assert service.calls == ["POST 202", "GET 200"]


async def test_an_operation_that_fails_for_now_is_begun_anew(service: Service) -> None:
    """Under another id, since nothing more will become of the first."""
    service.sink.fail_operation("InternalServerError", "try again")
    sent = await service.channel().send(ONE, Slots())
    assert sent.answer == "202 accepted, Succeeded"
    assert len(service.sink.kept()) == 1
    await service.channel().send(ONE, Slots())
    assert len(service.sink.kept()) == 1


async def test_a_service_that_fails_again_and_again_is_tried_later(
    service: Service, fails: Fails
) -> None:
    """Not without end within one message; then it gets through, though its first ids are used."""
    for _ in range(25):
        service.sink.fail_operation("ServiceUnavailable", "try again")
    error = await fails(service.channel(), TOKEN)
    assert isinstance(error, Transient)
    assert service.calls == ["POST 202", "GET 200"] * 20


async def test_a_mail_whose_first_ids_are_used_up_gets_through(service: Service) -> None:
    """What failed for a while is sent once the service works, and once only."""
    for _ in range(5):
        service.sink.fail_operation("ServiceUnavailable", "try again")
    for _ in range(3):
        await service.channel().send(ONE, Slots())
    assert len(service.sink.kept()) == 1


async def test_a_token_that_is_refused_is_told_to_people(
    service: Service, tokens: Tokens, fails: Fails
) -> None:
    """With the role that is missing."""
    channel = service.channel()
    await channel.send(ONE, Slots())
    tokens.revoke()
    error = await fails(channel, TOKEN)
    assert isinstance(error, Terminal)
    assert error.status == 401
    assert "Communication and Email Service Owner" in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, Terminal, "the sender is not set up"),
        (403, Terminal, "Communication and Email Service Owner"),
        (404, Terminal, "the sender is not set up"),
        (413, Terminal, "too large"),
        (307, Terminal, "redirects"),
        (408, Transient, "408"),
        (429, Transient, "429"),
        (500, Transient, "500"),
        (503, Transient, "503"),
    ],
)
async def test_an_answer_says_whether_to_try_again(
    service: Service, fails: Fails, status: int, kind: type[Exception], words: str
) -> None:
    """Once: the SDK does not try by itself, since the delivery will."""
    body = {"error": {"code": "Coded", "message": "words of anybody"}}
    headers = {"Retry-After": "30", "Location": "https://elsewhere.example/"}
    service.sink.answer(status, body=body, headers=headers)
    error = await fails(service.channel(), TOKEN, "anybody")
    assert type(error) is kind
    assert words in str(error)
    assert error.code == "Coded"
    assert getattr(error, "retry_after", 30) == 30
    assert service.calls == [f"POST {status}"]


# While a mail is on its way


async def test_the_state_is_asked_for_until_it_is_final(
    certificates: Certificates, session: aiohttp.ClientSession, tokens: Tokens
) -> None:
    """At the configured endpoint, whatever address the answer names: a token goes along."""
    context = certificates.server_context()
    async with Loopback(context) as other, Loopback(context) as server:
        accepted = {**JSON, "Operation-Location": f"{other.url}/emails/operations/1"}
        running = answer(200, {"id": "1", "status": "Running"}, JSON)
        done = answer(200, {"id": "1", "status": "Succeeded"}, JSON)
        trouble = answer(500, "", JSON), answer(200, ["Failed"], JSON), answer(404, {}, JSON)
        server.script(
            answer(202, {"id": "1", "status": "Running"}, accepted), running, *trouble, done
        )
        sent = await scripted(server, session, tokens).send(ONE, Slots())
        assert sent.answer == "202 accepted, Succeeded"
        assert other.connections == 0
    asked = [request.split(" HTTP")[0] for request in server.requests]
    begun = next(
        line for line in server.requests[0].split("\r\n") if "operation-id" in line.lower()
    )
    operation = begun.partition(": ")[2]
    assert asked[0] == "POST /emails:send?api-version=2025-09-01"
    assert asked[1:] == [f"GET /emails/operations/{operation}?api-version=2025-09-01"] * 5


STUCK: dict[str, Script] = {
    "running": answer(200, {"id": "1", "status": "Running"}, JSON),
    "asks for patience": answer(200, {"status": "Running"}, {**JSON, "Retry-After": "100"}),
    "no json": answer(200, "<html>", JSON),
    "odd patience": answer(200, {"status": "Running"}, {**JSON, "Retry-After": "soon"}),
    "reset": reset,
    "silence": silence,
}


@pytest.mark.parametrize("name", STUCK)
async def test_a_mail_that_was_accepted_counts_as_sent(
    name: str,
    certificates: Certificates,
    session: aiohttp.ClientSession,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever can be learned of it within the channel's time."""
    monkeypatch.setattr(communication_email, "WATCH_S", 2)
    async with Loopback(certificates.server_context()) as server:
        server.script(answer(202, {"id": "1", "status": "Running"}, JSON), STUCK[name])
        sent = await scripted(server, session, tokens).send(ONE, Slots())
        if name == "asks for patience":
            assert len(server.requests) == 2
    assert sent.answer.startswith("202 accepted, ")


WEATHER: dict[str, Script] = {
    "reset": reset,
    "silence": silence,
    "no http": b"220 smtp.example ESMTP\r\n",
}


@pytest.mark.parametrize("name", WEATHER)
async def test_an_answer_that_is_none_is_tried_again(
    name: str,
    certificates: Certificates,
    session: aiohttp.ClientSession,
    tokens: Tokens,
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection, nonsense, or none in time: the next attempt is the same mail."""
    await tokens.identity.get_token("https://communication.azure.com//.default")
    monkeypatch.setattr(communication_email, "TIMEOUT_S", 0.5)
    async with Loopback(certificates.server_context(), WEATHER[name]) as server:
        error = await fails(scripted(server, session, tokens), TOKEN)
    assert isinstance(error, Transient)
    assert len(server.requests) == 1


async def test_without_a_token_nothing_is_sent(
    certificates: Certificates, session: aiohttp.ClientSession, fails: Fails, tokens: Tokens
) -> None:
    """An identity endpoint that refuses is not the service refusing: it is tried again."""
    async with (
        Identity(SCOPE, client_id=NOBODY) as nobody,
        Loopback(certificates.server_context(), answer(202)) as server,
    ):
        transport = http.transport(session)
        channel = CommunicationEmail("on-call", server.url, SENDER, TEAM, nobody, transport)
        error = await fails(channel)
        assert isinstance(error, Transient)
        assert error.code == "NoToken"
        assert server.connections == 0


async def test_a_second_attempt_takes_no_longer_than_the_first_leaves(
    certificates: Certificates,
    session: aiohttp.ClientSession,
    tokens: Tokens,
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sender's time is for both."""
    monkeypatch.setattr(communication_email, "WATCH_S", 2)
    monkeypatch.setattr(communication_email, "TIMEOUT_S", 600)
    state = {"status": "Failed", "error": {"code": "Timeout"}}
    async with Loopback(certificates.server_context()) as server:
        server.script(answer(202, {}, JSON), answer(200, state, JSON), silence)
        channel = scripted(server, session, tokens)
        error = await fails(channel)
    assert isinstance(error, Transient)
    assert error.code == "TimeoutError"  # the channel's own, and not that of the connection
    assert len(server.requests) == 3


async def test_messages_at_the_same_time_do_not_disturb_each_other(service: Service) -> None:
    """One client serves them all."""
    channel = service.channel()
    many: list[Any] = [parcel(alert(number)) for number in range(8)]
    await asyncio.gather(*(channel.send(one, Slots()) for one in many))
    subjects = {json.dumps(mail["subject"]) for mail in service.sink.kept()}
    assert len(subjects) == 8
