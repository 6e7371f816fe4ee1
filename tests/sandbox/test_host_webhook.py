"""The Event Grid webhook: keys, handshakes, answers, and one invocation for each event."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from sandbox.host import Host
from tests.sandbox.host_fixtures import app_of, cloud_event, eventually, grid_event

SOURCE = """
SEEN = []
TOGETHER = asyncio.Barrier(2)

@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent):
    data = event.get_json()
    SEEN.append((type(event).__name__, event.id, data))
    if data.get("meet"):
        async with asyncio.timeout(5):
            await TOGETHER.wait()
    if data.get("fail"):
        raise RuntimeError(data["fail"])

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def yearly(timer: func.TimerRequest) -> None:
    SEEN.append(("timer", timer.past_due))
"""
PATH = "/runtime/webhooks/eventgrid?functionName=on_event&code=key"
NOTIFICATION = {"aeg-event-type": "Notification"}


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A host with one Event Grid function."""
    host = Host(app_of(tmp_path, SOURCE), key="key")
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
async def client(host: Host) -> AsyncIterator[ClientSession]:
    """A client of the host."""
    async with ClientSession(host.url) as session:
        yield session


def seen() -> list[Any]:
    """What the functions got."""
    found: list[Any] = sys.modules["function_app"].SEEN
    return found


async def test_both_schemas_reach_the_function(client: ClientSession) -> None:
    """An array of Event Grid events and a single CloudEvent are both decoded."""
    for body in ([grid_event("a", x=1)], cloud_event("b", x=2)):
        async with client.post(PATH, json=body, headers=NOTIFICATION) as answer:
            assert answer.status == 202
    assert seen() == [("EventGridEvent", "a", {"x": 1}), ("CloudEvent", "b", {"x": 2})]


async def test_the_events_of_a_request_run_at_the_same_time(client: ClientSession) -> None:
    """Two functions that wait for each other both end."""
    body = [grid_event("a", meet=True), grid_event("b", meet=True)]
    async with client.post(PATH, json=body, headers=NOTIFICATION) as answer:
        assert answer.status == 202


async def test_one_failure_fails_the_request(
    client: ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Event Grid gets 500 with the reason, and the log one line."""
    body = [grid_event("a"), grid_event("b", fail="no\nluck")]
    async with client.post(PATH, json=body, headers=NOTIFICATION) as answer:
        assert (answer.status, await answer.text()) == (500, "RuntimeError: no\nluck")
    lines = [r.getMessage() for r in caplog.records if r.name == "sandbox.host"]
    assert lines == ["Executed 'Functions.on_event' (Failed): RuntimeError: no luck"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runtime/webhooks/eventgrid?functionName=on_event", 401),
        ("/runtime/webhooks/eventgrid?functionName=on_event&code=wrong", 401),
        ("/runtime/webhooks/eventgrid?functionName=On_Event&code=key", 404),
        ("/runtime/webhooks/eventgrid?functionName=yearly&code=key", 404),
        ("/runtime/webhooks/eventgrid?code=key", 404),
        ("/runtime/webhooks/blobs?functionName=on_event&code=key", 404),
        ("/runtime/webhooks/EventGrid?functionName=on_event&code=key", 202),
    ],
)
async def test_only_the_right_address_is_answered(
    client: ClientSession, path: str, status: int
) -> None:
    """Key, function and extension are checked as the real host does."""
    async with client.post(path, json=[grid_event()], headers=NOTIFICATION) as answer:
        assert answer.status == status


async def test_the_key_may_come_in_a_header(client: ClientSession) -> None:
    """x-functions-key opens the webhook as well."""
    headers = NOTIFICATION | {"x-functions-key": "key"}
    path = "/runtime/webhooks/eventgrid?functionName=on_event"
    async with client.post(path, json=[grid_event()], headers=headers) as answer:
        assert answer.status == 202


@pytest.mark.parametrize(
    ("kind", "status"), [("Unsubscribe", 202), ("Something", 400), ("", 400), ("NOTIFICATION", 202)]
)
async def test_the_kind_of_request_decides(client: ClientSession, kind: str, status: int) -> None:
    """aeg-event-type is read without case; an unknown one is a bad request."""
    async with client.post(PATH, json=[], headers={"aeg-event-type": kind}) as answer:
        assert answer.status == status


async def test_a_body_that_is_no_json_is_a_server_error(client: ClientSession) -> None:
    """As in the real host, where the parser's exception gets through."""
    async with client.post(PATH, data="{", headers=NOTIFICATION) as answer:
        assert answer.status == 500


@pytest.mark.parametrize("cloud", [False, True])
async def test_a_subscription_is_validated(client: ClientSession, cloud: bool) -> None:
    """The code comes back, from an array or from a CloudEvent with JSON within JSON."""
    data = {"validationCode": "c0de"}
    body: Any = {"id": "1", "data": json.dumps(data)} if cloud else [{"id": "1", "data": data}]
    headers = {"aeg-event-type": "SubscriptionValidation"}
    async with client.post(PATH, json=body, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"validationResponse": "c0de"})


async def test_options_allow_event_grid(client: ClientSession) -> None:
    """The handshake of CloudEvents."""
    async with client.options(PATH) as answer:
        assert answer.headers["Webhook-Allowed-Origin"] == "eventgrid.azure.net"


async def test_admin_tells_status_and_functions_to_those_with_the_key(
    client: ClientSession,
) -> None:
    """Without the key nothing is told."""
    async with client.get("/admin/host/status?code=key") as answer:
        assert await answer.json() == {"state": "Running"}
    async with client.get("/admin/functions?code=key") as answer:
        functions = {f["name"]: f["bindings"] for f in await answer.json()}
        assert functions["on_event"][0]["type"] == "eventGridTrigger"
    for path in ("/admin/host/status", "/admin/functions"):
        async with client.get(path) as answer:
            assert answer.status == 401


async def test_admin_runs_a_function_on_request(client: ClientSession) -> None:
    """Any function but an HTTP one, without waiting for it."""
    for name, given in (("on_event", json.dumps(grid_event("x"))), ("yearly", "")):
        path = f"/admin/functions/{name}?code=key"
        async with client.post(path, json={"input": given}) as answer:
            assert answer.status == 202
    await eventually(lambda: len(seen()) == 2)
    assert sorted(found[:2] for found in seen()) == [("EventGridEvent", "x"), ("timer", False)]


@pytest.mark.parametrize(
    ("path", "status"),
    [("on_event", 401), ("nobody?code=key", 404), ("on_event?code=key", 400)],
)
async def test_admin_refuses_what_it_cannot_run(
    client: ClientSession, path: str, status: int
) -> None:
    """No key, no such function, no event."""
    async with client.post(f"/admin/functions/{path}", data="nonsense") as answer:
        assert answer.status == status
