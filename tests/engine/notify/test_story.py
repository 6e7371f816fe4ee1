"""What one alert tells: title, tone, facts in order, and links built from parsed parts only."""

from typing import Any

import pytest
from hypothesis import given

from guards.engine.model import Outcome
from guards.engine.notify.times import lasting
from guards.engine.notify.titles import MAX_TITLE
from guards.engine.notify.parcel import Item, Links
from guards.engine.notify.sheet import Tone
from guards.engine.notify.story import Story, story
from tests.engine.notify.samples import HOSTILE, LINKS, alert, blocked, finding, named, wild
from tests.engine.samples import DISK_ID, REGISTRY_ID


def told(given: dict[str, Any], note: str = "") -> Story:
    """The story of an alert."""
    return story(Item(given, note), LINKS)


def facts(given: dict[str, Any], note: str = "") -> list[tuple[str, str]]:
    """Labels and values of all sections; a section's text with its title."""
    return [
        pair
        for section in told(given, note).sections
        for pair in (
            *((fact.label, fact.value) for fact in section.facts),
            *([(section.title, section.text)] if section.text else []),
        )
    ]


@pytest.mark.parametrize(
    ("outcome", "title", "tone"),
    [
        ("reverted", "Export settings of ledger-disk were reverted", Tone.GOOD),
        ("found closed", "Export settings of ledger-disk were found closed", Tone.GOOD),
        ("reported only", "Export settings of ledger-disk are open: reported only", Tone.WARNING),
        (
            "blocked",
            "Export settings of ledger-disk are open: closing them is blocked",
            Tone.ATTENTION,
        ),
        ("not reverted", "Export settings of ledger-disk were not reverted", Tone.ATTENTION),
        ("deleted meanwhile", "ledger-disk was deleted meanwhile", Tone.ACCENT),
        ("deferred", "Reverting export settings of ledger-disk is deferred", Tone.WARNING),
    ],
)
def test_each_outcome_has_a_title_and_a_tone(outcome: str, title: str, tone: Tone) -> None:
    """The title says it in a sentence."""
    short = told(alert(outcome=outcome)).gist
    assert (short.title, short.tone) == (title, tone)


def test_every_outcome_that_is_posted_has_a_title() -> None:
    """None of them is drawn as an unknown version."""
    silent = {Outcome.ALREADY_COMPLIANT, Outcome.EXEMPT}
    assert {told(alert(outcome=outcome)).gist.outcome for outcome in set(Outcome) - silent} == (
        set(Outcome) - silent
    )


def test_the_facts_come_in_order() -> None:
    """What, how long, who, what was done, why, and what to look up."""
    given = alert(findings=[finding(), finding("publicNetworkAccess", "Enabled", "Disabled")])
    assert facts(given, "severity high") == [
        ("networkAccessPolicy", "not set (Azure's default) → DenyAll"),
        ("publicNetworkAccess", "Enabled → Disabled"),
        ("Open for", "2 s, until 2026-03-01 12:00:01 UTC"),
        ("Who", "Alice (User)"),
        ("IP address", "203.0.113.7"),
        ("Application", "app"),
        ("Object ID", "oid"),
        ("Operation", "Microsoft.Compute/disks/write"),
        ("networkAccessPolicy", "not set (Azure's default) → DenyAll"),
        ("Reason", "why"),
        ("Sent here because", "severity high"),
        ("Subscription", "11111111-2222-3333-4444-555555555555"),
        ("Resource ID", DISK_ID),
        ("Correlation ID", "c-1"),
        ("Policy", "cd" * 6),
        ("Alert ID", "ab" * 32),
        ("Undo", "1 ARM request is in the alert"),
    ]


def test_changes_that_are_just_what_was_open_are_not_listed_twice() -> None:
    """The usual case reads short."""
    assert ("Changed", "all of the above, as wanted") in facts(alert())
    assert facts(alert()).count(("networkAccessPolicy", "not set (Azure's default) → DenyAll")) == 1


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, "2 s, until 2026-03-01 12:00:01 UTC"),
        ({"eventTime": ""}, "1 s, until 2026-03-01 12:00:01 UTC"),
        ({"eventTime": "2026-03-01T12:00:09Z"}, "under 1 s, until 2026-03-01 12:00:01 UTC"),
        (
            {"closedAt": None, "outcome": "blocked"},
            "still open, since 2026-03-01 11:59:59 UTC",
        ),
        ({"closedAt": None, "outcome": "deferred", "eventTime": "?", "seenAt": 7}, "still open"),
        ({"closedAt": None, "outcome": "found closed"}, None),
        ({"closedAt": None, "outcome": "deleted meanwhile"}, None),
        ({"closedAt": None, "outcome": "reported only", "findings": []}, None),
    ],
)
def test_how_long_it_was_open(changes: dict[str, Any], value: str | None) -> None:
    """From the event, or else the look, to Azure's confirmation; nothing where nobody knows."""
    assert dict(facts(alert(**changes))).get("Open for") == value


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "under 1 s"),
        (0.4, "under 1 s"),
        (47, "47 s"),
        (125, "2 min 5 s"),
        (120, "2 min"),
        (3600 * 3 + 61, "3 h 1 min"),
        (86400 * 2 + 3599, "2 d"),
    ],
)
def test_a_time_is_said_in_two_units(seconds: float, text: str) -> None:
    """As a person would say it."""
    assert lasting(seconds) == text


def test_an_event_that_names_nobody_says_so() -> None:
    """An empty line would look like a mistake."""
    nobody = dict.fromkeys(alert()["caller"], "")
    assert ("Who", "unknown: the event does not say") in facts(alert(caller=nobody))
    assert "Who" not in dict(facts(alert(caller=nobody, resourceId=None)))


def test_many_findings_are_counted() -> None:
    """300 findings: ten of them, and how many more."""
    shown = told(alert(findings=[finding(f"setting{n}") for n in range(300)])).sections[0].facts
    assert [fact.label for fact in shown] == [f"setting{n}" for n in range(10)] + [""]
    assert shown[-1].value == "290 more"


def test_buttons_are_built_from_the_parsed_id() -> None:
    """The resource, what happened to it, and what the team does then."""
    group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Größe%20"
    assert [(one.title, one.url) for one in told(blocked()).buttons] == [
        ("Open in Azure portal", f"https://portal.azure.com/#@/resource{REGISTRY_ID}/overview"),
        ("Activity log", f"https://portal.azure.com/#@/resource{REGISTRY_ID}/eventlogs"),
        ("Runbook", "https://wiki.contoso.example/export-guard"),
    ]
    named_group = DISK_ID.replace("rg-data", "Größe")
    (first, *_) = story(
        Item(alert(resourceId=named_group)), Links("https://portal.azure.us")
    ).buttons
    assert first.url.startswith("https://portal.azure.us/#@/resource/subscriptions/")
    assert "resourceGroups/Gr%C3%B6%C3%9Fe/providers" in first.url
    assert group not in first.url


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "https://evil.example/subscriptions/x",
        f"{DISK_ID}/../../x",
        f"{DISK_ID}?a=b",
        "javascript:alert(1)",
        "/subscriptions/x",
    ],
)
def test_an_id_that_does_not_parse_makes_no_button(text: object) -> None:
    """An ID is data, never an address."""
    titles = [button.title for button in told(alert(resourceId=text)).buttons]
    assert titles == ["Runbook"]


def test_without_a_resource_the_reason_is_the_title() -> None:
    """What is said about the policy itself."""
    short = told(alert(resourceId=None, outcome="reported only", reason="the policy " * 30)).gist
    assert short.title.startswith("Export Guard reports: the policy the policy")
    assert (short.name, short.line) == ("", "HIGH · reported only")


def test_a_report_without_findings_does_not_call_the_resource_open() -> None:
    """The guard's identity was misused; the resource may be closed."""
    given = alert(outcome="reported only", findings=[], severity="critical", closedAt=None)
    short = told(given).gist
    assert (short.title, short.tone) == ("Export Guard reports on ledger-disk", Tone.ATTENTION)


def test_an_unknown_version_shows_every_key() -> None:
    """A newer guard's alert is read by a person, not lost."""
    newer = {"schema": "exportguard.alert/2", "who": ["a", 1], "much": {"x": None}, "none": None}
    assert told(newer).gist.title == "Export Guard alert (schema exportguard.alert/2)"
    assert facts(newer, "why") == [
        ("schema", "exportguard.alert/2"),
        ("who", '["a", 1]'),
        ("much", '{"x": null}'),
        ("none", ""),
        ("Sent here because", "why"),
    ]
    assert told(alert(outcome="exploded")).gist.title.startswith("Export Guard alert (schema ")


def test_what_was_shortened_on_its_way_is_still_shown() -> None:
    """A delivery that was too long holds its lists as text."""
    short = alert(findings='[{"rule": "net', caller='{"name": "Al', note="it was too long")
    assert ("", '[{"rule": "net') in facts(short)
    assert ("Who", '{"name": "Al') in facts(short)
    assert ("Note", "it was too long") in facts(short)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_short_and_clean(name: str) -> None:
    """No control character, no title that fills a screen."""
    short = told(named(name))
    assert len(short.gist.title) <= MAX_TITLE
    texts = [short.gist.title, *(text for pair in facts(named(name)) for text in pair)]
    assert not any(ord(c) < 32 or c in "\u202e\u2066\u200f\x7f\x9b" for c in "".join(texts))


@given(wild())
def test_a_story_never_raises(given: dict[str, Any]) -> None:
    """Whatever arrives is told somehow, with an ID that fits anywhere."""
    short = told(given).gist
    assert 0 < len(short.title) <= MAX_TITLE
    assert short.alert_id.replace("-", "").isalnum()
    assert len(short.alert_id) <= 64


def test_nothing_is_too_deep_or_too_large_for_a_story() -> None:
    """Values that JSON itself cannot write again."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    short = told({"schema": "x", "deep": deep, "large": 10**5000, "odd": {1}})
    values = [fact.value for fact in short.sections[0].facts]
    assert values == ["x", *["(cannot be shown)"] * 3]
    assert (
        short.gist.alert_id
        == told({"schema": "x", "deep": deep, "large": 1, "odd": 1}).gist.alert_id
    )
