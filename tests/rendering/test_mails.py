"""Mails as a browser shows them: on a small phone, on a phone, on a desktop."""

import struct
from pathlib import Path

import pytest

from guards.cli import notify_page
from guards.engine.events import clean
from guards.engine.notify import mail
from sandbox import pictures
from sandbox.pictures import Page
from tests.engine.notify.samples import HOSTILE, LINKS, parcel
from tests.rendering.conftest import (
    DESKTOP,
    HOSTILE_PARCELS,
    PARCELS,
    PHONE,
    Measured,
    measure,
    words,
)

SMALL = 320
WIDTHS = (SMALL, PHONE, DESKTOP)
ALL = {**PARCELS, **HOSTILE_PARCELS}


@pytest.fixture(scope="session")
def mails(browser: None) -> Measured:
    """Every mail at every width, and the command line's page on a phone."""
    pages = {
        (name, width): mail.compose(given).html for name, given in ALL.items() for width in WIDTHS
    }
    page, _ = notify_page.page(PARCELS["reverted"].items)
    return measure({**pages, ("page", PHONE): page})


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ALL)
def test_nobody_scrolls_sideways(mails: Measured, name: str, width: int) -> None:
    """Long IDs wrap."""
    assert mails[name, width]["width"] <= mails[name, width]["room"] == width


@pytest.mark.parametrize("width", WIDTHS)
def test_title_facts_and_buttons_are_visible(mails: Measured, width: int) -> None:
    """What a person needs, as text on the screen."""
    text = words(mails["reverted", width]["text"])
    for wanted in (
        "Export settings of ledger-disk were reverted HIGH · reverted · disk in rg-data",
        "networkAccessPolicy not set (Azure's default) → DenyAll",
        "Who Alice (User)",
        "Open in Azure portal",
    ):
        assert wanted in text
    assert len(mails["reverted", width]["links"]) == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_how_long_a_link_was_out_is_visible(mails: Measured, width: int) -> None:
    """Right below the title: what people ask for first."""
    text = words(mails["link", width]["text"])
    assert text.startswith(
        "A SAS link to ledger-snap was revoked CRITICAL · reverted · snapshot in rg-data Exposure "
        "Link out for 47 s. The link was revoked. Data may have been read"
    )
    assert "Deleted nightly (exportPipelines), saved in the alert" in text


@pytest.mark.parametrize("name", ALL)
def test_every_word_can_be_read(mails: Measured, name: str) -> None:
    """WCAG's contrast of 4.5."""
    assert mails[name, PHONE]["contrast"] >= 4.5


@pytest.mark.parametrize("name", HOSTILE_PARCELS)
def test_no_name_makes_a_link_or_a_script(mails: Measured, name: str) -> None:
    """The only address is the team's own."""
    seen = mails[name, PHONE]
    assert (seen["links"], seen["scripts"], seen["handlers"]) == ([LINKS.runbook], 0, [])
    assert not {"script", "img", "b", "i", "iframe"} & set(seen["tags"])


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_name_shows_as_what_it_is(mails: Measured, number: int) -> None:
    """To the letter, as far as it is not cut."""
    name = words(clean(HOSTILE[number], 60).removesuffix("…"))
    assert words(mails[f"hostile {number}", PHONE]["text"]).count(name) >= 3


def test_the_command_line_s_page_suits_a_phone(mails: Measured) -> None:
    """Nothing runs in it, and nobody scrolls sideways."""
    seen = mails["page", PHONE]
    assert seen["width"] <= PHONE
    assert seen["scripts"] == 0
    assert "[Export Guard] HIGH reverted: ledger-disk (disk)" in seen["text"]


def test_a_picture_is_drawn(browser: None, tmp_path: Path) -> None:
    """For people who look at what they changed: a PNG as wide as the screen."""
    png = tmp_path / "mail.png"
    pictures.draw(Page(mail.compose(parcel()).html, 600), png, height=300)
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (600, 300)
