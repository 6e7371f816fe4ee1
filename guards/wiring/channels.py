"""App settings of channels: `GUARD_CHANNEL_<NAME>__<KIND>`, and what else a kind needs.

    GUARD_CHANNEL_SECOPS__teams      the channel `secops`: a Teams workflow, the URL of its webhook
    GUARD_CHANNEL_ONCALL__smtp       the channel `oncall`: mail, the server, with __from and __to

Read when the app starts, to know whether there is any; the kinds are imported where they are used.
A channel with a mistake in its settings is one that cannot deliver: the others are told.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

log = logging.getLogger(__name__)

NOTIFY = "GUARD_NOTIFY"

_PREFIX = "guard_channel_"
_SETTING = re.compile(r"guard_channel_([a-z][a-z0-9_]{0,39}?)__([a-z]+)", re.ASCII)
_OFF = {"off", "false", "no", "0"}
_ON = {"", "on", "true", "yes", "1"}


class Kind(StrEnum):
    """What a channel is; the setting of this name holds its address."""

    TEAMS = "teams"
    SMTP = "smtp"
    EMAIL = "email"
    EVENTGRID = "eventgrid"
    WEBHOOK = "webhook"


NEEDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEAMS: (),
    Kind.SMTP: ("from", "to"),
    Kind.EMAIL: ("from", "to"),
    Kind.EVENTGRID: (),
    Kind.WEBHOOK: ("secret",),
}
"""What must be set beside the address."""

MAY: Mapping[Kind, tuple[str, ...]] = {Kind.SMTP: ("user", "password")}
"""What may be set."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """The settings of one channel; `mistake` says what is wrong, "" if nothing.

    Nothing of `values` is ever shown: most of it is secret.
    """

    name: str
    kind: Kind
    values: Mapping[str, str] = field(repr=False)
    mistake: str = ""

    @property
    def setting(self) -> str:
        """The app setting of the address."""
        return f"{_prefix(self.name)}{self.kind}"

    @property
    def address(self) -> str:
        """Where it leads, as set."""
        return self.values[self.kind]


def read(environ: Mapping[str, str]) -> tuple[ChannelSettings, ...]:
    """The configured channels, by name; none if GUARD_NOTIFY is off."""
    if not is_on(environ):
        return ()
    found: dict[str, dict[str, str]] = {}
    for setting, value in sorted(environ.items()):
        match = _SETTING.fullmatch(setting.lower())
        if match and value.strip():
            found.setdefault(match[1].replace("_", "-"), {})[match[2]] = value.strip()
        elif not match and setting.lower().startswith(_PREFIX):
            log.error("%a is no setting of a channel: GUARD_CHANNEL_<NAME>__<KIND> is", setting)
    channels = (_channel(name, values) for name, values in found.items())
    return tuple(channel for channel in channels if channel)


def is_on(environ: Mapping[str, str]) -> bool:
    """GUARD_NOTIFY; a word nobody knows silences nobody."""
    text = environ.get(NOTIFY, "")
    word = text.strip().lower()
    if word not in _OFF | _ON:
        log.critical("%s is %r; allowed: on, off. Taken as on", NOTIFY, text)
    return word not in _OFF


def _prefix(name: str) -> str:
    return f"GUARD_CHANNEL_{name.upper().replace('-', '_')}__"


def _channel(name: str, values: Mapping[str, str]) -> ChannelSettings | None:
    prefix = _prefix(name)
    kinds = [kind for kind in Kind if kind in values]
    if not kinds:
        found = ", ".join(f"{prefix}{name}" for name in values)
        log.error("%s names no kind, and is no channel; allowed: %s", found, ", ".join(Kind))
        return None
    kind = kinds[0]
    missing = [f"{prefix}{one}" for one in NEEDS[kind] if one not in values]
    unknown = sorted(set(values) - {kind, *NEEDS[kind], *MAY.get(kind, ())})
    mistake = ""
    if len(kinds) > 1:
        mistake = f"{prefix}* has more than one kind: {', '.join(kinds)}"
    elif unknown:
        mistake = f"{prefix}{unknown[0]} is not a setting of {kind}"
    elif missing:
        mistake = f"not set: {', '.join(missing)}"
    if mistake:
        log.critical("channel %s cannot deliver: %s", name, mistake)
    return ChannelSettings(name, kind, values, mistake)
