"""Role definitions as they are written down, read strictly: a slip must not look like a clean role.

Three forms, whatever the casing of their keys:

    {"roleName": ..., "permissions": [{"actions": [...], ...}]}                  az ... list
    {"id": ..., "properties": {"roleName": ..., "permissions": [...]}}           REST
    {"Name": ..., "IsCustom": true, "Actions": [...], "NotActions": [...], ...}  az ... create
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import folded

MOST_PATTERNS = 10_000
"""Patterns in all lists of one definition."""
LONGEST_PATTERN = 1_024
"""Characters of one; Azure's own operations are below 200."""

_STARS = re.compile(r"\*+")  # many in a row say what one says, and take longer to compare
_LISTS = ("actions", "notActions", "dataActions", "notDataActions")
_LIKELY = 0.8
"""From here on two names are as near as `action` and `actions`, and not `actions` and `id`."""

_TYPES = {"builtinrole": "BuiltInRole", "customrole": "CustomRole"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """An operation or several, with `*`: as written, and in the form it is compared in."""

    text: str
    folded: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `permissions`; what is taken away is taken from this entry alone."""

    actions: tuple[Pattern, ...]
    not_actions: tuple[Pattern, ...]
    data_actions: tuple[Pattern, ...]
    not_data_actions: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Title:
    """What a role is called; `id` and `type` are None where the definition has none."""

    name: str
    id: str | None
    type: str | None
    assignable_scopes: tuple[str, ...]


def entries(role: Mapping[str, Any]) -> list[Entry]:
    """The entries of `permissions`; one, if the lists stand in the definition itself.

    Raises:
        Unreadable: with the place.
    """
    fields, place = _fields(role)
    flat = [name for name in _LISTS if name.lower() in fields]
    listed = fields.get("permissions")
    if listed is not None and flat:
        raise Unreadable(f"{place}{flat[0]} beside permissions: only one of them can hold")
    if listed is None:
        found = [_entry(fields, place)]
    else:
        found = [_entry(*one) for one in _objects(listed, f"{place}permissions")]
    count = sum(len(patterns) for entry in found for patterns in _lists_of(entry))
    if count > MOST_PATTERNS:
        raise Unreadable(
            f"{count:,} actions, which is more than the {MOST_PATTERNS:,} that are read"
        )
    return found


def title(role: Mapping[str, Any]) -> Title:
    """Name, ID, type and scopes of a definition.

    Raises:
        Unreadable: with the place.
    """
    fields, place = _fields(role)
    name = _text(fields, "roleName", place) or _text(fields, "name", place)
    if not name:
        raise Unreadable(f"{place}roleName: a name is needed")
    scopes = _texts(fields, "assignableScopes", place)
    return Title(name, _text(fields, "id", place), _type(fields), tuple(one for one, _ in scopes))


def _fields(role: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What describes the role, by lower-case keys, and the place that permissions are at."""
    outer = _lowered(role, "")
    if "properties" not in outer:
        return outer, ""
    if not isinstance(outer["properties"], Mapping):
        raise Unreadable(f"properties: an object is needed, not {_kind(outer['properties'])}")
    inner = _lowered(outer["properties"], "properties.")
    for name in ("permissions", *_LISTS):
        if name.lower() in outer:
            raise Unreadable(f"{name} beside properties: it belongs into them")
    return {**outer, **inner}, "properties."


def _lowered(fields: Mapping[str, Any], place: str) -> dict[str, Any]:
    """By lower-case keys; null is what az writes for what is not there."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if folded(key) in found:
            raise Unreadable(f"{place}{clean(key, 60)}: stands there twice, in another casing")
        if value is not None:
            found[folded(key)] = value
    return found


def _objects(listed: Any, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    if not isinstance(listed, list):
        raise Unreadable(f"{place}: a list is needed, not {_kind(listed)}")
    for number, one in enumerate(listed):
        if not isinstance(one, Mapping):
            raise Unreadable(f"{place}[{number}]: an object is needed, not {_kind(one)}")
        inner = f"{place}[{number}]."
        yield _lowered(one, inner), inner


def _entry(fields: Mapping[str, Any], place: str) -> Entry:
    for name in fields:
        known = name in map(str.lower, _LISTS)
        meant = next((one for one in _LISTS if not known and _is_slip(name, one.lower())), None)
        if meant:
            raise Unreadable(f"{place}{clean(name, 60)}: unknown; is {meant} meant?")
    if not any(name.lower() in fields for name in _LISTS):  # a misspelt one would give nothing
        raise Unreadable(f"{place}actions: missing, and so are the other lists of permissions")
    return Entry(*(_patterns(fields, name, place) for name in _LISTS))


def _is_slip(name: str, right: str) -> bool:
    """Whether a key is one of the lists, misspelt: what it takes or gives would go unseen."""
    import difflib  # a role that Azure shows has no such key, and the app starts sooner without

    return difflib.SequenceMatcher(None, name, right).ratio() >= _LIKELY


def _lists_of(entry: Entry) -> tuple[tuple[Pattern, ...], ...]:
    return entry.actions, entry.not_actions, entry.data_actions, entry.not_data_actions


def _patterns(fields: Mapping[str, Any], name: str, place: str) -> tuple[Pattern, ...]:
    return tuple(_pattern(text, at) for text, at in _texts(fields, name, place))


def _pattern(text: str, place: str) -> Pattern:
    if not text or text != text.strip():
        raise Unreadable(f"{place}: empty, or with spaces around it")
    if len(text) > LONGEST_PATTERN:
        raise Unreadable(f"{place}: longer than {LONGEST_PATTERN:,} characters")
    if text.startswith("["):  # of an ARM template; to take it for a name would find nothing
        raise Unreadable(f"{place}: an expression, which is not known before deployment")
    return Pattern(text, folded(_STARS.sub("*", text)))


def _texts(fields: Mapping[str, Any], name: str, place: str) -> list[tuple[str, str]]:
    """The texts of a list, each with its place; a list that is not there is empty."""
    listed = fields.get(name.lower(), [])
    if not isinstance(listed, list):
        raise Unreadable(f"{place}{name}: a list is needed, not {_kind(listed)}")
    for number, one in enumerate(listed):
        if not isinstance(one, str):
            raise Unreadable(f"{place}{name}[{number}]: a text is needed, not {_kind(one)}")
    return [(one, f"{place}{name}[{number}]") for number, one in enumerate(listed)]


def _text(fields: Mapping[str, Any], name: str, place: str) -> str | None:
    value = fields.get(name.lower())
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{place}{name}: a text is needed, not {_kind(value)}")
    return value


def _type(fields: Mapping[str, Any]) -> str | None:
    """Built-in or custom; `type` beside `permissions` is that of the resource, and says neither."""
    for key in ("roletype", "type"):
        value = fields.get(key)
        if isinstance(value, str) and value.lower() in _TYPES:
            return _TYPES[value.lower()]
    custom = fields.get("iscustom")
    if isinstance(custom, bool):
        return _TYPES["customrole" if custom else "builtinrole"]
    return None


def _kind(value: Any) -> str:
    return type(value).__name__
