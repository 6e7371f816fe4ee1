"""The process dies at the worst moments; storage goes away: closed in the end, and never untold."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.certificates import Certificates
from sandbox.outside import Outside, until
from sandbox.up import Sandbox
from tests.e2e.conftest import FAST
from tests.e2e.names import CLOSED, DISK, OPEN, PREMIUM, fresh
from tests.proxy import Proxy

LATE = 30
"""Seconds: an intent surfaces after 9, and the process has to come back before."""


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A sandbox of its own, to kill things in, its queues behind a proxy."""
    monkeypatch.setenv("SANDBOX_RETRY_SCHEDULE", FAST["SANDBOX_RETRY_SCHEDULE"])
    proxies: list[Proxy] = []

    class Proxied(Sandbox):
        """The app's storage goes through a proxy that stands before its settings are asked for."""

        async def _start_notifications(self, certificates: Certificates) -> None:
            proxy = Proxy(self.azurite.queue_service_uri)
            proxies.append(await self._stack.enter_async_context(proxy))
            self.proxy = proxy
            await super()._start_notifications(certificates)

    def settings(endpoints: dict[str, Any]) -> dict[str, str]:
        connection = endpoints["queueConnection"]
        port = connection.rpartition("127.0.0.1:")[2].partition("/")[0]
        through = connection.replace(f":{port}/", f":{proxies[0].port}/")
        return {"GUARD_MODE": "enforce", "GUARD_STORAGE": through, **FAST}

    async with Proxied(env=settings) as running:
        yield running


async def kill(box: Sandbox) -> None:
    """SIGKILL the functions process."""
    os.kill(box.endpoints["pids"]["functions"], signal.SIGKILL)


async def ends_closed_and_told(outside: Outside, name: str) -> set[str]:
    """The disk is closed and at least one alert is there; the outcomes seen."""
    await outside.alert_about(name, within_s=LATE)
    await outside.wait_until_closed(DISK, name)
    alerts = await outside.alerts_about(name)
    assert len({alert["alertId"] for alert in alerts}) == 1
    return {alert["outcome"] for alert in alerts}


async def test_killed_after_the_intent_it_is_closed_and_told(box: Sandbox) -> None:
    """The PATCH never reached Azure: whoever comes first closes, and there is one alert id."""
    name = fresh("disk")
    async with Outside(box.endpoints) as outside:
        await outside.fault(
            {
                "match": {"method": "PATCH", "caller": "guard"},
                "delay_s": 1,
                "status": 503,
            }
        )
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await outside.wait_for_calls_of(name, 2)
        await kill(box)
        outcomes = await ends_closed_and_told(outside, name)
        assert outcomes <= {"reverted", "found closed"}


async def test_killed_after_the_patch_the_alert_comes_from_the_intent(box: Sandbox) -> None:
    """Azure closed the disk and nobody could say so: the intent says it, "found closed"."""
    name = fresh("disk")
    async with Outside(box.endpoints) as outside:
        await outside.fault({"match": {"method": "PATCH", "caller": "guard"}, "delay_s": 0.5})
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await outside.wait_for_calls_of(name, 2)
        await kill(box)
        assert await ends_closed_and_told(outside, name) == {"found closed"}


async def test_killed_after_the_alert_the_double_has_the_same_id(box: Sandbox) -> None:
    """The intent could not be deleted: it surfaces, and its alert has the id of the first."""
    name = fresh("disk")
    async with Outside(box.endpoints) as outside:
        proxy: Proxy = box.proxy  # type: ignore[attr-defined]
        proxy.hold(b"DELETE /devstoreaccount1/guard-work/")
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await proxy.held.wait()
        await kill(box)
        proxy.release(drop=True)
        first = await outside.alert_about(name)
        assert first["outcome"] == "reverted"

        async def double() -> bool | None:
            return len(await outside.alerts_about(name)) > 1 or None

        await until(double, "the intent's alert", LATE)
        assert await ends_closed_and_told(outside, name) == {"reverted", "found closed"}


async def test_without_storage_nothing_is_changed_until_it_is_back(box: Sandbox) -> None:
    """No intent, no change: Event Grid keeps trying, and then it is closed and told."""
    name = fresh("disk")
    async with Outside(box.endpoints) as outside:
        proxy: Proxy = box.proxy  # type: ignore[attr-defined]
        proxy.hold(b"POST /devstoreaccount1/guard-work/")
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await asyncio.wait_for(proxy.held.wait(), 20)
        await outside.wait_for_calls_of(name, 2, within_s=40)  # Event Grid's second try
        methods = {call["method"] for call in await outside.guard_calls_of(name)}
        assert methods == {"GET"}
        proxy.release()
        await ends_closed_and_told(outside, name)


async def test_an_alert_queue_that_is_away_delays_the_alert_and_loses_nothing(
    box: Sandbox,
) -> None:
    """Closed at once; the intent stays and its alert comes when the queue is back."""
    name = fresh("disk")
    async with Outside(box.endpoints) as outside:
        proxy: Proxy = box.proxy  # type: ignore[attr-defined]
        proxy.hold(b"POST /devstoreaccount1/guard-alerts/")
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await outside.wait_until_closed(DISK, name)
        await asyncio.wait_for(proxy.held.wait(), 20)
        proxy.release()
        outcomes = await ends_closed_and_told(outside, name)
        assert outcomes <= {"reverted", "found closed"}


async def test_with_identity_for_storage_no_key_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The app's managed identity reaches its queues over https, as it should in Azure."""
    monkeypatch.setenv("SANDBOX_RETRY_SCHEDULE", FAST["SANDBOX_RETRY_SCHEDULE"])
    name = fresh("disk")
    env = {"GUARD_MODE": "enforce", **FAST}
    sandbox = Sandbox(env=env, storage_identity=True)
    async with sandbox as box, Outside(box.endpoints) as outside:
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        alert = await outside.alert_about(name)
        assert alert["outcome"] == "reverted"


async def test_audit_mode_reports_what_it_would_have_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
