"""Bad weather between the guard and ARM: whatever happens there, one of three errors comes."""

import asyncio
import gzip
import json
import time
import zlib

import pytest

from guards.engine.errors import GuardError, StillRunning, Terminal, Transient
from sandbox.certificates import Certificates
from tests.edges.conftest import CLOSE, DISK, VERSION, Connect, World, soon
from tests.edges.loopback import Loopback, Script, answer, reset, silence

DOCUMENT = {"name": "ledger", "properties": {"networkAccessPolicy": "DenyAll"}}
OK = answer(200, DOCUMENT)
HTML = "<html><body>Bad gateway</body></html>"
GZIP = {"Content-Encoding": "gzip"}


async def truncated(writer: asyncio.StreamWriter) -> None:
    """Half of the body, and then nothing."""
    writer.write(OK[:-20])
    await writer.drain()
    writer.transport.abort()


async def half_a_head(writer: asyncio.StreamWriter) -> None:
    """The connection ends within the headers."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()


def raw(text: str) -> bytes:
    """Bytes as they are."""
    return text.encode("latin-1")


WEATHER: dict[str, Script] = {
    "reset": reset,
    "body cut off": truncated,
    "head cut off": half_a_head,
    "silence": silence,
    "not http": raw("SSH-2.0-OpenSSH_9.7\r\n\r\n"),
    "html": answer(200, HTML, {"Content-Type": "text/html"}),
    "html error": answer(502, HTML, {"Content-Type": "text/html"}),
    "no body": answer(200),
    "no content": answer(204),
    "accepted": answer(202),
    "empty array": answer(200, []),
    "text": answer(200, '"ledger"'),
    "deep": answer(200, b"[" * 100_000),
    "deep objects": answer(200, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "long number": answer(200, b'{"a": ' + b"1" * 10_000 + b"}"),
    "not utf-8": answer(200, b'{"name": "\xff"}'),
    "gzip that is none": answer(200, b"not compressed at all", GZIP),
    "gzip cut off": answer(200, gzip.compress(json.dumps(DOCUMENT).encode())[:-15], GZIP),
    "deflate that is none": answer(200, b"not compressed", {"Content-Encoding": "deflate"}),
    "unknown encoding": answer(200, b"\x00\x01", {"Content-Encoding": "br"}),
    "bad chunks": raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n"),
    "bad length": raw("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    "huge header": answer(200, {}, {"x-ms-huge": "x" * 100_000}),
    "early hints for ever": raw("HTTP/1.1 102 Processing\r\n\r\n" * 3),
    "switching protocols": raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "no such status": raw("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "not modified": answer(304),
    "many choices": answer(300, DOCUMENT),
}


@pytest.mark.parametrize("name", WEATHER)
async def test_no_weather_leaks_the_vendors_errors(
    name: str, connect: Connect, certificates: Certificates
) -> None:
    """A GET ends with an error of ours, in time."""
    async with Loopback(certificates.server_context(), WEATHER[name]) as server:
        start = time.monotonic()
        with pytest.raises(GuardError):
            await (await connect(server.url)).get(DISK, VERSION, soon(0.4))
        assert time.monotonic() - start < 20


@pytest.mark.parametrize("name", ["reset", "body cut off", "html error", "gzip that is none"])
async def test_weather_that_passes_is_not_noticed(
    name: str, connect: Connect, certificates: Certificates
) -> None:
    """One more try, and the answer is there."""
    async with Loopback(certificates.server_context(), WEATHER[name], OK) as server:
        assert await (await connect(server.url)).get(DISK, VERSION, soon()) == DOCUMENT
        assert len(server.requests) == 2


@pytest.mark.parametrize(("encoding", "window"), [("gzip", 31), ("deflate", -15)])
async def test_compressed_answers_are_read(
    encoding: str, window: int, connect: Connect, certificates: Certificates
) -> None:
    """Azure compresses for clients that allow it, and this one does."""
    content = zlib.compress(json.dumps(DOCUMENT).encode(), wbits=window)
    packed = answer(200, content, {"Content-Encoding": encoding})
    async with Loopback(certificates.server_context(), packed) as server:
        assert await (await connect(server.url)).get(DISK, VERSION, soon()) == DOCUMENT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, connect: Connect, certificates: Certificates
) -> None:
    """Another host gets no request, so it gets no token."""
    context = certificates.server_context()
    async with Loopback(context, OK) as thief, Loopback(context) as server:
        server.script(answer(status, "", {"Location": f"{thief.url}/elsewhere"}))
        edge = await connect(server.url)
        with pytest.raises(Terminal) as caught:
            await edge.get(DISK, VERSION, soon())
        with pytest.raises(GuardError):
            await edge.patch(DISK, VERSION, CLOSE, soon())
    assert thief.requests == []
    assert (0, status) == (thief.connections, caught.value.status)


async def test_a_certificate_nobody_vouches_for_is_refused(connect: Connect) -> None:
    """No token goes to whoever answers under ARM's name."""
    stranger = Certificates()
    async with Loopback(stranger.server_context(), OK) as server:
        with pytest.raises(Transient):
            await (await connect(server.url)).get(DISK, VERSION, soon(0.3))
        assert server.requests == []
    stranger.close()


async def test_a_host_that_is_not_there_is_trouble_of_the_moment(connect: Connect) -> None:
    """Connection refused: try later."""
    with pytest.raises(Transient):
        await (await connect("https://127.0.0.1:1")).get(DISK, VERSION, soon(0.3))


async def test_throttling_is_waited_for_within_the_budget(world: World) -> None:
    """429 with a short Retry-After: asked again then, not earlier."""
    order = {"match": {"method": "GET"}, "status": 429, "headers": {"Retry-After": "1"}}
    await world.tell("faults", order)
    start = time.monotonic()
    await world.edge.get(DISK, VERSION, soon())
    assert 1.0 <= time.monotonic() - start < 20
    assert world.guard_calls == ["GET 429", "GET 200"]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_throttling_beyond_the_budget_is_handed_back(world: World, method: str) -> None:
    """At once, with the delay Azure asked for."""
    order = {"match": {"method": method}, "status": 429, "headers": {"Retry-After": "120"}}
    await world.tell("faults", order)
    start = time.monotonic()
    call = world.edge.get(DISK, VERSION, soon()) if method == "GET" else world.close_disk()
    with pytest.raises(Transient) as caught:
        await call
    assert time.monotonic() - start < 20
    assert (caught.value.retry_after, caught.value.status) == (120, 429)
    assert not isinstance(caught.value, StillRunning)
    assert [f"{method} 429"] == world.guard_calls


async def test_a_server_error_three_times_is_overcome(world: World) -> None:
    """The fourth try succeeds."""
    order = {"match": {"method": "GET"}, "status": 500, "times": 3, "headers": {"Retry-After": "0"}}
    await world.tell("faults", order)
    await world.edge.get(DISK, VERSION, soon(8))
    assert world.guard_calls == ["GET 500"] * 3 + ["GET 200"]


async def test_a_slow_answer_ends_with_the_budget(world: World) -> None:
    """Not with the socket's patience."""
    await world.tell("faults", {"match": {"method": "GET"}, "delay_s": 3})
    start = time.monotonic()
    with pytest.raises(Transient):
        await world.edge.get(DISK, VERSION, soon(0.3))
    assert time.monotonic() - start < 20


async def test_a_deadline_that_has_passed_costs_no_patience(world: World) -> None:
    """An event that waited too long is handed on at once."""
    start = time.monotonic()
    with pytest.raises(Transient):
        await world.edge.get(DISK, VERSION, soon(-1))
    assert time.monotonic() - start < 20


async def test_a_cancelled_call_stays_cancelled(world: World) -> None:
    """The host may end an invocation; that is not dressed up as Azure's fault."""
    await world.tell("faults", {"match": {"method": "GET"}, "delay_s": 3})
    task = asyncio.create_task(world.edge.get(DISK, VERSION, soon()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
