"""A policy read with its shape: every mistake at once, with its line and what is allowed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from guards.engine.events import clean
from guards.engine.model import Guard
from guards.engine.policy.shape import models
from guards.engine.policy.text import Document, Mistake, Path, PolicyError, place


@dataclass(frozen=True, slots=True)
class File:
    """What could be read of a policy: entries and keys with a mistake are left out.

    `scopes`, `exemptions` and `exporters` are pairs of their number in the text and the entry.
    """

    model: Any
    scopes: list[tuple[int, Any]]
    exemptions: list[tuple[int, Any]]
    exporters: list[tuple[int, Any]]
    mistakes: list[Mistake]


def read(document: Document, guards: tuple[Guard, ...], now: datetime) -> File:
    """The file as a model, and every mistake in it.

    Raises:
        PolicyError: what is wrong leaves nothing to read.
    """
    if not isinstance(document.data, dict):
        raise PolicyError([Mistake(document.line(()), "policy", "a mapping with `version: 1`")])
    data = _spelled(document.data, guards)
    model = models(guards, notify="notify" in data)
    context = {"now": now, "types": [guard.resource_type for guard in guards]}
    bad: set[Path] = set()
    mistakes = list(document.doubles)
    try:
        valid = model.model_validate(data, context=context)
    except ValidationError as e:
        errors = e.errors(include_url=False)
        mistakes += [_told(error, document, model) for error in errors]
        bad = {_unit(error["loc"]) for error in errors}
        valid = model.model_validate(_without(data, bad), context=context)
    kept = {
        name: [i for i in range(_length(data, name)) if (name, i) not in bad] for name in _LISTS
    }
    scopes, exemptions, exporters = (
        list(zip(kept[name], getattr(valid, name), strict=False)) for name in _LISTS
    )
    return File(valid, scopes, exemptions, exporters, mistakes)


def _length(data: Mapping[str, Any], name: str) -> int:
    found = data.get(name)
    return len(found) if isinstance(found, list) else 0


def _spelled(data: Mapping[str, Any], guards: Sequence[Guard]) -> dict[str, Any]:
    """Type names in the catalogue's casing, as Azure writes them in any."""
    names = {guard.resource_type.lower(): guard.resource_type for guard in guards}

    def spelled(entry: Any) -> Any:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("resources"), Mapping):
            return entry
        types = {names.get(key.lower(), key): value for key, value in entry["resources"].items()}
        return {**entry, "resources": types}

    scopes = data.get("scopes")
    changed = [spelled(entry) for entry in scopes] if isinstance(scopes, list) else scopes
    found: dict[str, Any] = spelled(data)
    return {**found, "scopes": changed} if "scopes" in data else found


_LISTS = ("scopes", "exemptions", "exporters")
_LOGIN = re.compile(r"//\S*@")
"""User name and password of a URL, which a log or an alert must not repeat."""


def _unit(path: Path) -> Path:
    """What is left out for a mistake at a path: an entry of a list, or a top-level key."""
    return path[:2] if path[0] in _LISTS and len(path) > 1 else path[:1]


def _without(data: dict[str, Any], bad: set[Path]) -> dict[str, Any]:
    """The data without these entries and top-level keys."""
    left = {key: value for key, value in data.items() if (key,) not in bad}
    for name in set(_LISTS) & set(left):
        left[name] = [v for i, v in enumerate(left[name]) if (name, i) not in bad]
    return {**left, "version": 1}


def _told(error: Any, document: Document, model: Any) -> Mistake:
    path: Path = error["loc"]
    return Mistake(document.line(path), place(path), _advice(error, path, model))


def _advice(error: Mapping[str, Any], path: Path, model: Any) -> str:
    """What is wrong and what is allowed, in one line."""
    shown = clean(_LOGIN.sub("//…@", repr(error["input"])), 60)
    match error["type"]:
        case "extra_forbidden":
            return f"unknown; allowed: {', '.join(_keys(model, path[:-1]))}"
        case "missing":
            return "is missing"
        case "enum" | "literal_error":
            return f"{shown} is not allowed; allowed: {error['ctx']['expected']}"
        case "value_error":
            return f"{clean(str(error['ctx']['error']), 400)} (found {shown})"
        case "list_type":
            return f"a list is needed (found {shown})"
        case "model_type" | "dict_type":
            return f"a mapping of {', '.join(_keys(model, path)) or 'settings'} is needed"
        case "string_pattern_mismatch":
            return f"a value is written out, without * (found {shown})"
    return f"{error['msg']} (found {shown})"


def _keys(model: Any, path: Path) -> tuple[str, ...]:
    """The keys that are allowed at a path."""
    current: Any = model
    for part in path:
        if not isinstance(part, int):
            field = _fields(current).get(part)
            current = _inner(field.annotation) if field is not None else None
    return tuple(_fields(current))


def _fields(model: Any) -> dict[str, Any]:
    found = getattr(model, "model_fields", {})
    return {field.alias or name: field for name, field in found.items()}


@cache
def _inner(annotation: Any) -> Any:
    """The model within `list[...]`, `... | None` and `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for inner in map(_inner, get_args(annotation)) if inner is not None), None)
