"""Which scope wins where: the more specific one, setting by setting; a tag only tightens."""

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import disk, snapshot
from guards.engine.ids import ResourceId
from guards.engine.policy import Policy, PolicyError
from guards.engine.policy.scopes import Scope
from guards.engine.policy.settings import looser
from tests.engine.policies import (
    DISKS,
    ESTATE,
    POLICIES,
    SUB,
    Data,
    disk_id,
    made,
    modes,
    on_disks,
    tag,
    wrong,
)
from tests.engine.samples import DISK_ID, SNAPSHOT_ID, SUBSCRIPTION

GROUP_AB = f"{SUB}/resourceGroups/ab"
OTHER = "/subscriptions/00000000-0000-0000-0000-000000000000"


def capped(scope: str, mode: str) -> Data:
    """A scope that only caps."""
    return {"scope": scope, "mode": mode}


@pytest.mark.parametrize(
    "order", list(permutations([SUB, f"{SUB}/resourceGroups/rg-data", DISK_ID]))
)
def test_the_more_of_an_id_a_scope_names_the_more_it_counts(order: tuple[str, ...]) -> None:
    """Subscription, group, resource; the order in the file is of no account."""
    by_scope = {SUB: "off", f"{SUB}/resourceGroups/rg-data": "audit", DISK_ID: "enforce"}
    parsed = made(scopes=[capped(scope, by_scope[scope]) for scope in order])
    assert modes(parsed, DISK_ID) == ["enforce", "enforce"]
    assert modes(parsed, disk_id(name="other")) == ["audit", "audit"]
    assert modes(parsed, disk_id(group="other")) == ["off", "off"]
    assert modes(parsed, DISK_ID.replace(SUB, OTHER)) == ["enforce", "enforce"]


@pytest.mark.parametrize(("general", "special"), [("rg-*", "rg-d*"), ("*a", "*data"), ("*", "r*")])
def test_among_patterns_the_one_with_more_fixed_characters_wins(general: str, special: str) -> None:
    """As far as both name the same parts of the ID."""
    scopes = [
        capped(f"{SUB}/resourceGroups/{special}", "audit"),
        capped(f"{SUB}/resourceGroups/{general}", "off"),
    ]
    for given_ in (scopes, scopes[::-1]):
        assert modes(made(scopes=given_), DISK_ID) == ["audit", "audit"]


def test_what_names_more_of_the_id_wins_over_what_fixes_more_characters() -> None:
    """A pattern for disks is about disks, however short."""
    scopes = [
        capped(f"{SUB}/resourceGroups/rg-data", "off"),
        capped(f"/subscriptions/*/resourceGroups/*/providers/{DISKS}/l*", "audit"),
    ]
    assert modes(made(scopes=scopes), DISK_ID) == ["audit", "audit"]


def test_scopes_are_laid_over_each_other_setting_by_setting() -> None:
    """What the more specific one does not name, the other one says."""
    scopes = [
        {"scope": SUB, "resources": on_disks(networkAccessPolicy={"mode": "audit"})},
        {"scope": DISK_ID, "resources": on_disks(publicNetworkAccess={"mode": "off"})},
    ]
    parsed = made(scopes=scopes)
    assert modes(parsed, DISK_ID) == ["audit", "off"]
    assert modes(parsed, disk_id(name="other")) == ["audit", "enforce"]


def test_a_scope_is_found_in_any_casing() -> None:
    """Azure writes an ID in one casing today and in another one tomorrow."""
    parsed = made(scopes=[capped(DISK_ID.upper().replace(DISKS.upper(), DISKS), "audit")])
    assert modes(parsed, DISK_ID.lower()) == ["audit", "audit"]


def test_a_scope_on_one_type_says_nothing_of_another() -> None:
    """A snapshot of the same name is no disk."""
    scope = SNAPSHOT_ID.replace("ledger-snap", "*")
    parsed = made(scopes=[capped(scope, "off")])
    assert modes(parsed, DISK_ID) == ["enforce", "enforce"]
    rules = parsed.applied(snapshot.GUARD, ResourceId.parse(SNAPSHOT_ID), {}).rules
    assert {rule.mode for rule in rules.values()} == {"off"}


def test_what_is_not_created_yet_is_within_no_scope() -> None:
    """Without an ID only the policy itself counts, and its tags."""
    parsed = made(scopes=[capped(SUB, "off"), {"tag": tag("a", "b"), "mode": "enforce"}])
    applied = parsed.applied(disk.GUARD, None, {"tags": {"a": "b"}})
    assert (applied.rules, len(applied.layers)) == (parsed.of(disk.GUARD), 1)


def test_the_layers_say_where_the_settings_come_from() -> None:
    """Least specific first, tags last; the name and the place are there for people."""
    scopes = [
        {"tag": tag("data", "secret"), "mode": "enforce"},
        {"name": "one", **capped(DISK_ID, "off")},
        capped(SUB, "audit"),
        capped(OTHER, "audit"),
    ]
    resource = ResourceId.parse(DISK_ID)
    applied = made(scopes=scopes).applied(disk.GUARD, resource, {"tags": {"Data": "secret"}})
    places = [(layer.name, layer.where) for layer in applied.layers]
    assert places == [("", SUB), ("one", DISK_ID), ("", "tag data=secret")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SUB, SUB.upper().replace("SUBSCRIPTIONS", "subscriptions")),
        (GROUP_AB, f"{SUB}/RESOURCEGROUPS/AB"),
        (f"{SUB}/resourceGroups/a*", f"{SUB}/resourceGroups/*b"),
        (f"{SUB}/resourceGroups/a*", f"{SUB}/resourceGroups/a**"),
        (f"{SUB}/resourceGroups/a*c", f"{SUB}/resourceGroups/*bc"),
        (
            f"{SUB}/resourceGroups/a*/providers/{DISKS}/x*",
            f"{SUB}/resourceGroups/*/providers/{DISKS}/*xy",
        ),
    ],
)
def test_two_scopes_of_equal_weight_that_meet_are_refused(one: str, other: str) -> None:
    """Nobody could say which wins, so nobody has to: the file does not decide by its order."""
    told = wrong(scopes=[capped(one, "audit"), capped(other, "off")])
    assert "scopes[1]: as specific as scopes[0] (line 2), and some resource is within both" in told
    assert "make one of them more specific" in told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{SUB}/resourceGroups/a*", f"{SUB}/resourceGroups/b*"),
        (f"{SUB}/resourceGroups/*a", f"{SUB}/resourceGroups/*b"),
        (GROUP_AB, f"{SUB}/resourceGroups/ac"),
        (GROUP_AB, f"{OTHER}/resourceGroups/ab"),
        (f"{SUB}/resourceGroups/a*", f"{SUB}/resourceGroups/ab*"),
        (f"{GROUP_AB}/providers/{DISKS}/x*", f"{SUB}/resourceGroups/*/providers/{DISKS}/*-y"),
    ],
)
def test_two_scopes_that_never_meet_or_weigh_otherwise_are_fine(one: str, other: str) -> None:
    """Only what is undecided is refused."""
    assert len(made(scopes=[capped(one, "audit"), capped(other, "off")]).layers) == 3


@pytest.mark.parametrize("glob", ["ab*", "*ab", "a*b", "*a*b*"])
def test_an_exact_name_beside_a_pattern_of_the_same_characters_is_decided(glob: str) -> None:
    """`*` stands for nothing, too: refused, or decided, but never by the order in the file."""
    scopes = [capped(GROUP_AB, "audit"), capped(f"{SUB}/resourceGroups/{glob}", "off")]
    said = []
    for given_ in (scopes, scopes[::-1]):
        try:
            said.append(modes(made(scopes=given_), disk_id(group="ab")))
        except PolicyError:
            said.append(["refused"])
    assert said[0] == said[1]


def test_a_tag_and_a_group_of_the_same_words_do_not_collide() -> None:
    """A tag is no part of an ID."""
    subscription = SUB.rpartition("/")[2]
    scopes = [capped(GROUP_AB, "audit"), {"tag": tag(subscription, "ab"), "mode": "enforce"}]
    assert len(made(scopes=scopes).layers) == 3


_GLOBS = st.text("ab*", min_size=1, max_size=4).filter(lambda glob: glob.strip("*"))
_GROUPS = ["".join(word) for n in range(1, 7) for word in product("ab", repeat=n)]


@settings(max_examples=50)
@given(_GLOBS, _GLOBS)
def test_no_policy_leaves_open_which_of_two_scopes_wins(one: str, other: str) -> None:
    """Two that hold for the same group and weigh the same are refused, and no others."""
    scopes = [Scope.parse(f"{SUB}/resourceGroups/{glob}", ()) for glob in (one, other)]
    meet = any(all(scope.covers((SUBSCRIPTION, group)) for scope in scopes) for group in _GROUPS)
    undecided = meet and scopes[0].weight == scopes[1].weight
    try:
        made(scopes=[capped(scope.text, "audit") for scope in scopes])
    except PolicyError:
        refused = True
    else:
        refused = False
    assert refused == undecided


@settings(max_examples=50)
@given(POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_scopes_in_the_file_is_of_no_account(parsed: Policy, random: object) -> None:
    """The same entries in another order say the same of every resource."""
    layers = list(parsed.layers[1:])
    random.shuffle(layers)  # type: ignore[attr-defined]
    other = Policy(
        parsed.hash,
        parsed.guards,
        (parsed.layers[0], *layers),
        parsed.exemptions,
        tags_may_exempt=parsed.tags_may_exempt,
    )
    for guard, resource, body in ESTATE:
        one, two = (p.applied(guard, resource, body).rules for p in (parsed, other))
        assert looser(one, two) == looser(two, one) == []
