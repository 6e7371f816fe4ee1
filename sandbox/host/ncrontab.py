"""NCRONTAB, the schedule language of timer triggers.

The fields are {second} {minute} {hour} {day} {month} {weekday}.
Day and weekday must both match, unlike in cron. Five fields are read as starting with the minute.
"""

from datetime import datetime, timedelta

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_FARTHEST = timedelta(days=366 * 8)


class NCrontab:
    """A schedule that knows its next occurrence."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        if len(fields) != 6:
            raise ValueError(f"not an NCRONTAB expression: {expression!r}")
        parsed = [_values(text, *field) for text, field in zip(fields, _FIELDS, strict=True)]
        self._second, self._minute, self._hour, self._day, self._month, self._weekday = parsed

    def next(self, after: datetime) -> datetime:
        """The first occurrence strictly after the given local time."""
        moment = after.replace(microsecond=0) + timedelta(seconds=1)
        while moment - after <= _FARTHEST:
            following = self._skip(moment)
            if following == moment:
                return moment
            moment = following
        raise ValueError("no occurrence in the next eight years")

    def _skip(self, moment: datetime) -> datetime:
        """The same moment if it matches, else the next one that can match."""
        midnight = moment.replace(hour=0, minute=0, second=0)
        if moment.month not in self._month:
            return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
        if moment.day not in self._day or moment.isoweekday() % 7 not in self._weekday:
            return midnight + timedelta(days=1)
        if moment.hour not in self._hour:
            return moment.replace(minute=0, second=0) + timedelta(hours=1)
        if moment.minute not in self._minute:
            return moment.replace(second=0) + timedelta(minutes=1)
        if moment.second not in self._second:
            return moment + timedelta(seconds=1)
        return moment


def _values(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    """Every number that one field allows: lists, ranges, steps and names."""

    def number(word: str) -> int:
        value = names.get(word[:3].lower())
        value = int(word) if value is None else value
        if not low <= value <= high:
            raise ValueError(f"{word!r} is outside {low}-{high}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if span == "*" else number(first)
        open_end = span == "*" or step
        stop = number(last) if dash else high if open_end else start
        values.update(range(start, stop + 1, int(step or 1)))
    return frozenset(values)
