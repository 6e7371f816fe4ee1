"""From an opened disk to what people and machines are told, with the managed identity only."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from sandbox.outside import Outside, until
from sandbox.up import Sandbox
from tests.e2e.conftest import FAST
from tests.e2e.names import DISK, OPEN, PREMIUM, fresh
from tests.engine.notify.office import alert

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "a shared secret"
LATE = 40

LOG: list[str] = []
"""What the app of this module logs."""


def settings(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """A channel of each kind, all of them to the sandbox."""
    return {
        **FAST,
        "GUARD_MODE": "enforce",
        "GUARD_CHANNEL_SIEM__webhook": endpoints["webhook"],
        "GUARD_CHANNEL_SIEM__secret": SECRET,
        "GUARD_CHANNEL_TOPIC__eventgrid": endpoints["alertsTopic"],
        "GUARD_CHANNEL_DESK__email": endpoints["email"],
        "GUARD_CHANNEL_DESK__from": "export-guard@contoso.example",
        "GUARD_CHANNEL_DESK__to": "desk@contoso.example",
        "GUARD_CHANNEL_HALF_DONE__smtp": "smtp://127.0.0.1:1",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox whose guard notifies through everything it can."""
    async with Sandbox(env=settings, notify=True, storage_identity=True, say=LOG.append) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def outside(box: Sandbox) -> AsyncIterator[Outside]:
    """Everybody but the guard."""
    async with Outside(box.endpoints) as people:
        yield people


async def card_about(outside: Outside, text: str, within_s: float = LATE) -> str:
    """Wait for a card with a text in it; returns it as JSON."""

    async def found() -> str | None:
        cards = [json.dumps(card, ensure_ascii=False) for card in await outside.teams()]
        return next((card for card in cards if text in card), None)

    return await until(found, f"a card with {text}", within_s)


async def test_an_opened_disk_is_told_through_every_channel(box: Sandbox, outside: Outside) -> None:
    """Teams, both kinds of mail, the topic and the webhook, each once."""
    name = fresh("told")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    assert "were reverted" in await card_about(outside, name)

    async def kept() -> list[Any] | None:
        all_of_it = [
            [mail for mail in await outside.mails() if name in mail["subject"]],
            [mail for mail in box.sinks.email.kept() if name in mail["subject"]],
            [post for post in box.sinks.webhooks.kept() if name in post["body"]],
            [event for event in box.alerts_topic.kept() if name in json.dumps(event)],
        ]
        return all_of_it if all(all_of_it) else None

    found = await until(kept, "every channel", LATE)
    assert [len(one) for one in found] == [1, 1, 1, 1]
    (mail,), (email,), (post,), (event,) = found
    assert mail["to"] == ["oncall@contoso.example", "security@contoso.example"]
    assert email["to"] == ["desk@contoso.example"]
    assert event["type"] == "ExportGuard.Alert"
    assert event["data"]["outcome"] == "reverted"
    told = json.loads(post["body"])
    assert told["alertId"] == event["data"]["alertId"]
    assert told["alertId"] in mail["headers"]["Message-ID"]

    time, _, signature = post["headers"]["x-export-guard-signature"].partition(",v1=")
    signed = f"{time.removeprefix('t=')}.{post['body']}".encode()
    assert signature == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


async def test_a_channel_without_a_sender_is_told_to_the_others(outside: Outside) -> None:
    """What is not configured is said, and to whom it can be."""
    await outside.post_alert(alert())
    assert "GUARD\\\\_CHANNEL\\\\_HALF\\\\_DONE" in await card_about(outside, "half-done")


async def test_an_alert_in_the_queue_twice_is_one_card(box: Sandbox, outside: Outside) -> None:
    """As after a crash of whoever posted it."""
    posted, after = alert(), alert()
    for one in (posted, posted, after):
        await outside.post_alert(one)
    await card_about(outside, after["alertId"])
    posts = [post["body"] for post in box.sinks.webhooks.kept()]
    assert sum(posted["alertId"] in body for body in posts) == 1
    cards = [json.dumps(card) for card in await outside.teams()]
    assert sum(posted["alertId"] in card for card in cards) == 1


async def test_teams_that_fails_delays_nobody_and_gets_its_card_later(
    box: Sandbox, outside: Outside
) -> None:
    """The webhook has it at once; the card comes when Teams answers again."""
    box.sinks.teams.answer(503, times=1)
    posted = alert()
    await outside.post_alert(posted)

    async def told() -> bool | None:
        return any(posted["alertId"] in post["body"] for post in box.sinks.webhooks.kept()) or None

    await until(told, "the webhook's post", LATE)
    await card_about(outside, posted["alertId"])
    assert [r["status"] for r in box.sinks.teams.requests].count(503) == 1


async def test_a_deleted_workflow_is_told_to_the_others_and_not_asked_again(
    box: Sandbox, outside: Outside
) -> None:
    """The machine's channel hears of it; the alert it had already is not repeated there."""
    before = len(box.sinks.teams.requests)
    box.sinks.teams.answer(404, times=1)
    posted = alert()
    await outside.post_alert(posted)

    async def told() -> list[str] | None:
        posts = [post["body"] for post in box.sinks.webhooks.kept()]
        return [body for body in posts if "channel teams does not deliver" in body] or None

    assert len(await until(told, "the notice", LATE)) == 1
    posts = [post["body"] for post in box.sinks.webhooks.kept()]
    assert sum(json.loads(body)["alertId"] == posted["alertId"] for body in posts) == 1
    # Teams works again, and hears of itself from the channel that cannot tell anybody. What comes
    # after it waits for it: two at a time soon go as seldom as the workflow's limit asks for.
    await card_about(outside, "channel teams does not deliver")
    assert [r["status"] for r in list(box.sinks.teams.requests)[before:]].count(404) == 1
    assert any("cannot deliver" in line and "CRITICAL" in line for line in LOG)


async def test_the_app_logs_no_secret(box: Sandbox, outside: Outside) -> None:
    """Neither a webhook's signature, nor the shared secret, nor a token, whatever goes wrong."""
    box.sinks.teams.answer(503, times=1)
    posted = alert()
    await outside.post_alert(posted)
    await card_about(outside, posted["alertId"])
    signature = box.endpoints["teams"].partition("sig=")[2]
    assert any("channel teams: again in" in line for line in LOG)
    for line in LOG:
        for secret in (signature, SECRET, "Bearer ", "eyJ"):
            assert secret not in line


async def test_a_process_killed_while_it_sends_loses_nothing(
    box: Sandbox, outside: Outside
) -> None:
    """The card comes after all, a second time at most."""
    box.sinks.teams.answer(None, delay_s=3, times=1)
    before = len(box.sinks.teams.requests)
    posted = alert()
    await outside.post_alert(posted)

    async def sending() -> bool | None:
        return len(box.sinks.teams.requests) > before or None

    await until(sending, "the post to begin", LATE)
    await box.kill_functions()
    await card_about(outside, posted["alertId"], 2 * LATE)

    async def idle() -> bool | None:
        """Whoever takes over has had the chance to double it."""
        rows = [row async for row in _rows(box) if row["RowKey"].startswith("w|")]
        return not rows or None

    await until(idle, "nothing to wait for Teams", 2 * LATE)
    cards = [json.dumps(card) for card in await outside.teams()]
    assert 1 <= sum(posted["alertId"] in card for card in cards) <= 2


async def _rows(box: Sandbox) -> AsyncIterator[Mapping[str, Any]]:
    """What the app's table keeps for Teams."""
    assert box.tables is not None
    async with box.tables.client() as service:
        table = service.get_table_client("guardstate")
        async for row in table.query_entities("PartitionKey eq 'channel teams'"):
            yield row
