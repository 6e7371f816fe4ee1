"""The numbers of a preview for people (tables) and for programs (one JSON object).

The keys of the object are a stable interface:

    policyHash, at, complete    what was judged by, and whether all was read (false after Ctrl-C)
    unreadable, notGuarded      mistakes in the files, and resources that are left out
    notLookedAt                 resources of which every rule is off; counted as compliant
    resources                   total, compliant, exempt, reportedOnly, toRevert, blocked
    types, subscriptions, locations
                                all of them, each with its name (type, subscription, location: null
                                without one) and the six numbers of `resources`
    rules                       all of them: type, rule, and findings that are exempt,
                                reportedOnly, toRevert, blocked
    owners                      total, and the twenty largest: owner (null without one), source
                                (tag, managedBy, none), and the six numbers
    resourceGroups              total, how many have something to revert (withReverts), and the
                                twenty largest of these: subscription, resourceGroup, six numbers
    exemptions                  used, each with the number of its resources, and unused, each with
                                expired; otherwise as in `evaluate --format json`
    cost                        writes, reads, minutes (the longer of writeMinutes, readMinutes),
                                slowestSubscription (null if nothing is to revert)

The largest are those with most to revert, and of equals those with most resources. A resource that
is to revert may have findings that are blocked: both are counted where they belong.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from guards.cli import report
from guards.cli.preview import HOLDER, READS, TAG, WRITES, Bucket, Cost, Counts, Fate, Table, Tally
from guards.engine.events import clean
from guards.engine.shapes import timestamp

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SHOWN = 20
"""Rows of a table that may be long; JSON has as many owners and groups."""

_NONE = "(none)"

_KEYS = {
    Fate.COMPLIANT: "compliant",
    Fate.EXEMPT: "exempt",
    Fate.REPORTED_ONLY: "reportedOnly",
    Fate.TO_REVERT: "toRevert",
    Fate.BLOCKED: "blocked",
}
_TITLES = {
    None: "RESOURCES",
    Fate.COMPLIANT: "COMPLIANT",
    Fate.EXEMPT: "EXEMPT",
    Fate.REPORTED_ONLY: "REPORTED ONLY",
    Fate.TO_REVERT: "TO REVERT",
    Fate.BLOCKED: "BLOCKED",
}
_COLOURS = {
    Fate.COMPLIANT: "green",
    Fate.EXEMPT: "cyan",
    Fate.REPORTED_ONLY: "magenta",
    Fate.TO_REVERT: "red",
    Fate.BLOCKED: "yellow",
}
_FINDINGS = (Fate.TO_REVERT, Fate.BLOCKED, Fate.REPORTED_ONLY, Fate.EXEMPT)
_RESOURCES = (None, *_FINDINGS, Fate.COMPLIANT)
"""What the columns of tables count; None is the sum."""


def largest(table: Table) -> list[Counts]:
    """Most to revert first, of equals most resources; those with the same numbers by name."""
    return sorted(table.values(), key=lambda one: (-one.to_revert, -one.total, one.name))


# JSON ------------------------------------------------------------------------------------------


def as_json(tally: Tally, out: TextIO) -> None:
    """One object, as this module's docstring promises it."""
    groups = largest(tally.groups)
    to_revert = [one for one in groups if one.to_revert]
    report.dump(
        {
            "policyHash": tally.policy.hash,
            "at": timestamp(tally.now),
            "complete": tally.complete,
            "unreadable": tally.mistakes,
            "notGuarded": tally.not_guarded,
            "notLookedAt": tally.not_looked_at,
            "resources": _numbers(tally.all),
            "types": _objects(tally.types.values(), "type"),
            "rules": [
                {"type": one.name[0], "rule": one.name[1], **_findings(one)}
                for one in tally.rules.values()
            ],
            "subscriptions": _objects(largest(tally.subscriptions), "subscription"),
            "locations": _objects(largest(tally.locations), "location"),
            "owners": {
                "total": len(tally.owners),
                "largest": _objects(largest(tally.owners)[:SHOWN], "owner", "source"),
            },
            "resourceGroups": {
                "total": len(groups),
                "withReverts": len(to_revert),
                "largest": _objects(to_revert[:SHOWN], "subscription", "resourceGroup"),
            },
            "exemptions": _exemptions_json(tally),
            "cost": _cost_json(tally.cost),
        },
        out,
    )


def _objects(counted: Iterable[Counts], *keys: str) -> list[dict[str, Any]]:
    return [
        {**{key: name or None for key, name in zip(keys, one.name, strict=True)}, **_numbers(one)}
        for one in counted
    ]


def _numbers(counts: Counts) -> dict[str, int]:
    return {"total": counts.total, **{key: counts.by_fate[fate] for fate, key in _KEYS.items()}}


def _findings(counts: Counts) -> dict[str, int]:
    return {_KEYS[fate]: counts.by_fate[fate] for fate in _FINDINGS}


def _exemptions_json(tally: Tally) -> dict[str, list[dict[str, Any]]]:
    used: list[dict[str, Any]] = []
    unused: list[dict[str, Any]] = []
    for one, resources in tally.exemptions():
        if resources:
            used.append({**report.exemption_json(one), "resources": resources})
        else:
            expired = one.expired(tally.now)
            unused.append({**report.exemption_json(one), "expired": expired})
    return {"used": used, "unused": unused}


def _cost_json(cost: Cost) -> dict[str, Any]:
    return {
        "writes": cost.requests,
        "reads": cost.requests,
        "minutes": round(cost.seconds / 60, 2),
        "writeMinutes": round(cost.write_seconds / 60, 2),
        "readMinutes": round(cost.read_seconds / 60, 2),
        "slowestSubscription": cost.slowest or None,
    }


# Tables ----------------------------------------------------------------------------------------


def as_tables(tally: Tally, out: TextIO) -> None:
    """Findings, where they are, whose they are, exemptions; in the end what it comes to."""
    if tally.all.total:
        _all(tally, report.console(out))
    else:
        out.write("no resource of a guarded type was read\n")
    if not tally.complete:
        out.write("Incomplete: interrupted before all was read.\n")


def _all(tally: Tally, screen: "Console") -> None:
    findings = [one for one in tally.rules.values() if one.total]
    if findings:
        _table(screen, "Findings", ("TYPE", "RULE"), findings, _of_type, fates=_FINDINGS)
    _first(screen, "Subscriptions", ("SUBSCRIPTION",), largest(tally.subscriptions))
    groups = [one for one in largest(tally.groups) if one.to_revert]
    titles = ("SUBSCRIPTION", "RESOURCE GROUP")
    _first(screen, "Resource groups with something to revert", titles, groups)

    def owner(one: Counts) -> Sequence[str]:
        known_by = {TAG: f"tag {tally.owner_tag}", HOLDER: "what holds it"}
        return one.name[0] or _NONE, known_by.get(one.name[1], "-")

    _first(screen, "Owners", ("OWNER", "KNOWN BY"), largest(tally.owners), owner)
    if len(tally.locations) > 1:
        _first(screen, "Locations", ("LOCATION",), largest(tally.locations))
    _exemptions(tally, screen)
    types = [one for one in tally.types.values() if one.total]
    lines = [*types, tally.all] if len(types) > 1 else types
    _table(screen, "Resources", ("TYPE",), lines, _of_type)
    screen.print(_plain(f"\n{_sentence(tally.cost)}"), soft_wrap=True)
    if tally.not_looked_at:
        off = (
            f"{tally.not_looked_at:,} of the compliant are not looked at: every rule is off there."
        )
        screen.print(_plain(off), soft_wrap=True)


def _sentence(cost: Cost) -> str:
    """What reverting takes, and which limit makes it take that long."""
    if not cost.requests:
        return "Nothing is to revert: no ARM writes."
    takes = (
        f"{cost.requests:,} would be closed, each when it is next written: the guard does not go "
        f"looking. All at once it would take {cost.requests:,} ARM writes and as many reads"
    )
    limits = f"{_limit(WRITES, 'writes')}, {_limit(READS, 'reads')}"
    if not cost.seconds:
        return (
            f"{takes}, within what Azure takes at once ({limits}, in each subscription): "
            f"{cost.slowest} has most, {cost.most:,}."
        )
    return (
        f"{takes}, at Azure's limits at least {_minutes(cost.seconds)}: the slowest subscription, "
        f"{cost.slowest}, has {cost.most:,} ({limits}: {_minutes(cost.write_seconds)} for the "
        f"writes, {_minutes(cost.read_seconds)} for the reads)."
    )


def _limit(bucket: Bucket, what: str) -> str:
    return f"{bucket.size} {what} at once and {bucket.per_second} a second"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} minutes"


def _names(counts: Counts) -> Sequence[str]:
    return [name or _NONE for name in counts.name]


def _of_type(counts: Counts) -> Sequence[str]:
    """Types by their last word, as in the table of `evaluate`."""
    return [counts.name[0].rpartition("/")[2], *counts.name[1:]]


def _first(
    screen: "Console",
    heading: str,
    titles: Sequence[str],
    counted: Sequence[Counts],
    names: Callable[[Counts], Sequence[str]] = _names,
) -> None:
    """The beginning of what may be long, and how much is in the rest."""
    if not counted:
        return
    _table(screen, heading, titles, counted[:SHOWN], names)
    rest = counted[SHOWN:]
    if rest:
        resources = sum(one.total for one in rest)
        to_revert = sum(one.to_revert for one in rest)
        much = f"{resources:,} resources, {to_revert:,} to revert"
        screen.print(_plain(f"and {len(rest):,} more with {much}"))


def _table(
    screen: "Console",
    heading: str,
    titles: Sequence[str],
    counted: Iterable[Counts],
    names: Callable[[Counts], Sequence[str]] = _names,
    *,
    fates: Sequence[Fate | None] = _RESOURCES,
) -> None:
    """One row a name, a column a fate."""
    table = report.table((*titles, *(f">{_TITLES[fate]}" for fate in fates)))
    for one in counted:
        numbers = [
            _number(one.total) if fate is None else _number(one.by_fate[fate], _COLOURS[fate])
            for fate in fates
        ]
        table.add_row(*(_plain(clean(name, 300)) for name in names(one)), *numbers)
    _heading(screen, heading)
    screen.print(table)


def _exemptions(tally: Tally, screen: "Console") -> None:
    """Those in use with what they cover, and those that no resource needs; what ends first."""
    every = sorted(tally.exemptions(), key=lambda entry: entry[0].expires_on)
    used = [(one, number) for one, number in every if number]
    unused = [(one, number) for one, number in every if not number]
    for heading, found in ("in use", used), ("that no resource used", unused):
        if not found:
            continue
        table = report.table((">RESOURCES", "ENDS", "WHERE", "RULES", "OWNER", "TICKET"))
        for one, number in found[:SHOWN]:
            expired = " (expired)" if one.expired(tally.now) else ""
            ends = f"{timestamp(one.expires_on)}{expired}"
            words = (ends, one.where, ", ".join(one.rules), one.owner, one.ticket)
            table.add_row(_number(number), *(_plain(clean(word, 300)) for word in words))
        _heading(screen, f"Exemptions {heading}")
        screen.print(table)
        if len(found) > SHOWN:
            screen.print(_plain(f"and {len(found) - SHOWN:,} more"))


def _heading(screen: "Console", heading: str) -> None:
    screen.print(_plain(f"\n{heading}", "bold"))


def _number(count: int, colour: str = "") -> "Text":
    return _plain(f"{count:,}", colour) if count else _plain("-")


def _plain(text: str, style: str = "") -> "Text":
    """Never markup, whatever it says."""
    from rich.text import Text

    return Text(text, style)
