"""Timer triggers: an NCRONTAB expression or a time span, in local time, never overlapping.

Not reproduced: the status in blob storage (so a missed occurrence is not made up for after a
restart) and the lease that keeps a timer single across instances.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.host.invocations import Invocations
from sandbox.host.ncrontab import NCrontab
from sandbox.host.protos import TypedData
from sandbox.host.settings import HostSettingsError, resolve, seconds
from sandbox.host.values import typed
from sandbox.host.worker import Function, FunctionFailed

_MINUTE = timedelta(minutes=1)


class TimerListener:
    """The timer trigger of one function."""

    def __init__(self, function: Function, invocations: Invocations) -> None:
        self._function = function
        self._invocations = invocations
        self._next = schedule(resolve(str(function.trigger["schedule"])))
        first = self._next(_now())
        # The host keeps no status for what runs more often than once a minute.
        self._monitored = (
            bool(function.trigger.get("useMonitor", True)) and self._next(first) - first >= _MINUTE
        )

    async def listen(self) -> None:
        """Run the function at each occurrence, until cancelled; its failures end nothing."""
        now = _now()
        status = {"Last": None, "Next": self._next(now), "LastUpdated": now}
        if self._function.trigger.get("runOnStartup"):
            await self._fire(status)
        while True:
            due = status["Next"] or now
            await asyncio.sleep(max(0.0, (due - _now()).total_seconds()))
            await self._fire(status)
            last = max(due, _now())
            status = {"Last": last, "Next": self._next(last), "LastUpdated": last}

    async def _fire(self, status: dict[str, datetime | None]) -> None:
        """Run once, and again as @app.retry says: no other trigger here honours it."""
        retry = self._function.retry
        most = retry.max_retry_count if retry else 0
        attempt = 0
        while True:
            try:
                await self._invocations.run(
                    self._function,
                    timer_info(status if self._monitored else None),
                    retry=(attempt, most),
                )
            except FunctionFailed:
                if attempt == most:
                    return
                await asyncio.sleep(_pause(retry, attempt))
                attempt += 1
            else:
                return


def timer_info(status: dict[str, datetime | None] | None) -> TypedData:
    """What the function gets: the JSON behind azure.functions.TimerRequest."""
    moments = {
        name: at.isoformat() if at else "0001-01-01T00:00:00" for name, at in (status or {}).items()
    }
    return typed(
        {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": moments or None, "IsPastDue": False}
    )


def schedule(expression: str) -> Callable[[datetime], datetime]:
    """The function from a moment to the next occurrence after it."""
    try:
        step = timedelta(seconds=seconds(expression))
    except HostSettingsError:
        return NCrontab(expression).next
    if step <= timedelta(0):
        raise HostSettingsError(f"a timer needs a positive time span, not {expression!r}")
    return lambda moment: moment + step


def _pause(retry: object, attempt: int) -> float:
    fixed: timedelta | None = getattr(retry, "delay_interval", None)
    if fixed is not None:
        return fixed.total_seconds()
    shortest = getattr(retry, "minimum_interval", None) or timedelta(0)
    longest = getattr(retry, "maximum_interval", None) or timedelta(0)
    return float(min(longest.total_seconds(), shortest.total_seconds() * 2.0 ** min(attempt, 60)))


def _now() -> datetime:
    return datetime.now()  # noqa: DTZ005 (schedules are in local time, WEBSITE_TIME_ZONE or TZ)
