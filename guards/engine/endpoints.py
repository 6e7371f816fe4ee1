"""Private ways to a resource: the private endpoints it has, and the disk access it names."""

from collections.abc import Iterable

from guards.engine.events import clean
from guards.engine.model import Body
from guards.engine.rules import at, text_at

CONNECTIONS = "properties.privateEndpointConnections"
_STATUS = "properties.privateLinkServiceConnectionState.status"


def endpoint_states(body: Body) -> tuple[str, ...]:
    """The state of each private endpoint connection, as Azure writes it; "" for an odd one."""
    connections = at(body, CONNECTIONS)
    if not isinstance(connections, list):
        return ()
    return tuple(clean(text_at(connection, _STATUS), 60) for connection in connections)


def approved_endpoint(body: Body) -> bool:
    """Whether an approved private endpoint leads to the resource."""
    return any(state.lower() == "approved" for state in endpoint_states(body))


def listed_private_access(body: Body, listed: Iterable[str]) -> bool:
    """Whether a disk, or a copy of one, is AllowPrivate with a disk access of this list."""
    if (text_at(body, "properties.networkAccessPolicy") or "").lower() != "allowprivate":
        return False
    access = (text_at(body, "properties.diskAccessId") or "").lower()
    return access in {entry.lower() for entry in listed}
