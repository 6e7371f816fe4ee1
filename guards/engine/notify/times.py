"""Times and durations of alerts, as people read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guards.engine.policy.exemptions import moment

_LONGEST_S = 1e10


def seconds(value: object) -> float | None:
    """A number of seconds that can be said; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= _LONGEST_S else None


def time_of(value: object) -> datetime | None:
    """A time of an alert as UTC; None for anything else."""
    try:
        return moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def began(alert: Mapping[str, Any]) -> datetime | None:
    """Since when it is known to be open: the event, or else the guard's look."""
    return time_of(alert.get("eventTime")) or time_of(alert.get("seenAt"))


def clock(time: datetime) -> str:
    """A time for people: `2026-03-01 11:59:59 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def lasting(seconds: float) -> str:
    """`47 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`."""
    whole = int(seconds)
    if whole < 1:
        return "under 1 s"  # or less than none, if two clocks differ
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    size = next(number for number, (_, length) in enumerate(units) if whole >= length)
    parts = []
    for unit, length in units[size : size + 2]:
        count, whole = divmod(whole, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts)
