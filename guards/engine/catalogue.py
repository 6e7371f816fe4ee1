"""Which guard a change belongs to, looked up in the tuple of guards that is passed in."""

from collections.abc import Mapping
from functools import lru_cache

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Lead, ResourceChange


@lru_cache(maxsize=4)
def _by_operation(guards: tuple[Guard, ...], leads: tuple[Lead, ...]) -> Mapping[str, Guard | Lead]:
    every: list[Guard | Lead] = [*guards, *leads]
    return {operation.lower(): one for one in every for operation in one.operations}


@lru_cache(maxsize=4)
def own_operations(guards: tuple[Guard, ...]) -> frozenset[str]:
    """The operations the guards perform themselves, lower case."""
    return frozenset(operation.lower() for guard in guards for operation in guard.own_operations)


@lru_cache(maxsize=4)
def by_type(guards: tuple[Guard, ...]) -> dict[str, Guard]:
    """The guards by their resource type, lower case."""
    return {guard.resource_type.lower(): guard for guard in guards}


def locate(
    change: ResourceChange, guards: tuple[Guard, ...], leads: tuple[Lead, ...] = ()
) -> tuple[Guard | Lead, ResourceId] | None:
    """The guarded resource a change leads to, a child's to its parent; None if it is not guarded.

    The operation of a lead may name the lead itself, or what it has led to.

    Raises:
        Unreadable: the operation is guarded and the resource ID cannot be read or does not fit it.
    """
    operation = change.operation_name.lower()
    expected = _by_operation(guards, leads).get(operation)
    if operation and expected is None:
        return None
    if not operation and not change.event_type.lower().startswith("microsoft.resources.resource"):
        return None
    resource = ResourceId.parse(change.resource)
    if isinstance(expected, Lead):
        return _led(expected, resource, guards, change)
    for ancestor in resource.lineage():
        guard = by_type(guards).get(ancestor.type.lower())
        if guard is not None and expected in (None, guard) and _in_place(guard, ancestor):
            return guard, ancestor
    if expected is not None:
        raise _unfit(resource, change)
    return None


def _led(
    lead: Lead, resource: ResourceId, guards: tuple[Guard, ...], change: ResourceChange
) -> tuple[Guard | Lead, ResourceId]:
    """The lead of an operation, or the guarded resource that it has led to."""
    type_ = resource.type.lower()
    if type_ == lead.resource_type.lower() and resource.group and resource.within is None:
        return lead, resource
    guard = by_type(guards).get(type_)
    if guard is None or type_ != lead.leads_to.lower() or not _in_place(guard, resource):
        raise _unfit(resource, change)
    return guard, resource


def _in_place(guard: Guard, resource: ResourceId) -> bool:
    """Whether a resource of the type can be where the ID says."""
    return not guard.in_group or (bool(resource.group) and resource.within is None)


def _unfit(resource: ResourceId, change: ResourceChange) -> Unreadable:
    return Unreadable(f"resource ID: a {resource.type} does not fit {change.operation_name}")
