"""Which app settings ask for notifications, and those that lead them to the sandbox's own sinks."""

from collections.abc import Mapping
from typing import Any

TABLE = "guardstate"
"""The table that the deployment makes."""

_SWITCH = "GUARD_NOTIFY"
_CHANNEL = "GUARD_CHANNEL_"
_KINDS = ("teams", "smtp", "email", "eventgrid", "webhook")
"""The settings that make a channel what it is; a channel has one of them."""


def switched_on(settings: Mapping[str, str]) -> bool:
    """Whether they ask for notifications in so many words: that is, for the sandbox's channels."""
    return settings.get(_SWITCH, "").strip().lower() == "on"


def has_channels(settings: Mapping[str, str]) -> bool:
    """Whether they name a channel of their own."""
    return any(name.startswith(_CHANNEL) and value for name, value in settings.items())


def channels(endpoints: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The settings of the sandbox's channels, `teams` and `mail`, as far as they are not given.

    A channel whose kind is given, even as "", is another one, or none.
    """
    host = str(endpoints["smtp"])
    mine = {
        "TEAMS": {"teams": str(endpoints["teams"])},
        "MAIL": {
            "smtp": f"smtp://{host}",
            "from": "export-guard@contoso.example",
            "to": "oncall@contoso.example, security@contoso.example",
        },
    }
    return {
        f"{_CHANNEL}{name}__{field}": value
        for name, fields in mine.items()
        if not _is_another(name, fields, given)
        for field, value in fields.items()
        if f"{_CHANNEL}{name}__{field}" not in given
    }


def _is_another(name: str, fields: Mapping[str, str], given: Mapping[str, str]) -> bool:
    """Whether a channel of that name is given with another kind, or with its own left empty."""
    kinds = {kind: given.get(f"{_CHANNEL}{name}__{kind}") for kind in _KINDS}
    return any(value == "" if kind in fields else value for kind, value in kinds.items())
