"""The grammar of ARM template expressions, from text to a tree; nothing is computed here."""

import re
from dataclasses import dataclass

MAX_LENGTH = 24_576
"""Longest expression Azure Resource Manager takes, in characters."""

MAX_DEPTH = 100
"""Deepest nesting of calls and values, whatever refers to whatever."""


class Unknown(Exception):
    """The answer is not certain."""


def is_bracketed(value: object) -> bool:
    """Whether a text is an expression or, with `[[`, the escape of a literal."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]")


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a number."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its name in lower case; `text` is the whole expression it stands in."""

    name: str
    arguments: tuple["Node", ...]
    text: str


@dataclass(frozen=True, slots=True)
class Pick:
    """Members and elements of a value: `.name` and `[index]`, from left to right."""

    whole: "Node"
    keys: tuple["Node", ...]


type Node = Literal | Call | Pick

_TOKEN = re.compile(
    r"\s*+(?:'(?P<text>(?:[^']|'')*+)'|(?P<number>-?[0-9]{1,18})"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*+)|(?P<sign>[()\[\],.]))"
)


def parse(text: str) -> Node:
    """An expression as a tree; `text` has its outer brackets.

    Raises:
        Unknown: it is no expression, or it is longer or deeper than one may be.
    """
    if len(text) > MAX_LENGTH:
        raise Unknown
    return _Parser(text).whole()


class _Parser:
    """One expression, without its outer brackets, as a tree."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [*_tokens(text[1:-1].rstrip()), ("end", "")]
        self._at = 0

    def whole(self) -> Node:
        """The tree; whatever is left over is a mistake."""
        node = self._node(0)
        self._take("end")
        return node

    def _take(self, kind: str, word: str | None = None) -> str:
        found, text = self._tokens[self._at]
        if found != kind or word not in (None, text):
            raise Unknown
        self._at += 1
        return text

    def _follows(self, sign: str) -> bool:
        if self._tokens[self._at] != ("sign", sign):
            return False
        self._at += 1
        return True

    def _node(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unknown
        first = self._first(depth)
        keys: list[Node] = []
        while True:
            if self._follows("."):
                keys.append(Literal(self._take("name")))
            elif self._follows("["):
                keys.append(self._node(depth + 1))
                self._take("sign", "]")
            else:
                return Pick(first, tuple(keys)) if keys else first

    def _first(self, depth: int) -> Node:
        match self._tokens[self._at]:
            case "text", text:
                self._at += 1
                return Literal(text.replace("''", "'"))
            case "number", digits:
                self._at += 1
                return Literal(int(digits))
        name = self._take("name")
        while self._follows("."):  # a function of the template's own, within its namespace
            name += "." + self._take("name")
        self._take("sign", "(")
        return Call(name.lower(), self._arguments(depth), self._text)

    def _arguments(self, depth: int) -> tuple[Node, ...]:
        if self._follows(")"):
            return ()
        found = [self._node(depth + 1)]
        while self._follows(","):
            found.append(self._node(depth + 1))
        self._take("sign", ")")
        return tuple(found)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            raise Unknown
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found
