"""Many alerts as one message: counts that add up, words from the facts, nothing lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine.model import Severity
from guards.engine.notify import page
from guards.engine.notify.digest import digest, plural
from guards.engine.notify.sheet import Tone
from tests.engine.notify.samples import (
    alert,
    blocked,
    exposed,
    exposure,
    flood,
    parcel,
    wild,
)
from tests.engine.samples import DISK_ID


def headline(*alerts: dict[str, Any]) -> str:
    """What the digest says in a line."""
    return digest(parcel(*alerts)).headline


def by(name: str, **changes: Any) -> dict[str, Any]:
    """An alert about what this caller did."""
    return alert(caller={**alert()["caller"], "name": name}, **changes)


def test_the_headline_tells_the_whole_story() -> None:
    """Who did what to how many, how it ended, and how soon."""
    assert digest(flood(412, caller={"name": "AKS"})).headline == (
        "AKS opened 412 disks: 408 reverted in 9 s, 4 blocked"
    )


@pytest.mark.parametrize(
    ("operation", "did"),
    [
        ("Microsoft.Compute/disks/write", "opened"),
        ("Microsoft.Compute/disks/beginGetAccess/action", "asked for export links of"),
        (
            "Microsoft.ContainerRegistry/registries/privateEndpointConnections/delete",
            "deleted parts of",
        ),
        ("", "touched"),
    ],
)
def test_what_was_done_is_said_by_the_operation(operation: str, did: str) -> None:
    """A word for what the guards know, and none that claims more."""
    one = alert(operationName=operation)
    assert headline(one, one) == f"Alice {did} 1 disk (2 alerts): 2 reverted in 2 s"


def test_several_callers_and_kinds_are_counted() -> None:
    """Different operations have no word in common."""
    mixed = blocked(operationName="Microsoft.Compute/disks/beginGetAccess/action")
    assert headline(by("a"), by("b"), mixed) == (
        "3 callers touched 1 disk and 1 registry (3 alerts): 2 reverted in 2 s, 1 blocked"
    )


def test_nobody_known_is_said_so() -> None:
    """The headline names no one who was not named."""
    assert headline(alert(caller={})).startswith("An unknown caller opened 1 disk: ")


def test_alerts_without_a_resource_or_a_known_version_count() -> None:
    """They are alerts as well."""
    many = digest(parcel(alert(resourceId=None, outcome="reported only"), {"schema": "new/1"}))
    assert many.headline == "2 alerts: 1 reported only, 1 of unknown version"
    assert (many.total, [group.name for group in many.scopes]) == (2, ["no resource"])


def test_groups_have_the_worst_first() -> None:
    """By caller, by scope, by rule; each with its counts."""
    other = DISK_ID.replace("rg-data", "rg-other")
    many = digest(parcel(by("AKS", resourceId=other), by("AKS"), by("Bob", severity="critical")))
    assert [(g.name, g.count, g.counts, g.worst) for g in many.callers] == [
        ("Bob", 1, "1 reverted", Severity.CRITICAL),
        ("AKS", 2, "2 reverted", Severity.HIGH),
    ]
    where = "in 11111111-2222-3333-4444-555555555555"
    assert [g.name for g in many.scopes] == [f"rg-data {where}", f"rg-other {where}"]
    assert [(g.name, g.count) for g in many.rules] == [("networkAccessPolicy (disk)", 3)]


def test_what_a_person_must_look_at_comes_by_name() -> None:
    """Blocked, not reverted, or critical; worst first, with the reason."""
    stuck = alert(outcome="not reverted", reason="ScopeLocked", closedAt=None)
    many = digest(parcel(alert(), stuck, blocked(), alert(severity="critical", closedAt=None)))
    assert [(one.gist.label, one.gist.outcome) for one in many.urgent] == [
        ("acrledger (registry)", "blocked"),
        ("ledger-disk (disk)", "reverted"),
        ("ledger-disk (disk)", "not reverted"),
    ]
    section = page.of(parcel(alert(), stuck)).sections[1]
    assert section.title == "A person must look at"
    assert section.facts[0].value == "ledger-disk (disk) in rg-data, not reverted: ScopeLocked"


def test_links_that_were_out_are_counted_with_the_longest_time() -> None:
    """In all, and in each group."""
    longer = exposed(exposure=exposure(secondsOpen=125.9), caller={"name": "Bob"})
    given = parcel(exposed(), longer, alert())
    many = digest(given)
    assert many.links == "2 SAS links, the longest 2 min 5 s"
    assert [(group.name, group.links) for group in many.callers] == [
        ("Alice", "1 SAS link, out for 47 s"),
        ("Bob", "1 SAS link, out for 2 min 5 s"),
    ]
    sections = {section.title: section.facts for section in page.of(given).sections}
    assert ("Links", many.links) in [(fact.label, fact.value) for fact in sections[""]]
    assert [fact.value for fact in sections["Who"]] == [
        "Alice: 2 reverted; 1 SAS link, out for 47 s (worst: critical)",
        "Bob: 1 reverted; 1 SAS link, out for 2 min 5 s (worst: critical)",
    ]
    assert sections["A person must look at"][0].value == (
        "ledger-snap (snapshot) in rg-data, reverted, link out for 47 s: why"
    )


@pytest.mark.parametrize(
    ("seen", "outcome", "links"),
    [
        ([], "reverted", ""),
        ([{"secondsOpen": None, "revokedAt": None}], "reported only", "1 SAS link, 1 still out"),
        ([{"secondsOpen": None}], "reverted", "1 SAS link"),
        (
            [{}, {"secondsOpen": None, "revokedAt": None}],
            "not reverted",
            "2 SAS links, 1 still out, the longest known 47 s",
        ),
        ([{}, {"secondsOpen": "?"}], "reverted", "2 SAS links, the longest known 47 s"),
    ],
)
def test_a_link_of_unknown_time_does_not_hide(
    seen: list[dict[str, Any]], outcome: str, links: str
) -> None:
    """Nobody reads that 47 seconds were all while one is still out."""
    given = [exposed(outcome=outcome, exposure=exposure(**one), changes=[]) for one in seen]
    assert digest(parcel(alert(), *given)).links == links


def test_what_is_in_no_group_is_grouped_by_its_subscription() -> None:
    """A role assignment of a whole subscription."""
    above = "/subscriptions/11111111-2222-3333-4444-555555555555"
    role = alert(resourceId=f"{above}/providers/Microsoft.Authorization/roleAssignments/x-1")
    (group,) = digest(parcel(role)).scopes
    assert group.name == "11111111-2222-3333-4444-555555555555"


def test_words_have_their_plurals() -> None:
    """As people write them."""
    words = ("disk", "registry", "disk access", "restore point")
    assert [plural(2, word) for word in words] == [
        "2 disks",
        "2 registries",
        "2 disk accesses",
        "2 restore points",
    ]


def test_the_time_range_is_that_of_all_alerts() -> None:
    """From the first event to the last confirmation."""
    many = digest(flood(20))
    assert str(many.since) == "2026-03-01 11:59:59+00:00"
    assert str(many.until) == "2026-03-01 12:00:08+00:00"


def test_others_that_wait_are_announced() -> None:
    """Nobody believes that this is all."""
    assert page.of(flood(3)).sections[-1].text == page.MORE
    assert page.of(parcel(alert(), more=True)).sections[-1].text == page.MORE
    assert page.MORE not in {section.text for section in page.of(parcel(alert())).sections}


def test_the_tone_is_that_of_the_worst() -> None:
    """One blocked among many colours the message."""
    assert digest(parcel(alert(), alert())).tone is Tone.GOOD
    assert digest(parcel(alert(), blocked())).tone is Tone.ATTENTION


@given(st.lists(wild(), max_size=6))
def test_every_alert_counts_whatever_it_is(alerts: list[dict[str, Any]]) -> None:
    """Counts and groups add up, every ID is there, nothing raises."""
    many = digest(parcel(*alerts))
    assert many.total == len(alerts)
    assert sum(group.count for group in many.callers) == len(alerts)
    assert sum(group.count for group in many.scopes) == len(alerts)
    assert set(many.ids) == {told.gist.alert_id for told in many.told}
    assert page.of(parcel(*alerts)).title
