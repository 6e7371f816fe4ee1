"""Event Grid events, in either schema, parsed defensively into a `ResourceChange`.

An event says where to look. Its resource ID stays text here (`guards.engine.ids` parses it), its
claims may be missing, empty, or JSON in a string, and nothing of it is believed about the resource.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId, in_subscription
from guards.engine.model import Caller, Request, ResourceChange

_MAX_TEXT = 256
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]+"
)

_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"

_ACCESSES = {"read": "Read", "write": "Write"}
_MAX_SOURCE = 1024
_LONGEST_S = 60 * 86_400  # Azure hands out no link for longer
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}(?::[0-9]{1,5})?")
_IMAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}(?::[A-Za-z0-9_.-]{1,128})?(?:@sha256:[0-9a-f]{64})?"
)


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
    if value is None or isinstance(value, dict):  # nearly always, and quicker than what follows
        return value or {}
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


def _body(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the caller sent, wherever an event may have it; mostly it has none."""
    http, properties = _mapping(data.get("httpRequest")), _mapping(data.get("properties"))
    return _mapping(http.get("requestBody") or http.get("body") or properties.get("requestbody"))


def _request(data: Mapping[str, Any]) -> Request:
    """What was asked for, each part only if it has Azure's form; credentials are never read."""
    body = _body(data)
    if not body:
        return Request()
    return Request(
        access=_ACCESSES.get(clean(body.get("access")).lower(), ""),
        duration_s=_duration(body.get("durationInSeconds")),
        source=_source(_mapping(body.get("source"))),
    )


def _duration(seconds: object) -> int:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return 0
    return seconds if 1 <= seconds <= _LONGEST_S else 0


def _source(source: Mapping[str, Any]) -> str:
    """`library/nginx:1 from docker.io`, or as much of it as can be read."""
    registry = _fitting(_HOST, source.get("registryUri"))
    with suppress(Unreadable):
        registry = str(ResourceId.parse(source.get("resourceId")))
    image = _fitting(_IMAGE, source.get("sourceImage"))
    return " from ".join(one for one in (image, registry) if one)[:_MAX_SOURCE]


def _fitting(form: re.Pattern[str], text: object) -> str:
    return text if isinstance(text, str) and form.fullmatch(text) else ""


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
        resource=in_subscription(
            _raw(data.get("resourceUri"), event.get("subject")), data.get("subscriptionId")
        ),
        correlation_id=_first(data.get("correlationId")),
        caller=_caller(data),
        request=_request(data),
    )
    if not change.event_type and not change.operation_name:
        raise Unreadable("event: neither eventType (or type) nor data.operationName")
    return change


def _raw(*values: object) -> str:
    """The first text, uncleaned: an ID with a control character must fail, not be mended."""
    return next((value for value in values if isinstance(value, str) and value), "")
