"""Which guard a change belongs to, looked up in the tuple of guards that is passed in."""

from functools import lru_cache

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, ResourceChange


@lru_cache(maxsize=4)
def _by_operation(guards: tuple[Guard, ...]) -> dict[str, Guard]:
    return {operation.lower(): guard for guard in guards for operation in guard.operations}


@lru_cache(maxsize=4)
def own_operations(guards: tuple[Guard, ...]) -> frozenset[str]:
    """The operations the guards perform themselves, lower case."""
    return frozenset(operation.lower() for guard in guards for operation in guard.own_operations)


@lru_cache(maxsize=4)
def by_type(guards: tuple[Guard, ...]) -> dict[str, Guard]:
    """The guards by their resource type, lower case."""
    return {guard.resource_type.lower(): guard for guard in guards}


def locate(change: ResourceChange, guards: tuple[Guard, ...]) -> tuple[Guard, ResourceId] | None:
    """The guarded resource a change leads to, a child's to its parent; None if it is not guarded.

    Raises:
        Unreadable: the operation is guarded and the resource ID cannot be read or does not fit it.
    """
    operation = change.operation_name.lower()
    expected = _by_operation(guards).get(operation)
    if operation and expected is None:
        return None
    if not operation and not change.event_type.lower().startswith("microsoft.resources.resource"):
        return None
    resource = ResourceId.parse(change.resource)
    for ancestor in resource.lineage():
        guard = by_type(guards).get(ancestor.type.lower())
        if guard is not None and expected in (None, guard):
            return guard, ancestor
    if expected is not None:
        raise Unreadable(f"resource ID: a {resource.type} does not fit {change.operation_name}")
    return None
