"""Reading request bodies strictly, and writing resource bodies as Azure does.

A resource body is a value: rules build a new one and change none in place, so a body may be shared
between a resource, an operation that is still running, and an answer.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.arm.callers import Caller
from sandbox.arm.errors import ArmError, bad_request
from sandbox.arm.settings import Settings

type Body = dict[str, Any]

READ_ONLY: Final = frozenset({"id", "name", "type", "systemData", "etag"})
"""What GET shows and a PUT may send back; it is ignored."""


@dataclass(frozen=True)
class Write:
    """A PUT, PATCH or action on its way to the rules of its type."""

    id: str
    name: str
    type: str
    body: Body
    current: Body | None
    """The resource as it is; None when the write creates it."""
    caller: Caller
    settings: Settings
    children: Callable[[str], Iterable[Body]]
    """The bodies of the resource's children, by the last part of their type."""
    base_url: str
    """Where this ARM is, for links that lead back to it."""
    linked: bool
    """Whether a link to the resource's data is out."""

    @property
    def old(self) -> Mapping[str, Any]:
        """The properties as they are; empty when the write creates the resource."""
        return self.current["properties"] if self.current else {}


def parse(raw: bytes) -> Body:
    """A request body, which ARM wants to be a JSON object."""
    try:
        body = json.loads(raw)
    except ValueError as e:
        raise _invalid_content(f"The request content is not valid JSON: {e}") from e
    if not isinstance(body, dict):
        raise _invalid_content("Error converting value to a JSON object. Path ''")
    return body


def members(given: Mapping[str, Any], known: Collection[str], type_: str, path: str = "") -> None:
    """Refuse what the API does not know.

    Raises:
        ArmError: 400, naming the first unknown member of `given` as ARM does.
    """
    for name in given:
        if name not in known:
            raise _invalid_content(
                f"Could not find member '{name}' on object of type '{type_}'. "
                f"Path '{path}{name}', line 1, position 1."
            )


def part(body: Mapping[str, Any], name: str) -> Body:
    """A nested object of a body; absent and null mean empty."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid_content(f"Error converting value {value!r} to an object. Path '{name}'")
    return value


def choice(
    given: Mapping[str, Any], name: str, allowed: Iterable[str], default: str, *, target: str = ""
) -> str:
    """One of `allowed`, in Azure's case whatever case the client wrote; absent means `default`."""
    value = given.get(name)
    if value is None:
        return default
    for option in allowed:
        if isinstance(value, str) and value.lower() == option.lower():
            return option
    raise bad_request(
        f"The value '{value}' provided for '{target}{name}' is not valid. "
        f"The allowed values are {', '.join(allowed)}.",
        code="InvalidParameter",
        target=f"{target}{name}",
    )


def envelope(write: Write, **members: Any) -> Body:
    """A resource body: what all have, then `members`; a None is left out."""
    before = write.current or {}
    tags = write.body.get("tags", before.get("tags"))
    body: Body = {"id": write.id, "name": write.name, "type": write.type}
    if "location" in members:
        body["location"] = members.pop("location")
    body["tags"] = tags or {}
    body["systemData"] = _system_data(write.caller, before.get("systemData"))
    body.update((name, value) for name, value in members.items() if value is not None)
    return body


def location(write: Write) -> str:
    """Where the resource is; it cannot move."""
    asked = write.body.get("location")
    known = (write.current or {}).get("location")
    normal = str(asked).replace(" ", "").lower() if asked else (known or "westeurope")
    if known and normal != known:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{write.name}' already exists in location '{known}' in resource group. "
            f"A resource with the same name cannot be created in location '{normal}'. "
            "Please select a new resource name.",
        )
    return normal


def with_properties(body: Body, **changes: Any) -> Body:
    """The same body with some properties changed."""
    return {**body, "properties": {**body["properties"], **changes}}


def timestamp() -> str:
    """Now, as resource bodies write it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _system_data(caller: Caller, before: Mapping[str, Any] | None) -> Body:
    now = timestamp()
    who, kind = caller.signed_in_as, caller.created_by_type
    created = before or {"createdBy": who, "createdByType": kind, "createdAt": now}
    return {**created, "lastModifiedBy": who, "lastModifiedByType": kind, "lastModifiedAt": now}


def _invalid_content(detail: str) -> ArmError:
    return bad_request(
        f"The request content was invalid and could not be deserialized: '{detail}'.",
        code="InvalidRequestContent",
    )
