"""The policy seen last, in the metadata of an Azurite queue, and what others may write there."""

import asyncio
import base64
import hashlib
import os
import random
import signal
import time
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient
from hypothesis import given
from hypothesis import strategies as st

from guards.edges import register
from guards.edges.register import MAX_TEXT, Register, Seen
from guards.engine.errors import Transient
from sandbox.storage import ACCOUNT, KEY, Azurite
from tests.edges.loopback import Loopback, Script, answer, reset, silence

POLICY = Seen.of("version: 1  # Größe ✓ 数据\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azurite() -> AsyncIterator[Azurite]:
    """One storage account for this module, without any queue."""
    running = Azurite()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def queue(azurite: Azurite) -> AsyncIterator[QueueClient]:
    """guard-work, new and without metadata."""
    async with azurite.client() as service:
        await service.create_queue("guard-work")
        yield service.get_queue_client("guard-work")
        await service.delete_queue("guard-work")


async def metadata(queue: QueueClient) -> dict[str, str]:
    """The queue's metadata, as anybody sees it."""
    return (await queue.get_queue_properties()).metadata or {}


async def test_a_new_queue_remembers_nothing(queue: QueueClient) -> None:
    """The first policy is the first."""
    assert await Register(queue).recall() is None


async def test_what_is_remembered_is_recalled(azurite: Azurite, queue: QueueClient) -> None:
    """By another instance, after a restart, with every character."""
    await Register(queue).remember(POLICY)
    async with azurite.client() as other:
        assert await Register(other.get_queue_client("guard-work")).recall() == POLICY


def test_a_policy_is_known_by_the_hash_of_its_text() -> None:
    """SHA-256 of its UTF-8, in lower-case hex; half a pair counts as a question mark."""
    assert Seen.of("a") == Seen(hashlib.sha256(b"a").hexdigest(), "a")
    assert Seen.of("\ud800").hash == Seen.of("?").hash


async def test_the_last_one_stays(queue: QueueClient) -> None:
    """One policy, not a list."""
    await Register(queue).remember(Seen.of("version: 0"))
    await Register(queue).remember(POLICY)
    assert await Register(queue).recall() == POLICY
    assert set(await metadata(queue)) == {"guardpolicyhash", "guardpolicytext"}


async def test_what_others_keep_there_stays(queue: QueueClient) -> None:
    """Their keys and values are not ours, and ours are found in any spelling."""
    theirs = {"Owner": "team a", "costCenter": "4711"}
    await queue.set_queue_metadata({**theirs, "GuardPolicyHash": "0" * 64})
    assert await Register(queue).recall() == Seen("0" * 64, "")
    await Register(queue).remember(POLICY)
    assert await Register(queue).recall() == POLICY
    kept = await metadata(queue)
    assert kept.items() >= theirs.items()
    assert len(kept) == 4


async def test_messages_and_metadata_do_not_touch_each_other(queue: QueueClient) -> None:
    """The queue goes on being a queue."""
    await queue.send_message("work")
    await Register(queue).remember(POLICY)
    (message,) = await queue.peek_messages()
    assert message.content == "work"


def noise(characters: int) -> str:
    """Text that does not get smaller by packing."""
    source = random.Random(1)
    return "".join(chr(source.randrange(0x4E00, 0x9FFF)) for _ in range(characters))


async def test_a_text_that_does_not_fit_is_left_out(queue: QueueClient) -> None:
    """Its hash is remembered all the same, and the text before it does not stay behind."""
    await Register(queue).remember(POLICY)
    long = Seen.of(noise(5000))
    await Register(queue).remember(long)
    assert await Register(queue).recall() == Seen(long.hash, "")
    assert await metadata(queue) == {"guardpolicyhash": long.hash}


async def test_an_ordinary_policy_fits(queue: QueueClient) -> None:
    """Hundreds of lines that are much alike, as a policy's are."""
    lines = (f"  - resource: disks/{n}\n    until: 2027-01-{n % 28 + 1:02}\n" for n in range(400))
    seen = Seen.of("exemptions:\n" + "".join(lines))
    assert len(seen.text) > 15_000
    await Register(queue).remember(seen)
    assert await Register(queue).recall() == seen
    assert all(len(value) <= 5000 for value in (await metadata(queue)).values())


@pytest.mark.parametrize("text", ["", "\ud800 half a pair", "\x00\x1b[31m\u202e", "\r\n", " "])
async def test_any_text_is_remembered(text: str, queue: QueueClient) -> None:
    """With a question mark for what is no character."""
    await Register(queue).remember(Seen.of(text))
    recalled = await Register(queue).recall()
    assert recalled == Seen(Seen.of(text).hash, text.encode("utf-8", "replace").decode())


def packed(content: bytes) -> str:
    """Bytes as the register packs a text."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


TEXTS = {
    "another text": packed(b"version: 0"),
    "not base64": "version: 1",
    "not ascii": "été",
    "not zlib": base64.b64encode(b"version: 1").decode(),
    "cut": packed(POLICY.text.encode())[:-8],
    "not utf-8": packed(b"\xff\xfe"),
    "a bomb": packed(b"#" * 3 * MAX_TEXT),
    "long": "A" * 5001,
}


@pytest.mark.parametrize("text", [name for name in TEXTS if name != "not ascii"])
async def test_a_text_that_is_not_the_hashs_is_dropped(text: str, queue: QueueClient) -> None:
    """Whoever wrote it; the hash alone still tells whether the policy is another."""
    value = TEXTS[text]
    await queue.set_queue_metadata({"guardpolicyhash": POLICY.hash, "guardpolicytext": value})
    assert await Register(queue).recall() == Seen(POLICY.hash, "")


@pytest.mark.parametrize(
    "value", ["0" * 63, "0" * 65, "g" * 64, POLICY.hash.upper(), f"sha256:{POLICY.hash}", "none"]
)
async def test_a_hash_that_is_none_counts_as_nothing(value: str, queue: QueueClient) -> None:
    """Better no memory than a false one."""
    await queue.set_queue_metadata(
        {"guardpolicyhash": value, "guardpolicytext": packed(POLICY.text.encode())}
    )
    assert await Register(queue).recall() is None


def test_a_bomb_is_not_unpacked() -> None:
    """Nothing larger than a policy may be comes out of it."""
    bomb = packed(b"#" * 3 * MAX_TEXT)
    assert len(bomb) <= register.MAX_VALUE
    assert len(register._unpacked(bomb)) == MAX_TEXT


@given(
    st.dictionaries(
        st.sampled_from(["guardpolicyhash", "guardpolicytext", "owner"]),
        st.text()
        | st.sampled_from([POLICY.hash, "0" * 64, *TEXTS.values()])
        | st.binary().map(packed)
        | st.text(max_size=50).map(lambda text: Seen.of(text).hash),
    )
)
def test_no_metadata_makes_recalling_fail(given_: dict[str, str]) -> None:
    """What comes out is a hash, with its own text or with none."""
    seen = register._seen(given_)
    if seen is not None:
        assert seen.hash == given_["guardpolicyhash"]
        assert seen.text == "" or Seen.of(seen.text) == seen


@given(st.text())
def test_every_text_is_packed_whole_or_not_at_all(text: str) -> None:
    """Up to what is no character."""
    value = register._packed(text)
    assert len(value) <= register.MAX_VALUE
    assert register._unpacked(value) in ("", text.encode("utf-8", "replace").decode())


# Trouble


async def both(queue: QueueClient) -> list[object]:
    """What asking and writing end with."""
    calls = Register(queue).recall(), Register(queue).remember(POLICY)
    return [*await asyncio.gather(*calls, return_exceptions=True)]


async def test_a_queue_that_is_not_there_is_told(azurite: Azurite) -> None:
    """With its name and Azure's code."""
    async with azurite.client() as service:
        for trouble in await both(service.get_queue_client("guard-none")):
            assert isinstance(trouble, Transient)
            assert trouble.status == 404
            assert "queue guard-none: QueueNotFound" in str(trouble)


async def test_a_storage_that_hangs_is_known_in_time(
    azurite: Azurite, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither call waits for the SDK's own retries."""
    monkeypatch.setattr(register, "TIMEOUT_S", 0.3)
    os.kill(azurite.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert [type(trouble) for trouble in await both(queue)] == [Transient] * 2
        assert time.monotonic() - start < 10
    finally:
        os.kill(azurite.pid, signal.SIGCONT)


ODD: dict[str, Script] = {
    "refused": answer(403, "<Error><Code>AuthorizationFailure</Code></Error>"),
    "server error": answer(500),
    "a redirect": answer(302, None, {"Location": "http://127.0.0.1:1/"}),
    "not xml": answer(400, "nope", {"Content-Type": "application/xml"}),
    "not a number": answer(200, None, {"x-ms-approximate-messages-count": "many"}),
    "not gzip": answer(200, "nope", {"Content-Encoding": "gzip", "Content-Type": "text/plain"}),
    "cut short": answer(200, "nope", {"Content-Length": "99"}),
    "not http": b"nope\r\n\r\n",
    "reset": reset,
    "silence": silence,
}


def client_of(server: Loopback) -> QueueClient:
    """A queue on the scripted server, without the SDK's patience."""
    return QueueClient(
        f"{server.url}/{ACCOUNT}",
        "guard-work",
        credential={"account_name": ACCOUNT, "account_key": KEY},
        retry_total=0,
        use_env_settings=False,
    )


@pytest.mark.parametrize("name", ODD)
async def test_nothing_but_transient_is_raised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever answers in storage's place; a look at a resource never fails for it."""
    monkeypatch.setattr(register, "TIMEOUT_S", 0.5)
    async with Loopback(None, ODD[name]) as server, client_of(server) as queue:
        for trouble in await both(queue):
            assert isinstance(trouble, Transient)
            assert KEY not in str(trouble)


async def test_a_write_that_fails_is_told() -> None:
    """Asking went well before it."""
    async with Loopback(None, answer(200), answer(403)) as server, client_of(server) as queue:
        with pytest.raises(Transient) as caught:
            await Register(queue).remember(POLICY)
    assert caught.value.status == 403
    assert [request.split()[0] for request in server.requests] == ["GET", "PUT"]


async def test_metadata_of_others_that_cannot_be_kept_is_not_thrown_away() -> None:
    """Bytes that no header can hold: then ours is not remembered."""
    theirs = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-ms-meta-owner: \xe9quipe\r\n\r\n"
    async with Loopback(None, theirs) as server, client_of(server) as queue:
        assert await Register(queue).recall() is None
        with pytest.raises(Transient):
            await Register(queue).remember(POLICY)
    assert [request.split()[0] for request in server.requests] == ["GET", "GET"]
