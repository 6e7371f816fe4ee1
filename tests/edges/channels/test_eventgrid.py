"""An Event Grid topic: the sandbox's, and a scripted server for bad weather."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from guards.edges import http
from guards.edges.channels import eventgrid
from guards.edges.channels.eventgrid import EventGrid
from guards.edges.identity import Identity
from guards.engine.errors import Terminal, Transient
from guards.engine.notify.deliveries import identity as news
from sandbox.certificates import Certificates
from sandbox.eventgrid import Topic
from tests.cli.command import HOSTILE
from tests.edges.channels.conftest import Fails, Slots
from tests.edges.channels.parcels import ONE, alert, parcel
from tests.edges.conftest import SCOPE, Tokens
from tests.edges.loopback import Loopback, Script, answer, reset, silence


class Grid:
    """The sandbox's topic and a channel to it."""

    def __init__(self, topic: Topic, url: str, channel: EventGrid) -> None:
        self.topic = topic
        self.url = url
        self.channel = channel

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was published."""
        return self.topic.kept()


@pytest.fixture
async def grid(
    certificates: Certificates,
    session: aiohttp.ClientSession,
    tokens: Tokens,
) -> AsyncIterator[Grid]:
    """A topic that takes tokens of the sandbox."""
    topic = Topic("key", tokens=tokens.issuer)
    url = await topic.start(certificates.server_context())
    yield Grid(topic, url, EventGrid("siem", url, tokens.identity, http.transport(session)))
    await topic.stop()


def scripted(server: Loopback, session: aiohttp.ClientSession, tokens: Tokens) -> EventGrid:
    """A channel to a scripted server."""
    endpoint = f"{server.url}/api/events"
    return EventGrid("siem", endpoint, tokens.identity, http.transport(session))


async def test_an_alert_is_published_as_a_cloud_event(grid: Grid) -> None:
    """Without limits: machines read it."""
    sent = await grid.channel.send(ONE, Slots())
    assert sent.answer.startswith("200 ")
    assert grid.events == [
        {
            "specversion": "1.0",
            "type": "ExportGuard.Alert",
            "source": "export-guard",
            "id": news(alert()),
            "subject": alert()["resourceId"],
            "time": "2026-03-01T12:00:00.000Z",
            "datacontenttype": "application/json",
            "data": alert(),
        }
    ]
    assert (grid.channel.capacity, grid.channel.limits) == (16, ())
    assert repr(grid.channel) == "EventGrid('siem')"


async def test_doubles_have_one_id_and_another_outcome_has_another(grid: Grid) -> None:
    """Delivery is at least once; how a deferred look ended is news."""
    for outcome in ("deferred", "deferred", "reverted"):
        await grid.channel.send(parcel(alert(outcome=outcome)), Slots())
    first, double, end = (event["id"] for event in grid.events)
    assert first == double != end


async def test_many_alerts_are_many_events_in_one_request(grid: Grid) -> None:
    """The longest that a queue holds fit a topic's megabyte."""
    longest = [alert(alertId=f"{n:064x}", reason="x" * 47_000) for n in range(16)]
    await grid.channel.send(parcel(*longest), Slots())
    assert [event["data"] for event in grid.events] == longest
    assert len(grid.topic.requests) == 1


async def test_why_an_alert_comes_is_an_extension(grid: Grid) -> None:
    """Only if there is something to say."""
    await grid.channel.send(parcel(alert(), note="no route is for it"), Slots())
    assert grid.events[0]["exportguardnote"] == "no route is for it"


NONSENSE: list[dict[str, Any]] = [
    {"resourceId": None, "seenAt": None},
    {"resourceId": 7, "seenAt": 7},
    {"resourceId": "", "seenAt": "yesterday"},
    {"resourceId": ["x"], "seenAt": "0001-01-01T00:00:00+23:59"},
]


@pytest.mark.parametrize("changes", NONSENSE)
async def test_an_alert_of_another_form_is_published_all_the_same(
    grid: Grid, changes: dict[str, Any]
) -> None:
    """What it does not have, or not as an event needs it, is left out."""
    await grid.channel.send(parcel(alert(**changes)), Slots())
    (event,) = grid.events
    assert event["data"] == alert(**changes)
    assert "subject" not in event
    assert "time" not in event


@pytest.mark.parametrize("text", HOSTILE)
async def test_attributes_hold_no_control_characters(grid: Grid, text: str) -> None:
    """The data says what was said."""
    await grid.channel.send(parcel(alert(resourceId=text), note=text), Slots())
    (event,) = grid.events
    assert event["data"]["resourceId"] == text
    assert event["subject"].isprintable()
    assert event["exportguardnote"].isprintable()


async def test_a_topic_that_refuses_the_token_is_told_to_people(
    grid: Grid, tokens: Tokens, fails: Fails
) -> None:
    """With the role that is missing."""
    tokens.revoke()
    await grid.channel.send(ONE, Slots())
    tokens.revoke()
    error = await fails(grid.channel, "Bearer ", "eyJ")
    assert isinstance(error, Terminal)
    assert error.status == 401
    assert "EventGrid Data Sender" in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, Terminal, "Cloud Event Schema"),
        (403, Terminal, "EventGrid Data Sender"),
        (404, Terminal, "correct the channel's endpoint"),
        (409, Terminal, "409"),
        (413, Terminal, "too large"),
        (408, Transient, "408"),
        (429, Transient, "429"),
        (500, Transient, "500"),
        (503, Transient, "503"),
    ],
)
async def test_an_answer_says_whether_to_try_again(
    certificates: Certificates,
    session: aiohttp.ClientSession,
    tokens: Tokens,
    fails: Fails,
    status: int,
    kind: type[Exception],
    words: str,
) -> None:
    """Once: the SDK does not try by itself, since the delivery will."""
    body = {"error": {"code": "TopicCode", "message": "words of anybody"}}
    said = answer(status, body, {"Content-Type": "application/json", "Retry-After": "30"})
    async with Loopback(certificates.server_context(), said) as server:
        error = await fails(scripted(server, session, tokens), "anybody", "eyJ")
    assert type(error) is kind
    assert words in str(error)
    assert error.code == ("" if status == 404 else "TopicCode")  # the SDK keeps that to itself
    assert getattr(error, "retry_after", 30) == 30
    assert len(server.requests) == 1


WEATHER: dict[str, Script] = {
    "reset": reset,
    "silence": silence,
    "no http": b"220 smtp.example ESMTP\r\n",
    "no json": answer(200, "{", {"Content-Type": "application/json"}),
    "no gzip": answer(503, "x", {"Content-Encoding": "gzip"}),
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
    """A lost connection, nonsense, or none in time."""
    await tokens.identity.get_token("https://eventgrid.azure.net/.default")
    monkeypatch.setattr(eventgrid, "TIMEOUT_S", 0.5)
    async with Loopback(certificates.server_context(), WEATHER[name]) as server:
        error = await fails(scripted(server, session, tokens), "eyJ")
    assert isinstance(error, Transient)


async def test_a_redirect_takes_no_token_elsewhere(
    certificates: Certificates, session: aiohttp.ClientSession, tokens: Tokens, fails: Fails
) -> None:
    """Nothing but the configured endpoint is asked."""
    context = certificates.server_context()
    async with Loopback(context, answer(200)) as other:
        async with Loopback(context, answer(307, headers={"Location": other.url})) as server:
            error = await fails(scripted(server, session, tokens), "eyJ")
        assert isinstance(error, Terminal)
        assert "redirects" in str(error)
        assert other.connections == 0


async def test_without_a_token_nothing_is_sent(
    certificates: Certificates, session: aiohttp.ClientSession, tokens: Tokens, fails: Fails
) -> None:
    """An identity endpoint that refuses is not the topic refusing: it is tried again."""
    async with (
        Identity(SCOPE, client_id="00000000-0000-0000-0000-000000000000") as nobody,
        Loopback(certificates.server_context(), answer(200)) as server,
    ):
        channel = EventGrid("siem", server.url, nobody, http.transport(session))
        error = await fails(channel)
        assert isinstance(error, Transient)
        assert error.code == "NoToken"
        assert server.connections == 0
