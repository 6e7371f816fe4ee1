"""The Event Grid topic: publishing with the real client, delivering, retrying, burying."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient

from sandbox import eventgrid
from sandbox.certificates import Certificates
from sandbox.eventgrid import AZURE_SCHEDULE, HandshakeError, Topic, schedule_from
from sandbox.identity import Tokens
from sandbox.server import Server
from tests.sandbox.host_fixtures import cloud_event, eventually, grid_event


class Endpoint:
    """A webhook that answers as it is told and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any, str]] = []
        self.statuses: list[int] = []
        self.delay = 0.0
        self.proves = True
        app = web.Application()
        app.router.add_route("*", "/hook", self._answer)
        self.server = Server(app)

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "eventgrid.azure.net"})
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"] if self.proves else "wrong"
            return web.json_response({"validationResponse": code})
        count = request.headers["aeg-delivery-count"]
        self.got.append((request.content_type, body, count))
        await asyncio.sleep(self.delay)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 202)


@pytest.fixture
def certificates() -> Any:
    """A throw-away authority."""
    made = Certificates()
    yield made
    made.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    """A webhook and its address."""
    hook = Endpoint()
    yield hook, f"{await hook.server.start()}/hook?code=secret"
    await hook.server.stop()


@pytest.fixture
async def topic(certificates: Certificates) -> AsyncIterator[tuple[Topic, str]]:
    """A topic that retries quickly, and its address."""
    made = Topic("topic-key", schedule=(0.01, 0.02), tokens=Tokens())
    yield made, await made.start(certificates.server_context())
    await made.stop()


Published = Callable[[], Any]


@pytest.mark.parametrize(
    ("event", "kind", "check"),
    [
        (
            EventGridEvent("/s", "Test", {"a": 1}, "1"),
            "application/json",
            lambda body: body[0]["data"] == {"a": 1} and body[0]["metadataVersion"] == "1",
        ),
        (
            CloudEvent("/source", "Test", data={"a": 1}),
            "application/cloudevents+json",
            lambda body: body["data"] == {"a": 1} and body["specversion"] == "1.0",
        ),
    ],
    ids=["eventgrid", "cloudevents"],
)
async def test_what_the_real_client_publishes_is_delivered(
    topic: tuple[Topic, str],
    endpoint: tuple[Endpoint, str],
    certificates: Certificates,
    event: EventGridEvent | CloudEvent[Any],
    kind: str,
    check: Callable[[Any], bool],
) -> None:
    """Both schemas, over https, with the topic's key."""
    hook, address = endpoint
    await topic[0].subscribe(address)
    async with EventGridPublisherClient(
        topic[1],
        AzureKeyCredential("topic-key"),
        connection_verify=str(certificates.ca),
    ) as client:
        await client.send(event)
    await eventually(lambda: hook.got)
    ((content_type, body, delivery_count),) = hook.got
    assert (content_type, delivery_count) == (kind, "0")
    assert check(body)


async def test_a_wrong_key_publishes_nothing(
    topic: tuple[Topic, str], certificates: Certificates
) -> None:
    """The client sees the error that Azure would give it."""
    async with EventGridPublisherClient(
        topic[1], AzureKeyCredential("wrong"), connection_verify=str(certificates.ca)
    ) as client:
        with pytest.raises(ClientAuthenticationError):
            await client.send(EventGridEvent("/s", "Test", {}, "1"))


@pytest.mark.parametrize(
    ("resource", "status"), [("https://eventgrid.azure.net", 200), ("https://other", 401)]
)
async def test_a_token_for_event_grid_opens_the_topic(
    certificates: Certificates, resource: str, status: int
) -> None:
    """A managed identity may publish instead of a key."""
    tokens = Tokens()
    topic = Topic("topic-key", tokens=tokens)
    url = await topic.start(certificates.server_context())
    headers = {"Authorization": f"Bearer {tokens.issue(resource)[0]}"}
    async with (
        ClientSession() as session,
        session.post(
            url, json=[grid_event()], headers=headers, ssl=certificates.client_context()
        ) as answer,
    ):
        assert answer.status == status
    await topic.stop()


@pytest.mark.parametrize(
    "body", [b"{", b'[{"id": "1"}]', b'["text"]', b'{"specversion": "1.0", "id": "1"}']
)
async def test_an_incomplete_event_is_refused(
    topic: tuple[Topic, str], certificates: Certificates, body: bytes
) -> None:
    """What Azure would not take is not taken here."""
    async with (
        ClientSession() as session,
        session.post(
            topic[1],
            data=body,
            headers={"aeg-sas-key": "topic-key"},
            ssl=certificates.client_context(),
        ) as answer,
    ):
        assert answer.status == 400


async def test_a_failed_delivery_is_tried_again(
    topic: tuple[Topic, str], endpoint: tuple[Endpoint, str]
) -> None:
    """Until the endpoint takes it; each attempt is on record."""
    hook, address = endpoint
    hook.statuses = [500, 429, 404]
    await topic[0].subscribe(address)
    topic[0].raise_event(grid_event("e"))
    await eventually(lambda: topic[0].pending == 0)
    assert [count for _, _, count in hook.got] == ["0", "1", "2", "3"]
    record = [(d.event_id, d.attempt, d.status) for d in topic[0].deliveries]
    assert record == [("e", 1, 500), ("e", 2, 429), ("e", 3, 404), ("e", 4, 202)]
    assert topic[0].dead_letters() == []


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_some_refusals_are_final(
    topic: tuple[Topic, str], endpoint: tuple[Endpoint, str], status: int
) -> None:
    """The event is a dead letter at once; the endpoint's key is not in it."""
    hook, address = endpoint
    hook.statuses = [status]
    await topic[0].subscribe(address)
    event = cloud_event("e")
    topic[0].raise_event(event)
    await eventually(lambda: topic[0].pending == 0)
    (letter,) = topic[0].dead_letters()
    assert (letter["event"], letter["attempts"], letter["status"]) == (event, 1, status)
    assert letter["reason"] == "NotRetried"
    assert "secret" not in letter["endpoint"]


async def test_attempts_end_and_the_event_is_a_dead_letter(
    topic: tuple[Topic, str], endpoint: tuple[Endpoint, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that never answers well costs a bounded number of attempts."""
    monkeypatch.setattr(eventgrid, "MOST_ATTEMPTS", 3)
    hook, address = endpoint
    await topic[0].subscribe(address)
    await hook.server.stop()
    topic[0].raise_event(grid_event("e"))
    await eventually(lambda: topic[0].pending == 0)
    (letter,) = topic[0].dead_letters()
    assert (letter["attempts"], letter["status"]) == (3, 0)


async def test_what_waits_is_bounded(
    topic: tuple[Topic, str], endpoint: tuple[Endpoint, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events beyond the bound are dead letters, not memory."""
    monkeypatch.setattr(eventgrid, "MOST_WAITING", 2)
    hook, address = endpoint
    hook.delay = 0.1
    await topic[0].subscribe(address)
    for number in range(5):
        topic[0].raise_event(grid_event(str(number)))
    await eventually(lambda: topic[0].pending == 0)
    assert (len(hook.got), len(topic[0].dead_letters())) == (2, 3)


async def test_an_endpoint_has_to_prove_itself(
    topic: tuple[Topic, str], endpoint: tuple[Endpoint, str]
) -> None:
    """Nobody is sent events that did not ask for them."""
    hook, address = endpoint
    hook.proves = False
    with pytest.raises(HandshakeError):
        await topic[0].subscribe(address)
    topic[0].raise_event(grid_event())
    assert topic[0].pending == 0


def test_the_schedule_is_azures_unless_a_test_sets_a_faster_one() -> None:
    """SANDBOX_RETRY_SCHEDULE is a list of seconds."""
    assert schedule_from({}) == AZURE_SCHEDULE
    assert schedule_from({"SANDBOX_RETRY_SCHEDULE": "0.5, 1,2"}) == (0.5, 1.0, 2.0)


def test_the_authority_is_trusted_by_those_who_know_it(certificates: Certificates) -> None:
    """The context of clients holds exactly one authority."""
    context = certificates.client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
