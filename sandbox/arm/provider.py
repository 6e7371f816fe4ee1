"""What every type has in common: who may, locks, existence, operations, events.

One `Provider` holds the state; `server` hands it requests that are well formed. The order of the
checks is ARM's: authorization, locks, then the type's own rules.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.arm import checks, errors, families, polls
from sandbox.arm.answers import Answer, Request
from sandbox.arm.bodies import Body, Write, parse, with_properties
from sandbox.arm.containers import container
from sandbox.arm.errors import ArmError
from sandbox.arm.events import Happening, event
from sandbox.arm.kinds import Kind
from sandbox.arm.operations import Operations
from sandbox.arm.paths import Target
from sandbox.arm.settings import Settings
from sandbox.arm.store import LOCKS, Resource, Store


class Provider:
    """ARM and its resource providers, without the web server."""

    def __init__(self, settings: Settings, raise_event: Callable[[dict[str, Any]], None]) -> None:
        self._settings = settings
        self._raise_event = raise_event
        self._store = Store()
        self._operations = Operations()

    def stop(self) -> None:
        """Let no operation end any more."""
        self._operations.stop()

    def serve(self, request: Request) -> Answer:
        """The answer to a request.

        Raises:
            ArmError: the request is refused.
        """
        target, method = request.target, request.method
        checks.authorize(request)
        if target.type_key in (polls.COMPUTE, polls.REGISTRY) and method == "GET":
            return polls.poll(request, self._operations)
        if not target.namespace:
            return container(request)
        kind = checks.kind_of(request)
        if method == "GET":
            return self._list(request, kind) if target.trailing else self._get(request)
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

    def _get(self, request: Request) -> Answer:
        return Answer(200, self._existing(request.target).encoded)

    def _existing(self, target: Target) -> Resource:
        resource = self._store.get(target.type_key, target.key)
        if resource is None:
            raise errors.not_found(target)
        return resource

    def _list(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        if target.names:
            self._existing(target)
        prefix = target.key if target.names else target.scope.lower()
        found = self._store.under(kind.key, prefix)
        return Answer(200, b'{"value": [' + b", ".join(r.encoded for r in found) + b"]}")

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
        checks.refuse_busy(resource)
        body = rule(self._as_write(request, kind, resource))
        created = resource is None
        now = created or kind.operations != "compute" or self._settings.patch == "sync"
        if resource is None or now:
            resource = self._store.put(target.type_key, target.key, body)
        if request.method == "PUT":
            families.adopt(self._store, kind, target.key, body)
        families.list_in_parent(self._store, kind, target.key)
        return self._finish(request, kind, resource, body, created=created)

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
        effect = action(self._as_write(request, kind, resource))
        answer = b"" if effect.answer is None else _json(effect.answer)
        if self._settings.patch == "sync":
            resource.body = effect.body
            self._tell(request, kind, resource)
            return Answer(200, answer)
        return self._accept(request, kind, resource, effect.body, result=answer)

    def _delete(self, request: Request, kind: Kind) -> Answer:
        target = request.target
        resource = self._store.get(target.type_key, target.key)
        if resource is None:
            return Answer(204)
        checks.refuse_busy(resource)
        checks.refuse_busy(families.parent_of(self._store, target))
        if kind.refuse_delete is not None:
            kind.refuse_delete(resource.body)
        self._store.remove(target.type_key, target.key)
        families.list_in_parent(self._store, kind, target.key)
        self._tell(request, kind, resource)
        return Answer(200)

    # Finishing: at once, or as an operation

    def _finish(
        self,
        request: Request,
        kind: Kind,
        resource: Resource,
        body: Body,
        *,
        created: bool,
    ) -> Answer:
        if kind.operations is None or self._settings.patch == "sync":
            self._tell(request, kind, resource, created=created)
            compute = kind.operations == "compute"  # which answers 200 for a new disk, too
            return Answer(201 if created and not compute else 200, resource.encoded)
        return self._accept(request, kind, resource, body, created=created)

    def _accept(
        self,
        request: Request,
        kind: Kind,
        resource: Resource,
        body: Body,
        *,
        created: bool = False,
        result: bytes | None = None,
    ) -> Answer:
        """Start an operation that ends with `body`; until then the resource shows its state."""
        early = self._settings.event_at == "accepted"

        def finish() -> bytes:
            resource.busy = False
            resource.body = body
            if not early:
                self._tell(request, kind, resource, created=created)
            return resource.encoded if result is None else result

        operation = self._operations.start(
            request.target.subscription, self._settings.operation_s, finish
        )
        resource.busy = True
        if result is None:
            state = "Creating" if created else "Updating"
            resource.body = with_properties(resource.body, provisioningState=state)
        if early:
            self._tell(request, kind, resource, created=created)
        if kind.operations == "registry":
            return Answer(201, resource.encoded, polls.registry_headers(request, body, operation))
        shown = b"" if result is not None else _json(_accepted(resource.body, body))
        return Answer(202, shown, polls.compute_headers(request, body["location"], operation))

    def _tell(
        self, request: Request, kind: Kind, resource: Resource, *, created: bool = False
    ) -> None:
        happening = Happening(
            resource_id=resource.body["id"],
            subscription=request.target.subscription,
            resource_type=kind.type,
            verb=checks.verb(request),
            caller=request.caller,
            correlation_id=request.correlation_id,
            client_request_id=request.client_request_id,
            method=request.method,
            path_qs=request.path_qs,
            created=created,
        )
        self._raise_event(event(happening, self._settings))


def _canonical_id(target: Target, kind: Kind) -> str:
    """The ID of a new resource: Azure's words in Azure's case, names as the client wrote them."""
    scope = target.scope
    if kind.tracked:
        scope = f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"
    namespace, *types = kind.type.split("/")
    pairs = [s for pair in zip(types, target.names, strict=True) for s in pair]
    return "/".join((scope, "providers", namespace, *pairs))


def _accepted(shown: Body, final: Body) -> Body:
    """The body of a 202: what was asked for, not yet done."""
    state = shown["properties"]["provisioningState"]
    return with_properties(final, provisioningState=state, isArmResource=True)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
