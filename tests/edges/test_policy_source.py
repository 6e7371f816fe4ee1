"""Reading a policy: a file, a blob on Azurite, and a scripted server for bad weather."""

import asyncio
import base64
import gzip
import logging
import os
import traceback
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from azure.storage.blob import ContentSettings
from azure.storage.blob._shared.constants import STORAGE_OAUTH_SCOPE
from azure.storage.queue._shared.constants import (
    STORAGE_OAUTH_SCOPE as QUEUE_SCOPE,
)
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from guards.edges import http, policy_source
from guards.edges.identity import Identity
from guards.edges.policy_source import (
    BLOB_HOSTS,
    MAX_BYTES,
    SCOPE,
    BlobSource,
    Document,
    FileSource,
    blob_url,
)
from guards.engine.errors import Transient
from sandbox.certificates import Certificates
from sandbox.storage import Blobs
from tests.edges.conftest import Tokens
from tests.edges.loopback import Loopback, Script, answer, reset, silence
from tests.edges.test_identity import NONSENSE

ROOT = Path(__file__).parents[2]
TEXT = "version: 1  # Größe ✓\n"
WORDS = "words-of-a-body"
FOUND = {"ETag": '"0x1"', "Last-Modified": "Sun, 22 Nov 2026 05:32:59 GMT"}
GOOD = answer(200, TEXT, FOUND)


# A file


def test_a_file_is_named_as_the_setting_names_it(tmp_path: Path) -> None:
    """Inside the package without the folder that it happens to lie in."""
    assert FileSource("policy.yaml").name == "policy.yaml"
    assert FileSource(ROOT / "policies/eu.yaml").name == "policies/eu.yaml"
    assert FileSource(tmp_path / "policy.yaml").name == str(tmp_path / "policy.yaml")


async def test_the_shipped_policy_is_read() -> None:
    """From the package, whatever the working directory is."""
    document = await FileSource("policy.yaml").read("")
    assert document is not None
    assert document.text == (ROOT / "policy.yaml").read_text(encoding="utf-8")
    assert document.last_modified.endswith("Z")


async def test_a_file_is_read_again_when_its_content_is_another(tmp_path: Path) -> None:
    """A new time alone is no change, the same size and time are no excuse."""
    path = tmp_path / "policy.yaml"
    path.write_text("mode: a")
    os.utime(path, (0, 1_767_323_045))
    source = FileSource(path)
    first = await source.read("")
    assert first is not None
    assert (first.text, first.last_modified) == ("mode: a", "2026-01-02T03:04:05.000Z")
    os.utime(path)
    assert await source.read(first.etag) is None
    path.write_text("mode: b")
    os.utime(path, (0, 1_767_323_045))
    second = await source.read(first.etag)
    assert second is not None
    assert second.text == "mode: b"
    assert second.etag != first.etag


async def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    """As some editors write it."""
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1")
    document = await FileSource(path).read("")
    assert document is not None
    assert document.text == "version: 1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory: deploy the file, or correct GUARD_POLICY"),
        (b"a: \xff", "not UTF-8 from byte 3 on"),
        ("version: 1".encode("utf-16"), "not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "more than 1048576 bytes"),
    ],
    ids=["missing", "latin-1", "utf-16", "too large"],
)
async def test_a_file_that_cannot_be_read_says_why(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    """Transient: a deployment may be under way."""
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Transient, match=said) as caught:
        await FileSource(path).read("")
    assert caught.value.code == "PolicyUnreadable"


@pytest.mark.parametrize("path", ["guards", "policy.yaml/x", "a\0b", "x" * 5000])
async def test_a_path_that_is_no_file_is_no_accident(path: str) -> None:
    """A folder, a file taken for one, and names that no system takes."""
    with pytest.raises(Transient, match="correct GUARD_POLICY"):
        await FileSource(path).read("")


# A blob, in good weather


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blobs(certificates: Certificates) -> AsyncIterator[Blobs]:
    """One storage account for this module, with the container `policy`."""
    running = Blobs(certificates)
    await running.start()
    await running.create_container("policy")
    yield running
    await running.stop()


type At = Callable[[str], BlobSource]


@pytest.fixture
def at(tokens: Tokens, session: aiohttp.ClientSession) -> At:
    """A source on any URL, with the app's identity."""
    return lambda url: BlobSource(url, session, tokens.identity)


async def upload(
    blobs: Blobs, content: bytes, name: str = "policy.yaml", encoding: str = ""
) -> str:
    """Put a blob in place of the one before; its URL, as the setting has it."""
    async with blobs.client() as service:
        blob = service.get_blob_client("policy", name)
        settings = ContentSettings(content_encoding=encoding or None)
        await blob.upload_blob(content, overwrite=True, content_settings=settings)
        return blob_url(blob.url, (), blobs.uri)


async def test_a_blob_is_read_with_the_identity(
    blobs: Blobs, at: At, tokens: Tokens, session: aiohttp.ClientSession
) -> None:
    """It is private: who has no token does not see it. One token serves for many looks."""
    url = await upload(blobs, TEXT.encode())
    source = at(url)
    document = await source.read("")
    assert document is not None
    assert document.text == TEXT
    assert document.etag
    assert datetime.fromisoformat(document.last_modified).utcoffset() is not None
    assert document.last_modified.endswith("Z")
    assert await source.read("") == document
    assert tokens.endpoint.requests == 1
    async with session.get(url) as anonymous:
        assert anonymous.status in (401, 403, 404)


async def test_a_blob_is_read_again_when_it_was_written_again(blobs: Blobs, at: At) -> None:
    """Until then storage itself says that nothing is new."""
    source = at(await upload(blobs, b"mode: a"))
    first = await source.read("")
    assert first is not None
    assert await source.read(first.etag) is None
    await upload(blobs, b"mode: b")
    second = await source.read(first.etag)
    assert second is not None
    assert second.text == "mode: b"
    assert second.etag != first.etag
    assert await source.read(second.etag) is None


@pytest.mark.parametrize(
    "name", ["prod/eu/policy.yaml", "größe 1+1=2 @ 100%.yaml", "a..b", "~!'()"]
)
async def test_a_blobs_name_may_hold_anything(name: str, blobs: Blobs, at: At) -> None:
    """Percent-encoded as the portal shows the URL."""
    document = await at(await upload(blobs, name.encode(), name)).read("")
    assert document is not None
    assert document.text == name


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of the upload
async def test_a_mebibyte_is_read_and_not_a_byte_more(blobs: Blobs, at: At) -> None:
    """The limit is the same as of a file."""
    largest = await at(await upload(blobs, b"#" * MAX_BYTES)).read("")
    assert largest is not None
    assert len(largest.text) == MAX_BYTES
    with pytest.raises(Transient, match="more than 1048576 bytes"):
        await at(await upload(blobs, b"#" * (MAX_BYTES + 1))).read("")


async def test_an_empty_blob_is_an_empty_text(blobs: Blobs, at: At) -> None:
    """What that means is the policy's business; with or without a byte order mark."""
    for content in (b"", b"\xef\xbb\xbf"):
        document = await at(await upload(blobs, content)).read("")
        assert document is not None
        assert document.text == ""


@pytest.mark.parametrize("place", ["policy/none.yaml", "none/policy.yaml"])
async def test_a_blob_that_is_not_there_is_told(place: str, blobs: Blobs, at: At) -> None:
    """With Azure's code, and what to do."""
    url = f"{blobs.uri}/{place}"
    with pytest.raises(
        Transient, match=r"404 (Blob|Container)NotFound: no such blob: up"
    ) as caught:
        await at(url).read("")
    assert (caught.value.code, caught.value.status) == ("PolicyUnreadable", 404)


async def test_a_compressed_blob_is_told(blobs: Blobs, at: At) -> None:
    """The uploading tool did it; the bytes are no text."""
    url = await upload(blobs, gzip.compress(TEXT.encode()), encoding="gzip")
    with pytest.raises(Transient, match="stored compressed"):
        await at(url).read("")


async def test_a_token_for_somebody_else_is_refused(
    blobs: Blobs, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audience matters: with ARM's the blob stays closed, and the advice is about rights."""
    url = await upload(blobs, TEXT.encode())
    monkeypatch.setattr(policy_source, "SCOPE", "https://management.azure.com/.default")
    with pytest.raises(Transient, match=r"403 AuthenticationFailed: .* Storage Blob Data Reader"):
        await at(url).read("")


def test_the_audience_is_the_sdks() -> None:
    """One for all of storage, and for every cloud."""
    assert SCOPE == STORAGE_OAUTH_SCOPE == QUEUE_SCOPE


# A blob, in bad weather


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[Loopback]:
    """A storage account that answers as a test wants."""
    async with Loopback(certificates.server_context(), GOOD) as running:
        yield running


def at_server(server: Loopback, at: At) -> BlobSource:
    """A source on the scripted server."""
    return at(f"{server.url}/account/policy/policy.yaml")


async def unreadable(
    source: BlobSource, caplog: pytest.LogCaptureFixture, etag: str = ""
) -> Transient:
    """The error, after a look that neither a message nor a traceback nor the log says too much."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Transient) as caught:
        await source.read(etag)
    error = caught.value
    assert error.code == "PolicyUnreadable"
    assert str(error).startswith("PolicyUnreadable: ")
    told = "".join(traceback.format_exception(error)) + caplog.text
    assert "eyJ" not in told  # how every token starts
    assert WORDS not in told
    return error


async def test_what_is_asked(server: Loopback, at: At) -> None:
    """One GET with token, version and ETag, and nothing that invites compression."""
    assert await at_server(server, at).read('"0x0"') == Document(
        TEXT, '"0x1"', "2026-11-22T05:32:59.000Z"
    )
    (request,) = server.requests
    start, *headers = request.rstrip().split("\r\n")
    assert start == "GET /account/policy/policy.yaml HTTP/1.1"
    sent = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
    claims = sent["authorization"].removeprefix("Bearer ").split(".")[1]
    assert b'"aud":"https://storage.azure.com"' in base64.urlsafe_b64decode(claims + "==")
    assert sent["x-ms-version"] == policy_source.API_VERSION
    assert sent["if-none-match"] == '"0x0"'
    assert sent["accept-encoding"] == "identity"


async def test_nothing_new_is_nothing(server: Loopback, at: At) -> None:
    """304 on the ETag of before."""
    server.script(answer(304, None, {"x-ms-error-code": "ConditionNotMet"}))
    assert await at_server(server, at).read('"0x1"') is None


async def test_what_was_never_read_cannot_be_unchanged(
    server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """A 304 that nobody asked for is no policy."""
    server.script(answer(304))
    error = await unreadable(at_server(server, at), caplog)
    assert "if-none-match" not in server.requests[0].lower()
    assert error.status == 304


async def test_a_token_that_ran_out_is_renewed_once(
    server: Loopback, at: At, tokens: Tokens
) -> None:
    """401, a new token, and the policy; the next look uses the new one."""
    server.script(answer(401, WORDS), GOOD)
    source = at_server(server, at)
    assert await source.read("") is not None
    assert await source.read("") is not None
    assert tokens.endpoint.requests == 2
    first, second, third = (
        next(line for line in request.split("\r\n") if line.startswith("Authorization"))
        for request in server.requests
    )
    assert first != second == third


async def test_a_token_that_is_never_good_is_told(
    server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tries, no third."""
    server.script(answer(401, WORDS, {"x-ms-error-code": "InvalidAuthenticationInfo"}))
    error = await unreadable(at_server(server, at), caplog)
    assert "401 InvalidAuthenticationInfo: the account does not take" in str(error)
    assert len(server.requests) == 2


async def test_trouble_after_the_renewal_is_told_as_it_is(
    server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as the 401 of before."""
    server.script(answer(401), answer(403))
    assert (await unreadable(at_server(server, at), caplog)).status == 403


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(
    status: int,
    server: Loopback,
    at: At,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The other host never hears of the app, let alone of its token."""
    async with Loopback(certificates.server_context(), GOOD) as other:
        server.script(answer(status, WORDS, {"Location": f"{other.url}/{WORDS}"}))
        error = await unreadable(at_server(server, at), caplog)
        assert (other.connections, other.requests) == (0, [])
    assert f"{status}: it redirects" in str(error)
    assert len(server.requests) == 1


def coded(status: int, code: str, **headers: str) -> bytes:
    """An answer of storage, with words that are not ours to repeat."""
    return answer(status, WORDS, {"x-ms-error-code": code, **headers})


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (coded(400, "InvalidHeaderValue"), "400 InvalidHeaderValue: storage does not answer"),
        (coded(403, "AuthorizationPermissionMismatch"), "Mismatch: the app's identity needs"),
        (coded(404, "BlobNotFound"), "404 BlobNotFound: no such blob"),
        (coded(409, "BlobArchived"), "409 BlobArchived: the account or the blob cannot be read"),
        (coded(412, "ConditionNotMet"), "412 ConditionNotMet: a condition"),
        (coded(429, "TooManyRequests"), "429 TooManyRequests: the account is asked too often"),
        (coded(500, "InternalError"), "500 InternalError: storage has trouble"),
        (coded(503, "ServerBusy"), "503 ServerBusy: storage has trouble"),
        (coded(404, WORDS), "404: no such blob"),
        (coded(404, "<b>" * 90), "404: no such blob"),
        (coded(404, "é"), "404: no such blob"),
        (answer(403), "403: the app's identity needs Storage Blob Data Reader on the container"),
        (answer(206, WORDS), "206: storage does not answer"),
        (answer(204), "204: storage does not answer"),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_to_do(
    script: bytes, said: str, server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """Azure's code if it is one, advice, and not a word of the body."""
    server.script(script)
    error = await unreadable(at_server(server, at), caplog)
    assert said in str(error)
    assert f" {error.status}" in str(error)


async def test_the_pause_that_storage_asks_for_is_kept(
    server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """For whoever asks again."""
    server.script(answer(503, None, {"Retry-After": "7"}))
    assert (await unreadable(at_server(server, at), caplog)).retry_after == 7


def raw(content: bytes) -> Script:
    """Bytes that are no proper answer; then the connection stays until the client has gone."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        await silence(writer)

    return script


def cut(content: bytes) -> Script:
    """Bytes, and the end of the connection in good order."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        writer.close()
        await writer.wait_closed()

    return script


async def endless(writer: asyncio.StreamWriter) -> None:
    """A policy that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"#" * 65536)
        await writer.drain()
        await asyncio.sleep(0)  # `drain` alone leaves no turn to the client


HEAD = b"HTTP/1.1 200 OK\r\n"
STORMS: dict[str, tuple[Script, str]] = {
    "reset": (reset, "the connection failed"),
    "cut short": (cut(answer(200, WORDS, {"Content-Length": "999"})), "the connection failed"),
    "cut chunks": (
        cut(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\na: b\r\n"),
        "the connection failed",
    ),
    "no length": (raw(HEAD + b"\r\nversion: 1\n"), "its length is not known"),
    "no length but for an encoding": (
        raw(HEAD + b"Transfer-Encoding: identity\r\n\r\nversion: 1\n"),
        "PolicyUnreadable",
    ),
    "5 MB": (answer(200, b"#" * 5_000_000), "more than 1048576 bytes"),
    "endless": (endless, "more than 1048576 bytes"),
    "gzip": (
        answer(200, gzip.compress(TEXT.encode()), {"Content-Encoding": "gzip"}),
        "stored compressed",
    ),
    "gzip in secret": (answer(200, gzip.compress(TEXT.encode())), "not UTF-8 from byte 1 on"),
    "latin-1": (answer(200, "Größe".encode("latin-1")), "not UTF-8 from byte 2 on"),
    "not http": (raw(f"{WORDS} {WORDS}\r\n\r\n".encode()), "the connection failed"),
    "a long header": (
        raw(HEAD + b"X: " + WORDS.encode() * 9999 + b"\r\n\r\n"),
        "the connection failed",
    ),
    "a bad length": (answer(200, TEXT, {"Content-Length": "-1"}), "the connection failed"),
    "two lengths": (
        raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "the connection failed",
    ),
    "bad chunks": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + WORDS.encode() + b"\r\n"),
        "the connection failed",
    ),
}


@pytest.mark.parametrize("name", STORMS)
async def test_no_weather_is_a_policy(
    name: str, server: Loopback, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    """What did not arrive whole and as text is an error; the next look is an ordinary one."""
    script, said = STORMS[name]
    server.script(script)
    source = at_server(server, at)
    assert said in str(await unreadable(source, caplog))
    server.script(GOOD)
    document = await source.read("")
    assert document is not None
    assert document.text == TEXT


async def test_silence_is_known_in_time(
    server: Loopback, at: At, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first byte, or after the first line of a policy."""
    monkeypatch.setattr(policy_source, "TIMEOUT_S", 0.3)
    for script in (silence, raw(HEAD + b"Content-Length: 99\r\n\r\nversion: 1\n")):
        server.script(script)
        error = await unreadable(at_server(server, at), caplog)
        assert "no answer within 0.3 s: does the account's firewall let" in str(error)


async def test_a_server_that_is_not_there_is_told(at: At, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens."""
    error = await unreadable(at("https://127.0.0.1:1/account/policy/p"), caplog)
    assert "the connection failed (ClientConnectorError): is the host right" in str(error)


async def test_a_server_that_nobody_vouches_for_gets_no_token(
    server: Loopback, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    """Its certificate is checked first."""
    async with http.open_session() as session:
        source = BlobSource(f"{server.url}/account/policy/p", session, tokens.identity)
        error = await unreadable(source, caplog)
    assert "ClientConnectorCertificateError" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("odd", ["no-quotes", '"é"', '"a\tb"', f'"{"x" * 200}"', ""])
async def test_an_etag_that_is_none_is_not_sent_back(odd: str, server: Loopback, at: At) -> None:
    """The policy is read all the same, and then in full again."""
    server.script(answer(200, TEXT, {"ETag": odd, "Last-Modified": odd}))
    assert await at_server(server, at).read("") == Document(TEXT, "", "")


@pytest.mark.parametrize("name", sorted(NONSENSE.keys() - {"no token", "not a token"}))
async def test_an_app_without_an_identity_is_told(
    name: str,
    server: Loopback,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the identity's trouble; storage, which would judge a token, is not even asked."""
    monkeypatch.setattr(policy_source, "TOKEN_TIMEOUT_S", 0.3)
    async with Loopback(None, NONSENSE[name]) as endpoint:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        async with Identity(SCOPE) as identity:
            source = BlobSource(f"{server.url}/account/policy/p", session, identity)
            error = await unreadable(source, caplog)
    assert "no token (" in str(error)
    assert "does the app have the identity of AZURE_CLIENT_ID?" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
async def test_a_token_that_is_none_goes_nowhere(
    token: str, server: Loopback, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a header of its own."""
    said = {"access_token": token, "expires_on": "99999999999", "resource": "r"}
    script = answer(200, said, {"Content-Type": "application/json"})
    async with Loopback(None, script) as endpoint:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        async with Identity(SCOPE) as identity:
            source = BlobSource(f"{server.url}/account/policy/p", session, identity)
            with pytest.raises(Transient, match="PolicyUnreadable"):
                await source.read("")
    assert server.requests == []


async def test_a_proxy_is_used_and_hears_no_token(
    server: Loopback,
    session: aiohttp.ClientSession,
    tokens: Tokens,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That of the environment; it opens the way to the account, or says no."""
    await tokens.identity.get_token(SCOPE)  # azure-identity reads the proxy, too
    async with Loopback(None, answer(407, WORDS)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        source = BlobSource(f"{server.url}/account/policy/p", session, tokens.identity)
        assert "ClientHttpProxyError" in str(await unreadable(source, caplog))
    (request,) = proxy.requests
    assert request.startswith(f"CONNECT {server.url.removeprefix('https://')} ")
    assert "authorization" not in request.lower()
    assert server.requests == []


# The setting


PUBLIC = BLOB_HOSTS["AzurePublicCloud"]
SERVICE = "https://127.0.0.1:1234/devstoreaccount1"
FINE = "https://acct.blob.core.windows.net/policies/policy.yaml"


def test_every_cloud_has_its_hosts() -> None:
    """The clouds are those of GUARD_CLOUD."""
    assert set(BLOB_HOSTS) == {
        f"Azure{name}" for name in ("PublicCloud", "USGovernment", "ChinaCloud")
    }


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        (FINE, PUBLIC),
        ("https://abc.blob.core.windows.net/abc/p", PUBLIC),
        (f"https://{'a1' * 12}.blob.core.windows.net/a-1/prod/eu/policy.yaml", PUBLIC),
        ("https://acct.blob.storage.azure.net/policies/policy.yaml", PUBLIC),
        ("https://acct.z7.blob.storage.azure.net/policies/policy.yaml", PUBLIC),
        ("https://z42.z42.blob.storage.azure.net/policies/policy.yaml", PUBLIC),
        ("https://acct.blob.core.windows.net/policies/gr%C3%B6%C3%9Fe%201.yaml", PUBLIC),
        ("https://acct.blob.core.windows.net/policies/a..b/...c/~d!", PUBLIC),
        ("https://acct.blob.core.usgovcloudapi.net/abc/p", BLOB_HOSTS["AzureUSGovernment"]),
        ("https://acct.blob.core.chinacloudapi.cn/abc/p", BLOB_HOSTS["AzureChinaCloud"]),
        (f"{SERVICE}/policy/policy.yaml", PUBLIC),
        (f"{SERVICE}/policy/a/b", ()),
    ],
)
def test_a_blobs_url_is_taken_as_it_is(text: str, hosts: tuple[str, ...]) -> None:
    """What the portal shows as URL, in the cloud the app is in, or below the sandbox's service."""
    assert blob_url(text, hosts, SERVICE) == text
    assert blob_url(text, hosts, f"{SERVICE}/") == text


HOST = "the host of a blob must be ACCOUNT.blob.core.windows.net or ACCOUNT.blob.storage.azure.net"
BAD = {
    "https://evil.example/x.blob.core.windows.net/": HOST,
    "https://acct.blob.core.windows.net.evil.example/c/p": HOST,
    "https://acct.blob.core.windows.net@evil.example/c/p": HOST,
    "https://user:secret@acct.blob.core.windows.net/policies/p": HOST,
    "https://@acct.blob.core.windows.net/policies/p": HOST,
    "https://evil.example\\@acct.blob.core.windows.net/policies/p": HOST,
    "https://evil.example\\.blob.core.windows.net/policies/p": HOST,
    "https://acct.blob.core.windows.net\\.evil.example/policies/p": HOST,
    "https:\\\\acct.blob.core.windows.net\\policies\\p": "must start with https://",
    "https://Acct.blob.core.windows.net/policies/p": HOST,
    "https://acct.BLOB.core.windows.net/policies/p": HOST,
    "HTTPS://acct.blob.core.windows.net/policies/p": "must start with https://",
    "http://acct.blob.core.windows.net/policies/p": "must start with https://",
    "ftp://acct.blob.core.windows.net/policies/p": "must start with https://",
    "//acct.blob.core.windows.net/policies/p": "must start with https://",
    "https:acct.blob.core.windows.net/policies/p": "must start with https://",
    "https:///acct.blob.core.windows.net/policies/p": HOST,
    "https:////evil.example/policies/p": HOST,
    "https://": HOST,
    "": "must start with https://",
    "policy.yaml": "must start with https://",
    "https://acct.blob.core.windows.net./policies/p": HOST,
    "https://.blob.core.windows.net/policies/p": HOST,
    "https://blob.core.windows.net/policies/p": HOST,
    "https://ac.blob.core.windows.net/policies/p": HOST,
    f"https://{'a' * 25}.blob.core.windows.net/policies/p": HOST,
    "https://my-acct.blob.core.windows.net/policies/p": HOST,
    "https://a.b.blob.core.windows.net/policies/p": HOST,
    "https://acct.z1.blob.core.windows.net/policies/p": HOST,
    "https://acct.z100.blob.storage.azure.net/policies/p": HOST,
    "https://acct.z.blob.storage.azure.net/policies/p": HOST,
    "https://acct.z٣.blob.storage.azure.net/policies/p": HOST,
    "https://acct.privatelink.blob.core.windows.net/policies/p": HOST,
    "https://acct.queue.core.windows.net/policies/p": HOST,
    "https://acct.blob.core.usgovcloudapi.net/policies/p": HOST,
    "https://acсt.blob.core.windows.net/policies/p": HOST,
    "https://acct.blob.core.windows。net/policies/p": HOST,
    "https://acct.blob.core.windows.net／policies／p": HOST,
    "https://acct.blob.core.wındows.net/policies/p": HOST,
    "https://xn--acct-1ve.blob.core.windows.net/policies/p": HOST,
    "https://acct.blob.core.windows.net%2eevil.example/policies/p": HOST,
    "https://acct.blob.core.windows.net%2fevil.example/policies/p": HOST,
    "https://[::1].blob.core.windows.net/policies/p": HOST,
    "https://acct.blob.core.windows.net:443/policies/p": HOST,
    "https://acct.blob.core.windows.net:/policies/p": HOST,
    "https://acct.blob.core.windows.net:1@evil.example/policies/p": HOST,
    "https://acct.\tblob.core.windows.net/policies/p": HOST,
    "https://evil\n.blob.core.windows.net/policies/p": HOST,
    "\thttps://acct.blob.core.windows.net/policies/p": "must start with https://",
    " https://acct.blob.core.windows.net/policies/p": "must start with https://",
    "ht\ntps://acct.blob.core.windows.net/policies/p": "must start with https://",
    f"{FINE}\n": "percent-encoded",
    f"{FINE}\t": "percent-encoded",
    f"{FINE} ": "percent-encoded",
    f"{FINE}\0": "percent-encoded",
    f"{FINE}\r\nX-Evil: 1": "percent-encoded",
    f"{FINE}?sv=2024-11-04&sig=c2VjcmV0": "no SAS or other query is needed",
    f"{FINE}?": "no SAS or other query is needed",
    f"{FINE}#top": "no SAS or other query is needed",
    f"{FINE}#": "no SAS or other query is needed",
    "https://evil.example?.blob.core.windows.net/policies/p": "no SAS or other query is needed",
    "https://evil.example#.blob.core.windows.net/policies/p": "no SAS or other query is needed",
    "https://acct.blob.core.windows.net": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net//policies/p": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies//p": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/p/": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/Policies/p": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/%70olicies/p": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/../policies/p": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies\\p/q": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/größe": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/a b": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/a%": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/a%2": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/a%zz": "CONTAINER/NAME",
    "https://acct.blob.core.windows.net/policies/../p": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/./p": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/..": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/%2e%2E/p": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/.%2e/p": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/%2E": "no dots for a folder",
    "https://acct.blob.core.windows.net/policies/a%2Fb": "no slash or control character",
    "https://acct.blob.core.windows.net/policies/a%2f..%2fb": "no slash or control character",
    "https://acct.blob.core.windows.net/policies/a%5Cb": "no slash or control character",
    "https://acct.blob.core.windows.net/policies/a%00": "no slash or control character",
    "https://acct.blob.core.windows.net/policies/a%0d%0ab": "no slash or control character",
    "https://acct.blob.core.windows.net/policies/a%7f": "no slash or control character",
    "https://127.0.0.1:1234/policy/policy.yaml": HOST,
    "https://127.0.0.1:12345/devstoreaccount1/policy/policy.yaml": HOST,
    "https://127.0.0.1:1234/devstoreaccount12/policy/policy.yaml": HOST,
    "https://127.0.0.1:1234/devstoreaccount1@evil.example/policy/p": HOST,
    "http://127.0.0.1:1234/devstoreaccount1/policy/policy.yaml": "must start with https://",
    "https://127.0.0.1:1234/devstoreaccount1//evil.example/p": "CONTAINER/NAME",
    "https://127.0.0.1:1234/devstoreaccount1/../policy/p": "CONTAINER/NAME",
    "https://127.0.0.1:1234/devstoreaccount1/policy/../p": "no dots for a folder",
    "https://127.0.0.1:1234/devstoreaccount1/policy/p?sig=c2VjcmV0": "no SAS or other query",
}


@pytest.mark.parametrize("text", BAD)
def test_no_other_url_is_taken(text: str) -> None:
    """The reason is for people, and does not repeat what may be a secret."""
    with pytest.raises(ValueError, match="must") as caught:
        blob_url(text, PUBLIC, SERVICE)
    assert BAD[text] in str(caught.value)
    assert "evil" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("also", ["", "https://127.0.0.1:4321/devstoreaccount1"])
def test_the_sandboxs_service_is_taken_only_there(also: str) -> None:
    """In Azure nothing but Azure is asked."""
    with pytest.raises(ValueError, match="the host"):
        blob_url(f"{SERVICE}/policy/policy.yaml", PUBLIC, also)


@pytest.mark.parametrize(
    "also",
    [
        "http://127.0.0.1:1234/devstoreaccount1", "127.0.0.1:1234", "https://", "https:///a",
        "https://user@127.0.0.1:1234", "https://127.0.0.1:port", "https://127.0.0.1\\@evil.example",
        "https://127.0.0.1:1234/a/../b", "https://127.0.0.1:1234/a?b", "https://127.0.0.1:1234/a#b",
        "https://127.0.0.1:1234//", "https://127.0.0.1:1234\n",
    ],
)  # fmt: skip
def test_a_service_must_be_one(also: str) -> None:
    """Its setting is looked at as sharply, even if it is not used."""
    with pytest.raises(ValueError, match="the blob service must be https://HOST"):
        blob_url(FINE, PUBLIC, also)


PIECES = [
    "https://", "http://", "https:", "//", "/", "\\", "@", ":", ":443", "?", "#", "..", ".", "%2f",
    "%2e", "%5c", "%00", "%", "\t", "\n", "\r", " ", "\0", "acct", "z1.", "blob.core.windows.net",
    "blob.storage.azure.net", "evil.example", "xn--", "。", "／", "ı", "[::1]", "policies",
    "policy.yaml", "127.0.0.1:1234", "devstoreaccount1", "user:pass", SERVICE, FINE,
]  # fmt: skip

assembled = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=9).map("".join)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A good URL with something wild somewhere in it."""
    good = draw(st.sampled_from([FINE, f"{SERVICE}/policy/policy.yaml"]))
    place = draw(st.integers(0, len(good)))
    wild = draw(st.sampled_from(PIECES) | st.text(max_size=3))
    return good[:place] + wild + good[place + draw(st.integers(0, 3)) :]


named = st.text("aZ0/.%2fFe5cC_~!$&'()*+,;=:@-", max_size=20).map(FINE.__add__)


@given(assembled | spoilt() | named | st.text())
@example(FINE)
def test_whatever_is_taken_has_an_allowed_host_in_every_reading(text: str) -> None:
    """The one that picks a proxy and the one that opens the connection see the same URL."""
    try:
        taken = blob_url(text, PUBLIC, SERVICE)
    except ValueError:
        return
    one, other = urlsplit(taken), URL(taken)
    assert one.hostname == other.host == other.raw_host
    assert one.scheme == other.scheme == "https"
    assert (one.username, one.password, other.user, other.password) == (None,) * 4
    assert (one.query, one.fragment, other.query_string, other.fragment) == ("",) * 4
    if one.netloc == "127.0.0.1:1234":
        assert one.path.startswith("/devstoreaccount1/")
        assert other.raw_path.startswith("/devstoreaccount1/")
    else:
        assert one.port is other.explicit_port is None
        account, _, rest = (one.hostname or "").partition(".")
        assert account.isalnum()
        assert rest.removeprefix("z1.") in PUBLIC
    assert one.path.count("/") == other.raw_path.count("/") == other.path.count("/")
