"""What exists: resources by type and ID, with their answers ready to send."""

import json
from collections.abc import Iterator

from sandbox.arm.bodies import Body

LOCKS = "microsoft.authorization/locks"


class Resource:
    """One resource; its body is replaced, never changed."""

    __slots__ = ("_body", "_encoded", "busy", "key", "lapsed")

    def __init__(self, key: str, body: Body) -> None:
        self.key = key
        self.busy = False
        """Whether an operation holds it."""
        self.lapsed = False
        """Whether its link ran out while an operation held it."""
        self.body = body

    @property
    def body(self) -> Body:
        """The resource as GET shows it."""
        return self._body

    @body.setter
    def body(self, body: Body) -> None:
        self._body = body
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The body as bytes, made once for each version."""
        if self._encoded is None:
            self._encoded = json.dumps(self._body).encode()
        return self._encoded


class Store:
    """All resources; keys and types are lower case."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, Resource]] = {}

    def get(self, type_: str, key: str) -> Resource | None:
        """The resource of that key, if it exists."""
        return self._types.get(type_, {}).get(key)

    def put(self, type_: str, key: str, body: Body) -> Resource:
        """Create the resource, or give it its new body."""
        known = self._types.setdefault(type_, {})
        resource = known.get(key)
        if resource is None:
            resource = known[key] = Resource(key, body)
        else:
            resource.body = body
        return resource

    def remove(self, type_: str, key: str) -> None:
        """Forget the resource, its children, and the locks on them."""
        self._types.get(type_, {}).pop(key, None)
        for other, known in self._types.items():
            if other == LOCKS or other.startswith(f"{type_}/"):
                for gone in [k for k in known if k.startswith(f"{key}/")]:
                    del known[gone]

    def under(self, type_: str, prefix: str) -> Iterator[Resource]:
        """The resources of a type whose key begins with `prefix/`."""
        start = f"{prefix}/"
        for resource in list(self._types.get(type_, {}).values()):
            if resource.key.startswith(start):
                yield resource

    def all(self, type_: str) -> Iterator[Resource]:
        """All resources of a type."""
        yield from list(self._types.get(type_, {}).values())
