"""Event Grid events, in either schema, parsed defensively into a `ResourceChange`.

An event says where to look. Its resource ID stays text here (`guards.engine.ids` parses it), its
claims may be missing, empty, or JSON in a string, and nothing of it is believed about the resource.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.model import Caller, ResourceChange

_MAX_TEXT = 256
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]+"
)

_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def clean(text: object, limit: int = _MAX_TEXT) -> str:
    """Text from outside for people to read, at most `limit` long.

    Control characters, line separators, direction marks, characters without width and halves of
    surrogate pairs become a space.
    """
    if not isinstance(text, str):
        return ""
    text = _CONTROL.sub(" ", text[: limit * 2]).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _mapping(value: object) -> Mapping[str, Any]:
    """An object, or one that was put into a string; anything else counts as empty."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _first(*values: object) -> str:
    return next((text for value in values if (text := clean(value))), "")


def _guid(text: str) -> str:
    """Object IDs as tokens write them: lower case, with dashes, which `evidence` leaves out."""
    text = text.lower()
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return text


def _caller(data: Mapping[str, Any]) -> Caller:
    claims = _mapping(data.get("claims"))
    evidence = _mapping(_mapping(data.get("authorization")).get("evidence"))
    request = _mapping(data.get("httpRequest"))
    return Caller(
        object_id=_guid(_first(claims.get(_OBJECT_ID), evidence.get("principalId"))),
        app_id=_first(claims.get("appid")).lower(),
        name=_first(claims.get(_CLAIMS + "upn"), claims.get(_CLAIMS + "name"), claims.get("name")),
        ip_address=_first(claims.get("ipaddr"), request.get("clientIpAddress")),
        principal_type=_first(evidence.get("principalType")),
    )


def parse(event: object) -> ResourceChange:
    """One event, Event Grid schema or CloudEvents 1.0, as the change it reports.

    Raises:
        Unreadable: it is not an object, or names neither an operation nor an event type.
    """
    if not isinstance(event, Mapping):
        raise Unreadable(f"event: an object is needed, not {type(event).__name__}")
    data = _mapping(event.get("data"))
    change = ResourceChange(
        event_id=_first(event.get("id")),
        event_time=_first(event.get("eventTime"), event.get("time")),
        event_type=_first(event.get("eventType"), event.get("type")),
        operation_name=_first(data.get("operationName")),
        resource=_raw(data.get("resourceUri"), event.get("subject")),
        correlation_id=_first(data.get("correlationId")),
        caller=_caller(data),
    )
    if not change.event_type and not change.operation_name:
        raise Unreadable("event: neither eventType (or type) nor data.operationName")
    return change


def _raw(*values: object) -> str:
    """The first text, uncleaned: an ID with a control character must fail, not be mended."""
    return next((value for value in values if isinstance(value, str) and value), "")
