"""What people do in the demo, and what is expected of the guard."""

from dataclasses import dataclass
from typing import Any

BUDGET_S = 3
"""The demo's event budget; the intent waits three times as long. In Azure it is 20 s."""

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
REGISTRY = "Microsoft.ContainerRegistry/registries"

KINDS = {DISK: "disk", SNAPSHOT: "snapshot", REGISTRY: "registry"}

OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
_APPROVED = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}


@dataclass(frozen=True, slots=True)
class Scene:
    """Someone writes one resource, and what is expected of the guard; no outcome is no alert."""

    what: str
    caller: str
    type: str
    name: str
    properties: dict[str, Any]
    sku: str
    outcome: str | None
    calls: tuple[str, ...]


SCENES = (
    Scene(
        "opens a disk: anyone with a SAS link could download it",
        "mallory",
        DISK,
        "payroll-data",
        OPEN,
        "Premium_LRS",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "takes a snapshot and says nothing about network access, so Azure leaves it open",
        "nightly-backup",
        SNAPSHOT,
        "payroll-2026-11-22",
        {},
        "Standard_LRS",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "redeploys a registry from a template without `policies`, which turns exports on again",
        "release-pipeline",
        REGISTRY,
        "contosoimages",
        {"publicNetworkAccess": "Enabled", "privateEndpointConnections": [_APPROVED]},
        "Premium",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "creates a disk that is closed as it should be",
        "platform-team",
        DISK,
        "scratch",
        {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"},
        "Premium_LRS",
        None,
        ("GET",),
    ),
    Scene(
        "creates a Basic registry, which Azure cannot close",
        "intern",
        REGISTRY,
        "quicktest",
        {},
        "Basic",
        "blocked",
        ("GET",),
    ),
)
