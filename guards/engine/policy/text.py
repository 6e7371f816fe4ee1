"""YAML as plain data with the line of every value, strict where YAML is loose.

A key that stands there twice, tags, anchors and merge keys are refused; `off`, `yes` and dates stay
the words they are written as, since YAML 1.1 would read other things into them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from guards.engine.events import clean

MAX_SIZE = 1 << 20
"""Largest policy read, in bytes."""

_MAX_DEPTH, _MAX_VALUES, _MAX_KEY, _MAX_MISTAKES = 32, 100_000, 200, 1000
"""No policy comes near; beyond them a text costs more memory than it is worth."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml, where it is there. Only its events: its composer follows nesting until it crashes."""

_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")

_MOST_TOLD = 200

type Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a policy: line (0 where there is none), place, and advice."""

    line: int
    place: str
    text: str

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{self.place}: {self.text}"


class PolicyError(ValueError):
    """The policy cannot be used: every mistake, with its line and what is allowed."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """At most as many as a person reads: a file of another kind has one on every line."""
        self.mistakes = list(mistakes[:_MOST_TOLD])
        more = len(mistakes) - _MOST_TOLD
        if more > 0:
            self.mistakes.append(Mistake(0, "policy", f"and {more} mistakes more"))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class Document:
    """A policy text as data: `lines` has the line of each key and list entry by its path.

    Keys are found in any casing, as types are written in any. `doubles` are keys that stand there
    twice, of which the first is in the data.
    """

    data: Any
    lines: Mapping[Path, int]
    doubles: tuple[Mistake, ...] = ()

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that is in the text."""
        key = _key(path)
        for depth in range(len(key), -1, -1):
            if key[:depth] in self.lines:
                return self.lines[key[:depth]]
        return 0


def _key(path: Path) -> Path:
    return tuple(part.lower() if isinstance(part, str) else part for part in path)


def place(path: Path) -> str:
    """A path as people read it: `scopes[2].resources`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return clean(text.lstrip("."), 200) or "policy"


def load(text: str) -> Document:
    """The data of a YAML text.

    Raises:
        PolicyError: it is too long, not YAML, or uses what is refused here.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_SIZE:
        raise _refused(0, f"{size:,} bytes; at most {MAX_SIZE:,} are read")
    reader = _Reader(yaml.parse(text, Loader=_LOADER))
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise _refused(mark.line + 1 if mark else 0, f"not YAML: {clean(e.problem, 200)}") from e
    except (yaml.YAMLError, ValueError) as e:
        if isinstance(e, PolicyError):
            raise
        raise _refused(0, f"not YAML: {clean(str(e), 200)}") from e
    if reader.mistakes:
        raise PolicyError(reader.mistakes)
    return Document(data, reader.lines, tuple(reader.doubles))


def _refused(line: int, text: str) -> PolicyError:
    return PolicyError([Mistake(line, "policy", text)])


class _Reader:
    """Builds the data from YAML's events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self.lines: dict[Path, int] = {}
        self.mistakes: list[Mistake] = []
        self.doubles: list[Mistake] = []

    def document(self) -> Any:
        """The data of the only document."""
        data: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(_line(event), "a second document begins here; one is read")
                data = self._value(next(self._events), ())
        if not documents:
            raise _refused(0, "empty; at least `version: 1` is needed")
        return data

    def _value(self, event: Any, path: Path) -> Any:
        """What begins with an event."""
        line = _line(event)
        if len(path) > _MAX_DEPTH:
            raise _refused(line, f"nested more than {_MAX_DEPTH} levels deep")
        if len(self.lines) > _MAX_VALUES:
            raise _refused(line, f"more than {_MAX_VALUES:,} values")
        self.lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._wrong(line, path, "anchors and aliases are not read; write the settings out")
        elif event.tag is not None:
            self._wrong(line, path, f"the tag {clean(event.tag, 80)} is not read")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return None if isinstance(event, yaml.AliasEvent) else _scalar(event)

    def _sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        known: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                self._wrong(line, path, "a key must be a word")
                self._value(event, (*path, "?"))
                self._value(next(self._events), (*path, "?"))
                continue
            name = str(event.value)
            if len(name) > _MAX_KEY:
                raise _refused(line, f"a key of more than {_MAX_KEY} characters")
            inner = (*path, name.lower())
            if name == "<<":
                self._wrong(line, path, "the merge key << is not read; write the settings out")
            if name.lower() in known:
                casing = "" if name in found else ", in two casings"
                double = Mistake(line, place((*path, name)), f"stands there twice{casing}")
                self.doubles.append(double)
                self._value(next(self._events), (*path, "?"))
                continue
            known.add(name.lower())
            self.lines.setdefault(inner, line)
            found[name] = self._value(next(self._events), inner)
        return found

    def _wrong(self, line: int, path: Path, text: str) -> None:
        self.mistakes.append(Mistake(line, place(path), text))
        if len(self.mistakes) >= _MAX_MISTAKES:
            raise PolicyError(self.mistakes)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: yaml.ScalarEvent) -> Any:
    """A word, a whole number, true, false or nothing; whatever is quoted is text."""
    text = str(event.value)
    if not event.implicit[0]:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _NUMBER.fullmatch(text) else text
