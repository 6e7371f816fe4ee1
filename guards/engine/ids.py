"""Resource IDs: text from outside becomes parts, and URLs are built from the parts only.

An event names the resource with a string. Nothing of that string is ever sent anywhere unless it
parses here: a subscription GUID, a resource group, a provider namespace and pairs of type and
name, each part by ARM's naming rules, which leave no room for a scheme, a host, `..`, a query, a
fragment, a percent sign or a control character.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from guards.engine.errors import Unreadable

MAX_LENGTH = 2048
"""Longest ID read; ARM's own limit lies below it."""

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_GROUP = re.compile(r"[\w().-]{1,90}")  # letters of any script, as ARM allows
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()-]{0,259}")


def _part(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text) or ".." in text or text.endswith("."):
        raise Unreadable(f"resource ID: {text[:80]!r} is not a {what}")
    return text


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A parsed resource ID of any depth; casing is kept for display and ignored in comparisons."""

    subscription: str
    group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse `/subscriptions/{guid}/resourceGroups/{group}/providers/{ns}/{type}/{name}...`.

        Raises:
            Unreadable: anything else, with the part that is wrong.
        """
        if not isinstance(text, str):
            raise Unreadable(f"resource ID: a string is needed, not {type(text).__name__}")
        if len(text) > MAX_LENGTH:
            raise Unreadable(f"resource ID: longer than {MAX_LENGTH} characters")
        parts = text.split("/")
        if len(parts) < 9 or len(parts) % 2 == 0 or parts[0]:
            raise Unreadable("resource ID: not of the form /subscriptions/../providers/..")
        words = (parts[1].lower(), parts[3].lower(), parts[5].lower())
        if words != ("subscriptions", "resourcegroups", "providers"):
            raise Unreadable("resource ID: not of the form /subscriptions/../providers/..")
        return cls(
            _part(_GUID, parts[2], "subscription GUID"),
            _part(_GROUP, parts[4], "resource group name"),
            _part(_NAMESPACE, parts[6], "provider namespace"),
            tuple(_part(_TYPE, part, "resource type") for part in parts[7::2]),
            tuple(_part(_NAME, part, "resource name") for part in parts[8::2]),
        )

    @property
    def type(self) -> str:
        """The full type, as `Microsoft.ContainerRegistry/registries/privateEndpointConnections`."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    def lineage(self) -> tuple["ResourceId", ...]:
        """This ID and its parents, nearest first."""
        return tuple(
            ResourceId(
                self.subscription,
                self.group,
                self.namespace,
                self.types[:depth],
                self.names[:depth],
            )
            for depth in range(len(self.types), 0, -1)
        )

    @property
    def path(self) -> str:
        """The URL path of this resource, every part percent-encoded."""
        pairs = zip(self.types, self.names, strict=True)
        tail = "".join(f"/{type_}/{quote(name, safe='()')}" for type_, name in pairs)
        group = quote(self.group, safe="()")
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{group}"
            f"/providers/{self.namespace}{tail}"
        )

    def __str__(self) -> str:
        pairs = zip(self.types, self.names, strict=True)
        tail = "".join(f"/{type_}/{name}" for type_, name in pairs)
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/{self.namespace}{tail}"
        )

    @property
    def key(self) -> str:
        """The form to compare by: lower case."""
        return str(self).lower()
