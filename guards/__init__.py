"""Export Guard: which resource types are guarded. Read this first.

Adding a type is a module with a `GUARD`, a line here and a test file; events, permissions, the
policy's keys and the command line follow from this catalogue. `LEADS` are resources that bring
guarded ones along without an event of their own.
"""

from guards import (
    container_registry,
    disk,
    disk_access,
    leads,
    restore_point,
    role_assignment,
    role_definition,
    snapshot,
)

GUARDS = (
    disk.GUARD,
    snapshot.GUARD,
    container_registry.GUARD,
    restore_point.GUARD,
    disk_access.GUARD,
    role_definition.GUARD,
    role_assignment.GUARD,
)
LEADS = leads.LEADS
