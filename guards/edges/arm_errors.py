"""ARM's refusals and azure-core's exceptions, translated: the only file that knows them.

Transient  408, 412, 429, 5xx, 409 of a busy resource, timeouts, lost connections, no token
Terminal   403, locks, denials, ConflictingUserInput, other 4xx: one alert with Azure's words
Gone       404 of the resource or its group; of a subscription or API it is Terminal
"""

import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from guards.engine.errors import Gone, GuardError, Terminal, Transient
from guards.engine.events import clean

_TRANSIENT = {408, 412, 425, 429}
_TERMINAL_CONFLICTS = {
    "ScopeLocked",
    "ConflictingUserInput",
    "RequestDisallowedByPolicy",
    "AuthorizationFailed",  # from here on 403 as documented; no status makes them pass
    "LinkedAuthorizationFailed",
    "DenyAssignmentAuthorizationFailed",
}
_GONE = {"ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "NotFound"}
_MAX_WORDS = 1500
_MAX_CODE = 128
_SECRET = re.compile(
    r"""(?ix) ( (?: sig | skoid | access_token | bearer )
          (?: ["'=:\s] | %(?:25)*3d | %(?:25)*20 | \\u003d )+ )
        [\w%.+/=~\\-]{8,}    # "sig" also behind an escaped ampersand (%26, \\u0026)
      | \b eyJ [\w-]{8,} (?: \.[\w-]* )*    # a token without a word in front""",
)


def error_of(body: bytes | str | Mapping[str, Any] | None) -> tuple[str, str]:
    """Code and message of an ARM error body; both "" where there is none."""
    document: Any = body
    if isinstance(body, (bytes, str)):
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return "", ""
    error = document.get("error", document) if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    code, message = error.get("code"), str(error.get("message") or "")
    return _words(code if isinstance(code, str) else "", _MAX_CODE), _words(message, _MAX_WORDS)


def _words(text: str, limit: int) -> str:
    """Azure's words without secrets, at most `limit` long."""
    # Cut first: what lies far behind the words that are kept need not be searched.
    return clean(_SECRET.sub(r"\1…", text[: 4 * limit]), limit)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds Azure asks to wait, from either form of the header; None if it does not say."""
    for name, unit in (
        ("retry-after-ms", 0.001),
        ("x-ms-retry-after-ms", 0.001),
        ("Retry-After", 1),
    ):
        value = headers.get(name)
        if value and re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
            return float(value) * unit
    return _seconds_until(headers.get("Retry-After"))


def _seconds_until(date: str | None) -> float | None:
    """The other form of the header: an HTTP date."""
    try:
        moment = parsedate_to_datetime(date or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def refused(
    status: int, headers: Mapping[str, str], body: bytes | str | Mapping[str, Any] | None
) -> GuardError:
    """The error an unsuccessful answer stands for."""
    code, message = error_of(body)
    message = message or f"Azure answered {status} without saying why"
    if status == 404 and code in _GONE:
        return Gone(message, code=code, status=status)
    transient = status in _TRANSIENT or status >= 500
    if status == 409:
        transient = code not in _TERMINAL_CONFLICTS
    if transient:
        wait = retry_after(headers)
        return Transient(message, code=code, status=status, retry_after=wait)
    return Terminal(message, code=code or str(status), status=status)


def failed(error: Exception) -> GuardError:
    """The error an exception of azure-core, aiohttp's timeout or the token request stands for."""
    if isinstance(error, zlib.error):
        return Transient("Azure's answer cannot be decompressed", code="BadEncoding")
    if isinstance(error, TimeoutError):
        return Transient("no answer within the time budget", code="Timeout")
    if isinstance(error, ClientAuthenticationError):
        return Transient("the app's identity got no token", code="NoToken")
    if isinstance(error, HttpResponseError) and error.status_code:
        return Transient(f"Azure answered {error.status_code}", status=error.status_code)
    if isinstance(error, AzureError):
        return Transient("the connection failed", code=type(error).__name__)
    raise error
