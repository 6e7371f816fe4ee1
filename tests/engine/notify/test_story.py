"""What one alert tells: title, tone, facts in order, and links built from parsed parts only."""

from typing import Any

import pytest
from hypothesis import given

from guards.engine.model import Outcome
from guards.engine.notify.parcel import Item, Links
from guards.engine.notify.sheet import Tone
from guards.engine.notify.story import Story, story
from guards.engine.notify.times import lasting
from guards.engine.notify.titles import MAX_TITLE
from tests.engine.notify.samples import (
    HOSTILE,
    LINKS,
    alert,
    blocked,
    exposed,
    exposure,
    finding,
    live,
    named,
    wild,
)
from tests.engine.samples import DISK_ID, GROUP, REGISTRY_ID, SNAPSHOT_ID


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


@pytest.mark.parametrize(
    ("outcome", "title", "tone"),
    [
        ("reverted", "A SAS link to ledger-snap was revoked", Tone.WARNING),
        ("found closed", "A SAS link to ledger-snap was found closed", Tone.WARNING),
        ("reported only", "A SAS link to ledger-snap is out: reported only", Tone.ATTENTION),
        ("blocked", "A SAS link to ledger-snap is out: revoking it is blocked", Tone.ATTENTION),
        ("not reverted", "A SAS link to ledger-snap could not be revoked", Tone.ATTENTION),
        (
            "deleted meanwhile",
            "ledger-snap was deleted, after a SAS link to it was taken",
            Tone.WARNING,
        ),
        ("deferred", "Revoking a SAS link to ledger-snap is deferred", Tone.WARNING),
    ],
)
def test_a_link_has_titles_of_its_own(outcome: str, title: str, tone: Tone) -> None:
    """That it was out is never good news, however it ended."""
    short = told(exposed(outcome=outcome)).gist
    assert (short.title, short.tone) == (title, tone)


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("exportPermissions", "ledger-disk gives permissions to export"),
        ("importImage", "Images were imported into ledger-disk"),
        ("privateEndpoint", "No private endpoint leads to ledger-disk"),
    ],
)
def test_what_is_no_export_setting_is_not_called_one(rule: str, title: str) -> None:
    """A role is not open or closed; beside a setting it is, the setting names the alert."""
    one = {**finding(), "rule": rule}
    assert told(alert(outcome="reported only", findings=[one])).gist.title == title
    both = told(alert(outcome="reported only", findings=[one, finding()])).gist.title
    assert both == "Export settings of ledger-disk are open: reported only"


@pytest.mark.parametrize(
    "findings",
    [
        [live(), finding()],
        [finding()],
        [live(), "text"],
        [[]],
        "liveExport",
        {"rule": "liveExport"},
    ],
)
def test_a_link_among_other_findings_leaves_the_title_as_it_is(findings: Any) -> None:
    """The settings are the larger part of it then."""
    assert told(exposed(findings=findings)).gist.title == (
        "Export settings of ledger-snap were reverted"
    )


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


def test_what_is_known_of_a_link_comes_first_and_is_said_once() -> None:
    """How long, from when until when, by whom, what for, and what became of it."""
    assert facts(exposed()) == [
        ("From", "2026-03-01 11:59:13 UTC"),
        ("Until", "2026-03-01 12:00:00 UTC"),
        ("Who", "Alice (User)"),
        ("IP address", "203.0.113.7"),
        ("Asked for", "Read for 1 h"),
        ("State after", "Unattached"),
        (
            "Exposure",
            "Link out for 47 s. The link was revoked. Data may have been read through it until "
            "then.",
        ),
        ("diskState", "ActiveSAS → Unattached"),
        ("Application", "app"),
        ("Object ID", "oid"),
        ("Operation", "Microsoft.Compute/snapshots/beginGetAccess/action"),
        ("Changed", "all of the above, as wanted"),
        ("Reason", "why"),
        ("Subscription", "11111111-2222-3333-4444-555555555555"),
        ("Resource ID", SNAPSHOT_ID),
        ("Correlation ID", "c-1"),
        ("Policy", "cd" * 6),
        ("Alert ID", "ab" * 32),
    ]
    assert told(exposed()).sections[0].title == "Exposure"


def test_with_other_findings_the_settings_have_their_own_time() -> None:
    """They may have been open for longer than the link was out."""
    both = dict(facts(exposed(findings=[live(), finding()])))
    assert both["Open for"] == "2 s, until 2026-03-01 12:00:01 UTC"
    assert both["Exposure"].startswith("Link out for 47 s. ")


@pytest.mark.parametrize(
    ("seen", "outcome", "said"),
    [
        ({}, "reverted", "Link out for 47 s."),
        ({"secondsOpen": 0}, "reverted", "Link out for under 1 s."),
        ({"secondsOpen": None}, "reverted", "Link out for an unknown time."),
        ({"secondsOpen": None}, "not reverted", "Link out for an unknown time."),
        ({"secondsOpen": None, "revokedAt": None}, "reported only", "Link still out."),
        ({"secondsOpen": None, "revokedAt": None}, "not reverted", "Link still out."),
        ({"secondsOpen": None, "revokedAt": None}, "found closed", "Link out for an unknown time."),
        (
            {"secondsOpen": None, "revokedAt": None},
            "deleted meanwhile",
            "Link out for an unknown time.",
        ),
        ({"secondsOpen": float("nan")}, "reverted", "Link out for an unknown time."),
        ({"secondsOpen": 10**400}, "reverted", "Link out for an unknown time."),
        ({"secondsOpen": True}, "reverted", "Link out for an unknown time."),
        ({"secondsOpen": "47"}, "reverted", "Link out for an unknown time."),
    ],
)
def test_how_long_a_link_was_out(seen: dict[str, Any], outcome: str, said: str) -> None:
    """A number only where there is one, and never that it is gone while it may be used."""
    given = exposed(outcome=outcome, exposure=exposure(**seen, statement=None), changes=[])
    assert dict(facts(given))["Exposure"] == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("properties.diskState", "Link out for an unknown time."),
        ("properties.networkAccessPolicy", "Link still out."),
    ],
)
def test_settings_that_were_reverted_do_not_hide_a_link_that_is_still_out(
    changed: str, said: str
) -> None:
    """The policy may only report links; one that is gone by itself is among the changes."""
    left = exposure(secondsOpen=None, revokedAt=None, statement=None)
    changes = [{"path": changed, "from": "x", "to": "y"}]
    for outcome in ("reverted", "found closed", "not reverted"):
        findings = [live(), finding()]
        given = exposed(outcome=outcome, exposure=left, findings=findings, changes=changes)
        assert dict(facts(given))["Exposure"] == said


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        ({}, "Read for 1 h"),
        ({"durationSeconds": None}, "Read"),
        ({"access": None, "durationSeconds": 86400}, "1 d"),
        ({"access": "Write", "durationSeconds": "long"}, "Write for long"),
        ({"access": None, "durationSeconds": None}, None),
    ],
)
def test_what_was_asked_for_is_said_as_far_as_it_is_known(
    seen: dict[str, Any], asked: str | None
) -> None:
    """Azure's events usually do not tell."""
    assert dict(facts(exposed(exposure=exposure(**seen)))).get("Asked for") == asked


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ('{"grantedAt": "2026-', '{"grantedAt": "2026-'),
        (["a", 7], '["a", 7]'),
        (7.5, "7.5"),
        (True, "true"),
        (None, None),
        ({}, None),
        (0, None),
    ],
)
def test_an_exposure_in_another_form_is_shown_as_it_is(seen: Any, said: str | None) -> None:
    """A delivery that was too long holds it as text."""
    assert dict(facts(exposed(exposure=seen))).get("Exposure") == said


def test_what_was_deleted_is_said_by_name() -> None:
    """The bodies are in the alert; in another form it is shown as it is."""
    type_ = "Microsoft.ContainerRegistry/registries/exportPipelines"
    bodies = [{"name": f"nightly-{n}", "type": type_, "properties": {}} for n in range(12)]
    given = blocked(outcome="reverted", deleted=bodies)
    shown = [value for label, value in facts(given) if label == "Deleted"]
    assert shown == [f"nightly-{n} ({type_}), saved in the alert" for n in range(10)]
    assert ("", "2 more") in facts(given)
    assert ("Deleted", '[{"name": "nig') in facts(blocked(deleted='[{"name": "nig'))
    assert ("Deleted", "7") in facts(blocked(deleted=[7]))


def test_what_may_not_have_been_deleted_is_not_called_so() -> None:
    """Bodies are saved first; Azure may have refused the deletion."""
    saved = "no name (no type), saved in the alert"
    for outcome in ("not reverted", "deferred"):
        given = blocked(outcome=outcome, deleted=[{}])
        assert ("Deleted", f"{saved}; it is still there if Azure refused") in facts(given)
    assert ("Deleted", saved) in facts(blocked(outcome="reverted", deleted=[{}]))


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("Microsoft.Compute/diskAccesses", "disk access"),
        ("Microsoft.Authorization/roleAssignments", "role assignment"),
        ("Microsoft.Authorization/roleDefinitions", "role definition"),
        ("Microsoft.Compute/restorePointCollections", "restore point"),
        ("Microsoft.Compute/restorePointCollections/restorePoints", "restore point"),
        (
            "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints",
            "restore point",
        ),
        ("Microsoft.ContainerRegistry/registries/exportPipelines", "registry"),
        ("Microsoft.Compute/restorePointCollections/snapshots", "snapshot"),
        ("Microsoft.Compute/virtualMachines", "resource"),
        ("Microsoft.Compute", "resource"),
    ],
)
def test_each_type_has_a_word(type_: str, kind: str) -> None:
    """The last type that has one, of the ID, or else of what the alert says."""
    namespace, *types = type_.split("/")
    path = "".join(f"/{one}/{one}-1" for one in types)
    by_id = alert(resourceId=f"{GROUP}/providers/{namespace}{path}", resourceType="odd")
    assert told(by_id).gist.kind == kind
    assert told(alert(resourceId="?", resourceType=type_)).gist.kind == kind


def test_what_is_in_no_group_has_none_in_its_line() -> None:
    """A role assignment of a whole subscription."""
    above = "/subscriptions/11111111-2222-3333-4444-555555555555"
    role = f"{above}/providers/Microsoft.Authorization/roleAssignments/{'1' * 8}"
    assert told(alert(resourceId=role)).gist.line == "HIGH · reverted · role assignment"


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
