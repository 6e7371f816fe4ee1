"""docs/notifications.md is run: the check of signatures, what commands say, subjects, times."""

import asyncio
import json
import logging
import math
import re
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guards.__main__ import _parser
from guards.cli.notify_samples import SAMPLES
from guards.edges import http
from guards.edges.channels import eventgrid, posting
from guards.edges.channels.webhook import Webhook
from guards.engine.later import FIRST_DELAY_S, GIVE_UP, LONGEST_DELAY_S, TELL_AT
from guards.engine.notify import aftermath, card, deliver, limits, mail, outbox
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.limits import Limit
from guards.engine.notify.parcel import Item
from guards.wiring import channels
from sandbox import sinks
from sandbox.certificates import Certificates
from tests import test_policy_doc as pages
from tests.cli.command import ROOT, Said, guards
from tests.cli.test_notify_test import trust
from tests.edges.channels.conftest import Slots
from tests.edges.channels.parcels import alert, parcel
from tests.edges.loopback import Loopback, answer
from tests.engine.notify.office import Office

NAME = "docs/notifications.md"
PAGE = (ROOT / NAME).read_text(encoding="utf-8")
SECRET = "correct horse battery staple"
FLOOD = 10_000

type Check = Callable[[bytes, str, str], bool]


def block(language: str, start: str = "") -> str:
    """The only block of a language on the page that begins so."""
    shown = [one.text for one in pages.blocks(PAGE) if one.language == language]
    (found,) = [text for text in shown if text.startswith(start)]
    return found


@pytest.fixture
def is_genuine() -> Check:
    """The page's function, pasted as it stands there."""
    names: dict[str, Any] = {}
    exec(block("python"), names)
    check: Check = names["is_genuine"]
    return check


async def posted(at: datetime) -> tuple[bytes, str]:
    """Body and signature of a post that the app makes at that time."""
    async with Loopback(None, answer(200)) as server, http.open_session() as session:
        channel = Webhook("siem", server.url, SECRET, session, None, lambda: at)
        await channel.send(parcel(alert(reason="Größe ✓")), Slots())
    head, _, body = server.requests[0].partition("\r\n\r\n")
    (signature,) = re.findall(r"(?m)^X-Export-Guard-Signature: (\S+)", head)
    return body.encode(), str(signature)


def now() -> datetime:
    """As the page's function sees it."""
    return datetime.now(UTC)


async def test_the_check_of_the_page_lets_a_post_pass(is_genuine: Check) -> None:
    """What the app sends now, and sent a minute ago."""
    assert is_genuine(*await posted(now()), SECRET)
    assert is_genuine(*await posted(now() - timedelta(minutes=1)), SECRET)


async def test_the_check_of_the_page_refuses_what_is_forged(is_genuine: Check) -> None:
    """Another body, another secret, another time under the same signature."""
    body, signature = await posted(now())
    assert not is_genuine(body + b" ", signature, SECRET)
    assert not is_genuine(body.replace(b"reverted", b"deferred"), signature, SECRET)
    assert not is_genuine(body, signature, SECRET + "r")
    later = re.sub(r"t=(\d+)", lambda found: f"t={int(found[1]) + 1}", signature)
    assert not is_genuine(body, later, SECRET)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_the_check_of_the_page_refuses_a_recording(is_genuine: Check, minutes: int) -> None:
    """A good signature of long ago, or of a clock that is wrong."""
    assert not is_genuine(*await posted(now() + timedelta(minutes=minutes)), SECRET)


@pytest.mark.parametrize("signature", ["", "t=,v1=", "t=²,v1=" + "0" * 64, "v1=ü", "t=1" * 5000])
def test_the_check_of_the_page_survives_nonsense(is_genuine: Check, signature: str) -> None:
    """A header is anybody's: it is refused, and nothing is raised."""
    assert is_genuine(b"{}", signature, SECRET) is False


@pytest.fixture
async def settings(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """A Teams channel, a mail server and a webhook of the sandbox, as environment variables."""
    teams, mails, webhooks = sinks.Teams(), sinks.Mails(), sinks.Webhooks()
    async with AsyncExitStack() as stack:
        certificates = Certificates()
        stack.callback(certificates.close)
        trust(certificates, monkeypatch)
        context = certificates.server_context()
        for sink in (teams, mails, webhooks):
            stack.push_async_callback(sink.stop)
        yield {
            "GUARD_CHANNEL_TEAMS__teams": await teams.start(context),
            "GUARD_CHANNEL_MAIL__smtp": f"smtp://{await mails.start(context)}",
            "GUARD_CHANNEL_MAIL__from": "export-guard@contoso.example",
            "GUARD_CHANNEL_MAIL__to": "oncall@contoso.example",
            "GUARD_CHANNEL_SIEM__webhook": await webhooks.start(context),
            "GUARD_CHANNEL_SIEM__secret": SECRET,
        }


async def tried(settings: dict[str, str]) -> Said:
    """What the command says of channels with these settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        return await asyncio.to_thread(guards, "notify", "test")


async def test_channels_that_work_say_what_the_page_says(settings: dict[str, str]) -> None:
    """Each of them, in the words of the command."""
    said = await tried(settings)
    assert (said.code, said.out) == (0, block("text", "mail (smtp): ok"))


async def test_channels_that_do_not_work_say_what_the_page_says(settings: dict[str, str]) -> None:
    """A URL with another signature, and a mail channel without sender and recipients."""
    wrong = {"GUARD_CHANNEL_TEAMS__teams": settings["GUARD_CHANNEL_TEAMS__teams"] + "x"}
    half = {"GUARD_CHANNEL_MAIL__from": "", "GUARD_CHANNEL_MAIL__to": ""}
    said = await tried({**settings, **wrong, **half})
    assert (said.code, said.out) == (1, block("text", "mail (smtp): FAILED"))


def test_the_subjects_are_those_of_the_page() -> None:
    """Of each alert alone, and of both."""
    both = json.loads(block("json"))
    found = [mail.compose(parcel(*some)).subject for some in (both[:1], both[1:], both)]
    assert found == block("text", "[Export Guard]").splitlines()


def rendering(what: str) -> str:
    """The page's command line that renders this."""
    lines = pages.command_lines(PAGE)
    (line,) = [line for line in lines if line.startswith("notify render") and what in line]
    return line


def test_the_sample_of_a_link_reads_as_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title, and what is said first: in the mail, in its plain text, on the card."""
    monkeypatch.chdir(tmp_path)
    Path("build").mkdir()
    assert guards(*shlex.split(rendering("--sample revoked-link"))).code == 0
    page = Path("build/link.html").read_text("utf-8")
    for said in block("text", "A SAS link").splitlines():
        assert page.count(said) >= 3


def test_the_samples_of_the_page_are_those_there_are() -> None:
    """Each of them is explained."""
    (told,) = re.findall(r"Samples are made up.*?\n\n", PAGE, re.DOTALL)
    assert set(SAMPLES) <= set(re.findall(r"`([a-z-]+)`", told))


def test_rendering_says_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the alerts of the page, by its command line."""
    line = rendering("build/alerts.json")
    monkeypatch.chdir(tmp_path)
    Path("build").mkdir()
    Path("build/alerts.json").write_text(block("json"), encoding="utf-8")
    said = guards(*shlex.split(line))
    assert (said.code, said.out) == (0, block("text", "build/page.html"))


@pytest.mark.parametrize("line", sorted(set(pages.command_lines(PAGE))))
def test_the_command_line_is_understood(line: str) -> None:
    """No option is misspelt, and none is missing."""
    _parser().parse_args(shlex.split(line, comments=True))


def last_s(limit: Limit, messages: int, alone: int = 0) -> float:
    """Seconds until the last of many messages may go, if some alerts went alone before them."""
    grants: list[float] = []
    time = 0.0
    for number in range(alone + messages):
        time += limit.wait_s(grants, time, many=number >= alone)
        grants.append(time)
    return time


def shown(channel: str) -> tuple[list[int], list[int]]:
    """The page's numbers about a flood: of messages, and of minutes."""
    (cells,) = re.findall(rf"(?m)^\| {channel} \| ([^|]*) \| [^|]* \| ([^|]*?) minutes?\b", PAGE)
    messages, minutes = (re.findall(r"[\d,]+", cell) for cell in cells)
    return [int(one.replace(",", "")) for one in messages], [int(one) for one in minutes]


@pytest.mark.parametrize(
    ("channel", "most", "limit"),
    [
        ("Teams", card.MOST_ALERTS, limits.teams("")),
        ("mail", mail.MOST_ALERTS, limits.mail("")),
    ],
)
def test_a_flood_takes_people_as_long_as_the_page_says(
    channel: str, most: int, limit: Limit
) -> None:
    """All of it in digests, or as many alone first as may go at once."""
    messages = math.ceil(FLOOD / most)
    times = [last_s(limit, messages), last_s(limit, messages, alone=limit.single)]
    assert shown(channel) == ([messages, most], [round(time / 60) for time in times])


@pytest.mark.parametrize(
    ("channel", "most"), [("Event Grid", eventgrid.MOST_EVENTS), ("webhook", 1)]
)
def test_a_flood_takes_machines_as_long_as_the_page_says(channel: str, most: int) -> None:
    """At a tenth of a second for each request."""
    requests = math.ceil(FLOOD / most)
    counts, minutes = shown(channel)
    assert counts[0] == requests
    assert minutes == [round(requests * 0.1 / 60)]


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    """How often it is tried, how long it is kept, how much goes at once."""
    told_s = sum(FIRST_DELAY_S * 2**turn for turn in range(TELL_AT - 1))
    for words in (
        f"after {FIRST_DELAY_S} s, doubling to {LONGEST_DELAY_S // 60} min",
        f"for about {told_s / 60:.0f} minutes",
        f"{outbox.KEPT_S // 86400} days",
        {3: "gets it up to three times"}[aftermath.MOST_UNANSWERED],
        f"Deleted {outbox.REMEMBERED_S // 86400} days after it was sent",
        f"({outbox.REMINDER_S // 3600} hours, to be exact)",
        f"{limits.teams('').count} posts in five minutes",
        f"no card of {card.MAX_BYTES:,} bytes or more",
        f"up\n  to {card.MOST_ALERTS} alerts (Teams) or {mail.MOST_ALERTS:,} (mail)",
        f"Up to {eventgrid.MOST_EVENTS} alerts go in one request",
        f"within {posting.TIMEOUT_S} seconds counts as taken",
    ):
        assert words in PAGE
    assert (GIVE_UP.days, aftermath.REVIVE_S) == (1, 15 * 60), "the page says a day, a quarter hour"


def test_events_are_what_the_page_says() -> None:
    """What subscriptions filter on."""
    assert f"| `type` | `{eventgrid.TYPE}` |" in PAGE
    assert f"| `source` | `{eventgrid.SOURCE}` |" in PAGE
    assert f"| `{eventgrid.NOTE}` |" in PAGE


async def test_the_alert_rule_sees_a_channel_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Settings that are not whole, and an alert that was given up."""
    (words,) = re.findall(r"where message contains '([^']+)'", PAGE)
    given_up = Delivery("teams", 0.0, Item(alert()), reason="its workflow is gone")
    channels.read({"GUARD_CHANNEL_MAIL__smtp": "smtp://mail.contoso.example"})
    await deliver.on_given_up(json.dumps(given_up.message()), Office("teams").post)
    critical = [one.getMessage() for one in caplog.records if one.levelno == logging.CRITICAL]
    assert len(critical) == 2
    assert [words in message for message in critical] == [True, True]


def test_no_link_of_the_page_leads_nowhere() -> None:
    """As in the other pages."""
    pages.test_no_link_leads_nowhere(NAME)
