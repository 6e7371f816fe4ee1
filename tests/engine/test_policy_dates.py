"""When an exemption ends, as the file writes it: a date or a time with zone, a year at most."""

from datetime import UTC, datetime

import pytest

from guards.engine.policy.exemptions import moment
from tests.engine.policies import exemption, made, wrong


@pytest.mark.parametrize(
    "expires_on", ["2027-03-03", "2027-03-02T12:00:01Z", "2027-03-02T13:00:00-00:01", "9999-12-31"]
)
def test_more_than_a_year_is_a_mistake(expires_on: str) -> None:
    """366 days from the moment the policy is read."""
    told = wrong(exemptions=[exemption(expires_on=expires_on)])
    assert (
        "line 2: exemptions[0].expires_on: more than a year away; an exemption lasts a year" in told
    )
    assert expires_on in told


@pytest.mark.parametrize(
    "expires_on",
    ["2027-03-02", "2027-03-02T12:00:00Z", "2026-03-01", "2020-01-01", "1999-12-31T23:59:59+01:00"],
)
def test_up_to_a_year_is_read_and_so_is_what_has_expired(expires_on: str) -> None:
    """Only the end of the year ahead is a limit."""
    (one,) = made(exemptions=[exemption(expires_on=expires_on)]).exemptions
    assert one.expires_on == moment(expires_on)


@pytest.mark.parametrize("expires_on", ["0001-01-01", "0001-12-31T00:00:00Z"])
def test_a_date_of_long_ago_is_expired_or_a_mistake(expires_on: str) -> None:
    """A slip of the hand is no traceback."""
    said = wrong(exemptions=[exemption(expires_on=expires_on), exemption(owner=None)])
    assert "exemptions[1].owner: is missing" in said


@pytest.mark.parametrize(
    "expires_on",
    [
        "",
        "never",
        "tomorrow",
        "2026-13-01",
        "2026-02-30",
        "31.12.2026",
        "2026-12",
        20261231,
        1.5,
        "2026-12-31T00:00:00",
        "2026-12-31 12:00",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_what_is_no_date_is_a_mistake(expires_on: object) -> None:
    """The sentence shows the form; a time without its zone is nobody's time."""
    told = wrong(exemptions=[exemption(expires_on=expires_on)])
    assert "line 2: exemptions[0].expires_on: " in told
    assert "write a date such as 2026-12-31, which ends at 00:00 UTC that day" in told


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T08:00:00Z", datetime(2026, 12, 31, 8, tzinfo=UTC)),
        ("2026-12-31T08:00:00+02:00", datetime(2026, 12, 31, 6, tzinfo=UTC)),
        ("2026-12-31 23:30-01:00", datetime(2027, 1, 1, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_first_second_in_utc(text: str, utc: datetime) -> None:
    """Wherever the guard runs."""
    assert moment(text) == utc
