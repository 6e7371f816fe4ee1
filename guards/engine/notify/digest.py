"""Many alerts as one message: what happened in a line, who must look, groups with counts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guards.engine.events import clean
from guards.engine.model import Outcome, Severity
from guards.engine.notify.exposure import in_short
from guards.engine.notify.gist import Gist, gist
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.sheet import Tone
from guards.engine.notify.times import began, lasting, time_of

UNKNOWN_CALLER = "unknown caller"
_UNKNOWN = "of unknown version"
_MAX_NAME = 60
_WRITE, _GRANT, _DELETE = "/write", "/begingetaccess/action", "/delete"
_PLURALS = {"registry": "registries", "disk access": "disk accesses"}


@dataclass(frozen=True, slots=True)
class Group:
    """What alerts have in common, how many they are, how they ended, how bad the worst is.

    Attributes:
        links: which of them tell of SAS links that were out, in a few words; "" for none.
    """

    name: str
    count: int
    counts: str
    worst: Severity | None
    links: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One alert in a digest, with its reason."""

    gist: Gist
    reason: str


@dataclass(frozen=True, slots=True)
class Digest:
    """Many alerts; groups have the worst first, then the largest. An alert may name many rules.

    Attributes:
        counts: `409 reverted, 3 blocked`.
        links: `2 SAS links, the longest 47 s`, or "".
        urgent: those that a person must look at, worst first.
        since, until: the first and last time that the alerts name, if they name any.
        ids: each alert ID once, oldest first.
        more: whether others follow.
    """

    headline: str
    tone: Tone
    worst: Severity | None
    total: int
    counts: str
    urgent: tuple[Told, ...]
    told: tuple[Told, ...]
    since: datetime | None
    until: datetime | None
    callers: tuple[Group, ...]
    scopes: tuple[Group, ...]
    rules: tuple[Group, ...]
    ids: tuple[str, ...]
    more: bool
    links: str = ""


def digest(parcel: Parcel) -> Digest:
    """Count and group the alerts of a parcel; those of an unknown version count as well."""
    alerts = [item.alert for item in parcel.items]
    told = [Told(gist(alert), clean(alert.get("reason"))) for alert in alerts]
    gists = [one.gist for one in told]
    pairs = list(zip(alerts, gists, strict=True))
    times = sorted(time for alert in alerts for time in _times(alert))
    urgent = sorted((one for one in told if one.gist.urgent), key=lambda one: -_rank(one.gist))
    return Digest(
        headline=_headline(pairs),
        tone=max((one.tone for one in gists), key=list(Tone).index, default=Tone.ACCENT),
        worst=_worst(gists),
        total=len(alerts),
        counts=counted(gists),
        urgent=tuple(urgent),
        told=tuple(told),
        since=times[0] if times else None,
        until=times[-1] if times else None,
        callers=_groups((_caller(alert), short) for alert, short in pairs),
        scopes=_groups((_scope(short), short) for short in gists),
        rules=_groups((rule, short) for alert, short in pairs for rule in _rules(alert, short)),
        ids=tuple(dict.fromkeys(short.alert_id for short in gists)),
        more=parcel.more,
        links=in_short(gists),
    )


def counted(gists: Iterable[Gist], took: str = "") -> str:
    """`409 reverted in 9 s, 3 blocked`, in the order of the outcomes."""
    numbers = Counter(one.outcome for one in gists)
    parts = []
    for outcome in (*Outcome, None):
        if numbers[outcome]:
            time = f" in {took}" if took and outcome is Outcome.REVERTED else ""
            parts.append(f"{numbers[outcome]} {outcome or _UNKNOWN}{time}")
    return ", ".join(parts)


def plural(count: int, word: str) -> str:
    """`1 disk`, `2 registries`."""
    return f"{count} {word if count == 1 else _PLURALS.get(word, word + 's')}"


def _rank(short: Gist) -> int:
    return short.severity.rank if short.severity else -1


def _worst(gists: Sequence[Gist]) -> Severity | None:
    return max(gists, key=_rank).severity if gists else None


def _times(alert: Mapping[str, Any]) -> list[datetime]:
    found = (time_of(alert.get(key)) for key in ("eventTime", "seenAt", "closedAt"))
    return [time for time in found if time is not None]


def _groups(pairs: Iterable[tuple[str, Gist]]) -> tuple[Group, ...]:
    members: dict[str, list[Gist]] = {}
    for name, short in pairs:
        members.setdefault(name, []).append(short)
    ordered = sorted(members.items(), key=lambda one: (-max(map(_rank, one[1])), -len(one[1])))
    return tuple(
        Group(name, len(gists), counted(gists), _worst(gists), in_short(gists))
        for name, gists in ordered
    )


def _caller(alert: Mapping[str, Any]) -> str:
    """A name, or else an ID."""
    caller = alert.get("caller")
    if not isinstance(caller, Mapping):
        return UNKNOWN_CALLER
    names = (clean(caller.get(key), _MAX_NAME) for key in ("name", "appId", "objectId"))
    return next((name for name in names if name), UNKNOWN_CALLER)


def _scope(short: Gist) -> str:
    if short.resource is None:
        return "no resource"
    subscription = short.resource.subscription
    return f"{short.resource.group} in {subscription}" if short.where else subscription


def _rules(alert: Mapping[str, Any], short: Gist) -> list[str]:
    """The rules of an alert's findings, each once, with the kind of resource they are about."""
    findings = alert.get("findings")
    named = (
        clean(one.get("rule"), _MAX_NAME)
        for one in (findings if isinstance(findings, list) else ())
        if isinstance(one, Mapping)
    )
    return [f"{rule} ({short.kind})" for rule in dict.fromkeys(named) if rule]


def _headline(pairs: Sequence[tuple[Mapping[str, Any], Gist]]) -> str:
    """`AKS opened 412 disks: 409 reverted in 9 s, 3 blocked`."""
    gists = [short for _, short in pairs]
    about = [(alert, short) for alert, short in pairs if short.name]
    reverted = [alert for alert, short in pairs if short.outcome is Outcome.REVERTED]
    counts = counted(gists, _took(reverted))
    if not about:
        return f"{plural(len(gists), 'alert')}: {counts}"
    things = {(short.kind, short.resource or short.name) for _, short in about}
    kinds = Counter(kind for kind, _ in things)
    what = " and ".join(plural(count, kind) for kind, count in sorted(kinds.items()))
    alerts = "" if len(things) == len(gists) else f" ({plural(len(gists), 'alert')})"
    return f"{_somebody(about)} {_did(about)} {what}{alerts}: {counts}"


def _somebody(about: Sequence[tuple[Mapping[str, Any], Gist]]) -> str:
    names = {_caller(alert) for alert, _ in about}
    if len(names) > 1:
        return f"{len(names)} callers"
    return "An " + UNKNOWN_CALLER if names == {UNKNOWN_CALLER} else names.pop()


def _did(about: Sequence[tuple[Mapping[str, Any], Gist]]) -> str:
    """What the callers did, as far as all of them did the same."""
    operations = {clean(alert.get("operationName")).lower() for alert, _ in about}
    if all(operation.endswith(_WRITE) for operation in operations):
        return "opened"
    if all(operation.endswith(_GRANT) for operation in operations):
        return "asked for export links of"
    if all(operation.endswith(_DELETE) for operation in operations):
        return "deleted parts of"
    return "touched"


def _took(reverted: Sequence[Mapping[str, Any]]) -> str:
    """From the first event to the last confirmation."""
    starts = [time for alert in reverted if (time := began(alert))]
    ends = [time for alert in reverted if (time := time_of(alert.get("closedAt")))]
    return lasting((max(ends) - min(starts)).total_seconds()) if starts and ends else ""
