"""Warnings before an exemption expires: each once, none missed, none too late."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.alerts import Alert
from guards.engine.policy.exemptions import WARN_DAYS, Exemption, Expiry, expiring, warning
from tests.engine.policies import exemption, made, tag
from tests.engine.samples import GROUP
from tests.fakes import START

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def until(end: datetime, **changed: object) -> Exemption:
    """An exemption that ends then."""
    entry = exemption(expires_on=end.isoformat(), **changed)
    (one,) = made(exemptions=[entry], tags_may_exempt=True).exemptions
    return one


END = START + 40 * DAY
ONE = until(END)


def asked(times: Iterable[datetime], *those: Exemption) -> list[tuple[datetime, Expiry]]:
    """What is told by whoever asks at these times, one after the other."""
    return [(now, told) for since, now in pairwise(times) for told in expiring(those, since, now)]


@pytest.mark.parametrize(
    ("since", "now", "days"),
    [
        (END - 16 * DAY, END - 15 * DAY - HOUR, []),
        (END - 16 * DAY, END - 15 * DAY, [15]),
        (END - 15 * DAY, END - 15 * DAY + HOUR, []),
        (END - 16 * DAY, END - 14 * DAY, [15]),
        (END - 14 * DAY, END - 2 * DAY, []),
        (END - 2 * DAY, END - DAY, [1]),
        (END - DAY, END - HOUR, []),
        (END - 30 * DAY, END - HOUR, [1]),
        (END - 30 * DAY, END, []),
        (END - HOUR, END + HOUR, []),
        (END, END + 30 * DAY, []),
        (END - 15 * DAY, END - 16 * DAY, []),
    ],
)
def test_a_warning_falls_due_fifteen_days_and_one_day_before(
    since: datetime, now: datetime, days: list[int]
) -> None:
    """Of two that fell due meanwhile the later one is told; of what has expired nothing."""
    assert [told.days for told in expiring([ONE], since, now)] == days


def test_every_exemption_has_its_own_warnings() -> None:
    """Each by its own end."""
    those = [until(END), until(END + 14 * DAY, ticket="CHG2"), until(END + 90 * DAY)]
    told = expiring(those, END - 2 * DAY, END - DAY)
    assert [(one.exemption.ticket, one.days) for one in told] == [("CHG0042", 1), ("CHG2", 15)]


_TIMES = st.lists(st.timedeltas(timedelta(0), 60 * DAY), min_size=2, max_size=12, unique=True).map(
    lambda passed: [START + t for t in sorted(passed)]
)
_ENDS = st.lists(st.timedeltas(timedelta(0), 60 * DAY), min_size=1, max_size=3)


@settings(max_examples=75)
@given(_TIMES, _ENDS)
def test_each_warning_comes_at_most_once_and_never_too_late(
    times: list[datetime], ends: list[timedelta]
) -> None:
    """However irregularly it is asked."""
    those = [until(START + end, ticket=str(number)) for number, end in enumerate(ends)]
    told = asked(times, *those)
    named = [(expiry.exemption.ticket, expiry.days) for _, expiry in told]
    assert len(named) == len(set(named))
    for now, expiry in told:
        left = expiry.exemption.expires_on - now
        assert timedelta(0) < left <= expiry.days * DAY
        assert left <= min(d for d in WARN_DAYS if left <= d * DAY) * DAY


_STEPS = st.lists(st.timedeltas(timedelta(microseconds=1), DAY), min_size=45, max_size=70)


@settings(max_examples=50)
@given(_STEPS, st.timedeltas(timedelta(0), 50 * DAY))
def test_none_is_missed_by_whoever_asks_at_least_daily(
    steps: list[timedelta], end: timedelta
) -> None:
    """All that fell due between the first and the last time were told, in time."""
    times = [START]
    for step in steps:
        times.append(times[-1] + step)
    one = until(START + end)
    due = [d for d in WARN_DAYS if times[0] < one.expires_on - d * DAY <= times[-1]]
    told = asked(times, one)
    assert [expiry.days for _, expiry in told] == due
    for now, expiry in told:
        assert now - (one.expires_on - expiry.days * DAY) < DAY


def told_by(one: Exemption, now: datetime, days: int = 15, policy_hash: str = "a" * 64) -> Alert:
    """The alert of a warning."""
    return warning(Expiry(one, days), policy_hash, now)


def test_a_warning_is_the_same_alert_whoever_sends_it() -> None:
    """Two instances, an hour apart, under another policy text: one alert for the reader."""
    first = told_by(ONE, START)
    again = told_by(until(END, owner="new", reason="new"), START + HOUR, policy_hash="b" * 64)
    assert first.alert_id == again.alert_id


@pytest.mark.parametrize(
    "other",
    [
        told_by(ONE, START, days=1),
        told_by(until(END + HOUR), START),
        told_by(until(END, rules=["publicNetworkAccess"]), START),
        told_by(until(END, scope=f"{GROUP}x"), START),
        told_by(until(END, tag=tag("a", "b")), START),
    ],
    ids=["days", "end", "rules", "scope", "tag"],
)
def test_another_warning_is_another_alert(other: Alert) -> None:
    """The last one is not taken for the first one, nor a renewed exemption for the old one."""
    assert other.alert_id != told_by(ONE, START).alert_id


def test_warnings_of_two_tags_are_two_alerts() -> None:
    """Values are compared as they are written, so these exempt different resources."""
    tags = [tag("a", "b"), tag("a", "B"), tag("a", "b|c"), tag("a", "b", "c"), tag("a=b", "c")]
    ids = {told_by(until(END, scope=None, tag=one), START).alert_id for one in tags}
    assert len(ids) == len(tags)


def test_a_warning_says_what_will_happen_and_whom_to_ask() -> None:
    """Enough to act on without the policy at hand."""
    for days, severity, words in ((15, "medium", "within 15 days"), (1, "high", "within 1 day:")):
        alert = told_by(ONE, END - days * DAY, days=days).message()
        assert (alert["severity"], alert["outcome"]) == (severity, "reported only")
        for part in (GROUP, "networkAccessPolicy", "backup-team", "CHG0042", words, "2026-04-10"):
            assert part in alert["reason"]
        assert "close it, or have a new date approved" in alert["reason"]
        assert alert["policyHash"] == "a" * 64
