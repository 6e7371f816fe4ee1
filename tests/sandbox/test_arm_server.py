"""The web server in front: TLS, who may call, what every answer carries, what exists."""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import trustme

from sandbox.arm import Arm
from sandbox.certificates import Certificates
from sandbox.identity import GUARD_APP_ID, GUARD_OBJECT_ID, Tokens

SUB = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUB}/resourceGroups/rg-Data"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
DISK = f"{COMPUTE}/disks/db-01"
SNAPSHOT = f"{COMPUTE}/snapshots/db-01-snap"
ACCESS = f"{COMPUTE}/diskAccesses/private"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/Images01"
ARM_TOKEN = "https://management.azure.com"


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The error's code."""
        code: str = self.body["error"]["code"]
        return code

    @property
    def message(self) -> str:
        """The error's text."""
        message: str = self.body["error"]["message"]
        return message

    @property
    def properties(self) -> dict[str, Any]:
        """The resource's properties."""
        properties: dict[str, Any] = self.body["properties"]
        return properties


class Azure:
    """A running ARM, a client, and the events so far."""

    def __init__(self, arm: Arm, tokens: Tokens, events: list[dict[str, Any]]) -> None:
        self.arm = arm
        self.tokens = tokens
        self.events = events
        self.url = ""
        self.session: aiohttp.ClientSession

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        caller: str | None = "alice",
        version: str = "2024-03-02",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; `caller` None means by token, or by none."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        if version and "api-version" not in url and "/_sandbox/" not in url:
            url += f"?api-version={version}"
        sent = dict(headers or {})
        if caller is not None:
            sent["x-sandbox-caller"] = caller
        async with self.session.request(method, url, json=body, headers=sent) as response:
            text = await response.text()
            parsed = await response.json() if text else None
            return Reply(response.status, response.headers, parsed)

    async def as_guard(self, method: str, path: str, body: object = None) -> Reply:
        """One request with a token of the guard."""
        token, _ = self.tokens.issue(ARM_TOKEN)
        bearer = {"Authorization": f"Bearer {token}"}
        return await self.call(method, path, body, caller=None, headers=bearer)

    async def disk(self, path: str = DISK, **properties: Any) -> Reply:
        """A disk or snapshot with these properties, put by alice."""
        created = {"creationData": {"createOption": "Empty"}, **properties}
        return await self.call("PUT", path, {"location": "westeurope", "properties": created})

    async def settings(self, **changes: Any) -> None:
        """Other settings."""
        reply = await self.call("POST", "/_sandbox/settings", changes)
        assert reply.status == 200, reply.body


@asynccontextmanager
async def azure(
    ssl_context: ssl.SSLContext | None = None,
    ca: ssl.SSLContext | None = None,
    extra: Mapping[str, Callable[[], Any]] | None = None,
) -> AsyncIterator[Azure]:
    """An ARM of one's own, on loopback."""
    events: list[dict[str, Any]] = []
    tokens = Tokens()
    arm = Arm(tokens, events.append, extra or {})
    running = Azure(arm, tokens, events)
    running.url = await arm.start(ssl_context)
    connector = aiohttp.TCPConnector(ssl=ca if ca is not None else True)
    try:
        async with aiohttp.ClientSession(connector=connector) as running.session:
            yield running
    finally:
        await arm.stop()


@asynccontextmanager
async def azure_over_tls() -> AsyncIterator[Azure]:
    """An ARM of one's own, reached by a client that trusts the sandbox's authority only."""
    with closing(Certificates()) as certificates:
        server, client = certificates.server_context(), certificates.client_context()
        async with azure(server, client) as running:
            yield running


async def until(check: Callable[[], Any]) -> None:
    """Wait for a condition, at most 5 seconds."""
    async with asyncio.timeout(5):
        while not check():
            await asyncio.sleep(0.005)


async def until_async(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that has to be asked for, at most 5 seconds."""
    async with asyncio.timeout(5):
        while not await check():
            await asyncio.sleep(0.02)


async def test_arm_is_served_over_tls_with_a_certificate_a_client_can_check() -> None:
    """A client that trusts the sandbox's CA gets through, one that does not is kept out."""
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)

    async with azure(server, client) as az:
        assert az.url.startswith("https://127.0.0.1:")
        assert (await az.disk()).status == 200
        assert (await az.call("GET", DISK)).body["name"] == "db-01"

        strangers = ssl.create_default_context()
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await az.session.get(f"{az.url}{DISK}", ssl=strangers)


async def test_a_client_that_keeps_its_connection_is_counted_once() -> None:
    """Connections show whether a client reuses its own, and DELETE counts anew."""
    async with azure() as az:
        for _ in range(5):
            await az.as_guard("GET", DISK)

        counted = (await az.call("GET", "/_sandbox/connections")).body
        assert counted == {"tls": 1, "callers": {"guard": 1}}

        await az.call("DELETE", "/_sandbox/connections")
        await az.as_guard("GET", DISK)
        counted = (await az.call("GET", "/_sandbox/connections")).body
        assert counted == {"tls": 0, "callers": {}}


@pytest.mark.parametrize(
    "audience",
    [
        "https://management.azure.com",
        "https://management.azure.com/",
        "https://management.core.windows.net/",
        "https://management.core.usgovcloudapi.net",
        "https://management.chinacloudapi.cn",
    ],
)
async def test_a_token_for_resource_manager_lets_the_guard_in(audience: str) -> None:
    """Every cloud's audience counts, with and without the trailing slash."""
    async with azure() as az:
        await az.disk()
        token, _ = az.tokens.issue(audience)
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await az.call("GET", DISK, caller=None, headers=bearer)).status == 200


async def test_a_token_for_another_audience_is_refused_in_azures_words() -> None:
    """A storage token opens nothing here, and the answer names what is allowed."""
    async with azure() as az:
        token, _ = az.tokens.issue("https://storage.azure.com")
        bearer = {"Authorization": f"Bearer {token}"}
        reply = await az.call("GET", DISK, caller=None, headers=bearer)

        assert (reply.status, reply.code) == (401, "InvalidAuthenticationTokenAudience")
        assert "'https://storage.azure.com'" in reply.message
        assert "https://management.azure.com/" in reply.message
        assert reply.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


async def test_expired_foreign_and_missing_tokens_are_refused() -> None:
    """Nobody gets in with a token that ran out, that someone else signed, or with none."""
    async with azure() as az:
        old, _ = az.tokens.issue(ARM_TOKEN, lifetime_s=-60)
        foreign, _ = Tokens().issue(ARM_TOKEN)
        for bearer, code in (
            (f"Bearer {old}", "ExpiredAuthenticationToken"),
            (f"Bearer {foreign}", "InvalidAuthenticationToken"),
            ("Bearer nonsense", "InvalidAuthenticationToken"),
            ("Basic abc", "AuthenticationFailed"),
            ("", "AuthenticationFailed"),
        ):
            headers = {"Authorization": bearer} if bearer else {}
            reply = await az.call("GET", DISK, caller=None, headers=headers)
            assert (401, code) == (reply.status, reply.code)
            assert "WWW-Authenticate" in reply.headers


async def test_with_a_callers_name_any_bearer_is_accepted() -> None:
    """Tests need no tokens for people."""
    async with azure() as az:
        await az.disk()
        bearer = {"Authorization": "Bearer nonsense"}
        assert (await az.call("GET", DISK, caller="bob", headers=bearer)).status == 200


async def test_the_guard_has_no_rights_in_the_subscriptions_kept_from_it() -> None:
    """The guard gets 403 as from Azure; other callers may do what they like there."""
    dead = DISK.replace(SUB, "00000000-dead-4000-8000-000000000001")
    async with azure() as az:
        assert (await az.disk(dead)).status == 200

        for method, verb in (("GET", "read"), ("PATCH", "write"), ("DELETE", "delete")):
            reply = await az.as_guard(method, dead, {} if method == "PATCH" else None)
            assert (reply.status, reply.code) == (403, "AuthorizationFailed")
            assert f"'Microsoft.Compute/disks/{verb}' over scope '{dead}'" in reply.message
            assert f"with object id '{GUARD_OBJECT_ID}'" in reply.message
            assert f"The client '{GUARD_APP_ID}'" in reply.message


async def test_answers_carry_request_ids_and_what_is_left_of_the_limits() -> None:
    """Clients can correlate, and see how near a 429 is."""
    async with azure() as az:
        mine = str(uuid.uuid4())
        first = await az.call("GET", DISK, headers={"x-ms-correlation-request-id": mine})
        second = await az.disk()

        assert mine == first.headers["x-ms-correlation-request-id"]
        assert first.headers["x-ms-request-id"] != second.headers["x-ms-request-id"]
        assert first.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
        assert second.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"


async def test_ids_compare_without_case_and_keep_the_case_of_creation() -> None:
    """Whoever asks in another case gets the resource as it was named."""
    async with azure() as az:
        await az.disk(DISK)
        shouted = f"{GROUP.lower()}/PROVIDERS/microsoft.compute/DISKS/DB-01"
        patched = await az.call("PATCH", shouted, {"tags": {"a": "b"}})

        assert (patched.status, patched.body["id"]) == (200, DISK)
        assert (await az.call("GET", shouted)).body["name"] == "db-01"


async def test_what_does_not_exist_is_404_and_deleting_it_is_204() -> None:
    """As Azure says it, under the resource group of the request."""
    async with azure() as az:
        reply = await az.call("GET", DISK)
        assert (reply.status, reply.code) == (404, "ResourceNotFound")
        assert reply.message == (
            "The Resource 'Microsoft.Compute/disks/db-01' under resource group 'rg-Data' was not "
            "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        )
        assert (await az.call("PATCH", DISK, {})).status == 404
        assert (await az.call("DELETE", DISK)).status == 204
        assert az.events == []


async def test_a_deleted_resource_is_gone() -> None:
    """DELETE answers 200, then GET 404."""
    async with azure() as az:
        await az.disk()
        assert (await az.call("DELETE", DISK)).status == 200
        assert (await az.call("GET", DISK)).status == 404


async def test_lists_cover_a_group_a_subscription_or_the_children_of_a_resource() -> None:
    """Each list holds what is under its scope, and nothing else."""
    elsewhere = DISK.replace("rg-Data", "rg-Other")
    async with azure() as az:
        await az.disk(DISK)
        await az.disk(elsewhere)
        await az.disk(DISK.replace(SUB, str(uuid.uuid4())))

        in_group = await az.call("GET", f"{GROUP}/providers/Microsoft.Compute/disks")
        in_sub = await az.call("GET", f"/subscriptions/{SUB}/providers/microsoft.compute/disks")
        snapshots = await az.call("GET", f"{GROUP}/providers/Microsoft.Compute/snapshots")

        assert [disk["id"] for disk in in_group.body["value"]] == [DISK]
        assert {DISK, elsewhere} == {disk["id"] for disk in in_sub.body["value"]}
        assert snapshots.body["value"] == []


@pytest.mark.parametrize(
    ("path", "version", "status", "code"),
    [
        (DISK, "", 400, "MissingApiVersionParameter"),
        (DISK, "latest", 400, "InvalidApiVersionParameter"),
        (f"{COMPUTE}/ovens/x", "2024-03-02", 404, "InvalidResourceType"),
        (
            f"{GROUP}/providers/Contoso.Things/disks/x",
            "2024-03-02",
            404,
            "InvalidResourceNamespace",
        ),
        ("/subscriptions/mine", "2024-03-02", 400, "InvalidSubscriptionId"),
        (f"{COMPUTE}/disks/a:b", "2024-03-02", 400, "InvalidResourceName"),
        (f"{GROUP}/elsewhere", "2024-03-02", 404, "InvalidRequestUri"),
        ("/", "2024-03-02", 404, "InvalidRequestUri"),
    ],
)
async def test_requests_that_make_no_sense_are_refused_with_their_reason(
    path: str, version: str, status: int, code: str
) -> None:
    """A wrong path or version is an error in ARM's shape, never an empty answer."""
    async with azure() as az:
        reply = await az.call("GET", path, version=version)
        assert (status, code) == (reply.status, reply.code)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'{"properties": 3}'])
async def test_a_body_that_is_no_resource_is_refused(content: bytes) -> None:
    """ARM says that it could not read it; nothing is created."""
    async with azure() as az:
        url = f"{az.url}{DISK}?api-version=2024-03-02"
        headers = {"x-sandbox-caller": "alice", "Content-Type": "application/json"}
        async with az.session.put(url, data=content, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "InvalidRequestContent"
        assert (await az.call("GET", DISK)).status == 404


async def test_every_subscription_and_group_exists() -> None:
    """Reading them works, changing them is not offered."""
    async with azure() as az:
        assert (await az.call("GET", GROUP)).body["name"] == "rg-Data"
        assert (await az.call("GET", f"/subscriptions/{SUB}")).body["subscriptionId"] == SUB
        assert (await az.call("DELETE", GROUP)).status == 405
