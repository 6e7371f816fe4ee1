"""The members of disks and snapshots, by what a request may do with them.

Taken from the API version 2026-03-02; what a type does not list is refused.
"""

from dataclasses import dataclass
from typing import Final

from sandbox.arm.bodies import READ_ONLY


@dataclass(frozen=True)
class Shape:
    """What distinguishes disks from snapshots."""

    word: str
    update: frozenset[str]
    """Properties that a PATCH may change."""
    fixed: frozenset[str]
    """Properties that only creation sets."""
    read_only: frozenset[str]
    """Properties that Azure sets: ignored in requests."""
    top: frozenset[str]
    """Members beside `properties`, and it."""

    @property
    def properties(self) -> frozenset[str]:
        """All properties."""
        return self.update | self.fixed | self.read_only


_UPDATE: Final = {
    "osType",
    "diskSizeGB",
    "encryptionSettingsCollection",
    "encryption",
    "networkAccessPolicy",
    "diskAccessId",
    "publicNetworkAccess",
    "dataAccessAuthMode",
    "supportedCapabilities",
    "supportsHibernation",
}
_FIXED: Final = {"hyperVGeneration", "creationData", "securityProfile", "completionPercent"}
_AZURES: Final = {
    "timeCreated",
    "diskSizeBytes",
    "uniqueId",
    "provisioningState",
    "diskState",
    "isArmResource",
}
_TOP: Final = READ_ONLY | {"location", "tags", "sku", "extendedLocation", "managedBy", "properties"}

DISK: Final = Shape(
    word="Disk",
    update=frozenset(_UPDATE)
    | {
        "diskIOPSReadWrite",
        "diskMBpsReadWrite",
        "diskIOPSReadOnly",
        "diskMBpsReadOnly",
        "maxShares",
        "tier",
        "burstingEnabled",
        "purchasePlan",
        "optimizedForFrequentAttach",
        "availabilityPolicy",
    },
    fixed=frozenset(_FIXED),
    read_only=frozenset(_AZURES)
    | {
        "shareInfo",
        "burstingEnabledTime",
        "propertyUpdatesInProgress",
        "LastOwnershipUpdateTime",
    },
    top=_TOP | {"zones", "managedByExtended"},
)
SNAPSHOT: Final = Shape(
    word="Snapshot",
    update=frozenset(_UPDATE),
    fixed=frozenset(_FIXED) | {"purchasePlan", "incremental", "copyCompletionError"},
    read_only=frozenset(_AZURES)
    | {"incrementalSnapshotFamilyId", "snapshotAccessState", "immutabilityPolicy"},
    top=_TOP,
)
