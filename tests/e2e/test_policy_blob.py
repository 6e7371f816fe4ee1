"""A policy in a blob: an exemption without a deployment, changes told, trouble parked and told."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from sandbox.outside import GROUP, SUBSCRIPTION, Outside, until
from sandbox.up import Sandbox
from tests.e2e.conftest import FAST, quick
from tests.e2e.names import DISK, OPEN, PREMIUM, fresh

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRICT = "version: 1\n"
LATE = 30


def exempting(name: str) -> str:
    """A strict policy with an exemption for one disk, for as long as tests are run."""
    return f"""
version: 1
exemptions:
  - scope: /subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{DISK}/{name}
    rules: [networkAccessPolicy, publicNetworkAccess]
    reason: copied to the archive
    owner: archive-team
    approved_by: security
    ticket: CHG0042
    expires_on: {_in_a_month()}
"""


def _in_a_month() -> str:
    return (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


def settings(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """A guard that reads its policy from a blob, where there is none yet."""
    url = f"{endpoints['blobs']}/policy/policy.yaml"
    return {"GUARD_MODE": "enforce", "GUARD_POLICY": url, **FAST}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox without any key for its app: blobs and queues know its managed identity."""
    sandbox = partial(Sandbox, env=settings, blobs=True, storage_identity=True)
    async with quick(sandbox) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def outside(box: Sandbox) -> AsyncIterator[Outside]:
    """Everybody but the guard."""
    async with Outside(box.endpoints) as people:
        yield people


async def restart(box: Sandbox) -> None:
    """The next instance reads the policy at once; a running one would within a minute."""
    await box.kill_functions()
    await box.functions.ready()


async def policy_alerts(outside: Outside, count: int) -> list[dict[str, Any]]:
    """The alerts that are about no resource, once there are so many."""
    found: list[dict[str, Any]] = []

    async def enough() -> bool | None:
        found[:] = [a for a in await outside.alerts() if a["resourceId"] is None]
        return len(found) >= count or None

    await until(enough, f"{count} alerts about the policy", within_s=LATE)
    return found


async def test_without_a_policy_events_are_parked_and_done_later(outside: Outside) -> None:
    """Nothing is changed, one critical alert says so, and nothing is lost once it is there."""
    name = fresh("disk")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    (told,) = await policy_alerts(outside, 1)
    assert told["severity"] == "critical"
    assert "no such blob" in told["reason"]
    assert await outside.guard_calls_of(name) == []
    await outside.put_policy(STRICT)
    alert = await outside.alert_about(name, LATE)
    await outside.wait_until_closed(DISK, name)
    assert alert["outcome"] == "reverted"


async def test_an_exemption_needs_no_deployment_and_is_told(box: Sandbox, outside: Outside) -> None:
    """Closed before, left alone after: one GET, no alert about it, and one about the policy."""
    name, other = fresh("disk"), fresh("disk")
    await outside.put_policy(STRICT)
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    await outside.wait_until_closed(DISK, name)

    await outside.put_policy(exempting(name))
    await restart(box)
    await outside.put("mallory", DISK, other, OPEN, PREMIUM)
    await outside.wait_until_closed(DISK, other)
    before = len(await outside.guard_calls_of(name))
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.wait_for_calls_of(name, before + 1)
    (told,) = await policy_alerts(outside, 1)
    assert told["severity"] == "high"
    assert "new exemption" in told["reason"]
    assert "CHG0042" in told["reason"]
    assert alert["policyHash"] != told["policyHash"]
    assert await outside.alerts_about(name) == [alert]
    calls = await outside.guard_calls_of(name)
    assert [call["method"] for call in calls[before:]] == ["GET"]
