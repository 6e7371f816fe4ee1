"""ARM's refusals become transient, terminal or gone, with Azure's words and without its secrets."""

import inspect
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from azure.core import exceptions as vendor
from hypothesis import given
from hypothesis import strategies as st

from guards.edges.arm_errors import error_of, failed, refused, retry_after
from guards.engine.errors import Gone, GuardError, Terminal, Transient


def body(code: str, message: str = "Because.") -> bytes:
    """An error as ARM writes it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "BadRequest", Terminal),
        (400, "ConflictingUserInput", Terminal),
        (400, "NoRegisteredProviderFound", Terminal),
        (403, "AuthorizationFailed", Terminal),
        (403, "LinkedAuthorizationFailed", Terminal),
        (403, "RequestDisallowedByPolicy", Terminal),
        (403, "DenyAssignmentAuthorizationFailed", Terminal),
        (400, "DenyAssignmentAuthorizationFailed", Terminal),
        (400, "LinkedAuthorizationFailed", Terminal),
        (409, "AuthorizationFailed", Terminal),
        (409, "DenyAssignmentAuthorizationFailed", Terminal),
        (409, "LinkedAuthorizationFailed", Terminal),
        (404, "ResourceNotFound", Gone),
        (404, "ResourceGroupNotFound", Gone),
        (404, "ParentResourceNotFound", Gone),
        (404, "NotFound", Gone),
        (404, "SubscriptionNotFound", Terminal),
        (404, "InvalidResourceType", Terminal),
        (404, "InvalidResourceNamespace", Terminal),
        (405, "MethodNotAllowed", Terminal),
        (408, "RequestTimeout", Transient),
        (409, "ScopeLocked", Terminal),
        (409, "ConflictingUserInput", Terminal),
        (409, "RequestDisallowedByPolicy", Terminal),
        (409, "Conflict", Transient),
        (409, "AnotherOperationInProgress", Transient),
        (409, "OperationNotAllowed", Transient),
        (412, "PreconditionFailed", Transient),
        (413, "RequestEntityTooLarge", Terminal),
        (429, "TooManyRequests", Transient),
        (429, "OperationNotAllowed", Transient),
        (500, "InternalServerError", Transient),
        (502, "BadGateway", Transient),
        (503, "ServerTimeout", Transient),
        (504, "GatewayTimeout", Transient),
        (599, "Whatever", Transient),
    ],
)
def test_a_refusal_says_what_to_do_next(status: int, code: str, kind: type[GuardError]) -> None:
    """Again later, never, or nothing left to do; always with Azure's code and words."""
    error = refused(status, {}, body(code))
    assert kind is type(error)
    assert (code, status, f"{code}: Because.") == (error.code, error.status, str(error))


@pytest.mark.parametrize(
    ("status", "kind"), [(301, Terminal), (404, Terminal), (400, Terminal), (503, Transient)]
)
@pytest.mark.parametrize("content", [None, b"", "", b"<html>no</html>", {}, {"error": "no"}])
def test_a_refusal_without_words_still_has_a_kind(
    status: int, kind: type[GuardError], content: Any
) -> None:
    """A 404 that does not say the resource is gone could be a proxy's: it is told, not believed."""
    error = refused(status, {}, content)
    assert kind is type(error)
    assert status == error.status
    assert f"Azure answered {status} without saying why" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00"}, None),
        ({"Retry-After": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 +9999999999"}, None),
        ({"Retry-After": "Wed, 41 Oct 2015 27:28:00 GMT"}, None),
        ({"Retry-After": "5, 5"}, None),
    ],
)
def test_a_delay_is_read_from_either_header(headers: dict[str, str], seconds: float | None) -> None:
    """In seconds; what cannot be understood means that Azure did not say."""
    assert seconds == retry_after(headers)
    error = refused(429, headers, body("TooManyRequests"))
    assert isinstance(error, Transient)
    assert seconds == error.retry_after


def test_a_date_is_a_delay_from_now() -> None:
    """The other form that HTTP allows."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    seconds = retry_after({"Retry-After": date})
    assert seconds is not None
    assert 80 < seconds <= 90


@given(st.text(max_size=60))
def test_no_header_makes_reading_the_delay_fail(text: str) -> None:
    """A proxy may write anything."""
    assert (retry_after({"Retry-After": text}) or 0) >= 0


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"not json",
        b"[" * 100_000,
        b'{"error":' * 100_000,
        b"1" * 10_000,
        b'[{"error": {}}]',
        b'{"error": {"code": 5, "message": ["a"]}}',
        b'{"error": {"code": {"a": 1}, "message": {"b": null}}}',
        b'{"error": {"code": "\\ud800", "message": "\\ud800\\u0000"}}',
        b"null",
        b"true",
    ],
)
def test_odd_bodies_are_survived(content: bytes) -> None:
    """Whatever stands there, the status decides, and the words can be written anywhere."""
    error = refused(403, {}, content)
    assert Terminal is type(error)
    str(error).encode()
    error.code.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error", "code"]), inner),
    ),
    st.integers(300, 599),
)
def test_no_body_makes_a_refusal_fail(document: Any, status: int) -> None:
    """Every JSON document has a code and a message, if empty ones."""
    error = refused(status, {}, json.dumps(document).encode())
    assert isinstance(error, GuardError)
    assert str(error)


def test_huge_words_are_cut() -> None:
    """Megabytes of text become a line of an alert."""
    code, message = error_of(body("C" * 1_000_000, "sig " * 1_000_000))
    assert (len(code), len(message)) == (128, 1500)


SECRET = "h4Rs0Tn7%2BkQ9wLmX2vBz8cYp3dFg6jUa1%3D"
SPLIT = r"h4Rs0Tn7\u002BkQ9wLmX2vBz8cYp3dFg6jUa1\u003D"
"""Unquoted, as .NET escapes a plus sign in JSON."""
JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJvaWQiOiI5YTNmN2M1MiJ9.c2lnbmF0dXJlLXZhbHVl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"see https://md-1.blob.core.windows.net/d/abcd?sv=2018&sr=b&sig={SECRET}", SECRET),
        (f"SIG={SECRET}&se=2026-01-01T00%3A00%3A00Z", SECRET),
        (f'{{"uri": "https://x?sv=2018\\u0026sig={SECRET}"}}', SECRET),
        (f"https%3A%2F%2Fx%3Fsv%3D2018%26sig%3D{SECRET}", SECRET),
        (f"https%253A%252F%252Fx%253Fsv%253D2018%2526sig%253D{SECRET}", SECRET),
        (f"https://x?sv=2018&amp;sig={SECRET}&amp;sp=r", SECRET),
        (f"https://x?sv=2018\\u0026sig\\u003d{SECRET}", SECRET),
        (f"https://x?sv=2018&sig={SPLIT}", SPLIT),
        (f"https://x?sv=2018&sig={SPLIT}", SPLIT[-20:]),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"bearer  {JWT} is not valid", JWT),
        (f"access_token={JWT}&x=1", JWT),
        (f'{{"access_token":"{JWT}"}}', JWT),
        (f"access_token: {JWT}", JWT),
        (f"the token '{JWT}' has expired", JWT),
    ],
    ids=lambda value: value[:24],
)
def test_secrets_never_reach_the_message(text: str, secret: str) -> None:
    """Messages go into alerts, and alerts to many people."""
    for words in (body("BadRequest", text), body(text, "Because.")):
        error = refused(400, {}, words)
        assert secret not in str(error)
        assert secret[:20] not in str(error)
        assert secret[:20] not in error.code


_MODELS = {vendor.SerializationError, vendor.DeserializationError}
"""Of models, which the edges do not use: they send and read plain JSON."""


def _vendor_errors() -> list[type[Exception]]:
    found = [
        kind
        for _, kind in inspect.getmembers(vendor, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == vendor.__name__
    ]
    return [kind for kind in found if kind not in _MODELS]


@pytest.mark.parametrize("kind", _vendor_errors())
def test_every_exception_of_the_vendor_is_translated(kind: type[Exception]) -> None:
    """Also one that a newer azure-core adds: the engine knows three branches only."""
    error = kind.__new__(kind)
    Exception.__init__(error, f"?sig={SECRET}")
    for name in ("status_code", "error", "response"):
        setattr(error, name, None)
    translated = failed(error)
    assert isinstance(translated, Transient)
    assert SECRET not in str(translated)


def test_the_walk_sees_the_vendors_exceptions() -> None:
    """The test above is not empty."""
    assert {vendor.ServiceRequestError, vendor.IncompleteReadError} <= set(_vendor_errors())


def test_a_bug_of_ours_is_not_dressed_up() -> None:
    """What is neither the vendor's nor a timeout stays what it is."""
    with pytest.raises(KeyError):
        failed(KeyError("bug"))
