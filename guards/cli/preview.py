"""What the guard would do to an estate that is there, and how long Azure lets it take.

Every row is judged as `evaluate` judges it, counted, and forgotten: memory holds one number for
each type, rule, subscription, resource group, owner and location, however many resources there are.
A resource that stands in the files twice counts twice.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guards.cli import report, rows
from guards.cli.evaluate import name_of
from guards.cli.judge import Judged, judge
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import ComplianceState
from guards.engine.policy import Policy
from guards.engine.policy.exemptions import Exemption

if TYPE_CHECKING:
    from rich.progress import Progress

TOLD = 20
"""Mistakes of one file that are told; the rest is a number."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended."""

_EVERY = 256  # rows between two looks of the progress bar
_MAX_LINE = 1000


class Fate(IntEnum):
    """What becomes of a resource, or of a finding; each resource and each finding has one."""

    COMPLIANT = 0
    EXEMPT = 1
    REPORTED_ONLY = 2
    TO_REVERT = 3
    BLOCKED = 4


@dataclass(slots=True, eq=False)
class Counts:
    """How many resources, or findings, of each fate there are under one name."""

    name: tuple[str, ...]
    """For people, as it was first written; what it is kept by has one casing."""
    by_fate: list[int] = field(default_factory=lambda: [0] * len(Fate))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_fate)

    @property
    def to_revert(self) -> int:
        """What the guard would write."""
        return self.by_fate[Fate.TO_REVERT]


type Table = dict[Any, Counts]


# What becomes of a resource --------------------------------------------------------------------


def fate(judged: Judged) -> Fate:
    """That of a resource; if only some of its findings can be closed, it is to revert."""
    if judged.state is ComplianceState.COMPLIANT:
        return Fate.COMPLIANT
    if judged.state is ComplianceState.EXEMPT:
        return Fate.EXEMPT
    if judged.plan.steps:
        return Fate.TO_REVERT
    return Fate.BLOCKED if judged.plan.blocked else Fate.REPORTED_ONLY


def fates(judged: Judged) -> Iterator[tuple[str, Fate]]:
    """Those of the findings, by their rules."""
    verdict = judged.verdict
    blocked = judged.plan.blocked.rules if judged.plan.blocked else ()
    to_close = {finding.rule for finding in verdict.to_close}
    for finding in verdict.exempted:
        yield finding.rule, Fate.EXEMPT
    for finding in verdict.findings:
        if finding.rule not in to_close:
            yield finding.rule, Fate.REPORTED_ONLY
        else:
            yield finding.rule, Fate.BLOCKED if finding.rule in blocked else Fate.TO_REVERT


# Whose it is -----------------------------------------------------------------------------------

TAG, HOLDER, NOBODY = "tag", "managedBy", "none"
"""How an owner is known."""


def owner(row: Mapping[str, Any], tag: str) -> tuple[str, str]:
    """Who is to be asked, and how that is known; `tag` is the name of a tag in lower case.

    Without that tag it is the virtual machine or scale set that holds the disk.
    """
    tags = row.get("tags")
    if isinstance(tags, Mapping):
        for name, value in tags.items():
            if name.lower() == tag and (told := clean(value)):
                return told, TAG
    if isinstance(holder := row.get("managedBy"), str) and (name := _top(holder)):
        return name, HOLDER
    return "", NOBODY


def _top(resource: str) -> str:
    """The name of the resource that another is part of: the scale set of one of its machines."""
    parts = resource.split("/", 9)
    if len(parts) < 9 or parts[5].lower() != "providers":
        return ""
    return clean(parts[8])


_MAX_LOCATION = 100


@lru_cache(maxsize=1024)  # there are few, and they are asked for with every row
def _location(written: str) -> str:
    """`West Europe` and `westeurope` are the same."""
    return clean(written).lower().replace(" ", "")


# How long it takes -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """A limit of Azure Resource Manager on the requests in one subscription."""

    size: int
    """Requests that are taken at once."""
    per_second: int

    def seconds(self, requests: int) -> float:
        """The least time that so many take, with a full bucket at the start."""
        return max(0, requests - self.size) / self.per_second


# https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
WRITES = Bucket(200, 10)
READS = Bucket(250, 25)


@dataclass(frozen=True, slots=True)
class Cost:
    """What reverting takes; `slowest` is the subscription that is done last, and has `most`."""

    requests: int
    """So many PATCHes, and as many GETs before them."""
    slowest: str = ""
    most: int = 0

    @property
    def write_seconds(self) -> float:
        """The least time for the PATCHes."""
        return WRITES.seconds(self.most)

    @property
    def read_seconds(self) -> float:
        """The least time for the GETs."""
        return READS.seconds(self.most)

    @property
    def seconds(self) -> float:
        """The least time for both: one limit does not wait for the other."""
        return max(self.write_seconds, self.read_seconds)


def cost(to_revert: Mapping[str, int]) -> Cost:
    """What reverting so many resources in each subscription takes, all of them side by side."""
    busy = {name: count for name, count in to_revert.items() if count}
    if not busy:
        return Cost(0)
    slowest = max(sorted(busy), key=busy.__getitem__)
    return Cost(sum(busy.values()), slowest, busy[slowest])


# Counting --------------------------------------------------------------------------------------


class Tally:
    """The numbers of an estate; `complete` is False if somebody did not wait for all of them."""

    def __init__(self, policy: Policy, owner_tag: str, now: datetime) -> None:
        self.policy = policy
        self.owner_tag = owner_tag
        self.now = now
        self.complete = True
        self.mistakes = 0
        self.not_guarded = 0
        self.not_looked_at = 0
        guards = policy.guards
        self.types: Table = {g.resource_type: Counts((g.resource_type,)) for g in guards}
        self.rules: Table = {
            (g.resource_type, r.id): Counts((g.resource_type, r.id))
            for g in guards
            for r in g.rules
        }
        self.subscriptions: Table = {}
        self.groups: Table = {}
        self.owners: Table = {}
        self.locations: Table = {}
        self._exempt: dict[int, int] = {}
        self._tag = owner_tag.lower()

    def take(self, row: Any) -> None:
        """Judge and count one row.

        Raises:
            Unreadable: it is no resource, or has no ID by which the guard could reach it.
        """
        judged = judge(row, self.policy, self.now)
        if judged is None:
            self.not_guarded += 1
            return
        resource = judged.resource or ResourceId.parse(row.get("id"))  # which says what is wrong
        self.not_looked_at += judged.verdict.applied.off
        type_ = judged.guard.resource_type
        subscription, group = resource.subscription.lower(), resource.group
        name, source = owner(row, self._tag)
        # Names of resources are the same in any casing; what a tag says is kept letter by letter.
        known = name.lower() if source == HOLDER else name
        place = row.get("location")
        place = _location(place[:_MAX_LOCATION]) if isinstance(place, str) else ""
        found = fate(judged)
        for counts in (
            self.types[type_],
            _of(self.subscriptions, subscription, subscription),
            _of(self.groups, (subscription, group.lower()), subscription, group),
            _of(self.owners, (source, known), name, source),
            _of(self.locations, place, place),
        ):
            counts.by_fate[found] += 1
        if found is not Fate.COMPLIANT:
            for rule, its_fate in fates(judged):
                self.rules[type_, rule].by_fate[its_fate] += 1
            self._exemptions(judged)

    def _exemptions(self, judged: Judged) -> None:
        verdict = judged.verdict
        exempt = [finding.rule for finding in verdict.exempted]
        if exempt:
            # By its place in memory: the same text may stand in the policy twice.
            for one in {id(e): e for e in verdict.applied.exemptions}.values():
                if any(one.counts(rule, self.now) for rule in exempt):
                    self._exempt[id(one)] = self._exempt.get(id(one), 0) + 1

    @property
    def all(self) -> Counts:
        """All guarded resources."""
        columns = zip(*(counts.by_fate for counts in self.types.values()), strict=True)
        return Counts(("all",), [sum(column) for column in columns])

    @property
    def cost(self) -> Cost:
        """What reverting takes."""
        return cost({name: counts.to_revert for name, counts in self.subscriptions.items()})

    def exemptions(self) -> list[tuple[Exemption, int]]:
        """Every exemption of the policy, with the number of resources that it covers."""
        return [(one, self._exempt.get(id(one), 0)) for one in self.policy.exemptions]


def _of(table: Table, key: Any, *name: str) -> Counts:
    counts = table.get(key)
    if counts is None:
        counts = table[key] = Counts(name)
    return counts


# Running ---------------------------------------------------------------------------------------


def run(
    files: Sequence[str], policy: Policy, now: datetime, *, owner_tag: str, as_json: bool
) -> int:
    """Count what is in the files and print it: 0, or 2 if something could not be read.

    After Ctrl-C it is what was counted so far, and 130.
    """
    from guards.cli import preview_report  # which is built on what stands above

    tally = Tally(policy, owner_tag, now)
    try:
        with _screen(bar=not as_json and sys.stderr.isatty()) as screen:
            for file in files:
                _read(file, tally, screen)
    except KeyboardInterrupt:
        tally.complete = False
    if as_json:
        preview_report.as_json(tally, sys.stdout)
    else:
        preview_report.as_tables(tally, sys.stdout)
    if tally.not_guarded:
        print(report.left_out(tally.not_guarded), file=sys.stderr)
    if not tally.complete:
        return INTERRUPTED
    return 2 if tally.mistakes else 0


def _read(file: str, tally: Tally, screen: "_Screen") -> None:
    name = name_of(file)
    progress = rows.Progress()
    mistakes = 0
    for number, item in enumerate(rows.from_file(file, progress)):
        if number % _EVERY == 0:
            screen.show(name, number, progress)
        try:
            if isinstance(item, rows.Row):
                tally.take(item.value)
                continue
            reason = item.reason
        except Unreadable as e:
            reason = str(e)
        mistakes += 1
        tally.mistakes += 1
        if mistakes <= TOLD:
            screen.tell(clean(f"{rows.where(name, item)}: {reason}", _MAX_LINE))
    if mistakes > TOLD:
        screen.tell(clean(f"{name}: and {mistakes - TOLD} more", _MAX_LINE))


class _Screen:
    """Standard error: mistakes, as they are found."""

    def show(self, name: str, number: int, progress: rows.Progress) -> None:
        """So many rows of a file were read."""

    def tell(self, line: str) -> None:
        """One mistake."""
        print(line, file=sys.stderr)


class _Bar(_Screen):
    """And how far a file is read, by its bytes if their number is known."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, rows=0)

    def show(self, name: str, number: int, progress: rows.Progress) -> None:
        """Moves on, or begins anew with the next file."""
        if number == 0:
            label = clean(Path(name).name, 40)
            self._bar.reset(self._task, total=progress.total, description=label, rows=0)
        self._bar.update(self._task, completed=progress.done, rows=number)

    def tell(self, line: str) -> None:
        """Above the bar, for the terminal to wrap."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _screen(*, bar: bool) -> Iterator[_Screen]:
    """With a bar, it is gone in the end."""
    if not bar:
        yield _Screen()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows", markup=False),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as shown:
        yield _Bar(shown)
