"""A web server on loopback that can be started and stopped: what topic and sinks are built on."""

import ssl

from aiohttp import web


class Server:
    """Serves an aiohttp application on 127.0.0.1."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._runner: web.AppRunner | None = None

    async def start(self, ssl_context: ssl.SSLContext | None = None, port: int = 0) -> str:
        """Listen; returns scheme, host and port, without a slash at the end."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=ssl_context).start()
        scheme = "http" if ssl_context is None else "https"
        return f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close, with a second for what is being answered."""
        if self._runner is not None:
            await self._runner.cleanup()
