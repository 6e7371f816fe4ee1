"""What became of what an earlier look saw: an intent that surfaced, or a change Azure took on.

Compared by the settings that look had planned to close, whatever the policy says of them now.
"""

from dataclasses import replace

from guards.engine.decide import Verdict
from guards.engine.exposure import NOT_CUT
from guards.engine.look import Look, Result
from guards.engine.model import Body, Mode, Outcome
from guards.engine.tasks import Evidence

_ACCEPTED_YET_OPEN = (
    "Azure accepted the change and still shows {rules} open: something sets it back, or the change "
    "failed on Azure's side; see the resource's activity log"
)

_FOUND_CLOSED = (
    "an earlier look saw this open and could not report it; it is closed now, by the guard before "
    "it was interrupted or by someone meanwhile"
)

_NO_LONGER_ENFORCED = (
    "an earlier look saw this open and could not close it; it is still open, and the policy, an "
    "exemption or GUARD_MODE no longer lets the guard close it"
)


async def follow_up(look: Look, body: Body, held: Evidence, verdict: Verdict) -> Result | None:
    """Tell how an earlier look ended; None if this look goes on.

    It goes on where a planned setting is still open, and where another one was opened since: that
    is a violation of its own, with an id of its own.
    """
    open_now = look.open_rules(body, held.findings)
    paths = {change.path for change in held.changes}
    planned = [finding for finding in held.findings if finding.path in paths]
    still = [finding.rule for finding in planned if finding.rule in open_now]
    more = goes_on(held, verdict)
    made = look.made(held.changes, body)

    if not still:
        outcome = Outcome.REVERTED if held.accepted else Outcome.FOUND_CLOSED
        reason = "" if held.accepted else _FOUND_CLOSED
        left = sorted({finding.rule for finding in held.findings} & open_now)
        if left:
            reason += f"{'. ' * bool(reason)}Left open: {', '.join(left)}"
        result = await look.tell(outcome, held, reason, made)
        return None if more else result
    if held.accepted:
        reason = _ACCEPTED_YET_OPEN.format(rules=", ".join(still))
        result = await look.tell(Outcome.NOT_REVERTED, held, reason, made)
        return None if more else result
    if more and len(still) < len(planned):
        closed = tuple(finding for finding in planned if finding.rule not in still)
        told = replace(held, findings=closed)
        await look.tell(Outcome.FOUND_CLOSED, told, _FOUND_CLOSED, made)
        return None
    done = made or held.saved or held.cut != NOT_CUT
    going_on = verdict.to_close if done else verdict.findings  # "nothing was changed" must be true
    if not more and not {finding.rule for finding in going_on} & set(still):
        return await look.tell(Outcome.NOT_REVERTED, held, _NO_LONGER_ENFORCED, made)
    return None


def goes_on(held: Evidence, verdict: Verdict) -> bool:
    """Whether there is more to do than the earlier look knew of: found or enforced since."""
    reported = {finding.rule for finding in held.findings if finding.mode != Mode.ENFORCE}
    enforced = {finding.rule for finding in verdict.to_close}
    return not held.covers(verdict.findings) or bool(reported & enforced)
