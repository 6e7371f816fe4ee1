"""What a list answers: everything at once, or page after page.

A `nextLink` leads to this ARM as the client called it, and is to be followed as it is.
"""

import json
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from sandbox.arm.answers import Answer, Request
from sandbox.arm.errors import bad_request
from sandbox.arm.kinds import Kind
from sandbox.arm.store import Resource

_TOKEN: Final = "$skiptoken"


def page(request: Request, kind: Kind, found: list[Resource]) -> Answer:
    """The page of a list that the request asks for."""
    start = _start(request)
    shown = found[start : start + kind.page] if kind.page else found
    value = b'{"value": [' + b", ".join(resource.encoded for resource in shown) + b"]"
    after = start + len(shown)
    if kind.page and after < len(found):
        value += b', "nextLink": ' + json.dumps(_next(request, after)).encode()
    return Answer(200, value + b"}")


def _start(request: Request) -> int:
    token = parse_qs(urlsplit(request.path_qs).query).get(_TOKEN, ["0"])[0]
    if not (token.isascii() and token.isdigit() and len(token) < 7):
        raise bad_request(f"The skip token '{token}' is invalid.", code="InvalidParameter")
    return int(token)


def _next(request: Request, start: int) -> str:
    query = urlencode({"api-version": request.api_version, _TOKEN: start})
    return f"{request.base_url}{urlsplit(request.path_qs).path}?{query}"
