"""A local Azure Resource Manager for disks, snapshots, registries, and what leads to their data.

Read `kinds` first: it lists the types that are served and where their rules are. A request goes
`server` (TLS, latency, faults, who calls) -> `provider` (what every type has in common: locks,
existence) -> the type's own rules -> `changes` (operations, events, links) -> `store`.

Machines, restore points and roles are served as far as they lead around a closed disk or registry.
What Azure documents and what is a guess each module says at its top; where the answer matters and
is unknown, a setting chooses it.

It does not imitate: throttling by itself (the counters in the headers are true, but only a fault
refuses), pages of lists other than a scale set's instances, what roles permit (one subscription
prefix is out of the guard's reach), and what an absent `location` does (it becomes westeurope).
"""

from sandbox.arm.server import Arm
from sandbox.arm.settings import Settings

__all__ = ["Arm", "Settings"]
