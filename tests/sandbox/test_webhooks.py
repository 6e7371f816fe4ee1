"""The https endpoint that keeps what is posted."""

from collections.abc import AsyncIterator

import pytest

from sandbox.certificates import Certificates
from sandbox.sinks import Webhooks
from tests.sandbox.clients import post


@pytest.fixture
async def webhooks(certificates: Certificates) -> AsyncIterator[tuple[Webhooks, str]]:
    """An endpoint and its address."""
    sink = Webhooks()
    yield sink, await sink.start(certificates.server_context())
    await sink.stop()


async def test_a_post_is_kept_so_that_its_signature_can_be_checked(
    webhooks: tuple[Webhooks, str], certificates: Certificates
) -> None:
    """Headers by lower-case name and the body to the byte, whatever it is."""
    sink, url = webhooks
    text = '{"b": "Größe ✓",  "a": 1}\n'
    headers = {"X-Signature": "sha256=abc", "Content-Type": "application/json"}
    assert (await post(certificates, url, data=text.encode(), headers=headers)).status == 200
    (kept,) = sink.kept()
    assert kept["body"] == text
    assert kept["headers"]["x-signature"] == "sha256=abc"
    assert kept["headers"]["content-type"] == "application/json"


async def test_a_webhook_has_trouble_on_order(
    webhooks: tuple[Webhooks, str], certificates: Certificates
) -> None:
    """410 is an endpoint that was given up; nothing is kept of it."""
    sink, url = webhooks
    sink.answer(410)
    assert (await post(certificates, url, data=b"lost")).status == 410
    assert (await post(certificates, url, data=b"there")).status == 200
    assert [call["body"] for call in sink.kept()] == ["there"]
    assert [record["status"] for record in sink.requests] == [410, 200]


async def test_a_webhook_takes_posts_only(
    webhooks: tuple[Webhooks, str], certificates: Certificates
) -> None:
    """And an order for posts waits for one."""
    sink, url = webhooks
    sink.answer(503)
    assert (await post(certificates, url, method="GET")).status == 405
    assert (await post(certificates, url, data=b"x")).status == 503
    assert sink.kept() == []
