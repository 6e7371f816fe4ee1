"""Who is told of an alert: every route that matches, and nobody is lost by a mistake."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine.alerts import Alert
from guards.engine.model import Outcome, Severity, Source
from guards.engine.notify.routes import Route, Routed, Routes
from guards.engine.policy.scopes import Scope
from tests.engine.policies import DISKS, REGISTRIES, SUB
from tests.engine.samples import DISK_ID, GROUP, REGISTRY_ID, SNAPSHOT_ID, SUBSCRIPTION

CONFIGURED = ("security", "on-call", "data-team")
OTHER = "abcdefab-cdef-abcd-efab-cdefabcdefab"
TYPES = [guard.resource_type for guard in GUARDS]


def alert(**changed: Any) -> dict[str, Any]:
    """The alert of a disk that was closed, as it leaves the engine."""
    resource_id = changed.get("resourceId", DISK_ID)
    whole = Alert(
        alert_id="ab" * 32,
        source=Source.EVENT,
        outcome=Outcome.REVERTED,
        severity=Severity.HIGH,
        seen_at="2026-03-01T12:00:00.000Z",
        resource_id=resource_id,
        resource_type="/".join(str(resource_id).split("/")[6:8]) or None,
    )
    return {**whole.message(), **changed}


def scopes(*texts: str) -> tuple[Scope, ...]:
    """Parsed scopes."""
    return tuple(Scope.parse(text, TYPES) for text in texts)


def told(routes: Routes, about: dict[str, Any] | None = None) -> list[str]:
    """The channels of an alert."""
    return list(routes.channels_for(alert() if about is None else about, CONFIGURED).channels)


def reaches(route: Route, **changed: Any) -> bool:
    """Whether a route matches an alert."""
    routes = Routes((route,), default=("security",))
    assert route.channels == ("on-call",)
    return told(routes, alert(**changed)) == ["on-call"]


CRITERIA: list[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]] = [
    ({}, [{}, {"resourceId": None}, {"outcome": "whatever"}, {"severity": 5}], []),
    (
        {"outcomes": ("blocked", "not reverted")},
        [{"outcome": "blocked"}, {"outcome": "not reverted"}],
        [{}, {"outcome": "Blocked"}, {"outcome": None}, {"outcome": ["blocked"]}],
    ),
    (
        {"severities": (Severity.CRITICAL, Severity.HIGH)},
        [{}, {"severity": "critical"}],
        [{"severity": "medium"}, {"severity": None}, {"severity": {}}],
    ),
    (
        {"types": (DISKS.lower(),)},
        [{}, {"resourceId": DISK_ID.upper()}, {"resourceType": "whatever"}],
        [{"resourceId": SNAPSHOT_ID}, {"resourceId": REGISTRY_ID}, {"resourceId": None}],
    ),
    (
        {"subscriptions": (SUBSCRIPTION, OTHER)},
        [{}, {"resourceId": DISK_ID.replace(SUBSCRIPTION, OTHER.upper())}],
        [
            {"resourceId": DISK_ID.replace("1111", "2222")},
            {"resourceId": None},
            {"resourceId": f"/subscriptions/{SUBSCRIPTION}"},
        ],
    ),
    (
        {"scopes": scopes(f"{SUB}/resourceGroups/rg-d*", f"{SUB}/resourceGroups/other")},
        [{}, {"resourceId": DISK_ID.upper()}, {"resourceId": REGISTRY_ID}],
        [{"resourceId": DISK_ID.replace("rg-data", "rg-erp")}, {"resourceId": 7}],
    ),
    (
        {"scopes": scopes(f"{GROUP}/providers/{DISKS}/ledger-*")},
        [{}],
        [{"resourceId": SNAPSHOT_ID}, {"resourceId": DISK_ID.replace("ledger", "other")}],
    ),
]


@pytest.mark.parametrize(("criteria", "yes", "no"), CRITERIA)
def test_a_route_matches_by_any_value_of_each_criterion(
    criteria: dict[str, Any], yes: list[dict[str, Any]], no: list[dict[str, Any]]
) -> None:
    """Without criteria every alert; IDs in any casing; what is missing never matches."""
    route = Route(("on-call",), **criteria)
    assert all(reaches(route, **changed) for changed in yes)
    assert not any(reaches(route, **changed) for changed in no)


def test_all_criteria_of_a_route_must_hold() -> None:
    """One that does not is enough."""
    route = Route(
        ("on-call",),
        outcomes=("blocked",),
        severities=("high",),
        types=(REGISTRIES.lower(),),
        subscriptions=(SUBSCRIPTION,),
        scopes=scopes(GROUP),
    )
    fits = {"outcome": "blocked", "severity": "high", "resourceId": REGISTRY_ID}
    assert reaches(route, **fits)
    for other in (
        {"outcome": "reverted"},
        {"severity": "low"},
        {"resourceId": DISK_ID},
        {"resourceId": REGISTRY_ID.replace("1111", "2222")},
        {"resourceId": REGISTRY_ID.replace("rg-data", "rg-x")},
    ):
        assert not reaches(route, **{**fits, **other})


def test_every_route_that_matches_adds_its_channels() -> None:
    """Once each, in the order of the settings; a route that names nobody takes nothing away."""
    routes = Routes(
        (
            Route(("data-team", "security")),
            Route(("security",)),
            Route(()),
            Route(("on-call",), severities=("critical",)),
        )
    )
    assert told(routes) == ["security", "data-team"]
    assert told(routes, alert(severity="critical")) == list(CONFIGURED)


@pytest.mark.parametrize("default", [None, (), ("on-call",)])
def test_where_no_route_matches_the_default_is_told(default: tuple[str, ...] | None) -> None:
    """Without one, everybody."""
    routes = Routes((Route(("security",), severities=("critical",)),), default)
    assert told(routes) == list(default or CONFIGURED)
    assert told(routes, alert(severity="critical")) == ["security"]


def test_without_routes_every_channel_is_told_of_everything() -> None:
    """What a policy without `notify` means."""
    assert Routes().channels_for(alert(), CONFIGURED) == Routed(CONFIGURED)
    assert Routes().channels_for(alert(), ()) == Routed(())


def test_a_name_that_nobody_configured_is_told_of_and_the_others_get_the_alert() -> None:
    """The policy cannot know which channels there are."""
    routes = Routes((Route(("on-cal", "security")), Route(("ops", "on-cal"))))
    assert routes.channels_for(alert(), CONFIGURED) == Routed(("security",), ("on-cal", "ops"))


@pytest.mark.parametrize(
    "routes",
    [
        Routes((Route(("on-cal",)),)),
        Routes((Route(()), Route(("on-cal",)))),
        Routes((), ("on-cal",)),
        Routes((Route(("security",), severities=("low",)),), ("on-cal",)),
    ],
)
def test_if_nobody_who_is_named_exists_everybody_is_told(routes: Routes) -> None:
    """A typing mistake costs no alert."""
    assert routes.channels_for(alert(), CONFIGURED) == Routed(CONFIGURED, ("on-cal",))


def test_a_route_without_channels_silences() -> None:
    """The alerts it matches, and no other."""
    routes = Routes((Route((), scopes=scopes(f"{SUB}/resourceGroups/rg-data")),))
    assert routes.channels_for(alert(), CONFIGURED) == Routed(())
    elsewhere = alert(resourceId=DISK_ID.replace("rg-data", "rg-x"))
    assert told(routes, elsewhere) == list(CONFIGURED)


NEVER_SILENT: list[dict[str, Any]] = [
    {"resourceId": None, "resourceType": None},
    {"resourceId": "/subscriptions/x/../y", "resourceType": DISKS},
    {"resourceId": ["a"], "resourceType": DISKS},
    {"resourceType": None},  # misuse of the guard's identity, on some resource
    {"schema": "exportguard.alert/2"},
    {"schema": None},
]


@pytest.mark.parametrize("changed", NEVER_SILENT)
@pytest.mark.parametrize("default", [None, ("on-call",)])
def test_what_is_about_the_guard_itself_or_not_understood_is_never_silenced(
    changed: dict[str, Any], default: tuple[str, ...] | None
) -> None:
    """Whoever may write a route must not be able to hide that the policy was changed."""
    silent = Route(())
    about = alert(**changed)
    assert told(Routes((silent,), default), about) == list(default or CONFIGURED)
    assert told(Routes((silent, Route(("security",))), default), about) == ["security"]
    assert told(Routes((silent,), default)) == []


def test_an_empty_object_is_an_alert_like_any_other_that_nobody_understands() -> None:
    """Whatever comes out of the queue."""
    assert told(Routes((Route(()),)), {}) == list(CONFIGURED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Route(("a", "b"), name="x"), Route(("b", "a", "a"), name="y")),
        (Route((), outcomes=("blocked", "deferred")), Route((), outcomes=("deferred", "blocked"))),
        (Route((), scopes=scopes(GROUP)), Route((), scopes=scopes(GROUP.upper()))),
    ],
)
def test_order_names_and_casing_change_no_effect(one: Route, other: Route) -> None:
    """Nobody else is told because of them."""
    plain = Route(("c",))
    first, second = Routes((one, plain)), Routes((plain, other), ())
    assert first.effect == second.effect


@pytest.mark.parametrize(
    "other",
    [
        Routes(),
        Routes((Route(("b",)),)),
        Routes((Route(("a",), severities=("low",)),)),
        Routes((Route(("a",), outcomes=("low",)),)),
        Routes((Route(("a",), types=("low",)),)),
        Routes((Route(("a",), subscriptions=("low",)),)),
        Routes((Route(("a",), scopes=scopes(GROUP)),)),
        Routes((Route(("a",)),), ("a",)),
        Routes((Route(("a",)), Route(()))),
    ],
)
def test_whatever_tells_other_people_is_another_effect(other: Routes) -> None:
    """A channel, any criterion, the default, one more route."""
    assert Routes((Route(("a",)),)).effect != other.effect


_NAMES = st.sampled_from(["security", "on-call", "data-team", "typo", "other"])
_CHANNELS = st.lists(_NAMES, max_size=3).map(tuple)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def _some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=2).map(tuple)


_ROUTES = st.builds(
    Route,
    channels=_CHANNELS,
    outcomes=_some(*Outcome),
    severities=_some(*Severity),
    types=_some(*(type_.lower() for type_ in TYPES)),
    subscriptions=_some(SUBSCRIPTION, "2" * 8),
    scopes=_some(*scopes(GROUP, f"{SUB}/resourceGroups/*-x", DISK_ID)),
)
_ALERTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "schema": st.just("exportguard.alert/1") | _VALUES,
        "outcome": st.sampled_from(Outcome) | _VALUES,
        "severity": st.sampled_from(Severity) | _VALUES,
        "resourceId": st.sampled_from([DISK_ID, REGISTRY_ID, DISK_ID.upper(), GROUP]) | _VALUES,
        "resourceType": st.sampled_from(TYPES) | _VALUES,
        "unheard-of": _VALUES,
    },
) | st.builds(
    alert,
    outcome=st.sampled_from(Outcome),
    severity=st.sampled_from(Severity),
    resourceId=st.sampled_from([DISK_ID, REGISTRY_ID, None]),
)


@settings(max_examples=200)
@given(
    st.lists(_ROUTES, max_size=4).map(tuple),
    st.none() | _CHANNELS,
    _ALERTS,
    st.lists(_NAMES.filter("typo".__ne__), max_size=5),
)
def test_an_alert_reaches_somebody_unless_a_route_says_nobody(
    routes: tuple[Route, ...], default: tuple[str, ...] | None, about: Any, configured: list[str]
) -> None:
    """Never an error, only configured channels, and none of them twice."""
    routed = Routes(routes, default).channels_for(about, configured)
    assert [name for name in dict.fromkeys(configured) if name in routed.channels] == list(
        routed.channels
    )
    assert not set(routed.unknown) & set(configured)
    named = {name for route in routes for name in route.channels} | set(default or ())
    assert set(routed.unknown) <= named
    if configured and not routed.channels:
        # Taking the routes without channels away must be what makes it heard again.
        assert any(not route.channels for route in routes)
        assert about["schema"] == "exportguard.alert/1"
        assert about["resourceId"] in (DISK_ID, REGISTRY_ID, DISK_ID.upper())
        loud = Routes(tuple(route for route in routes if route.channels), default)
        assert loud.channels_for(about, configured).channels
