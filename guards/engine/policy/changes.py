"""What another policy would loosen: whoever can write the policy can switch the guard off.

The value of a setting at a resource comes from one layer, the most specific one that names it. So
a setting is looser somewhere only if a layer of the new policy is looser than one of the old that
it shares resources with, and both can be the one that counts. That is what is compared, in pairs;
it may say too much where a third layer always counts instead, and never too little.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guards.engine.events import clean
from guards.engine.ids import folded
from guards.engine.model import Guard
from guards.engine.policy import Layer, Policy
from guards.engine.policy.exemptions import Exemption
from guards.engine.policy.exporters import Exporter, by_principal, named
from guards.engine.policy.settings import laid, loosening, of_profile, values
from guards.engine.policy.shape import Profile

type _Setting = tuple[str, str, str]
"""Type, rule, and the setting's name; the cap of all modes belongs to no type."""

_TAGS = (99, 0, 0)
"""Tags come last, whatever the IDs say."""

_MOST_PAIRS = 100_000
"""About two seconds; beyond it a policy is another one rather than a changed one."""


def loosened(old: Policy, new: Policy, now: datetime) -> list[str] | None:
    """What `new` leaves open that `old` did not, a sentence each, what reaches furthest first.

    Empty if nothing; None if so much has changed that it cannot be told in time.
    """
    before, after = _places(old), _places(new)
    gone = [place for place in before.values() if not place.persists(after)]
    come = [place for place in after.values() if not place.persists(before)]
    if len(gone) * len(after) + len(come) * len(before) > _MOST_PAIRS:
        return None
    pairs = {(one.key, other.key): (one, other) for one in gone for other in after.values()}
    pairs |= {(one.key, other.key): (one, other) for one in before.values() for other in come}
    found: dict[str, tuple[int, ...]] = {}
    if new.tags_may_exempt and not old.tags_may_exempt:
        found["tags may now exempt and loosen"] = ()
    if new.notify.effect != old.notify.effect:  # whoever silences alerts must be seen
        found["notify: routes, default or runbook changed"] = ()
    for one, other in pairs.values():
        for setting in _shared(one, other):
            change = loosening(setting[2], one.named[setting], other.named[setting])
            places = (before.get(other.key), after.get(one.key))
            if change and _both_count(setting, one, other, places, tags=new.tags_may_exempt):
                found[_sentence(setting, one, other, change)] = max(one.rank, other.rank)
    if new.tags_may_exempt:
        for place in gone:
            if place.layer.tag is not None:  # even what it does not name counters other tags
                found[f"{place.where}: another tag may count where this one did"] = place.rank
    exemptions, exporters = _exemptions(old, new, now), _exporters(old, new, now)
    if exemptions is None or exporters is None:
        return None
    return [*sorted(found, key=lambda text: (found[text], text)), *exemptions, *exporters]


def _shared(one: "_Place", other: "_Place") -> Iterator[_Setting]:
    """The settings that both name, if some resource may be within both."""
    settings = one.named.keys() & other.named.keys()
    return iter(settings if settings and one.meets(other) else ())


@dataclass(frozen=True, slots=True)
class _Place:
    """One layer, for one value of its tag: where it holds, and the settings it names."""

    key: object
    layer: Layer
    value: str
    named: Mapping[_Setting, Any]

    @property
    def rank(self) -> tuple[int, ...]:
        """How specific it is; the whole policy least."""
        return _TAGS if self.layer.tag is not None else self.layer.weight

    @property
    def where(self) -> str:
        """Where it holds, for people."""
        tag = self.layer.tag
        return clean(f"tag {tag.name}={self.value}" if tag else self.layer.where, 300)

    def persists(self, places: Mapping[object, "_Place"]) -> bool:
        """Whether another policy has the same."""
        same = places.get(self.key)
        return same is not None and same.named == self.named

    def meets(self, other: "_Place") -> bool:
        """Whether some resource may be within both."""
        one, two = self.layer.scope, other.layer.scope
        return one is None or two is None or one.overlaps(two)


def _places(policy: Policy) -> dict[object, _Place]:
    """The layers of a policy by what tells them apart: the whole, scopes, values of tags."""
    found: dict[object, _Place] = {}
    for layer in policy.layers:
        named = {setting: v for guard in policy.guards for setting, v in _named(guard, layer)}
        if layer.cap is not None:
            named["", "every rule", "mode"] = layer.cap
        key: object = layer.scope.parts if layer.scope else ()
        for value in layer.tag.values if layer.tag else ("",):
            key = ("tag", folded(layer.tag.name), value) if layer.tag else key
            found[key] = _Place(key, layer, value, named)
    return found


def _named(guard: Guard, layer: Layer) -> Iterator[tuple[_Setting, Any]]:
    """The settings of one type that a layer names, with their values; a profile names them all."""
    type_ = guard.resource_type
    if layer.scope is not None and layer.scope.parts[2:3] not in ((), (type_.lower(),)):
        return
    given = (layer.given or {}).get(type_, {})
    settings = laid(guard, of_profile(guard, layer.profile or Profile.STRICT), given)
    for rule, its in settings.items():
        for name, value in values(its).items():
            if layer.profile is not None or name in given.get(rule, {}):
                yield (type_, rule, name), value


def _both_count(
    setting: _Setting,
    one: _Place,
    other: _Place,
    counterparts: tuple[_Place | None, _Place | None],
    *,
    tags: bool,
) -> bool:
    """Whether `one` can decide under the old policy where `other` decides under the new one.

    `counterparts` are the place of `other` in the old policy, and that of `one` in the new one;
    `tags` says whether tags may loosen in the new one.
    """
    if one.key == other.key:
        return True
    if other.layer.tag is not None and not tags:
        return False  # it only tightens what the IDs say, and those are compared themselves
    before, after = counterparts
    if before is not None and setting in before.named and before.rank > one.rank:
        return False
    if after is None or setting not in after.named:
        return True
    if one.layer.tag is not None:  # of tags the strictest counts, and this one is still as strict
        return bool(loosening(setting[2], one.named[setting], after.named[setting]))
    return after.rank <= other.rank


def _sentence(setting: _Setting, one: _Place, other: _Place, change: str) -> str:
    type_, rule, _ = setting
    places = [p.where for p in (other, one) if p.layer.scope or p.layer.tag]
    where = f"{' within '.join(dict.fromkeys(places))}: " if places else ""
    return f"{where}{type_}{' ' if type_ else ''}{rule}: {change}"


def _exemptions(old: Policy, new: Policy, now: datetime) -> list[str] | None:
    """Exemptions that cover what none did before, or last longer; None if there are too many."""
    until: dict[object, datetime] = {}
    for one in old.exemptions:
        until[one.key] = max(one.expires_on, until.get(one.key, one.expires_on))
    fresh = [
        one
        for one in new.exemptions
        if not one.expired(now) and until.get(one.key, now) < one.expires_on
    ]
    if len(fresh) * len(old.exemptions) > _MOST_PAIRS:
        return None
    found = []
    for one in fresh:
        if any(_includes(other, one) for other in old.exemptions):
            continue
        what = "prolonged" if until.get(one.key, now) > now else "new"
        found.append(f"{what} exemption: {clean(one.where, 300)} ({', '.join(one.rules)}) {one}")
    return found


def _includes(old: Exemption, new: Exemption) -> bool:
    """Whether all that `new` covers was covered by `old`, and for as long."""
    if old.expires_on < new.expires_on or not set(old.rules) >= set(new.rules):
        return False
    if old.scope is not None and (new.scope is None or not old.scope.covers(new.scope.parts)):
        return False
    if old.tag is None:
        return True
    same = new.tag is not None and folded(old.tag.name) == folded(new.tag.name)
    return same and new.tag is not None and set(old.tag.values) >= set(new.tag.values)


def _exporters(old: Policy, new: Policy, now: datetime) -> list[str] | None:
    """Exporters that may take out what they could not before; None if there are too many."""
    known = by_principal(old.exporters)
    same = set(old.exporters)
    fresh = [one for one in new.exporters if one.counts(now) and one not in same]
    if sum(len(known.get(name, ())) for one in fresh for name in one.principals) > _MOST_PAIRS:
        return None
    found = []
    for one in fresh:
        fewer = {name: _before(one, known.get(name, ()), now) for name in one.principals}
        for what in ("new", "prolonged"):
            those = [name for name, change in fewer.items() if change == what]
            if those:
                where = clean(one.scope.text, 300)
                found.append(f"{what} exporter: {where} ({named(those)}) {one}")
    return found


def _before(one: Exporter, others: Iterable[Exporter], now: datetime) -> str:
    """What an entry is to somebody who had these: new or prolonged; "" if nothing is added."""
    wider = [other for other in others if other.scope.covers(one.scope.parts)]
    if any(o.expires_on >= one.expires_on and o.hours >= one.hours for o in wider):
        return ""
    return "prolonged" if any(other.counts(now) for other in wider) else "new"
