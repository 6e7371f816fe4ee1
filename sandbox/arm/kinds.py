"""The catalogue: every type this ARM serves, its names, its API versions and its rules."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sandbox.arm import access, children, disks, registries, shapes
from sandbox.arm.bodies import Body, Write

_DATE: Final = re.compile(r"20\d\d-\d\d-\d\d(-(preview|beta|privatepreview))?")
_PREVIEW: Final = re.compile(r"20\d\d-\d\d-\d\d-preview")


@dataclass(frozen=True)
class Kind:
    """One resource type."""

    type: str
    names: re.Pattern[str]
    put: Callable[[Write], Body]
    patch: Callable[[Write], Body] | None = None
    actions: Mapping[str, Callable[[Write], access.Effect]] = field(default_factory=dict)
    """By lower-case name; `action_names` has Azure's case."""
    refuse_delete: Callable[[Body], None] | None = None
    refuse_child: Callable[[Body], None] | None = None
    """Asked with the parent's body before a child is written."""
    listed_in_parent: str | None = None
    """The parent's property that lists children of this type."""
    operations: str | None = None
    """How long-running operations answer: compute (202, Location), registry (201), or never."""
    tracked: bool = True
    """Whether it lives in a resource group; locks live anywhere."""
    versions: re.Pattern[str] = _DATE
    known_versions: str = "2025-11-01"

    @property
    def key(self) -> str:
        """The type, for comparing."""
        return self.type.lower()


ACTION_NAMES: Final = {"begingetaccess": "beginGetAccess", "endgetaccess": "endGetAccess"}
_SAS: Final = {"begingetaccess": access.begin, "endgetaccess": access.end}
_COMPUTE_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,79}", re.ASCII)

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
            operations="compute",
        ),
        Kind(
            "Microsoft.Compute/snapshots",
            _COMPUTE_NAME,
            put=partial(disks.put, shapes.SNAPSHOT),
            patch=partial(disks.patch, shapes.SNAPSHOT),
            actions=_SAS,
            refuse_delete=disks.refuse_delete,
            operations="compute",
        ),
        Kind(
            "Microsoft.Compute/diskAccesses",
            _COMPUTE_NAME,
            put=children.disk_access,
            patch=children.disk_access,
        ),
        Kind(
            "Microsoft.ContainerRegistry/registries",
            re.compile(r"[A-Za-z0-9]{5,50}"),
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
            "Microsoft.ContainerRegistry/registries/exportPipelines",
            re.compile(r"[A-Za-z0-9]{5,50}"),
            put=children.export_pipeline,
            refuse_child=children.refuse_pipeline,
            versions=_PREVIEW,  # no stable API version has them
            known_versions="2019-12-01-preview, 2023-06-01-preview, 2025-03-01-preview",
        ),
        Kind(
            "Microsoft.Authorization/locks",
            re.compile(r"[^<>%&:\\?/]{1,260}"),
            put=children.lock,
            tracked=False,
            known_versions="2020-05-01",
        ),
    )
}
NAMESPACES: Final = frozenset(key.partition("/")[0] for key in KINDS)
