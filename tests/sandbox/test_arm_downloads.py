"""What a link leads to: data that comes slowly, and stops coming when the link has ended."""

from contextlib import closing
from typing import Any

import aiohttp
import pytest
from azure.storage.blob.aio import BlobClient

from sandbox.arm.downloads import CHUNK, SIZE
from sandbox.certificates import Certificates
from tests.sandbox.test_arm_disks import props
from tests.sandbox.test_arm_links import MOMENT, grant, state
from tests.sandbox.test_arm_server import DISK, SNAPSHOT, Azure, azure, azure_over_tls, until_async

REVOKED = ("POST", f"{DISK}/endGetAccess", None)
CLOSED = ("PATCH", DISK, props(networkAccessPolicy="DenyAll"))


async def link_to(az: Azure, path: str = DISK) -> str:
    """A link to a new disk's data."""
    await az.disk(path)
    link: str = (await grant(az, path)).body["accessSAS"]
    return link


async def downloads(az: Azure) -> list[dict[str, Any]]:
    """What the control endpoint lists."""
    listed: list[dict[str, Any]] = (await az.call("GET", "/_sandbox/downloads")).body
    return listed


async def refusal(az: Azure, link: str) -> tuple[int, str]:
    """How a GET is refused."""
    async with az.session.get(link) as answer:
        text = await answer.text()
        code = answer.headers["x-ms-error-code"]
        assert f"<Code>{code}</Code>" in text
        return answer.status, code


async def test_a_link_leads_to_the_sandbox_and_its_size_is_told_by_head() -> None:
    """No data, no entry in the list of downloads or of ARM calls."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        assert link.startswith(f"{az.url}/md-")
        assert link.startswith("https://")
        calls = len(az.arm.calls)
        async with az.session.head(link) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(SIZE)
            assert answer.headers["x-ms-blob-type"] == "PageBlob"
        assert await downloads(az) == []
        assert calls == len(az.arm.calls)


@pytest.mark.parametrize("header", ["Range", "x-ms-range"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-511", 0, 511),
        ("bytes=1000-1000", 1000, 1000),
        (f"bytes=300-{300 + CHUNK}", 300, 300 + CHUNK),
        (f"bytes={SIZE - 7}-", SIZE - 7, SIZE - 1),
        (f"bytes={SIZE - 7}-{SIZE + 7}", SIZE - 7, SIZE - 1),
    ],
)
async def test_a_range_is_served_and_listed(header: str, asked: str, first: int, last: int) -> None:
    """206 with the bytes of that place; the list tells whose they were, also after the link."""
    async with azure_over_tls() as az:
        link = await link_to(az, SNAPSHOT)
        async with az.session.get(link, headers={header: asked}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
            data = await answer.read()
        assert data == bytes(place % 256 for place in range(first, last + 1))

        await until_async(lambda: _is_over(az))
        [listed] = await downloads(az)
        assert listed["resource"] == SNAPSHOT
        assert (listed["bytes"], listed["brokenOff"]) == (len(data), False)
        assert listed["startedAt"] <= listed["endedAt"]
        await az.call("POST", f"{SNAPSHOT}/endGetAccess")
        assert [listed] == await downloads(az)


async def _is_over(az: Azure) -> bool:
    return all(one["endedAt"] for one in await downloads(az))


async def test_a_range_behind_the_end_is_refused() -> None:
    """416, as a blob does."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        headers = {"Range": f"bytes={SIZE}-{SIZE + 1}"}
        async with az.session.get(link, headers=headers) as answer:
            assert (answer.status, answer.headers["x-ms-error-code"]) == (416, "InvalidRange")


@pytest.mark.parametrize(("method", "path", "body"), [REVOKED, CLOSED, ("", "", None)])
async def test_a_running_download_breaks_off_when_the_link_ends(
    method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Revoked, killed by closing, or run out: the connection closes before all has come."""
    async with azure_over_tls() as az:
        await az.settings(sas_survives_patch=False)
        await az.disk()
        link = (await grant(az, body=None if method else MOMENT)).body["accessSAS"]
        async with az.session.get(link) as answer:
            assert answer.headers["Content-Length"] == str(SIZE)
            assert await answer.content.readexactly(CHUNK)
            if method:
                assert (await az.call(method, path, body)).status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()

        assert await refusal(az, link) == (403, "AuthenticationFailed")
        await until_async(lambda: _is_over(az))
        [listed] = await downloads(az)
        assert listed["brokenOff"]
        assert CHUNK <= listed["bytes"] < SIZE
        assert await state(az) == "Unattached"


async def test_a_download_goes_on_when_the_closed_disk_keeps_its_link() -> None:
    """`sas_survives_patch`: closing the disk has changed nothing for who holds a link."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        async with az.session.get(link) as answer:
            await answer.content.readexactly(CHUNK)
            assert (await az.call(*CLOSED)).status == 200
            assert await answer.content.readexactly(3 * CHUNK)
            [listed] = await downloads(az)
            assert (listed["endedAt"], listed["brokenOff"]) == (None, False)


async def test_a_client_that_leaves_was_not_broken_off() -> None:
    """The download ends, and the link is as good as before."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        async with az.session.get(link) as answer:
            await answer.content.readexactly(CHUNK)
        await until_async(lambda: _is_over(az))
        assert not (await downloads(az))[0]["brokenOff"]
        async with az.session.head(link) as answer:
            assert answer.status == 200


async def test_a_deleted_snapshot_is_read_no_more() -> None:
    """It cannot be deleted while a link is out, and the link ends before."""
    async with azure_over_tls() as az:
        link = await link_to(az, SNAPSHOT)
        assert (await az.call("DELETE", SNAPSHOT)).status == 409
        await az.call("POST", f"{SNAPSHOT}/endGetAccess")
        assert (await az.call("DELETE", SNAPSHOT)).status == 200
        assert await refusal(az, link) == (403, "AuthenticationFailed")


async def test_a_link_cannot_be_guessed() -> None:
    """A wrong signature, none, another path: all are refused alike; no two links are the same."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        signature = link.partition("sig=")[2]
        assert len(signature) >= 43
        for wrong in (
            link.replace(signature, signature[:-1]),
            link.partition("?")[0],
            link.replace("/abcd?", "/abce?"),
            f"{az.url}/md-000000000000/x/abcd?sig={signature}",
            f"{link.partition('sig=')[0]}sig=%C3%A9",
        ):
            assert await refusal(az, wrong) == (403, "AuthenticationFailed")
        assert link != await link_to(az, SNAPSHOT)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_a_link_to_read_does_nothing_else(method: str) -> None:
    """405, and the data is as it was."""
    async with azure_over_tls() as az:
        link = await link_to(az)
        async with az.session.request(method, link) as answer:
            assert answer.status == 405
        async with az.session.head(link) as answer:
            assert answer.headers["Content-Length"] == str(SIZE)


async def test_azures_own_client_reads_through_the_link() -> None:
    """A storage client is content with paths, headers and ranges."""
    with closing(Certificates()) as certificates:
        server, client = certificates.server_context(), certificates.client_context()
        async with azure(server, client) as az:
            link = await link_to(az)
            async with BlobClient.from_blob_url(
                link, connection_verify=str(certificates.ca), use_env_settings=False
            ) as blob:
                assert (await blob.get_blob_properties()).size == SIZE
                stream = await blob.download_blob(offset=512, length=1024)
                assert await stream.readall() == bytes(range(256)) * 4
