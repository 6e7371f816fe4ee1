"""Exporters: who may take data out where, why, until when, and how long one export may last.

`Exporter.counts` is the one place that decides whether an entry is still in force: events, queue,
roles and command line all ask it, with their clock. From the second it expires it counts no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.policy.scopes import Scope, parts_of
from guards.engine.shapes import timestamp

HOURS, MOST_HOURS = 24, 1440
"""How long one export may last: what is meant without a word, and at most (60 days)."""

_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Exporter:
    """One entry of `exporters`; `principals` are object and app IDs in lower case.

    `hours` is how long one export by it may last, `line` where it stands in its file.
    """

    principals: tuple[str, ...]
    scope: Scope
    purpose: str
    owner: str
    expires_on: datetime
    hours: int = HOURS
    line: int = field(default=0, compare=False)

    def counts(self, now: datetime) -> bool:
        """Whether an export that begins at this moment is allowed."""
        return not self.expired(now)

    def expired(self, now: datetime) -> bool:
        """From its very second on."""
        return now >= self.expires_on

    def __str__(self) -> str:
        return (
            f"until {timestamp(self.expires_on)}, {clean(self.purpose, 500)} (owner "
            f"{clean(self.owner)}), each export {self.hours} h at most"
        )


def named(principals: Iterable[str]) -> str:
    """Principals for people: the first few, and how many more."""
    shown = list(principals)
    more = len(shown) - _MAX_SHOWN
    return ", ".join(shown[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def by_principal(exporters: Iterable[Exporter]) -> Mapping[str, tuple[Exporter, ...]]:
    """The entries that name each principal."""
    found: dict[str, list[Exporter]] = {}
    for one in exporters:
        for principal in one.principals:
            found.setdefault(principal, []).append(one)
    return {principal: tuple(those) for principal, those in found.items()}


def allowing(
    known: Mapping[str, tuple[Exporter, ...]],
    principals: Iterable[str],
    resource: ResourceId,
    when: datetime,
) -> Exporter | None:
    """The entry that lets any of these export a resource: of several the one with most hours.

    What lies in a resource, or is a role on it, is where the resource is. `known` is as
    `by_principal` makes it; an empty ID is in it nowhere.
    """
    if not known:
        return None
    places = [parts_of(one) for one in resource.lineage()]
    found = (
        one
        for name in principals
        for one in known.get(name.lower(), ())
        if one.counts(when) and any(map(one.scope.covers, places))
    )
    return max(found, key=lambda one: one.hours, default=None)
