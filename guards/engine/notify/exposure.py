"""What is told of SAS links that were out: how long, and who took them for what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guards.engine.events import clean
from guards.engine.notify.gist import Gist, link_of
from guards.engine.notify.sheet import MAX_REASON, Fact, Section, present, short_text
from guards.engine.notify.times import clock, lasting, seconds, time_of


def exposure(alert: Mapping[str, Any], short: Gist) -> Section:
    """How long a link was out, and who took it for what."""
    told = link_of(alert)
    if not told:
        return Section("Exposure", text=short_text(alert.get("exposure") or None))
    facts = [
        Fact("From", _moment(told.get("grantedAt"))),
        Fact("Until", _moment(told.get("revokedAt"))),
        Fact("Who", _who(told, alert)),
        Fact("IP address", short_text(told.get("ipAddress"), 256)),
        Fact("Asked for", _asked(told)),
        Fact("State after", short_text(told.get("stateAfter"), 64)),
    ]
    text = f"Link {out_for(short)}. {short_text(told.get('statement'), MAX_REASON)}".strip()
    return Section("Exposure", present(facts), text)


def in_short(gists: Iterable[Gist]) -> str:
    """`3 SAS links, 1 still out, the longest known 47 s`; "" where there are none."""
    exposed = [short for short in gists if short.exposed]
    if not exposed:
        return ""
    count = "1 SAS link" if len(exposed) == 1 else f"{len(exposed)} SAS links"
    out = sum(short.still_out for short in exposed)
    parts = (count, f"{out} still out" if out else "", _longest(exposed))
    return ", ".join(part for part in parts if part)


def _longest(exposed: Sequence[Gist]) -> str:
    known = [short.open_s for short in exposed if short.open_s is not None]
    if not known:
        return ""
    if len(exposed) == 1:
        return out_for(exposed[0])
    return f"the longest {'' if len(known) == len(exposed) else 'known '}{lasting(max(known))}"


def out_for(short: Gist) -> str:
    """`out for 47 s`, `still out`, or that nobody knows."""
    if short.open_s is not None:
        return f"out for {lasting(short.open_s)}"
    return "still out" if short.still_out else "out for an unknown time"


def _who(told: Mapping[str, Any], alert: Mapping[str, Any]) -> str:
    """`Alice (User)`, as in the rest of the story."""
    who, caller = short_text(told.get("caller"), 256), alert.get("caller")
    kind = clean(caller.get("principalType")) if isinstance(caller, Mapping) else ""
    return f"{who} ({kind})" if who and kind else who


def _moment(value: object) -> str:
    time = time_of(value)
    return clock(time) if time else short_text(value, 64)


def _asked(told: Mapping[str, Any]) -> str:
    """`Read for 1 h`, as far as it is known."""
    duration = told.get("durationSeconds")
    life = seconds(duration)
    parts = (
        short_text(told.get("access"), 64),
        short_text(duration, 64) if life is None else lasting(life),
    )
    return " for ".join(part for part in parts if part)
