"""A TCP proxy in front of Azurite that can hold certain requests, or drop connections."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards to `target`; a request that contains `hold` is kept until `release`."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._hold: bytes | None = None
        self._drop = False
        self.dropping = 0
        """How many of the next connections are closed at once."""
        self.held = asyncio.Event()
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self, text: bytes) -> None:
        """From now on, keep requests that contain this."""
        self.held.clear()
        self._released.clear()
        self._hold = text

    def release(self, *, drop: bool = False) -> None:
        """Let everything through again; what was held is forwarded, or dropped."""
        self._hold = None
        self._drop = drop
        self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self.dropping:
            self.dropping -= 1
            self._tasks.discard(task)
            writer.transport.abort()
            return
        upstream, down = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            await asyncio.gather(
                self._pipe(reader, down, holding=True), self._pipe(upstream, writer, holding=False)
            )
        finally:
            for end in (writer, down):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._tasks.discard(task)

    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, holding: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if holding and self._hold is not None and self._hold in data:
                    self.held.set()
                    await self._released.wait()
                    if self._drop:
                        break
                sink.write(data)
                await sink.drain()
        sink.close()
