"""IDs of what belongs to a subscription, and of what extends another resource: roles, mostly."""

import re
import string
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards.engine.errors import Unreadable
from guards.engine.ids import MAX_LENGTH, ResourceId, in_subscription, is_guid
from guards.engine.policy.scopes import Scope
from tests.engine.samples import DISK_ID, ENDPOINT_ID, GROUP, REGISTRY_ID, SUBSCRIPTION

SUB = f"/subscriptions/{SUBSCRIPTION}"
GUID = "0a1b2c3d-1111-2222-3333-444455556666"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DEFINITION = f"/providers/Microsoft.Authorization/roleDefinitions/{GUID}"
ON_SUBSCRIPTION = f"{SUB}/providers/{ASSIGNMENTS}/{GUID}"
ON_GROUP = f"{GROUP}/providers/{ASSIGNMENTS}/{GUID}"
ON_DISK = f"{DISK_ID}/providers/{ASSIGNMENTS}/{GUID}"
ON_ENDPOINT = f"{ENDPOINT_ID}/providers/{ASSIGNMENTS}/{GUID}"

_WORDS = string.ascii_letters + string.digits
_PATH = re.compile(
    r"/subscriptions/[0-9A-Fa-f-]{36}(/resourceGroups/[\w.()%~-]+)?"
    r"(/providers/[A-Za-z0-9.]+(/[A-Za-z0-9]+/[A-Za-z0-9_.()-]+)+)+",
    re.ASCII,
)


def _tame(text: str) -> bool:
    return ".." not in text and not text.endswith(".")


_groups = st.text(_WORDS + "_-().éß中", min_size=1, max_size=20).filter(_tame)
_names = st.builds(
    "{}{}".format, st.sampled_from(_WORDS), st.text(_WORDS + "_.()-", max_size=20)
).filter(_tame) | st.just("providers")
_types = st.sampled_from(["disks", "registries", "roleAssignments", "resourceGroups", "Locks"])
_namespaces = st.sampled_from(["Microsoft.Compute", "Microsoft.Authorization", "contoso"])
_providers = st.sampled_from(["providers", "PROVIDERS"])


@st.composite
def _ids(draw: st.DrawFn) -> str:
    """An ID with or without a group, and up to two extensions."""
    text = f"/subscriptions/{draw(st.uuids())}"
    if draw(st.booleans()):
        text += f"/resourceGroups/{draw(_groups)}"
    for _ in range(draw(st.integers(1, 3))):
        text += f"/{draw(_providers)}/{draw(_namespaces)}"
        for type_, name in draw(st.lists(st.tuples(_types, _names), min_size=1, max_size=2)):
            text += f"/{type_}/{name}"
    return text


@settings(max_examples=75)
@example(ON_SUBSCRIPTION)
@example(ON_DISK)
@given(_ids())
def test_an_id_comes_back_as_it_was_and_its_path_means_the_same(text: str) -> None:
    """With a group and without, extended and not."""
    parsed = ResourceId.parse(text)
    assert str(parsed) == text.replace("/PROVIDERS/", "/providers/")
    assert parsed.key == text.lower()
    assert _PATH.fullmatch(parsed.path)
    assert unquote(parsed.path) == str(parsed)
    assert parsed == ResourceId.parse(str(parsed))


@settings(max_examples=75)
@given(_ids())
def test_everything_an_id_lies_in_is_an_id_that_it_begins_with(text: str) -> None:
    """Parents and what is extended, each once, nearest first."""
    found = [str(one) for one in ResourceId.parse(text).lineage()]
    assert found[0] == text.replace("/PROVIDERS/", "/providers/")
    assert all(one.startswith(f"{parent}/") for one, parent in pairwise(found))
    assert [len(ResourceId.parse(one).lineage()) for one in found] == list(range(len(found), 0, -1))


_HOSTILE = [
    "https://evil.example", "//evil.example", "..", "/../", "?", "?api-version=1", "#", "%", "%2f",
    "%2e%2e", "\n", "\r\n", "\0", "\t", " ", "\\", "@evil.example", ":443", ";", "\u2024\u2024",
    "\uff0f", "\u202e", "\ud800", "//", "/", "/providers", "/providers/", "/providers/../",
]  # fmt: skip


@settings(max_examples=125)
@example(ON_SUBSCRIPTION, "\n", len(ON_SUBSCRIPTION))
@example(ON_DISK, "..", ON_DISK.index("/providers/Microsoft.Authorization"))
@given(_ids(), st.sampled_from(_HOSTILE), st.integers(0, 250))
def test_no_accepted_id_carries_anything_hostile_into_a_path(
    text: str, hostile: str, place: int
) -> None:
    """Each part is checked as strictly as those of a disk's ID."""
    place = min(place, len(text))
    try:
        path = ResourceId.parse(text[:place] + hostile + text[place:]).path
    except Unreadable:
        return
    assert _PATH.fullmatch(path)
    assert not any(part in unquote(path) for part in ("..", "//", "?", "#", "%", ":", "\n", "\0"))


@pytest.mark.parametrize(
    "text",
    [
        SUB,
        f"{SUB}/providers",
        f"{SUB}/providers/{ASSIGNMENTS}",
        f"{SUB}/providers/Microsoft.Authorization",
        f"{SUB}/resourceGroups/rg-data/providers/Microsoft.Authorization",
        f"{SUB}/locations/westeurope/providers/{ASSIGNMENTS}/{GUID}",
        f"{SUB}/providers/providers/{ASSIGNMENTS}/{GUID}",
        f"{SUB}/resourceGroups/rg-data/locks/x/providers/{ASSIGNMENTS}/{GUID}",
        f"/providers/{ASSIGNMENTS}/{GUID}",
        f"/providers/Microsoft.Management/managementGroups/mg/providers/{ASSIGNMENTS}/{GUID}",
        f"{DISK_ID}/providers",
        f"{DISK_ID}/providers/Microsoft.Authorization",
        f"{DISK_ID}/providers/Microsoft.Authorization/roleAssignments",
        f"{DISK_ID}/providers/providers/Microsoft.Authorization/roleAssignments/x",
        f"{DISK_ID}/providers/Microsoft.Authorization/providers/Microsoft.Authorization/a/b",
        f"{DISK_ID}/providers//roleAssignments/{GUID}",
        f"{ON_DISK}/",
        f"{ON_DISK}?api-version=2022-04-01",
        ON_DISK.replace("ledger-disk", "ledger..disk"),
        ON_DISK.replace("ledger-disk", "ledger%2fdisk"),
        ON_DISK.replace("Microsoft.Authorization", "Microsoft..Authorization"),
        ON_SUBSCRIPTION.replace(SUBSCRIPTION, "other"),
        f"{DISK_ID}{f'/providers/a/b/{GUID}' * 50}",
    ],
)
def test_what_is_no_such_id_is_refused(text: str) -> None:
    """No request is built from it."""
    with pytest.raises(Unreadable):
        ResourceId.parse(text)


@pytest.mark.parametrize(
    ("text", "group", "within"),
    [
        (ON_SUBSCRIPTION, "", None),
        (ON_GROUP, "rg-data", None),
        (ON_DISK, "rg-data", DISK_ID),
        (ON_ENDPOINT, "rg-data", ENDPOINT_ID),
    ],
)
def test_a_role_assignment_is_one_at_every_scope(text: str, group: str, within: str | None) -> None:
    """Its type and name are its own, not those of what it is assigned on."""
    parsed = ResourceId.parse(text)
    assert (parsed.subscription, parsed.group) == (SUBSCRIPTION, group)
    assert (parsed.type, parsed.name) == (ASSIGNMENTS, GUID)
    assert parsed.within == (within and ResourceId.parse(within))
    assert parsed.path == text


def test_an_extension_lies_in_the_resource_it_extends_and_in_its_parents() -> None:
    """A diagnostic setting leads to its registry as a private endpoint does."""
    lineage = ResourceId.parse(ON_ENDPOINT).lineage()
    assert [str(one) for one in lineage] == [ON_ENDPOINT, ENDPOINT_ID, REGISTRY_ID]


def test_what_is_called_providers_is_a_name_where_names_stand() -> None:
    """Only in the place of a type it means that an extension begins."""
    parsed = ResourceId.parse(f"{SUB}/resourceGroups/providers/providers/a/disks/providers")
    assert (parsed.group, parsed.name, parsed.within) == ("providers", "providers", None)


def test_extensions_of_extensions_end_where_ids_end() -> None:
    """As many as fit into an ID are read, shown and compared without harm."""
    text = SUB + "/providers/a/b/c" * ((MAX_LENGTH - len(SUB)) // 16)
    parsed = ResourceId.parse(text)
    assert parsed.path == text
    assert len(parsed.lineage()) == text.count("/providers/")
    assert parsed == ResourceId.parse(parsed.key)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (SUB, {ON_SUBSCRIPTION, ON_GROUP, ON_DISK}),
        (GROUP, {ON_GROUP, ON_DISK}),
        (f"{SUB}/resourceGroups/rg-*", {ON_GROUP, ON_DISK}),
        (f"{SUB}/resourceGroups/*", {ON_GROUP, ON_DISK}),
        (f"{SUB}/resourceGroups/other", set()),
    ],
)
def test_a_scope_covers_what_lies_in_it(scope: str, covered: set[str]) -> None:
    """A role on the whole subscription lies in no resource group, whatever its name may be."""
    parsed = Scope.parse(scope, [ASSIGNMENTS])
    ids = (ON_SUBSCRIPTION, ON_GROUP, ON_DISK)
    assert covered == {one for one in ids if parsed.holds_for(ResourceId.parse(one))}


@pytest.mark.parametrize("text", [DEFINITION, DEFINITION.upper(), DEFINITION.lower()])
def test_a_role_of_the_tenant_has_an_id_in_the_subscription(text: str) -> None:
    """Azure answers to both, and only the second one parses."""
    parsed = ResourceId.parse(in_subscription(text, SUBSCRIPTION))
    assert parsed.key == f"{SUB}{DEFINITION}".lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        DISK_ID,
        f"{SUB}{DEFINITION}",
        f"{DEFINITION}/",
        f"{DEFINITION}?x",
        f"{DEFINITION}\n",
        f"/{DEFINITION}",
        DEFINITION.replace(GUID, ".."),
        DEFINITION.replace("roleDefinitions", "roleAssignments"),
        f"/providers/Microsoft.Management/managementGroups/mg{DEFINITION}",
    ],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    """Nothing is mended that is not exactly a role of the tenant."""
    assert in_subscription(text, SUBSCRIPTION) == text


@pytest.mark.parametrize("value", [None, 5, "", "mg", f"{SUBSCRIPTION}/..", f"{SUBSCRIPTION}\n"])
def test_without_a_subscription_a_role_of_the_tenant_stays_one(value: object) -> None:
    """What is no GUID becomes no part of an ID."""
    assert in_subscription(DEFINITION, value) == DEFINITION
    assert not is_guid(value)
