"""Child resources whose bodies are kept in the alert, so that a person can bring them back."""

import json
from collections.abc import Sequence
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Body, DeleteChild
from guards.engine.shapes import unsigned
from guards.engine.tasks import Task, parse

MAX_BYTES, MOST = 24 * 1024, 64
"""All bodies of one alert together: beside them it has room for everything else."""

_DEEPEST = 300
_WRITTEN = ("location", "tags", "properties")


def kept(body: Body, version: str) -> Body:
    """A body as it is saved: with its API version, without the signature of any SAS link."""
    return {**_unsigned(body), "apiVersion": version}


def _unsigned(document: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return document  # nothing can keep it
    if isinstance(document, dict):
        return {unsigned(key): _unsigned(item, depth + 1) for key, item in document.items()}
    if isinstance(document, list):
        return [_unsigned(item, depth + 1) for item in document]
    return unsigned(document) if isinstance(document, str) else document


def fits(bodies: Sequence[Body]) -> bool:
    """Whether an alert can keep all of them."""
    return len(bodies) <= MOST and len(json.dumps(list(bodies)).encode()) <= MAX_BYTES


def keepable(task: Task) -> bool:
    """Whether an alert can keep all bodies a task has saved, and its message can be read back."""
    try:
        parse(json.dumps(task.message()))
        return task.evidence is not None and fits(task.evidence.saved)
    except (Unreadable, ValueError, RecursionError):
        return False


def restored(bodies: Sequence[Body], parent: ResourceId) -> tuple[Body, ...]:
    """The requests that bring deleted children back, once what they need is open again.

    What Azure sets itself is left out; a system-assigned identity comes back as another one. Of one
    that was deleted twice the first comes back: somebody else may have made the second.
    """
    below = f"{parent.path}/".lower()
    paths = [(_path(body).lower(), body) for body in bodies]
    first = {path: body for path, body in reversed(paths) if path.startswith(below)}
    return tuple(_put(body) for path, body in paths if first.get(path) is body)


def _put(body: Body) -> Body:
    wanted: dict[str, Any] = {name: body[name] for name in _WRITTEN if name in body}
    properties = wanted.get("properties")
    if isinstance(properties, dict):
        wanted["properties"] = {k: v for k, v in properties.items() if k != "provisioningState"}
    identity = body.get("identity")
    if isinstance(identity, dict):
        users = identity.get("userAssignedIdentities")
        wanted["identity"] = {"type": identity.get("type")}
        if isinstance(users, dict) and users:
            wanted["identity"]["userAssignedIdentities"] = {name: {} for name in users}
    return {
        "method": "PUT",
        "path": _path(body),
        "apiVersion": body.get("apiVersion"),
        "body": wanted,
    }


def _path(body: Body) -> str:
    try:
        return ResourceId.parse(body.get("id")).path
    except Unreadable:
        return ""


def deletions(
    parent: ResourceId, type_: str, bodies: Sequence[Body], version: str
) -> list[DeleteChild]:
    """A step for each child of this very parent; one with another ID or none is left alone."""
    found = []
    for body in bodies:
        try:
            child = ResourceId.parse(body.get("id"))
        except Unreadable:
            continue
        if child.key == f"{parent.key}/{type_}/{child.name}".lower():
            found.append(DeleteChild(type_, child.name, version))
    return found
