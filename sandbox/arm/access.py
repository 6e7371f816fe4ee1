"""`beginGetAccess` and `endGetAccess`: a disk's data handed out by a link, and the link revoked.

Documented: a disk attached to a running machine and one that denies all access give no link; a
hibernated machine's disk is ActiveSASFrozen meanwhile; a duration is required; revoking is 200, or
202 with a Location. Undocumented, so guesses: that a second link is refused while one is out, with
which code (409 OperationNotAllowed here), that revoking nothing is fine, and that a disk is as
before when its link has ended, also after an upload, which ends as Unattached.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.arm.bodies import Body, Write, choice, members, with_properties
from sandbox.arm.errors import bad_request, conflict
from sandbox.arm.links import Link

SAS_STATES: Final = frozenset({"ActiveSAS", "ActiveSASFrozen"})
LINK_STATES: Final = SAS_STATES | {"ActiveUpload"}
LONGEST_S: Final = 60 * 24 * 3600  # a SAS lives 60 days at most
_DETACHED: Final = ("Reserved", "Frozen")  # the machine that has the disk does not run


@dataclass(frozen=True)
class Effect:
    """What an action does: the new body of the resource, the action's answer, links."""

    body: Body
    answer: dict[str, Any] | None = None
    links: tuple[Link, ...] = ()
    """Handed out when the action is done."""
    revokes: bool = False
    """Whether it ends the links of a resource whose body has no state to tell."""


def begin(write: Write) -> Effect:
    """Hand out a link, unless the disk's settings or state forbid it."""
    assert write.current is not None
    access, seconds = wanted(write.body)
    state = write.old["diskState"]
    _refuse_state(write, state, access)
    link = Link(write.id, write.type, access, seconds)
    if state == "ReadyToUpload":
        shown = "ActiveUpload"
    else:
        shown = "ActiveSASFrozen" if state == "Frozen" else "ActiveSAS"
    body = with_properties(write.current, diskState=shown)
    return Effect(body, {"accessSAS": link.url(write.base_url)}, (link,))


def end(write: Write) -> Effect:
    """Revoke whatever links there are; without one it is fine too."""
    assert write.current is not None
    return Effect(without_link(write.current))


def without_link(body: Body) -> Body:
    """The disk after its link ended; one that shows no link is as it was."""
    state = body["properties"].get("diskState")
    if state not in LINK_STATES:
        return body
    after = "Unattached"
    if body.get("managedBy"):
        after = "Frozen" if state == "ActiveSASFrozen" else "Reserved"
    return with_properties(body, diskState=after)


def shows_no_link(body: Body) -> bool:
    """Whether the body has a state, and it tells of no link."""
    return body.get("properties", {}).get("diskState", "ActiveSAS") not in LINK_STATES


def refuse_resize(write: Write, asked: Mapping[str, Any]) -> None:
    """No other size while a link is out; documented, with this code."""
    resized = asked.get("diskSizeGB") not in (None, write.old.get("diskSizeGB"))
    if resized and write.old.get("diskState") in SAS_STATES:
        raise conflict(sas_words(write.name), code="ChangeDiskSizeWhileActiveSasNotAllowed")


def refuse_patch(write: Write) -> None:
    """Undocumented, so both outcomes by setting; the refusal's code is a guess."""
    if write.settings.patch_during_sas == "refuse" and write.old["diskState"] in SAS_STATES:
        raise conflict(sas_words(write.name))


def sas_words(name: str) -> str:
    """What a refusal says while a link is out."""
    return f"The disk {name} has an active SAS URI. Retry after the SAS URI expires or revoke it."


def _refuse_state(write: Write, state: str, access: str) -> None:
    holder = (write.current or {}).get("managedBy")
    if write.old["networkAccessPolicy"] == "DenyAll":
        raise conflict(
            f"Access to disk {write.name} cannot be granted because its NetworkAccessPolicy is "
            "DenyAll."
        )
    if state in LINK_STATES:
        raise conflict(
            f"Access to disk {write.name} is granted already. Revoke the active SAS URI first."
        )
    if holder and state not in _DETACHED:
        raise conflict(
            f"Disk {write.name} is attached to VM {holder} and its access "
            "cannot be granted. Detach the disk or deallocate the VM, or take a snapshot."
        )
    if (state == "ReadyToUpload") != (access == "Write"):
        raise conflict(
            f"Access '{access}' to disk {write.name} cannot be granted in its current state "
            f"{state}."
        )


def wanted(body: Mapping[str, Any]) -> tuple[str, int]:
    """What the request wants to do with the data, Read or Write, and for how many seconds."""
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
    return access, int(duration or 0)
