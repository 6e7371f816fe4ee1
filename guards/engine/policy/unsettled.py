"""Settings of a resource whose name, place or tags nobody knows yet: what they may be.

Whatever the resource turns out to be, each of its settings is between `strictest` and `loosest`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from guards.engine.ids import folded
from guards.engine.model import Guard, Mode, TypePolicy
from guards.engine.policy import Layer, Policy, chained, overlays
from guards.engine.policy.exemptions import Exemption, Tag
from guards.engine.policy.scopes import Scope, matches
from guards.engine.policy.settings import capped, loosest, strictest

type Place = tuple[str | None, ...]
"""As `scopes.Parts`, with None for what is not known."""

type Tags = Mapping[str, str | None] | None
"""Lower-case names and their values, None where one is not known; None if all are not."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the policy may say; `certain` exemptions apply, `possible` ones may."""

    strictest: TypePolicy
    loosest: TypePolicy
    certain: tuple[Exemption, ...]
    possible: tuple[Exemption, ...]


def bounds(policy: Policy, guard: Guard, place: Place, tags: Tags) -> Bounds:
    """The settings of one resource of which `place` and `tags` are known in part."""
    layers = policy.layers[1:]
    scoped = [(layer, layer.scope) for layer in layers if layer.scope]
    sure = [layer for layer, scope in scoped if _covers(scope, place)]
    unsure = [layer for layer, scope in scoped if layer not in sure and _may_cover(scope, place)]
    # A setting comes from the most specific layer that names it, so that one unsure layer at a
    # time shows all values that it can have.
    chains = [
        chained(guard, [policy.layers[0], *sorted((*sure, *more), key=lambda one: one.weight)])
        for more in ((), *((one,) for one in unsure))
    ]
    high = max((cap for cap, _ in chains), key=list(Mode).index), strictest([r for _, r in chains])
    low = min((cap for cap, _ in chains), key=list(Mode).index), loosest([r for _, r in chains])

    tagged = [(layer, layer.tag) for layer in layers if layer.tag]
    here = [layer for layer, tag in tagged if _has(tag, tags)]
    maybe = [layer for layer, tag in tagged if layer not in here and _may_have(tag, tags)]
    highest = overlays(guard, (*here, *maybe), *high)
    if not (policy.tags_may_exempt and here):  # then a tag decides, not what the IDs say
        highest.append(capped(high[1], high[0]))
    certain = [e for e in policy.exemptions if _certain(e, place, tags)]
    possible = [e for e in policy.exemptions if _possible(e, place, tags) and e not in certain]
    return Bounds(
        strictest=strictest(highest),
        loosest=_loosest(guard, here, maybe, *low, tags_may_exempt=policy.tags_may_exempt),
        certain=tuple(certain),
        possible=tuple(possible),
    )


def _loosest(
    guard: Guard,
    here: list[Layer],
    maybe: list[Layer],
    cap: Mode,
    rules: TypePolicy,
    *,
    tags_may_exempt: bool,
) -> TypePolicy:
    """The lower bound with tags: those that are there only tighten, unless they may loosen."""
    settled = capped(rules, cap)
    certain = overlays(guard, here, cap, rules)
    if not tags_may_exempt:
        return strictest([settled, *certain])
    if certain:  # of several the strictest counts, so that more of them loosen nothing
        return strictest(certain)
    return loosest([settled, *overlays(guard, maybe, cap, rules)])


def _covers(scope: Scope, place: Place) -> bool:
    return len(scope.parts) <= len(place) and all(
        glob == "*" or (part is not None and matches(glob, part))
        for glob, part in zip(scope.parts, place, strict=False)
    )


def _may_cover(scope: Scope, place: Place) -> bool:
    return len(scope.parts) <= len(place) and all(
        part is None or matches(glob, part) for glob, part in zip(scope.parts, place, strict=False)
    )


def _has(tag: Tag, tags: Tags) -> bool:
    return tags is not None and tags.get(folded(tag.name)) in tag.values


def _may_have(tag: Tag, tags: Tags) -> bool:
    name = folded(tag.name)
    return tags is None or _has(tag, tags) or (name in tags and tags[name] is None)


def _certain(exemption: Exemption, place: Place, tags: Tags) -> bool:
    scope, tag = exemption.scope, exemption.tag
    return (scope is None or _covers(scope, place)) and (tag is None or _has(tag, tags))


def _possible(exemption: Exemption, place: Place, tags: Tags) -> bool:
    scope, tag = exemption.scope, exemption.tag
    return (scope is None or _may_cover(scope, place)) and (tag is None or _may_have(tag, tags))
