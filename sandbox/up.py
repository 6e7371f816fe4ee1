"""The whole sandbox: starts every part in order, joins them, keeps them, and ends them all.

Azurite and the functions app are child processes; ARM, identity, topic and sinks live in this
process. `python -m sandbox up` runs it for people and for tests from outside; tests, demo and
benchmark use `Sandbox` itself.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from sandbox.arm import Arm
from sandbox.certificates import Certificates
from sandbox.eventgrid import Topic, schedule_from
from sandbox.functions import ROOT, FunctionsProcess
from sandbox.identity import Identity, Tokens
from sandbox.processes import StartError
from sandbox.sinks import Mails, Teams
from sandbox.storage import Azurite, Blobs

QUEUES = ("guard-work", "guard-alerts", "guard-deliveries", "guard-events")
"""The queues that the deployment makes, each with the `-poison` queue beside it."""

CONTAINER = "policy"
"""The container that a policy outside the package is read from."""

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "WEBSITE_TIME_ZONE")
"""What the app gets of this process's environment beside GUARD_* and SANDBOX_*; no proxies."""

Settings = Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, str]]


class Sinks:
    """Where messages to people end."""

    def __init__(self) -> None:
        self.teams = Teams()
        self.mails = Mails()


class Sandbox:
    """A local Azure with the functions app in it: `async with Sandbox() as box: box.endpoints`.

    Args:
        app_dir: the folder of function_app.py and host.json.
        env: app settings, or a function that makes them from the endpoints.
        storage_identity: no connection string for the app, but https and its managed identity.
        blobs: a blob service as well, with a container for policies.
        port_file: holds the endpoints as long as all of it answers.
        say: gets each line of the app's log and of the sandbox's own.
    """

    def __init__(
        self,
        app_dir: Path | str = ROOT,
        env: Settings | None = None,
        *,
        storage_identity: bool = False,
        blobs: bool = False,
        port_file: Path | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._app_dir = Path(app_dir).resolve()
        self._env: Settings = env or {}
        self._storage_identity = storage_identity
        self._with_blobs = blobs
        self._port_file = port_file
        self._say = say or _to_stderr
        self._stack = contextlib.AsyncExitStack()
        self._complete = False
        self.endpoints: dict[str, Any] = {}
        """What the port file holds."""
        self.tokens = Tokens()
        self.identity = Identity(self.tokens)
        self.topic = Topic(secrets.token_hex(24), schedule_from(os.environ), tokens=self.tokens)
        self.sinks = Sinks()
        self.arm = Arm(
            self.tokens,
            self.topic.raise_event,
            {
                "/_sandbox/teams": self.sinks.teams.kept,
                "/_sandbox/mails": self.sinks.mails.kept,
                "/_sandbox/deadletters": self.topic.dead_letters,
                "/_sandbox/tokens": lambda: {"requests": self.identity.requests},
            },
        )
        self.azurite: Azurite
        self.blobs: Blobs | None = None
        self.functions: FunctionsProcess

    async def __aenter__(self) -> Self:
        if self._port_file is not None:
            self._port_file.unlink(missing_ok=True)
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._complete = False
        if self._port_file is not None:
            self._port_file.unlink(missing_ok=True)
        await self._stack.aclose()

    async def _start(self) -> None:
        certificates = Certificates()
        self._stack.callback(certificates.close)
        context = certificates.server_context()
        self.azurite = Azurite(certificates if self._storage_identity else None)
        self._stack.push_async_callback(self.azurite.stop)
        for part in (self.identity, self.topic, self.sinks.teams, self.sinks.mails, self.arm):
            self._stack.push_async_callback(part.stop)
        await self.azurite.start()
        await self.azurite.create_queues(
            name for queue in QUEUES for name in (queue, f"{queue}-poison")
        )
        if self._with_blobs:
            self.blobs = Blobs(certificates)
            self._stack.push_async_callback(self.blobs.stop)
            await self.blobs.start()
            await self.blobs.create_container(CONTAINER)
        self.endpoints = {
            "arm": await self.arm.start(context),
            "topic": await self.topic.start(context),
            "topicKey": self.topic.key,
            "queueConnection": self.azurite.connection,
            "ca": str(certificates.ca),
            "teams": await self.sinks.teams.start(context),
            "smtp": await self.sinks.mails.start(context),
            "identity": {
                "endpoint": await self.identity.start(),
                "header": self.identity.header,
            },
        }
        if self.blobs is not None:
            self.endpoints["blobs"] = self.blobs.uri
        await self._start_functions()
        self._complete = True
        self._started()

    async def _start_functions(self) -> None:
        self.functions = FunctionsProcess(
            self._app_dir, self._app_settings(), say=self._say, on_start=self._started
        )
        self._stack.push_async_callback(self.functions.stop)
        self.endpoints["functions"] = self.functions.url
        self.endpoints["functionsKey"] = self.functions.key
        await self.functions.start()
        for function in await self.functions.functions():
            if any(b["type"] == "eventGridTrigger" for b in function["bindings"]):
                await self.topic.subscribe(self.functions.webhook(function["name"]))

    def _app_settings(self) -> dict[str, str]:
        """The environment of the app's process."""
        given = self._env(self.endpoints) if callable(self._env) else self._env
        mine = ("GUARD_", "SANDBOX_")
        settings = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED or name.startswith(mine)
        }
        settings |= {
            "AzureWebJobsStorage": self.azurite.connection,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "ARM_ENDPOINT": self.endpoints["arm"],
            "IDENTITY_ENDPOINT": self.endpoints["identity"]["endpoint"],
            "IDENTITY_HEADER": self.endpoints["identity"]["header"],
            "SSL_CERT_FILE": self.endpoints["ca"],
        }
        settings |= given
        if not any(name.startswith("GUARD_STORAGE") for name in settings):
            settings |= self._storage_settings()
        if self.blobs is not None:
            settings.setdefault("GUARD_BLOB_ENDPOINT", self.blobs.uri)
        return settings

    def _storage_settings(self) -> dict[str, str]:
        if not self._storage_identity:
            return {"GUARD_STORAGE": self.azurite.connection}
        return {
            "GUARD_STORAGE__queueServiceUri": self.azurite.queue_service_uri,
            "GUARD_STORAGE__credential": "managedidentity",
        }

    def _started(self) -> None:
        """The functions process is a new one: say so to whoever reads the endpoints."""
        self.endpoints["pids"] = {
            "functions": self.functions.pid,
            "azurite": self.azurite.pid,
            "supervisor": os.getpid(),
        }
        if self.blobs is not None:
            self.endpoints["pids"]["blobs"] = self.blobs.pid
        if self._complete and self._port_file is not None:
            _replace(self._port_file, json.dumps(self.endpoints, indent=2) + "\n")

    async def restart_functions(self) -> None:
        """End the functions process in good order, and wait until the next one answers."""
        await self.functions.restart()

    async def kill_functions(self) -> None:
        """SIGKILL the functions process; the next one starts by itself (`functions.ready()`)."""
        await self.functions.kill()

    async def broken(self) -> str:
        """Wait for something that cannot be mended; returns what it was."""
        services = [service for service in (self.azurite, self.blobs) if service is not None]
        waiting = {asyncio.create_task(service.ended()): service.name for service in services}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        first = done.pop()
        return f"{waiting[first]} ended with exit code {first.result()}, and all it kept is lost"


def main(argv: list[str]) -> int:
    """`python -m sandbox up`: runs until SIGTERM or Ctrl-C; 1 if something does not come up."""
    parser = argparse.ArgumentParser(prog="python -m sandbox up", description=main.__doc__)
    parser.add_argument("--port-file", type=Path, metavar="FILE", help="write the endpoints here")
    parser.add_argument("--app", type=Path, default=ROOT, help="folder of function_app.py")
    parser.add_argument(
        "--storage-identity",
        action="store_true",
        default=os.environ.get("SANDBOX_STORAGE_IDENTITY") == "1",
        help="the app reaches its queues with its managed identity, over https",
    )
    parser.add_argument(
        "--blobs", action="store_true", help="a blob service, too, with a container for policies"
    )
    return asyncio.run(_up(parser.parse_args(argv)))


async def _up(options: argparse.Namespace) -> int:
    _cancel_on_signals()
    box = Sandbox(
        options.app,
        storage_identity=options.storage_identity,
        blobs=options.blobs,
        port_file=options.port_file,
    )
    try:
        async with box:
            print(_for_people(box), flush=True)
            _to_stderr(f"sandbox: {await box.broken()}")
    except asyncio.CancelledError:
        return 0
    except StartError as exc:
        _to_stderr(f"sandbox: {exc}")
    return 1


def _cancel_on_signals() -> None:
    """The first signal cancels the current task; more of them do not disturb the cleaning up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def stop() -> None:
        for number in signals:
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, stop)


def _for_people(box: Sandbox) -> str:
    lines = ["The sandbox is up; Ctrl-C ends it."]
    for name, value in box.endpoints.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {what}" for part, what in value.items())
        lines.append(f"  {name:<16}{value}")
    return "\n".join([*lines, "", *_try_it(box)])


def _try_it(box: Sandbox) -> list[str]:
    """Lines to paste: open a disk as somebody, see it closed, read the alert."""
    arm, ca = box.endpoints["arm"], box.endpoints["ca"]
    group = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
    disk = f"'{arm}{group}/providers/Microsoft.Compute/disks/mine?api-version=2026-03-02'"
    opened = '{"location": "westeurope", "properties": {"networkAccessPolicy": "AllowAll"}}'
    curl = f"curl -s --cacert {ca} -H 'x-sandbox-caller: me'"
    read = (
        "import sys; from azure.storage.queue import QueueClient, TextBase64DecodePolicy as D; "
        "[print(m.content) for m in QueueClient.from_connection_string(sys.argv[1], "
        "'guard-alerts', message_decode_policy=D()).peek_messages(32)]"
    )
    return [
        "Try it from another terminal, as somebody called me (with a token of the identity",
        "endpoint you would be the guard itself, whose own writes are ignored):",
        f"  {curl} -X PUT -H 'content-type: application/json' -d '{opened}' {disk}",
        f"  {curl} {disk}",
        f'  .venv/bin/python -c "{read}" \\',
        f"    '{box.endpoints['queueConnection']}'",
    ]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, readable for its owner only: it holds keys."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).replace(path)
