"""What a sender does with what waits: alone or together, how long, and what becomes of failures."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from guards.engine.errors import Terminal, Transient, Unanswered
from guards.engine.notify.aftermath import REVIVE_S
from guards.engine.notify.deliveries import identity
from guards.engine.notify.lane import SEND_S
from guards.engine.notify.outbox import KEPT_S, REMEMBERED_S
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Another, Sent
from guards.engine.notify.sender import CLEAN_S, WORK_S, Sender
from guards.engine.store import Put
from tests.engine.notify.office import FakeChannel, Office, alert
from tests.fakes import Crash

HOUR, DAY = 3600.0, 86400.0


def sender(office: Office, channel: str = "teams") -> Sender:
    """One more sender for a channel."""
    return Sender(office.channels[channel], office.post)


async def keep(office: Office, number: int = 1, channel: str = "teams") -> list[str]:
    """Alerts that wait, each since a moment later than the one before; their ids."""
    posted = [alert() for _ in range(number)]
    for one in posted:
        office.clock.passed += 0.001
        assert await sender(office, channel).keep(Item(one))
    return [one["alertId"] for one in posted]


def marks(office: Office, channel: str = "teams") -> list[object]:
    """What the marks of a channel say."""
    rows = office.store.rows[f"channel {channel}"]
    return [row.values["state"] for key, row in sorted(rows.items()) if key.startswith("s|")]


async def test_with_nothing_to_send_nothing_is_sent() -> None:
    """A look at an empty outbox costs no message and leaves no appointment."""
    office = Office("teams")
    assert await sender(office).work(0.0) == "0 sent"
    assert not office["teams"].times
    assert not office.deliveries.messages


@pytest.mark.parametrize(("number", "sizes"), [(1, [1]), (5, [1] * 5), (6, [6]), (100, [100])])
async def test_alerts_go_alone_while_the_limit_has_room_for_all_of_them(
    number: int, sizes: list[int]
) -> None:
    """Else together: five cards, or one digest."""
    office = Office("teams")
    ids = await keep(office, number)
    await sender(office).work(0.0)
    assert [len(parcel.items) for parcel in office["teams"].parcels] == sizes
    assert office["teams"].told == ids


async def test_the_oldest_go_first_and_a_digest_says_that_others_follow() -> None:
    """As many as the channel has capacity for."""
    office = Office("teams")
    office["teams"].capacity = 10
    ids = await keep(office, 25)
    await sender(office).work(0.0)
    assert [len(parcel.items) for parcel in office["teams"].parcels] == [10, 10, 5]
    assert [parcel.more for parcel in office["teams"].parcels] == [True, True, False]
    assert office["teams"].told == ids


async def test_what_the_limit_does_not_allow_yet_has_an_appointment() -> None:
    """The sender says so, and ends: it does not stand around."""
    office = Office("mail")
    await keep(office, 1, "mail")
    await sender(office, "mail").work(0.0)
    office.clock.passed = 10
    await keep(office, 3, "mail")
    assert await sender(office, "mail").work(0.0) == "0 sent, others wait"
    assert office.clock.passed == pytest.approx(10, abs=0.1)
    assert len(office.deliveries.messages) == 1
    await office.settle(60)
    assert office["mail"].times == pytest.approx([0, 62], abs=1.1)
    assert len(office["mail"].told) == 4


async def test_a_sender_ends_in_time_and_another_goes_on() -> None:
    """The host ends functions that take minutes."""
    office = Office("siem")
    office["siem"].capacity, office["siem"].takes_s = 1, 7.0
    ids = await keep(office, 20, "siem")
    assert await sender(office, "siem").work(0.0) == "9 sent, others wait"
    assert office.clock.passed == pytest.approx(63, abs=0.1)
    assert office.clock.passed < WORK_S + SEND_S
    await office.settle(HOUR)
    assert office["siem"].told == ids


async def test_a_slow_channel_is_not_taken_over_while_it_is_served() -> None:
    """The lane is prolonged before a message whose end it might not see."""
    office = Office("siem")
    office["siem"].capacity, office["siem"].takes_s = 1, 29.0
    ids = await keep(office, 3, "siem")
    other, send = sender(office, "siem"), FakeChannel.send

    async def pushed(channel: FakeChannel, parcel: Parcel, another: Another) -> Sent:
        sent = await send(channel, parcel, another)
        assert await other.work(0.0) == "waits"
        return sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeChannel, "send", pushed)
        await sender(office, "siem").work(0.0)
    assert office["siem"].told == ids


async def test_a_sender_that_lost_its_lane_sends_no_more() -> None:
    """It stood still for minutes, and somebody else has taken over."""
    office = Office("siem")
    office["siem"].capacity = 1
    ids = await keep(office, 3, "siem")
    other = sender(office, "siem")
    calls: list[str] = []
    send = FakeChannel.send

    async def stalled(channel: FakeChannel, parcel: Parcel, another: Another) -> Sent:
        calls.append(str(parcel.items[0].alert["alertId"]))
        if len(calls) == 1:
            office.clock.passed += 61
            await other.work(0.0)
        return await send(channel, parcel, another)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeChannel, "send", stalled)
        await sender(office, "siem").work(0.0)
    assert calls == [ids[0], *ids], "what the first one was sending is doubled, and no other"


async def test_a_channel_gets_a_further_message_of_its_own_limit() -> None:
    """A card that is refused goes again in plain words, and that is counted."""
    office = Office("mail")
    granted: list[bool] = []

    class Twice(FakeChannel):
        async def send(self, parcel: Parcel, another: Another) -> Sent:
            granted.extend([await another(), await another()])
            return await super().send(parcel, another)

    office.channels["mail"] = Twice("mail", office.clock, office.trouble, office["mail"].limits)
    await keep(office, 1, "mail")
    await sender(office, "mail").work(0.0)
    assert granted == [False, False]
    office.channels["mail"].limits = ()
    await keep(office, 1, "mail")
    await sender(office, "mail").work(0.0)
    assert granted == [False, False, True, True]


async def test_what_was_sent_is_remembered_though_the_store_hiccups() -> None:
    """Three times, since what is forgotten is sent again."""
    office = Office("siem")
    ids = await keep(office, 1, "siem")
    office.trouble.errors["store.write"] = [None, None, *[Transient("busy")] * 3]
    await sender(office, "siem").work(0.0)
    assert marks(office, "siem") == ["sent"]
    await office.settle(HOUR)
    assert office["siem"].told == ids


async def test_a_channel_that_fails_is_asked_ever_more_rarely() -> None:
    """After ten seconds, doubling to a quarter of an hour; one message each time."""
    office = Office("siem")
    office["siem"].always = Transient("503")
    await keep(office, 100, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(2 * HOUR)
    times = office["siem"].times
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == pytest.approx([10, 20, 40, 80, 160, 320, 640, *[900] * 6], abs=2)


async def test_a_channel_that_works_again_starts_anew() -> None:
    """One good message and the next failure is the first one again."""
    office = Office("siem")
    office["siem"].answers = [*[Transient("503")] * 5, None, Transient("503")]
    await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(HOUR)
    await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(HOUR)
    times = office["siem"].times
    assert times[-1] - times[-2] == pytest.approx(10, abs=2)
    assert len(office["siem"].told) == 2


@pytest.mark.parametrize(
    ("asked", "waits_s"), [(None, 10), (0, 10), (3, 10), (250, 250), (10**9, 3600), (-7, 10)]
)
async def test_a_channel_says_when_within_an_hour(asked: float | None, waits_s: float) -> None:
    """No answer of a server silences a channel for longer."""
    office = Office("siem")
    office["siem"].answers = [Transient("429", retry_after=asked)]
    await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(2 * HOUR)
    first, second = office["siem"].times
    assert second - first == pytest.approx(waits_s, abs=2)


async def test_after_ten_minutes_of_failures_the_others_learn_of_it_once() -> None:
    """And not of each failure; the channel itself is not told of itself."""
    office = Office("siem", "teams")
    office["siem"].always = Transient("no answer")
    await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(4 * 60)
    assert office["teams"].notices == []
    await office.settle(6 * HOUR)
    assert len(office["teams"].notices) == 1
    assert office.keys("siem", "w|"), "it still waits"


async def test_what_was_tried_for_a_day_is_given_up_and_nothing_that_is_younger() -> None:
    """A day for each alert, and for the trouble: one that waited behind a rest gets its tries."""
    office = Office("siem", "teams")
    office["siem"].always = Transient("503")
    (old,) = await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(23 * HOUR)
    (young,) = await keep(office, 1, "siem")
    await office.settle(2 * HOUR)
    assert old in office["teams"].told
    assert young not in office["teams"].told
    assert [len(office.keys("siem", prefix)) for prefix in ("w|", "u|")] == [1, 1]


async def test_an_alert_that_waited_for_a_day_gets_its_tries_all_the_same() -> None:
    """It waited for something else; the channel has only begun to fail."""
    office = Office("siem", "teams")
    (old,) = await keep(office, 1, "siem")
    office.clock.passed += 2 * DAY
    office["siem"].answers = [Transient("503")] * 3
    await sender(office, "siem").work(0.0)
    await office.settle(HOUR)
    assert office["siem"].told == [old]
    assert not office["teams"].told


async def test_an_alert_refused_for_good_does_not_stop_those_behind_it() -> None:
    """They may be of another kind."""
    office = Office("siem", "teams")
    office["siem"].capacity = 1
    office["siem"].answers = [Terminal("400: what is this?")]
    ids = await keep(office, 3, "siem")
    await sender(office, "siem").work(0.0)
    assert office["siem"].told == ids[1:]
    (message,) = office.given_up.messages
    assert message.json["alert"]["alertId"] == ids[0]
    assert message.json["reason"] == "400: what is this?"


class Picky:
    """While it is patched in, one alert makes every message of machines fail that holds it."""

    def __init__(self, poison: str, error: Exception) -> None:
        self.tried: list[float] = []
        self.sizes: list[int] = []
        self._poison = poison
        self._error = error
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> "Picky":
        send = FakeChannel.send

        async def picky(channel: FakeChannel, parcel: Parcel, another: Another) -> Sent:
            if channel.name == "siem":
                self.sizes.append(len(parcel.items))
                if any(item.alert["alertId"] == self._poison for item in parcel.items):
                    self.tried.append(channel.clock.passed)
                    raise self._error
            return await send(channel, parcel, another)

        self._patch.setattr(FakeChannel, "send", picky)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.mark.parametrize(
    "error", [Terminal("400", status=400), Terminal("413", status=413), ZeroDivisionError("a bug")]
)
async def test_an_alert_that_spoils_a_digest_is_found_and_the_others_arrive(
    error: Exception,
) -> None:
    """Fewer and fewer at a time, until it is alone; then as many as before."""
    office = Office("siem", "teams")
    ids = await keep(office, 40, "siem")
    with Picky(ids[13], error) as picky:
        await sender(office, "siem").work(0.0)
        await office.settle()
        assert sorted(office["siem"].told) == sorted(set(ids) - {ids[13]})
        assert office["teams"].told == [ids[13]]
        assert picky.sizes[:6] == [40, 20, 10, 20, 10, 5]
        assert len(picky.sizes) < 20
        many = await keep(office, 200, "siem")
        await sender(office, "siem").work(0.0)
        assert set(many) <= set(office["siem"].told)
        assert len(picky.sizes) < 40


@pytest.mark.parametrize("status", [401, 404, 410])
async def test_a_channel_that_takes_nothing_is_not_asked_for_each_alert(status: int) -> None:
    """What is wrong is not the message: all of them are given up after one."""
    office = Office("siem", "teams")
    office["siem"].always = Terminal(str(status), status=status)
    ids = await keep(office, 100, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle()
    assert len(office["siem"].times) == 1
    await office.settle(HOUR)
    assert sorted(office["teams"].told) == sorted(ids)


async def test_what_may_have_arrived_is_not_repeated_for_ever() -> None:
    """Three times nobody said that it is there: then the others are told that it may be."""
    office = Office("siem", "teams")
    office["siem"].always = Unanswered("no answer")
    ids = await keep(office, 2, "siem")
    await sender(office, "siem").work(0.0)
    await office.settle(6 * HOUR)
    assert len(office["siem"].times) == 3
    assert sorted(office["teams"].told) == sorted(ids)
    notes = {item.note for parcel in office["teams"].parcels for item in parcel.items if item.note}
    assert all("it may be there" in note for note in notes)


async def test_an_answer_ends_the_count_of_messages_without_one() -> None:
    """Slow now and then is no reason to give anything up."""
    office = Office("siem", "teams")
    slow = Unanswered("no answer")
    office["siem"].answers = [slow, slow, None, slow, slow, None]
    for _ in range(2):
        await keep(office, 1, "siem")
        await sender(office, "siem").work(0.0)
        await office.settle(HOUR)
    assert len(office["siem"].told) == 2
    assert not office["teams"].told


async def test_an_alert_that_always_fails_does_not_keep_others_from_machines() -> None:
    """After ten minutes they are tried past it; it is given up once they arrive."""
    office = Office("siem", "teams")
    office["siem"].capacity = 1
    poison, *others = await keep(office, 4, "siem")
    with Picky(poison, Transient("500")):
        await sender(office, "siem").work(0.0)
        await office.settle(HOUR)
        assert sorted(office["siem"].told) == sorted(others)
        assert poison in office["teams"].told


async def test_a_slow_message_counts_from_its_end() -> None:
    """It may arrive as late as that, and the next one must not follow it at once."""
    office = Office("mail")
    office["mail"].takes_s = 20.0
    await keep(office, 1, "mail")
    await sender(office, "mail").work(0.0)
    await keep(office, 1, "mail")
    await sender(office, "mail").work(0.0)
    await office.settle(HOUR)
    first, second = office["mail"].times
    assert second - first >= 82


async def test_what_was_given_up_is_tried_again_a_while_after_the_channel_worked() -> None:
    """Not at once: it may have been refused for what it is."""
    office = Office("siem")
    office["siem"].answers = [Terminal("410")]
    (missed,) = await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    office.clock.passed += REVIVE_S - 1
    (early,) = await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    assert office["siem"].told == [early]
    office.clock.passed += 2
    (late,) = await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    assert office["siem"].told == [early, late, missed]
    assert marks(office, "siem") == ["sent"] * 3


async def test_what_is_refused_each_time_is_tried_four_times_an_hour_at_most() -> None:
    """An alert that a channel never takes is no flood for it, nor for the others."""
    office = Office("siem", "teams")
    (poison,) = await keep(office, 1, "siem")
    with Picky(poison, Terminal("400", status=400)) as picky:
        for _ in range(240):
            await office.alert()
            await office.settle(60)
    assert 2 <= len(picky.tried) <= 4 * 4 + 1
    assert len(office["siem"].told) == 240
    assert office["teams"].told.count(poison) == 1
    assert len(office["teams"].notices) == 1


async def test_an_error_of_the_store_ends_the_turn_and_frees_the_lane() -> None:
    """Whoever looks again after some seconds can send: nobody waits for the end of a lease."""
    office = Office("siem")
    ids = await keep(office, 1, "siem")
    office.trouble.errors["store.page"] = [Transient("busy")]
    with pytest.raises(Transient):
        await sender(office, "siem").work(0.0)
    office.clock.passed += 10
    await sender(office, "siem").work(0.0)
    assert office["siem"].told == ids


async def test_a_sender_that_is_killed_while_it_sends_is_followed() -> None:
    """By the appointment that it made before."""
    office = Office("siem")
    ids = await keep(office, 1, "siem")
    calls = len(office.trouble.calls)
    await sender(office, "siem").work(0.0)
    at = calls + 1 + office.trouble.calls[calls:].index("siem.send")
    office = Office("siem")
    ids = await keep(office, 1, "siem")
    office.trouble.crash = (at, "before")
    with pytest.raises(Crash):
        await sender(office, "siem").work(0.0)
    await office.settle(65)
    assert office["siem"].told == ids


async def test_the_outbox_is_cleaned_once_an_hour_by_whoever_has_nothing_to_do() -> None:
    """Old marks do not pile up, and cleaning does not stand in the way of an alert."""
    office = Office("siem")
    await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    office.clock.passed += REMEMBERED_S + 1
    pages = office.trouble.count("store.page")
    await sender(office, "siem").work(0.0)
    assert marks(office, "siem") == []
    cleaning = office.trouble.count("store.page") - pages
    pages += cleaning
    await sender(office, "siem").work(0.0)
    assert office.trouble.count("store.page") - pages < cleaning
    office.clock.passed += CLEAN_S
    pages = office.trouble.count("store.page")
    await sender(office, "siem").work(0.0)
    assert office.trouble.count("store.page") - pages == cleaning


async def test_what_nobody_ever_got_is_logged_when_it_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At critical, with their number."""
    office = Office("siem")
    office["siem"].always = Terminal("410")
    await keep(office, 2, "siem")
    await sender(office, "siem").work(0.0)
    office.given_up.messages.clear()
    office.clock.passed += KEPT_S + 1
    await sender(office, "siem").work(0.0)
    assert [r.getMessage() for r in caplog.records if r.levelname == "CRITICAL"] == [
        "channel siem: 2 alerts were never delivered and are forgotten after 30 days"
    ]


async def test_a_row_of_nonsense_is_sent_as_what_it_is_and_what_waits_behind_it_too() -> None:
    """It is no reason to be silent."""
    office = Office("siem")
    await office.store.write("channel siem", Put("w|0", {"item": b"?"}), Put("w|", {}))
    ids = await keep(office, 1, "siem")
    await sender(office, "siem").work(0.0)
    assert office["siem"].told == ids
    assert office["siem"].notices == ["a row of the store is none"] * 2
    assert office.keys("siem", "w|") == []


async def test_an_alert_that_arrives_while_a_message_is_sent_goes_along_with_the_next() -> None:
    """Nobody else has to wake a sender for it."""
    office = Office("siem")
    send, late = FakeChannel.send, alert()

    async def meanwhile(channel: FakeChannel, parcel: Parcel, another: Another) -> Sent:
        await sender(office, "siem").keep(Item(late))
        return await send(channel, parcel, another)

    (first,) = await keep(office, 1, "siem")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeChannel, "send", meanwhile)
        assert await sender(office, "siem").work(0.0) == "2 sent"
    assert office["siem"].told == [first, late["alertId"]]
    assert office.keys("siem", "s|") == sorted(f"s|{identity(one)}" for one in told(office))


def told(office: Office) -> list[Mapping[str, Any]]:
    """The alerts that arrived at the machines."""
    return [item.alert for parcel in office["siem"].parcels for item in parcel.items]
