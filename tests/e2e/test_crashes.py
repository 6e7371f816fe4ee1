"""The process dies at the worst moments; storage goes away: closed in the end, and never untold."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox.certificates import Certificates
from sandbox.outside import Outside, until
from sandbox.up import Sandbox
from tests.e2e.conftest import FAST, quick
from tests.e2e.links import closed, cut, rules
from tests.e2e.names import CLOSED, DISK, OPEN, PREMIUM, fresh
from tests.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = 40
"""Seconds: an intent surfaces after 9, and the process has to come back before."""


class Proxied(Sandbox):
    """The app's queues are behind a proxy, which stands before its settings are asked for."""

    def __init__(self) -> None:
        super().__init__(env=self._settings, tables=True)
        self.proxy: Proxy

    async def _start_notifications(self, certificates: Certificates) -> None:
        self.proxy = await self._stack.enter_async_context(Proxy(self.azurite.queue_service_uri))
        await super()._start_notifications(certificates)

    def _settings(self, endpoints: dict[str, Any]) -> dict[str, str]:
        connection = endpoints["queueConnection"]
        port = connection.rpartition("127.0.0.1:")[2].partition("/")[0]
        through = connection.replace(f":{port}/", f":{self.proxy.port}/")
        storage = f"{through}TableEndpoint={endpoints['tables']};"
        return {"GUARD_MODE": "enforce", "GUARD_STORAGE": storage, **FAST}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Proxied]:
    """A sandbox of this module's own, to kill things in."""
    async with quick(Proxied) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def outside(box: Proxied) -> AsyncIterator[Outside]:
    """Everybody but the guard, which is up and has nothing left of the test before."""
    await box.functions.ready()
    async with Outside(box.endpoints) as people, people.queue("guard-work") as queue:
        await people.wait_until_idle()
        await queue.clear_messages()  # those as well that nobody can see yet
        await people.forget_calls()
        yield people
        box.proxy.release()
        await people.control("DELETE", "faults")


async def ends_closed_and_told(outside: Outside, name: str) -> set[str]:
    """The disk is closed and at least one alert is there; the outcomes seen."""
    await outside.alert_about(name, within_s=LATE)
    await outside.wait_until_closed(DISK, name)
    alerts = await outside.alerts_about(name)
    assert len({alert["alertId"] for alert in alerts}) == 1
    return {alert["outcome"] for alert in alerts}


async def test_killed_after_the_intent_it_is_closed_and_told(
    box: Proxied, outside: Outside
) -> None:
    """The PATCH never reached Azure: whoever comes first closes, and there is one alert id."""
    name = fresh("disk")
    await outside.fault(
        {
            "match": {"method": "PATCH", "caller": "guard"},
            "delay_s": 1,
            "status": 503,
        }
    )
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.wait_for_calls_of(name, 2)
    await box.kill_functions()
    outcomes = await ends_closed_and_told(outside, name)
    assert outcomes <= {"reverted", "found closed"}


async def test_killed_before_the_revocation_the_link_is_cut_by_whoever_comes_next(
    box: Proxied, outside: Outside
) -> None:
    """The intent was put, endGetAccess never reached Azure: Event Grid or the intent leads back."""
    name = fresh("disk")
    path = await outside.put_unnoticed("mallory", DISK, name, OPEN, PREMIUM)
    match = {"method": "POST", "caller": "guard", "path": f"/{name}/endGetAccess"}
    await outside.fault({"match": match, "delay_s": 1, "status": 503})
    link = await outside.grant_access("mallory", path)
    await outside.wait_for_calls_of(name, 3)  # one of them before the grant
    await box.kill_functions()
    assert await outside.link_status(link) == 200
    await cut(outside, link, LATE)
    await closed(outside, path, LATE)
    alert = await outside.alert_about(name, LATE)
    assert rules(alert) == {"liveExport", *CLOSED}
    assert alert["severity"] == "critical"


async def test_killed_after_the_patch_the_alert_comes_from_the_intent(
    box: Proxied, outside: Outside
) -> None:
    """Azure closed the disk and nobody could say so: the intent says it, "found closed"."""
    name = fresh("disk")
    await outside.fault({"match": {"method": "PATCH", "caller": "guard"}, "delay_s": 0.5})
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.wait_for_calls_of(name, 2)
    await box.kill_functions()
    assert await ends_closed_and_told(outside, name) == {"found closed"}


async def test_killed_after_the_alert_the_double_has_the_same_id(
    box: Proxied, outside: Outside
) -> None:
    """The intent could not be deleted: it surfaces, and its alert has the id of the first."""
    name = fresh("disk")
    box.proxy.hold(b"DELETE /devstoreaccount1/guard-work/")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await box.proxy.held.wait()
    await box.kill_functions()
    box.proxy.release(drop=True)
    first = await outside.alert_about(name)
    assert first["outcome"] == "reverted"

    async def double() -> bool | None:
        return len(await outside.alerts_about(name)) > 1 or None

    await until(double, "the intent's alert", LATE)
    assert await ends_closed_and_told(outside, name) == {"reverted", "found closed"}


async def test_without_storage_nothing_is_changed_until_it_is_back(
    box: Proxied, outside: Outside
) -> None:
    """No intent, no change: Event Grid keeps trying, and then it is closed and told."""
    name = fresh("disk")
    box.proxy.hold(b"POST /devstoreaccount1/guard-work/")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await asyncio.wait_for(box.proxy.held.wait(), 20)
    await outside.wait_for_calls_of(name, 2, within_s=40)  # Event Grid's second try
    methods = {call["method"] for call in await outside.guard_calls_of(name)}
    assert methods == {"GET"}
    box.proxy.release()
    await ends_closed_and_told(outside, name)


async def test_an_alert_queue_that_is_away_delays_the_alert_and_loses_nothing(
    box: Proxied, outside: Outside
) -> None:
    """Closed at once; the intent stays and its alert comes when the queue is back."""
    name = fresh("disk")
    box.proxy.hold(b"POST /devstoreaccount1/guard-alerts/")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.wait_until_closed(DISK, name)
    await asyncio.wait_for(box.proxy.held.wait(), 20)
    box.proxy.release()
    outcomes = await ends_closed_and_told(outside, name)
    assert outcomes <= {"reverted", "found closed"}


async def test_audit_mode_reports_what_it_would_have_done() -> None:
    """GUARD_MODE=audit: one GET, one alert with the PATCH that was not sent, nothing changed."""
    name, closed = fresh("disk"), fresh("disk")
    async with Sandbox(env={"GUARD_MODE": "audit"}) as box, Outside(box.endpoints) as outside:
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await outside.put("platform", DISK, closed, CLOSED, PREMIUM)
        alert = await outside.alert_about(name)
        await outside.wait_for_calls_of(closed, 1)
        assert alert["outcome"] == "reported only"
        assert '"networkAccessPolicy": "DenyAll"' in alert["reason"]
        assert [call["method"] for call in await outside.guard_calls()] == ["GET", "GET"]
        properties = (await outside.get(DISK, name))["properties"]
        assert properties["networkAccessPolicy"] == "AllowAll"


async def test_an_unreadable_policy_changes_nothing_and_parks_the_event(
    tmp_path: Any,
) -> None:
    """No policy is not "no rules": nothing is changed, and the event waits in guard-work."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nresources: [oops\n")
    name = fresh("disk")
    env = {"GUARD_MODE": "enforce", "GUARD_POLICY": str(policy), **FAST}
    async with Sandbox(env=env) as box, Outside(box.endpoints) as outside:
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)

        async def parked() -> bool | None:
            async with outside.queue("guard-work") as queue:
                properties = await queue.get_queue_properties()
            return bool(properties.approximate_message_count) or None

        await until(parked, "the event in guard-work")
        assert await outside.guard_calls_of(name) == []
        policy.write_text("version: 1\n")
        alert = await outside.alert_about(name, within_s=LATE)
        assert (alert["outcome"], alert["source"]) == ("reverted", "work")
