"""A Teams workflow: the sandbox's, and a scripted server for bad weather."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest

from guards.edges.channels import posting
from guards.edges.channels.teams import Teams
from guards.engine.errors import Terminal, Transient
from guards.engine.notify import card
from sandbox import sinks
from sandbox.certificates import Certificates
from tests.edges.channels.conftest import Fails, Slots
from tests.edges.channels.parcels import ONE, alert, parcel
from tests.edges.loopback import Loopback, Script, answer, reset, silence

SIGNATURE = "Zm9yIG5vYm9keXMgZXllcw"
PATH = f"/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-06-01&sig={SIGNATURE}"


class Workflow:
    """The sandbox's workflow and a channel to it."""

    def __init__(self, sink: sinks.Teams, url: str, session: aiohttp.ClientSession) -> None:
        self.sink = sink
        self.secrets = (url, url.partition("sig=")[2])
        self.channel = Teams("secops", url, session)

    @property
    def statuses(self) -> list[int]:
        """What was answered so far."""
        return [request["status"] for request in self.sink.requests]


@pytest.fixture
async def workflow(
    certificates: Certificates, session: aiohttp.ClientSession
) -> AsyncIterator[Workflow]:
    """One of one's own."""
    sink = sinks.Teams()
    yield Workflow(sink, await sink.start(certificates.server_context()), session)
    await sink.stop()


def scripted(server: Loopback, session: aiohttp.ClientSession) -> Teams:
    """A channel to a scripted server."""
    return Teams("secops", server.url + PATH, session)


async def test_a_card_is_posted_without_an_authorization_header(workflow: Workflow) -> None:
    """As the renderer made it; Teams refuses requests that authenticate themselves."""
    sent = await workflow.channel.send(ONE, Slots())
    assert sent.answer.startswith("202 ")
    assert workflow.sink.kept() == [card.message(ONE)]
    (request,) = workflow.sink.requests
    assert request["headers"] == {"content-type": "application/json", "authorization": False}


async def test_the_largest_digest_is_taken(workflow: Workflow) -> None:
    """As many alerts as the channel has capacity for, their ids included, fit Teams' 28 KB."""
    many = [alert(number) for number in range(workflow.channel.capacity)]
    await workflow.channel.send(parcel(*many), Slots())
    (request,) = workflow.sink.requests
    assert request["size"] < 28_000
    posted = json.dumps(workflow.sink.kept())
    assert all(one["alertId"] in posted for one in many)


def test_a_workflow_has_one_limit_whatever_channels_lead_to_it(
    session: aiohttp.ClientSession,
) -> None:
    """It is known by a digest of its address, which is no secret."""
    one, same, other = (
        Teams(name, f"https://workflow.example{path}", session)
        for name, path in (("one", PATH), ("two", PATH), ("three", PATH + "x"))
    )
    assert one.limits == same.limits != other.limits
    (limit,) = one.limits
    assert (limit.count, limit.window_s) == (20, 310)
    assert SIGNATURE not in limit.key
    assert len(limit.key) == len("teams ") + 32


def test_a_repr_shows_name_and_kind_only(session: aiohttp.ClientSession) -> None:
    """Whoever logs a channel logs no secret."""
    assert repr(Teams("secops", f"https://workflow.example{PATH}", session)) == "Teams('secops')"


WAITS = [("120", 120), ("0", 1), ("86400", 3600), ("soon", None)]


@pytest.mark.parametrize(("header", "seconds"), WAITS)
async def test_a_throttled_post_waits_as_long_as_teams_says(
    workflow: Workflow, fails: Fails, header: str, seconds: float | None
) -> None:
    """Between a second and an hour; what is no time counts as not said."""
    workflow.sink.answer(429, headers={"Retry-After": header})
    error = await fails(workflow.channel, *workflow.secrets)
    assert isinstance(error, Transient)
    assert (error.status, error.retry_after) == (429, seconds)


async def test_a_throttled_post_waits_until_a_date(workflow: Workflow, fails: Fails) -> None:
    """The other form of the header."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    workflow.sink.answer(429, headers={"Retry-After": date})
    error = await fails(workflow.channel, *workflow.secrets)
    assert isinstance(error, Transient)
    assert error.retry_after is not None
    assert 1 < error.retry_after <= 600


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_trouble_of_the_server_is_tried_again(
    workflow: Workflow, fails: Fails, status: int
) -> None:
    """Later, by the sender; the channel itself posts once."""
    workflow.sink.answer(status)
    error = await fails(workflow.channel, *workflow.secrets)
    assert isinstance(error, Transient)
    assert error.status == status
    assert workflow.statuses == [status]


@pytest.mark.parametrize("status", [400, 413])
async def test_a_card_that_is_refused_is_posted_in_plain_words(
    workflow: Workflow, status: int
) -> None:
    """Once, and only with a further slot."""
    workflow.sink.answer(status)
    slots = Slots(free=1)
    sent = await workflow.channel.send(ONE, slots)
    assert sent.answer.startswith("202 ")
    assert workflow.sink.kept() == [card.plain(ONE)]
    assert slots.asked == 1


@pytest.mark.parametrize("status", [400, 413])
async def test_a_plain_message_that_is_refused_as_well_is_given_up(
    workflow: Workflow, fails: Fails, status: int
) -> None:
    """After two posts."""
    workflow.sink.answer(status, times=2)
    error = await fails(workflow.channel, *workflow.secrets, slots=Slots(free=9))
    assert isinstance(error, Terminal)
    assert "plain form" in str(error)
    assert workflow.statuses == [status, status]


async def test_a_refused_card_without_a_slot_left_waits(workflow: Workflow, fails: Fails) -> None:
    """The plain one would be one post too many."""
    workflow.sink.answer(400)
    error = await fails(workflow.channel, *workflow.secrets, slots=Slots(free=0))
    assert isinstance(error, Transient)
    assert workflow.statuses == [400]


async def test_a_plain_message_that_is_throttled_waits(workflow: Workflow, fails: Fails) -> None:
    """The second post is judged like the first."""
    workflow.sink.answer(400)
    workflow.sink.answer(429, headers={"Retry-After": "7"})
    error = await fails(workflow.channel, *workflow.secrets, slots=Slots(free=1))
    assert isinstance(error, Transient)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (404, "deleted or turned off"),
        (410, "deleted or turned off"),
        (401, "copy the workflow's URL"),
        (403, "copy the workflow's URL"),
        (405, "answered 405"),
    ],
)
async def test_a_workflow_that_does_not_take_posts_is_told_to_people(
    workflow: Workflow, fails: Fails, status: int, advice: str
) -> None:
    """With what to do; trying again would not help."""
    workflow.sink.answer(status, body={"error": {"code": "WorkflowNotFound", "message": "x"}})
    error = await fails(workflow.channel, *workflow.secrets)
    assert isinstance(error, Terminal)
    assert advice in str(error)
    assert error.code == "WorkflowNotFound"


async def test_a_redirect_is_not_followed(
    certificates: Certificates, session: aiohttp.ClientSession, fails: Fails
) -> None:
    """An alert goes to nobody but who is configured."""
    context = certificates.server_context()
    async with Loopback(context, answer(202)) as other:
        to = {"Location": f"{other.url}/elsewhere?sig={SIGNATURE}"}
        async with Loopback(context, answer(307, headers=to)) as server:
            error = await fails(scripted(server, session), SIGNATURE, server.url)
        assert isinstance(error, Terminal)
        assert "redirects" in str(error)
        assert other.connections == 0


WEATHER: dict[str, Script] = {
    "reset": reset,
    "no http": b"220 smtp.example ESMTP\r\n",
    "bad header": b"HTTP/1.1 202 OK\r\n\x00: x\r\n\r\n",
}


@pytest.mark.parametrize("name", WEATHER)
async def test_an_answer_that_is_none_is_tried_again(
    name: str, certificates: Certificates, session: aiohttp.ClientSession, fails: Fails
) -> None:
    """A lost connection or nonsense; the exception behind it names the address and stays in."""
    async with Loopback(certificates.server_context(), WEATHER[name]) as server:
        error = await fails(scripted(server, session), SIGNATURE, server.url)
    assert isinstance(error, Transient)


async def test_a_server_that_hangs_is_tried_again(
    certificates: Certificates,
    session: aiohttp.ClientSession,
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits longer than the channel's time."""
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    async with Loopback(certificates.server_context(), silence) as server:
        error = await fails(scripted(server, session), SIGNATURE, server.url)
    assert isinstance(error, Transient)
    assert len(server.requests) == 1


async def test_a_server_that_is_away_is_tried_again(
    certificates: Certificates, session: aiohttp.ClientSession, fails: Fails
) -> None:
    """Nobody listens."""
    async with Loopback(certificates.server_context()) as server:
        channel = scripted(server, session)
    error = await fails(channel, SIGNATURE, server.url)
    assert isinstance(error, Transient)


async def test_a_certificate_nobody_vouches_for_gets_no_alert(
    session: aiohttp.ClientSession, fails: Fails
) -> None:
    """And people hear what to do."""
    strange = Certificates()
    async with Loopback(strange.server_context(), answer(202)) as server:
        error = await fails(scripted(server, session), SIGNATURE, server.url)
    strange.close()
    assert isinstance(error, Terminal)
    assert "not trusted" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("url", ["https://", f"https://[half/{PATH}", "nowhere"])
async def test_an_address_that_is_no_url_is_told_without_it(
    session: aiohttp.ClientSession, fails: Fails, url: str
) -> None:
    """It may hold the secret all the same."""
    error = await fails(Teams("secops", url, session), SIGNATURE)
    assert isinstance(error, Terminal)
    assert "no URL" in str(error)


async def test_of_an_error_only_its_code_is_told(workflow: Workflow, fails: Fails) -> None:
    """Cleaned and cut: the words may be anybody's, and repeat what they were sent."""
    code = "\x1b[31m" + "Red" * 100
    body = {"error": {"code": code, "message": f"no workflow at {workflow.secrets[0]}"}}
    workflow.sink.answer(404, body=body)
    error = await fails(workflow.channel, *workflow.secrets, "\x1b")
    assert len(error.code) == 64
    assert "RedRed" in error.code


async def test_a_status_counts_even_if_its_body_breaks_off(
    certificates: Certificates, session: aiohttp.ClientSession, fails: Fails
) -> None:
    """A workflow that is gone is gone."""

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Gone\r\nContent-Length: 100\r\n\r\n{")

    async with Loopback(certificates.server_context(), cut) as server:
        error = await fails(scripted(server, session), SIGNATURE, server.url)
    assert isinstance(error, Terminal)
    assert error.status == 404


async def test_the_way_leads_through_the_proxy(
    session: aiohttp.ClientSession, fails: Fails
) -> None:
    """Which sees the host, and not the address."""
    async with Loopback(None, answer(403)) as proxy:
        channel = Teams("secops", f"https://workflow.example{PATH}", session, proxy.url)
        error = await fails(channel, SIGNATURE)
    assert isinstance(error, Transient)
    (request,) = proxy.requests
    assert request.startswith("CONNECT workflow.example:443 ")
    assert SIGNATURE not in request
