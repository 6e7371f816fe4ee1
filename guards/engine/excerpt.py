"""Input from outside that could not be read, short and harmless enough to show to a person."""

import json
import re
from collections.abc import Mapping
from typing import Any

from guards.engine.events import clean
from guards.engine.shapes import unsigned

_MAX_CUT = 1024

_NEVER_SHOWN = {
    *("claims", "authorization", "httprequest", "properties", "requestbody", "responsebody"),
    *("accesssas", "credentials", "password"),
}
"""Of an event's data: tokens' claims, addresses, what was asked and answered; lower case."""

_CLAIMS = re.compile(rf'(?is)("(?:{"|".join(sorted(_NEVER_SHOWN))})"\s*:).*')


def excerpt(text: object) -> str:
    """The beginning of a text, of bytes or of JSON, without what alerts never show."""
    if isinstance(text, bytes):
        decoded = text[: 64 * _MAX_CUT].decode("utf-8", "replace")
        try:
            text = json.loads(decoded)
        except (ValueError, RecursionError):
            return harmless(_CLAIMS.sub(r"\1…", decoded))
    if isinstance(text, str):
        return harmless(text)
    return harmless(json.dumps(_without_claims(text), default=str))


def harmless(text: str, limit: int = _MAX_CUT) -> str:
    """Cut, and without the signature of a link."""
    return clean(unsigned(text[: 8 * _MAX_CUT]), limit)


def _without_claims(document: Any, depth: int = 0) -> Any:
    if depth > 8:
        return "…"
    if isinstance(document, Mapping):
        return {
            key: "…" if str(key).lower() in _NEVER_SHOWN else _without_claims(item, depth + 1)
            for key, item in document.items()
        }
    if isinstance(document, list):
        return [_without_claims(item, depth + 1) for item in document[:20]]
    return document
