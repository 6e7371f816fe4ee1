"""A link that was over before the guard could look: nothing to cut, and a person to tell.

Whoever copies a small disk needs seconds, and can revoke the link or delete the copy afterwards.
"""

from dataclasses import replace

from guards.engine import export_rows as rows
from guards.engine.exports import SUCCEEDED, Grant, grant_of, is_grant
from guards.engine.exposure import Cut
from guards.engine.later import RECHECK_DELAYS_S
from guards.engine.look import Look, Result
from guards.engine.model import Body, Finding, Granter, Outcome, Severity
from guards.engine.rules import merged, nested, text_at, with_known
from guards.engine.shapes import moment

_OVER = (
    "a SAS link was taken, and was over before the guard could revoke it: whoever took it ended "
    "it, or deleted the resource, or it never showed. Ask the caller what it was for"
)
_MAY_FILL = "The resource was made for an upload, so it may have been a link to fill it. "
_ACTUAL = "taken, and over before it was seen"

_AFTER_INTENTS_S = 30
"""A look that died may have cut it: its intent surfaces before, and tells."""


async def never_showed(look: Look, body: Body, grant: Grant) -> Result | None:
    """Tell of a link that no look has seen, after the last one; None as long as there are more.

    Raises:
        Transient: as `tell_of_link`.
    """
    links, task = look.guard.links, look.task
    last = len(RECHECK_DELAYS_S)
    if links is None or not links.shown or task.recheck < last or look.states(body):
        return None
    if task.recheck > last:
        return await tell_of_link(look, body, grant)
    if await _to_tell(look, grant):
        again = replace(task, recheck=last + 1, attempt=0, evidence=None)
        await look.ports.work.put(again.message(), look.ports.intent_delay_s + _AFTER_INTENTS_S)
    return None


async def tell_of_link(look: Look, body: Body | None, grant: Grant | None = None) -> Result | None:
    """Tell of a link that a body does not show, or that is gone with its resource (no body).

    None if none was taken, an exporter took it, the guard itself cut it, an alert about it is on
    its way, or the policy does not care.

    Raises:
        Transient: it cannot be known or told now; the look must come again.
    """
    if not is_grant(look):
        return None
    grant = grant or await grant_of(look, body or {})
    if not await _to_tell(look, grant):
        return None
    finding = _finding(replace(look, granter=grant.granter), body or {})
    if finding is None:
        return None
    seen = look.seen((finding,), (), finding.severity, body or {})
    outcome = Outcome.DELETED_MEANWHILE if body is None else Outcome.FOUND_CLOSED
    reason = _OVER if finding.severity.rank > Severity.MEDIUM.rank else f"{_MAY_FILL}{_OVER}"
    return await look.tell(outcome, seen, reason, cut=Cut(state=_state(look, body), over=True))


async def _to_tell(look: Look, grant: Grant) -> bool:
    """Whether it was a link to read that no exporter took, and nobody has dealt with."""
    held, change = look.task.evidence, look.task.change
    told = held is not None and look.links_among(held.findings)
    succeeded = change.event_type.lower() == SUCCEEDED and change.request.access.lower() != "write"
    exporting = grant.granter is Granter.EXPORTER or _by_exporter(look)
    if told or not is_grant(look) or not succeeded or exporting or grant.spent:
        return False
    known = await rows.taken(look.ports, look.resource, change)
    return known is None or not known.cut


def _by_exporter(look: Look) -> bool:
    """Whether an exporter took it, even if its export is over by now."""
    change = look.task.change
    at = moment(change.event_time) or look.ports.clock.now()
    return look.policy.exporter(change.caller, look.resource, at) is not None


def _finding(look: Look, body: Body) -> Finding | None:
    """The finding that the link would have been; None if it is exempt, or nobody cares."""
    guard, links = look.guard, look.guard.links
    assert links is not None
    rule = next(one for one in guard.rules if one.id == links.rule)
    out = next(value for value in rule.values if value not in rule.allowed)
    shown = merged(body, nested(rule.path, out)) if links.shown else with_known(body, granted=True)
    found = next((one for one in look.judge(shown).findings if one.rule == links.rule), None)
    if found is None:
        return None
    severity = Severity.MEDIUM if links.fills(body) else found.severity
    return replace(found, actual=_ACTUAL, severity=severity)


def _state(look: Look, body: Body | None) -> str | None:
    """What the body says of links now."""
    links = look.guard.links
    paths = [rule.path for rule in look.guard.rules if links and rule.id == links.rule]
    return text_at(body, paths[0]) if body and paths else None
