"""Messages of `guard-deliveries`: one alert for one channel, or the call to look what waits there.

What a message holds is data: a channel's name is looked up among those that app settings define.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from guards.engine.alerts import digest
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.excerpt import excerpt
from guards.engine.notify.parcel import Item

SCHEMA = "exportguard.delivery/1"

MAX_BYTES = 48 * 1024
"""What a queue message holds, as text before base64."""

_MAX_REASON = 500
_MAX_SAID = 2048
_MOST_ATTEMPTS = 10_000

_MAX_KEPT = 300
"""Characters of a text in an alert that is too long as it is."""

_MAX_KEYS = 64
_KEPT_FIRST = ("schema", "alertId", "outcome", "severity", "resourceId", "resourceType")
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert for one channel; without an item, what waits for the channel is looked at.

    Attributes:
        first_seen: when it was first put, seconds since 1970.
        attempt: how often it was put off.
        wake: the appointment of a look, seconds since 1970.
        reason: why the channel will not get it; for the poison queue.
    """

    channel: str
    first_seen: float
    item: Item | None = None
    attempt: int = 0
    wake: float = 0.0
    reason: str = ""

    def again(self) -> "Delivery":
        """The next attempt."""
        return replace(self, attempt=min(self.attempt + 1, _MOST_ATTEMPTS))

    def because(self, reason: str) -> "Delivery":
        """The same, with why the channel will not get it."""
        return replace(self, reason=reason)

    def message(self) -> dict[str, Any]:
        """The JSON, within `MAX_BYTES`: an alert that is too long loses what is longest."""
        message = self._as_json()
        if self.item is not None and _size(message) > MAX_BYTES:
            return _shortened(message, self.item.alert)
        return message

    def _as_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "channel": self.channel,
            "firstSeen": self.first_seen,
            "attempt": self.attempt,
            "wake": self.wake,
            "reason": clean(self.reason, _MAX_REASON),
            "note": self.item.note if self.item else "",
            "alert": dict(self.item.alert) if self.item else None,
        }


def read_alert(text: str | bytes) -> Mapping[str, Any]:
    """An alert of any version; what is none becomes one that says so: nothing is lost.

    What JSON cannot say everywhere is said in text: halves of surrogate pairs, NaN, deep nesting.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict):
        return {_tidy_text(key): _tidy(value, 1) for key, value in read.items()}
    return {
        "schema": "unreadable",
        "alertId": digest(excerpt(text)),
        "severity": "high",
        "reason": "a message in guard-alerts is no alert",
        "text": excerpt(text),
    }


def _tidy(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _tidy_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not -(2**63) < value < 2**63:
        return str(value) if abs(value) < 10**300 else "a number of hundreds of digits"
    if depth > _DEEPEST:
        return value if value is None or isinstance(value, bool | int | float) else "…"
    if isinstance(value, dict):
        return {_tidy_text(key): _tidy(item, depth + 1) for key, item in value.items()}
    return [_tidy(item, depth + 1) for item in value] if isinstance(value, list) else value


def _tidy_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def identity(alert: Mapping[str, Any]) -> str:
    """What makes two alerts the same piece of news: 64 hex digits.

    The id of a violation and how it ended: an alert that a look was put off, and the one that says
    how it ended, have the same id and are two pieces of news.
    """
    alert_id = alert.get("alertId")
    if isinstance(alert_id, str) and alert_id:
        return digest(alert_id, alert.get("outcome"))
    return digest(alert)


def _shortened(message: dict[str, Any], alert: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose alert keeps less and less, until it fits."""
    keys, length = list(alert), _MAX_KEPT
    first = [key for key in _KEPT_FIRST if key in alert]
    keys = first + [key for key in keys[:_MAX_KEYS] if key not in first]
    while True:
        kept = {clean(key, 64): _short(alert[key], length) for key in keys}
        message["alert"] = kept | {"note": "this alert was too long and has been shortened"}
        if _size(message) <= MAX_BYTES:
            return message
        keys, length = keys[: max(len(keys) * 3 // 4, len(first))], max(length * 3 // 4, 64)


def _short(value: object, length: int) -> object:
    if isinstance(value, str):
        return clean(value, length)
    if isinstance(value, list | dict):
        short = json.dumps(value)
        return value if len(short) <= length else clean(short, length)
    return value if value is None or isinstance(value, bool) else clean(str(value), length)


def _size(message: Mapping[str, Any]) -> int:
    return len(json.dumps(message).encode())


def _cleaned(text: str) -> str:
    return clean(text, _MAX_SAID)


_Said = Annotated[str, Field(max_length=_MAX_SAID), AfterValidator(_cleaned)]
_Time = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


class _Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    schema_: Annotated[Literal["exportguard.delivery/1"], Field(alias="schema")]
    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    first_seen: _Time
    attempt: Annotated[int, Field(ge=0, le=_MOST_ATTEMPTS)]
    wake: _Time
    reason: _Said
    note: _Said
    alert: dict[str, Any] | None


def parse(text: str | bytes) -> Delivery:
    """A message of `guard-deliveries`.

    Raises:
        Unreadable: it is not one, with the first place that is wrong.
    """
    try:
        read = _Message.model_validate_json(text)
    except ValidationError as e:
        error = e.errors()[0]
        place = clean(".".join(str(part) for part in error["loc"])) or "message"
        raise Unreadable(f"delivery: {place}: {error['msg']}") from e
    return Delivery(
        channel=read.channel,
        first_seen=read.first_seen,
        item=None if read.alert is None else Item(read.alert, read.note),
        attempt=read.attempt,
        wake=read.wake,
        reason=read.reason,
    )
