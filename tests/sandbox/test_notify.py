"""The sandbox with notifications: what it starts, and what it tells the app and the people."""

import asyncio
import json
import os
import signal
import smtplib
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from azure.communication.email.aio import EmailClient
from azure.core.messaging import CloudEvent
from azure.data.tables.aio import TableServiceClient
from azure.eventgrid.aio import EventGridPublisherClient

from sandbox.greeting import greeting
from sandbox.notify import channels, has_channels, switched_on
from sandbox.outside import Outside
from sandbox.up import Sandbox
from tests.sandbox.clients import Credential
from tests.sandbox.host_fixtures import SAMPLE
from tests.sandbox.test_communication import MESSAGE
from tests.sandbox.test_teams import message
from tests.sandbox.test_up import SETTINGS, alive, environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDS = {"teams": "https://127.0.0.1:1/teams?sig=x", "smtp": "127.0.0.1:2"}
TEAMS = {"GUARD_CHANNEL_TEAMS__teams": ENDS["teams"]}
MAIL = {
    "GUARD_CHANNEL_MAIL__smtp": "smtp://127.0.0.1:2",
    "GUARD_CHANNEL_MAIL__from": "export-guard@contoso.example",
    "GUARD_CHANNEL_MAIL__to": "oncall@contoso.example, security@contoso.example",
}
MAIL_TO = {"GUARD_CHANNEL_MAIL__to": MAIL["GUARD_CHANNEL_MAIL__to"]}


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({}, TEAMS | MAIL),
        ({"GUARD_CHANNEL_TEAMS__teams": "https://mine"}, MAIL),
        ({"GUARD_CHANNEL_TEAMS__teams": ""}, MAIL),
        ({"GUARD_CHANNEL_MAIL__smtp": ""}, TEAMS),
        ({"GUARD_CHANNEL_MAIL__email": "https://acs"}, TEAMS),
        ({"GUARD_CHANNEL_OTHER__email": "https://acs"}, TEAMS | MAIL),
        (
            {"GUARD_CHANNEL_MAIL__smtp": "smtps://mine", "GUARD_CHANNEL_MAIL__from": "me"},
            TEAMS | MAIL_TO,
        ),
        (
            {"GUARD_CHANNEL_MAIL__user": "me", "GUARD_CHANNEL_MAIL__password": "hush"},
            TEAMS | MAIL,
        ),
    ],
    ids=[
        "none given",
        "a Teams channel",
        "no Teams channel",
        "no mail channel",
        "mail of another kind",
        "one more channel",
        "another mail server",
        "an account",
    ],
)
async def test_the_sandboxs_channels_fill_what_is_not_given(
    given: dict[str, str], added: dict[str, str]
) -> None:
    """A channel that is given as another kind, or as none, is left as it is."""
    assert channels(ENDS, given) == added


@pytest.mark.parametrize(
    ("settings", "on", "has"),
    [
        ({}, False, False),
        ({"GUARD_NOTIFY": "on"}, True, False),
        ({"GUARD_NOTIFY": " ON "}, True, False),
        ({"GUARD_NOTIFY": "off"}, False, False),
        ({"GUARD_CHANNEL_X__webhook": "https://x"}, False, True),
        ({"GUARD_CHANNEL_X__webhook": ""}, False, False),
    ],
)
async def test_notifications_are_asked_for_by_a_switch_or_a_channel(
    settings: dict[str, str], on: bool, has: bool
) -> None:
    """A channel that is empty is none."""
    assert (switched_on(settings), has_channels(settings)) == (on, has)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox with notifications, asked for by the environment, and the sample app."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    patch.setenv("GUARD_NOTIFY", "on")
    async with Sandbox(SAMPLE, SETTINGS, say=lambda line: None) as sandbox:
        patch.delenv("GUARD_NOTIFY")
        yield sandbox
    patch.undo()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(box: Sandbox) -> AsyncIterator[Outside]:
    """Everybody but the guard."""
    async with Outside(box.endpoints) as world:
        yield world


async def test_the_app_is_told_of_teams_mail_and_tables(box: Sandbox) -> None:
    """Two channels to the sinks, and a connection string with the tables."""
    env = environment(box.functions.pid)
    ends = box.endpoints
    assert box.notifies
    assert env["GUARD_CHANNEL_TEAMS__teams"] == ends["teams"]
    assert env["GUARD_CHANNEL_MAIL__smtp"] == f"smtp://{ends['smtp']}"
    assert {name for name in env if name.startswith("GUARD_CHANNEL_")} == {*TEAMS, *MAIL}
    assert env["GUARD_STORAGE"] == f"{ends['queueConnection']}TableEndpoint={ends['tables']};"
    async with TableServiceClient.from_connection_string(env["GUARD_STORAGE"]) as service:
        assert [table.name async for table in service.list_tables()] == ["guardstate"]
    assert alive({"tables": ends["pids"]["tables"]}) == ["tables"]


async def test_what_is_posted_to_the_sinks_can_be_read_from_outside(
    box: Sandbox, outside: Outside
) -> None:
    """Cards and mails, waited for; webhooks and mails of Communication Services beside them."""
    with pytest.raises(TimeoutError, match="1 messages in Teams"):
        await outside.wait_for_cards(1, within_s=0)
    with pytest.raises(TimeoutError, match="1 mails"):
        await outside.wait_for_mails(1, within_s=0)
    trust = ssl.create_default_context(cafile=box.endpoints["ca"])
    async with ClientSession() as session:
        for address in ("teams", "webhook"):
            async with session.post(box.endpoints[address], json=message(), ssl=trust) as answer:
                assert answer.status < 300
    await asyncio.to_thread(_send, box.endpoints["smtp"])
    async with EmailClient(
        box.endpoints["email"],
        Credential(box.tokens),
        connection_verify=box.endpoints["ca"],
        use_env_settings=False,
    ) as client:
        await (await client.begin_send(MESSAGE)).result()
    assert await outside.wait_for_cards(1) == await outside.teams() == [message()]
    assert (await outside.wait_for_mails(1))[0]["subject"] == "to be read"
    assert [mail["subject"] for mail in await outside.mails()] == ["to be read"]
    (call,) = await outside.control("GET", "webhooks")
    assert json.loads(call["body"]) == message()
    (mail,) = await outside.control("GET", "emails")
    assert mail["subject"] == MESSAGE["content"]["subject"]


def _send(address: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "me@contoso.example", "you@a.example", "to be read"
    host, _, port = address.partition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.send_message(mail)


async def test_the_alerts_topic_keeps_what_is_published(box: Sandbox) -> None:
    """With a token of the app's identity, or with trouble as ordered; nobody is subscribed."""
    box.alerts_topic.answer(503)
    async with EventGridPublisherClient(
        box.endpoints["alertsTopic"],
        Credential(box.tokens),
        connection_verify=box.endpoints["ca"],
        use_env_settings=False,
        retry_backoff_factor=0,
    ) as client:
        await client.send([CloudEvent("/guard", "Alert", data={"n": n}) for n in range(2)])
    assert [event["data"] for event in box.alerts_topic.kept()] == [{"n": 0}, {"n": 1}]
    assert [record["status"] for record in box.alerts_topic.requests] == [503, 200]
    assert (box.alerts_topic.pending, box.topic.kept()) == (0, [])


async def test_an_alert_is_posted_as_the_guard_does(outside: Outside) -> None:
    """JSON in base64; the sample app does not listen to that queue."""
    await outside.post_alert({"resourceId": "/x", "reason": "Größe ✓"})
    assert await outside.alerts() == [{"resourceId": "/x", "reason": "Größe ✓"}]


async def test_a_channel_given_brings_tables_but_no_other_channel() -> None:
    """With identity by https and a setting; the settings' function sees where to lead channels."""
    seen: dict[str, Any] = {}

    def settings(ends: dict[str, Any]) -> dict[str, str]:
        seen.update(ends)
        return {**SETTINGS, "GUARD_CHANNEL_SOC__email": ends["email"]}

    async with Sandbox(SAMPLE, settings, storage_identity=True, say=lambda line: None) as sandbox:
        env = environment(sandbox.functions.pid)
        ends = sandbox.endpoints
        async with TableServiceClient(
            env["GUARD_STORAGE__tableServiceUri"],
            credential=Credential(sandbox.tokens),
            connection_verify=ends["ca"],
            use_env_settings=False,
        ) as service:
            assert [table.name async for table in service.list_tables()] == ["guardstate"]
        os.kill(ends["pids"]["tables"], signal.SIGKILL)
        async with asyncio.timeout(15):
            told = await sandbox.broken()
    assert told == "azurite (tables) ended with exit code -9, and all it kept is lost"
    assert [name for name in env if name.startswith("GUARD_CHANNEL_")] == [
        "GUARD_CHANNEL_SOC__email"
    ]
    assert "GUARD_STORAGE" not in env
    assert env["GUARD_STORAGE__tableServiceUri"] == ends["tables"]
    assert {"email", "webhook", "alertsTopic", "teams", "smtp"} <= seen.keys()


async def test_without_notifications_people_are_told_how_to_get_them() -> None:
    """And how to read the alert queue, which nobody else reads then."""
    ends = {"arm": "https://arm", "ca": "ca.pem", "queueConnection": "Queue=1", "pids": {"a": 1}}
    text = greeting(ends, notifies=False)
    assert "pids            a 1\n" in text
    assert "peek_messages" in text
    assert "'Queue=1'" in text
    for words in ("--notify", "GUARD_NOTIFY=on", "https://arm/_sandbox/teams", "/_sandbox/mails"):
        assert words in text
