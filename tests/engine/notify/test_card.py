"""Cards: the body that a workflow takes, always small enough, with every ID of a digest."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.engine.notify import card
from guards.engine.notify.markdown import shown
from guards.engine.notify.parcel import Item, Links, Parcel
from tests.engine.notify.samples import (
    HOSTILE,
    LINKS,
    alert,
    blocked,
    finding,
    flood,
    named,
    parcel,
    wild,
    worst,
)

type Draw = Callable[[Parcel], dict[str, Any]]
BOTH = [card.message, card.plain]
LIMIT = 28_000


def sizes(body: dict[str, Any]) -> tuple[int, int]:
    """Bytes with everything but ASCII escaped, and as UTF-8."""
    text = json.dumps(body, ensure_ascii=False).encode()
    return len(json.dumps(body).encode()), len(text)


def content(body: dict[str, Any]) -> dict[str, Any]:
    """The card in a body."""
    found: dict[str, Any] = body["attachments"][0]["content"]
    return found


def elements(found: Any) -> Iterator[dict[str, Any]]:
    """All elements and actions, at any depth."""
    if isinstance(found, dict):
        yield found
        found = list(found.values())
    for one in found if isinstance(found, list) else ():
        yield from elements(one)


def texts(body: dict[str, Any]) -> str:
    """Everything the card shows."""
    keys = ("text", "title", "value")
    found = (str(one[key]) for one in elements(content(body)["body"]) for key in keys if key in one)
    return "\n".join(shown(text) for text in found)


def test_the_body_is_what_a_workflow_takes() -> None:
    """One attachment with an Adaptive Card."""
    body = card.message(parcel(alert()))
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    assert content(body)["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    assert (content(body)["type"], content(body)["version"]) == ("AdaptiveCard", "1.4")
    assert content(body)["msteams"] == {"width": "Full"}
    assert content(body)["fallbackText"] == "Export settings of ledger-disk were reverted"


@pytest.mark.parametrize(
    ("given", "style"), [(alert(), "good"), (blocked(), "attention"), ({"schema": "x"}, "accent")]
)
def test_the_header_has_the_colour_of_the_outcome(given: dict[str, Any], style: str) -> None:
    """What is bad looks bad before anybody reads."""
    header = content(card.message(parcel(given)))["body"][0]
    assert (header["type"], header["style"]) == ("Container", style)


def test_one_alert_has_links_to_the_resource_and_the_runbook() -> None:
    """As actions, built from parsed parts."""
    actions = content(card.message(parcel(alert())))["actions"]
    assert [action["title"] for action in actions] == [
        "Open in Azure portal",
        "Activity log",
        "Runbook",
    ]
    assert {action["type"] for action in actions} == {"Action.OpenUrl"}


def test_the_plain_form_has_text_blocks_only_and_says_the_same() -> None:
    """For a client or a workflow that refuses the card."""
    given = parcel(blocked(findings=[finding()]), note="critical")
    plain = card.plain(given)
    assert content(plain)["version"] == "1.2"
    assert {one["type"] for one in content(plain)["body"]} == {"TextBlock"}
    said = set(texts(plain).replace(": ", "\n").splitlines())
    assert set(texts(card.message(given)).replace(": ", "\n").splitlines()) - {""} <= said
    assert "https://wiki.contoso.example/export-guard" in said


def test_a_word_too_long_for_a_phone_is_not_put_into_columns() -> None:
    """Columns do not break words: the end would be cut off."""
    body = content(card.message(parcel(alert(operationName="x" * 60, correlationId="y" * 60))))
    values = [fact["value"] for one in elements(body) for fact in one.get("facts", ())]
    assert "Microsoft.Compute/disks/write" not in values
    assert max(len(word) for value in values for word in value.split()) <= 40
    assert "Operation: " + "x" * 60 in texts(card.message(parcel(alert(operationName="x" * 60))))


@pytest.mark.parametrize("draw", BOTH)
def test_a_digest_has_every_id(draw: Draw) -> None:
    """In a block of its own, whole."""
    given = flood(card.MOST_ALERTS)
    ids = [item.alert["alertId"] for item in given.items]
    assert " ".join(ids) in texts(draw(given))


def test_the_ids_are_shown_by_a_button() -> None:
    """300 of them would hide what counts."""
    body = content(card.message(flood(3)))
    hidden = [one for one in elements(body) if one.get("isVisible") is False]
    toggle = body["actions"][-1]
    assert (toggle["type"], toggle["targetElements"]) == (
        "Action.ToggleVisibility",
        [hidden[0]["id"]],
    )
    assert len(hidden) == 1


def rich(number: int) -> dict[str, Any]:
    """An alert of a busy day, with names as people give them."""
    one = blocked if number % 10 == 0 else alert
    given = one(alertId=f"{number:064x}", reason="create a private endpoint in its network, then")
    group = f"rg-payments-production-{number % 12}"
    caller = {"name": f"first.lastname{number % 12}@contoso.example"}
    return {
        **given,
        "resourceId": f"{given['resourceId']}-{number}".replace("rg-data", group),
        "caller": caller,
    }


@pytest.mark.parametrize("draw", BOTH)
def test_a_rich_digest_of_most_alerts_is_not_cut(draw: Draw) -> None:
    """The number leaves room for what people read: 20 to look at, 10 callers and as many groups."""
    body = draw(parcel(*(rich(number) for number in range(card.MOST_ALERTS))))
    assert "cut to fit" not in texts(body)
    assert texts(body).count("create a private endpoint") == 20


@pytest.mark.parametrize("draw", BOTH)
@pytest.mark.parametrize("text", ["\U0001f512", "*", '"', "\\", "ж", "x"])
def test_the_worst_digest_fits_with_every_id(draw: Draw, text: str) -> None:
    """Other content is cut first, with a note; an ID never."""
    alerts = [worst(number, text) for number in range(card.MOST_ALERTS)]
    runbook = f"https://wiki.contoso.example/{'r' * 1900}"
    body = draw(Parcel(tuple(map(Item, alerts)), Links(runbook=runbook), more=True))
    assert max(sizes(body)) < LIMIT
    assert " ".join(one["alertId"] for one in alerts) in texts(body)
    assert "This message was cut to fit." in texts(body)
    assert f"{len(alerts)} alerts" in texts(body)


@pytest.mark.parametrize("draw", BOTH)
@pytest.mark.parametrize("text", ["\U0001f512", "*", "x"])
def test_the_worst_alert_fits(draw: Draw, text: str) -> None:
    """It says what happened, and that it was cut if it was: a star takes three bytes."""
    body = draw(parcel(worst(7, text)))
    assert max(sizes(body)) < LIMIT
    assert "were not reverted" in texts(body)
    assert ("This message was cut to fit." in texts(body)) is (text != "x")


@pytest.mark.parametrize("draw", BOTH)
def test_a_large_alert_of_an_unknown_version_fits(draw: Draw) -> None:
    """A thousand keys with long names and values."""
    body = draw(parcel({f"{n} {'🔒' * 100}": ["🔒" * 3000] for n in range(1000)}))
    assert max(sizes(body)) < LIMIT
    assert "Export Guard alert (schema unknown)" in texts(body)


def test_more_than_most_alerts_still_fit() -> None:
    """Nobody asks for it; it would not fail either."""
    assert max(sizes(card.message(flood(2 * card.MOST_ALERTS)))) < LIMIT


@settings(max_examples=30)
@given(st.lists(wild(), min_size=1, max_size=4))
def test_any_parcel_becomes_a_card_that_fits(alerts: list[dict[str, Any]]) -> None:
    """Whatever is in it: valid JSON, small enough, nothing but our kinds of elements."""
    kinds = {"AdaptiveCard", "Container", "TextBlock", "FactSet"}
    kinds |= {"Action.OpenUrl", "Action.ToggleVisibility"}
    for draw in BOTH:
        body = draw(parcel(*alerts))
        assert max(sizes(body)) < LIMIT
        assert {one["type"] for one in elements(content(body)) if "type" in one} <= kinds


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_adds_a_link_or_an_action(name: str) -> None:
    """Addresses in a card are ours."""
    for some in (parcel(named(name)), parcel(named(name), named(name))):
        found = [one["url"] for one in elements(card.message(some)) if "url" in one]
        assert set(found) == {LINKS.runbook}
