"""Where the policy document is read: a file of the package, or a blob with the app's identity.

A blob's URL is an app setting, and a token is sent there: `blob_url` lets only Azure's own hosts
through, and no redirect is followed.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp
from azure.core.exceptions import AzureError

from guards.edges.arm_errors import retry_after
from guards.edges.http import proxy_for
from guards.edges.identity import TIMEOUT_S as TOKEN_TIMEOUT_S
from guards.edges.identity import Identity
from guards.engine.errors import Transient
from guards.engine.policy.text import MAX_SIZE
from guards.engine.shapes import timestamp

TIMEOUT_S = 5
"""For one look at a blob, the token and a second try with a new one included."""

MAX_BYTES = MAX_SIZE
"""Of a policy; the shipped one has two thousand."""

UNREADABLE = "PolicyUnreadable"
"""The code of everything that is raised here."""

SCOPE = "https://storage.azure.com/.default"
"""The audience of storage, in every cloud."""

API_VERSION = "2025-05-05"
"""Of the blob service: one that Microsoft documents as deployed in all regions."""

_ZONED = "blob.storage.azure.net"
BLOB_HOSTS: Final = {
    "AzurePublicCloud": ("blob.core.windows.net", _ZONED),
    "AzureUSGovernment": ("blob.core.usgovcloudapi.net",),
    "AzureChinaCloud": ("blob.core.chinacloudapi.cn",),
}
"""What stands behind the account's name in a blob's host, by cloud."""

_ROOT = Path(__file__).parents[2]
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_ZONE = re.compile(r"z[0-9]{1,2}")
_SERVICE = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[a-z0-9]+)*/?")
_CHARACTER = r"(?:[a-zA-Z0-9_.~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
_PATH = re.compile(rf"[a-z0-9][a-z0-9-]{{2,62}}(?:/{_CHARACTER}+)+")
_ENCODED = re.compile(rb"[/\\\x00-\x1f\x7f]")
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,100}"')
_CODE = re.compile(r"[A-Za-z]{1,64}")

_ADVICE = {
    401: "the account does not take the identity's token: do both belong to one tenant?",
    403: "the app's identity needs Storage Blob Data Reader on the container, and the account's "
    "firewall must let the app in",
    404: "no such blob: upload the policy, or correct GUARD_POLICY",
    409: "the account or the blob cannot be read as it stands",
    412: "a condition on the blob does not hold; it is tried again",
    429: "the account is asked too often; it is tried again",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A policy as it was found.

    Attributes:
        text: not parsed yet.
        etag: another one for another text; "" if the source gave none.
        last_modified: UTC, ISO 8601 with Z; "" if the source gave none.
    """

    text: str
    etag: str
    last_modified: str


class FileSource:
    """A file of the package, or any other with an absolute path."""

    def __init__(self, path: Path | str) -> None:
        self._path = _ROOT / path
        inside = self._path.is_relative_to(_ROOT)
        self.name = str(self._path.relative_to(_ROOT) if inside else self._path)
        """The path in the package; harmless to show."""

    async def read(self, etag: str) -> Document | None:
        """The document; None if it still is that of `etag` ("" if there was none).

        Raises:
            Transient: it cannot be read; the message says what to do.
        """
        return await asyncio.to_thread(self._read, etag)

    def _read(self, etag: str) -> Document | None:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
                modified = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except (OSError, ValueError) as e:
            why = getattr(e, "strerror", None) or type(e).__name__
            raise _unreadable(f"{why}: deploy the file, or correct GUARD_POLICY") from e
        found = hashlib.sha256(content).hexdigest()
        if found == etag:
            return None
        return Document(_text(content), found, timestamp(modified))


class BlobSource:
    """A blob, read with the app's identity; `url` is one that `blob_url` let through."""

    def __init__(self, url: str, session: aiohttp.ClientSession, identity: Identity) -> None:
        parts = urlsplit(url)
        self.name = parts.netloc + parts.path
        """Host and path; harmless to show."""
        self._url = url
        self._session = session
        self._identity = identity
        self._proxy = proxy_for(url)

    async def read(self, etag: str) -> Document | None:
        """As `FileSource.read`; without a cause, since aiohttp's hold the token and the answer."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._read(etag)
        except TimeoutError:
            why = f"no answer within {TIMEOUT_S} s: does the account's firewall let the app in?"
        except (aiohttp.ClientError, OSError, ValueError) as e:
            why = (
                f"the connection failed ({type(e).__name__}): is the host right, and within reach?"
            )
        raise _unreadable(why)

    async def _read(self, etag: str) -> Document | None:
        """After a 401 once more with a new token."""
        generation = self._identity.generation
        try:
            return await self._get(etag)
        except Transient as e:
            if e.status != 401:
                raise
        await self._identity.renew(generation)
        return await self._get(etag)

    async def _get(self, etag: str) -> Document | None:
        headers = {
            "Authorization": f"Bearer {await self._token()}",
            "x-ms-version": API_VERSION,
            "Accept-Encoding": "identity",  # the session does not decompress
            "User-Agent": "export-guard",
        }
        if etag:
            headers["If-None-Match"] = etag
        async with self._session.get(
            self._url, headers=headers, allow_redirects=False, proxy=self._proxy
        ) as answer:
            if answer.status == 304 and etag:
                return None
            if answer.status != 200:
                raise self._refused(answer)
            text = _text(await self._content(answer))
            found = answer.headers.get("ETag", "")
            modified = _moment(answer.headers.get("Last-Modified", ""))
            return Document(text, found if _ETAG.fullmatch(found) else "", modified)

    async def _token(self) -> str:
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                return (await self._identity.get_token(SCOPE)).token
        except (AzureError, TimeoutError) as e:
            why = f"no token ({type(e).__name__})"
        raise _unreadable(f"{why}: does the app have the identity of AZURE_CLIENT_ID?")

    async def _content(self, answer: aiohttp.ClientResponse) -> bytes:
        """All of a body, but never more than a byte above what a policy may have."""
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _unreadable("it is stored compressed: upload it as it is")
        chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if answer.content_length is None and not chunked:
            raise _unreadable("its length is not known, so it may have been cut short")
        try:
            return await answer.content.readexactly(MAX_BYTES + 1)
        except asyncio.IncompleteReadError as e:
            return e.partial

    def _refused(self, answer: aiohttp.ClientResponse) -> Transient:
        """Azure's code and what to do about it; its words may be anybody's."""
        status = answer.status
        code = answer.headers.get("x-ms-error-code", "")
        what = f"{status} {code}" if _CODE.fullmatch(code) else str(status)
        if 300 <= status < 400 and status != 304:
            advice = "it redirects, and the app's token goes nowhere else: name the blob itself"
        elif status >= 500:
            advice = "storage has trouble, and is asked again"
        else:
            advice = _ADVICE.get(status, "storage does not answer as it should")
        return _unreadable(f"{what}: {advice}", status, retry_after(answer.headers))


class NoSource:
    """A GUARD_POLICY that names no place a policy is read from: never asked, only told."""

    name = "that GUARD_POLICY names"

    def __init__(self, why: str) -> None:
        self._why = why

    async def read(self, etag: str) -> Document | None:
        """As `FileSource.read`; always raises."""
        raise _unreadable(f"{self._why}: correct GUARD_POLICY")


def blob_url(text: str, hosts: Sequence[str], also: str = "") -> str:
    """The text itself, if it is the URL of a blob that a token may be sent to.

    It is matched as it stands: what is parsed twice can be understood in two ways.

    Args:
        text: an app setting.
        hosts: what may stand behind the account's name, of `BLOB_HOSTS`.
        also: a service whose blobs are allowed, too: https, host, and perhaps port and path.

    Raises:
        ValueError: it is not; the message says why without the text, which may hold a secret.
    """
    if also and not _SERVICE.fullmatch(also):
        raise ValueError("the blob service must be https://HOST[:PORT][/ACCOUNT]")
    if not text.startswith("https://"):
        raise ValueError("the URL of a blob must start with https://: a token is sent there")
    if "?" in text or "#" in text:
        raise ValueError(
            "the URL of a blob must end with its name: no SAS or other query is needed, since the "
            "app's identity is used"
        )
    below = f"{also.rstrip('/')}/"
    if also and text.startswith(below):
        path = text.removeprefix(below)
    else:
        host, _, path = text.removeprefix("https://").partition("/")
        if not _is_blob_host(host, hosts):
            allowed = " or ".join(f"ACCOUNT.{name}" for name in hosts)
            raise ValueError(
                f"the host of a blob must be {allowed}, in lower case, without user or port"
            )
    if not _PATH.fullmatch(path):
        raise ValueError(
            "the path of a blob must be CONTAINER/NAME, with other characters percent-encoded"
        )
    for segment in map(unquote_to_bytes, path.split("/")):
        if segment in (b".", b"..") or _ENCODED.search(segment):
            raise ValueError(
                "the path of a blob must have no dots for a folder, and no slash or control "
                "character in disguise"
            )
    return text


def _is_blob_host(host: str, hosts: Sequence[str]) -> bool:
    account, _, rest = host.partition(".")
    zone, _, parent = rest.partition(".")
    zoned = parent == _ZONED and _ZONE.fullmatch(zone) is not None
    return _ACCOUNT.fullmatch(account) is not None and (parent if zoned else rest) in hosts


def _text(content: bytes) -> str:
    """The text of a document; a byte order mark is not part of it."""
    if len(content) > MAX_BYTES:
        raise _unreadable(f"it has more than {MAX_BYTES} bytes, which no policy needs")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise _unreadable(f"it is not UTF-8 from byte {e.start} on: save it so") from None


def _moment(date: str) -> str:
    """An HTTP date as a timestamp; "" if it is none."""
    try:
        return timestamp(parsedate_to_datetime(date).replace(tzinfo=UTC))  # always GMT
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _unreadable(why: str, status: int = 0, wait: float | None = None) -> Transient:
    return Transient(why, code=UNREADABLE, status=status, retry_after=wait)
