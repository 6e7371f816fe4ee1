"""Export Guard: which resource types are guarded. Read this first.

Adding a type is a module with a `GUARD`, a line here and a test file; events, permissions, the
policy's keys and the command line follow from this catalogue.
"""

from guards import container_registry, disk, snapshot

GUARDS = (disk.GUARD, snapshot.GUARD, container_registry.GUARD)
