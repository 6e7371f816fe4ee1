"""The control endpoints: calls, faults, settings, and what is added to them."""

import asyncio
import re
import time
from typing import Any

import aiohttp
import pytest

from tests.sandbox.test_arm_server import DISK, SNAPSHOT, Azure, Reply, azure


async def fault(az: Azure, **order: Any) -> None:
    """Order a fault."""
    reply = await az.call("POST", "/_sandbox/faults", order)
    assert reply.status == 200, reply.body


async def test_the_call_list_tells_what_was_asked_by_whom() -> None:
    """Method, path, API version, status, caller and time of each ARM call, and of nothing else."""
    async with azure() as az:
        await az.disk()
        await az.as_guard("GET", DISK)
        await az.call("GET", "/_sandbox/settings")
        calls = (await az.call("GET", "/_sandbox/calls")).body

        assert [(call["method"], call["status"], call["caller"]) for call in calls] == [
            ("PUT", 200, "alice"),
            ("GET", 200, "guard"),
        ]
        assert {"method", "path", "apiVersion", "status", "caller", "at"} == calls[0].keys()
        assert (calls[0]["path"], calls[0]["apiVersion"]) == (DISK, "2024-03-02")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", calls[0]["at"])

        by_guard = (await az.call("GET", "/_sandbox/calls?caller=guard")).body
        assert [call["method"] for call in by_guard] == ["GET"]
        await az.call("DELETE", "/_sandbox/calls")
        assert (await az.call("GET", "/_sandbox/calls")).body == []


async def test_refused_calls_are_in_the_list_too() -> None:
    """With the status the client got."""
    async with azure() as az:
        await az.call("GET", DISK, caller=None)
        await az.call("GET", DISK)
        assert [(c["caller"], c["status"]) for c in az.arm.calls] == [
            ("guard", 401),
            ("alice", 404),
        ]


async def test_a_fault_answers_in_place_of_azure_as_often_as_ordered() -> None:
    """Status, headers and body as ordered, nothing is changed, then all is well again."""
    body = {"error": {"code": "TooManyRequests", "message": "slow down"}}
    async with azure() as az:
        await az.disk()
        az.events.clear()
        await fault(az, status=429, times=2, headers={"Retry-After": "7"}, body=body)
        for _ in range(2):
            reply = await az.call("PATCH", DISK, {"tags": {"a": "b"}})
            assert (429, "7", body) == (reply.status, reply.headers["Retry-After"], reply.body)
        assert ((await az.call("GET", DISK)).body["tags"], az.events) == ({}, [])


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({"method": "GET"}, {"alice GET disk", "bob GET snap"}),
        ({"path": "/DISKS/db-.*$"}, {"alice GET disk", "alice PATCH disk"}),
        ({"caller": "bob"}, {"bob GET snap"}),
        ({"method": "PATCH", "path": "snapshots"}, set()),
        ({}, {"alice GET disk", "alice PATCH disk", "bob GET snap"}),
    ],
)
async def test_a_fault_meets_the_calls_it_matches(match: dict[str, str], hit: set[str]) -> None:
    """By method, path and caller; what is left out matches everything."""
    async with azure() as az:
        await az.disk()
        await az.disk(SNAPSHOT)
        await fault(az, match=match, status=503, times=99)
        calls: dict[str, Reply] = {
            "alice GET disk": await az.call("GET", DISK),
            "alice PATCH disk": await az.call("PATCH", DISK, {}),
            "bob GET snap": await az.call("GET", SNAPSHOT, caller="bob"),
        }
        assert hit == {name for name, reply in calls.items() if reply.status == 503}


async def test_a_fault_without_a_body_has_azures_shape() -> None:
    """An ordered error can be read like any other."""
    async with azure() as az:
        await fault(az, status=503)
        assert (await az.call("GET", DISK)).code == "ServiceUnavailable"


async def test_a_delay_ends_with_the_usual_answer() -> None:
    """Without a status the call is served, only later."""
    async with azure() as az:
        await az.disk()
        await fault(az, delay_s=0.05)
        start = time.monotonic()
        assert (await az.call("GET", DISK)).status == 200
        assert time.monotonic() - start >= 0.05


async def test_a_call_that_is_not_answered_yet_is_in_the_list() -> None:
    """A client that gave up has still called: status 0."""
    async with azure() as az:
        await fault(az, delay_s=600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await az.call("GET", DISK)
        assert [call["status"] for call in az.arm.calls] == [0]


async def test_a_reset_drops_the_connection_before_anything_happens() -> None:
    """The client sees a lost connection, the list a call with status 0."""
    async with azure() as az:
        await az.disk()
        await fault(az, match={"method": "PATCH"}, reset=True)
        with pytest.raises(aiohttp.ClientError):  # aiohttp would repeat a GET or DELETE by itself
            await az.call("PATCH", DISK, {"tags": {"a": "b"}})
        assert (az.arm.calls[-1]["method"], az.arm.calls[-1]["status"]) == ("PATCH", 0)
        assert (await az.call("GET", DISK)).body["tags"] == {}


async def test_cleared_faults_are_forgotten() -> None:
    """DELETE takes all orders back."""
    async with azure() as az:
        await fault(az, status=500, times=9)
        assert (await az.call("GET", "/_sandbox/faults")).body[0]["times"] == 9
        assert (await az.call("DELETE", "/_sandbox/faults")).status == 204
        assert (await az.call("GET", DISK)).status == 404


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ({"statuss": 500}, "statuss"),
        ({"match": {"verb": "GET"}}, "verb"),
        ({"match": {"path": "("}}, "regular expression"),
        ({"match": {"method": 3}}, "method"),
        ({"status": 99}, "status"),
        ({"times": 0}, "times"),
        ({"delay_s": "1"}, "delay_s"),
        ({"reset": "yes"}, "reset"),
        ({"accept": 1}, "accept"),
        ({"headers": []}, "headers"),
        ([], "a fault"),
    ],
)
async def test_an_order_that_is_not_understood_is_refused(order: object, word: str) -> None:
    """400, and the text says which part."""
    async with azure() as az:
        reply = await az.call("POST", "/_sandbox/faults", order)
        assert reply.status == 400
        assert word in reply.message


async def test_settings_begin_as_documented_and_are_merged() -> None:
    """One setting can be changed without naming the others."""
    start = {
        "latency_ms": 0,
        "patch": "sync",
        "operation_s": 2,
        "event_at": "completed",
        "claims": "full",
        "schema": "eventgrid",
        "disk_access_clear": "null",
        "patch_during_sas": "ok",
        "sas_survives_patch": True,
        "implicit_disk_events": False,
    }
    async with azure() as az:
        assert start == (await az.call("GET", "/_sandbox/settings")).body
        await az.settings(patch="async")
        assert {**start, "patch": "async"} == (await az.call("GET", "/_sandbox/settings")).body


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"patch": "maybe"}, "sync, async"),
        ({"latency": 3}, "latency"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"operation_s": True}, "operation_s"),
        ({"sas_survives_patch": "true"}, "sas_survives_patch"),
        ([], "object"),
    ],
)
async def test_unknown_settings_change_nothing(changes: object, word: str) -> None:
    """400 with the reason, and not even the good part is taken over."""
    async with azure() as az:
        before = (await az.call("GET", "/_sandbox/settings")).body
        if isinstance(changes, dict):
            changes = {"claims": "empty", **changes}
        reply = await az.call("POST", "/_sandbox/settings", changes)
        assert reply.status == 400
        assert word in reply.message
        assert before == (await az.call("GET", "/_sandbox/settings")).body


async def test_latency_is_added_to_every_call() -> None:
    """And to no control request."""
    async with azure() as az:
        await az.settings(latency_ms=60)
        start = time.monotonic()
        await az.call("GET", DISK)
        assert time.monotonic() - start >= 0.06


async def test_other_parts_of_the_sandbox_can_be_read_here() -> None:
    """An added path answers with what its function returns at that moment."""
    cards: list[str] = []
    async with azure(extra={"/_sandbox/teams": lambda: cards}) as az:
        assert (await az.call("GET", "/_sandbox/teams")).body == []
        cards.append("hello")
        assert (await az.call("GET", "/_sandbox/teams")).body == ["hello"]
        assert (await az.call("POST", "/_sandbox/teams", {})).status == 405


async def test_an_unknown_control_path_says_which_there_are() -> None:
    """404 that helps."""
    async with azure() as az:
        reply = await az.call("GET", "/_sandbox/coffee")
        assert reply.status == 404
        assert "/_sandbox/calls" in reply.message
