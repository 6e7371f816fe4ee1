"""What a request does once it is let through: at once or as an operation, and the events of it.

Writes and actions are operations when the settings say so, or a fault does; deletes only when a
fault does.
"""

import json
from collections.abc import Callable
from typing import Any

from sandbox.arm import access, checks, families, polls
from sandbox.arm.answers import Answer, Request
from sandbox.arm.bodies import Body, Write, with_properties
from sandbox.arm.events import Happening, event
from sandbox.arm.kinds import DISK, Kind
from sandbox.arm.links import Link, Links
from sandbox.arm.operations import Operation, Operations
from sandbox.arm.settings import Settings
from sandbox.arm.store import Resource, Store


class Changes:
    """Everything that changes the store, and what changes with it: links, families, events."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        raise_event: Callable[[dict[str, Any]], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._raise_event = raise_event
        self.operations = Operations()
        self.links = Links(self._lapsed)

    def stop(self) -> None:
        """Let no operation end any more, and no link be used."""
        self.operations.stop()
        self.links.stop()

    def write(
        self, request: Request, kind: Kind, resource: Resource | None, write: Write, body: Body
    ) -> Answer:
        """Give a resource its new body, or make it."""
        target, created = request.target, resource is None
        at_once = self._at_once(request)
        if resource is None or at_once or kind.operations != "disk":
            resource = self._store.put(target.type_key, target.key, body)
        if request.method == "PUT":
            families.adopt(self._store, kind, target.key, body)
        families.list_in_parent(self._store, kind, target.key)
        if kind.operations is not None and not at_once:
            return self._accept_write(request, kind, resource, write, body)
        disks = self._complete(kind, resource, write, body)
        self._tell(request, kind, resource, created=created)
        self._tell_of_disks(request, disks)
        return Answer(kind.created if created else kind.replaced, resource.encoded)

    def act(
        self, request: Request, kind: Kind, resource: Resource, effect: access.Effect
    ) -> Answer:
        """Carry out an action; its answer comes at once or from the Location."""
        answer = b"" if effect.answer is None else json.dumps(effect.answer).encode()

        def work() -> bytes:
            self._show(resource, effect.body)
            if effect.revokes:
                self.links.end(resource.key)
            for link in effect.links:
                self.links.add(link)
            return answer

        if self._at_once(request):
            work()
            self._tell(request, kind, resource)
            return Answer(200, answer)
        operation = self._start(request, kind, resource, work)
        return Answer(202, b"", _location(request, kind, resource, operation))

    def delete(self, request: Request, kind: Kind, resource: Resource) -> Answer:
        """Forget a resource and what is below it."""

        def work() -> bytes:
            self._store.remove(kind.key, resource.key)
            self.links.end(resource.key)
            if kind.after_delete is not None:
                kind.after_delete(self._store, resource.body["id"])
            families.list_in_parent(self._store, kind, resource.key)
            return b""

        if request.accepted:
            operation = self._start(request, kind, resource, work)
            return Answer(202, b"", _location(request, kind, resource, operation))
        work()
        self._tell(request, kind, resource)
        return Answer(200, resource.encoded if kind.shown_when_deleted else b"")

    def _at_once(self, request: Request) -> bool:
        return self._settings.patch == "sync" and not request.accepted

    def _accept_write(
        self, request: Request, kind: Kind, resource: Resource, write: Write, body: Body
    ) -> Answer:
        """Start an operation that ends with `body`; until then the resource shows its state."""
        created = write.current is None

        def work() -> bytes:
            disks = self._complete(kind, resource, write, body)
            self._tell_of_disks(request, disks)
            return resource.encoded

        state = "Creating" if created else "Updating"
        resource.body = with_properties(resource.body, provisioningState=state)
        operation = self._start(request, kind, resource, work, created=created)
        if kind.operations == "registry":
            return Answer(201, resource.encoded, polls.registry_headers(request, body, operation))
        headers = _location(request, kind, resource, operation)
        if kind.operations == "machine":
            return Answer(201 if created else 200, resource.encoded, headers)
        shown = with_properties(body, provisioningState=state, isArmResource=True)
        return Answer(202, json.dumps(shown).encode(), headers)

    def _complete(self, kind: Kind, resource: Resource, write: Write, body: Body) -> list[Resource]:
        """Show what was asked for, and what comes with it; returns the disks that are new."""
        self._show(resource, body)
        if kind.complete is None:
            return []
        return kind.complete(self._store, write, resource)

    def _start(
        self,
        request: Request,
        kind: Kind,
        resource: Resource,
        work: Callable[[], bytes],
        *,
        created: bool = False,
    ) -> Operation:
        """Start an operation that holds the resource until it ends with `work`."""
        early = self._settings.event_at == "accepted"

        def finish() -> bytes:
            resource.busy = False
            result = work()
            if resource.lapsed:
                resource.lapsed = False
                resource.body = access.without_link(resource.body)
            if not early:
                self._tell(request, kind, resource, created=created)
            return result

        operation = self.operations.start(
            request.target.subscription, self._settings.operation_s, finish
        )
        resource.busy = True
        if early:
            self._tell(request, kind, resource, created=created)
        return operation

    def _show(self, resource: Resource, body: Body) -> None:
        """The new body, and no link that it does not tell of."""
        resource.body = body
        if access.shows_no_link(body):
            self.links.end(resource.key)

    def _lapsed(self, link: Link) -> None:
        """A link ran out: its resource is as before, as soon as no operation holds it."""
        resource = self._store.get(link.type.lower(), link.key)
        if resource is None:
            return
        if resource.busy:
            resource.lapsed = True
        else:
            resource.body = access.without_link(resource.body)

    def _tell_of_disks(self, request: Request, disks: list[Resource]) -> None:
        """The disks that a machine brought, if the setting wants them told of."""
        if self._settings.implicit_disk_events:
            for disk in disks:
                self._tell(request, DISK, disk, created=True)

    def _tell(
        self, request: Request, kind: Kind, resource: Resource, *, created: bool = False
    ) -> None:
        if self._settings.event_at == "never":
            return
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


def _location(
    request: Request, kind: Kind, resource: Resource, operation: Operation
) -> dict[str, str]:
    """Where an accepted request sends its client."""
    if kind.key.startswith("microsoft.containerregistry/"):
        return polls.registry_location(request, operation)
    place = resource.body.get("location", "westeurope")
    return polls.compute_headers(request, place, operation)
