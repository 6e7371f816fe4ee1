"""Whatever the number of alerts: limits are kept, nothing is dropped, the first leaves at once."""

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.errors import Transient
from guards.engine.notify import deliver
from tests.engine.notify.office import FakeChannel, Office

TEAMS = (20, 300.0)
MAIL = (1, 60.0)


def most_within(channel: FakeChannel, window_s: float) -> int:
    """The most messages that began within any window of so many seconds."""
    times = channel.times
    return max(sum(start <= t < start + window_s for t in times) for start in times)


async def test_thousands_of_alerts_in_one_burst_are_all_accounted_for() -> None:
    """Each id arrives once, alone or in a digest, at Teams and by mail, within the limits.

    Digests are small here, so that they are more than a window of either limit has room for.
    """
    office = Office("teams", "mail")
    posted = [await office.alert() for _ in range(3000)]
    for channel in office.channels.values():
        channel.capacity = 75
    await office.settle(3600)
    ids = sorted(alert["alertId"] for alert in posted)
    for name, (count, window_s) in {"teams": TEAMS, "mail": MAIL}.items():
        channel = office[name]
        assert sorted(channel.told) == ids
        assert len(channel.parcels) > count
        assert most_within(channel, window_s) <= count
        assert channel.times[0] == 0
        assert len(channel.parcels[0].items) == 1, "the first leaves alone, and at once"
    assert not office.deliveries.messages
    assert not office.given_up.messages


async def test_a_handful_of_alerts_goes_out_one_by_one() -> None:
    """A digest hides what single cards say; a few of those disturb nobody."""
    office = Office("teams")
    for _ in range(5):
        await office.alert()
    await office.settle()
    assert [len(parcel.items) for parcel in office["teams"].parcels] == [1] * 5
    assert set(office["teams"].times) == {0.0}


async def test_a_digest_says_whether_others_follow() -> None:
    """Whoever reads the first of three digests knows that it is not all."""
    office = Office("mail")
    office["mail"].capacity = 10
    for _ in range(26):
        await office.alert()
    await office.settle(600)
    parcels = office["mail"].parcels
    assert [len(parcel.items) for parcel in parcels] == [1, 10, 10, 5]
    assert [parcel.more for parcel in parcels] == [False, True, True, False]


async def test_machines_get_each_alert_at_once() -> None:
    """Where nobody is disturbed nothing waits."""
    office = Office("siem")
    office["siem"].capacity = 1
    posted = [await office.alert() for _ in range(200)]
    await office.settle()
    assert office["siem"].told == [alert["alertId"] for alert in posted]
    assert set(office["siem"].times) == {0.0}


async def test_two_mail_channels_share_the_limit_of_a_recipient() -> None:
    """One mail a minute is a promise to a person, not to a channel."""
    office = Office("mail-a", "mail-b")
    office["mail-b"].limits = office["mail-a"].limits
    for _ in range(30):
        await office.alert()
    await office.settle(3600)
    times = sorted(office["mail-a"].times + office["mail-b"].times)
    assert all(b - a >= 60 for a, b in pairwise(times))
    assert len(office["mail-a"].told) == len(office["mail-b"].told) == 30


async def test_many_senders_at_once_tell_each_alert_once() -> None:
    """Instances that work side by side neither double an alert nor break a limit."""
    office = Office("teams", "siem")
    posted = [await office.alert() for _ in range(300)]
    while texts := [message.text for message in office.deliveries.messages]:
        office.deliveries.messages.clear()
        office.clock.passed += 1
        for i in range(0, len(texts), 24):
            await asyncio.gather(*(deliver.on_delivery(t, office.post) for t in texts[i : i + 24]))
        assert office.clock.passed < 3600
    ids = sorted(alert["alertId"] for alert in posted)
    assert sorted(office["teams"].told) == ids
    assert sorted(office["siem"].told) == ids
    assert most_within(office["teams"], 300.0) <= 20


async def test_a_slow_channel_keeps_its_limits_and_loses_nothing() -> None:
    """What arrives while a message takes its time goes along with the next one."""
    office = Office("teams")
    office["teams"].takes_s = 9.0
    for _ in range(100):
        await office.alert()
    await office.settle(3600)
    assert len(set(office["teams"].told)) == 100
    assert most_within(office["teams"], 300.0) <= 20


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 120), st.booleans()), max_size=12))
async def test_no_pattern_of_bursts_and_failures_breaks_a_limit_or_loses_an_alert(
    bursts: list[tuple[int, float, bool]],
) -> None:
    """Bursts, pauses and failing sends in any order."""
    office = Office("teams", "mail")
    posted = []
    for number, pause_s, fails in bursts:
        if fails:
            office["teams"].answers.append(Transient("503"))
        posted += [(await office.alert())["alertId"] for _ in range(number)]
        await office.settle(pause_s)
    await office.settle(4 * 3600)
    for name, (count, window_s) in {"teams": TEAMS, "mail": MAIL}.items():
        assert sorted(office[name].told) == sorted(posted)
        if posted:
            assert most_within(office[name], window_s) <= count


async def test_the_burst_of_a_wrong_clock_does_not_silence_a_channel() -> None:
    """Grants, leases and rests that lie far in the future count as never written."""
    office = Office("teams")
    office.clock.passed = 10 * 365 * 86400.0
    for _ in range(30):
        await office.alert()
    await office.settle()
    office["teams"].answers = [Transient("429", retry_after=3600)]
    await office.alert()
    await office.settle(60)
    office.clock.passed = 0.0
    office.deliveries.messages.clear()
    posted = await office.alert()
    await office.settle(3600)
    assert posted["alertId"] in office["teams"].told


@pytest.mark.parametrize("partition", ["limits", "channel teams"])
async def test_rows_of_nonsense_count_as_never_written(partition: str) -> None:
    """Whoever writes into the store cannot stop the alerts by it."""
    office = Office("teams")
    await office.alert()
    await office.settle()
    for key, row in list(office.store.rows[partition].items()):
        if not key.startswith("s|"):
            nonsense = {name: json.dumps({"a": [1]}) for name in row.values}
            object.__setattr__(row, "values", nonsense)
    posted = await office.alert()
    await office.settle(3600)
    assert posted["alertId"] in office["teams"].told
