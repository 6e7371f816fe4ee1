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
from sandbox.greeting import greeting
from sandbox.identity import Identity, Tokens
from sandbox.notify import TABLE, channels, has_channels, switched_on
from sandbox.processes import StartError
from sandbox.sinks import Communication, Mails, Teams, Webhooks
from sandbox.storage import Azurite, Blobs, Service, Tables

QUEUES = ("guard-work", "guard-alerts", "guard-deliveries", "guard-events")
"""The queues that the deployment makes, each with the `-poison` queue beside it."""

CONTAINER = "policy"
"""The container that a policy outside the package is read from."""

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "WEBSITE_TIME_ZONE")
"""What the app gets of this process's environment beside GUARD_* and SANDBOX_*; no proxies."""

Settings = Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, str]]


class Sinks:
    """Where messages to people and machines end."""

    def __init__(self, tokens: Tokens) -> None:
        self.teams = Teams()
        self.mails = Mails()
        self.email = Communication(tokens)
        self.webhooks = Webhooks()


class Sandbox:
    """A local Azure with the functions app in it: `async with Sandbox() as box: box.endpoints`.

    Args:
        app_dir: the folder of function_app.py and host.json.
        env: app settings, or a function that makes them from the endpoints.
        storage_identity: no connection string for the app, but https and its managed identity.
        blobs: a blob service as well, with a container for policies.
        tables: a table service as well, where the app keeps who may export, fights, and the like.
        notify: alerts go on to the sandbox's Teams and by mail, unless `env` says otherwise; for
            that there are tables, more sinks, and a topic for alerts. GUARD_NOTIFY=on in `env` or
            in the environment is the same. A channel there starts these parts, too, but none is
            added to it. Without any of them `guard-alerts` is left alone.
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
        tables: bool = False,
        notify: bool = False,
        port_file: Path | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._app_dir = Path(app_dir).resolve()
        self._env: Settings = env or {}
        self._given: Mapping[str, str] = {}
        self._storage_identity = storage_identity
        self._with_blobs = blobs
        self._with_tables = tables
        self._notify = notify
        self._port_file = port_file
        self._say = say or _to_stderr
        self._stack = contextlib.AsyncExitStack()
        self._complete = False
        self.endpoints: dict[str, Any] = {}
        """What the port file holds."""
        self.tokens = Tokens()
        self.identity = Identity(self.tokens)
        self.topic = Topic(secrets.token_hex(24), schedule_from(os.environ), tokens=self.tokens)
        self.alerts_topic = Topic(secrets.token_hex(24), tokens=self.tokens)
        """Where a channel may publish alerts; `kept()` has them."""
        self.sinks = Sinks(self.tokens)
        self.arm = Arm(
            self.tokens,
            self.topic.raise_event,
            {
                "/_sandbox/teams": self.sinks.teams.kept,
                "/_sandbox/mails": self.sinks.mails.kept,
                "/_sandbox/emails": self.sinks.email.kept,
                "/_sandbox/webhooks": self.sinks.webhooks.kept,
                "/_sandbox/deadletters": self.topic.dead_letters,
                "/_sandbox/events": lambda: {"pending": self.topic.pending},
                "/_sandbox/tokens": lambda: {"requests": self.identity.requests},
            },
        )
        self.azurite: Azurite
        self.blobs: Blobs | None = None
        self.tables: Tables | None = None
        self.functions: FunctionsProcess

    @property
    def notifies(self) -> bool:
        """Whether the app was told of the sandbox's Teams and mail server."""
        return self._notify

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
        for part in (
            *(self.identity, self.topic, self.alerts_topic, self.sinks.teams, self.sinks.mails),
            *(self.sinks.email, self.sinks.webhooks, self.arm),
        ):
            self._stack.push_async_callback(part.stop)
        await self.azurite.start()
        await self.azurite.create_queues(
            name for queue in QUEUES for name in (queue, f"{queue}-poison")
        )
        if self._with_blobs:
            self.blobs = Blobs(certificates)
            await self._start_service(self.blobs)
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
        await self._start_notifications(certificates)
        await self._start_functions()
        self._complete = True
        self._started()

    async def _start_service(self, service: Service) -> None:
        self._stack.push_async_callback(service.stop)
        await service.start()

    async def _start_notifications(self, certificates: Certificates) -> None:
        """Learn the settings given, and start what notifications need if there are any.

        A function that makes settings is shown the sinks, which cost nothing. The tables, which
        are a process, it sees only if they are asked for in another way: it may be what asks.
        """
        self._notify = self._notify or switched_on(os.environ)
        if self._notify or callable(self._env):
            await self._start_receivers(certificates)
        if self._notify or self._with_tables:
            await self._start_tables(certificates)
        self._given = self._env(self.endpoints) if callable(self._env) else self._env
        self._notify = self._notify or switched_on(self._given)
        if self._notify or has_channels({**os.environ, **self._given}):
            await self._start_receivers(certificates)
            await self._start_tables(certificates)

    async def _start_receivers(self, certificates: Certificates) -> None:
        if "email" not in self.endpoints:
            context = certificates.server_context()
            self.endpoints |= {
                "email": await self.sinks.email.start(context),
                "webhook": await self.sinks.webhooks.start(context),
                "alertsTopic": await self.alerts_topic.start(context),
            }

    async def _start_tables(self, certificates: Certificates) -> None:
        if self.tables is None:
            self.tables = Tables(certificates if self._storage_identity else None)
            await self._start_service(self.tables)
            await self.tables.create_table(TABLE)
            self.endpoints["tables"] = self.tables.uri

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
        settings |= self._given
        if not any(name.startswith("GUARD_STORAGE") for name in settings):
            settings |= self._storage_settings()
        if self.blobs is not None:
            settings.setdefault("GUARD_BLOB_ENDPOINT", self.blobs.uri)
        if self._notify:
            settings |= channels(self.endpoints, settings)
        return settings

    def _storage_settings(self) -> dict[str, str]:
        tables = self.tables
        if not self._storage_identity:
            return {
                "GUARD_STORAGE": self.azurite.connection + (tables.connection if tables else "")
            }
        settings = {
            "GUARD_STORAGE__queueServiceUri": self.azurite.queue_service_uri,
            "GUARD_STORAGE__credential": "managedidentity",
        }
        if tables is not None:
            settings["GUARD_STORAGE__tableServiceUri"] = tables.uri
        return settings

    def _started(self) -> None:
        """The functions process is a new one: say so to whoever reads the endpoints."""
        self.endpoints["pids"] = {
            "functions": self.functions.pid,
            "azurite": self.azurite.pid,
            "supervisor": os.getpid(),
        }
        if self.blobs is not None:
            self.endpoints["pids"]["blobs"] = self.blobs.pid
        if self.tables is not None:
            self.endpoints["pids"]["tables"] = self.tables.pid
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
        services = (self.azurite, self.blobs, self.tables)
        waiting = {asyncio.create_task(one.ended()): one.name for one in services if one}
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
    parser.add_argument(
        "--notify",
        action="store_true",
        help="alerts go on to Teams and by mail, to sinks that show them (or GUARD_NOTIFY=on)",
    )
    return asyncio.run(_up(parser.parse_args(argv)))


async def _up(options: argparse.Namespace) -> int:
    _cancel_on_signals()
    box = Sandbox(
        options.app,
        storage_identity=options.storage_identity,
        blobs=options.blobs,
        tables=True,
        notify=options.notify,
        port_file=options.port_file,
    )
    try:
        async with box:
            print(greeting(box.endpoints, notifies=box.notifies), flush=True)
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


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, readable for its owner only: it holds keys."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).replace(path)
