"""What people do in the demo, and what is expected of the guard."""

from dataclasses import dataclass
from typing import Any

BUDGET_S = 3
"""The demo's event budget; the intent waits three times as long. In Azure it is 20 s."""

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
REGISTRY = "Microsoft.ContainerRegistry/registries"

_KINDS = {DISK: "disk", SNAPSHOT: "snapshot", REGISTRY: "registry"}

OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
_APPROVED = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}


@dataclass(frozen=True, slots=True)
class Scene:
    """Someone writes one resource, and what is expected of the guard; no outcome is no alert.

    `what` has braces where the resource is named.
    """

    what: str
    caller: str
    type: str
    name: str
    properties: dict[str, Any]
    sku: str
    outcome: str | None
    calls: tuple[str, ...]

    @property
    def told(self) -> str:
        """What the caller does, with the resource's kind and name."""
        return self.what.format(f"{_KINDS[self.type]} {self.name}")


SCENES = (
    Scene(
        "opens {}: anyone with a SAS link could download it",
        "mallory",
        DISK,
        "payroll-data",
        OPEN,
        "Premium_LRS",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "takes {} without naming network access, so Azure leaves it open",
        "nightly-backup",
        SNAPSHOT,
        "payroll-nightly",
        {},
        "Standard_LRS",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "redeploys {} without `policies`, which turns exports on again",
        "release-pipeline",
        REGISTRY,
        "contosoimages",
        {"publicNetworkAccess": "Enabled", "privateEndpointConnections": [_APPROVED]},
        "Premium",
        "reverted",
        ("GET", "PATCH"),
    ),
    Scene(
        "creates {}, closed as it should be",
        "platform-team",
        DISK,
        "scratch",
        {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"},
        "Premium_LRS",
        None,
        ("GET",),
    ),
    Scene(
        "creates {} in the tier Basic, which Azure cannot close",
        "intern",
        REGISTRY,
        "quicktest",
        {},
        "Basic",
        "blocked",
        ("GET",),
    ),
)
