"""Parents and children: a child needs its parent, and some parents list their children."""

from sandbox.arm import checks, errors
from sandbox.arm.bodies import Body, with_properties
from sandbox.arm.kinds import KINDS, Kind
from sandbox.arm.paths import Target, parse
from sandbox.arm.store import Resource, Store


def parent_of(store: Store, target: Target) -> Resource | None:
    """The parent, if there is one and it exists."""
    if target.parent_id is None:
        return None
    return store.get(target.type_key.rpartition("/")[0], target.parent_id.lower())


def check_parent(store: Store, target: Target, kind: Kind) -> None:
    """Before a child is written.

    Raises:
        ArmError: the parent is missing, busy, or will have no such child.
    """
    if target.parent_id is None:
        return
    parent = parent_of(store, target)
    if parent is None:
        raise errors.parent_not_found(target)
    checks.refuse_busy(parent)
    if kind.refuse_child is not None:
        kind.refuse_child(parent.body)


def check_extended(store: Store, target: Target, kind: Kind) -> None:
    """Before what extends a resource is written or listed.

    Raises:
        ArmError: there is no such resource.
    """
    if not kind.extends:
        return
    extended = parse(target.scope)
    if extended.namespace and store.get(extended.type_key, extended.key) is None:
        raise errors.not_found(extended)


def adopt(store: Store, kind: Kind, key: str, body: Body) -> None:
    """After a parent was PUT: the children its body lists are the ones there are."""
    for child in KINDS.values():
        if child.listed_in_parent and child.key.rpartition("/")[0] == kind.key:
            for old in store.under(child.key, key):
                store.remove(child.key, old.key)
            for one in body["properties"][child.listed_in_parent]:
                store.put(child.key, one["id"].lower(), one)


def list_in_parent(store: Store, kind: Kind, key: str) -> None:
    """After a child came, changed or went: its parent's body says so."""
    if kind.listed_in_parent is None:
        return
    parent_key = key.rsplit("/", 2)[0]
    parent = store.get(kind.key.rpartition("/")[0], parent_key)
    if parent is not None:
        listed = [child.body for child in store.under(kind.key, parent_key)]
        parent.body = with_properties(parent.body, **{kind.listed_in_parent: listed})
