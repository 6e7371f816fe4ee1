"""Limits: never more than allowed in a window, no longer a wait than needed, wrong clocks included.

Times are whole seconds, so that sums of them are exact.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine.notify import limits
from guards.engine.notify.limits import Limit

NOW = 1_793_000_000
SKEW_S = 60
"""How far the clocks of two instances may be apart."""

WINDOWS = st.integers(SKEW_S, 3600)


@st.composite
def any_limit(draw: st.DrawFn) -> Limit:
    """Up to 30 messages in up to an hour, some of them at once."""
    count = draw(st.integers(1, 30))
    upto = st.integers(1, count)
    return Limit("any", count, draw(WINDOWS), draw(upto), draw(upto))


LIMITS = any_limit() | st.sampled_from([limits.teams("x"), limits.mail("x")])


@st.composite
def any_used(draw: st.DrawFn) -> tuple[Limit, list[int]]:
    """A limit, and grants of about its window; more than its count as others may have written."""
    limit = draw(LIMITS)
    ages = st.lists(st.integers(0, int(limit.window_s * 1.2)), max_size=limit.count + 3)
    return limit, [NOW - age for age in draw(ages)]


USED = any_used()
ANY_TIME = st.lists(st.integers(NOW - 10**8, NOW + 10**8) | st.floats(), max_size=40)


def most_in_a_window(times: list[int], window_s: float) -> int:
    """The most of these times within any window."""
    return max((sum(start <= t < start + window_s for t in times) for start in times), default=0)


def paced(limit: Limit, total: int, *, many: bool) -> list[float]:
    """When so many messages go that wait as they are told."""
    now, sent = float(NOW), list[float]()
    while len(sent) < total:
        wait_s = limit.wait_s(sent, now, many=many)
        now += wait_s
        if wait_s <= 1e-6:
            sent.append(now)
    return sent


@given(LIMITS, st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans())))
def test_who_sends_only_when_nothing_is_to_be_waited_for_keeps_the_limit(
    limit: Limit, steps: list[tuple[int, bool, bool]]
) -> None:
    """Whatever the pauses, and whether one alert waits, many, or a second form of the same."""
    now, sent = NOW, list[int]()
    for pause_s, many, at_once in steps:
        now += pause_s
        if limit.wait_s(sent, now, many=many, at_once=at_once) == 0:
            sent.append(now)
    assert most_in_a_window(sent, limit.window_s) <= limit.count
    assert not steps or sent, "the first one goes at once"


@given(LIMITS, st.integers(1, 60), st.booleans())
def test_whoever_waits_as_told_gets_the_whole_limit(limit: Limit, total: int, many: bool) -> None:
    """No message is kept back longer than the limit demands: a window's worth takes a window."""
    windows = (total - 1) // limit.count
    assert paced(limit, total, many=many)[-1] - NOW <= (windows + 1) * limit.window_s


@given(USED, st.booleans(), st.booleans())
def test_a_wait_is_as_long_as_it_must_be(
    used: tuple[Limit, list[int]], many: bool, at_once: bool
) -> None:
    """When it is over a message may go, and a moment before it may not."""
    limit, grants = used
    at_once = at_once or len(limit.recent(grants, NOW)) == limit.count
    wait_s = limit.wait_s(grants, NOW, many=many, at_once=at_once)
    assert 0 <= wait_s <= limit.window_s
    later = NOW + wait_s
    assert limit.wait_s(grants, later, many=many, at_once=at_once) <= 1e-6
    if wait_s > 0.01:
        assert limit.wait_s(grants, later - 0.01, many=many, at_once=at_once) > 0


@given(LIMITS, ANY_TIME, st.booleans(), st.booleans())
def test_no_wrong_clock_silences_a_channel(
    limit: Limit, grants: list[float], many: bool, at_once: bool
) -> None:
    """Grants of any time, infinite ones too: a window, and what clocks may differ, is the most."""
    wait_s = limit.wait_s(grants, NOW, many=many, at_once=at_once)
    assert 0 <= wait_s <= limit.window_s + SKEW_S


@given(LIMITS, st.lists(st.integers(NOW + SKEW_S, NOW + 10**8), max_size=40))
def test_grants_of_the_far_future_count_as_none(limit: Limit, grants: list[int]) -> None:
    """They were written by a clock that is wrong."""
    assert limit.recent(grants, NOW) == []
    assert limit.wait_s(grants, NOW) == 0


@given(LIMITS, st.integers(1, SKEW_S - 1))
def test_grants_of_a_clock_that_is_a_little_ahead_count(limit: Limit, ahead_s: int) -> None:
    """Two instances differ by seconds, and share the limit all the same."""
    assert limit.wait_s([NOW + ahead_s] * limit.count, NOW) > 0


@given(USED)
def test_what_is_free_can_be_sent_one_after_the_other(used: tuple[Limit, list[int]]) -> None:
    """As many as promised without a wait in between, and none is promised where one must wait."""
    limit, grants = used
    free = limit.free(grants, NOW)
    assert (free > 0) == (limit.wait_s(grants, NOW, many=True) == 0)
    assert free <= limit.count
    for _ in range(free):
        assert limit.wait_s(grants, NOW, many=True) == 0
        grants = [*grants, NOW]


@given(USED, st.booleans())
def test_past_the_first_ones_messages_are_spread(used: tuple[Limit, list[int]], many: bool) -> None:
    """A flood leaves something for what comes a minute later: never two at the same moment."""
    limit, grants = used
    recent = limit.recent([*grants, NOW], NOW)
    if (limit.burst if many else limit.single) <= len(recent) < limit.count:
        left = limit.count - len(recent)
        fair = (recent[0] + limit.window_s - NOW) / (left + 1)
        fair = (NOW + fair) - NOW  # as a clock of today can tell it: to some 0.2 µs
        assert limit.wait_s(recent, NOW, many=many) == pytest.approx(fair)


@pytest.mark.parametrize(("many", "at_once"), [(False, 15), (True, 5)])
def test_teams_takes_the_first_posts_at_once(many: bool, at_once: int) -> None:
    """Fifteen single cards, or five when there are many, then they are spread."""
    limit, sent = limits.teams("x"), list[int]()
    while limit.wait_s(sent, NOW, many=many) == 0:
        sent.append(NOW)
    assert len(sent) == at_once


def test_teams_posts_stay_below_what_the_flow_bot_may() -> None:
    """20 in five minutes, and ten seconds for a post that took its time."""
    sent = paced(limits.teams("x"), 100, many=True)
    gaps = [b - a for a, b in zip(sent, sent[20:], strict=False)]
    assert min(gaps) >= 310 - 1e-6
    assert sent[-1] - sent[0] <= 5 * 310


def test_a_recipient_gets_a_mail_a_minute() -> None:
    """One, however many wait, and then one more each time."""
    sent = paced(limits.mail("x"), 10, many=True)
    assert [b - a for a, b in pairwise(sent)] == [62.0] * 9


def test_a_second_form_of_a_message_waits_for_the_window_only() -> None:
    """A card that was refused goes again in plain words, if the limit itself has room."""
    limit = limits.teams("x")
    assert limit.wait_s([NOW] * 19, NOW) > 0
    assert limit.wait_s([NOW] * 19, NOW, at_once=True) == 0
    assert limit.wait_s([NOW] * 20, NOW, at_once=True) == limit.window_s
