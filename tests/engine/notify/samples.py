"""Alerts for stories, cards and mails: good ones, the worst, and wild ones."""

from typing import Any

from hypothesis import strategies as st

from guards.engine.notify.parcel import Item, Links, Parcel
from tests.cli.command import HOSTILE as STEERING
from tests.engine.samples import DISK_ID, REGISTRY_ID
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
    )


_TEXT = st.text(max_size=60) | st.sampled_from(HOSTILE)
_WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def wild(draw: st.DrawFn) -> dict[str, Any]:
    """An alert in which anything may be anything."""
    base = draw(st.sampled_from([{}, alert(), blocked(), alert(resourceId=None)]))
    keys = st.sampled_from([*alert(), "note", "new"]) | _TEXT
    return {**base, **draw(st.dictionaries(keys, _WILD, max_size=6))}
