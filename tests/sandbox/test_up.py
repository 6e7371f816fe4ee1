"""The supervisor: what it starts, keeps alive and ends. Everything here runs the sample app."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from sandbox.outside import Outside
from sandbox.processes import StartError
from sandbox.storage import Azurite
from sandbox.up import QUEUES, Sandbox
from tests.sandbox.host_fixtures import SAMPLE, app_of, eventually, grid_event, put

ROOT = Path(__file__).parents[2]
SETTINGS = {"IN_QUEUE": "incoming"}
pytestmark = pytest.mark.asyncio(loop_scope="module")

said: list[str] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox with the sample app, for all tests of this module."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SANDBOX_RETRY_SCHEDULE", "0.2,0.5")
    patch.setenv("SANDBOX_QUEUE_LEASE", "3")
    patch.setenv("GUARD_FROM_OUTSIDE", "yes")
    patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with Sandbox(SAMPLE, lambda ends: SETTINGS, say=said.append) as sandbox:
        yield sandbox
    patch.undo()


def environment(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    text = Path(f"/proc/{pid}/environ").read_text()
    return dict(part.split("=", 1) for part in text.split("\0") if "=" in part)


async def test_every_part_answers_when_it_is_up(box: Sandbox) -> None:
    """Functions, ARM with the sinks' pages, and the queues of a deployment."""
    ends = box.endpoints
    async with ClientSession() as session:
        key = {"x-functions-key": ends["functionsKey"]}
        async with session.get(f"{ends['functions']}/admin/host/status", headers=key) as answer:
            assert await answer.json() == {"state": "Running"}
        for page in ("teams", "mails", "emails", "webhooks", "deadletters"):
            async with session.get(f"{ends['arm']}/_sandbox/{page}", ssl=_trust(ends)) as answer:
                assert (answer.status, await answer.json()) == (200, [])
    async with box.azurite.client() as client:
        names = {queue.name async for queue in client.list_queues()}
    assert names >= set(QUEUES) | {f"{name}-poison" for name in QUEUES}


async def test_the_app_gets_its_settings_and_nothing_of_the_developers(box: Sandbox) -> None:
    """GUARD_* of the environment, the sandbox's addresses, and no proxy."""
    env = environment(box.functions.pid)
    assert env["GUARD_FROM_OUTSIDE"] == "yes"
    assert env["GUARD_STORAGE"] == env["AzureWebJobsStorage"] == box.endpoints["queueConnection"]
    assert env["ARM_ENDPOINT"] == box.endpoints["arm"]
    assert env["IDENTITY_ENDPOINT"] == box.endpoints["identity"]["endpoint"]
    assert env["SSL_CERT_FILE"] == box.endpoints["ca"]
    assert env["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert not [name for name in env if "proxy" in name.lower() or name == "SSL_CERT_DIR"]


async def test_what_nobody_asks_for_is_not_there(box: Sandbox) -> None:
    """Neither blobs nor notifications; a settings' function that names none pays no process."""
    env = environment(box.functions.pid)
    assert (box.blobs, box.tables, box.notifies) == (None, None, False)
    assert {"blobs", "tables"}.isdisjoint({*box.endpoints, *box.endpoints["pids"]})
    assert "GUARD_BLOB_ENDPOINT" not in env
    assert "TableEndpoint" not in env["GUARD_STORAGE"]
    assert not [name for name in env if name.startswith("GUARD_CHANNEL_")]


async def test_an_event_of_the_topic_reaches_the_app(box: Sandbox) -> None:
    """The topic is subscribed to every Event Grid function."""
    box.topic.raise_event(grid_event("through"))
    await eventually(lambda: any(line.endswith("event through") for line in said))
    await eventually(lambda: box.topic.deliveries[-1].status == 202)


async def test_a_killed_functions_process_comes_back_with_its_work(box: Sandbox) -> None:
    """Events are delivered again, and a message it had taken returns when its lease ends."""
    await box.azurite.create_queues(["work"])
    async with box.azurite.client() as client:
        await put(client.get_queue_client("work"), '{"wait": 1}')
    await eventually(lambda: any('work {"wait": 1} try 1' in line for line in said))
    before = box.functions.pid
    await box.kill_functions()
    box.topic.raise_event(grid_event("meanwhile"))
    await box.functions.ready()
    assert box.endpoints["pids"]["functions"] == box.functions.pid != before
    assert any("was ended by signal 9" in line for line in said)
    await eventually(lambda: any("event meanwhile" in line for line in said))
    await eventually(lambda: any('work {"wait": 1} try 2' in line for line in said))
    await eventually(lambda: box.topic.pending == 0)
    assert box.topic.dead_letters() == []


async def test_a_restart_in_good_order_is_no_accident(box: Sandbox) -> None:
    """The address stays, the process is another one, and nobody is told of an accident."""
    before, lines = box.functions.pid, len(said)
    await box.restart_functions()
    assert box.functions.pid != before
    box.topic.raise_event(grid_event("after"))
    await eventually(lambda: any("event after" in line for line in said))
    assert not [line for line in said[lines:] if "again in" in line]


async def test_with_identity_the_app_has_no_key(tmp_path: Path) -> None:
    """Azurite speaks https, the app's listener uses its managed identity, and it works."""
    lines: list[str] = []
    async with Sandbox(
        SAMPLE,
        lambda ends: {"IN_QUEUE": "incoming", "GUARD_TEAMS": ends["teams"]},
        storage_identity=True,
        port_file=tmp_path / "ports.json",
        say=lines.append,
    ) as sandbox:
        env = environment(sandbox.functions.pid)
        assert "GUARD_STORAGE" not in env
        assert env["GUARD_STORAGE__queueServiceUri"].startswith("https://")
        assert env["GUARD_STORAGE__credential"] == "managedidentity"
        assert env["GUARD_TEAMS"] == sandbox.endpoints["teams"]
        assert json.loads((tmp_path / "ports.json").read_text()) == sandbox.endpoints
        await sandbox.azurite.create_queues(["work"])
        async with sandbox.azurite.client() as client:
            await put(client.get_queue_client("work"), "hello")
        await eventually(lambda: any("work hello try 1" in line for line in lines))
        assert sandbox.identity.requests > 0
    assert not (tmp_path / "ports.json").exists()


async def test_an_end_of_the_queues_is_told() -> None:
    """Nothing goes on without them."""
    sandbox = Sandbox(SAMPLE)
    sandbox.azurite = Azurite()
    await sandbox.azurite.start()
    os.kill(sandbox.azurite.pid, signal.SIGKILL)
    async with asyncio.timeout(15):
        told = await sandbox.broken()
    assert told == "azurite (queues) ended with exit code -9, and all it kept is lost"


async def test_an_app_that_does_not_load_is_told_and_all_is_ended(tmp_path: Path) -> None:
    """The reason is in the error, the children are gone."""
    sandbox = Sandbox(app_of(tmp_path, "raise RuntimeError('boom')"), say=lambda line: None)
    with pytest.raises(StartError, match="boom"):
        await sandbox.__aenter__()
    assert not Path(f"/proc/{sandbox.azurite.pid}").exists()


@contextmanager
def command(
    tmp_path: Path, app: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`python -m sandbox up` as a process."""
    ports = tmp_path / "ports.json"
    arguments = ["up", "--port-file", str(ports), "--app", str(app), *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, "GUARD_IN": "x", "IN_QUEUE": "no", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, ports
    finally:
        process.kill()
        process.communicate()


SMALL = """
@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent): pass
"""


async def test_the_command_writes_the_port_file_and_no_child_survives_it(tmp_path: Path) -> None:
    """A new functions process is in the file as well; the command's end is one without warning."""
    with command(tmp_path, app_of(tmp_path, SMALL)) as (process, ports):
        await eventually(ports.exists, within=30)
        first = json.loads(ports.read_text())
        assert set(first) == {
            "arm",
            "topic",
            "topicKey",
            "functions",
            "functionsKey",
            "queueConnection",
            "ca",
            "teams",
            "smtp",
            "tables",
            "identity",
            "pids",
        }
        assert ports.stat().st_mode & 0o077 == 0
        os.kill(first["pids"]["functions"], signal.SIGKILL)
        await eventually(lambda: json.loads(ports.read_text())["pids"] != first["pids"], within=30)
        second = json.loads(ports.read_text())
        assert set(alive(second["pids"])) == {"functions", "azurite", "tables", "supervisor"}
        process.kill()
        output, _ = await asyncio.to_thread(process.communicate, None, 30)
        assert first["arm"] in output
        await eventually(lambda: alive(second["pids"]) == [])


async def test_the_command_has_options_and_sigterm_ends_everything(tmp_path: Path) -> None:
    """Blobs, notifications, and where to read them; afterwards file and children are gone."""
    with command(tmp_path, app_of(tmp_path, SMALL), "--notify", "--blobs") as (process, ports):
        await eventually(ports.exists, within=30)
        ends = json.loads(ports.read_text())
        every = {"functions", "azurite", "blobs", "tables", "supervisor"}
        assert set(alive(ends["pids"])) == every
        assert {"blobs", "tables", "email", "webhook", "alertsTopic"} <= ends.keys()
        assert environment(ends["pids"]["functions"])["GUARD_CHANNEL_TEAMS__teams"] == ends["teams"]
        async with Outside(ends) as outside:
            await outside.put_policy("version: 1\n")
        process.terminate()
        output, _ = await asyncio.to_thread(process.communicate, None, 30)
        assert process.returncode == 0, output
        assert not ports.exists()
        assert alive(ends["pids"]) == []
    for page in ("teams", "mails"):
        assert f"{ends['arm']}/_sandbox/{page}\n" in output
    assert ends["blobs"] in output
    assert "peek_messages" not in output


async def test_the_command_fails_when_the_app_does_not_load(tmp_path: Path) -> None:
    """Exit code 1 and the app's own words."""
    began = time.monotonic()
    with command(tmp_path, app_of(tmp_path, "import not_there")) as (process, ports):
        output, _ = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == 1
        assert "not_there" in output
        assert not ports.exists()
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
async def test_an_unknown_command_is_explained(arguments: list[str]) -> None:
    """The three commands are named."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", *arguments),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"usage: python -m sandbox" in errors


def alive(pids: dict[str, int]) -> list[str]:
    """The parts whose process runs; one that is only waited for does not."""
    running = []
    for name, pid in pids.items():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            running.append(name)
    return running


def _trust(ends: dict[str, Any]) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ends["ca"])
