"""Exemptions: who may leave what open, why, and until when.

`Exemption.counts` is the one place that decides whether one is still in force: event, queue, sweep
and command line all ask it, with their clock. From the second it expires it counts no more.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from guards.engine import alerts
from guards.engine.alerts import Alert
from guards.engine.events import clean
from guards.engine.ids import folded
from guards.engine.model import Outcome, Severity, Source
from guards.engine.policy.scopes import Scope
from guards.engine.shapes import timestamp

LONGEST = timedelta(days=366)
"""At most a year, a leap year included, from the moment the policy is read."""

WARN_DAYS = (15, 1)

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]|$)")
"""Not the weeks and ordinal days that ISO 8601 has as well."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A resource's tag: the name in any casing, and one of the values, exactly."""

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"tag {self.name}={'|'.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of `exemptions`; `scope`, `tag` or both say where, `rules` which findings.

    `line` is where it stands in its file.
    """

    scope: Scope | None
    tag: Tag | None
    rules: tuple[str, ...]
    reason: str
    owner: str
    approved_by: str
    ticket: str
    expires_on: datetime
    line: int = field(default=0, compare=False)

    def counts(self, rule: str, now: datetime) -> bool:
        """Whether a finding of this rule is exempt at this moment."""
        return not self.expired(now) and rule in self.rules

    def expired(self, now: datetime) -> bool:
        """From its very second on."""
        return now >= self.expires_on

    @property
    def where(self) -> str:
        """Where it holds, for people."""
        places = [self.scope.text if self.scope else "", str(self.tag) if self.tag else ""]
        return " and ".join(place for place in places if place)

    def __str__(self) -> str:
        people = f"owner {clean(self.owner)}, approved by {clean(self.approved_by)}"
        why = f"{clean(self.reason, 500)} ({people}, ticket {clean(self.ticket)})"
        return f"until {timestamp(self.expires_on)}, {why}"

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same exemption after its date or its reason was changed."""
        tag = (folded(self.tag.name), *sorted(self.tag.values)) if self.tag else ()
        return self.scope.parts if self.scope else (), tag, tuple(sorted(self.rules))


def moment(text: str) -> datetime:
    """`expires_on` as UTC: a date means its first second, a time needs its zone.

    Raises:
        ValueError: it is neither.
    """
    form = "write a date such as 2026-12-31, which ends at 00:00 UTC that day, or a time with zone"
    try:
        if not _DATE.match(text):
            raise ValueError(text)
        if len(text) == len("2026-12-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise ValueError(f"not a date; {form}") from e
    raise ValueError(f"a time without its zone; {form}")


@dataclass(frozen=True, slots=True)
class Expiry:
    """An exemption that will expire: `days` before its end is now."""

    exemption: Exemption
    days: int

    def __str__(self) -> str:
        one = self.exemption
        unit = "day" if self.days == 1 else "days"
        return (
            f"the exemption of {clean(one.where, 300)} ({', '.join(one.rules)}) expires within "
            f"{self.days} {unit}: {one}. From then on what it covers is treated as the policy "
            "says: close it, or have a new date approved"
        )


def expiring(exemptions: Iterable[Exemption], since: datetime, now: datetime) -> tuple[Expiry, ...]:
    """Those whose warning fell due after `since` and no later than `now`; each warning once.

    Whoever asks again from where it last asked misses none, however long it slept; of two that
    fell due meanwhile the later one is told, and of what has expired nothing.
    """
    found = []
    for one in exemptions:
        due = [
            d
            for d in WARN_DAYS
            if since + timedelta(days=d) < one.expires_on <= now + timedelta(days=d)
        ]
        if due and not one.expired(now):
            found.append(Expiry(one, min(due)))
    return tuple(found)


def warning(expiry: Expiry, policy_hash: str, now: datetime) -> Alert:
    """The alert of one warning; its ID is the same whoever sends it, and however often."""
    one = expiry.exemption
    return Alert(
        alert_id=alerts.digest(
            "exemption expires", one.key, timestamp(one.expires_on), expiry.days
        ),
        source=Source.SWEEP,
        outcome=Outcome.REPORTED_ONLY,
        severity=Severity.HIGH if expiry.days == 1 else Severity.MEDIUM,
        seen_at=timestamp(now),
        reason=str(expiry),
        policy_hash=policy_hash,
    )
