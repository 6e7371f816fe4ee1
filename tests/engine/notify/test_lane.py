"""One sender at a time, and whatever waits has an appointment, wherever senders die.

Senders are stepped by hand, from one call of a port to the next, so that they interleave as badly
as a test wants, and die in the middle.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from math import inf
from random import Random
from typing import Any

import pytest

from guards.engine.errors import Transient
from guards.engine.notify import deliver, lane
from guards.engine.notify.deliveries import identity
from guards.engine.notify.lane import LEASE_S, Lane, State
from guards.engine.notify.outbox import WAITING
from guards.engine.store import Put
from tests.engine.notify.office import Office, alert
from tests.fakes import Message, Queue, Store, Trouble

AGAIN_S = 30.0
"""After a process has died, its message comes again."""

A_LITTLE_S = 5.0


class Invocation:
    """The app at work on one message, as far as it was stepped."""

    def __init__(
        self, queue: Queue, message: Message, work: Coroutine[Any, Any, str], office: Office
    ) -> None:
        self._queue = queue
        self._message = message
        self._work = work
        self._office = office
        self.alive = True

    def step(self) -> None:
        """Up to its next call of a port; its message is gone when it is done."""
        try:
            self._work.send(None)
        except StopIteration:
            self._queue.messages.remove(self._message)
            self.alive = False
        except Transient:
            self.die()

    def die(self) -> None:
        """The process ends here, and the host brings the message again."""
        self._work.close()
        self._message.due = self._office.clock.passed + AGAIN_S
        self.alive = False


class Hosts:
    """Instances side by side on one office, each at work on a message of its own."""

    def __init__(self, *channels: str) -> None:
        self.office = Office(*channels)
        self.running: list[Invocation] = []

    def post(self, posted: dict[str, Any]) -> None:
        """An alert, fanned out."""
        asyncio.run(self.office.fan_out(posted))

    def begin(self) -> bool:
        """Another instance takes the next message that is due; False if none is."""
        office = self.office
        handlers: tuple[tuple[Queue, Callable[..., Coroutine[Any, Any, str]]], ...] = (
            (office.deliveries, deliver.on_delivery),
            (office.given_up, deliver.on_given_up),
        )
        for queue, handle in handlers:
            if (message := queue.take()) is not None:
                message.due = inf  # the host renews it while the app is at work
                work = handle(message.text, office.post)
                self.running.append(Invocation(queue, message, work, office))
                return True
        return False

    def step(self, which: int, times: int) -> None:
        """One of the instances goes on for some calls."""
        one = self.running[which % len(self.running)]
        for _ in range(times):
            if one.alive:
                one.step()
        self.running = [other for other in self.running if other.alive]

    def die(self, which: int) -> None:
        """One of the instances ends in the middle."""
        self.running.pop(which % len(self.running)).die()

    def finish(self) -> None:
        """All that runs comes to its end."""
        while self.running:
            self.step(0, 1000)

    def has_appointment(self, channel: str) -> bool:
        """Whether somebody looks, soon after the lane is free and its rest is over."""
        now, state = self.office.clock.passed, self.state(channel)
        rest_s = state.not_before - self.office.post.now()
        end = now + max(LEASE_S, rest_s) + A_LITTLE_S
        messages = self.office.deliveries.messages
        return any(m.due <= end and self._looks(m.json, channel) for m in messages)

    def state(self, channel: str) -> State:
        """The lane's row."""
        return lane._state(self.office.store.rows.get(f"channel {channel}", {}).get("lane"))

    def _looks(self, message: dict[str, Any], channel: str) -> bool:
        """An alert that was told already leads to no look at what else waits."""
        if message["channel"] != channel or message["alert"] is None:
            return bool(message["channel"] == channel)
        rows = self.office.store.rows.get(f"channel {channel}", {})
        mark = rows.get(f"s|{identity(message['alert'])}")
        return mark is None or mark.values["state"] == WAITING


class Schedule:
    """Alerts, instances, deaths, pauses and failing channels, at random."""

    def __init__(self, seed: int, *, deaths: bool) -> None:
        self.random = Random(seed)
        self.hosts = Hosts("teams", "siem")
        self.office = self.hosts.office
        self.posted: list[dict[str, Any]] = []
        self._actions: dict[Callable[[], None], int] = {
            self._post: 4,
            self._begin: 8,
            self._step: 16,
            self._finish: 1,
            self._pause: 1,
            self._fail: 1,
            self._die: 1 if deaths else 0,
        }

    def act(self) -> None:
        """Something happens."""
        actions, weights = zip(*self._actions.items(), strict=True)
        self.random.choices(actions, weights)[0]()

    def _post(self) -> None:
        for _ in range(self.random.choice([1, 1, 2, 8])):
            copy = self.posted and self.random.random() < 0.1
            self.posted.append(self.random.choice(self.posted) if copy else alert())
            self.hosts.post(self.posted[-1])

    def _begin(self) -> None:
        if len(self.hosts.running) < 6:
            self.hosts.begin()

    def _step(self) -> None:
        if self.hosts.running:
            self.hosts.step(self.random.randrange(6), self.random.choice([1, 2, 5, 30]))

    def _finish(self) -> None:
        self.hosts.finish()

    def _die(self) -> None:
        if self.hosts.running:
            self.hosts.die(self.random.randrange(6))

    def _pause(self) -> None:
        """Nobody is at work while time passes: who stands still may tell something twice."""
        self.hosts.finish()
        self.office.clock.passed += self.random.choice([1, 10, 31, 61, 200])

    def _fail(self) -> None:
        error = self.random.choice([Transient("503"), Transient("429", retry_after=200)])
        self.office[self.random.choice(["teams", "siem"])].answers.append(error)


@pytest.mark.parametrize("seed", range(40))
def test_what_waits_has_an_appointment_whenever_nobody_is_at_work(seed: int) -> None:
    """However senders interleave and die: somebody looks, and in the end everything was told."""
    schedule = Schedule(seed, deaths=True)
    hosts, office = schedule.hosts, schedule.office
    for _ in range(250):
        schedule.act()
        if not hosts.running:
            for channel in office.channels:
                assert not office.keys(channel, "w|") or hosts.has_appointment(channel)
    hosts.finish()
    asyncio.run(office.settle(7200))
    ids = {one["alertId"] for one in schedule.posted}
    assert ids == set(office["teams"].told) == set(office["siem"].told)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_told_twice_while_nobody_dies(seed: int) -> None:
    """However senders interleave, only one of them has a channel at a time."""
    schedule = Schedule(seed, deaths=False)
    for _ in range(250):
        schedule.act()
    schedule.hosts.finish()
    asyncio.run(schedule.office.settle(7200))
    ids = sorted({one["alertId"] for one in schedule.posted})
    assert len(ids) > 20
    for channel in schedule.office.channels.values():
        assert sorted(channel.told) == ids


def crowd(number: int = 2) -> Hosts:
    """Alerts for one channel, and as many instances that begin with them."""
    hosts = Hosts("teams")
    for _ in range(number):
        hosts.post(alert())
        assert hosts.begin()
    return hosts


CALLS = 40
"""More than a sender of one alert makes."""


@pytest.mark.parametrize("calls", range(CALLS))
def test_whoever_comes_while_another_is_at_work_is_told_at_once(calls: int) -> None:
    """Also at the moment at which the other gives the lane back: nobody waits for its lease."""
    hosts = crowd()
    hosts.step(0, calls)
    hosts.step(-1, 1000)
    hosts.finish()
    assert len(hosts.office["teams"].told) == 2
    assert hosts.office.keys("teams", "w|") == []


@pytest.mark.parametrize("calls", range(CALLS))
def test_a_sender_that_dies_gives_way_after_its_lease(calls: int) -> None:
    """Wherever it dies: all is told within the lease, and what it may have sent twice at most."""
    hosts = crowd()
    hosts.step(0, calls)
    if len(hosts.running) == 2:
        hosts.die(0)
    hosts.finish()
    asyncio.run(hosts.office.settle(LEASE_S + A_LITTLE_S))
    told = hosts.office["teams"].told
    assert len(set(told)) == 2
    assert len(told) <= 3
    assert hosts.office.keys("teams", "w|") == []


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_puts_few_appointments(seed: int) -> None:
    """One for many that wait: not one for each alert, however many instances are at work."""
    schedule = Schedule(seed, deaths=False)
    hosts, office = schedule.hosts, schedule.office
    for _ in range(400):
        hosts.post(alert())
    while hosts.begin() or hosts.running:
        for _ in range(15):
            hosts.begin()
        while len(hosts.running) > 4:
            hosts.step(schedule.random.randrange(16), schedule.random.choice([1, 2, 5, 30]))
        hosts.step(0, 1)
    appointments = office.deliveries.messages
    assert len([m for m in appointments if m.json["channel"] == "teams"]) <= 16
    assert len([m for m in appointments if m.json["channel"] == "siem"]) <= 16
    assert office.trouble.count("deliveries.put") <= 2 * 400 + 64


@pytest.fixture
def office() -> Office:
    """One channel, nothing in it."""
    return Office("teams")


def sender(office: Office, name: str) -> Lane:
    """The lane of the channel, as one of its senders has it."""
    return Lane("teams", name, office.post)


def dues(office: Office) -> list[float]:
    """When the appointments of the channel surface."""
    return [message.due for message in office.deliveries.messages]


async def test_of_many_that_want_the_lane_one_has_it(office: Office) -> None:
    """And one appointment or a few wait for when it is free."""
    lanes = [sender(office, str(n)) for n in range(10)]
    assert sorted(await asyncio.gather(*(one.take() for one in lanes))) == [False] * 9 + [True]
    again = [await one.take() for one in lanes]
    assert again.count(True) == 1
    assert len(dues(office)) <= 9


async def test_a_lane_is_free_when_its_lease_is_over(office: Office) -> None:
    """A minute after its owner was last heard of, and not before."""
    first, second = sender(office, "first"), sender(office, "second")
    assert await first.take()
    office.clock.passed = 59.9
    assert not await second.take()
    assert dues(office) == [pytest.approx(60.9)]
    office.clock.passed = 60.0
    assert await second.take()
    assert not await first.prolong()
    assert not await first.note(failures=7)
    assert second.state.owner == "second"
    assert not await first.take()


async def test_a_lane_that_is_prolonged_stays_with_its_owner(office: Office) -> None:
    """As long as it goes on."""
    first, second = sender(office, "first"), sender(office, "second")
    assert await first.take()
    for _ in range(5):
        office.clock.passed += 50
        assert await first.prolong()
        assert not await second.take()


async def test_a_lane_that_is_given_back_is_free_at_once(office: Office) -> None:
    """By its owner: one that has lost it frees nothing."""
    first, second, third = (sender(office, name) for name in "abc")
    assert await first.take()
    await first.leave()
    assert await second.take()
    await first.leave()
    assert not await third.take()


async def test_a_rest_is_kept_by_everybody_and_ends_with_a_look(office: Office) -> None:
    """Nobody sends before; one appointment serves all that arrive meanwhile."""
    first = sender(office, "first")
    assert await first.take()
    await first.leave(office.post.now() + 300)
    for number in range(20):
        office.clock.passed += 10
        assert not await sender(office, str(number)).take()
    assert dues(office) == [300]
    office.clock.passed = 300
    assert await sender(office, "late").take()


async def test_trouble_cuts_no_rest_short(office: Office) -> None:
    """A server asked for minutes; that storage failed afterwards is not the server's fault."""
    first = sender(office, "first")
    assert await first.take()
    start = office.post.now()
    assert await first.note(not_before=start + 250)
    await first.abandon(start + 10)
    office.clock.passed = 249
    assert not await sender(office, "second").take(start + 10)
    assert max(dues(office)) == 250
    office.clock.passed = 250
    assert await sender(office, "third").take(start + 250)


async def test_trouble_frees_no_lane_of_somebody_else(office: Office) -> None:
    """Whoever could not take it, or has lost it, leaves it as it is."""
    first, second = sender(office, "first"), sender(office, "second")
    assert await first.take()
    await second.abandon(office.post.now() + 10)
    office.clock.passed = 30
    assert not await sender(office, "third").take()
    assert await first.prolong()


async def test_an_appointment_that_comes_too_late_is_not_enough(office: Office) -> None:
    """Whoever needs an earlier one puts it."""
    one = sender(office, "one")
    await one.wake_at(office.post.now() + 300)
    await one.wake_at(office.post.now() + 60)
    await one.wake_at(office.post.now() + 60.5)
    await one.wake_at(office.post.now() + 200)
    assert dues(office) == [300, 60]


async def test_an_appointment_that_has_passed_is_none(office: Office) -> None:
    """Whatever became of its message."""
    one = sender(office, "one")
    await one.wake_at(office.post.now() + 5)
    office.deliveries.messages.clear()
    office.clock.passed = 10
    await one.wake_at(office.post.now() + 50)
    assert dues(office) == [60]


async def test_an_appointment_that_surfaces_early_is_made_again(office: Office) -> None:
    """The clock of the instance that has it may be behind that of the one that put it."""
    first = sender(office, "first")
    assert await first.take()
    rest_until = office.post.now() + 100
    await first.leave(rest_until)
    (message,) = office.deliveries.messages
    office.deliveries.messages.clear()
    office.clock.passed = 95
    assert not await sender(office, "second").take(message.json["wake"])
    assert dues(office) == [100]


async def test_before_something_is_sent_its_senders_death_is_provided_for(office: Office) -> None:
    """Once for each lease, however many messages it sends."""
    first = sender(office, "first")
    assert await first.take()
    for _ in range(9):
        await first.insure()
    assert dues(office) == [LEASE_S]


@pytest.mark.parametrize("years", [-10, 10])
async def test_a_row_of_a_wrong_clock_holds_up_nobody(office: Office, years: int) -> None:
    """Leases, rests and appointments of another decade count as never written."""
    office.clock.passed = years * 365 * 86400.0
    wrong = sender(office, "wrong")
    assert await wrong.take()
    await wrong.insure()
    office.clock.passed = 0
    right = sender(office, "right")
    assert await right.take()
    await right.leave(office.post.now() + 5)
    office.clock.passed = years * 365 * 86400.0
    again = sender(office, "wrong again")
    assert await again.take()
    await again.leave(office.post.now() + 3600)
    office.clock.passed = 6
    assert await sender(office, "right again").take()


NONSENSE = [
    None,
    "",
    "x",
    b"\xff",
    True,
    -1,
    2**31,
    -(2**31),
    1e308,
    -1e308,
    inf,
    -inf,
    float("nan"),
]


@pytest.mark.parametrize("value", NONSENSE, ids=str)
async def test_a_row_of_nonsense_holds_up_nobody(office: Office, value: Any) -> None:
    """Whatever stands in it, an alert leaves within a lease."""
    values: dict[str, Any] = dict.fromkeys(asdict(State()), value)
    await office.store.write("channel teams", Put("lane", values))
    posted = await office.alert()
    await office.settle(LEASE_S + A_LITTLE_S)
    assert office["teams"].told == [posted["alertId"]]


class Contended(Store):
    """A store in which somebody writes a row just before everyone else does."""

    async def write(self, partition: str, *writes: Any) -> None:
        for write in writes:
            await super().write(partition, Put(write.key, {"owner": ""}))
        await super().write(partition, *writes)


async def test_a_lane_that_everybody_writes_is_transient_trouble(office: Office) -> None:
    """After a bounded number of tries the delivery is put off."""
    store = Contended(trouble := Trouble())
    post = replace(office.post, store=store)
    with pytest.raises(Transient, match="lane of teams"):
        await Lane("teams", "one", post).take()
    assert trouble.count("store.get") == 20
