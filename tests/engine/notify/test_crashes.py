"""The process dies at any call, before or after its effect: nothing is lost, little is doubled."""

from collections import Counter

import pytest

from guards.engine.errors import Transient
from guards.engine.later import FIRST_DELAY_S
from tests.engine.notify.office import Office, alert
from tests.fakes import Crash

A_LITTLE_S = 5.0


async def _deliver(crash: tuple[int, str] | None, number: int) -> Office:
    """`number` alerts through two channels, and the host tries again what was interrupted."""
    office = Office("teams", "mail")
    office.trouble.crash = crash
    posted = [alert() for _ in range(number)]
    for one in posted:
        for _ in range(3):
            try:
                await office.fan_out(one)
            except Crash:
                office.trouble.crash = None
            else:
                break
    await office.settle(3600)
    office.posted = [one["alertId"] for one in posted]  # type: ignore[attr-defined]
    return office


@pytest.mark.parametrize("number", [1, 2, 6])
async def test_one_crash_anywhere_loses_nothing_and_doubles_once_at_most(number: int) -> None:
    """Every alert arrives; a second time at most, and only where the crash was."""
    calls = len((await _deliver(None, number)).trouble.calls)
    assert calls > 10
    for call in range(1, calls + 1):
        for side in ("before", "after"):
            office = await _deliver((call, side), number)
            posted = set(office.posted)  # type: ignore[attr-defined]
            doubled = 0
            for channel in office.channels.values():
                told = Counter(channel.told)
                assert posted == set(told), (call, side, office.trouble.calls[call - 1])
                assert max(told.values()) <= 2
                doubled += any(times == 2 for times in told.values())
            sends = office.trouble.calls[call - 1].endswith(".send")
            assert doubled <= 1
            if sends and side == "before":
                assert not doubled


@pytest.mark.parametrize("name", ["store.get", "store.page", "store.write", "deliveries.put"])
async def test_one_failing_call_anywhere_loses_and_doubles_nothing(name: str) -> None:
    """Storage that hiccups once, wherever it does, is not noticed by anybody."""
    calls = (await _deliver(None, 3)).trouble.count(name)
    for call in range(calls):
        office = Office("teams", "mail")
        office.trouble.errors[name] = [*[None] * call, Transient("ServerBusy")]
        posted = [alert() for _ in range(3)]
        for one in posted:
            try:
                await office.fan_out(one)
            except Transient:
                await office.fan_out(one)
        await office.settle(3600)
        for channel in office.channels.values():
            assert Counter(channel.told) == Counter(one["alertId"] for one in posted), (name, call)


STORAGE = ["store.get", "store.page", "store.write", "deliveries.put"]
"""The calls of storage that delivering makes."""


async def _deliver_with_a_hiccup(name: str, call: int, hiccups: int, side: str) -> Office:
    """Two alerts for a channel that fails once; storage fails at one of its calls, or at a few.

    On the side "after" what was asked for is done, and the answer is lost.
    """
    office = Office("teams")
    office["teams"].answers = [Transient("503")]
    for _ in range(2):
        await office.alert()
    before = office.trouble.count(name)
    if side == "before":
        office.trouble.errors[name] = [None] * call + [Transient("ServerBusy")] * hiccups
    else:
        lost = range(before + call + 1, before + call + 1 + hiccups)

        def leave() -> None:
            if office.trouble.calls[-1] == name and office.trouble.count(name) in lost:
                raise Transient("no answer")

        office.trouble.leave = leave  # type: ignore[method-assign]
    await office.settle(3600)
    return office


@pytest.mark.parametrize("hiccups", [1, 2])
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", STORAGE)
async def test_storage_that_hiccups_costs_some_seconds_and_not_a_lease(
    name: str, side: str, hiccups: int
) -> None:
    """The lane is given back, wherever it happens: also at giving it back, and at taking it."""
    calls = (await _deliver_with_a_hiccup(name, 0, 0, side)).trouble.count(name)
    assert calls > 3
    for call in range(calls):
        office = await _deliver_with_a_hiccup(name, call, hiccups, side)
        assert len(office["teams"].told) == len(set(office["teams"].told)) == 2
        delays_s = FIRST_DELAY_S * 2**hiccups  # the channel's, and a doubling one for each hiccup
        assert office["teams"].times[-1] < delays_s + A_LITTLE_S, (call, office["teams"].times)
