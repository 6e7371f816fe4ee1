"""The catalogue: every type this ARM serves, its names, its API versions and its rules."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sandbox.arm import (
    access,
    children,
    diagnostics,
    disks,
    machines,
    registries,
    restore_points,
    roles,
    shapes,
    storage_profiles,
    transfers,
)
from sandbox.arm.bodies import Body, Write
from sandbox.arm.paths import Target
from sandbox.arm.store import Resource, Store

_TRANSFER_VERSIONS: Final = tuple(
    f"{date}-preview"  # no stable API version has pipelines
    for date in (
        *("2019-12-01", "2020-11-01", "2021-06-01", "2021-08-01", "2021-12-01", "2022-02-01"),
        *("2023-01-01", "2023-06-01", "2023-08-01", "2023-11-01", "2024-11-01", "2025-03-01"),
        *("2025-05-01", "2025-06-01"),
    )
)


@dataclass(frozen=True)
class Kind:
    """One resource type."""

    type: str
    names: re.Pattern[str]
    put: Callable[[Write], Body] | None = None
    """None: only Azure itself makes them."""
    patch: Callable[[Write], Body] | None = None
    actions: Mapping[str, Callable[[Write], access.Effect]] = field(default_factory=dict)
    """By lower-case name; `action_names` has Azure's case."""
    check: Callable[[Store, Write, Body], None] | None = None
    """Asked before a write with the new body: what else there is may forbid it."""
    check_action: Callable[[Store, Write], None] | None = None
    """The same before an action, once its body is known to be sound."""
    complete: Callable[[Store, Write, Resource], list[Resource]] | None = None
    """Told when a write is done: what else comes and changes with it; returns the new disks."""
    find: Callable[[Store, Target], Body | None] | None = None
    """Asked for what is not stored under the ID of a GET."""
    refuse_delete: Callable[[Store, Body], None] | None = None
    after_delete: Callable[[Store, str], None] | None = None
    """Told the ID of what is gone."""
    deletable: bool = True
    refuse_child: Callable[[Body], None] | None = None
    """Asked with the parent's body before a child is written."""
    listed_in_parent: str | None = None
    """The parent's property that lists children of this type."""
    operations: str | None = None
    """How long-running writes answer: disk (202, Location), machine or registry (201 and
    Azure-AsyncOperation), or never."""
    created: int = 201
    """The status of a PUT that created it at once."""
    replaced: int = 200
    """The status of a write that changed it at once."""
    shown_when_deleted: bool = False
    """Whether a DELETE answers with the body that was."""
    page: int = 0
    """How many a page of its list has; 0: the list has no pages."""
    extends: bool = False
    """Whether it belongs to the one resource that it is put on, which must exist."""
    tracked: bool = True
    """Whether it lives in a resource group; locks and roles live anywhere."""
    versions: tuple[str, ...] = ()
    """The API versions that have it; empty: every one."""

    @property
    def key(self) -> str:
        """The type, for comparing."""
        return self.type.lower()


ACTION_NAMES: Final = {
    name.lower(): name
    for name in ("beginGetAccess", "endGetAccess", "retrieveSasUris", "importImage")
}
_SAS: Final = {"begingetaccess": access.begin, "endgetaccess": access.end}
_COMPUTE_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,79}", re.ASCII)

_REGISTRY_NAME: Final = re.compile(r"[A-Za-z0-9]{5,50}")
_CHILD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,49}")
_PLAIN: Final = {
    "connectedRegistries": transfers.plain(
        "ConnectedRegistry",
        {"mode", "parent", "clientTokenIds", "logging", "notificationsList", "garbageCollection"},
        ("mode", "parent"),
        connectionState="Offline",
        activation={"status": "Inactive"},
    ),
    "tokens": transfers.plain("Token", {"scopeMapId", "status", "credentials"}, ("scopeMapId",)),
    "scopeMaps": transfers.plain(
        "ScopeMap", {"description", "actions"}, ("actions",), type="UserDefined"
    ),
    "cacheRules": transfers.plain(
        "CacheRule",
        {"credentialSetResourceId", "sourceRepository", "targetRepository"},
        ("sourceRepository", "targetRepository"),
    ),
}

KINDS: Final[Mapping[str, Kind]] = {
    kind.key: kind
    for kind in (
        Kind(
            "Microsoft.Compute/disks",
            _COMPUTE_NAME,
            put=partial(disks.put, shapes.DISK),
            patch=partial(disks.patch, shapes.DISK),
            actions=_SAS,
            refuse_delete=disks.refuse_delete,
            operations="disk",
            created=200,
        ),
        Kind(
            "Microsoft.Compute/snapshots",
            _COMPUTE_NAME,
            put=partial(disks.put, shapes.SNAPSHOT),
            patch=partial(disks.patch, shapes.SNAPSHOT),
            actions=_SAS,
            refuse_delete=disks.refuse_delete,
            operations="disk",
            created=200,
        ),
        Kind(
            "Microsoft.Compute/diskAccesses",
            _COMPUTE_NAME,
            put=children.disk_access,
            patch=children.disk_access,
        ),
        Kind(
            machines.MACHINES,
            re.compile(r"[^\s_.\\/\"'<>|=*?:;@&-][^\s\\/\"'<>|=*?:;@&]{0,63}"),
            put=machines.put_machine,
            check=machines.check_machine,
            complete=machines.complete_machine,
            after_delete=machines.leave_disks,
            operations="machine",
        ),
        Kind(
            machines.SETS,
            _COMPUTE_NAME,
            put=machines.put_set,
            check=machines.check_set,
            complete=machines.complete_set,
            after_delete=machines.remove_instance_disks,
            operations="machine",
        ),
        Kind(
            machines.INSTANCES,
            re.compile(r"\d{1,6}"),
            after_delete=machines.remove_disks,
            page=5,  # Azure's are larger: small enough for a test to see more than one
        ),
        Kind(
            restore_points.COLLECTIONS,
            _COMPUTE_NAME,
            put=restore_points.put_collection,
            check=restore_points.check_collection,
        ),
        Kind(
            restore_points.POINTS,
            _COMPUTE_NAME,
            put=restore_points.put_point,
            check=restore_points.check_point,
            complete=restore_points.complete_point,
            actions={"retrievesasuris": restore_points.retrieve},
            operations="machine",
        ),
        Kind(
            restore_points.DISK_POINTS,
            re.compile(r".+"),
            actions={"begingetaccess": restore_points.begin, "endgetaccess": restore_points.end},
            deletable=False,
        ),
        Kind(
            transfers.REGISTRIES,
            _REGISTRY_NAME,
            actions={"importimage": transfers.import_image},
            check_action=transfers.check_import,
            put=registries.put,
            patch=registries.patch,
            operations="registry",
        ),
        Kind(
            children.CONNECTION,
            re.compile(r"[\w.-]{1,80}"),
            put=children.connection,
            listed_in_parent="privateEndpointConnections",
        ),
        Kind(
            transfers.PIPELINES,
            _REGISTRY_NAME,
            put=children.export_pipeline,
            refuse_child=children.refuse_pipeline,
            versions=_TRANSFER_VERSIONS,
        ),
        Kind(
            f"{transfers.REGISTRIES}/pipelineRuns",
            _REGISTRY_NAME,
            put=transfers.pipeline_run,
            check=transfers.check_pipeline_run,
            versions=_TRANSFER_VERSIONS,
        ),
        *(
            Kind(f"{transfers.REGISTRIES}/{type_}", _CHILD_NAME, put=rule)
            for type_, rule in _PLAIN.items()
        ),
        Kind(
            "Microsoft.Authorization/locks",
            re.compile(r"[^<>%&:\\?/]{1,260}"),
            put=children.lock,
            tracked=False,
        ),
        Kind(
            diagnostics.TYPE,
            re.compile(r"[^<>*%&:\\?+/]{1,260}"),
            put=diagnostics.put,
            created=200,
            extends=True,
            tracked=False,
            versions=diagnostics.VERSIONS,
        ),
        Kind(
            roles.DEFINITIONS,
            roles.GUID,
            put=roles.put_definition,
            check=roles.check_definition,
            find=roles.find_definition,
            refuse_delete=roles.refuse_delete_definition,
            replaced=201,
            shown_when_deleted=True,
            tracked=False,
        ),
        Kind(
            roles.ASSIGNMENTS,
            roles.GUID,
            put=roles.put_assignment,
            check=roles.check_assignment,
            shown_when_deleted=True,
            tracked=False,
        ),
    )
}
DISK: Final = KINDS[storage_profiles.DISKS_KEY]
NAMESPACES: Final = frozenset(key.partition("/")[0] for key in KINDS)
