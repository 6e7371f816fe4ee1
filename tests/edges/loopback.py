"""A TLS server that answers byte for byte what a test scripts, and keeps every request it gets."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

type Script = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""The bytes of an answer, or what to do with the connection, which ends afterwards."""


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """An HTTP answer; `body` is bytes, text, or JSON to be."""
    content = b"" if body is None else body if isinstance(body, bytes) else b""
    if not content and body is not None and not isinstance(body, bytes):
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = {"Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content


async def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection without a word."""
    writer.transport.abort()


async def silence(writer: asyncio.StreamWriter) -> None:
    """Never answer; the client has to go."""
    while not writer.transport.is_closing():
        await asyncio.sleep(0.02)


FOREIGN: dict[str, Callable[[str, str], str]] = {
    "another port": lambda own, thief: thief,
    "another host": lambda own, thief: thief.replace("127.0.0.1", "localhost"),
    "another address": lambda own, thief: thief.replace("127.0.0.1", "127.0.0.2"),
    "own port on another host": lambda own, thief: own.replace("127.0.0.1", "localhost"),
    "another scheme": lambda own, thief: thief.replace("https:", "http:"),
    "own host, plain": lambda own, thief: own.replace("https:", "http:"),
    "user name": lambda own, thief: thief.replace("//", f"//{own[8:]}@"),
    "user name and password": lambda own, thief: thief.replace("//", "//user:password@"),
    "own host as user": lambda own, thief: own.replace("//", "//user:password@"),
    "no scheme": lambda own, thief: thief.removeprefix("https:"),
    "three slashes": lambda own, thief: thief.replace("//", "///"),
    "backslash": lambda own, thief: f"{own}\\@{thief[8:]}",
    "backslashes": lambda own, thief: thief.replace("//", "\\\\"),
    "upper case": lambda own, thief: thief.upper(),
    "tab": lambda own, thief: thief.replace("127", "1\t27"),
    "file": lambda own, thief: "file:///etc/passwd",
    "port beyond all": lambda own, thief: "https://127.0.0.1:99999",
    "port of letters": lambda own, thief: "https://127.0.0.1:port",
    "open bracket": lambda own, thief: "https://[::1",
    "braces": lambda own, thief: f"{own}/{{}}{{0}}{{endpoint.__class__}}",
    "open brace": lambda own, thief: f"{own}/{{",
    "full-width digits": lambda own, thief: thief.replace("127", "%EF%BC%91%EF%BC%92%EF%BC%97"),
    "fragment": lambda own, thief: f"{own}#@{thief[8:]}",
}
"""URLs made of ARM's own and a thief's: none of them may lead to the thief."""


class Loopback:
    """Serves the scripts one after another, the last one for ever; `async with` starts it."""

    def __init__(self, context: ssl.SSLContext | None, *scripts: Script) -> None:
        self.requests: list[str] = []
        """Method, URL, headers and body of each, as text."""
        self.connections = 0
        self.url = ""
        self._context = context
        self._scripts = list(scripts) or [answer(404)]
        self._server: asyncio.Server

    def script(self, *scripts: Script) -> None:
        """Answer so from now on."""
        self._scripts = list(scripts)

    @property
    def lines(self) -> list[str]:
        """Method and path of what arrived."""
        return [" ".join(r.split("\r\n")[0].split("?")[0].split()[:2]) for r in self.requests]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._server.abort_clients()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone, or the test is over
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (line[15:] for line in head.split("\r\n") if line.lower().startswith("content-length")),
            "0",
        )
        self.requests.append(head + (await reader.readexactly(int(length))).decode())
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, bytes):
            writer.write(script)
            await writer.drain()
            return True
        await script(writer)
        return False
