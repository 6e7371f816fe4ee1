"""ARM's paths, taken apart: which resource, list, action or operation a request means.

`/subscriptions/{id}[/resourceGroups/{name}]/providers/{namespace}/{type}/{name}[/{type}/{name}]`,
with another `/providers/...` behind it for extensions such as locks, or `/providers/...` alone, as
the IDs of built-in roles are. Segments compare without
case; what is kept is as the client wrote it.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_GROUP = re.compile(r"[-\w.()]{1,90}(?<!\.)")
_SEGMENT = re.compile(r"[^<>*%&:\\?/#\x00-\x1f]{1,260}(?<![. ])")


class PathError(ValueError):
    """A path that names nothing: `code` and the text are ARM's."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Target:
    """What a path points at; `names` is empty for a list of a whole type."""

    scope: str
    """What is before the last `/providers`: a subscription, a group, or a resource."""
    subscription: str
    """Empty for what is above all subscriptions."""
    group: str | None
    namespace: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    trailing: str | None = None
    """The last segment when it has no name behind it: a type to list, or an action."""

    @cached_property
    def type(self) -> str:
        """As `Microsoft.Compute/disks`, in the client's case."""
        return "/".join((self.namespace, *self.types))

    @cached_property
    def type_key(self) -> str:
        """The type, for comparing."""
        return self.type.lower()

    @cached_property
    def id(self) -> str:
        """The resource ID without the trailing action or list."""
        if not self.namespace:
            return self.scope
        pairs = [s for pair in zip(self.types, self.names, strict=True) for s in pair]
        return "/".join((self.scope, "providers", self.namespace, *pairs))

    @cached_property
    def key(self) -> str:
        """The ID, for comparing."""
        return self.id.lower()

    @cached_property
    def parent_id(self) -> str | None:
        """The ID of the resource a child belongs to; None for a top-level one."""
        return self.id.rsplit("/", 2)[0] if len(self.types) > 1 else None


@lru_cache(maxsize=65536)
def parse(path: str) -> Target:
    """Take a decoded path apart.

    Raises:
        PathError: it has no place in ARM's namespace.
    """
    parts = path.strip("/").split("/")
    if parts[0].lower() == "providers":
        return _below(path, parts, 0, "", None)
    if parts[0].lower() != "subscriptions" or len(parts) < 2:
        raise PathError("InvalidRequestUri", f"The request path '{path}' is not valid.", 404)
    if not _GUID.fullmatch(parts[1]):
        raise PathError(
            "InvalidSubscriptionId",
            f"The provided subscription identifier '{parts[1]}' is malformed or invalid.",
        )
    at = _last_providers(parts)
    group = None
    if len(parts) > 3 and parts[2].lower() == "resourcegroups":
        group = parts[3]
        if not _GROUP.fullmatch(group):
            raise PathError(
                "InvalidResourceGroup", f"The resource group name '{group}' is not valid."
            )
    if at is None:
        if len(parts) != (2 if group is None else 4):
            raise PathError("InvalidRequestUri", f"The request path '{path}' is not valid.", 404)
        return Target("/" + "/".join(parts), parts[1], group)
    return _below(path, parts, at, parts[1], group)


def _below(path: str, parts: list[str], at: int, subscription: str, group: str | None) -> Target:
    """What the part of the path behind its last `providers` names."""
    rest = parts[at + 1 :]
    if len(rest) < 2 or (at > 2 and group is None):
        raise PathError("InvalidRequestUri", f"The request path '{path}' is not valid.", 404)
    for segment in rest:
        if not _SEGMENT.fullmatch(segment) or segment == "..":
            raise PathError(
                "InvalidResourceName", f"Resource name {segment} is invalid in '{path}'."
            )
    pairs = rest[1:]
    trailing = pairs.pop() if len(pairs) % 2 else None
    return Target(
        "/" + "/".join(parts[:at]) if at else "",
        subscription,
        group,
        rest[0],
        tuple(pairs[0::2]),
        tuple(pairs[1::2]),
        trailing,
    )


def _last_providers(parts: list[str]) -> int | None:
    """Where the last `providers` is; it is always an even place, so a name may be called that."""
    for i in range((len(parts) - 1) // 2 * 2, 0, -2):
        if parts[i].lower() == "providers":
            return i
    return None
