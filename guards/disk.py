"""Managed disks: a SAS link hands out the whole disk unless the network policy denies it."""

from guards import managed_disk

GUARD = managed_disk.guard("disks")
