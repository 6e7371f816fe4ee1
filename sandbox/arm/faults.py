"""Trouble on demand: what `POST /_sandbox/faults` orders, taken by the calls it matches."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

_KEYS: Final = {"match", "times", "status", "headers", "body", "delay_s", "reset", "accept"}
_MATCH_KEYS: Final = {"method", "path", "caller"}


@dataclass
class Fault:
    """One order: which calls, how often, and what happens to them."""

    method: str | None = None
    path: re.Pattern[str] | None = None
    caller: str | None = None
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0
    reset: bool = False
    accept: bool = False
    """The call is served, but as an operation, with 202; a DELETE, too, of whatever type."""
    asked: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, method: str, path: str, caller: str) -> bool:
        """Whether a call is meant; what the order leaves out matches everything."""
        return (
            self.method in (None, method)
            and self.caller in (None, caller)
            and (self.path is None or self.path.search(path) is not None)
        )


class Faults:
    """The orders still open, oldest first."""

    def __init__(self) -> None:
        self._open: list[Fault] = []

    def add(self, order: object) -> None:
        """Order a fault, as JSON; raises ValueError saying what is wrong with it."""
        self._open.append(parse(order))

    def clear(self) -> None:
        """Forget all orders."""
        self._open.clear()

    def as_list(self) -> list[dict[str, Any]]:
        """The open orders with the number of times left."""
        return [{**fault.asked, "times": fault.times} for fault in self._open]

    def take(self, method: str, path: str, caller: str) -> Fault | None:
        """The oldest order that means this call, counted down."""
        for fault in self._open:
            if fault.matches(method, path, caller):
                fault.times -= 1
                if fault.times <= 0:
                    self._open.remove(fault)
                return fault
        return None


def parse(order: object) -> Fault:
    """Read an order.

    Raises:
        ValueError: an unknown key or value; the text names it.
    """
    given = _object(order, _KEYS, "a fault")
    match = _object(given.get("match", {}), _MATCH_KEYS, "match")
    for key, value in match.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"match.{key} is a text, not {value!r}")
    try:
        path = re.compile(match["path"], re.IGNORECASE) if "path" in match else None
    except re.error as e:
        raise ValueError(f"match.path is no regular expression: {e}") from e
    status = given.get("status")
    if status is not None and not (_whole(status) and 200 <= status <= 599):
        raise ValueError(f"status is a number from 200 to 599, not {status!r}")
    times = given.get("times", 1)
    if not (_whole(times) and times >= 1):
        raise ValueError(f"times is a number from 1 on, not {times!r}")
    delay = given.get("delay_s", 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not delay >= 0:
        raise ValueError(f"delay_s is a number from 0 on, not {delay!r}")
    return Fault(
        method=match["method"].upper() if "method" in match else None,
        path=path,
        caller=match.get("caller"),
        times=times,
        status=status,
        headers=_headers(given.get("headers", {})),
        body=_body(given, status),
        delay_s=delay,
        reset=_switch(given, "reset"),
        accept=_switch(given, "accept"),
        asked=given,
    )


def _object(value: object, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is a JSON object, not {value!r}")  # noqa: TRY004
    if unknown := sorted(value.keys() - known):
        raise ValueError(f"{what} has no key {unknown[0]!r}; it has {', '.join(sorted(known))}")
    return value


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _switch(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, not {value!r}")  # noqa: TRY004
    return value


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"headers is a JSON object, not {value!r}")  # noqa: TRY004
    headers = {name: str(text) for name, text in value.items()}  # "Retry-After": 1 is meant well
    if any(c in text for text in headers.values() for c in "\r\n"):
        raise ValueError("a header has no line breaks")
    return headers


def _body(given: Mapping[str, Any], status: int | None) -> bytes:
    """The ordered body; an error without one gets a plain one in ARM's shape."""
    if "body" in given:
        body = given["body"]
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if status is None or status < 400:
        return b""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus else f"Status {status}"
    error = {"code": phrase.title().replace(" ", ""), "message": f"{phrase}."}
    return json.dumps({"error": error}).encode()
