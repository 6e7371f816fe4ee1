"""Making an alert's JSON harmless to show, and short enough for a queue message.

Lists go first, then long texts. The bodies of what was deleted go last of all, since nothing else
has them any more, and never without a word.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from guards.engine.events import clean

MAX_BYTES = 47 * 1024
"""Queue messages hold 64 KiB after base64, so 48 KiB of text; a little room is left."""

MAX_REASON = 4096
MAX_TEXT = 2048
"""Longest `reason`, and longest other text, in characters."""

_MOST = {"reason": MAX_REASON, "deleted": MAX_BYTES}
_CUT_REASON = MAX_REASON // 8
_CUT_TEXTS = (256, 128, 64)
"""Of an alert that is too long even without lists; the last leaves 24 KiB for `deleted`."""

_TEXTS = ("caller", "operationName", "eventId", "eventTime", "correlationId", "exposure")


def fitting(message: dict[str, Any]) -> dict[str, Any]:
    """The same alert, every text of it cleaned, and cut if it is too long; `reason` says so."""
    text = json.dumps(message)
    short = len(text) <= MAX_BYTES and len(message["reason"] or "") <= MAX_REASON
    if short and "\\" not in text:
        return message  # no escape, so no control character either: the usual case
    whole = {key: _harmless(value, _MOST.get(key, MAX_TEXT)) for key, value in message.items()}
    whole["reason"] = whole["reason"] or None
    fit, cuts = whole, _cuts(whole)
    while len(json.dumps(fit)) > MAX_BYTES:
        fit = fit | next(cuts)
    return fit


def _cuts(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What takes the place of too much, step after step, until nothing long is left."""
    reason, counts = whole["reason"] or "", (len(whole["findings"]), len(whole["changes"]))
    note = f"(cut: {counts[0]} findings in all{', undo is left out' if whole['undo'] else ''})"
    for kept in (max(counts), *_halves(max(counts))):
        lists = {key: whole[key][:kept] for key in ("findings", "changes")}
        yield {**lists, "undo": [], "reason": clean(f"{note} {reason}", MAX_REASON)}
    for most in _CUT_TEXTS:
        texts = {key: _harmless(whole[key], most) for key in _TEXTS}
        yield {**texts, "reason": clean(f"{note} {reason}", _CUT_REASON)}
    count = len(whole["deleted"])
    for kept in _halves(count):
        lost = f"(cut: the bodies of {count - kept} of {count} deleted resources are lost)"
        told = clean(f"{lost} {note} {reason}", _CUT_REASON)
        yield {"deleted": whole["deleted"][:kept], "reason": told}


def _halves(count: int) -> Iterator[int]:
    """Half of it, a quarter, and so on to 0."""
    while count:
        count //= 2
        yield count


def _harmless(value: Any, most: int) -> Any:
    """The same JSON with every text cleaned, and cut to `most` characters."""
    if isinstance(value, str):
        return clean(value, most)
    if isinstance(value, Mapping):
        return {clean(key, most): _harmless(item, most) for key, item in value.items()}
    return [_harmless(item, most) for item in value] if isinstance(value, list) else value
