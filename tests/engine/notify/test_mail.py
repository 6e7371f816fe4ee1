"""Mails: a subject to filter on, the same words as text and HTML, a list without formulas."""

import csv
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.events import clean
from guards.engine.notify import mail
from guards.engine.notify.parcel import Parcel
from tests.engine.notify.samples import (
    HOSTILE,
    alert,
    blocked,
    exposed,
    exposure,
    flood,
    named,
    parcel,
    wild,
)

ONE = {
    "reverted": (alert(), "[Export Guard] HIGH reverted: ledger-disk (disk)"),
    "blocked": (blocked(), "[Export Guard] CRITICAL blocked: acrledger (registry)"),
    "link": (exposed(), "[Export Guard] CRITICAL reverted: ledger-snap (snapshot)"),
    "about the policy": (
        alert(resourceId=None, outcome="reported only", reason="the policy has changed"),
        "[Export Guard] HIGH the policy has changed",
    ),
    "unknown": (
        {"schema": "exportguard.alert/9"},
        "[Export Guard] Export Guard alert (schema exportguard.alert/9)",
    ),
}


class Seen(HTMLParser):
    """What a reader sees: texts, addresses behind links, tags, and attributes by name."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self._href = ""
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self._hidden = tag == "title"
        if tag != "wbr":
            self.texts.append(" ")
        if tag == "a":
            self._href = dict(attrs)["href"] or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._hidden = False
        if tag == "a":
            self.texts.append(f": {self._href}")
        self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def seen(html: str) -> Seen:
    """The mail, read."""
    reader = Seen()
    reader.feed(html)
    reader.close()
    return reader


def words(text: str) -> list[str]:
    """The words without the colons that text has instead of columns."""
    return re.sub(r":(?=\s|$)", " ", text).split()


PARCELS = {name: parcel(given, note="why not") for name, (given, _) in ONE.items()}
PARCELS |= {"digest": flood(120), "many": flood(mail.MOST_ALERTS)}
PARCELS |= {f"hostile {n}": parcel(named(name), more=True) for n, name in enumerate(HOSTILE)}


@pytest.mark.parametrize("name", ONE)
def test_the_subject_of_one_alert_can_be_filtered(name: str) -> None:
    """Severity, outcome and resource, always in the same place."""
    given, subject = ONE[name]
    assert mail.compose(parcel(given)).subject == subject


def test_the_subject_of_a_digest_says_what_needs_a_person() -> None:
    """Or how all of it ended, if nothing does."""
    assert mail.compose(flood(412)).subject == "[Export Guard] HIGH digest: 412 alerts, 4 blocked"
    assert mail.compose(flood(9)).subject == "[Export Guard] HIGH digest: 9 alerts, 9 reverted"


@pytest.mark.parametrize("name", PARCELS)
def test_text_and_html_say_the_same_in_the_same_order(name: str) -> None:
    """Whoever reads plain text misses nothing."""
    letter = mail.compose(PARCELS[name])
    assert words(letter.text) == words("".join(seen(letter.html).texts))


@pytest.mark.parametrize("name", PARCELS)
def test_the_html_loads_and_runs_nothing(name: str) -> None:
    """Tables and inline styles only, whatever the names are."""
    found = seen(mail.compose(PARCELS[name]).html)
    assert found.tags <= {
        *("html", "head", "meta", "title", "body", "table", "tr", "td"),
        *("h1", "h2", "p", "a", "wbr"),
    }
    assert not {name for name in found.names if name.startswith("on") or name == "src"}


def test_the_html_suits_old_and_small_readers() -> None:
    """Language, width, colours as attributes, and a layout that may shrink."""
    html = mail.compose(parcel(alert())).html
    assert '<html lang="en">' in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert '<td bgcolor="#0e6a38"' in html
    assert "max-width:600px" in html
    assert '<!--[if mso]><table width="600">' in html


def test_the_key_is_that_of_the_news() -> None:
    """The same for the same alert; another for how it ended, and for a reminder."""
    key = mail.compose(parcel(alert())).key
    assert key == f"{'ab' * 32}.reverted.20260301T120000"
    assert mail.compose(parcel(alert(reason="other words"))).key == key
    others = [alert(outcome="deferred"), alert(seenAt="2026-03-02T12:00:00Z"), alert(alertId="x")]
    keys = {mail.compose(parcel(other)).key for other in others}
    assert len(keys | {key}) == 4


def test_the_key_of_a_digest_is_that_of_its_alerts() -> None:
    """64 hex digits over all of them."""
    key = mail.compose(flood(3)).key
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert mail.compose(flood(3)).key == key
    assert mail.compose(flood(4)).key != key


def test_a_digest_lists_fifty_and_attaches_all() -> None:
    """The list is what a person loads into a table."""
    given = flood(mail.MOST_ALERTS)
    letter = mail.compose(given)
    assert "The first 50 of 2000; alerts.csv has all" in letter.text
    assert letter.text.count("(disk) in rg-data, ") == 50 + 20
    assert letter.attachment is not None
    assert (letter.attachment.name, letter.attachment.content_type) == ("alerts.csv", "text/csv")
    header, *rows = csv.reader(letter.attachment.text.splitlines())
    known = ["alertId", "outcome", "severity", "resourceId", "seenAt"]
    assert header == [*known, "secondsOpen", "grantedAt", "revokedAt"]
    assert [tuple(row) for row in rows] == [
        (*(item.alert[column] for column in known), "", "", "") for item in given.items
    ]
    assert mail.compose(parcel(alert())).attachment is None


@pytest.mark.parametrize(
    ("seen", "cells"),
    [
        (exposure(), ["47.2", "2026-03-01T11:59:13Z", "2026-03-01T12:00:00.214Z"]),
        (exposure(secondsOpen=None, revokedAt=None), ["", "2026-03-01T11:59:13Z", ""]),
        (exposure(secondsOpen=-3, grantedAt="=1+1", revokedAt=7), ["'-3.0", "'=1+1", ""]),
        ("text", ["", "", ""]),
    ],
)
def test_the_list_says_how_long_a_link_was_out(seen: Any, cells: list[str]) -> None:
    """In seconds, so that a table can be sorted by it."""
    letter = mail.compose(parcel(exposed(exposure=seen), alert()))
    assert letter.attachment is not None
    _, first, other = csv.reader(letter.attachment.text.splitlines())
    assert (first[5:], other[5:]) == (cells, ["", "", ""])


@pytest.mark.parametrize(
    "begins", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1"]
)
def test_no_cell_is_a_formula(begins: str) -> None:
    """A spreadsheet that opens the list computes nothing."""
    given = alert(resourceId=begins, outcome=begins, severity=begins, seenAt=begins)
    letter = mail.compose(parcel(given, given))
    assert letter.attachment is not None
    assert letter.attachment.text.isascii()
    for row in csv.reader(letter.attachment.text.splitlines()):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@"))]


@settings(max_examples=30)
@given(st.lists(wild(), max_size=4))
def test_any_parcel_becomes_a_mail(alerts: list[dict[str, Any]]) -> None:
    """One line of subject, a key that fits a header, and the same words twice."""
    letter = mail.compose(Parcel(parcel(*alerts).items))
    assert len(letter.subject) <= 150
    assert letter.subject.isprintable()
    assert re.fullmatch(r"[A-Za-z0-9.-]{1,120}", letter.key)
    assert words(letter.text) == words("".join(seen(letter.html).texts))
    letter.text.encode()
    letter.html.encode()


def test_a_digest_leads_to_what_a_person_must_do() -> None:
    """The whole instruction, and a link to the resource; not for what needs nobody."""
    what = "move it to Premium (az acr update --sku Premium) and add a private endpoint, " * 3
    many = parcel(alert(), blocked(reason=what), alert(alertId="1" * 64))
    made = mail.compose(many)
    assert clean(what) in made.text
    assert re.findall(r"Open (\w+): https://portal.azure.com/\S+/overview", made.text) == [
        "acrledger"
    ]
    assert made.html.count("/overview") == 1
