"""Input from outside that could not be read, short and harmless enough to show to a person."""

import json
import re
from collections.abc import Mapping
from typing import Any

from guards.engine.events import clean

_MAX_CUT = 1024

_NEVER_SHOWN = {"claims", "authorization", "httpRequest"}
"""Of an event's data: tokens' claims and addresses, of which alerts show an allow-list only."""

_CLAIMS = re.compile(r'(?s)("(?:claims|authorization|httpRequest)"\s*:).*')


def excerpt(text: object) -> str:
    """The beginning of a text, of bytes or of JSON, without what alerts never show."""
    if isinstance(text, bytes):
        decoded = text[: 64 * _MAX_CUT].decode("utf-8", "replace")
        try:
            text = json.loads(decoded)
        except (ValueError, RecursionError):
            return clean(_CLAIMS.sub(r"\1…", decoded), _MAX_CUT)
    if isinstance(text, str):
        return clean(text, _MAX_CUT)
    return clean(json.dumps(_without_claims(text), default=str), _MAX_CUT)


def _without_claims(document: Any, depth: int = 0) -> Any:
    if depth > 8:
        return "…"
    if isinstance(document, Mapping):
        return {
            key: "…" if key in _NEVER_SHOWN else _without_claims(item, depth + 1)
            for key, item in document.items()
        }
    if isinstance(document, list):
        return [_without_claims(item, depth + 1) for item in document[:20]]
    return document
