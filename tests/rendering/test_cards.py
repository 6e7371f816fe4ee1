"""Cards as Microsoft's own renderer draws them, on a phone and on a desktop."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.cli import notify_card
from guards.engine.events import clean
from guards.engine.notify import card
from guards.engine.notify.markdown import escape
from guards.engine.notify.parcel import Parcel
from sandbox.pictures import teams_page
from tests.engine.notify.samples import HOSTILE, named, parcel
from tests.rendering.conftest import (
    DESKTOP,
    HOSTILE_PARCELS,
    PARCELS,
    PHONE,
    Measured,
    measure,
    words,
)

ALL: dict[str, Parcel] = {**PARCELS, **HOSTILE_PARCELS}
WIDTHS = (PHONE, DESKTOP)


TEXTS = "texts"


@pytest.fixture(scope="session")
def cards(browser: None) -> Measured:
    """Every card on a phone, drawn by the command line as well; the good ones on a desktop."""
    messages = {name: card.message(one) for name, one in ALL.items()}
    pages = {(name, PHONE): teams_page(message) for name, message in messages.items()}
    wide = {(name, DESKTOP): pages[name, PHONE] for name in PARCELS}
    plain = {("plain", PHONE): teams_page(card.plain(parcel(named(HOSTILE[6]))))}
    drawn = {(f"drawn {name}", PHONE): drawing(message) for name, message in messages.items()}
    return measure({**pages, **wide, **plain, **drawn, (TEXTS, DESKTOP): texts_page()})


def drawing(message: dict[str, Any]) -> str:
    """A card as the command line draws it."""
    return f"<style>{notify_card.STYLE}</style>{notify_card.draw(message)}"


@pytest.mark.parametrize("width", WIDTHS)
def test_title_facts_and_buttons_are_visible(cards: Measured, width: int) -> None:
    """What a person needs, as text on the screen."""
    seen = cards["reverted", width]
    assert seen["blocks"][:2] == [
        "Export settings of ledger-disk were reverted",
        "HIGH · reverted · disk in rg-data",
    ]
    for text in ("networkAccessPolicy", "not set (Azure's default) → DenyAll", "Alice (User)"):
        assert text in seen["blocks"]
    assert seen["buttons"] == ["Open in Azure portal", "Activity log", "Runbook"]


@pytest.mark.parametrize("width", WIDTHS)
def test_how_long_a_link_was_out_is_visible(cards: Measured, width: int) -> None:
    """Right below the title: what people ask for first."""
    text = words(cards["link", width]["text"])
    assert text.startswith(
        "A SAS link to ledger-snap was revoked CRITICAL · reverted · snapshot in rg-data Exposure "
        "Link out for 47 s. The link was revoked. Data may have been read"
    )
    assert "Deleted nightly (exportPipelines), saved in the alert" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_ids_of_a_digest_are_hidden_at_first(cards: Measured, width: int) -> None:
    """The button is there, the 300 IDs are not in the way."""
    seen = cards["digest", width]
    assert seen["buttons"] == ["Runbook", "Alert IDs"]
    assert "Alice opened 300 disks: 297 reverted in 9 s, 3 blocked" in seen["text"]
    assert f"{1:064x}" not in seen["text"]


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_wider_than_a_phone(cards: Measured, name: str) -> None:
    """However long the words are."""
    assert cards[name, PHONE]["width"] <= PHONE == cards[name, PHONE]["room"]


@pytest.mark.parametrize("name", ALL)
def test_no_card_has_a_link_a_script_or_an_element_of_its_own(cards: Measured, name: str) -> None:
    """Microsoft's renderer makes of texts nothing but text."""
    seen = cards[name, PHONE]
    assert (seen["links"], seen["scripts"], seen["handlers"]) == ([], 0, [])
    own = {"html", "head", "meta", "style", "body", "div", "p", "table", "tr", "td", "button"}
    assert set(seen["tags"]) <= own


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_name_shows_as_what_it_is(cards: Measured, number: int) -> None:
    """To the letter, as far as it is not cut."""
    name = words(clean(HOSTILE[number], 60).removesuffix("…"))
    assert words(cards[f"hostile {number}", PHONE]["text"]).count(name) >= 3


def test_the_plain_form_is_drawn_as_well(cards: Measured) -> None:
    """Version 1.2, text blocks, no link."""
    seen = cards["plain", PHONE]
    assert clean(HOSTILE[6]) in seen["text"]
    assert (seen["links"], seen["buttons"]) == ([], [])


@pytest.mark.parametrize("name", ALL)
def test_the_command_line_shows_the_same_as_microsoft(cards: Measured, name: str) -> None:
    """Its picture of a card is one to rely on."""
    drawn = cards[f"drawn {name}", PHONE]
    assert words(drawn["text"]) == words(cards[name, PHONE]["text"])
    assert drawn["width"] <= PHONE


def test_every_word_on_the_command_line_s_card_can_be_read(cards: Measured) -> None:
    """WCAG's contrast of 4.5, for every colour of the header."""
    assert min(cards[f"drawn {name}", PHONE]["contrast"] for name in ALL) >= 4.5


@cache
def wild_texts() -> list[str]:
    """Some hundred texts made of what Markdown and HTML know, and that are not empty."""
    found: list[str] = []
    marks = st.text(alphabet="\\`*_[]()<>#~|!&;:/ab1 -+.={}\"'\t\n", min_size=1, max_size=40)
    pieces = st.sampled_from([*HOSTILE, "---", "1) ", "[a]: https://b", "&copy;", "![", "](x)"])

    @settings(max_examples=150, derandomize=True, database=None)
    @given(marks | st.lists(pieces, max_size=3).map(" ".join) | st.text(max_size=40))
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return [text for text in found if escape(text, 80)]


def texts_page() -> str:
    """A card with each of them as text block, as fact, and as a fact's title."""
    escaped = [escape(text, 80) for text in wild_texts()]
    body: list[dict[str, Any]] = [{"type": "TextBlock", "text": text} for text in escaped]
    facts = [{"title": text, "value": text} for text in escaped]
    body.append({"type": "FactSet", "facts": facts})
    content = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    return teams_page({"attachments": [{"content": content}]})


def test_whatever_the_text_it_shows_exactly_that(cards: Measured) -> None:
    """No mark, no link, no element."""
    seen = cards[TEXTS, DESKTOP]
    cleaned = [words(clean(text, 80)) for text in wild_texts()]
    twice = [text for text in cleaned for _ in "tv"]
    assert [words(block) for block in seen["blocks"]] == cleaned + twice
    assert (seen["links"], seen["scripts"], seen["handlers"]) == ([], 0, [])
    assert not set(seen["tags"]) - {
        *("html", "head", "meta", "style", "body"),
        *("div", "p", "table", "tr", "td"),
    }
