"""JSON with the line and column of every value.

ARM templates may have comments (`//` and `/* */`) and line breaks within strings, as Azure Resource
Manager documents them; everything else is JSON to the letter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.events import clean

type Path = tuple[str | int, ...]
"""Keys and indices that lead to a value; `()` is the document."""

MAX_DEPTH = 100
"""Deepest nesting read; no template of use comes near."""

_SPACE = re.compile(r"(?:[ \t\r\n]++|//[^\n]*+|/\*(?s:.*?)\*/)*+")
_REST = re.compile(r"[\w.+/\\-]*\Z")
"""What is left of a text that was cut within a number, a word, an escape or a comment's start."""


@dataclass(frozen=True, slots=True)
class Located:
    """A document, and where each member (its key) and each element begins, counted from 1."""

    value: Any
    lines: Mapping[Path, int]
    columns: Mapping[Path, int]


def parse(text: str) -> Located:
    """The document in a text.

    Raises:
        Unreadable: it is not JSON, nested too deep, or an object has the same key twice.
    """
    return _Parser(text.removeprefix("\ufeff")).document()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_SCALAR = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)
"""Strings, numbers and words; not strict, so that strings may have line breaks."""


class _Parser:
    """One pass over a text; every method takes a position and returns the one behind."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Path, int] = {}
        self._columns: dict[Path, int] = {}
        self._open: list[tuple[str, int]] = []
        self._line, self._line_start, self._counted = 1, 0, 0

    def document(self) -> Located:
        """The whole text as one value."""
        start = self._skip(0)
        if start == len(self._text):
            raise self._not_json(start, "there is nothing in it")
        self._note((), start)
        value, end = self._value(start, ())
        end = self._skip(end)
        if end < len(self._text):
            raise self._not_json(end, "something follows after the end of the document")
        return Located(value, self._lines, self._columns)

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        end = at if space is None else space.end()
        if self._text.startswith("/*", end):
            raise self._cut("comment", end)
        return end

    def _note(self, path: Path, at: int) -> None:
        """Places are asked for in the order of the text: each line break is counted once."""
        breaks = self._text.count("\n", self._counted, at)
        if breaks:
            self._line += breaks
            self._line_start = self._text.rfind("\n", self._counted, at) + 1
        self._counted = at
        self._lines[path] = self._line
        self._columns[path] = at - self._line_start + 1

    def _value(self, at: int, path: Path) -> tuple[Any, int]:
        match self._text[at : at + 1]:
            case "{":
                return self._object(at, path)
            case "[":
                return self._array(at, path)
        return self._scalar(at)

    def _scalar(self, at: int) -> tuple[Any, int]:
        try:
            return _SCALAR.raw_decode(self._text, at)
        except json.JSONDecodeError as e:
            if e.msg.startswith("Unterminated string"):
                raise self._cut("string", at) from e
            raise self._not_json(e.pos, e.msg) from e
        except ValueError as e:  # a number of thousands of digits, NaN
            raise self._not_json(at, str(e)) from e

    def _object(self, at: int, path: Path) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        self._enter("object", at)
        at = self._skip(at + 1)
        while not self._text.startswith("}", at):
            if not self._text.startswith('"', at):
                raise self._not_json(at, "a key in double quotes is needed")
            key, end = self._scalar(at)
            member = (*path, key)
            if key in found:
                first = self._lines[member]
                reason = f"{clean(key)!r} stands there twice, first in line {first}"
                raise Unreadable(f"{self._place(at)}: {reason}")
            self._note(member, at)
            at = self._skip(end)
            if not self._text.startswith(":", at):
                raise self._not_json(at, "a colon is needed after the key")
            found[key], at = self._value(self._skip(at + 1), member)
            at = self._next(at, "}")
        self._open.pop()
        return found, at + 1

    def _array(self, at: int, path: Path) -> tuple[list[Any], int]:
        found: list[Any] = []
        self._enter("array", at)
        at = self._skip(at + 1)
        while not self._text.startswith("]", at):
            element = (*path, len(found))
            self._note(element, at)
            value, at = self._value(at, element)
            found.append(value)
            at = self._next(at, "]")
        self._open.pop()
        return found, at + 1

    def _enter(self, what: str, at: int) -> None:
        self._open.append((what, at))
        if len(self._open) > MAX_DEPTH:
            raise Unreadable(f"{self._place(at)}: nested deeper than {MAX_DEPTH} levels")

    def _next(self, at: int, closing: str) -> int:
        """Behind the comma after a value, or at the closing bracket."""
        at = self._skip(at)
        if self._text.startswith(closing, at):
            return at
        if not self._text.startswith(",", at):
            raise self._not_json(at, f"a comma or {closing} is needed")
        comma, at = at, self._skip(at + 1)
        if self._text.startswith(closing, at):
            raise self._not_json(comma, f"a comma stands before {closing}")
        return at

    def _place(self, at: int) -> str:
        line = self._text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self._text.rfind('\n', 0, at)}"

    def _not_json(self, at: int, reason: str) -> Unreadable:
        if self._open and _REST.match(self._text, at):
            return self._cut(*self._open[-1])
        return Unreadable(f"{self._place(at)}: not JSON: {reason}")

    def _cut(self, what: str, begin: int) -> Unreadable:
        """What a truncated file says: where it ends, and what was not closed."""
        where = f"the {what} that begins at {self._place(begin)}"
        return Unreadable(
            f"{self._place(len(self._text))}: not JSON: ends in the middle of {where}"
        )
