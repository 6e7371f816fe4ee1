"""Disks that nobody wrote: a machine, a scale set and a restore point lead to what they bring."""

from collections import Counter
from typing import Any

import pytest

from sandbox.outside import GROUP, SUBSCRIPTION, Outside, path_of, until
from tests.e2e.conftest import Up
from tests.e2e.events import event_about
from tests.e2e.links import closed, cut, told
from tests.e2e.names import (
    CLOSED,
    COLLECTION,
    COPY,
    DISK,
    MACHINE,
    OPEN,
    POINT,
    SCALE_SET,
    fresh,
)

IMAGE = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
DISKS_OF = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{DISK}"


def profile(data: int) -> dict[str, Any]:
    """A storage profile with a disk for the system and so many for data, all open."""
    return {
        "imageReference": IMAGE,
        "osDisk": {"createOption": "FromImage", "osType": "Linux"},
        "dataDisks": [
            {"lun": lun, "createOption": "Empty", "diskSizeGB": 8} for lun in range(data)
        ],
    }


async def put_machine(outside: Outside, name: str, data: int) -> str:
    """The platform puts a machine; returns its ID."""
    path = path_of(MACHINE, name)
    body = {"location": "westeurope", "properties": {"storageProfile": profile(data)}}
    status, answer = await outside.arm("PUT", path, "platform", body)
    assert status in (200, 201), answer
    return path


async def disks_of(outside: Outside, stem: str) -> list[dict[str, Any]]:
    """The disks whose names begin so."""
    status, listed = await outside.arm("GET", DISKS_OF, "onlooker")
    assert status == 200, listed
    return [disk for disk in listed["value"] if disk["name"].startswith(f"{stem}_")]


async def all_closed(outside: Outside, stem: str, number: int) -> None:
    """Wait until so many disks are there and nothing of them is open."""

    async def shut() -> bool | None:
        disks = await disks_of(outside, stem)
        shut = [disk for disk in disks if CLOSED.items() <= disk["properties"].items()]
        return (len(disks) == len(shut) == number) or None

    await until(shut, f"{number} disks of {stem} to be closed", within_s=60)


async def calls_by_disk(outside: Outside, stem: str) -> dict[str, list[str]]:
    """What the guard asked of each disk whose name begins so."""
    found: dict[str, list[str]] = {}
    for call in await outside.guard_calls():
        name = call["path"].rpartition("/disks/")[2]
        if name.startswith(f"{stem}_"):
            found.setdefault(name, []).append(call["method"])
    return found


async def alerts_about_disks(outside: Outside, stem: str, number: int) -> list[dict[str, Any]]:
    """The alerts about disks whose names begin so, once there are so many."""

    async def enough() -> list[dict[str, Any]] | None:
        there = [a for a in await outside.alerts() if f"/disks/{stem}_" in (a["resourceId"] or "")]
        return there if len(there) >= number else None

    return await until(enough, f"{number} alerts about disks of {stem}")


def resumed(up: Up, name: str) -> int:
    """How often the guard had to go on with a lead, as its time was over: the machine is slow."""
    lines = up.log.read_text().splitlines()
    return sum(f"/{name} " in line and "the rest follows" in line for line in lines)


async def test_a_machine_with_64_data_disks_is_followed_to_each(up: Up, outside: Outside) -> None:
    """Disks without events: one GET of the machine, one GET and one PATCH of each disk, no more.

    Written again, all is as it should be, and the GETs are all there is.
    """
    name = fresh("vm")
    await outside.forget_calls()
    await put_machine(outside, name, 64)
    await all_closed(outside, name, 65)
    await outside.wait_until_idle()
    first = resumed(up, name)
    calls = await outside.guard_calls_of(name)
    assert [call["method"] for call in calls] == ["GET"] * (1 + first)
    asked = await calls_by_disk(outside, name)
    assert list(asked.values()) == [["GET", "PATCH"]] * 65

    await outside.forget_calls()
    await put_machine(outside, name, 64)
    await outside.wait_for_calls(1 + 65, within_s=40)
    await outside.wait_until_idle()
    calls = await outside.guard_calls_of(name)
    assert [call["method"] for call in calls] == ["GET"] * (1 + resumed(up, name) - first)
    assert list((await calls_by_disk(outside, name)).values()) == [["GET"]] * 65
    alerts = await alerts_about_disks(outside, name, 65)
    assert Counter(alert["outcome"] for alert in alerts) == {"reverted": 65}
    assert len({alert["resourceId"].lower() for alert in alerts}) == 65


async def test_disks_with_events_of_their_own_are_closed_just_the_same(outside: Outside) -> None:
    """If Azure tells of them, they are looked at twice and told as one violation each at most."""
    name = fresh("vm")
    await outside.settings(implicit_disk_events=True)
    await put_machine(outside, name, 7)
    await all_closed(outside, name, 8)

    async def twice() -> bool | None:
        asked = await calls_by_disk(outside, name)
        return sum(methods.count("GET") for methods in asked.values()) >= 16 or None

    await until(twice, "both looks at each disk")
    await outside.wait_until_idle()
    asked = await calls_by_disk(outside, name)
    assert {methods.count("GET") for methods in asked.values()} == {2}
    assert {methods[0] for methods in asked.values()} == {"GET"}
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]


async def test_a_machine_that_is_still_being_made_is_looked_at_again(outside: Outside) -> None:
    """An event at the start of the operation finds disks that are not there yet."""
    name = fresh("vm")
    await outside.settings(patch="async", event_at="accepted", operation_s=1)
    await put_machine(outside, name, 2)
    await outside.wait_for_calls_of(name, 1)
    await outside.settings(patch="sync")
    await all_closed(outside, name, 3)
    assert [call["method"] for call in await outside.guard_calls_of(name)][:2] == ["GET", "GET"]


async def test_a_scale_set_is_followed_through_all_pages_to_each_disk(outside: Outside) -> None:
    """Twelve instances in pages of five: three GETs for the list, and every disk is closed."""
    name = fresh("pool")
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard_D2s_v5", "capacity": 12},
        "properties": {"virtualMachineProfile": {"storageProfile": profile(1)}},
    }
    await outside.forget_calls()
    status, answer = await outside.arm("PUT", path_of(SCALE_SET, name), "platform", body)
    assert status in (200, 201), answer
    await all_closed(outside, name, 24)
    await outside.wait_until_idle()
    calls = await outside.guard_calls_of(name)
    assert [call["method"] for call in calls] == ["GET"] * 3
    assert {call["path"].rpartition("/")[2] for call in calls} == {"virtualMachines"}
    asked = await calls_by_disk(outside, name)
    assert list(asked.values()) == [["GET", "PATCH"]] * 24


@pytest.mark.parametrize("type_", [MACHINE, SCALE_SET, POINT])
async def test_what_is_gone_by_then_leads_nowhere(outside: Outside, type_: str) -> None:
    """One GET that finds nothing, a look or two again, and no alert."""
    name = fresh("gone")
    places = name if type_ != POINT else f"{name}/monday"
    await outside.post_event(event_about(path_of(type_, places), f"{type_}/write"))
    assert [call["status"] for call in await outside.guard_calls_of(name)] == [404]
    assert [a for a in await outside.alerts() if f"/{name}" in (a["resourceId"] or "")] == []


async def restore_point(outside: Outside) -> tuple[str, list[str]]:
    """A restore point of a machine whose two disks were open when it was made: ID, copies' IDs."""
    machine, collection = fresh("vm"), fresh("points")
    await outside.hide(machine)
    source = await put_machine(outside, machine, 1)
    await outside.wait_for_calls_of(machine, 1)
    body = {"location": "westeurope", "properties": {"source": {"id": source}}}
    path = path_of(COLLECTION, collection)
    assert (await outside.arm("PUT", path, "platform", body))[0] in (200, 201)
    point = f"{path}/restorePoints/monday"
    status, answer = await outside.arm("PUT", point, "platform", {"properties": {}})
    assert status == 201, answer
    status, listed = await outside.arm("GET", f"{point}/diskRestorePoints", "onlooker")
    assert status == 200, listed
    return point, [copy["id"] for copy in listed["value"]]


async def test_open_copies_in_a_restore_point_are_told_as_nothing_closes_them(
    outside: Outside,
) -> None:
    """One list, one GET for each copy, one alert for each; no request would change a setting."""
    point, copies = await restore_point(outside)
    assert len(copies) == 2
    for copy in copies:
        alert = await outside.alert_about(copy.rpartition("/")[2])
        assert alert["outcome"] == "reported only"
        assert alert["resourceType"] == COPY
        found = {finding["rule"]: finding["actual"] for finding in alert["findings"]}
        assert found == OPEN
    await outside.wait_until_idle()
    calls = await outside.guard_calls_of(point.rpartition("/restorePoints/")[0].rpartition("/")[2])
    assert [call["method"] for call in calls] == ["GET"] * 3


async def test_links_to_copies_in_a_restore_point_are_cut(outside: Outside) -> None:
    """One to a copy, and those to all copies at once: dead, without a state that would show it."""
    point, copies = await restore_point(outside)
    for copy in copies:
        await outside.alert_about(copy.rpartition("/")[2])

    link = await outside.grant_access("mallory", copies[0])
    await cut(outside, link)
    alert = await told(outside, copies[0].rpartition("/")[2], "reverted")
    assert alert["severity"] == "critical"
    assert alert["exposure"]["caller"].startswith("mallory")
    assert alert["exposure"]["secondsOpen"] >= 0
    assert alert["exposure"]["stateAfter"] is None

    answer = await outside.act("mallory", point, "retrieveSasUris")
    links = [one["accessSAS"] for one in answer["sasUris"]]
    assert len(set(links)) == 2
    for one in links:
        await cut(outside, one)
    second = await told(outside, copies[1].rpartition("/")[2], "reverted")
    assert second["severity"] == "critical"
    assert "retrieveSasUris" in second["operationName"]


async def test_the_link_to_a_disk_that_a_machine_brought_is_cut_too(outside: Outside) -> None:
    """The disk was never written by itself: its link is found by the event of the grant."""
    name = fresh("vm")
    await outside.hide(name)
    path = await put_machine(outside, name, 1)
    await outside.wait_for_calls_of(name, 1)
    assert (await outside.arm("DELETE", path, "platform"))[0] in (200, 202, 204)
    (disk, *_) = [disk["id"] for disk in await disks_of(outside, name)]
    link = await outside.grant_access("mallory", disk)
    await cut(outside, link)
    await closed(outside, disk)
