"""The shape of policy.yaml as pydantic models, made from the catalogue; its JSON Schema, too.

Every mistake comes with its line and with what is allowed, all of them at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    create_model,
)

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Mode, Rule
from guards.engine.policy.exemptions import LONGEST, moment
from guards.engine.policy.scopes import Scope
from guards.engine.policy.text import Document, Mistake, Path, PolicyError, place

MAX_SCOPES, MAX_EXEMPTIONS = 1000, 5000
"""How many entries are read."""


class Profile(StrEnum):
    """What a rule means that the policy does not name."""

    STRICT = "strict"
    MINIMUM = "minimum"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _mode(value: object) -> object:
    if value is False or value == "no":  # what YAML 1.1 reads a bare `off` as, and its synonym
        return "off"
    return value.lower() if value in ("OFF", "Off", "NO", "No") else value


def _disk_access(value: str) -> str:
    try:
        fits = ResourceId.parse(value).type.lower() == "microsoft.compute/diskaccesses"
    except Unreadable as e:
        raise ValueError(str(e)) from e
    if not fits:
        raise ValueError("not the resource ID of a Microsoft.Compute/diskAccesses")
    return value


def _expiry(text: str, info: ValidationInfo) -> str:
    """Beyond a year nobody remembers why; a past date is `policy check`'s business."""
    now: datetime | None = (info.context or {}).get("now")
    if moment(text) - LONGEST > (now or moment(text)):
        raise ValueError("more than a year away; an exemption lasts a year at most")
    return text


def _scope(text: str, info: ValidationInfo) -> str:
    Scope.parse(text, (info.context or {}).get("types", ()))
    return text


_Mode = Annotated[Mode, BeforeValidator(_mode)]
_Said = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(clean),
]
_Scope = Annotated[
    str,
    AfterValidator(_scope),
    Field(description="Subscription, resource group or resource ID; * within a part."),
]

_OPTIONS: Mapping[str, Any] = {
    "allowed_disk_accesses": (
        list[Annotated[str, AfterValidator(_disk_access)]],
        Field([], description="Resource IDs of diskAccesses with which AllowPrivate is fine."),
    ),
    "when_unreachable": (
        Literal["block", "revert"],
        Field("block", description="No approved private endpoint: alert only, or close it anyway."),
    ),
}
"""The settings that only some rules have, by the name in `Rule.options`."""


class TagModel(_Model):
    """A tag of the resource: any of these values, in exactly this spelling."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    values: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^*]+$")]],
        Field(min_length=1, max_length=100),
    ]


class ExemptionModel(_Model):
    """Leaves what its rules find open until it expires."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a ticket is often a bare number

    scope: _Scope | None = None
    tag: TagModel | None = None
    rules: list[str]
    reason: _Said
    owner: _Said
    approved_by: _Said
    ticket: _Said
    expires_on: Annotated[
        str,
        AfterValidator(_expiry),
        Field(description="A date (its first second, UTC) or a time with zone; a year at most."),
    ]


def _list_of(kind: Any, at_least: int = 0, at_most: int = 100) -> Any:
    return Annotated[list[kind], Field(min_length=at_least, max_length=at_most)]


def _one_of(values: Iterable[str]) -> Any:
    return Literal[tuple(values)]


def _rule_model(guard: Guard, rule: Rule) -> Any:
    others = [other.id for other in guard.rules if other is not rule]
    closed = tuple(value for value in rule.values if value != rule.when_absent)
    fields: dict[str, Any] = {
        "mode": (_Mode, Field(rule.default_mode, description="Close it, report it, or not look.")),
        "allowed": (
            _list_of(_one_of(closed)),
            Field(
                list(rule.allowed),
                description=f"The values that are fine; {rule.desired} always is.",
            ),
        ),
        **{name: _OPTIONS[name] for name, _ in rule.options},
    }
    if others:
        about = "Also fine while one of these rules is met."
        fields["satisfied_by"] = (_list_of(_one_of(others)), Field([], description=about))
    name = f"{guard.resource_type.rpartition('/')[2]}_{rule.id}"
    return create_model(name, __base__=_Model, **fields)


@lru_cache(maxsize=4)
def models(guards: tuple[Guard, ...]) -> type[BaseModel]:
    """The model of a whole policy file for these guards."""
    types: dict[str, Any] = {}
    for guard in guards:
        rules: dict[str, Any] = {
            rule.id: (_rule_model(guard, rule) | None, None) for rule in guard.rules
        }
        name = guard.resource_type.replace("/", "_").replace(".", "_")
        model = create_model(name, __base__=_Model, **rules)
        types[name] = (model | None, Field(None, alias=guard.resource_type))
    every = dict.fromkeys(rule.id for guard in guards for rule in guard.rules)
    exemption = create_model(
        "Exemption",
        __base__=ExemptionModel,
        rules=(_list_of(_one_of(every), at_least=1), ...),
    )
    resources = create_model("Resources", __base__=_Model, **types)
    scope = create_model(
        "Scope",
        __base__=_Model,
        __doc__="Other settings for a part of the estate; the most specific scope wins.",
        name=(Annotated[str, StringConstraints(max_length=200)], ""),
        scope=(_Scope | None, None),
        tag=(TagModel | None, None),
        mode=(_Mode | None, Field(None, description="Caps every mode within this scope.")),
        profile=(Profile | None, None),
        resources=(resources | None, None),
    )
    return create_model(
        "Policy",
        __base__=_Model,
        __doc__="What Export Guard enforces.",
        version=(Literal[1], ...),
        profile=(
            Profile,
            Field(Profile.STRICT, description="What is meant where nothing is said."),
        ),
        mode=(_Mode, Field(Mode.ENFORCE, description="Caps every mode, as GUARD_MODE does.")),
        resources=(resources | None, None),
        tags_may_exempt=(
            bool,
            Field(
                False,
                strict=True,
                description="Lets tags loosen; whoever can open a disk can usually tag it.",
            ),
        ),
        scopes=(_list_of(scope, at_most=MAX_SCOPES), []),
        exemptions=(_list_of(exemption, at_most=MAX_EXEMPTIONS), []),
    )


def schema(guards: tuple[Guard, ...]) -> dict[str, Any]:
    """The JSON Schema for editors: what they complete and check is what the guard reads."""
    found = models(guards).model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Export Guard policy",
        **{key: value for key, value in found.items() if key != "title"},
    }


@dataclass(frozen=True, slots=True)
class File:
    """What could be read of a policy: entries and keys with a mistake are left out.

    `scopes` and `exemptions` are pairs of their number in the text and the entry.
    """

    model: Any
    scopes: list[tuple[int, Any]]
    exemptions: list[tuple[int, Any]]
    mistakes: list[Mistake]


def read(document: Document, guards: tuple[Guard, ...], now: datetime) -> File:
    """The file as a model, and every mistake in it.

    Raises:
        PolicyError: what is wrong leaves nothing to read.
    """
    if not isinstance(document.data, dict):
        raise PolicyError([Mistake(document.line(()), "policy", "a mapping with `version: 1`")])
    model, data = models(guards), _spelled(document.data, guards)
    context = {"now": now, "types": [guard.resource_type for guard in guards]}
    bad: set[Path] = set()
    mistakes: list[Mistake] = []
    try:
        valid = model.model_validate(data, context=context)
    except ValidationError as e:
        mistakes = _mistakes(e, document, model)
        bad = {_unit(error["loc"]) for error in e.errors()}
        valid = model.model_validate(_without(data, bad), context=context)
    kept = {
        name: [i for i, _ in enumerate(data.get(name) or ()) if (name, i) not in bad]
        for name in _LISTS
    }
    scopes, exemptions = (
        list(zip(kept[name], getattr(valid, name), strict=False)) for name in _LISTS
    )
    return File(valid, scopes, exemptions, mistakes)


def _spelled(data: Mapping[str, Any], guards: Sequence[Guard]) -> dict[str, Any]:
    """Type names in the catalogue's casing, as Azure writes them in any."""
    names = {guard.resource_type.lower(): guard.resource_type for guard in guards}

    def spelled(entry: Any) -> Any:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("resources"), Mapping):
            return entry
        types = {names.get(key.lower(), key): value for key, value in entry["resources"].items()}
        doubled = len(types) < len(entry["resources"])
        return entry if doubled else {**entry, "resources": types}

    scopes = data.get("scopes")
    changed = [spelled(entry) for entry in scopes] if isinstance(scopes, list) else scopes
    found: dict[str, Any] = spelled(data)
    return {**found, "scopes": changed} if "scopes" in data else found


_LISTS = ("scopes", "exemptions")


def _unit(path: Path) -> Path:
    """What is left out for a mistake at a path: an entry of a list, or a top-level key."""
    return path[:2] if path[0] in _LISTS and len(path) > 1 else path[:1]


def _without(data: dict[str, Any], bad: set[Path]) -> dict[str, Any]:
    """The data without these entries and top-level keys."""
    left = {key: value for key, value in data.items() if (key,) not in bad}
    for name in set(_LISTS) & set(left):
        left[name] = [v for i, v in enumerate(left[name]) if (name, i) not in bad]
    return {**left, "version": 1}


def _mistakes(error: ValidationError, document: Document, model: Any) -> list[Mistake]:
    found = []
    for one in error.errors(include_url=False):
        path: Path = one["loc"]
        text = _advice(dict(one), path, model)
        found.append(Mistake(document.line(path), place(path), text))
    return sorted(found, key=lambda mistake: mistake.line)


def _advice(error: Mapping[str, Any], path: Path, model: Any) -> str:
    """What is wrong and what is allowed, in one line."""
    shown = clean(repr(error["input"]), 60)
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
