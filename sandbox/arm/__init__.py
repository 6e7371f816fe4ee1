"""A local Azure Resource Manager for disks, snapshots and container registries.

Read `kinds` first: it lists the types that are served and where their rules are. A request goes
`server` (TLS, latency, faults, who calls) -> `provider` (what every type has in common: locks,
existence, operations, events) -> the type's own rules -> `store`.

It does not imitate: throttling by itself (the counters in the headers are true, but only a fault
refuses), pages of lists, role assignments (one subscription prefix is out of the guard's reach),
SAS links that run out, and what an absent `location` does (it becomes westeurope).
"""

from sandbox.arm.server import Arm
from sandbox.arm.settings import Settings

__all__ = ["Arm", "Settings"]
