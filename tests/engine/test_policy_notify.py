"""`notify` in policy.yaml: what is read of it, what is refused, and which changes are told."""

from typing import Any

import jsonschema
import pytest

from guards import GUARDS
from guards.engine import policy
from guards.engine.model import Outcome, Severity
from guards.engine.notify.routes import Route, Routes
from guards.engine.policy.changes import loosened
from guards.engine.policy.scopes import Scope
from guards.engine.policy.shape import schema
from guards.engine.policy.text import load
from tests.cli.command import ROOT
from tests.engine.policies import DISKS, REGISTRIES, SUB, Data, made, mistakes, wrong
from tests.engine.samples import GROUP, SUBSCRIPTION
from tests.fakes import START

SCHEMA = jsonschema.Draft202012Validator(schema(GUARDS))
TYPES = [guard.resource_type for guard in GUARDS]
RUNBOOK = "https://wiki.contoso.example/export-guard"
KEYS = "name, outcome, severity, type, subscription, scope, channels"


def routes(*entries: Any, **more: Any) -> Data:
    """`notify` with these routes."""
    return {"routes": list(entries), **more}


def test_a_route_is_read_with_all_its_criteria() -> None:
    """IDs and types in the casing they are compared in."""
    entry = {
        "name": "on-call",
        "outcome": ["blocked", "not reverted"],
        "severity": ["critical", "high"],
        "type": [DISKS.upper(), REGISTRIES],
        "subscription": [SUBSCRIPTION, "ABCDEF01-2222-3333-4444-555555555555"],
        "scope": [GROUP, f"{SUB}/resourceGroups/rg-*"],
        "channels": ["on-call", "a", "b2"],
    }
    read = made(notify=routes(entry, default=["security"], runbook=RUNBOOK)).notify
    route = Route(
        channels=("on-call", "a", "b2"),
        name="on-call",
        outcomes=(Outcome.BLOCKED, Outcome.NOT_REVERTED),
        severities=(Severity.CRITICAL, Severity.HIGH),
        types=(DISKS.lower(), REGISTRIES.lower()),
        subscriptions=(SUBSCRIPTION, "abcdef01-2222-3333-4444-555555555555"),
        scopes=tuple(Scope.parse(text, TYPES) for text in entry["scope"]),
    )
    assert read == Routes((route,), ("security",), RUNBOOK)


@pytest.mark.parametrize("keys", [{}, {"notify": {}}, {"notify": {"routes": []}}, {"notify": None}])
def test_left_out_it_means_every_channel(keys: Data) -> None:
    """Whoever configures a channel and writes no route gets everything."""
    assert made(**keys).notify == Routes((), None, "")
    assert policy.default(GUARDS).notify == Routes((), None, "")


def test_a_route_needs_nothing_but_channels() -> None:
    """An empty list says that nobody is told; a value may stand there twice."""
    entry = {"severity": ["low", "low"], "channels": []}
    read = made(notify=routes(entry, {"channels": ["a", "a"]})).notify
    assert read.routes == (Route((), severities=("low", "low")), Route(("a", "a")))


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {"already compliant", "exempt"}))
def test_every_outcome_that_posts_alerts_can_be_routed(outcome: str) -> None:
    """And the others are told as a mistake."""
    assert made(notify=routes({"outcome": [outcome], "channels": []})).notify.routes


OUTCOMES = (
    "allowed: 'reverted', 'found closed', 'reported only', 'blocked', 'not reverted', "
    "'deleted meanwhile' or 'deferred'"
)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"outcome": ["revertd"]}, f"outcome[0]: 'revertd' is not allowed; {OUTCOMES}"),
        ({"outcome": ["blocked", "exempt"]}, f"outcome[1]: 'exempt' is not allowed; {OUTCOMES}"),
        ({"outcome": "blocked"}, "outcome: a list is needed (found 'blocked')"),
        ({"severity": ["urgent"]}, "severity[0]: 'urgent' is not allowed; allowed: 'low', 'med"),
        ({"type": ["Microsoft.Web/sites"]}, "type[0]: 'Microsoft.Web/sites' is not allowed"),
        ({"type": [["x"]]}, "type[0]: ['x'] is not allowed"),
        ({"subscription": ["prod"]}, "subscription[0]: the subscription must be a whole GUID"),
        ({"subscription": [f"{SUBSCRIPTION}\n"]}, "subscription[0]: the subscription must be"),
        ({"subscription": ["*"]}, "subscription[0]: the subscription must be a whole GUID"),
        ({"scope": ["rg-x"]}, "scope[0]: a scope is /subscriptions/GUID, "),
        ({"scope": ["/subscriptions/*"]}, "scope[0]: matches everything"),
        ({"severity": []}, "severity: List should have at least 1 item"),
        ({"scope": None}, "scope: a list is needed (found None)"),
        ({"scopes": []}, f"scopes: unknown; allowed: {KEYS}"),
        ({"channels": None}, "channels: a list is needed (found None)"),
        ({"channels": "on-call"}, "channels: a list is needed (found 'on-call')"),
        *(
            ({"channels": [name]}, "channels[0]: a channel's name has lower case letters, digits")
            for name in ("", "On-call", "1st", "-a", "a_b", "a b", "a" * 41, "a\n", "é")
        ),
    ],
)
def test_a_route_with_a_mistake_is_told(entry: Data, told: str) -> None:
    """A criterion that was meant and not understood must not match everything."""
    assert f"notify.routes[0].{told}" in wrong(notify=routes({"channels": [], **entry}))


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ([], "notify: a mapping of routes, default, runbook is needed"),
        ({"route": []}, "notify.route: unknown; allowed: routes, default, runbook"),
        ({"routes": {}}, "notify.routes: a list is needed (found {})"),
        ({"routes": None}, "notify.routes: a list is needed (found None)"),
        ({"routes": [5]}, f"notify.routes[0]: a mapping of {KEYS} is needed"),
        ({"routes": [{}]}, "notify.routes[0].channels: is missing"),
        ({"routes": [{"channels": []}] * 201}, "notify.routes: List should have at most 200 items"),
        ({"default": []}, "notify.default: List should have at least 1 item"),
        ({"default": None}, "notify.default: a list is needed (found None)"),
        ({"default": ["X"]}, "notify.default[0]: a channel's name has lower case letters"),
        ({"runbook": 5}, "notify.runbook: "),
        *(
            ({"runbook": url}, "notify.runbook: an https URL without user name, of 500 characters")
            for url in (
                "",
                "http://wiki.contoso.example",
                "HTTPS://wiki.contoso.example",
                "javascript:alert(1)",
                "wiki.contoso.example",
                "https://",
                "https:///x",
                "https://a.example:99999/",
                "https://[::1",
                "https://a.example/x y",
                "https://a.example/\u202ex",
                "https://a.example/\x00",
                "https://a.example\\@b.example",
                'https://a.example/"onclick=',
                f"{RUNBOOK}/{'x' * 500}",
            )
        ),
    ],
)
def test_a_mistake_around_the_routes_is_told(notify: Any, told: str) -> None:
    """What would tell nobody, or lead people somewhere else, is refused."""
    assert told in wrong(notify=notify)


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@a.example", "https://u:hunter/2@a.example", "https://hunter2@a/b"]
)
def test_a_password_in_the_runbook_is_refused_and_not_repeated(url: str) -> None:
    """What is said of a policy goes into logs and alerts."""
    told = wrong(notify={"runbook": url})
    assert "an https URL without user name" in told
    assert "hunter" not in told


@pytest.mark.parametrize("url", [RUNBOOK, f"{RUNBOOK}?a=b&c=d#e", "https://a.example:8443/%20x"])
def test_a_runbook_is_kept_as_it_is_written(url: str) -> None:
    """It becomes a button."""
    assert made(notify={"runbook": url}).notify.runbook == url


def test_mistakes_are_told_with_their_lines() -> None:
    """All of them at once, with those elsewhere in the file."""
    told = mistakes(f"""version: 1
mode: deny
notify:
  routes:
    - outcome: [blocked]
      severity:
        - high
        - urgent
      channels: [security]
    - scope: [{GROUP}]
  default: [Security]
  runbook: http://wiki.contoso.example
""")
    assert [int(line.split()[1].rstrip(":")) for line in told] == [2, 8, 10, 11, 12]


ROUTE = {"severity": ["critical"], "channels": ["on-call"]}
CHANGED = "notify: routes, default or runbook changed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, routes({"channels": []})),
        (routes(ROUTE), {}),
        (routes(ROUTE), routes({**ROUTE, "channels": []})),
        (routes(ROUTE), routes({**ROUTE, "severity": ["critical", "high"]})),
        (routes(ROUTE), routes({**ROUTE, "scope": [GROUP]})),
        (routes(ROUTE), routes(ROUTE, default=["security"])),
        (routes(default=["a"]), routes(default=["b"])),
    ],
)
def test_who_is_told_cannot_change_in_silence(old: Data, new: Data) -> None:
    """One line, in both directions: nobody can say which of two people is stricter."""
    assert loosened(made(notify=old), made(notify=new), START) == [CHANGED]
    assert loosened(made(notify=new), made(notify=old), START) == [CHANGED]


def test_another_runbook_is_told() -> None:
    """Every card and mail leads there: whoever changes it can send people anywhere."""
    assert loosened(made(), made(notify={"runbook": RUNBOOK}), START) == [CHANGED]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"routes": []}),
        (routes(ROUTE), routes({**ROUTE, "name": "night shift"})),
        (routes(ROUTE, {"channels": ["a", "b"]}), routes({"channels": ["b", "a"]}, ROUTE)),
        (routes({**ROUTE, "scope": [GROUP]}), routes({**ROUTE, "scope": [GROUP.upper()]})),
    ],
)
def test_what_tells_the_same_people_needs_no_word(old: Data, new: Data) -> None:
    """Names, the order and casing loosen nothing."""
    assert loosened(made(notify=old), made(notify=new), START) == []


def test_it_is_told_beside_what_else_was_loosened() -> None:
    """First, since it decides who reads the rest."""
    told = loosened(made(), made(mode="audit", notify=routes({"channels": []})), START)
    assert told == [CHANGED, "every rule: mode enforce to audit"]


def test_the_block_in_the_shipped_policy_can_be_used_as_it_stands() -> None:
    """Whoever takes the comment signs away has routes, and an editor that agrees."""
    block = (ROOT / "policy.yaml").read_text(encoding="utf-8").partition("# notify:\n")[2]
    lines = ["version: 1", "notify:", *(line.removeprefix("# ") for line in block.splitlines())]
    document = load("\n".join(lines)).data
    assert {"routes", "default", "runbook"} == set(document["notify"])
    assert made(notify=document["notify"]).notify.routes
    assert SCHEMA.is_valid(document)


@pytest.mark.parametrize(
    "notify",
    [
        routes({}),
        routes({"channels": ["On-Call"]}),
        routes({"channels": [], "outcome": ["exempt"]}),
        routes({"channels": [], "severity": []}),
        routes(default=[]),
        {"runbook": "http://a.example"},
        {"route": []},
    ],
)
def test_an_editor_underlines_what_check_refuses(notify: Data) -> None:
    """As far as a schema can say it."""
    assert wrong(notify=notify)
    assert not SCHEMA.is_valid({"version": 1, "notify": notify})
