"""ARM template expressions: what can be known of a value before deployment, nothing guessed.

Functions whose answer is certain are computed. All others (`reference`, `resourceGroup`,
`copyIndex`, user functions, whatever Azure adds) make the value `Unresolved`, and so do mistakes,
cycles, and more work than a template may cost: nothing here raises.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guards.cli.expression_syntax import (
    MAX_DEPTH,
    Call,
    Literal,
    Node,
    Unknown,
    is_bracketed,
    parse,
)

_HOP = 3
"""Levels that following a reference to a parameter or variable counts for."""

MAX_TEXT = 131_072
"""Longest text an expression may build."""

MAX_STEPS = 1_000_000
"""What one template may cost: a step is a call, a literal, a copied value or 16 characters."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A value nobody can know before deployment.

    `text` is the expression as written, or why there is none; never a secure parameter's value.
    """

    text: str


class Budget:
    """The work that is left for a template and everything nested in it."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps, or give up."""
        self._left -= steps
        if self._left < 0:
            raise Unknown

    @property
    def exhausted(self) -> bool:
        """Whether values were given up for the work they take."""
        return self._left < 0


def evaluated_again(value: Any) -> Any:
    """What is left of a resolved value where Azure evaluates it once more: brackets are unknown."""
    if isinstance(value, str):
        return Unresolved(value) if is_bracketed(value) else value
    if isinstance(value, list):
        return [evaluated_again(item) for item in value]
    if isinstance(value, dict):
        unknown = next((key for key in value if is_bracketed(key)), None)
        if unknown is not None:
            return Unresolved(unknown)
        return {key: evaluated_again(item) for key, item in value.items()}
    return value


def folded(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """By lower-case key; a key that stands there in two casings has an unknown value."""
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        name = key.lower()
        found[name] = Unresolved(f"{key} stands there twice") if name in found else value
    return found


_SECURE = {"securestring", "secureobject"}


class Scope:
    """The parameters and variables that expressions of one template see.

    Args:
        parameters: the template's declarations.
        variables: the template's variables, as written.
        given: values of parameters by name, resolved; None where nobody knows them.
        budget: shared by a template and all that is nested in it.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        variables: Mapping[str, Any],
        given: Mapping[str, Any] | None,
        budget: Budget,
    ) -> None:
        self._declared = folded(parameters)
        self._variables = folded(variables)
        if isinstance(self._variables.get("copy"), list):  # makes variables, is none
            del self._variables["copy"]
        self._given = None if given is None else folded(given)
        self._budget = budget
        self._known: dict[tuple[str, str], Any] = {}

    def resolve(self, value: Any) -> Any:
        """A value of the template with every expression computed, or Unresolved in its place."""
        return self._resolved(value, 0)

    def _resolved(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._string(value, depth)
        if not isinstance(value, list | dict):
            return value
        if depth > MAX_DEPTH:
            return Unresolved("nested too deep")
        if isinstance(value, list):
            return [self._resolved(item, depth + 1) for item in value]
        return self._object(value, depth)

    def _string(self, text: str, depth: int) -> Any:
        if not is_bracketed(text):
            return text
        if text.startswith("[["):
            return text[1:]
        try:
            return self._copied(self._evaluate(parse(text), depth), depth)
        except Unknown:
            return Unresolved(text)

    def _object(self, value: Mapping[str, Any], depth: int) -> Any:
        found: dict[str, Any] = {}
        made: list[str] = []
        for key, item in value.items():
            if key.lower() == "copy" and isinstance(item, list):
                names = _names_of_copy(item)
                if names is None:
                    return Unresolved("copy")
                made += names
                continue
            name = self._string(key, depth)
            if not isinstance(name, str) or name in found:
                return Unresolved(key)  # it may be the name of any member
            found[name] = self._resolved(item, depth + 1)
        return {**found, **{name: Unresolved(f"copy of {name}") for name in made}}

    def _copied(self, value: Any, depth: int) -> Any:
        """What is put somewhere is copied and costs what it weighs: doubling soon costs too much.

        Values that variables share stay small on their own this way, whoever walks them later.
        """
        if depth > MAX_DEPTH:
            raise Unknown
        if isinstance(value, list):
            self._budget.spend()
            return [self._copied(item, depth + 1) for item in value]
        if isinstance(value, dict):
            self._budget.spend()
            return {key: self._copied(item, depth + 1) for key, item in value.items()}
        self._budget.spend(1 + len(value) // 16 if isinstance(value, str) else 1)
        return value

    def _evaluate(self, node: Node, depth: int) -> Any:
        """The value of a node; never Unresolved itself, though there may be some within it."""
        self._budget.spend()
        if depth > MAX_DEPTH:
            raise Unknown
        match node:
            case Literal():
                return node.value
            case Call():
                return self._call(node, depth + 1)
        value = self._evaluate(node.whole, depth + 1)
        for key in node.keys:
            value = self._member(value, self._evaluate(key, depth + 1))
        return value

    def _member(self, value: Any, key: Any) -> Any:
        found: Any = None
        match value, key:
            case dict(), str() if key in value:
                found = value[key]
            case dict(), str():
                self._budget.spend(len(value))
                same = [item for name, item in value.items() if name.lower() == key.lower()]
                if len(same) != 1:
                    raise Unknown
                found = same[0]
            case list(), int() if not isinstance(key, bool) and 0 <= key < len(value):
                found = value[key]
            case _:
                raise Unknown
        if isinstance(found, Unresolved):
            raise Unknown
        return found

    def _call(self, node: Call, depth: int) -> Any:
        """Functions that need not know all their arguments; the others know what they are given."""
        match node.name, node.arguments:
            case "if", [condition, yes, no]:
                chosen = yes if self._bool(condition, depth) else no
                return self._evaluate(chosen, depth)
            case "and", [_, *_]:
                return not self._any(node.arguments, depth, wanted=False)
            case "or", [_, *_]:
                return self._any(node.arguments, depth, wanted=True)
            case "coalesce", [_, *_]:
                return self._coalesce(node.arguments, depth)
            case "createarray", items:
                return [self._placed(item, node.text, depth) for item in items]
            case "createobject", pairs:
                return self._created(pairs, node.text, depth)
            case "parameters" | "variables", [argument]:
                return self._named(node.name, self._evaluate(argument, depth), depth)
        values = [self._evaluate(argument, depth) for argument in node.arguments]
        result = _logic(node.name, values) if node.name in _LOGIC else _texts(node.name, values)
        if isinstance(result, str):
            self._budget.spend(len(result) // 16)
        return result

    def _bool(self, node: Node, depth: int) -> bool:
        value = self._evaluate(node, depth)
        if not isinstance(value, bool):
            raise Unknown
        return value

    def _any(self, nodes: Sequence[Node], depth: int, *, wanted: bool) -> bool:
        """Whether a value is the wanted one: certain if one is, whatever the unknown ones are."""
        unknown = False
        for node in nodes:
            try:
                if self._bool(node, depth) is wanted:
                    return True
            except Unknown:
                unknown = True
        if unknown:
            raise Unknown
        return False

    def _coalesce(self, nodes: Sequence[Node], depth: int) -> Any:
        for node in nodes:
            value = self._evaluate(node, depth)
            if value is not None:
                return value
        return None

    def _placed(self, node: Node, text: str, depth: int) -> Any:
        """An argument within a value that is built of it: unknown in its place only."""
        try:
            return self._copied(self._evaluate(node, depth), depth)
        except Unknown:
            return Unresolved(text)

    def _created(self, pairs: Sequence[Node], text: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in zip(pairs[::2], pairs[1::2], strict=False):
            name = self._evaluate(key, depth)
            if not isinstance(name, str):
                raise Unknown
            found[name] = self._placed(item, text, depth)
        if len(found) * 2 != len(pairs) or len(folded(found)) != len(found):
            raise Unknown
        return found

    def _named(self, kind: str, name: Any, depth: int) -> Any:
        """A parameter or a variable, computed once; what refers to itself stays unknown."""
        if not isinstance(name, str):
            raise Unknown
        key = (kind, name.lower())
        if key not in self._known:
            self._known[key] = Unresolved(name)
            look_up = self._parameter if kind == "parameters" else self._variable
            self._known[key] = look_up(key[1], depth + _HOP)
        value = self._known[key]
        if isinstance(value, Unresolved):
            raise Unknown
        return value

    def _variable(self, name: str, depth: int) -> Any:
        if name not in self._variables:
            raise Unknown
        return self._resolved(self._variables[name], depth)

    def _parameter(self, name: str, depth: int) -> Any:
        """The value given, else the default; null counts as not given, as it does in Azure."""
        written = self._declared.get(name)
        if self._given is None or not isinstance(written, dict):
            raise Unknown
        declaration = folded(written)
        type_ = declaration.get("type", "")
        if not isinstance(type_, str) or type_.lower() in _SECURE:  # no secret gets anywhere
            raise Unknown
        if self._given.get(name) is not None:
            return _literal(self._given[name], Unresolved(f"[parameters('{name}')]"))
        if declaration.get("defaultvalue") is not None:
            return self._resolved(declaration["defaultvalue"], depth)
        if declaration.get("nullable") is True:
            return None
        raise Unknown


def _names_of_copy(loops: Sequence[Any]) -> list[str] | None:
    """The properties that loops make; None if that cannot be told."""
    names = [folded(loop).get("name") if isinstance(loop, dict) else None for loop in loops]
    known = [name for name in names if isinstance(name, str) and not is_bracketed(name)]
    return known if len(known) == len(loops) else None


def _literal(value: Any, unknown: Unresolved) -> Any:
    """A parameter's value is text to the letter; whether brackets are is not documented."""
    if is_bracketed(value):
        return unknown
    if isinstance(value, list):
        return [_literal(item, unknown) for item in value]
    if isinstance(value, dict):
        return {key: _literal(item, unknown) for key, item in value.items()}
    return value


_LOGIC = {"true", "false", "null", "not", "equals", "empty", "length"}


def _logic(name: str, values: list[Any]) -> Any:
    match name, values:
        case "true", []:
            return True
        case "false", []:
            return False
        case "null", []:
            return None
        case "not", [bool(value)]:
            return not value
        case "equals", [one, other]:
            return _equal(one, other)
        case "empty", [None | str() | list() | dict()]:
            return not values[0]
        case "length", [list() | dict()]:
            return len(values[0])
        case "length", [str(text)] if text.isascii():  # Azure counts UTF-16
            return len(text)
    raise Unknown


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if type(one) is type(other) and isinstance(one, str | int):
        return bool(one == other)
    raise Unknown


def _texts(name: str, values: list[Any]) -> str:
    match name, values:
        case "concat", [str(), *_]:
            return _joined(values)
        case "format", [str(form), *rest]:
            return _formatted(form, rest)
        case "tolower", [str(text)] if text.isascii():  # beyond, .NET and Python differ
            return text.lower()
        case "toupper", [str(text)] if text.isascii():
            return text.upper()
    raise Unknown


def _joined(parts: list[Any]) -> str:
    if not all(isinstance(part, str) for part in parts) or sum(map(len, parts)) > MAX_TEXT:
        raise Unknown
    return "".join(parts)


def _formatted(form: str, values: list[Any]) -> str:
    """Plain `{0}` only; alignment, formats and escaped braces are left to .NET."""
    parts = re.split(r"\{([0-9]{1,3})\}", form)
    for at, part in enumerate(parts):
        if at % 2 == 0:
            if "{" in part or "}" in part:
                raise Unknown
            continue
        if int(part) >= len(values):
            raise Unknown
        value = values[int(part)]
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise Unknown
        parts[at] = str(value)
    return _joined(parts)
