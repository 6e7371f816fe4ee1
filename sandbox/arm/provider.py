"""What every type has in common: who may, locks, existence.

One `Provider` holds the state; `server` hands it requests that are well formed. The order of the
checks is ARM's: authorization, locks, then the type's own rules. What is let through `changes`
carries out.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.arm import checks, errors, families, lists, polls
from sandbox.arm.answers import Answer, Request
from sandbox.arm.bodies import Body, Write, parse
from sandbox.arm.changes import Changes
from sandbox.arm.containers import container
from sandbox.arm.errors import ArmError
from sandbox.arm.kinds import Kind
from sandbox.arm.links import Links
from sandbox.arm.paths import Target
from sandbox.arm.settings import Settings
from sandbox.arm.store import LOCKS, Resource, Store


class Provider:
    """ARM and its resource providers, without the web server."""

    def __init__(self, settings: Settings, raise_event: Callable[[dict[str, Any]], None]) -> None:
        self._settings = settings
        self._store = Store()
        self._changes = Changes(self._store, settings, raise_event)

    @property
    def links(self) -> Links:
        """The links that are out."""
        return self._changes.links

    def stop(self) -> None:
        """Let no operation end any more, and no link be used."""
        self._changes.stop()

    def serve(self, request: Request) -> Answer:
        """The answer to a request.

        Raises:
            ArmError: the request is refused.
        """
        target, method = request.target, request.method
        checks.authorize(request)
        if target.type_key in (polls.COMPUTE, polls.REGISTRY) and method == "GET":
            return polls.poll(request, self._changes.operations)
        if not target.namespace:
            return container(request)
        kind = checks.kind_of(request)
        if method == "GET":
            return self._list(request, kind) if target.trailing else self._get(request, kind)
        if method not in ("PUT", "PATCH", "POST", "DELETE") or (
            target.trailing and method != "POST"
        ):
            raise errors.method_not_allowed(method, kind.type)
        checks.refuse_place(target, kind)
        if kind.key != LOCKS:
            checks.refuse_locked(target, checks.verb(request), self._store.all(LOCKS))
        if method == "POST":
            return self._act(request, kind)
        return self._delete(request, kind) if method == "DELETE" else self._write(request, kind)

    # Reading

    def _get(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        if kind.find is not None and self._store.get(kind.key, target.key) is None:
            found = kind.find(self._store, target)
            if found is not None:
                return Answer(200, json.dumps(found).encode())
        return Answer(200, self._existing(target).encoded)

    def _existing(self, target: Target) -> Resource:
        resource = self._store.get(target.type_key, target.key)
        if resource is None:
            raise errors.not_found(target)
        return resource

    def _list(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        checks.refuse_list(target)
        if target.names:
            self._existing(target)
        families.check_extended(self._store, target, kind)
        prefix = target.key if target.names else target.scope.lower()
        if kind.extends:
            prefix = f"{prefix}/providers/{kind.key}"
        return lists.page(request, kind, list(self._store.under(kind.key, prefix)))

    # Writing

    def _write(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        resource = self._store.get(target.type_key, target.key)
        rule = kind.put if request.method == "PUT" else kind.patch
        if rule is None:
            raise errors.method_not_allowed(request.method, kind.type)
        if resource is None and request.method == "PATCH":
            raise errors.not_found(target)
        if resource is None:
            checks.refuse_name(target, kind)
        families.check_parent(self._store, target, kind)
        families.check_extended(self._store, target, kind)
        checks.refuse_busy(resource)
        write = self._as_write(request, kind, resource)
        body = rule(write)
        if kind.check is not None:
            kind.check(self._store, write, body)
        return self._changes.write(request, kind, resource, write, body)

    def _as_write(self, request: Request, kind: Kind, resource: Resource | None) -> Write:
        target = request.target
        current = resource.body if resource else None

        def children(child_type: str) -> Iterator[Body]:
            for child in self._store.under(f"{kind.key}/{child_type.lower()}", target.key):
                yield child.body

        return Write(
            id=current["id"] if current else _canonical_id(target, kind),
            name=current["name"] if current else target.names[-1],
            type=kind.type,
            body=parse(request.body) if request.body or request.method != "POST" else {},
            current=current,
            caller=request.caller,
            settings=self._settings,
            children=children,
            base_url=request.base_url,
            linked=self.links.holds(target.key),
        )

    def _act(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        action = kind.actions.get((target.trailing or "").lower())
        if action is None:
            raise ArmError(
                404,
                "NotFound",
                f"No HTTP resource was found that matches the request URI '{request.path_qs}'.",
            )
        resource = self._existing(target)
        checks.refuse_busy(resource)
        write = self._as_write(request, kind, resource)
        effect = action(write)
        if kind.check_action is not None:
            kind.check_action(self._store, write)
        return self._changes.act(request, kind, resource, effect)

    def _delete(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        if not kind.deletable:
            raise errors.method_not_allowed(request.method, kind.type)
        resource = self._store.get(target.type_key, target.key)
        if resource is None:
            return Answer(204)
        checks.refuse_busy(resource)
        checks.refuse_busy(families.parent_of(self._store, target))
        if kind.refuse_delete is not None:
            kind.refuse_delete(self._store, resource.body)
        return self._changes.delete(request, kind, resource)


def _canonical_id(target: Target, kind: Kind) -> str:
    """The ID of a new resource: Azure's words in Azure's case, names as the client wrote them."""
    scope = target.scope
    if kind.tracked:
        scope = f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"
    namespace, *types = kind.type.split("/")
    pairs = [s for pair in zip(types, target.names, strict=True) for s in pair]
    return "/".join((scope, "providers", namespace, *pairs))
