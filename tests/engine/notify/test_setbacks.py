"""What goes wrong for long: one bad alert, a dead channel, a store away, a channel removed."""

import itertools
import json
from collections.abc import Sequence

import pytest

from guards.engine.errors import Terminal, Transient, Unanswered
from guards.engine.notify import deliveries
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Another, Sent
from guards.engine.notify.routes import Routes
from tests.engine.notify.office import FakeChannel, Office, alert

HOUR, DAY = 3600.0, 86400.0


def spoil(channel: FakeChannel, bad: Sequence[str], error: Transient | Terminal) -> None:
    """Every message with one of these alert ids fails."""
    send = channel.send

    async def spoiled(parcel: Parcel, another: Another) -> Sent:
        if any(item.alert.get("alertId") in bad for item in parcel.items):
            channel.times.append(channel.clock.passed)
            raise error
        return await send(parcel, another)

    channel.send = spoiled  # type: ignore[method-assign]


async def post(office: Office, number: int) -> list[str]:
    """So many alerts at once; returns their ids."""
    return [(await office.alert())["alertId"] for _ in range(number)]


@pytest.mark.parametrize("status", [400, 413, 552])
async def test_one_alert_that_a_digest_is_refused_for_does_not_take_the_others_along(
    status: int,
) -> None:
    """Fewer at a time, until the one is alone; the others arrive, and it is told elsewhere."""
    office = Office("teams", "siem", routes=Routes((), default=("teams",)))
    ids = [alert() for _ in range(40)]
    spoil(office["teams"], [ids[23]["alertId"]], Terminal("no", status=status))
    for one in ids:
        await office.fan_out(one)
    await office.settle(DAY)
    good = sorted(one["alertId"] for one in ids if one is not ids[23])
    assert sorted(office["teams"].told) == good
    assert office["siem"].told == [ids[23]["alertId"]]


async def test_an_error_of_the_guard_over_one_alert_does_not_take_the_others_along() -> None:
    """Whatever an alert does to the code that draws it."""
    office = Office("teams", "siem", routes=Routes((), default=("teams",)))
    ids = await post(office, 30)
    spoil(office["teams"], ids[20:21], ZeroDivisionError("a bug"))  # type: ignore[arg-type]
    await office.settle(DAY)
    assert sorted(office["teams"].told) == sorted(set(ids) - {ids[20]})
    assert ids[20] in office["siem"].told


async def test_one_alert_that_a_receiver_stumbles_over_does_not_block_a_channel() -> None:
    """A 500 for one of them, every time: the others arrive within the hour."""
    office = Office("siem", "teams", routes=Routes((), default=("siem",)))
    office["siem"].capacity = 1
    ids = await post(office, 1)
    spoil(office["siem"], list(ids), Transient("500"))
    await office.settle(1)  # it is the first in line
    ids += await post(office, 3)
    await office.settle(HOUR)
    assert sorted(office["siem"].told) == ids[1:]
    assert ids[0] in office["teams"].told


async def test_a_dead_channel_hands_everything_over_after_a_day() -> None:
    """However small its messages are."""
    office = Office("siem", "teams", routes=Routes((), default=("siem",)))
    office["siem"].capacity = 1
    office["siem"].always = Transient("no answer")
    ids = await post(office, 300)
    await office.settle(2 * DAY)
    assert set(ids) <= set(office["teams"].told)


@pytest.mark.parametrize("name", ["store.get", "store.page", "store.write"])
async def test_a_store_that_is_away_for_days_costs_time_and_nothing_else(name: str) -> None:
    """No multiplication of messages meanwhile, and every alert arrives once."""
    office = Office("teams", "mail", "siem")
    office.trouble.errors[name] = [Transient("table guardstate: 403")] * 10_000
    ids = await post(office, 2)
    await office.settle(3 * DAY)
    assert len(office.deliveries.messages) == 6
    office.trouble.errors.clear()
    await office.settle(HOUR)
    for channel in office.channels.values():
        assert sorted(channel.told) == sorted(ids)


async def test_an_appointment_survives_a_day_without_the_app_and_a_hiccup() -> None:
    """What waits is looked at, however old the message is that leads there."""
    office = Office("mail")
    ids = await post(office, 3)
    await office.settle()
    office.clock.passed += 2 * DAY
    office.trouble.errors["store.get"] = [Transient("ServerBusy")]
    await office.settle(HOUR)
    assert sorted(office["mail"].told) == sorted(ids)


@pytest.mark.parametrize("stopped_s", [0.0, 2 * DAY])
async def test_what_waits_for_a_channel_that_is_removed_goes_to_the_others(
    stopped_s: float,
) -> None:
    """Not at once: while settings are rolled out, another instance may know it."""
    office = Office("mail", "teams", routes=Routes((), default=("mail",)))
    ids = await post(office, 5)
    await office.settle()
    office.clock.passed += stopped_s
    told = office.channels.pop("mail").told
    await office.settle(5 * 60)
    assert not office["teams"].told
    await office.settle(DAY)
    assert sorted(office["teams"].told + told) == sorted(ids)


async def test_a_channel_that_another_instance_knows_already_is_not_told_as_failing() -> None:
    """While settings are rolled out, an old instance gets deliveries for a channel it lacks."""
    office = Office("mail", "teams")
    removed = office.channels.pop("mail")
    posted = alert()
    new = Delivery("mail", first_seen=office.post.now(), item=Item(posted))
    await office.deliveries.put(new.message())
    await office.settle(60)
    office.channels["mail"] = removed
    await office.settle(HOUR)
    assert removed.told == [posted["alertId"]]
    assert not office["teams"].notices


async def test_two_channels_that_fail_in_ever_new_words_do_not_tell_each_other_for_ever() -> None:
    """Mail servers put a number into every refusal."""
    office = Office("mail-a", "mail-b")
    numbers = itertools.count()

    async def refuse(parcel: Parcel, another: Another) -> Sent:
        attempts.append(office.clock.passed)
        raise Terminal(f"550 5.7.1 refused, see incident {next(numbers)}")

    attempts: list[float] = []
    for channel in office.channels.values():
        channel.send = refuse  # type: ignore[method-assign]
    await office.alert()
    await office.settle(5 * DAY)
    assert len(attempts) < 8
    assert not office.deliveries.messages


async def test_a_receiver_that_is_only_slow_does_not_get_the_same_message_all_day() -> None:
    """Three times at most, then the others have it; what is said about it says so."""
    office = Office("mail", "teams", routes=Routes((), default=("mail",)))
    office["mail"].always = Unanswered("no answer to the mail itself")
    (posted,) = await post(office, 1)
    await office.settle(2 * DAY)
    assert len(office["mail"].times) == 3
    assert posted in office["teams"].told
    (item,) = (i for p in office["teams"].parcels for i in p.items if i.alert["alertId"] == posted)
    assert "it may be there" in item.note


async def test_a_message_that_took_its_time_counts_from_its_arrival() -> None:
    """Else the next mail would come within the minute."""
    office = Office("mail")
    office["mail"].takes_s = 19.0
    await post(office, 3)
    await office.settle(HOUR)
    arrivals = [time + 19 for time in office["mail"].times]
    assert len(arrivals) == 2
    assert arrivals[1] - arrivals[0] >= 60


async def test_giving_up_thousands_outlives_no_lease() -> None:
    """However slow the queue is: each is told once elsewhere, and is kept for the channel."""
    office = Office("mail", "siem", routes=Routes((), default=("mail",)))
    office["mail"].capacity = 2000
    office["mail"].answers = [None, Terminal("550 no such mailbox")]
    put = office.given_up.put

    async def slow(message: dict[str, object], delay_s: float = 0) -> object:
        office.clock.passed += 0.1
        return await put(message, delay_s)

    office.given_up.put = slow  # type: ignore[method-assign,assignment]
    ids = await post(office, 900)
    await office.settle(HOUR)
    assert sorted(office["siem"].told) == sorted(set(ids) - set(office["mail"].told))
    later = await post(office, 1)
    await office.settle(2 * HOUR)
    assert sorted(office["mail"].told) == sorted([*ids, *later])


NONSENSE = {
    "surrogates": '{"alertId": "a\\ud800", "\\udfff": "x"}',
    "nan": '{"alertId": "n", "a": NaN, "b": -Infinity, "c": 1e999}',
    "deep": '{"alertId": "d", "a": ' + "[" * 300 + "]" * 300 + "}",
    "long number": '{"alertId": "l", "a": ' + "9" * 4000 + "}",
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE.keys())
async def test_what_json_says_in_odd_ways_arrives_as_one_alert(text: str) -> None:
    """Every reader on the way understands it alike, and what goes out is JSON for everybody."""
    office = Office("teams", "siem")
    await office.fan_out(text.encode())
    await office.settle(HOUR)
    for channel in office.channels.values():
        (parcel,) = channel.parcels
        (item,) = parcel.items
        assert item.alert["alertId"][0] in "andl"
        assert json.loads(json.dumps(item.alert, allow_nan=False).encode()) == item.alert


@pytest.mark.parametrize("character", ["\U0001f4be", "漢", "ü", '"', "\x7f"])
async def test_an_alert_of_many_long_texts_fits_whatever_they_are_made_of(character: str) -> None:
    """A character takes up to twelve bytes on the way; the id is kept."""
    office = Office("teams")
    raw = {"schema": "exportguard.alert/2", "alertId": "ab" * 32}
    raw |= {f"key{n}": character * 185 for n in range(64)}
    text = json.dumps(raw, ensure_ascii=False).encode()
    message = Delivery("teams", 1.0, Item(deliveries.read_alert(text))).message()
    assert len(json.dumps(message).encode()) <= deliveries.MAX_BYTES
    await office.fan_out(text)
    await office.settle()
    assert [p.items[0].alert["alertId"] for p in office["teams"].parcels] == ["ab" * 32]


@pytest.mark.parametrize("failures", range(4, 12))
async def test_an_outage_however_long_gives_up_nothing(failures: int) -> None:
    """Whichever alert is the first to get through again."""
    office = Office("siem", "teams", routes=Routes((), default=("siem",)))
    office["siem"].capacity = 1
    office["siem"].answers = [Transient("503")] * failures
    ids = await post(office, 3)
    await office.settle(6 * HOUR)
    assert sorted(office["siem"].told) == ids
    assert not office["teams"].told


async def test_several_alerts_that_a_receiver_stumbles_over_do_not_block_a_channel() -> None:
    """Two of them, the first in line: the others arrive within a few hours."""
    office = Office("siem", "teams", routes=Routes((), default=("siem",)))
    office["siem"].capacity = 1
    bad = await post(office, 2)
    spoil(office["siem"], bad, Transient("500"))
    await office.settle(1)
    good = await post(office, 4)
    await office.settle(6 * HOUR)
    assert sorted(office["siem"].told) == good
    assert sorted(office["teams"].told) == bad
