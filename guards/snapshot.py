"""Snapshots, full and incremental: exported like disks, and closed by no built-in Azure Policy."""

from guards import managed_disk

GUARD = managed_disk.guard("snapshots")
