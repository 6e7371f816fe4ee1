"""Messages of guard-deliveries: an alert fits whatever it is, and comes out as it went in."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.notify.deliveries import MAX_BYTES, Delivery, identity, parse, read_alert
from guards.engine.notify.parcel import Item
from tests.engine.notify.office import alert
from tests.engine.notify.samples import named, wild, worst

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ALERTS = st.dictionaries(st.text(), JSON, max_size=8)


@st.composite
def long_alerts(draw: st.DrawFn) -> dict[str, Any]:
    """Alerts as long as a queue holds and longer: many fields, long ones, deep ones."""
    letters = st.sampled_from(["x", '"', "\\", "é", "𠀀", "\u202e", "\x00", "\n"])
    texts = st.builds(lambda c, n: c * n, letters, st.integers(0, 60_000))
    values = texts | st.lists(texts, max_size=2) | st.dictionaries(texts, texts, max_size=2) | JSON
    few = draw(st.dictionaries(st.text(max_size=90), values, max_size=6))
    letter, number = draw(letters), draw(st.integers(0, 90))
    many = {f"field {n}": letter * draw(st.integers(0, 900)) for n in range(number)}
    return draw(st.sampled_from([{**few, **many}, {**many, **few}, few]))


def text(delivery: Delivery) -> bytes:
    """As it is put into the queue."""
    return json.dumps(delivery.message()).encode()


@given(ALERTS, st.text(max_size=100), st.integers(0, 10_000), st.floats(0, 1e11))
def test_a_delivery_is_read_back_as_it_was_put(
    posted: dict[str, Any], note: str, attempt: int, at: float
) -> None:
    """With the alert exactly as it came, whatever fields it has."""
    delivery = Delivery("sec-ops", at, Item(posted, note), attempt, wake=at)
    read = parse(text(delivery))
    assert read.item is not None
    assert read.item.alert == posted
    assert read.item.note == clean(note)
    assert replace(read, item=None) == replace(delivery, item=None)


@given(long_alerts())
def test_every_alert_fits_a_queue_message(posted: dict[str, Any]) -> None:
    """Shortened if it must be, and as it came if it need not be."""
    delivery = Delivery("teams", 1.0, Item(posted))
    sent = text(delivery)
    assert len(sent) <= MAX_BYTES
    read = parse(sent).item
    assert read is not None
    whole = len(json.dumps(posted)) < MAX_BYTES - 1000
    assert not whole or read.alert == posted


@pytest.mark.parametrize("letter", ["x", "é", "𠀀", '"'])
def test_the_longest_text_in_every_field_fits_a_queue_message(letter: str) -> None:
    """Note and reason included; what people look for first stays."""
    posted = {**named(letter * 4000), **{f"field {n}": letter * 4000 for n in range(99)}}
    delivery = Delivery("teams", 1.0, Item(posted, letter * 2000), reason=letter * 4000)
    sent = text(delivery)
    assert len(sent) <= MAX_BYTES
    read = parse(sent).item
    assert read is not None
    assert {"schema", "alertId", "outcome", "severity", "resourceId"} <= set(read.alert)


@given(wild() | st.builds(named, st.text(max_size=400)))
def test_whatever_an_alert_holds_its_delivery_is_read_back(posted: dict[str, Any]) -> None:
    """Halves of characters, numbers that are none, and what else JSON of others may say."""
    alert_read = read_alert(json.dumps(posted))
    read = parse(text(Delivery("teams", 1.0, Item(alert_read)))).item
    assert read is not None
    if len(json.dumps(alert_read)) < MAX_BYTES - 1000:
        assert read.alert == alert_read


@pytest.mark.parametrize(
    "content",
    [
        '{"a": "\\ud800half"}',
        '{"\\udfff": 1}',
        '{"a": NaN, "b": [Infinity, -Infinity]}',
        f'{{"a": 1{"0" * 400}}}',
        f'{{"a": {"[" * 300}{"]" * 300}}}',
        f'{{"a": {'{"a":' * 300}1{"}" * 300}}}',
    ],
    ids=["surrogate", "key", "nan", "number", "lists", "objects"],
)
def test_an_alert_that_other_parsers_refuse_is_an_alert_all_the_same(content: str) -> None:
    """It reaches people as what it is, and not as a message that nobody could read."""
    read = read_alert(content)
    assert read.get("schema") != "unreadable"
    assert parse(text(Delivery("teams", 1.0, Item(read)))).item == Item(read)


@given(wild() | st.builds(named, st.text(max_size=400)))
def test_an_alert_of_any_kind_can_be_told_apart_from_others(posted: dict[str, Any]) -> None:
    """Its identity is a key of the store, and the same after a way through the queue."""
    key = identity(posted)
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")
    again = identity(json.loads(json.dumps(posted)))
    assert again == key


@given(ALERTS, st.randoms())
def test_an_identity_does_not_depend_on_the_order_of_fields(
    posted: dict[str, Any], shuffle: random.Random
) -> None:
    """Whoever rewrites JSON may reorder it."""
    fields = list(posted.items())
    shuffle.shuffle(fields)
    assert identity(dict(fields)) == identity(posted)


def test_the_same_id_with_another_ending_is_another_piece_of_news() -> None:
    """Put off, and closed at last: two things to tell; the wording of one is not."""
    posted = alert(outcome="deferred", reason="throttled")
    assert identity({**posted, "outcome": "reverted"}) != identity(posted)
    assert identity({**posted, "reason": "still throttled"}) == identity(posted)


@pytest.mark.parametrize("alert_id", [None, "", 7, ["x"], {}])
def test_without_an_id_an_alert_is_known_by_all_of_it(alert_id: object) -> None:
    """An empty id does not make all such alerts the same news."""
    one, other = ({"alertId": alert_id, "reason": reason} for reason in ("a", "b"))
    assert identity(one) == identity(dict(one))
    assert identity(one) != identity(other)


def test_a_shortened_alert_keeps_its_identity_and_what_people_need() -> None:
    """The id, the resource, the outcome: what is cut are the longest texts and lists."""
    posted = worst(3, "x")
    assert len(json.dumps(posted)) > MAX_BYTES
    read = parse(text(Delivery("teams", 1.0, Item(posted)))).item
    assert read is not None
    assert identity(read.alert) == identity(posted)
    kept = ("schema", "outcome", "severity", "seenAt", "resourceType")
    assert {name: read.alert[name] for name in kept} == {name: posted[name] for name in kept}
    assert "shortened" in read.alert["note"]


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_become_an_alert(content: bytes) -> None:
    """That says what they were; the same bytes are the same news."""
    read = read_alert(content)
    assert isinstance(read, dict)
    assert identity(read) == identity(read_alert(content))
    assert parse(text(Delivery("teams", 1.0, Item(read)))).item is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b'{"a": 1' + b"0" * 5000 + b"}",
        b"{'a': 1}",
        "🔒".encode("utf-16"),
        b"\x00",
    ],
    ids=range(13),
)
def test_what_is_no_alert_says_so(content: bytes) -> None:
    """At a severity that nobody filters out, with the beginning of what it was."""
    read = read_alert(content)
    assert (read["schema"], read["severity"]) == ("unreadable", "high")
    assert len(read["text"]) <= 1024


def test_an_unreadable_message_shows_no_claims() -> None:
    """What alerts never show they do not show because of a mistake either."""
    read = read_alert(b'{"claims": {"upn": "alice@contoso.example"}')
    assert "alice" not in json.dumps(read)


GOOD = Delivery("teams", 1.0, Item({"alertId": "1"})).message()


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "exportguard.delivery/2"},
        {"schema": None},
        *({"channel": name} for name in ("", "A", "-a", "a b", "a/../b", "a\n", "ä", "a" * 41, 7)),
        {"channel": None},
        *({"firstSeen": time} for time in (-1, 1e12, "soon", None)),
        *({"wake": time} for time in (-1, 1e300, None)),
        *({"attempt": number} for number in (-1, 10_001, 1.5, None)),
        {"reason": "x" * 2049},
        {"reason": None},
        {"note": "x" * 2049},
        {"note": ["x"]},
        *({"alert": value} for value in (["x"], "x", 7, True)),
        {"url": "https://evil.example"},
        {"first_seen": 1.0},
    ],
    ids=str,
)
def test_what_is_no_delivery_is_refused(changes: dict[str, Any]) -> None:
    """With the place that is wrong; nothing is guessed, and nothing unknown is passed over."""
    with pytest.raises(Unreadable, match=r"^delivery: "):
        parse(json.dumps({**GOOD, **changes}))


@pytest.mark.parametrize("field", GOOD)
def test_no_field_of_a_delivery_may_be_missing(field: str) -> None:
    """And the message says which."""
    with pytest.raises(Unreadable, match=f"^delivery: {field}: "):
        parse(json.dumps({name: value for name, value in GOOD.items() if name != field}))


@pytest.mark.parametrize("field", ["firstSeen", "wake"])
@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_time_is_finite(field: str, time: str) -> None:
    """One that is not would put a delivery off for ever."""
    with pytest.raises(Unreadable, match=f"^delivery: {field}: "):
        parse(json.dumps({**GOOD, field: "!"}).replace('"!"', time))


@given(st.binary() | st.text())
def test_any_bytes_are_refused_in_one_way(content: bytes | str) -> None:
    """Unreadable, whatever they are: never an error of the parser's own."""
    with pytest.raises(Unreadable, match=r"^delivery: "):
        parse(content)


def test_a_refusal_is_harmless_to_show() -> None:
    """A field's name is text from outside, too."""
    with pytest.raises(Unreadable) as caught:
        parse(json.dumps({**GOOD, "\x1b]0;owned\x07\u202e" + "x" * 5000: 1}))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_look_has_no_alert() -> None:
    """An appointment says only when, and for which channel."""
    wake = Delivery("teams", first_seen=1.0, wake=61.0)
    assert parse(text(wake)) == wake
    assert json.loads(text(wake))["alert"] is None


def test_another_attempt_is_counted_and_nothing_else_changes() -> None:
    """When it was first seen decides about giving up."""
    delivery = Delivery("teams", 1.0, Item({"a": 1}), attempt=2, wake=3.0, reason="x")
    assert delivery.again() == replace(delivery, attempt=3)
    assert delivery.because("y") == replace(delivery, reason="y")


def test_a_reason_is_cleaned_and_cut() -> None:
    """It holds a server's words."""
    told = Delivery("teams", 1.0).because("\x1b[31m" + "x" * 5000).message()["reason"]
    assert told.isprintable()
    assert len(told) <= 500
