"""What the answer of a server means for an alert: try again, or tell people what to do.

Transient  408, 425, 429, 5xx, no answer, no token: with what Retry-After says
Terminal   any other answer that is not 2xx, redirects included: they are never followed

Only a server's status and its error code are told: its words may be anybody's.
"""

import contextlib
from collections.abc import Mapping

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from guards.edges.arm_errors import retry_after
from guards.engine.errors import GuardError, Terminal, Transient
from guards.engine.events import clean

_TRANSIENT = {408, 425, 429}
_SHORTEST_WAIT_S = 1.0
_LONGEST_WAIT_S = 3600.0
_MAX_CODE = 64


def wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait, between a second and an hour; None if it does not say."""
    asked = retry_after(headers)
    return None if asked is None else min(max(asked, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)


def refused(
    who: str, status: int, headers: Mapping[str, str], code: object, advice: Mapping[int, str]
) -> GuardError:
    """The error an answer other than 2xx stands for; `advice` says what people do, by status."""
    code = clean(code, _MAX_CODE)
    if status in _TRANSIENT or status >= 500:
        wait = wait_s(headers)
        return Transient(f"{who} answered {status}", code=code, status=status, retry_after=wait)
    what = advice.get(status, "")
    if 300 <= status < 400:
        what = "it redirects, and nothing is sent elsewhere: set the address it really has"
    message = f"{who} answered {status}: {what}" if what else f"{who} answered {status}"
    return Terminal(message, code=code, status=status)


def failed(who: str, error: Exception, advice: Mapping[int, str]) -> GuardError:
    """The error an exception of an Azure SDK stands for, token requests apart."""
    if isinstance(error, ResourceNotFoundError):  # Event Grid's without the answer
        return refused(who, 404, {}, _code(error), advice)
    if isinstance(error, HttpResponseError) and (error.status_code or 0) >= 300:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        return refused(who, error.status_code or 0, headers, _code(error), advice)
    return Transient(f"no answer of {who}", code=type(error).__name__)


def _code(error: HttpResponseError) -> str:
    return error.error.code or "" if error.error else ""


async def have_token(identity: AsyncTokenCredential, scope: str) -> None:
    """See to it that a token is cached: an SDK's exceptions do not say who refused what.

    Raises:
        Transient: the identity got none.
    """
    with contextlib.suppress(AzureError):
        await identity.get_token(scope)
        return
    raise Transient("the app's identity got no token", code="NoToken")
