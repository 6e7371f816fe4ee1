"""The policy in force: once a minute, kept while it cannot be read, and every change told."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from guards import GUARDS, disk
from guards.edges import policy_keeper
from guards.edges.policy_keeper import CHECK_S, RETRY_S, PolicyKeeper
from guards.edges.policy_source import Document
from guards.edges.register import Seen
from guards.engine import policy
from guards.engine.errors import Transient
from guards.engine.model import Mode
from guards.engine.ports import Receipt
from tests.fakes import Clock, Queue, Trouble

STRICT = "version: 1\n"
AUDIT = "version: 1\nmode: audit\n"
BROKEN = "version: 1\nmod: audit\n"


class Source:
    """A stored text with its etag. Does not imitate hosts, tokens or timeouts."""

    name = "acct.blob.core.windows.net/policy/policy.yaml"

    def __init__(self, text: str | None = STRICT) -> None:
        self.text = text
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, etag: str) -> Document | None:
        self.asked.append(etag)
        await self.gate.wait()
        if self.text is None:
            raise Transient("no such blob", code="PolicyUnreadable")
        current = hashlib.sha256(self.text.encode()).hexdigest()
        return None if etag == current else Document(self.text, current, "2026-03-01T11:00:00.000Z")


class Memory:
    """What was remembered; `down` makes it unreachable."""

    def __init__(self, text: str | None = None) -> None:
        self.seen = None if text is None else Seen.of(text)
        self.down = False

    async def recall(self) -> Seen | None:
        if self.down:
            raise Transient("queue guard-work: away")
        return self.seen

    async def remember(self, seen: Seen) -> None:
        if self.down:
            raise Transient("queue guard-work: away")
        self.seen = seen


class World:
    """A keeper among its fakes."""

    def __init__(self, text: str | None = STRICT, remembered: str | None = None) -> None:
        self.clock = Clock()
        self.trouble = Trouble()
        self.source = Source(text)
        self.memory = Memory(remembered)
        self.queue = Queue("alerts", self.trouble, self.clock)
        self.keeper = self.restarted()

    def restarted(self) -> PolicyKeeper:
        """Another process with nothing in its own memory."""
        self.keeper = PolicyKeeper(self.source, self.memory, self.queue, self.clock, GUARDS)
        return self.keeper

    async def later(self, seconds: float = CHECK_S) -> None:
        """Let time pass, and ask."""
        self.clock.passed += seconds
        await self.keeper.current()

    @property
    def told(self) -> list[tuple[str, str]]:
        """Severity and reason of each alert."""
        return [(m.json["severity"], m.json["reason"]) for m in self.queue.messages]


async def test_the_stored_policy_is_asked_for_once_a_minute() -> None:
    """With its etag, so that an unchanged one costs one small request."""
    world = World()
    first = await world.keeper.current()
    for _ in range(3):
        await world.later(CHECK_S / 4)
    assert world.source.asked == [""]
    await world.later(CHECK_S / 4)
    assert world.source.asked == ["", hashlib.sha256(STRICT.encode()).hexdigest()]
    assert await world.keeper.current() is first
    assert world.told == []


async def test_many_events_at_once_ask_once() -> None:
    """A burst on a new instance waits for one answer."""
    world = World()
    policies = await asyncio.gather(*(world.keeper.current() for _ in range(20)))
    assert len(world.source.asked) == 1
    assert len({id(policy) for policy in policies}) == 1


async def test_a_slow_check_holds_up_one_event_only() -> None:
    """The others go on with the policy in force."""
    world = World()
    in_force = await world.keeper.current()
    world.clock.passed += CHECK_S
    world.source.gate.clear()
    checking = asyncio.create_task(world.keeper.current())
    while len(world.source.asked) < 2:
        await asyncio.sleep(0)
    assert await world.keeper.current() is in_force
    world.source.gate.set()
    await checking


async def test_a_change_comes_into_force_and_is_told_with_what_it_loosens() -> None:
    """An exemption needs no deployment, and nobody switches the guard off in silence."""
    world = World()
    await world.keeper.current()
    world.source.text = AUDIT
    await world.later()
    assert (await world.keeper.current()).of(disk.GUARD)["networkAccessPolicy"].mode is Mode.AUDIT
    ((severity, reason),) = world.told
    assert severity == "high"
    assert "2026-03-01T11:00:00.000Z" in reason
    for text in (STRICT, AUDIT):
        assert hashlib.sha256(text.encode()).hexdigest()[:12] in reason
    assert "it loosens (1): every rule: mode enforce to audit" in reason


async def test_a_change_that_only_tightens_is_told_quietly() -> None:
    """Low, and it says that nothing was loosened."""
    world = World(AUDIT)
    await world.keeper.current()
    world.source.text = STRICT
    await world.later()
    ((severity, reason),) = world.told
    assert severity == "low"
    assert "loosens nothing" in reason


@pytest.mark.parametrize("comment", ["# a comment\n", "\n"])
async def test_a_change_of_words_only_is_told_too(comment: str) -> None:
    """The hash in the alerts changes; whoever compares hashes finds out when."""
    world = World()
    await world.keeper.current()
    world.source.text = STRICT + comment
    await world.later()
    assert [severity for severity, _ in world.told] == ["low"]


async def test_a_change_while_no_instance_ran_is_told_by_the_next_one() -> None:
    """An app that had scaled to nothing still tells, and tells what was loosened."""
    world = World(STRICT)
    await world.keeper.current()
    world.source.text = AUDIT
    await world.restarted().current()
    ((severity, reason),) = world.told
    assert severity == "high"
    assert "mode enforce to audit" in reason
    await world.restarted().current()
    assert len(world.told) == 1


@pytest.mark.parametrize("before", [Seen("0" * 64, ""), Seen("0" * 64, "version: 0\n")])
async def test_a_change_from_what_is_not_known_any_more_is_told_loudly(before: Seen) -> None:
    """Without the old text nobody can say that nothing was loosened."""
    world = World()
    world.memory.seen = before
    await world.keeper.current()
    ((severity, reason),) = world.told
    assert severity == "high"
    assert "cannot be told" in reason


async def test_the_first_policy_ever_is_no_change() -> None:
    """A new deployment tells nothing."""
    world = World()
    await world.keeper.current()
    assert (world.told, world.memory.seen) == ([], Seen.of(STRICT))


async def test_a_change_is_told_once_the_storage_is_back() -> None:
    """What cannot be compared or posted now is told at a later check; the policy holds at once."""
    world = World(AUDIT, remembered=STRICT)
    world.memory.down = True
    assert (await world.keeper.current()).of(disk.GUARD)["networkAccessPolicy"].mode is Mode.AUDIT
    await world.later()
    assert world.told == []
    world.memory.down = False
    world.trouble.errors["alerts.put"] = [Transient("queue guard-alerts: away")]
    await world.later()
    assert (world.told, world.memory.seen) == ([], Seen.of(STRICT))
    await world.later()
    assert [severity for severity, _ in world.told] == ["high"]
    assert world.memory.seen == Seen.of(AUDIT)


@pytest.mark.parametrize("text", [None, BROKEN, "", "a: ["])
async def test_a_policy_that_turns_bad_leaves_the_last_good_one_in_force(text: str | None) -> None:
    """And is told once for the same trouble, not once a minute."""
    world = World()
    good = await world.keeper.current()
    world.source.text = text
    for _ in range(3):
        await world.later()
    assert await world.keeper.current() is good
    ((severity, reason),) = world.told
    assert severity == "high"
    assert f"{good.hash[:12]}…) stays in force" in reason


async def test_an_error_of_our_own_leaves_the_last_good_policy_in_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A document that breaks the parser stops neither the events nor the alert."""
    world = World()
    good = await world.keeper.current()

    def broken(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(policy, "parse", broken)
    world.source.text = AUDIT
    await world.later()
    assert await world.keeper.current() is good
    ((severity, reason),) = world.told
    assert severity == "high"
    assert "RuntimeError" in reason


async def test_slow_alerts_do_not_hold_up_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are posted at a later check."""
    monkeypatch.setattr(policy_keeper, "TELLING_S", 0.05)
    world = World(AUDIT, remembered=STRICT)
    gate = asyncio.Event()
    put = world.queue.put

    async def slow(message: Mapping[str, Any], delay_s: float = 0) -> Receipt:
        await gate.wait()
        return await put(message, delay_s)

    monkeypatch.setattr(world.queue, "put", slow)
    assert (await world.keeper.current()).of(disk.GUARD)["networkAccessPolicy"].mode is Mode.AUDIT
    assert world.told == []
    gate.set()
    await world.later()
    assert [severity for severity, _ in world.told] == ["high"]


async def test_trouble_that_comes_and_goes_is_told_once_a_day() -> None:
    """Two kinds of it, by turns: not an alert a minute."""
    world = World()
    await world.keeper.current()
    for text in (None, BROKEN, STRICT) * 5:
        world.source.text = text
        await world.later()
    ids = [m.json["alertId"] for m in world.queue.messages]
    assert len(ids) == len(set(ids)) == 2


async def test_a_change_and_the_way_back_are_both_told_though_storage_was_away() -> None:
    """Whoever opens a window while the queue cannot be reached is told of afterwards."""
    world = World()
    await world.keeper.current()
    world.memory.down = True
    for text in (AUDIT, STRICT):
        world.source.text = text
        await world.later()
    assert world.told == []
    world.memory.down = False
    await world.later()
    assert [severity for severity, _ in world.told] == ["high", "low"]


async def test_a_change_is_told_though_nobody_remembers_what_was_before() -> None:
    """The metadata was cleared; this instance knows what it had in force."""
    world = World()
    await world.keeper.current()
    world.memory.seen = None
    world.source.text = AUDIT
    await world.later()
    ((severity, reason),) = world.told
    assert severity == "high"
    assert "mode enforce to audit" in reason


async def test_a_change_that_cannot_be_remembered_is_told_once() -> None:
    """The queue's metadata may be full: that is no reason for an alert a minute."""
    world = World()
    await world.keeper.current()

    async def refused(seen: Seen) -> None:
        raise Transient("metadata too large")

    world.memory.remember = refused  # type: ignore[method-assign]
    world.source.text = AUDIT
    for _ in range(3):
        await world.later()
    assert [severity for severity, _ in world.told] == ["high"]


async def test_after_a_long_silence_nobody_is_judged_by_the_old_policy() -> None:
    """An instance without events for hours: a burst waits for the check instead of going on."""
    world = World(AUDIT)
    await world.keeper.current()
    world.source.text = STRICT
    world.clock.passed += 3 * 3600
    burst = await asyncio.gather(*(world.keeper.current() for _ in range(10)))
    assert {found.of(disk.GUARD)["networkAccessPolicy"].mode for found in burst} == {Mode.ENFORCE}
    assert len(world.source.asked) == 2


async def test_trouble_that_lasts_is_told_once_a_day() -> None:
    """Nobody forgets that an old policy is in force; each day's alert has an ID of its own."""
    world = World()
    await world.keeper.current()
    world.source.text = BROKEN
    for _ in range(48):
        await world.later(3600)
    ids = [m.json["alertId"] for m in world.queue.messages]
    assert len(ids) == len(set(ids)) == 3


@pytest.mark.parametrize("text", [None, BROKEN])
async def test_an_instance_that_never_had_a_policy_says_so_once_and_changes_nothing(
    text: str | None,
) -> None:
    """Critical, and every event waits; a mended policy comes into force within seconds."""
    world = World(text)
    for _ in range(3):
        with pytest.raises(Transient) as refused:
            await world.keeper.current()
        assert refused.value.code == "PolicyUnreadable"
    ((severity, reason),) = world.told
    assert severity == "critical"
    assert "no change is made" in reason
    world.source.text = STRICT
    await world.later(RETRY_S)
    assert len(world.told) == 1


async def test_an_alert_about_trouble_is_posted_when_the_queue_is_back() -> None:
    """Not lost because the queue was away at that moment."""
    world = World(None)
    world.trouble.errors["alerts.put"] = [Transient("queue guard-alerts: away")]
    for seconds in (0, RETRY_S):
        world.clock.passed += seconds
        with pytest.raises(Transient):
            await world.keeper.current()
    assert [severity for severity, _ in world.told] == ["critical"]


def _mistakes(count: int) -> Iterable[str]:
    return (f"unknown{i}: 1\n" for i in range(count))


async def test_a_policy_with_hundreds_of_mistakes_fits_an_alert() -> None:
    """Cut, and put all the same."""
    world = World(STRICT + "".join(_mistakes(500)))
    with pytest.raises(Transient):
        await world.keeper.current()
    ((_, reason),) = world.told
    assert "unknown0" in reason
