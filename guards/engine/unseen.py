"""A link that was over before the guard could look: nothing to cut, and a person to tell.

Whoever copies a small disk needs seconds, and can revoke the link or delete the copy afterwards.
"""

import logging
from dataclasses import replace

from guards.engine import export_rows as rows
from guards.engine.errors import Transient
from guards.engine.exports import Grant, by_exporter, grant_of, is_grant, succeeded
from guards.engine.exposure import Cut
from guards.engine.later import RECHECK_DELAYS_S
from guards.engine.look import Look, Result
from guards.engine.model import Body, Finding, Granter, Outcome, Severity
from guards.engine.repeats import fight
from guards.engine.rules import merged, nested, text_at, with_known
from guards.engine.shapes import moment, sentences, timestamp

log = logging.getLogger(__name__)

_OVER = (
    "a SAS link was taken, and was over before the guard could revoke it: whoever took it ended "
    "it, or deleted the resource, or it never showed. Ask the caller what it was for"
)
_ENDED = "a SAS link was taken, and the guard revoked it together with another one"
_MAY_FILL = "the resource was made for an upload, so it may have been a link to fill it"
_ACTUAL = "taken, and over before it was seen"

_AFTER_INTENTS_S = 30
"""A look that died may have cut it: its intent surfaces before, and tells."""


async def remember(look: Look) -> None:
    """An alert tells of the link that led here: its event, should it come again, is no news.

    Never raises.
    """
    change, ports = look.task.change, look.ports
    if not is_grant(look) or ports.recent.has(look.resource.key, change.event_id):
        return
    try:
        await rows.keep_told(ports, look.resource, change)
    except Transient as e:
        log.warning("that a link to %s was told of is not recorded: %s", look.resource, e)


async def never_showed(look: Look, body: Body, grant: Grant) -> Result | None:
    """Tell of a link that no look has seen, after the last one; None as long as there are more.

    Raises:
        Transient: as `tell_of_link`.
    """
    links, task = look.guard.links, look.task
    last = len(RECHECK_DELAYS_S)
    if links is None or not links.shown:
        return None
    if _made_since(look, body):
        return await tell_of_link(look, None, grant)
    if task.recheck < last or look.states(body):
        return None
    if task.recheck > last:
        return await tell_of_link(look, body, grant)
    if await _end(look, body, grant) is not None:
        again = replace(task, recheck=last + 1, attempt=0, evidence=None)
        await look.ports.work.put(again.message(), look.ports.intent_delay_s + _AFTER_INTENTS_S)
    return None


async def tell_of_link(look: Look, body: Body | None, grant: Grant | None = None) -> Result | None:
    """Tell of a link that a body does not show, or that is gone with its resource (no body).

    None if none was taken, an exporter took it, an alert tells of it or is on its way, or the
    policy does not care.

    Raises:
        Transient: it cannot be known or told now; the look must come again.
    """
    if not is_grant(look):
        return None
    grant = grant or await grant_of(look, body or {})
    cut = await _end(look, body, grant)
    finding = _finding(replace(look, granter=grant.granter), body or {}) if cut else None
    if cut is None or finding is None:
        return None
    outcome = Outcome.DELETED_MEANWHILE if body is None else Outcome.FOUND_CLOSED
    rounds = await fight(look)
    if rounds is None:
        return Result(outcome, reason="told with other rounds of a fight")
    filled = finding.severity is Severity.MEDIUM
    reason = sentences(_ENDED if cut.revoked_at else _OVER, _MAY_FILL if filled else "", rounds)
    seen = look.seen((finding,), (), finding.severity, {})
    result = await look.tell(outcome, seen, reason, cut=cut)
    await remember(look)
    return result


async def _end(look: Look, body: Body | None, grant: Grant) -> Cut | None:
    """How the link ended, as far as it is known; None if there is nothing to tell of it."""
    held, change, ports = look.task.evidence, look.task.change, look.ports
    told = held is not None and look.links_among(held.findings)
    exporting = grant.granter is Granter.EXPORTER and not grant.doubtful
    if told or not _to_read(look, body) or exporting or grant.spent:
        return None
    if by_exporter(look.policy, look.resource, change, ports.clock.now()):
        return None
    if ports.recent.has(look.resource.key, change.event_id):
        return None
    known = await rows.taken(ports, look.resource, change)
    if (known is not None and known.cut) or await rows.told(ports, look.resource, change):
        return None
    ended, taken = await rows.ended(ports, look.resource), moment(change.event_time)
    by_guard = ended is not None and taken is not None and taken <= ended
    revoked = timestamp(ended) if ended is not None and by_guard else None
    return Cut(revoked, _state(look, body), over=True)


def _to_read(look: Look, body: Body | None) -> bool:
    """Whether a link was handed out, and not one to write; of that a body must be no witness."""
    change, links = look.task.change, look.guard.links
    if links is None or not is_grant(look) or not succeeded(change):
        return False
    writing = change.request.access.lower() == "write"
    return not (writing and (body is None or links.fills(body)))


def _made_since(look: Look, body: Body) -> bool:
    """Whether the resource is another one, made under the name of the one the link was to."""
    made = moment(text_at(body, "properties.timeCreated") or "")
    taken = moment(look.task.change.event_time)
    return made is not None and taken is not None and made > taken


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
    filling = links.fills(body) and look.task.change.request.access.lower() != "read"
    severity = Severity.MEDIUM if filling else found.severity
    return replace(found, actual=_ACTUAL, severity=severity)


def _state(look: Look, body: Body | None) -> str | None:
    """What the body says of links now."""
    links = look.guard.links
    paths = [rule.path for rule in look.guard.rules if links and rule.id == links.rule]
    return text_at(body, paths[0]) if body and paths else None
