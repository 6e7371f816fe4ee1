"""A signed webhook: the sandbox's endpoint, and a scripted server for bad weather."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import aiohttp
import pytest

from guards.edges.channels import posting
from guards.edges.channels.webhook import Webhook
from guards.engine.errors import Terminal, Transient
from sandbox import sinks
from sandbox.certificates import Certificates
from tests.cli.command import HOSTILE
from tests.edges.channels.conftest import Fails, Slots
from tests.edges.channels.parcels import NOW, ONE, alert, parcel
from tests.edges.loopback import Loopback, answer, silence

SECRET = "correct horse battery staple ✓"
TOKEN = "dG9rZW4gaW4gYSBwYXRo"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """The time."""
        return self.now


class Hook:
    """The sandbox's endpoint and a channel to it."""

    def __init__(self, sink: sinks.Webhooks, url: str, session: aiohttp.ClientSession) -> None:
        self.sink = sink
        self.secrets = (SECRET, TOKEN, url)
        self.clock = Clock()
        self.channel = Webhook("siem", url, SECRET, session, None, self.clock)


@pytest.fixture
async def hook(certificates: Certificates, session: aiohttp.ClientSession) -> AsyncIterator[Hook]:
    """One of one's own."""
    sink = sinks.Webhooks()
    url = await sink.start(certificates.server_context())
    yield Hook(sink, f"{url}?token={TOKEN}", session)
    await sink.stop()


async def test_an_alert_is_posted_as_json(hook: Hook) -> None:
    """The same as in guard-alerts, one at a time and without limits: machines read it."""
    sent = await hook.channel.send(ONE, Slots())
    assert sent.answer.startswith("200 ")
    (call,) = hook.sink.kept()
    assert json.loads(call["body"]) == alert()
    assert call["headers"]["content-type"] == "application/json"
    assert call["headers"]["x-export-guard-delivery"] == alert()["alertId"]
    assert (hook.channel.capacity, hook.channel.limits) == (1, ())


async def test_the_signature_is_checked_in_five_lines(hook: Hook) -> None:
    """By whoever knows the secret, over the time and the bytes of the body."""
    await hook.channel.send(parcel(alert(reason="Größe ✓")), Slots())
    (call,) = hook.sink.kept()

    parts = dict(
        part.split("=", 1) for part in call["headers"]["x-export-guard-signature"].split(",")
    )
    signed = f"{parts['t']}.".encode() + call["body"].encode()
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(parts["v1"], expected)
    assert int(parts["t"]) == NOW.timestamp()


async def test_each_attempt_is_signed_anew(hook: Hook) -> None:
    """Receivers turn down what is old."""
    await hook.channel.send(ONE, Slots())
    hook.clock.now += timedelta(hours=3)
    await hook.channel.send(ONE, Slots())
    first, second = (call["headers"]["x-export-guard-signature"] for call in hook.sink.kept())
    assert first.startswith(f"t={NOW.timestamp():.0f},")
    assert second.startswith(f"t={hook.clock.now.timestamp():.0f},")
    assert first.partition("v1=")[2] != second.partition("v1=")[2]


@pytest.mark.parametrize("name", [*HOSTILE, 7, None, ["x"]])
async def test_an_id_from_outside_is_no_header_of_its_own(hook: Hook, name: object) -> None:
    """Line ends and control characters stay out of headers; the body says what was said."""
    await hook.channel.send(parcel(alert(alertId=name)), Slots())
    (call,) = hook.sink.kept()
    assert json.loads(call["body"])["alertId"] == name
    delivery = call["headers"]["x-export-guard-delivery"]
    assert delivery.isprintable()
    assert bool(delivery) == isinstance(name, str)


@pytest.mark.parametrize("name", ["siem", "siem-eu"])
def test_without_a_secret_there_is_no_webhook(session: aiohttp.ClientSession, name: str) -> None:
    """The setting is named, and the address is not."""
    setting = f"GUARD_CHANNEL_{name.upper().replace('-', '_')}__secret"
    with pytest.raises(ValueError, match=setting) as caught:
        Webhook(name, f"https://siem.example/{TOKEN}", "", session, None, Clock())
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, Terminal, "does not take the alert"),
        (401, Terminal, "the channel's secret"),
        (403, Terminal, "the channel's secret"),
        (404, Terminal, "correct the channel's address"),
        (410, Terminal, "correct the channel's address"),
        (413, Terminal, "too large"),
        (308, Terminal, "redirects"),
        (408, Transient, "408"),
        (429, Transient, "429"),
        (500, Transient, "500"),
        (503, Transient, "503"),
    ],
)
async def test_an_answer_says_whether_to_try_again(
    hook: Hook, fails: Fails, status: int, kind: type[Exception], words: str
) -> None:
    """Or what people do."""
    hook.sink.answer(status, headers={"Retry-After": "30"})
    error = await fails(hook.channel, *hook.secrets)
    assert type(error) is kind
    assert words in str(error)
    assert getattr(error, "retry_after", 30) == 30
    assert hook.sink.kept() == []


async def test_an_endpoint_that_hangs_is_tried_again(
    certificates: Certificates,
    session: aiohttp.ClientSession,
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits longer than the channel's time."""
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    async with Loopback(certificates.server_context(), silence) as server:
        channel = Webhook("siem", f"{server.url}/{TOKEN}", SECRET, session, None, Clock())
        error = await fails(channel, SECRET, TOKEN, server.url)
    assert isinstance(error, Transient)
    assert len(server.requests) == 1


async def test_a_redirect_takes_no_alert_elsewhere(
    certificates: Certificates, session: aiohttp.ClientSession, fails: Fails
) -> None:
    """Nor the signature."""
    context = certificates.server_context()
    async with Loopback(context, answer(200)) as other:
        async with Loopback(context, answer(307, headers={"Location": other.url})) as server:
            channel = Webhook("siem", server.url, SECRET, session, None, Clock())
            assert isinstance(await fails(channel, SECRET, server.url), Terminal)
        assert other.connections == 0
