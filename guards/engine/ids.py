"""Resource IDs: text from outside becomes parts, and URLs are built from the parts only.

An event names the resource with a string. Nothing of that string is ever sent anywhere unless it
parses here: a subscription GUID, mostly a resource group, a provider namespace and pairs of type
and name, each part by ARM's naming rules, which leave no room for a scheme, a host, `..`, a query,
a fragment, a percent sign or a control character.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
_NOT_OF_THE_FORM = "resource ID: not of the form /subscriptions/../providers/.."
_quoted = partial(quote, safe="()")


def _part(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text) or ("." in text and (".." in text or text[-1] == ".")):
        raise Unreadable(f"resource ID: {text[:80]!r} is not a {what}")
    return text


def _provided(parts: list[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Namespace, types and names of what follows one `providers`."""
    if len(parts) < 3:
        raise Unreadable(_NOT_OF_THE_FORM)
    types, names = tuple(parts[1::2]), tuple(parts[2::2])
    for one in types:
        _part(_TYPE, one, "resource type")
    for one in names:
        _part(_NAME, one, "resource name")
    return _part(_NAMESPACE, parts[0], "provider namespace"), types, names


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A parsed resource ID of any depth; casing is kept for display and ignored in comparisons.

    `group` is "" for what belongs to the subscription itself. An extension resource, such as a
    role assignment of one disk, is `within` the resource that it extends.
    """

    subscription: str
    group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    within: "ResourceId | None" = None

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse `/subscriptions/{guid}/resourceGroups/{group}/providers/{ns}/{type}/{name}...`.

        The group may be missing, and an extension resource has another `/providers/...` behind.

        Raises:
            Unreadable: anything else, with the part that is wrong.
        """
        if not isinstance(text, str):
            raise Unreadable(f"resource ID: a string is needed, not {type(text).__name__}")
        if len(text) > MAX_LENGTH:
            raise Unreadable(f"resource ID: longer than {MAX_LENGTH} characters")
        parts = text.split("/")
        if len(parts) < 7 or len(parts) % 2 == 0 or parts[0] or parts[1].lower() != "subscriptions":
            raise Unreadable(_NOT_OF_THE_FORM)
        start = 5 if parts[3].lower() == "resourcegroups" else 3
        if parts[start].lower() != "providers":
            raise Unreadable(_NOT_OF_THE_FORM)
        subscription = _part(_GUID, parts[2], "subscription GUID")
        group = _part(_GROUP, parts[4], "resource group name") if start == 5 else ""
        within = None
        for end in range(start + 2, len(parts), 2):
            if parts[end].lower() == "providers":
                within = cls(subscription, group, *_provided(parts[start + 1 : end]), within)
                start = end
        return cls(subscription, group, *_provided(parts[start + 1 :]), within)

    @property
    def type(self) -> str:
        """The full type, as `Microsoft.ContainerRegistry/registries/privateEndpointConnections`."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    def lineage(self) -> tuple["ResourceId", ...]:
        """This ID and its parents, nearest first; then what it is `within`, likewise."""
        own = tuple(
            ResourceId(
                self.subscription,
                self.group,
                self.namespace,
                self.types[:depth],
                self.names[:depth],
                self.within,
            )
            for depth in range(len(self.types), 0, -1)
        )
        return (*own, *self.within.lineage()) if self.within else own

    @property
    def path(self) -> str:
        """The URL path of this resource, every part percent-encoded."""
        return self._written(_quoted)

    def __str__(self) -> str:
        return self._written(str)

    def _written(self, form: Callable[[str], str]) -> str:
        if self.within:
            text = self.within._written(form)
        else:
            group = f"/resourceGroups/{form(self.group)}" if self.group else ""
            text = f"/subscriptions/{self.subscription}{group}"
        text += f"/providers/{self.namespace}"
        for type_, name in zip(self.types, self.names, strict=True):
            text += f"/{type_}/{form(name)}"
        return text

    @property
    def key(self) -> str:
        """The form to compare by: lower case."""
        return folded(str(self))


def folded(text: str) -> str:
    """A name in the casing it is compared in; letters only Unicode calls alike stay different.

    Else an exemption for `rg-backup` would cover a group that has the Kelvin sign for its k.
    """
    if text.isascii():
        return text.lower()
    return "".join(c.lower() if c.lower().upper() == c else c for c in text)


_TENANT_ROLE = re.compile(
    rf"/providers/Microsoft\.Authorization/roleDefinitions/{_GUID.pattern}",
    re.IGNORECASE | re.ASCII,
)


def is_guid(text: object) -> bool:
    """Whether it is a GUID with dashes, in any casing."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def in_subscription(text: str, subscription: object) -> str:
    """The ID of a role definition of the tenant as a subscription has it; other text as it is.

    Without a subscription's GUID there is no such ID.
    """
    if not _TENANT_ROLE.fullmatch(text) or not is_guid(subscription):
        return text
    return f"/subscriptions/{subscription}{text}"
