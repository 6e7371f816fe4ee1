"""The process dies at any call, before or after its effect: nothing is lost, little is doubled."""

from collections import Counter

import pytest

from guards.engine.errors import Transient
from tests.engine.notify.office import Office, alert
from tests.fakes import Crash


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
