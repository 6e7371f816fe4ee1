"""Alerts about notifications themselves: once a day for the same trouble, and harmless to show."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guards.engine.alerts import MAX_REASON, Alert
from guards.engine.model import Severity
from guards.engine.notify import notices
from tests.cli.command import HOSTILE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = Path(__file__).parents[3] / "docs" / "alert.schema.json"

type Notice = Callable[[str, datetime], Alert]

KINDS: dict[str, Notice] = {
    "failing": lambda text, now: notices.failing("teams", text, now),
    "refused": lambda text, now: notices.refused("teams", [text], now),
    "unreadable": notices.unreadable,
}
EACH = pytest.mark.parametrize("notice", KINDS.values(), ids=KINDS)


@cache
def schema() -> Any:
    """What alerts promise to their readers."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


@EACH
def test_a_notice_is_an_alert_like_others(notice: Notice) -> None:
    """Whoever reads alerts needs nothing new for it."""
    jsonschema.validate(notice("404", NOON).message(), schema())


@EACH
def test_the_same_trouble_is_told_once_a_day(notice: Notice) -> None:
    """Its id is the same all day, and another the next."""
    told = notice("404", NOON).alert_id
    assert notice("404", NOON + timedelta(hours=11)).alert_id == told
    assert notice("404", NOON + timedelta(hours=13)).alert_id != told


def test_a_channel_that_fails_is_told_once_a_day_whatever_words_its_server_finds() -> None:
    """Servers like to put times and request ids into their answers."""
    one, other = (notices.failing("teams", f"request {n}", NOON) for n in range(2))
    assert one.alert_id == other.alert_id


def test_that_a_channel_fails_is_recognised_however_it_comes() -> None:
    """So that it is not told of itself; what is about a resource never is such a notice."""
    notice = notices.failing("teams", "404", NOON).message()
    assert notices.is_failing(notice)
    assert not notices.is_failing({**notice, "resourceId": "/subscriptions/x"})
    for other in (notices.refused("mail", ["x"], NOON), notices.unreadable("x", NOON)):
        assert not notices.is_failing(other.message())
    for nothing in ({}, {"reason": 7}, {"reason": None}):
        assert not notices.is_failing(nothing)


def test_each_channel_and_each_kind_of_trouble_is_told() -> None:
    """One does not hide the other."""
    told = [
        *(notices.failing(channel, "x", NOON) for channel in ("a", "b")),
        *(notices.refused(channel, ["x"], NOON) for channel in ("a", "b")),
        notices.unreadable("x", NOON),
    ]
    assert len({notice.alert_id for notice in told}) == len(told)


@EACH
@pytest.mark.parametrize("text", [*HOSTILE, "x" * 100_000], ids=range(len(HOSTILE) + 1))
def test_text_from_outside_is_harmless_in_a_notice(notice: Notice, text: str) -> None:
    """A server's words, a recipient's name, a forged message."""
    reason = notice(text, NOON).message()["reason"]
    assert reason.isprintable()
    assert len(reason) <= MAX_REASON


def test_recipients_are_the_same_trouble_in_any_order_and_all_of_them_count() -> None:
    """Servers refuse them in whatever order; twenty are named."""
    names = [f"user{n:02}@contoso.example" for n in range(30)]
    told = notices.refused("mail", names, NOON)
    assert notices.refused("mail", names[::-1], NOON).alert_id == told.alert_id
    assert notices.refused("mail", names[:-1], NOON).alert_id != told.alert_id
    assert told.reason is not None
    assert sum(name in told.reason for name in names) == 20


@pytest.mark.parametrize(
    ("notice", "severity", "words"),
    [
        (notices.failing("teams", "404: deleted", NOON), Severity.HIGH, "404: deleted"),
        (notices.refused("mail", ["eve@x.example"], NOON), Severity.MEDIUM, "eve@x.example"),
        (notices.unreadable("no JSON", NOON), Severity.HIGH, "no JSON"),
    ],
    ids=["failing", "refused", "unreadable"],
)
def test_a_notice_says_what_is_wrong(notice: Alert, severity: Severity, words: str) -> None:
    """In words that lead to the setting or the message, and without a resource."""
    assert notice.severity is severity
    assert words in (notice.reason or "")
    assert notice.resource_id is None
    assert notice.seen_at == "2026-03-01T12:00:00.000Z"
