"""What a link leads to: a blob that comes slowly, so that somebody can break a download off.

Every blob is 32 MiB long whatever its disk's size, and the byte at place n is n modulo 256. When a
link ends, the connections that read through it are cut in the middle, and whoever comes later is
told 403 AuthenticationFailed, as for a link that never was. Undocumented, so guesses: that a
download under way is cut, and that a link to write is refused with another code.
"""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, TypedDict

from aiohttp import web

from sandbox.arm.links import Link, Links

SIZE: Final = 32 << 20
CHUNK: Final = 256 << 10
PAUSE_S: Final = 0.05
"""Between two chunks: about 5 MiB a second, so a whole blob takes more than 6 seconds."""
STALL_S: Final = 30.0
"""How long a client may take no bytes."""
MOST_KEPT: Final = 1000
_PATTERN: Final = bytes(range(256)) * (CHUNK // 256 + 1)
_RANGE: Final = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")
_REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure the value of Authorization header "
        "is formed correctly including the signature.",
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "InvalidRange": (
        416,
        "The range specified is invalid for the current size of the resource.",
    ),
    "UnsupportedHttpVerb": (405, "The resource doesn't support specified Http Verb."),
}


class Download(TypedDict):
    """One GET of a blob."""

    resource: str
    """The ID of the disk, snapshot or disk restore point."""
    startedAt: str
    bytes: int
    """Sent so far."""
    endedAt: str | None
    """None while it is under way."""
    brokenOff: bool
    """Whether the link's end cut it; not so when the client left."""


class Downloads:
    """The blobs behind the links, and the list of who read them."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._kept: deque[Download] = deque(maxlen=MOST_KEPT)

    def kept(self) -> list[Download]:
        """The downloads so far, oldest first."""
        return list(self._kept)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve GET or HEAD of a blob, whole or a range, or GET of the list of its pages."""
        link = self._links.find(request.path, request.query.get("sig", ""))
        if link is None:
            return _refuse("AuthenticationFailed")
        if request.method not in ("GET", "HEAD"):
            return _refuse("UnsupportedHttpVerb")
        if link.access != "Read":
            return _refuse("AuthorizationPermissionMismatch")
        if request.query.get("comp") == "pagelist":
            return _pages()
        first, last, status = _asked(request.headers)
        if first > last:
            return _refuse("InvalidRange")
        response = web.StreamResponse(status=status, headers=_headers(first, last, status))
        await response.prepare(request)
        if request.method == "GET":
            await self._send(request, response, link, range(first, last + 1))
        return response

    async def _send(
        self, request: web.BaseRequest, response: web.StreamResponse, link: Link, span: range
    ) -> None:
        download: Download = {
            "resource": link.resource_id,
            "startedAt": _now(),
            "bytes": 0,
            "endedAt": None,
            "brokenOff": False,
        }
        self._kept.append(download)

        def break_off() -> None:
            download["brokenOff"] = True
            _cut(request)

        link.on_end.add(break_off)
        try:
            for start in span[::CHUNK]:
                length = min(CHUNK, span.stop - start)
                async with asyncio.timeout(STALL_S):
                    await response.write(_content(start, length))
                download["bytes"] += length
                await asyncio.sleep(PAUSE_S)
        except (ConnectionError, TimeoutError):
            _cut(request)  # cut already, or the client is gone or takes nothing
        finally:
            link.on_end.discard(break_off)
            download["endedAt"] = _now()


def _asked(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """First and last place, and the status; a range that cannot be read means the whole blob."""
    match = _RANGE.fullmatch(headers.get("x-ms-range") or headers.get("Range", ""))
    if match is None:
        return 0, SIZE - 1, 200
    return int(match[1]), min(int(match[2] or SIZE - 1), SIZE - 1), 206


def _headers(first: int, last: int, status: int) -> dict[str, str]:
    headers = {
        "Content-Length": str(last - first + 1),
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "ETag": '"0x8DC0FFEE0000000"',
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        "x-ms-blob-type": "PageBlob",
        "x-ms-version": "2018-03-28",
    }
    if status == HTTPStatus.PARTIAL_CONTENT:
        headers["Content-Range"] = f"bytes {first}-{last}/{SIZE}"
    return headers


def _pages() -> web.Response:
    """Which pages hold data: all; storage clients ask before they download a page blob."""
    ranges = f"<PageRange><Start>0</Start><End>{SIZE - 1}</End></PageRange>"
    return _xml(200, f"<PageList>{ranges}</PageList>", {"x-ms-blob-content-length": str(SIZE)})


def _content(start: int, length: int) -> bytes:
    at = start % 256
    return _PATTERN[at : at + length]


def _refuse(code: str) -> web.Response:
    status, message = _REFUSALS[code]
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return _xml(status, body, {"x-ms-error-code": code})


def _xml(status: int, body: str, headers: Mapping[str, str]) -> web.Response:
    text = f'<?xml version="1.0" encoding="utf-8"?>{body}'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
