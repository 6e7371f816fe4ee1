"""Values on their way between the host and a function, by the rules of the real host.

Towards the function (`ToRpc` in GrpcMessageConversionExtensions): text stays text, bytes stay
bytes, everything else becomes JSON. From the function to a queue
(FunctionBinding.ReadAsEnumerable): text that looks like JSON is parsed and written again,
indented; an array becomes several messages.
"""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.host.protos import TypedData

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def compact(value: Any) -> str:
    """JSON without blanks, as the host writes it."""
    return _COMPACT.encode(value)


def typed(value: Any) -> TypedData:
    """A host value as the worker gets it."""
    match value:
        case None:
            return TypedData()
        case bytes():
            return TypedData(bytes=value)
        case str():
            return TypedData(string=value)
        case float():
            return TypedData(double=value)
        case _:
            return TypedData(json=compact(value))


def untyped(data: TypedData) -> Any:
    """What a function gave back, as a plain value."""
    which = data.WhichOneof("data")
    if which is None:
        return None
    value = getattr(data, which)
    return json.loads(value) if which == "json" else value


def looks_like_json(text: str) -> bool:
    """The host's test: the outer characters are those of an object or an array."""
    text = text.strip()
    return (text[:1], text[-1:]) in {("{", "}"), ("[", "]")}


def queue_messages(value: Any) -> Iterator[bytes]:
    """The messages that one output value becomes; broken JSON raises ValueError, as in the host."""
    if isinstance(value, str) and looks_like_json(value):
        value = json.loads(value)
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bytes):
            yield item
        elif isinstance(item, str):
            yield item.encode()
        else:
            yield json.dumps(item, indent=2, ensure_ascii=False).encode()


def add_binding_data(body: str, metadata: dict[str, TypedData]) -> None:
    """Let top-level properties of a JSON message overwrite the trigger's metadata, ignoring case.

    This is the host's behaviour (Utility.ApplyBindingData) and bites apps: a body with an `id`
    replaces the message's own id. Null and arrays are left out.
    """
    if not looks_like_json(body):
        return
    try:
        parsed = json.loads(body)
    except ValueError:
        return
    if not isinstance(parsed, dict):
        return
    own = {name.lower(): name for name in metadata}
    for name, value in parsed.items():
        if value is not None and not isinstance(value, list):
            key: str = own.get(name.lower()) or name
            metadata[key] = typed(value if isinstance(value, dict) else str(value))
