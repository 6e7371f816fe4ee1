"""The queue and table calls of docs/live-exports.md, counted; the ARM calls are the sandbox's."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from guards.engine.errors import Terminal
from tests.costs import N, table
from tests.engine.samples import (
    ALICE_ID,
    DISK_GRANT,
    DISK_ID,
    DISK_WRITE,
    GROUP,
    REGISTRY_ID,
    REGISTRY_WRITE,
    SUBSCRIPTION,
    closed_disk,
    disk,
    event,
    registry,
)
from tests.engine.world import World

COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
POINTS = "Microsoft.Compute/restorePointCollections/restorePoints"
POINT_ID = f"{COMPUTE}/restorePointCollections/web/restorePoints/monday"
COPY_ID = f"{POINT_ID}/diskRestorePoints/web-os"
DISKS = [f"{COMPUTE}/disks/web-{number}" for number in range(N)]
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
ROLE_ID = f"{ROLES}/roleDefinitions/0a1b2c3d-1111-4222-8333-444455556666"
ASSIGNMENT_ID = f"{ROLES}/roleAssignments/77777777-1111-4222-8333-444455556666"

SOMEBODY = "0b0b0b0b-1111-4222-8333-444455556666"
EXPORTER = """
exporters:
  - principals: [{principal}]
    scope: /subscriptions/*/resourceGroups/rg-data
    purpose: nightly backup
    owner: backup-team
    expires_on: 2026-12-01
"""
BACKUP = EXPORTER.format(principal=ALICE_ID)
ELSEWHERE = EXPORTER.format(principal=SOMEBODY)
DELETING = """
resources:
  Microsoft.ContainerRegistry/registries:
    exportPolicy: {export_pipelines: delete}
"""
OUT = {"diskState": "ActiveSAS"}
ROLE = {
    "id": ROLE_ID,
    "properties": {
        "roleName": "Disk exporter",
        "type": "CustomRole",
        "permissions": [{"actions": [DISK_GRANT]}],
    },
}
ASSIGNMENT = {
    "id": ASSIGNMENT_ID,
    "properties": {"roleDefinitionId": ROLE_ID, "principalId": SOMEBODY, "scope": GROUP},
}
PROFILE = {"dataDisks": [{"managedDisk": {"id": one}} for one in DISKS]}
MACHINE = {
    "id": f"{COMPUTE}/virtualMachines/web",
    "properties": {"storageProfile": PROFILE},
}
INSTANCE = {
    "id": f"{COMPUTE}/virtualMachineScaleSets/web/virtualMachines/0",
    "properties": {"storageProfile": PROFILE},
}


def pipelines() -> list[dict[str, Any]]:
    """As many export pipelines as the table's N."""
    names = [f"pipeline-{number}" for number in range(N)]
    return [{"id": f"{REGISTRY_ID}/exportPipelines/{one}", "name": one} for one in names]


async def one(operation: str, resource: str, *bodies: dict[str, Any], rules: str = "") -> World:
    """A world in which one event was handled, and all messages it led to."""
    world = World(*bodies, rules=rules)
    await world.event(event(operation, resource))
    return world


async def led(operation: str, resource: str, *bodies: dict[str, Any]) -> World:
    """A world in which an event led to others that are as they should be."""
    world = await one(operation, resource, *bodies)
    await world.settle()
    return world


async def tagged() -> World:
    """A write while an export lasts; what came before is not counted."""
    world = await one(DISK_GRANT, DISK_ID, closed_disk(**OUT), rules=BACKUP)
    world.trouble.calls.clear()
    await world.event(event(DISK_WRITE, id="a tag"))
    return world


async def piped() -> World:
    """A registry whose PATCH is refused for its export pipelines, once."""
    world = World(registry(public="Disabled"), rules=DELETING)
    world.arm.pipelines = list(pipelines())
    refused = Terminal("it has export pipelines", code="BadRequest", status=400)
    world.trouble.errors["arm.patch"] = [refused]
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    return world


CASES: dict[str, Callable[[], Awaitable[World]]] = {
    "a stranger takes a link, settings closed": lambda: one(
        DISK_GRANT, DISK_ID, closed_disk(**OUT)
    ),
    "a stranger takes a link, settings open": lambda: one(DISK_GRANT, DISK_ID, disk(**OUT)),
    "a stranger takes a link where an exporter might": lambda: one(
        DISK_GRANT, DISK_ID, disk(**OUT), rules=ELSEWHERE
    ),
    "an exporter takes a link, settings closed": lambda: one(
        DISK_GRANT, DISK_ID, closed_disk(**OUT), rules=BACKUP
    ),
    "an exporter takes a link, settings open": lambda: one(
        DISK_GRANT, DISK_ID, disk(**OUT), rules=BACKUP
    ),
    "a tag is written while an export lasts": tagged,
    "a link nobody knows of, settings closed": lambda: one(DISK_WRITE, DISK_ID, closed_disk(**OUT)),
    "a link nobody knows of, settings open": lambda: one(DISK_WRITE, DISK_ID, disk(**OUT)),
    "a stranger takes a link to a restore point's copy": lambda: one(
        f"{POINTS}/diskRestorePoints/beginGetAccess/action", COPY_ID, closed_disk(COPY_ID)
    ),
    "a restore point is written, N copies": lambda: led(
        f"{POINTS}/write", POINT_ID, *(closed_disk(f"{COPY_ID}-{number}") for number in range(N))
    ),
    "a machine is written, N disks": lambda: led(
        "Microsoft.Compute/virtualMachines/write",
        f"{COMPUTE}/virtualMachines/web",
        *(MACHINE, *map(closed_disk, DISKS)),
    ),
    "a scale set is written, N disks, P pages of instances": lambda: led(
        "Microsoft.Compute/virtualMachineScaleSets/write",
        f"{COMPUTE}/virtualMachineScaleSets/web",
        *(INSTANCE, *map(closed_disk, DISKS)),
    ),
    "a role that lets export is written": lambda: one(
        "Microsoft.Authorization/roleDefinitions/write", ROLE_ID, ROLE
    ),
    "somebody gets a role that lets export": lambda: one(
        "Microsoft.Authorization/roleAssignments/write", ASSIGNMENT_ID, ASSIGNMENT, ROLE
    ),
    "N export pipelines stand in the way, `export_pipelines: delete`": piped,
}

WORDS = {"get": "read", "page": "read"}


def calls_of(world: World, port: str) -> Counter[str]:
    """How often each method of a port was called."""
    names = [call.partition(".") for call in world.trouble.calls]
    return Counter(WORDS.get(method, method) for name, _, method in names if name == port)


def test_every_case_of_the_table_is_counted() -> None:
    """None is only said."""
    assert list(table()) == list(CASES)


@pytest.mark.parametrize("case", CASES)
async def test_a_case_costs_the_messages_and_rows_that_the_page_says(case: str) -> None:
    """No put, delete, read or write more, and none less."""
    world = await CASES[case]()
    expected = table()[case]
    assert calls_of(world, "work") == expected["work"]
    assert calls_of(world, "alerts") == expected["alerts"]
    assert calls_of(world, "store") == expected["table"]


@pytest.mark.parametrize(("rules", "asked"), [("", 0), (ELSEWHERE, 2)], ids=["", "exporter"])
async def test_between_event_and_revocation_there_are_one_get_and_the_intent(
    rules: str, asked: int
) -> None:
    """And two reads of the table where somebody may export; everything else waits."""
    world = await one(DISK_GRANT, DISK_ID, disk(**OUT), rules=rules)
    before = world.trouble.calls[: world.trouble.calls.index("arm.post")]
    outside = [call for call in before if call.partition(".")[0] in ("arm", "work", "store")]
    assert outside == ["arm.get", *["store.get"] * asked, "work.put"]
    assert "alerts.put" not in before
