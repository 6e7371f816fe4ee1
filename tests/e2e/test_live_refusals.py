"""Groups where Azure refuses the guard for good, as those of AKS: one alert for each group."""

from typing import Any

from sandbox.outside import SUBSCRIPTION, Outside, path_of, until
from tests.e2e.names import DISK, OPEN, PREMIUM, fresh

GATHERING_S = 45
"""Refusals are gathered for 30 s."""

CODES = ("DenyAssignmentAuthorizationFailed", "LinkedAuthorizationFailed")
DISKS = 5


def refusal(path: str, code: str) -> dict[str, Any]:
    """A fault of every PATCH of the guard at a path."""
    error = {"code": code, "message": "Azure's own words."}
    match = {"method": "PATCH", "caller": "guard", "path": path}
    return {"match": match, "status": 403, "body": {"error": error}, "times": 99}


async def open_disks(outside: Outside, group: str, number: int) -> list[str]:
    """The platform puts disks into a group; returns their IDs."""
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 32, **OPEN}
    body = {"location": "westeurope", "sku": {"name": PREMIUM}, "properties": properties}
    paths = [path_of(DISK, fresh("node"), group=group) for _ in range(number)]
    for path in paths:
        status, answer = await outside.arm("PUT", path, "aks", body)
        assert status in (200, 201), answer
    return paths


async def test_refusals_of_a_whole_group_are_told_once_with_all_its_disks(
    outside: Outside,
) -> None:
    """Two groups of five disks each: two alerts, each with its disks and Azure's words.

    A link that is out there is told at once, by itself.
    """
    groups = {fresh("MC_pool_"): code for code in CODES}
    disks = {}
    for group, code in groups.items():
        await outside.fault(refusal(f"/{group}/", code))
        disks[group] = await open_disks(outside, group, DISKS)
    (exported,) = await open_disks(outside, next(iter(groups)), 1)
    name = exported.rpartition("/")[2]
    await outside.wait_for_calls_of(name, 2)  # GET and the PATCH that was refused
    link = await outside.grant_access("mallory", exported)

    alert = await outside.alert_about(name)
    assert alert["outcome"] == "not reverted"
    assert alert["severity"] == "critical"
    assert CODES[0] in alert["reason"]
    assert await outside.link_status(link) == 403

    async def told() -> bool | None:
        return all([await outside.alerts_about(group) for group in groups]) or None

    await until(told, "an alert about each group", GATHERING_S)
    await outside.wait_until_idle()
    for group, code in groups.items():
        (alert,) = await outside.alerts_about(group)
        assert alert["resourceId"] == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
        assert (alert["outcome"], alert["severity"]) == ("not reverted", "high")
        assert code in alert["reason"]
        assert "Azure's own words" in alert["reason"]
        assert all(path.rpartition("/")[2] in alert["reason"] for path in disks[group])
    every = [path.rpartition("/")[2] for paths in disks.values() for path in paths]
    assert [await outside.alerts_about(one) for one in every] == [[]] * len(every)
    calls = [call["method"] for one in every for call in await outside.guard_calls_of(one)]
    assert calls == ["GET", "PATCH"] * len(every)
