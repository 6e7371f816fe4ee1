"""The ARM calls of docs/live-exports.md, counted at the sandbox's ARM."""

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from sandbox.outside import GROUP, SUBSCRIPTION, Outside, path_of
from tests.costs import N, P, table
from tests.e2e.events import granted
from tests.e2e.links import cut
from tests.e2e.names import BACKED, BACKUP, CLOSED, DISK, OPEN, PIPED, PREMIUM, SCALE_SET, fresh
from tests.e2e.test_doors import ROLES, assigned, exporting_registry, run_pipeline
from tests.e2e.test_leads import all_closed, disks_of, profile, put_machine, restore_point

INSTANCES = 11
"""Of a scale set, a disk each: on P pages."""

EXPORTING = "Microsoft.Compute/disks/beginGetAccess/action"

type Names = tuple[str, ...]


async def open_disk(outside: Outside, kind: str) -> tuple[str, str]:
    """A disk that the guard has not seen: name and ID."""
    name = fresh(kind)
    return name, await outside.put_unnoticed("platform", DISK, name, OPEN, PREMIUM)


async def closed_disk_with_a_link(outside: Outside, kind: str) -> tuple[str, str]:
    """A disk that was closed while somebody's link was out, all of it unseen."""
    name, path = await open_disk(outside, kind)
    await outside.grant_unnoticed("somebody", path)
    await outside.hide(name)
    assert (await outside.arm("PATCH", path, "platform", {"properties": CLOSED}))[0] == 200
    await outside.wait_for_calls_of(name, 2)
    return name, path


async def taken(outside: Outside, kind: str, by: str) -> Names:
    """Somebody takes a link to an open disk."""
    name, path = await open_disk(outside, kind)
    await outside.forget_calls()
    await outside.grant_access(by, path)
    await outside.alert_about(name)
    return (name,)


async def told_of(outside: Outside, kind: str, by: str) -> Names:
    """The event of a link to a closed disk comes."""
    name, path = await closed_disk_with_a_link(outside, kind)
    await outside.forget_calls()
    await outside.post_event(granted(DISK, path, by))
    return (name,)


async def tagged(outside: Outside, name: str, path: str) -> Names:
    """The platform writes a tag."""
    await outside.forget_calls()
    tag = {"tags": {"touched": "yes"}}
    assert (await outside.arm("PATCH", path, "platform", tag))[0] == 200
    await outside.wait_for_calls_of(name, 1)
    return (name,)


async def tagged_while_it_lasts(outside: Outside) -> Names:
    """The backup takes a link, and then a tag is written."""
    name, path = await closed_disk_with_a_link(outside, BACKED)
    await outside.post_event(granted(DISK, path, BACKUP))
    return await tagged(outside, name, path)


async def link_to_a_copy(outside: Outside) -> Names:
    """Mallory takes a link to one copy in a restore point."""
    _, copies = await restore_point(outside)
    name = copies[0].rpartition("/")[2]
    await outside.alert_about(name)
    await outside.forget_calls()
    await cut(outside, await outside.grant_access("mallory", copies[0]))
    return (name,)


async def copied(outside: Outside) -> Names:
    """A restore point is made of a machine with N disks."""
    point, copies = await restore_point(outside)
    assert len(copies) == N
    for copy in copies:
        await outside.alert_about(copy.rpartition("/")[2])
    return (point.split("/")[8],)


async def machine_written(outside: Outside) -> Names:
    """A machine whose N disks are closed is written again."""
    name = fresh("vm")
    await put_machine(outside, name, N - 1)
    await all_closed(outside, name, N)
    await outside.wait_until_idle()
    await outside.forget_calls()
    await put_machine(outside, name, N - 1)
    await outside.wait_for_calls(1 + N)
    return (name, *(disk["name"] for disk in await disks_of(outside, name)))


async def scale_set_written(outside: Outside) -> Names:
    """A scale set whose disks are closed is written again."""
    name = fresh("pool")
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard_D2s_v5", "capacity": INSTANCES},
        "properties": {"virtualMachineProfile": {"storageProfile": profile(0)}},
    }
    for _ in range(2):
        await outside.wait_until_idle()
        await outside.forget_calls()
        status, answer = await outside.arm("PUT", path_of(SCALE_SET, name), "platform", body)
        assert status in (200, 201), answer
        await outside.wait_for_calls(P + INSTANCES)
        await all_closed(outside, name, INSTANCES)
    return (name, *(disk["name"] for disk in await disks_of(outside, name)))


async def role_written(outside: Outside) -> Names:
    """Somebody writes a role that lets export."""
    guid = str(uuid.uuid4())
    properties = {
        "roleName": fresh("role"),
        "permissions": [{"actions": [EXPORTING]}],
        "assignableScopes": [f"/subscriptions/{SUBSCRIPTION}"],
    }
    path = f"{ROLES}/roleDefinitions/{guid}"
    assert (await outside.arm("PUT", path, "owner", {"properties": properties}))[0] == 201
    await outside.alert_about(guid)
    return (guid,)


async def role_given(outside: Outside) -> Names:
    """Somebody gets it."""
    (role,) = await role_written(outside)
    await outside.forget_calls()
    guid = str(uuid.uuid4())
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{guid}"
    body = assigned(f"{ROLES}/roleDefinitions/{role}", "eve")
    assert (await outside.arm("PUT", path, "owner", body))[0] == 201
    await outside.alert_about(guid)
    return (guid, role)


async def piped(outside: Outside) -> Names:
    """A registry with N export pipelines that the policy lets delete."""
    names = [f"pipeline{number}" for number in range(N)]
    name, path = await exporting_registry(outside, PIPED, *names)
    await run_pipeline(outside, path, names[0])
    await outside.alert_about(name)
    return (name,)


CASES: dict[str, Callable[[Outside], Awaitable[Names]]] = {
    "a stranger takes a link, settings closed": lambda o: told_of(o, "disk", "mallory"),
    "a stranger takes a link, settings open": lambda o: taken(o, "disk", "mallory"),
    "a stranger takes a link where an exporter might": lambda o: taken(o, BACKED, "mallory"),
    "an exporter takes a link, settings closed": lambda o: told_of(o, BACKED, BACKUP),
    "an exporter takes a link, settings open": lambda o: taken(o, BACKED, BACKUP),
    "a tag is written while an export lasts": tagged_while_it_lasts,
    "a link nobody knows of, settings closed": lambda o: unknown(o, closed_disk_with_a_link),
    "a link nobody knows of, settings open": lambda o: unknown(o, open_disk_with_a_link),
    "a stranger takes a link to a restore point's copy": link_to_a_copy,
    "a restore point is written, N copies": copied,
    "a machine is written, N disks": machine_written,
    "a scale set is written, N disks, P pages of instances": scale_set_written,
    "a role that lets export is written": role_written,
    "somebody gets a role that lets export": role_given,
    "N export pipelines stand in the way, `export_pipelines: delete`": piped,
}


async def open_disk_with_a_link(outside: Outside, kind: str) -> tuple[str, str]:
    """A disk that somebody exports, unseen."""
    name, path = await open_disk(outside, kind)
    await outside.grant_unnoticed("somebody", path)
    return name, path


async def unknown(
    outside: Outside, made: Callable[[Outside, str], Awaitable[tuple[str, str]]]
) -> Names:
    """A tag is written to a disk with a link that nobody knows of."""
    name, path = await made(outside, "disk")
    names = await tagged(outside, name, path)
    await outside.alert_about(name)
    return names


def test_every_case_of_the_table_is_tried() -> None:
    """None is only said."""
    assert list(table()) == list(CASES)


@pytest.mark.parametrize("case", CASES)
async def test_a_case_costs_the_calls_that_the_page_says(outside: Outside, case: str) -> None:
    """Not one more; polls and further waits there are none here."""
    names = await CASES[case](outside)
    await outside.wait_until_idle()
    calls = [call for name in names for call in await outside.guard_calls_of(name)]
    n = INSTANCES if "scale set" in case else N
    assert Counter(call["method"] for call in calls) == table(n)[case]["arm"]
