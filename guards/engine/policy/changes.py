"""What another policy would loosen: whoever can write the policy can switch the guard off."""

from dataclasses import replace
from datetime import datetime

from guards.engine.events import clean
from guards.engine.model import Guard, TypePolicy
from guards.engine.policy import Layer, Policy
from guards.engine.policy.exemptions import Tag
from guards.engine.policy.settings import looser


def loosened(old: Policy, new: Policy, now: datetime) -> list[str]:
    """What `new` leaves open that `old` did not, a sentence each; empty if nothing.

    Compared for the policy as a whole, and for each scope and tag that either of them names.
    """
    found = []
    if new.tags_may_exempt and not old.tags_may_exempt:
        found.append("tags may now exempt and loosen")
    everywhere: set[str] = set()
    for layer in _places(old, new):
        changes = [
            f"{guard.resource_type} {change}"
            for guard in new.guards
            if _concerns(layer, guard)
            for change in looser(*(_rules(policy, guard, layer) for policy in (old, new)))
        ]
        if layer.scope is None and layer.tag is None:
            everywhere.update(changes)
            found += changes
        else:  # what holds everywhere is said once
            said = [change for change in changes if change not in everywhere]
            found += [f"{clean(layer.where, 300)}: {change}" for change in said]
    return found + _exemptions(old, new, now)


def _places(old: Policy, new: Policy) -> list[Layer]:
    """The whole first, then each scope and each value of a tag that either policy names, once."""
    places: dict[str, Layer] = {}
    for layer in (*new.layers, *old.layers):
        if layer.tag is None:
            places.setdefault(layer.where.lower(), layer)
        for value in layer.tag.values if layer.tag else ():
            assert layer.tag is not None
            one = replace(layer, tag=Tag(layer.tag.name.lower(), (value,)))
            places.setdefault(one.where, one)
    return list(places.values())


def _concerns(layer: Layer, guard: Guard) -> bool:
    type_ = layer.scope.parts[2:3] if layer.scope else ()
    return type_ in ((), (guard.resource_type.lower(),))


def _rules(policy: Policy, guard: Guard, layer: Layer) -> TypePolicy:
    if layer.scope is not None:
        return policy.within(guard, layer.scope)
    return policy.tagged(guard, layer.tag) if layer.tag is not None else policy.of(guard)


def _exemptions(old: Policy, new: Policy, now: datetime) -> list[str]:
    """Exemptions that are new, or last longer than before."""
    until: dict[object, datetime] = {}
    for one in old.exemptions:
        until[one.key] = max(one.expires_on, until.get(one.key, one.expires_on))
    found = []
    for one in new.exemptions:
        before = until.get(one.key)
        if one.expires_on <= now or (before is not None and one.expires_on <= before):
            continue
        what = "prolonged" if before and before > now else "new"
        found.append(f"{what} exemption: {clean(one.where, 300)} ({', '.join(one.rules)}) {one}")
    return found
