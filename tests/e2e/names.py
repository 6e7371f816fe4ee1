"""Names and bodies that the end-to-end tests share."""

import itertools
import uuid

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
REGISTRY = "Microsoft.ContainerRegistry/registries"
MACHINE = "Microsoft.Compute/virtualMachines"
SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
COLLECTION = "Microsoft.Compute/restorePointCollections"
POINT = f"{COLLECTION}/restorePoints"
COPY = f"{POINT}/diskRestorePoints"
PREMIUM = "Premium"

BACKUP = "backup-vault"
"""A caller that the policy of the tests lists as exporter of disks named `BACKED`..."""

BACKED, CONTESTED, PIPED = "backed", "contested", "piped"
"""How names begin that the policy of the tests treats apart: see `conftest.policy`."""

OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}

_numbers = itertools.count(1)
_run = uuid.uuid4().hex[:6]


def fresh(kind: str) -> str:
    """A name no other test uses, valid for every guarded type."""
    return f"{kind}{_run}{next(_numbers)}"
