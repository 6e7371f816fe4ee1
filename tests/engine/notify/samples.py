"""Alerts for stories, cards and mails: good ones, the worst, and wild ones."""

from typing import Any

from hypothesis import strategies as st

from guards.engine.notify.parcel import Item, Links, Parcel
from tests.cli.command import HOSTILE as STEERING
from tests.engine.samples import DISK_ID, REGISTRY_ID, SNAPSHOT_ID
from tests.engine.test_alerts import FULL

LINKS = Links(runbook="https://wiki.contoso.example/export-guard")

HOSTILE = [
    *STEERING,
    "[click](https://evil.example/a)",
    "![x](https://evil.example/a.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "<https://evil.example>",
    "https://evil.example/login",
    "&lt;b&gt; &#60;i&#62; &amp;",
    "# head ~~gone~~ **bold** _it_ `code` | a | b |",
    "1. one",
    "- item",
    "+ item",
    "{{DATE(2026-03-01T11:59:59Z, SHORT)}}",
    "back\\slash \\[x\\](y)",
    "\u2066left\u2069 \u200fright\u200e ع",
    '"><a href="javascript:alert(1)">x</a>',
    "=cmd|' /C calc'!A0",
    "n" * 500,
    "\U0001f512" * 500,
]
"""Names that want to be more than text: for terminals, in Markdown, in HTML, in spreadsheets."""


def alert(**changes: Any) -> dict[str, Any]:
    """A disk that was reverted, with some of its fields changed."""
    return {**FULL.message(), **changes}


def blocked(**changes: Any) -> dict[str, Any]:
    """A registry that only a person can close."""
    registry = {
        "outcome": "blocked",
        "severity": "critical",
        "resourceId": REGISTRY_ID,
        "resourceType": "Microsoft.ContainerRegistry/registries",
        "closedAt": None,
        "changes": [],
        "undo": [],
        "reason": "without a private endpoint nobody could pull any more: create one",
        "findings": [finding("policies.exportPolicy.status", "enabled", "disabled")],
    }
    return alert(**{**registry, **changes})


def exposed(**changes: Any) -> dict[str, Any]:
    """A snapshot whose link Alice took, and the guard revoked after 47 seconds."""
    link = {
        "resourceId": SNAPSHOT_ID,
        "resourceType": "Microsoft.Compute/snapshots",
        "severity": "critical",
        "operationName": "Microsoft.Compute/snapshots/beginGetAccess/action",
        "findings": [live()],
        "changes": [{"path": "properties.diskState", "from": "ActiveSAS", "to": "Unattached"}],
        "undo": [],
        "exposure": exposure(),
    }
    return alert(**{**link, **changes})


def live() -> dict[str, Any]:
    """The finding that a link is out."""
    return {**finding("diskState", "ActiveSAS", "Unattached"), "rule": "liveExport"}


def exposure(**changes: Any) -> dict[str, Any]:
    """What is told of a link."""
    seen = {
        "grantedAt": "2026-03-01T11:59:13Z",
        "access": "Read",
        "durationSeconds": 3600,
        "revokedAt": "2026-03-01T12:00:00.214Z",
        "secondsOpen": 47.214,
        "caller": "Alice",
        "ipAddress": "203.0.113.7",
        "stateAfter": "Unattached",
        "statement": "The link was revoked. Data may have been read through it until then.",
    }
    return {**seen, **changes}


def finding(
    path: str = "networkAccessPolicy", actual: str | None = None, desired: str = "DenyAll"
) -> dict[str, Any]:
    """One finding as alerts have it."""
    rule = path.split(".")[-1]
    told = {"rule": rule, "path": f"properties.{path}", "actual": actual, "desired": desired}
    return {**told, "severity": "high"}


def named(name: str) -> dict[str, Any]:
    """An alert whose every text is this one, as far as it is text from outside."""
    caller = dict.fromkeys(("objectId", "appId", "name", "ipAddress", "principalType"), name)
    return alert(
        resourceId=f"{DISK_ID}/{name}",
        reason=name,
        caller=caller,
        operationName=name,
        correlationId=name,
        policyHash=name,
        findings=[{**finding(), "path": name, "actual": name}],
        changes=[],
        exposure=dict.fromkeys(exposure(), name) | {"secondsOpen": 47.2},
        deleted=[{"name": name, "type": name}],
    )


def parcel(*alerts: dict[str, Any], more: bool = False, note: str = "") -> Parcel:
    """A parcel of these alerts."""
    return Parcel(tuple(Item(one, note) for one in alerts), LINKS, more)


def flood(count: int, **changes: Any) -> Parcel:
    """Many disks by one caller within seconds, each hundredth blocked."""
    return parcel(
        *(
            alert(
                alertId=f"{number:064x}",
                resourceId=f"{DISK_ID}-{number}",
                outcome="blocked" if number % 100 == 99 else "reverted",
                closedAt=None if number % 100 == 99 else f"2026-03-01T12:00:{number % 9:02}Z",
                **changes,
            )
            for number in range(count)
        ),
        more=True,
    )


def worst(number: int, text: str) -> dict[str, Any]:
    """An alert that takes as much room as one can, with an ID and a group of its own."""
    return alert(
        alertId=f"{number:064x}",
        resourceId=f"{DISK_ID}-{'n' * 200}{number}".replace("rg-data", f"{'𠀀' * 80}{number}"),
        outcome="not reverted",
        severity="critical",
        reason=text * 4096,
        caller=dict.fromkeys(("name", "appId", "objectId"), f"{number}{text * 250}"),
        operationName=text * 250,
        findings=[{**finding(), "rule": f"{number} {text * 200}", "actual": text * 2000}] * 300,
        exposure=dict.fromkeys(exposure(), text * 2000) | {"secondsOpen": number},
        deleted=[{"name": text * 2000, "type": text * 2000}] * 300,
    )


_TEXT = st.text(max_size=60) | st.sampled_from(HOSTILE)
_WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


_NUMBERS = st.sampled_from([-1e308, -0.5, 1e10, 1e11, 10**400, -(10**400), True, "47"])
"""What looks like seconds, and cannot be said as such."""


@st.composite
def wild(draw: st.DrawFn) -> dict[str, Any]:
    """An alert in which anything may be anything."""
    base = draw(st.sampled_from([{}, alert(), blocked(), exposed(), alert(resourceId=None)]))
    keys = st.sampled_from([*alert(), "note", "new"]) | _TEXT
    changed = {**base, **draw(st.dictionaries(keys, _WILD, max_size=6))}
    if draw(st.booleans()):
        link = st.dictionaries(st.sampled_from([*exposure()]), _WILD | _NUMBERS)
        changed["exposure"] = exposure(**draw(link))
    return changed
