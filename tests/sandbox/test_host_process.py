"""`python -m sandbox.host` as a process: what it says, and how it ends."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from sandbox.host.__main__ import BAD_APP, TIMED_OUT
from sandbox.processes import Child, StartError, free_port, until
from tests.sandbox.host_fixtures import app_of, eventually, grid_event

ROOT = Path(__file__).parents[2]
SOURCE = """
import logging

@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent):
    wish = event.get_json()
    logging.info("app says %s", wish)
    await asyncio.sleep(wish.get("wait", 0))
    time.sleep(wish.get("block", 0))
    if "fail" in wish:
        raise RuntimeError(wish["fail"])
"""
ONE_SECOND = '{"functionTimeout": "00:00:01"}'


class Served:
    """A host process, and a way to send it events."""

    def __init__(self, child: Child, url: str) -> None:
        self.child = child
        self._url = url

    async def send(self, **data: object) -> int:
        """The status of the answer, or 0 when the process ended instead."""
        url = f"{self._url}/runtime/webhooks/eventgrid?functionName=on_event&code=key"
        headers = {"aeg-event-type": "Notification"}
        try:
            async with (
                ClientSession() as session,
                session.post(url, json=[grid_event("1", **data)], headers=headers) as answer,
            ):
                return answer.status
        except ClientError:
            return 0

    async def answers(self) -> bool:
        """Whether it is up."""
        try:
            async with (
                ClientSession() as session,
                session.get(f"{self._url}/admin/host/status?code=key") as answer,
            ):
                return answer.status == 200
        except ClientError:
            return False


Serve = Callable[[str, str], Awaitable[Served]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts host processes for apps."""
    children: list[Child] = []

    async def start(source: str, host_json: str = "{}") -> Served:
        port = free_port()
        folder = app_of(tmp_path, source, host_json)
        command = [sys.executable, "-m", "sandbox.host", "--app", str(folder)]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        child = Child("host", [*command, "--port", str(port), "--key", "key"], env=env)
        await child.start()
        children.append(child)
        served = Served(child, f"http://127.0.0.1:{port}")
        await until(served.answers, within=30, child=child)
        return served

    yield start
    for child in children:
        await child.kill()


async def test_the_log_has_the_apps_words_and_one_line_for_each_failure(serve: Serve) -> None:
    """Otherwise the host is quiet, and SIGTERM ends it with exit code 0."""
    served = await serve(SOURCE, "{}")
    assert await served.send(n=1) == 202
    assert await served.send(fail="no") == 500
    await served.child.stop()
    assert served.child.exit_code == 0
    said = [line.partition(" INFO ")[2] or line for line in served.child.last_lines]
    assert said[0] == "app says {'n': 1}"
    assert said[1] == "app says {'fail': 'no'}"
    assert said[2].endswith("ERROR Executed 'Functions.on_event' (Failed): RuntimeError: no")
    assert len(said) == 3


async def test_a_function_that_takes_too_long_ends_the_process(serve: Serve) -> None:
    """The invocation fails, and the process ends for the supervisor to start a new one."""
    served = await serve(SOURCE, ONE_SECOND)
    assert await served.send(wait=60) == 500
    async with asyncio.timeout(10):
        assert await served.child.ended() == TIMED_OUT
    assert any("Timeout value of 1 s exceeded" in line for line in served.child.last_lines)


async def test_a_function_that_blocks_the_loop_ends_the_process_too(serve: Serve) -> None:
    """Blocking code cannot keep the process from its end."""
    served = await serve(SOURCE, ONE_SECOND)
    sending = asyncio.create_task(served.send(block=60))
    async with asyncio.timeout(15):
        assert await served.child.ended() == TIMED_OUT
    assert await sending == 0


async def test_a_broken_app_ends_the_process_with_the_reason(serve: Serve) -> None:
    """The library's words and the app's traceback are the last ones."""
    with pytest.raises(StartError, match=r"(?s)exit code 1.*RuntimeError: boom.*Traceback"):
        await serve("raise RuntimeError('boom')", "{}")
    assert BAD_APP == 1


async def test_running_functions_may_end_before_the_process_does(serve: Serve) -> None:
    """SIGTERM lets an event that is being handled be answered."""
    served = await serve(SOURCE, "{}")
    sending = asyncio.create_task(served.send(wait=0.5))
    await eventually(lambda: any("app says" in line for line in served.child.last_lines))
    await served.child.stop()
    assert await sending == 202
