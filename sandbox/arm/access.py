"""`beginGetAccess` and `endGetAccess`: a disk's data handed out by a link, and the link revoked."""

import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final

from sandbox.arm.bodies import Body, Write, choice, members, with_properties
from sandbox.arm.errors import bad_request, conflict

SAS_STATES: Final = frozenset({"ActiveSAS", "ActiveSASFrozen"})
LONGEST_S: Final = 60 * 24 * 3600  # a SAS lives 60 days at most


@dataclass(frozen=True)
class Effect:
    """What an action does: the new body of the resource, and the action's own answer."""

    body: Body
    answer: dict[str, Any] | None = None


def begin(write: Write) -> Effect:
    """Hand out a link, unless the disk's settings or state forbid it."""
    assert write.current is not None
    access = _access(write.body)
    properties = write.old
    if properties["networkAccessPolicy"] == "DenyAll":
        raise conflict(
            f"Access to disk {write.name} cannot be granted because its NetworkAccessPolicy is "
            "DenyAll."
        )
    if write.current.get("managedBy"):
        raise conflict(
            f"Disk {write.name} is attached to VM {write.current['managedBy']} and its access "
            "cannot be granted. Detach the disk or deallocate the VM, or take a snapshot."
        )
    uploading = properties["diskState"] in ("ReadyToUpload", "ActiveUpload")
    if uploading != (access == "Write"):
        raise conflict(
            f"Access '{access}' to disk {write.name} cannot be granted in its current state "
            f"{properties['diskState']}."
        )
    state = "ActiveUpload" if uploading else "ActiveSAS"
    key = uuid.uuid5(uuid.UUID(properties["uniqueId"]), "blob").hex[:12]
    link = (
        f"https://md-{key}.z1.blob.storage.azure.net/{secrets.token_hex(6)}/abcd"
        f"?sv=2018-03-28&sr=b&si={uuid.uuid4()}&sig={secrets.token_urlsafe(32)}"
    )
    return Effect(with_properties(write.current, diskState=state), {"accessSAS": link})


def end(write: Write) -> Effect:
    """Revoke whatever links there are; without one it is fine too."""
    assert write.current is not None
    state = write.old["diskState"]
    if state in SAS_STATES or state == "ActiveUpload":
        state = "Unattached"
    return Effect(with_properties(write.current, diskState=state))


def _access(body: Body) -> str:
    """What the request wants to do with the data: Read or Write."""
    known = {"access", "durationInSeconds", "getSecureVMGuestStateSAS", "fileFormat"}
    members(body, known, "GrantAccessData")
    access = choice(body, "access", ("None", "Read", "Write"), "None")
    duration = body.get("durationInSeconds")
    whole = isinstance(duration, int) and not isinstance(duration, bool)
    if access == "None" or not whole or not 1 <= (duration or 0) <= LONGEST_S:
        name = "access" if access == "None" else "durationInSeconds"
        raise bad_request(
            f"The value '{body.get(name)}' of parameter '{name}' is not valid.",
            code="InvalidParameter",
            target=name,
        )
    return access
