"""Who is told of an alert: the routes of policy.yaml, and which channels they lead to.

Nothing is lost because of a mistake: where routes name only channels that nobody configured, every
channel is told. Only a route with `channels: []` silences, and only what a guarded resource did:
what is said about the policy or the guard itself always reaches somebody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guards.engine.alerts import SCHEMA
from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId

if TYPE_CHECKING:  # the policy imports this module
    from guards.engine.policy.scopes import Scope


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `notify.routes`; a criterion without values matches every alert.

    `types` and `subscriptions` are lower case. `name` is for people.
    """

    channels: tuple[str, ...]
    name: str = ""
    outcomes: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    scopes: "tuple[Scope, ...]" = ()

    def matches(self, alert: Mapping[str, Any], resource: ResourceId | None) -> bool:
        """Whether all criteria hold; those about the resource never do where there is none."""
        if self.outcomes and alert.get("outcome") not in self.outcomes:
            return False
        if self.severities and alert.get("severity") not in self.severities:
            return False
        if resource is None:
            return not (self.types or self.subscriptions or self.scopes)
        if self.types and resource.type.lower() not in self.types:
            return False
        if self.subscriptions and resource.subscription.lower() not in self.subscriptions:
            return False
        return not self.scopes or any(scope.holds_for(resource) for scope in self.scopes)

    @property
    def effect(self) -> object:
        """What makes two routes different: neither their names, nor an order, nor a casing."""
        places = frozenset(scope.parts for scope in self.scopes)
        lists = (self.outcomes, self.severities, self.types, self.subscriptions, self.channels)
        return (*map(frozenset, lists), places)


@dataclass(frozen=True, slots=True)
class Routed:
    """The channels of an alert, and those that were named for it and nobody configured."""

    channels: tuple[str, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """`notify` of a policy; `default` counts where no route matches, None stands for all channels.

    `runbook` is an https URL, or "".
    """

    routes: tuple[Route, ...] = ()
    default: tuple[str, ...] | None = None
    runbook: str = ""

    def channels_for(self, alert: Mapping[str, Any], configured: Sequence[str]) -> Routed:
        """Who is told of an alert, JSON of any version, in the order of `configured`."""
        resource = _resource(alert)
        matching = [route for route in self.routes if route.matches(alert, resource)]
        named = [name for route in matching for name in route.channels]
        silent = bool(matching) and not named and _may_be_silent(alert, resource)
        if not named and not silent:
            named = list(self.default or configured)
        known = tuple(name for name in dict.fromkeys(configured) if name in named)
        unknown = tuple(name for name in dict.fromkeys(named) if name not in known)
        if unknown and not known:
            known = tuple(dict.fromkeys(configured))
        return Routed(known, unknown)

    @property
    def effect(self) -> object:
        """What makes two policies tell other people, or lead them elsewhere: all but names."""
        default = frozenset(self.default or ())
        return frozenset(route.effect for route in self.routes), default, self.runbook


def _resource(alert: Mapping[str, Any]) -> ResourceId | None:
    try:
        return ResourceId.parse(alert.get("resourceId"))
    except Unreadable:
        return None


def _may_be_silent(alert: Mapping[str, Any], resource: ResourceId | None) -> bool:
    """Whether it is about a guarded resource, in words that this version knows.

    Misuse of the guard's identity names the resource it was used on, and no guarded type.
    """
    about_it = resource is not None and isinstance(alert.get("resourceType"), str)
    return about_it and alert.get("schema") == SCHEMA
