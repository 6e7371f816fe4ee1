"""A plan's steps, carried out in their order: links cut, children deleted, settings closed."""

from dataclasses import dataclass, replace

from guards.engine.errors import GuardError, StillRunning, Terminal, Transient
from guards.engine.exposure import NOT_CUT, Cut
from guards.engine.ids import ResourceId
from guards.engine.look import Look
from guards.engine.model import Body, DeleteChild, Patch, Plan, RevokeAccess
from guards.engine.rules import text_at

REVOKE = "endGetAccess"
STATE = "properties.diskState"

WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""After a revocation Azure may still show the link for a few seconds."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the steps: the body as it stands, and what became of a link.

    `refused` is why a link could not be cut although everything else went on, `failed` why the
    settings could not be closed although the link was cut.
    """

    after: Body
    cut: Cut = NOT_CUT
    refused: str = ""
    failed: GuardError | None = None


async def carry_out(look: Look, body: Body, plan: Plan) -> Done:
    """All steps; a link that Azure will not cut keeps no setting from being closed.

    Raises:
        GuardError: of the step that failed before a link was cut, or of the revocation if that was
            all.
    """
    done = Done(body)
    refusal: Terminal | None = None
    for step in plan.steps:
        match step:
            case RevokeAccess():
                try:
                    done = await _revoked(look, body)
                except Terminal as e:
                    refusal = e
            case DeleteChild():
                await _deleted(look, step)
            case Patch():
                try:
                    after = await _patched(look, step, revoked=done.cut != NOT_CUT)
                except GuardError as e:
                    if done.cut == NOT_CUT:
                        raise
                    return replace(done, failed=e)
                done = replace(done, after=look.carried(body, after))
    if refusal is not None and done.after is body:
        raise refusal
    return replace(done, refused=str(refusal)) if refusal else done


async def _revoked(look: Look, body: Body) -> Done:
    """`endGetAccess`, and wait until Azure shows no link any more.

    Raises:
        Transient: it still shows one; another look revokes again.
    """
    arm, version = look.ports.arm, look.guard.api_version
    await _end_access(look)
    if look.guard.links is None or not look.guard.links.shown:
        return Done(look.carried(body, body), Cut(look.now()))
    for wait in (*WAITS_S, None):
        after = look.carried(body, await arm.get(look.resource, version, look.deadline))
        if not look.link_is_out(after):
            return Done(after, Cut(look.now(), text_at(after, STATE)))
        if wait is None or look.ports.clock.monotonic() + wait >= look.deadline:
            break
        await look.ports.sleep(wait)
    raise Transient("Azure took the revocation and still shows a link that is out")


async def _end_access(look: Look) -> None:
    """Revoke all links; one that Azure accepted and does not finish may be sent again."""
    try:
        await look.ports.arm.post(look.resource, REVOKE, look.guard.api_version, look.deadline)
    except StillRunning as e:
        raise Transient(str(e), retry_after=e.retry_after) from e


async def _deleted(look: Look, step: DeleteChild) -> None:
    parent = look.resource
    child = ResourceId.parse(f"{parent}/{step.type}/{step.name}")
    await look.ports.arm.delete(child, step.api_version, look.deadline)


async def _patched(look: Look, step: Patch, *, revoked: bool) -> Body:
    """The PATCH; one that Azure calls conflicting is sent once more in its other form.

    Refused after a link was cut, another one may have been taken meanwhile: that is cut as well.
    """
    try:
        return await _either(look, step)
    except GuardError as e:
        if not revoked or e.status != 409 or e.code == "ScopeLocked":
            raise
        body = await look.ports.arm.get(look.resource, look.guard.api_version, look.deadline)
        if look.link_is_out(body):
            await _end_access(look)
        raise Transient(f"refused, maybe for another link, which was cut: {e}", status=409) from e


async def _either(look: Look, step: Patch) -> Body:
    args = (look.resource, look.guard.api_version)
    try:
        return await look.ports.arm.patch(*args, step.body, look.deadline)
    except GuardError as e:
        if step.otherwise is None or e.code != "ConflictingUserInput":
            raise
        return await look.ports.arm.patch(*args, step.otherwise, look.deadline)
