"""The Teams workflow, and the trouble on order that all web sinks have in common."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.certificates import Certificates
from sandbox.sinks import KEPT, Teams
from sandbox.sinks.kept import KEPT_BYTES, Kept
from tests.sandbox.clients import post
from tests.sandbox.host_fixtures import eventually

CARD_TYPE = "application/vnd.microsoft.card.adaptive"


def message(text: str = "hello", **changes: Any) -> dict[str, Any]:
    """A post as a workflow takes it."""
    content = {
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": [{"type": "TextBlock", "text": text}],
    }
    attachment = {"contentType": CARD_TYPE, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment], **changes}


def sized(size: int) -> bytes:
    """A post of so many bytes."""
    return json.dumps(message("x" * (size - len(json.dumps(message("")))))).encode()


@pytest.fixture
async def teams(certificates: Certificates) -> AsyncIterator[tuple[Teams, str]]:
    """A workflow and its address."""
    sink = Teams()
    yield sink, await sink.start(certificates.server_context())
    await sink.stop()


@pytest.mark.parametrize(
    ("change", "headers", "body", "status"),
    [
        ("", {}, json.dumps(message()).encode(), 202),
        ("", {"Authorization": "Bearer x"}, json.dumps(message()).encode(), 401),
        ("&sig=", {}, json.dumps(message()).encode(), 202),
        ("wrong", {}, json.dumps(message()).encode(), 401),
        ("", {}, b"no json", 400),
        ("", {}, b"\xff", 400),
        ("", {}, sized(28 * 1024), 202),
        ("", {}, sized(28 * 1024 + 1), 413),
        ("", {}, sized(2**20 + 1), 413),
    ],
    ids=[
        "taken",
        "authorization",
        "sig twice",
        "wrong sig",
        "no json",
        "no text",
        "just small enough",
        "too large",
        "far too large",
    ],
)
async def test_a_workflow_takes_what_teams_takes(
    teams: tuple[Teams, str],
    certificates: Certificates,
    change: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
) -> None:
    """202 for a message of a moderate size from anyone with the address, without Authorization."""
    sink, url = teams
    answer = await post(certificates, url + change, data=body, headers=headers)
    assert answer.status == status
    assert len(sink.kept()) == (1 if status == 202 else 0)


CARD = message()["attachments"][0]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"text": "hello"},
        message(type="Message"),
        message(attachments=None),
        message(attachments=[]),
        message(attachments={"0": CARD}),
        message(attachments=["card"]),
        message(attachments=[CARD, {**CARD, "contentType": "application/json"}]),
        message(attachments=[{**CARD, "content": json.dumps(CARD["content"])}]),
        message(attachments=[{**CARD, "content": {"type": "MessageCard"}}]),
    ],
    ids=str,
)
async def test_a_workflow_refuses_what_is_no_message_with_cards(
    teams: tuple[Teams, str], certificates: Certificates, body: Any
) -> None:
    """Teams would not show it; 400 in Azure's form."""
    sink, url = teams
    answer = await post(certificates, url, json=body)
    assert answer.status == 400
    assert json.loads(answer.text)["error"]["code"] == "InvalidRequestContent"
    assert sink.kept() == []


async def test_a_workflow_keeps_its_messages_in_order(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """As they were posted."""
    sink, url = teams
    for text in ("one", "two", "three"):
        await post(certificates, url, json=message(text))
    assert sink.kept() == [message("one"), message("two"), message("three")]


def test_the_oldest_things_are_forgotten() -> None:
    """A long run does not grow, neither by number nor by size."""
    many: Kept[int] = Kept()
    for number in range(KEPT + 2):
        many.add(number, 1)
    assert (many.all()[0], len(many.all())) == (2, KEPT)
    large: Kept[str] = Kept()
    for name in ("first", "second", "third"):
        large.add(name, KEPT_BYTES // 2)
    assert large.all() == ["second", "third"]


async def test_ordered_answers_come_once_each_and_in_order(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """With their headers and bodies; nothing is kept of those posts, and then all is as before."""
    sink, url = teams
    sink.answer(429, times=2, headers={"Retry-After": "7"}, body={"error": {"code": "Busy"}})
    sink.answer(502, body="bad gateway")
    sink.answer(500)
    answers = [await post(certificates, url, json=message(str(n))) for n in range(5)]
    assert [answer.status for answer in answers] == [429, 429, 502, 500, 202]
    assert answers[0].headers["Retry-After"] == "7"
    assert json.loads(answers[1].text) == {"error": {"code": "Busy"}}
    assert (answers[2].text, answers[3].text) == ("bad gateway", "")
    assert sink.kept() == [message("4")]


async def test_an_ordered_delay_comes_before_the_usual_answer(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """Status None is no trouble but the time."""
    sink, url = teams
    sink.answer(None, delay_s=0.2)
    began = time.monotonic()
    assert (await post(certificates, url, json=message())).status == 202
    assert time.monotonic() - began >= 0.2
    assert len(sink.kept()) == 1


async def test_a_client_that_does_not_wait_may_have_posted_all_the_same(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """As with the real one: no answer in time does not mean that nothing was shown."""
    sink, url = teams
    sink.answer(None, delay_s=0.5)
    client = asyncio.create_task(post(certificates, url, json=message()))
    await eventually(lambda: sink.requests and sink.requests[0]["size"])
    client.cancel()
    assert sink.requests[0]["status"] == 0
    await eventually(lambda: sink.kept() == [message()])
    assert sink.requests[0]["status"] == 202
    assert client.cancelled()


async def test_every_post_is_recorded_without_secrets(
    teams: tuple[Teams, str], certificates: Certificates
) -> None:
    """Refused ones, too: when, what came of it, how large, and of headers what is no secret."""
    sink, url = teams
    sink.answer(503)
    body = json.dumps(message()).encode()
    for headers in ({"Content-Type": "application/json"}, {"Authorization": "Bearer hush"}):
        await post(certificates, url, data=body, headers=headers)
    await post(certificates, url, data=b"x" * (2**20 + 1))
    await post(certificates, f"{url.partition('/workflows')[0]}/elsewhere", data=b"")
    first, second, third, fourth = sink.requests
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["at"])
    assert [r["status"] for r in sink.requests] == [503, 401, 413, 404]
    assert (first["size"], third["size"], fourth["size"]) == (len(body), 0, 0)
    assert first["headers"] == {"content-type": "application/json", "authorization": False}
    assert second["headers"]["authorization"] is True
    assert "hush" not in repr(sink.requests)
    assert "sig" not in repr(sink.requests)
