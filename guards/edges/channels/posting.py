"""One POST to an address that is a secret: aiohttp's exceptions name it, so none gets out."""

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import ConnectionTimeoutError

from guards.edges.arm_errors import error_of
from guards.edges.http import CONNECT_TIMEOUT_S
from guards.engine.errors import GuardError, Terminal, Transient, Unanswered

TIMEOUT_S = 10
"""For one POST, from the connection to the end of the answer."""

_TROUBLE = (aiohttp.ClientError, OSError, ValueError)  # a TimeoutError is an OSError
_MOST_READ = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; `code` is that of its error, "" if it gave none."""

    status: int
    headers: Mapping[str, str]
    code: str

    @property
    def ok(self) -> bool:
        """Whether it took what was posted."""
        return 200 <= self.status < 300


class Mailbox:
    """Posts JSON to one address; without Authorization, and without following redirects."""

    def __init__(self, who: str, url: str, session: aiohttp.ClientSession, proxy: str | None):
        self._who = who
        self._url = url
        self._session = session
        self._proxy = proxy

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer, whatever it says.

        Raises:
            Transient: there was none; Unanswered if it may have been read.
            Terminal: there will be none: no URL, or a certificate that is not trusted.
        """
        try:
            return await self._post(body, headers)
        except _TROUBLE as e:
            trouble = self._failure(e)
        raise trouble  # out here it has no context: that would hold the address

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        all_headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # the session does not decompress
            "User-Agent": "export-guard",
            **headers,
        }
        async with self._session.post(
            self._url,
            data=body,
            headers=all_headers,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        ) as answer:
            # What was taken stays taken, so a 2xx is not read any further.
            code = await _code(answer) if answer.status >= 300 else ""
            return Answer(answer.status, answer.headers, code)

    def _failure(self, error: Exception) -> GuardError:
        if isinstance(error, aiohttp.InvalidURL):
            return Terminal(f"the address of {self._who} is no URL: correct the channel's setting")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Terminal(
                f"the certificate of {self._who} is not trusted: correct it, or trust "
                "its authority through SSL_CERT_FILE"
            )
        # Once the connection stands, a POST that takes too long may have been read.
        late = isinstance(error, TimeoutError) and not isinstance(error, ConnectionTimeoutError)
        kind = Unanswered if late else Transient
        return kind(f"no answer of {self._who}", code=type(error).__name__)


async def _code(answer: aiohttp.ClientResponse) -> str:
    """The error code of an answer; a body that breaks off does not hide the status."""
    body = b""
    try:
        while len(body) < _MOST_READ and (more := await answer.content.read(_MOST_READ)):
            body += more
    except _TROUBLE:
        return ""
    return error_of(body)[0]
