"""Resource IDs: what parses, and that nothing hostile ever reaches a URL."""

import re
import string
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from tests.engine.samples import DISK_ID, ENDPOINT_ID, GROUP, REGISTRY_ID, SUBSCRIPTION

_WORDS = string.ascii_letters + string.digits
_PATH = re.compile(
    r"/subscriptions/[0-9A-Fa-f-]{36}/resourceGroups/[\w.()%~-]+"
    r"/providers/[A-Za-z0-9.]+(/[A-Za-z0-9]+/[A-Za-z0-9_.()-]+)+",
    re.ASCII,
)


def _tame(text: str) -> bool:
    return ".." not in text and not text.endswith(".")


_groups = st.text(_WORDS + "_-().éжß中", min_size=1, max_size=90).filter(_tame)
_names = st.builds(
    "{}{}".format, st.sampled_from(_WORDS + "_"), st.text(_WORDS + "_.()-", max_size=79)
).filter(_tame)
_types = st.builds(
    "{}{}".format, st.sampled_from(string.ascii_letters), st.text(_WORDS, max_size=9)
)


@st.composite
def _ids(draw: st.DrawFn) -> str:
    words = [
        draw(st.sampled_from([word, word.lower(), word.upper()]))
        for word in ("subscriptions", "resourceGroups", "providers")
    ]
    guid = draw(st.uuids().map(str))
    guid = draw(st.sampled_from([guid, guid.upper()]))
    pairs = draw(st.lists(st.tuples(_types, _names), min_size=1, max_size=4))
    tail = "".join(f"/{type_}/{name}" for type_, name in pairs)
    return f"/{words[0]}/{guid}/{words[1]}/{draw(_groups)}/{words[2]}/Microsoft.Compute{tail}"


@settings(max_examples=50)
@given(_ids())
def test_valid_ids_of_any_casing_and_depth_come_back_as_they_were(text: str) -> None:
    """The ID an alert shows is the one that Azure sent."""
    parsed = ResourceId.parse(text)
    assert text.lower() == str(parsed).lower() == parsed.key
    assert parsed == ResourceId.parse(str(parsed))


@settings(max_examples=50)
@given(_ids())
def test_the_url_path_of_a_valid_id_means_the_same_resource(text: str) -> None:
    """Whatever ARM allows in a name reaches ARM unchanged, percent-encoded where needed."""
    parsed = ResourceId.parse(text)
    assert _PATH.fullmatch(parsed.path)
    assert str(parsed) == unquote(parsed.path)


_HOSTILE = [
    "https://evil.example", "//evil.example", "..", "/../", "./", "?", "?api-version=1", "#", "%",
    "%2f", "%2e%2e", "%00", "\n", "\r\n", "\0", "\t", " ", "\\", "@evil.example", ":443", ";", "&",
    "\u2024\u2024", "\uff0f", "\u2215", "\u202e", "\u200b", "\uff1f", "\ud800", "//", "/",
]  # fmt: skip


@settings(max_examples=125)
@example(DISK_ID, "\n", len(DISK_ID))
@example(DISK_ID, "..", DISK_ID.index("/resourceGroups/") + len("/resourceGroups/rg-data"))
@given(_ids(), st.sampled_from(_HOSTILE), st.integers(0, 700))
def test_no_accepted_id_carries_anything_hostile_into_a_path(
    text: str, hostile: str, place: int
) -> None:
    """A token never goes anywhere but to the parts of a resource ID on ARM's own host."""
    place = min(place, len(text))
    try:
        path = ResourceId.parse(text[:place] + hostile + text[place:]).path
    except Unreadable:
        return
    assert _PATH.fullmatch(path)
    assert not any(part in unquote(path) for part in ("..", "//", "?", "#", "%", ":", "\n", "\0"))


@settings(max_examples=50)
@given(st.text(max_size=300) | st.from_regex(_PATH, fullmatch=True))
def test_any_text_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    """No text whatever breaks the parser."""
    try:
        path = ResourceId.parse(text).path
    except Unreadable:
        return
    assert _PATH.fullmatch(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        f"https://evil.example{DISK_ID}",
        f"https://management.azure.com{DISK_ID}",
        f"//evil.example{DISK_ID}",
        f"/{DISK_ID}",
        DISK_ID[1:],
        f"{DISK_ID}/",
        f"{DISK_ID}//",
        f"{DISK_ID}?api-version=2020-01-01",
        f"{DISK_ID}#x",
        f"{DISK_ID}%2f..%2fother",
        f"{DISK_ID}\n",
        f"{DISK_ID}\0",
        f"{DISK_ID}.",
        f"{DISK_ID}/..",
        f"{DISK_ID}/../other",
        f"{GROUP}/providers/Microsoft.Compute/disks/..",
        f"{GROUP}/providers/Microsoft.Compute/disks/a..b",
        DISK_ID.replace("rg-data", "rg..data"),
        f"{GROUP}/providers/Microsoft.Compute/disks/.hidden",
        f"{GROUP}/providers/Microsoft.Compute/disks/a b",
        f"{GROUP}/providers/Microsoft.Compute/disks/ledger\uff0ddisk",
        f"{GROUP}/providers/Microsоft.Compute/disks/cyrillic",
        f"{GROUP}/providers/Microsoft.Compute/dıſks/lookalike",
        f"{GROUP}/providers/Microsoft..Compute/disks/d",
        f"{GROUP}/providers/Microsoft.Compute/disks",
        f"{GROUP}/providers/Microsoft.Compute//d",
        GROUP,
        DISK_ID.replace(SUBSCRIPTION, SUBSCRIPTION[:-1]),
        DISK_ID.replace(SUBSCRIPTION, f"{{{SUBSCRIPTION}}}"),
        DISK_ID.replace(SUBSCRIPTION, "１" + SUBSCRIPTION[1:]),
        DISK_ID.replace("rg-data", "rg\uff0fdata"),
        DISK_ID.replace("rg-data", "g" * 91),
        DISK_ID.replace("resourceGroups", "resourceGroup"),
        DISK_ID + "x" * 1_000_000,
        DISK_ID * 20_000,
    ],
)
def test_what_is_not_a_resource_id_is_refused(text: str) -> None:
    """No request is built from it."""
    with pytest.raises(Unreadable):
        ResourceId.parse(text)


@pytest.mark.parametrize("value", [None, 5, True, b"/subscriptions", [DISK_ID], {"id": DISK_ID}])
def test_what_is_not_text_is_refused(value: object) -> None:
    """An ID of another JSON type is told, not a crash."""
    with pytest.raises(Unreadable, match="a string is needed"):
        ResourceId.parse(value)


def test_the_reason_of_a_refusal_stays_short() -> None:
    """A megabyte of ID does not become a megabyte of alert."""
    with pytest.raises(Unreadable) as refused:
        ResourceId.parse(DISK_ID.replace("rg-data", "\n" * 1900))
    assert len(str(refused.value)) < 400


def test_a_child_knows_its_parents_nearest_first() -> None:
    """The removal of a private endpoint leads to its registry."""
    parsed = ResourceId.parse(ENDPOINT_ID)
    assert [str(one) for one in parsed.lineage()] == [ENDPOINT_ID, REGISTRY_ID]
    assert parsed.type == "Microsoft.ContainerRegistry/registries/privateEndpointConnections"
    assert parsed.name == "acrledger.0a1b2c"
