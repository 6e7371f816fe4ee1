"""An alert reaches each of its channels once, however often it is handed on."""

import json
from typing import Any

import pytest

from guards.engine.errors import Terminal, Transient
from guards.engine.notify import deliver
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.outbox import REMINDER_S
from guards.engine.notify.parcel import Item
from guards.engine.notify.routes import Route, Routes
from guards.engine.notify.sender import Sender
from tests.engine.notify.office import Office, alert
from tests.fakes import Crash

HOUR = 3600.0


async def test_an_alert_goes_to_every_channel_at_once_and_alone() -> None:
    """Nobody waits for a digest while there is only one thing to tell, and nothing stays behind."""
    office = Office("teams", "mail", "siem")
    posted = await office.alert()
    await office.settle()
    for channel in office.channels.values():
        assert channel.told == [posted["alertId"]]
        assert channel.times == [0.0]
    await office.settle(120)
    assert not office.deliveries.messages


async def test_a_doubled_alert_is_told_once() -> None:
    """Queues deliver at least once; people read once, also if the copy comes an hour later."""
    office = Office("teams", "siem")
    posted = await office.alert()
    await office.fan_out(posted)
    await office.settle(HOUR)
    await office.fan_out(posted)
    await office.settle(HOUR)
    assert office["teams"].told == office["siem"].told == [posted["alertId"]]


async def test_how_it_ended_is_news_although_the_id_is_the_same() -> None:
    """Who was told that a disk is still open also learns that it was closed."""
    office = Office("teams")
    posted = await office.alert(outcome="deferred")
    await office.fan_out({**posted, "outcome": "reverted"})
    await office.settle(HOUR)
    assert office["teams"].told == [posted["alertId"]] * 2


async def test_a_blocked_resource_is_told_again_once_a_day() -> None:
    """A person has to act, and is reminded, but not with every look at the resource."""
    office = Office("teams")
    posted = await office.alert(outcome="blocked")
    await office.settle()
    for _ in range(3):
        office.clock.passed += REMINDER_S / 3 + 1
        await office.fan_out(posted)
        await office.settle()
    assert office["teams"].told == [posted["alertId"]] * 2


async def test_routes_decide_who_is_told() -> None:
    """A team gets what its policy says, and not the alerts of others."""
    routes = Routes((Route(("siem",), severities=("low",)),), default=("teams",))
    office = Office("teams", "siem", routes=routes)
    low, high = await office.alert(severity="low"), await office.alert()
    await office.settle(HOUR)
    assert office["siem"].told == [low["alertId"]]
    assert office["teams"].told == [high["alertId"]]


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"{", b"[" * 5000, b"null", b'"text"', b"[1]", b"12", b""]
)
async def test_what_is_no_alert_is_told_as_what_it_is(text: bytes) -> None:
    """A broken message in the queue reaches a person instead of vanishing."""
    office = Office("teams")
    await office.fan_out(text)
    await office.settle()
    (parcel,) = office["teams"].parcels
    assert parcel.items[0].alert["schema"] == "unreadable"


async def test_an_alert_of_another_version_is_delivered_as_it_is() -> None:
    """During an update old and new instances hand each other's alerts on, once."""
    office = Office("teams")
    future = {"schema": "exportguard.alert/9", "what": {"is": ["this"]}}
    await office.fan_out(future)
    await office.fan_out(future)
    await office.settle()
    (parcel,) = office["teams"].parcels
    assert parcel.items == (Item(future),)


async def test_an_alert_as_long_as_a_queue_message_fits_a_delivery() -> None:
    """However much an alert says, its id arrives, with a word that it was shortened."""
    office = Office("teams")
    long = alert(reason="é" * 8000, undo=["x" * 200] * 100, findings=[{"rule": "r"}] * 300)
    await office.fan_out(long)
    await office.settle()
    (parcel,) = office["teams"].parcels
    assert parcel.items[0].alert["alertId"] == long["alertId"]
    assert "shortened" in parcel.items[0].alert["note"]


async def test_the_crash_of_a_fan_out_doubles_nothing() -> None:
    """The first channel was told already when the process died; it is not told again."""
    office = Office("teams", "siem")
    posted = alert()
    office.trouble.crash = (1, "after")
    with pytest.raises(Crash):
        await office.fan_out(posted)
    office.trouble.crash = None
    await office.fan_out(posted)
    await office.settle(HOUR)
    assert office["teams"].told == office["siem"].told == [posted["alertId"]]


async def test_a_failing_channel_neither_repeats_nor_delays_another() -> None:
    """While Teams is down the mail goes out at once, and only once."""
    office = Office("teams", "mail")
    office["teams"].answers = [Transient("503")] * 4
    posted = await office.alert()
    await office.settle()
    assert office["mail"].told == [posted["alertId"]]
    assert office["mail"].times == [0.0]
    await office.settle(HOUR)
    assert office["teams"].told == office["mail"].told == [posted["alertId"]]
    assert office["teams"].times == pytest.approx([0, 10, 30, 70, 150], abs=2)


async def test_retry_after_is_kept_for_all_that_waits() -> None:
    """A service that asks for two minutes gets them, whatever arrives meanwhile."""
    office = Office("teams")
    office["teams"].answers = [Transient("429", retry_after=120)]
    await office.alert()
    await office.settle()
    await office.alert()
    await office.settle(HOUR)
    assert office["teams"].times[0] == 0
    assert min(office["teams"].times[1:]) >= 120
    assert len(office["teams"].told) == 2


async def test_a_channel_that_fails_for_minutes_is_told_to_the_others() -> None:
    """Somebody learns of a channel that is silent, through one that is not."""
    office = Office("teams", "mail")
    office["teams"].always = Transient("no answer")
    await office.alert()
    await office.settle(HOUR)
    (notice,) = office["mail"].notices
    assert "channel teams does not deliver: no answer" in notice


async def test_what_a_channel_refuses_for_good_the_others_get_and_it_is_not_tried_again() -> None:
    """An alert that only a deleted workflow was to get still reaches people, who read why."""
    routes = Routes((), default=("teams",))
    office = Office("teams", "mail", routes=routes)
    office["teams"].always = Terminal("404: its workflow was deleted")
    posted = await office.alert()
    await office.settle(3 * 86400)
    assert len(office["teams"].times) == 1
    assert posted["alertId"] in office["mail"].told
    (item,) = (i for p in office["mail"].parcels for i in p.items if i.alert == posted)
    assert "teams cannot deliver it: 404: its workflow was deleted" in item.note
    assert "channel teams does not deliver: 404" in office["mail"].notices[0]


async def test_who_has_the_alert_already_is_only_told_of_the_channel() -> None:
    """The other channels get no second copy of what they were sent themselves."""
    office = Office("teams", "mail")
    office["teams"].always = Terminal("404")
    posted = await office.alert()
    await office.settle(HOUR)
    assert office["mail"].told.count(posted["alertId"]) == 1
    assert len(office["mail"].notices) == 1


async def test_a_channel_given_up_on_is_logged_at_critical(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever watches the log only can find the alert by its id, and who was told instead."""
    office = Office("teams", "mail")
    office["teams"].always = Terminal("404")
    posted = await office.alert()
    await office.settle(HOUR)
    (record,) = (r for r in caplog.records if r.levelname == "CRITICAL")
    assert posted["alertId"] in record.getMessage()
    assert "Told instead: mail" in record.getMessage()


async def test_a_channel_that_works_again_gets_what_it_missed() -> None:
    """Once the setting is corrected nothing has to be looked up by hand."""
    office = Office("teams")
    office["teams"].always = Terminal("410")
    missed = [await office.alert() for _ in range(3)]
    await office.settle(HOUR)
    assert not office["teams"].told
    assert len(office.keys("teams", "u|")) == 3
    office["teams"].always = None
    late = await office.alert()
    await office.settle(HOUR)
    assert sorted(office["teams"].told) == sorted(a["alertId"] for a in [*missed, late])
    assert not office.keys("teams", "u|")


async def test_two_failing_channels_do_not_tell_each_other_for_ever() -> None:
    """Where nobody can be told the app comes to rest instead of filling its queues."""
    office = Office("teams", "mail")
    for channel in office.channels.values():
        channel.always = Terminal("404")
    await office.alert()
    await office.settle(3 * 86400)
    assert not office.deliveries.messages
    assert not office.given_up.messages
    assert sum(len(channel.times) for channel in office.channels.values()) < 12


async def test_after_a_day_of_failures_the_others_are_told() -> None:
    """And the channel itself gets the alert as well, when its trouble is over."""
    office = Office("teams", "mail", routes=Routes((), default=("teams",)))
    office["teams"].always = Transient("503")
    posted = await office.alert()
    await office.settle(2 * 86400)
    assert posted["alertId"] in office["mail"].told
    office["teams"].always = None
    await office.alert()
    await office.settle(HOUR)
    assert posted["alertId"] in office["teams"].told, "it works again, and gets what it missed"


async def test_a_refused_recipient_is_told_to_others_and_the_mail_is_not_repeated() -> None:
    """A mailbox that is gone does not mean that its colleagues read everything twice."""
    office = Office("mail", "teams")
    office["mail"].refuses = ("gone@contoso.example",)
    posted = await office.alert()
    await office.settle(HOUR)
    assert office["mail"].told.count(posted["alertId"]) == 1
    (notice,) = office["teams"].notices
    assert "gone@contoso.example" in notice


async def test_a_refused_recipient_of_the_only_channel_is_told_there_once() -> None:
    """The recipients who are left learn it, and are not told of it again by each mail."""
    office = Office("mail")
    office["mail"].refuses = ("gone@contoso.example",)
    await office.alert()
    await office.settle(2 * HOUR)
    assert len(office["mail"].notices) == 1


async def test_a_channel_that_no_setting_defines_any_more_loses_nothing() -> None:
    """What was on its way to a channel that was removed goes to those that are there."""
    office = Office("teams")
    posted = alert()
    orphan = Delivery("gone", first_seen=office.post.now(), item=Item(posted))
    await office.deliveries.put(orphan.message())
    await office.settle(HOUR)
    assert posted["alertId"] in office["teams"].told
    assert "gone" in office["teams"].notices[0]


async def test_a_store_in_trouble_delays_and_loses_nothing() -> None:
    """A busy table is a matter of seconds, not of alerts."""
    office = Office("teams")
    office.trouble.errors["store.write"] = [Transient("table guardstate: ServerBusy")] * 5
    posted = await office.alert()
    await office.settle(HOUR)
    assert office["teams"].told == [posted["alertId"]]


async def test_what_waits_through_days_of_trouble_is_sent_without_a_new_alert() -> None:
    """No appointment is given up, however long the store cannot be reached."""
    office = Office("teams")
    posted = alert()
    assert await Sender(office["teams"], office.post).keep(Item(posted))
    look = Delivery("teams", office.post.now(), wake=office.post.now())
    await office.deliveries.put(look.message())
    office.trouble.errors["store.get"] = [Transient("down")] * 100_000
    await office.settle(3 * 86400)
    assert not office["teams"].told
    office.trouble.errors.clear()
    await office.settle(HOUR)
    assert office["teams"].told == [posted["alertId"]]


async def test_an_error_of_the_guard_itself_stops_neither_the_channel_nor_the_alert() -> None:
    """An alert that trips a renderer is told elsewhere, and those behind it are delivered."""
    office = Office("teams", "mail", routes=Routes((), default=("teams",)))
    office["teams"].answers = [ZeroDivisionError("a bug")]  # type: ignore[list-item]
    first, second = await office.alert(), await office.alert()
    await office.settle(HOUR)
    assert first["alertId"] in office["mail"].told
    assert office["teams"].told == [second["alertId"]]


@pytest.mark.parametrize(
    "text",
    [
        b"no json",
        b"{}",
        b'{"schema":"exportguard.delivery/2"}',
        json.dumps({**Delivery("teams", 1.0).message(), "channel": "../etc"}).encode(),
        json.dumps({**Delivery("teams", 1.0).message(), "url": "https://evil.example"}).encode(),
        json.dumps({**Delivery("teams", 1.0).message(), "wake": 1e300}).encode(),
        json.dumps({**Delivery("teams", 1.0).message(), "alert": ["no"]}).encode(),
    ],
)
@pytest.mark.parametrize("handle", [deliver.on_delivery, deliver.on_given_up])
async def test_a_forged_delivery_is_told_and_not_obeyed(text: bytes, handle: Any) -> None:
    """Whoever can write into the queue cannot choose where a message goes, or hide one."""
    office = Office("teams")
    await handle(text, office.post)
    await office.settle()
    (notice,) = office["teams"].notices
    assert "guard-deliveries" in notice


async def test_a_delivery_that_crashed_five_times_is_told_elsewhere_and_looked_at_again() -> None:
    """A process that dies over an alert does not take the alert with it."""
    office = Office("teams", "mail")
    posted = alert()
    waiting = alert()
    await Sender(office["teams"], office.post).keep(Item(waiting))
    crashed = Delivery("teams", first_seen=office.post.now(), item=Item(posted))
    await office.given_up.put(crashed.message())
    await office.settle(HOUR)
    assert posted["alertId"] in office["mail"].told
    assert waiting["alertId"] in office["teams"].told, "what waited is sent without a new alert"


async def test_a_delivery_that_crashed_five_times_without_another_channel_is_tried_again() -> None:
    """With nobody else to tell, trying is all there is."""
    office = Office("teams")
    posted = alert()
    crashed = Delivery("teams", first_seen=office.post.now(), item=Item(posted))
    await office.given_up.put(crashed.message())
    await office.settle(HOUR)
    assert office["teams"].told == [posted["alertId"]]
