"""Where something holds: a subscription, a resource group, a resource, or a pattern of these.

Written as Azure writes scopes, `/subscriptions/S/resourceGroups/G/providers/T/NAME`, with `*` for
any characters within one part. Compared without case. The more of a resource's ID a scope fixes,
the more specific it is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from guards.engine.ids import ResourceId, folded

_FORM = (
    "a scope is /subscriptions/GUID, /subscriptions/GUID/resourceGroups/NAME or a resource ID; "
    "* stands for any characters within a part"
)
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\*")
_GROUP = re.compile(r"[\w().*-]{1,90}")
_NAME = re.compile(r"[a-z0-9_*][a-z0-9_.()*-]{0,259}")
_MAX_STARS = 8
_GROUPS = 2
"""The parts of a scope that is a resource group, or a pattern of them."""

type Parts = tuple[str, ...]
"""Subscription, resource group, type and name, lower case; a scope may have fewer."""


def parts_of(resource: ResourceId) -> Parts:
    """What scopes are compared with; the group of what lies in none is empty."""
    return (
        folded(resource.subscription),
        folded(resource.group),
        folded(resource.type),
        folded(resource.name),
    )


def matches(glob: str, value: str) -> bool:
    """Whether a pattern with `*` covers the whole value; linear, whatever stands there."""
    first, *middle = glob.split("*")
    if not middle:
        return first == value
    last = middle.pop()
    end = len(value) - len(last)
    if len(first) > end or not value.startswith(first) or not value.endswith(last):
        return False
    at = len(first)
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _overlap(one: str, other: str) -> bool:
    """Whether some value matches both patterns."""
    if "*" not in one:
        return matches(other, one)
    if "*" not in other:
        return matches(one, other)
    # What stands between the first and the last * can always be written one after the other.
    a, b = one.split("*"), other.split("*")
    begins = a[0].startswith(b[0]) or b[0].startswith(a[0])
    return begins and (a[-1].endswith(b[-1]) or b[-1].endswith(a[-1]))


@dataclass(frozen=True)
class Scope:
    """A parsed scope; `parts` as `Parts`, patterns with `*`."""

    text: str
    parts: Parts

    @classmethod
    def parse(cls, text: str, types: Iterable[str]) -> "Scope":
        """A scope on a resource of one of the guarded types, or above; not on what lies in one.

        Raises:
            ValueError: it is none, or matches everything.
        """
        if len(text) > 1024:
            raise ValueError(f"too long; {_FORM}")
        words = folded(re.sub(r"\*+", "*", text)).split("/")
        if len(words) not in (3, 5, 9) or words[0] or words[1] != "subscriptions":
            raise ValueError(_FORM)
        if words[3:4] not in ([], ["resourcegroups"]) or words[5:6] not in ([], ["providers"]):
            raise ValueError(_FORM)
        known = {type_.lower(): type_ for type_ in types if type_.count("/") == 1}
        parts = [words[2], *words[4:5]]
        if not _GUID.fullmatch(words[2]):
            raise ValueError(f"the subscription must be a whole GUID, or *; {_FORM}")
        if len(words) > 4 and (not _GROUP.fullmatch(words[4]) or words[4].endswith(".")):
            raise ValueError(f"that is no name of a resource group; {_FORM}")
        if len(words) > 5:
            type_ = "/".join(words[6:8])
            if type_ not in known:
                raise ValueError(f"not a guarded type; allowed: {', '.join(known.values())}")
            if not _NAME.fullmatch(words[8]):
                raise ValueError(f"that is no resource name; {_FORM}")
            parts += [type_, words[8]]
        if any(part.count("*") > _MAX_STARS for part in parts):
            raise ValueError(f"at most {_MAX_STARS} * in a part")
        if not any(part.strip("*") for i, part in enumerate(parts) if i != 2):
            raise ValueError(
                "matches everything; name a subscription, or part of a group's or resource's name"
            )
        return cls(text, tuple(parts))

    @cached_property
    def weight(self) -> tuple[int, int, int]:
        """How specific: what it names, how many characters are fixed, how few * there are."""
        stars = sum(part.count("*") for part in self.parts)
        return len(self.parts), sum(map(len, self.parts)) - stars, -stars

    def covers(self, parts: Parts) -> bool:
        """Whether it holds for a resource, or includes another scope, with these parts.

        What lies in no group is in none of all groups; its own ID may have `*` there.
        """
        if len(self.parts) == _GROUPS and parts[1:_GROUPS] == ("",):
            return False
        return len(self.parts) <= len(parts) and all(map(matches, self.parts, parts))

    def holds_for(self, resource: ResourceId) -> bool:
        """Whether a resource is within it."""
        return self.covers(parts_of(resource))

    def overlaps(self, other: "Scope") -> bool:
        """Whether some resource is within both; for scopes of the same depth."""
        return all(map(_overlap, self.parts, other.parts))


class _Names:
    """What one part of an ID leads to: exact names, and patterns found by how they begin or end."""

    __slots__ = ("any", "ends", "exact", "rest", "starts")

    def __init__(self) -> None:
        self.any: _Node | None = None
        self.exact: dict[str, _Node] = {}
        self.starts: dict[int, dict[str, list[tuple[str, _Node]]]] = {}
        self.ends: dict[int, dict[str, list[tuple[str, _Node]]]] = {}
        self.rest: dict[str, tuple[str, _Node]] = {}

    def node(self, glob: str) -> "_Node":
        """The node of one pattern, made if it is new."""
        if "*" not in glob:
            return self.exact.setdefault(glob, _Node())
        if glob == "*":
            self.any = self.any or _Node()
            return self.any
        first, *_, last = glob.split("*")
        if not first and not last:
            longest = max(glob.split("*"), key=len)
            return self.rest.setdefault(glob, (longest, _Node()))[1]
        by_length, key = (self.starts, first) if first else (self.ends, last)
        here = by_length.setdefault(len(key), {}).setdefault(key, [])
        for known, node in here:
            if known == glob:
                return node
        here.append((glob, _Node()))
        return here[-1][1]

    def found(self, value: str) -> "list[_Node]":
        """The nodes of all patterns that match."""
        nodes = [] if self.any is None else [self.any]
        if value in self.exact:
            nodes.append(self.exact[value])
        for length, starts in self.starts.items():
            for glob, node in starts.get(value[:length], ()):
                if matches(glob, value):
                    nodes.append(node)
        for length, ends in self.ends.items():
            for glob, node in ends.get(value[-length:], ()):
                if matches(glob, value):
                    nodes.append(node)
        for glob, (fragment, node) in self.rest.items():
            if fragment in value and matches(glob, value):  # the first is quick, and mostly enough
                nodes.append(node)
        return nodes


class _Node:
    __slots__ = ("here", "names")

    def __init__(self) -> None:
        self.here: list[Any] = []
        self.names: _Names | None = None


class Index[T]:
    """Finds what holds for a resource among many scopes, without trying each of them.

    A tree by subscription, group, type and name. Patterns are kept by their first or last
    characters, so that the cost of a look-up hangs on how many lengths of those there are.
    """

    def __init__(self, entries: Iterable[tuple[Scope, T]]) -> None:
        self._root = _Node()
        for scope, value in entries:
            node = self._root
            for part in scope.parts:
                node.names = node.names or _Names()
                node = node.names.node(part)
            node.here.append(value)

    def find(self, parts: Parts) -> list[T]:
        """The values of all scopes that cover these parts."""
        found: list[T] = []
        nodes = [self._root]
        for depth, part in enumerate(parts, 1):
            nodes = [inner for node in nodes if node.names for inner in node.names.found(part)]
            if not nodes:
                break
            if part or depth != _GROUPS:  # see `Scope.covers`
                for node in nodes:
                    found += node.here
        return found
