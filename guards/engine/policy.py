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
    resources: dict[str, dict[str, _Rule]] = Field(default_factory=dict)


def _settings(rule: Rule, given: _Rule, place: str, mistakes: list[str]) -> RuleSettings:
    known = dict(rule.options)
    for name in sorted(given.model_fields_set - {"mode"} - set(known)):
        allowed = ", ".join(["mode", *known])
        mistakes.append(f"{place}.{name}: this rule has no such key; allowed: {allowed}")
    options = {name: getattr(given, name, default) for name, default in known.items()}
    return RuleSettings(given.mode or rule.default_mode, options)


def _type_policy(
    guard: Guard, given: Mapping[str, _Rule], place: str, mistakes: list[str]
) -> TypePolicy:
    known = {rule.id for rule in guard.rules}
    allowed = ", ".join(rule.id for rule in guard.rules)
    unknown = sorted(set(given) - known)
    mistakes.extend(f"{place}.{name}: no such rule; allowed: {allowed}" for name in unknown)
    return {
        rule.id: _settings(rule, given.get(rule.id, _Rule()), f"{place}.{rule.id}", mistakes)
        for rule in guard.rules
    }


def _load(text: str) -> _File:
    if len(text) > MAX_SIZE:
        raise PolicyError(f"policy: {len(text)} characters; at most {MAX_SIZE} are read")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as e:
        raise PolicyError(f"policy: not YAML: {e}") from e
    try:
        return _File.model_validate(document)
    except ValidationError as e:
        raise PolicyError("\n".join(_mistake(error) for error in e.errors())) from e


def _mistake(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "policy"
    return f"{place}: {error['msg']} (found {str(error['input'])[:60]!r})"


def parse(text: str, guards: Iterable[Guard]) -> Policy:
    """The policy in a YAML text.

    Raises:
        PolicyError: with every mistake, a line each.
    """
    file = _load(text)
    mistakes: list[str] = []
    given = {name.lower(): (name, rules) for name, rules in file.resources.items()}
    guards = tuple(guards)
    types: dict[str, TypePolicy] = {}
    for guard in guards:
        name, rules = given.pop(guard.resource_type.lower(), (guard.resource_type, {}))
        types[guard.resource_type] = _type_policy(guard, rules, f"resources.{name}", mistakes)
    for name, _ in given.values():
        allowed = ", ".join(guard.resource_type for guard in guards)
        mistakes.append(f"resources.{name}: not a guarded type; allowed: {allowed}")
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return Policy(hashlib.sha256(text.encode()).hexdigest(), types)


def default(guards: Iterable[Guard]) -> Policy:
    """The built-in strict policy, what an empty file means."""
    return parse("version: 1\n", guards)
