"""Names and bodies that the end-to-end tests share."""

import itertools
import uuid

DISK = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
REGISTRY = "Microsoft.ContainerRegistry/registries"
PREMIUM = "Premium"

OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}

_numbers = itertools.count(1)
_run = uuid.uuid4().hex[:6]


def fresh(kind: str) -> str:
    """A name no other test uses, valid for every guarded type."""
    return f"{kind}{_run}{next(_numbers)}"
