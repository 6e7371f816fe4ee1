"""Text from outside in a card: what it is, and nothing else. tests/rendering asks Microsoft's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine.events import clean
from guards.engine.notify.markdown import escape, shown
from tests.engine.notify.samples import HOSTILE

MEANS_SOMETHING = re.compile(r"(?<!\\)(?:\\\\)*[`*_\[\]()<>#~|!]")


@given(st.text() | st.sampled_from(HOSTILE))
def test_what_is_shown_is_the_cleaned_text(text: str) -> None:
    """Nothing is lost, nothing is added."""
    assert shown(escape(text, 300)) == clean(text, 300)


@given(st.text(alphabet="\\`*_[]()<>#~|!&;a1 -+./:") | st.sampled_from(HOSTILE))
def test_no_mark_of_markdown_stays_without_a_backslash(text: str) -> None:
    """An even number of backslashes before a mark would leave it a mark."""
    escaped = escape(text, 300)
    assert not MEANS_SOMETHING.search(escaped)
    assert "://" not in escaped
    assert not re.match(r"[-+]|\d+\.(\s|$)", escaped)


@given(st.text(), st.integers(1, 50))
def test_it_is_cut_before_it_is_escaped(text: str, most: int) -> None:
    """No cut falls between a backslash and its mark."""
    assert len(shown(escape(text, most))) <= most


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T11:59:59.123Z",
        "11111111-2222-3333-4444-555555555555",
        "/subscriptions/1/resourceGroups/rg-data/providers/Microsoft.Compute/disks/disk-7",
        "alice@contoso.example",
        "203.0.113.7",
        "Microsoft.Compute/disks/write",
        "R&D, A & B; 100 %",
    ],
)
def test_what_means_nothing_stays_readable(text: str) -> None:
    """Times, IDs and addresses have no backslash in them."""
    assert escape(text, 300) == text


def test_an_address_is_no_link() -> None:
    """Clients make links of whatever has :// in it."""
    assert escape("see https://evil.example", 300) == r"see https:\/\/evil.example"
