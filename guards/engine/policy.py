"""policy.yaml: what is guarded how strictly, validated against the catalogue.

A rule that the file does not name keeps its built-in default, which is strict. A file that cannot
be read never means "no policy": `parse` raises, and callers change nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Mode, Rule, RuleSettings, TypePolicy

MAX_SIZE = 1 << 20
"""Largest policy read, in characters."""


class PolicyError(ValueError):
    """The policy cannot be used; one line for each mistake, with its place and what is allowed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated policy: `hash` is the SHA-256 of the file, in every alert."""

    hash: str
    types: Mapping[str, TypePolicy]

    def of(self, guard: Guard) -> TypePolicy:
        """What it says about one guarded type."""
        return self.types[guard.resource_type]


def _mode(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


def _disk_access(value: str) -> str:
    if ResourceId.parse(value).type.lower() != "microsoft.compute/diskaccesses":
        raise ValueError("not the resource ID of a Microsoft.Compute/diskAccesses")
    return value


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mode: Annotated[Mode | None, BeforeValidator(_mode)] = None
    allowed_disk_accesses: list[Annotated[str, BeforeValidator(_disk_access)]] = []
    when_unreachable: Literal["block", "revert"] = "block"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: Literal[1]
    resources: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML without its silent last-one-wins for a key that stands there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As SafeLoader, but doubles are refused."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {clean(key.value)!r} stands there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Reader:
    """Walks a policy and collects every mistake."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def rule(self, rule: Rule, given: Any, place: str) -> RuleSettings:
        """The settings of one rule; its defaults where the policy is silent or wrong."""
        known = dict(rule.options)
        read = _Rule()
        try:
            read = _Rule.model_validate({} if given is None else given)
        except ValidationError as e:
            self.mistakes += [_mistake(error, place) for error in e.errors()]
        for name in sorted(read.model_fields_set - {"mode"} - set(known)):
            allowed = ", ".join(["mode", *known])
            self.mistakes.append(f"{place}.{name}: this rule has no such key; allowed: {allowed}")
        options = {name: getattr(read, name, default) for name, default in known.items()}
        return RuleSettings(read.mode or rule.default_mode, options)

    def type(self, guard: Guard, given: Mapping[str, Any], place: str) -> TypePolicy:
        """The settings of one type."""
        rules = {rule.id: rule for rule in guard.rules}
        unknown = sorted(set(given) - set(rules))
        allowed = ", ".join(rules)
        self.mistakes += [
            f"{place}.{clean(name)}: no such rule; allowed: {allowed}" for name in unknown
        ]
        return {
            name: self.rule(rule, given.get(name), f"{place}.{name}")
            for name, rule in rules.items()
        }

    def types(
        self, given: Mapping[str, Mapping[str, Any]], guards: Iterable[Guard]
    ) -> dict[str, TypePolicy]:
        """The settings of every guarded type."""
        by_type = {guard.resource_type.lower(): guard for guard in guards}
        allowed = ", ".join(guard.resource_type for guard in by_type.values())
        named: dict[str, str] = {}
        for name in given:
            place = f"resources.{clean(name)}"
            if name.lower() not in by_type:
                self.mistakes.append(f"{place}: not a guarded type; allowed: {allowed}")
            elif name.lower() in named:
                self.mistakes.append(f"{place}: named before as {named[name.lower()]}")
            else:
                named[name.lower()] = name
        found = {}
        for key, guard in by_type.items():
            name = named.get(key, guard.resource_type)
            found[guard.resource_type] = self.type(guard, given.get(name, {}), f"resources.{name}")
        return found


def _load(text: str) -> _File:
    if len(text) > MAX_SIZE:
        raise PolicyError(f"policy: {len(text)} characters; at most {MAX_SIZE} are read")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise PolicyError(f"policy: not YAML: {e}") from e
    if document is None:
        raise PolicyError("policy: empty; at least `version: 1` is needed")
    try:
        return _File.model_validate(document)
    except ValidationError as e:
        raise PolicyError("\n".join(_mistake(error, "") for error in e.errors())) from e


def _mistake(error: Any, place: str) -> str:
    parts = [place, *(str(part) for part in error["loc"])]
    where = clean(".".join(part for part in parts if part)) or "policy"
    return f"{where}: {error['msg']} (found {clean(repr(error['input']), 60)})"


def parse(text: str, guards: Iterable[Guard]) -> Policy:
    """The policy in a YAML text.

    Raises:
        PolicyError: with every mistake, a line each.
    """
    reader = _Reader()
    types = reader.types(_load(text).resources, guards)
    if reader.mistakes:
        raise PolicyError("\n".join(reader.mistakes))
    return Policy(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), types)


def default(guards: Iterable[Guard]) -> Policy:
    """The built-in strict policy, what an empty file means."""
    return parse("version: 1\n", guards)
