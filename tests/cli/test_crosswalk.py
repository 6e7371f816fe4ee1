"""What other checkers say: every combination of settings, and the page that shows them."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import GUARDS
from guards.cli.crosswalk import Opinion, Say, differs, opinions
from guards.engine.model import Guard
from guards.engine.policy import default
from tests.cli.command import ROOT

DISKS = "Microsoft.Compute/disks"
SNAPSHOTS = "Microsoft.Compute/snapshots"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
GUARD_OF = {guard.resource_type: guard for guard in GUARDS}
STRICT = default(GUARDS)
POLICY_DOC = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
REGISTRIES_DOC = (ROOT / "docs/registries.md").read_text(encoding="utf-8")
PAGE = POLICY_DOC.partition("\n## What other checkers say of the same resource\n")[2]
PAGE += REGISTRIES_DOC.partition("\n## What other checkers say of these doors\n")[2]

PASS, FAIL, SKIP, NONE = Say.PASSES, Say.FAILS, Say.NOT_APPLICABLE, Say.NO_CHECK


def body(
    network: Any = None,
    public: Any = None,
    auth: Any = None,
    exports: Any = None,
    tier: Any = None,
    pull: Any = None,
) -> dict[str, Any]:
    """A resource with these settings; None leaves one out."""
    given_ = {
        "networkAccessPolicy": network,
        "publicNetworkAccess": public,
        "dataAccessAuthMode": auth,
        "policies": None if exports is None else {"exportPolicy": {"status": exports}},
        "anonymousPullEnabled": {"true": True, "false": False}.get(pull, pull),
    }
    properties = {name: value for name, value in given_.items() if value is not None}
    return {"properties": properties} | ({"sku": {"name": tier}} if tier is not None else {})


def opinion(resource_type: str, check: str, resource: dict[str, Any]) -> Opinion:
    """The one that a column's header means: `CHECKER` or `CHECKER PART-OF-THE-CHECK`."""
    words = check.replace("`", "").replace(",", "")
    (found,) = [
        one
        for one in opinions(resource_type, resource)
        if words.startswith(one.checker) and words.removeprefix(one.checker).strip() in one.check
    ]
    return found


def says(resource_type: str, check: str, resource: dict[str, Any]) -> Say:
    """The verdict of one check."""
    return opinion(resource_type, check, resource).verdict


DISK_TABLE = [
    # network, public, 8405fdab, CIS 20.4 and Steampipe, Checkov 251
    ("AllowAll", "Enabled", FAIL, FAIL, FAIL),
    ("AllowAll", "Disabled", PASS, FAIL, PASS),
    ("AllowAll", None, FAIL, FAIL, FAIL),
    ("AllowPrivate", "Enabled", PASS, FAIL, FAIL),
    ("AllowPrivate", "Disabled", PASS, PASS, PASS),
    ("AllowPrivate", None, PASS, FAIL, FAIL),
    ("DenyAll", "Enabled", PASS, FAIL, FAIL),
    ("DenyAll", "Disabled", PASS, PASS, PASS),
    ("DenyAll", None, PASS, FAIL, FAIL),
    (None, "Enabled", FAIL, FAIL, FAIL),
    (None, "Disabled", PASS, FAIL, PASS),
    (None, None, FAIL, FAIL, FAIL),
]


@pytest.mark.parametrize(("network", "public", "policy", "both", "checkov"), DISK_TABLE)
def test_the_network_access_of_a_disk_is_judged_as_each_checker_does(
    network: str | None, public: str | None, policy: Say, both: Say, checkov: Say
) -> None:
    """Every combination, with a setting left out, too."""
    resource = body(network, public)
    assert says(DISKS, "Azure Policy 8405fdab", resource) is policy
    assert says(DISKS, "CIS 20.4", resource) is both
    assert says(DISKS, "Steampipe compute_disk_public_access_disabled", resource) is both
    assert says(DISKS, "Checkov CKV_AZURE_251", resource) is checkov
    assert says(DISKS, "PSRule", resource) is NONE


AUTH_CHECKS = [
    "Azure Policy c3921d55",
    "CIS 20.5",
    "Steampipe compute_disk_data_access_auth_mode_enabled",
]


@pytest.mark.parametrize("check", AUTH_CHECKS)
@pytest.mark.parametrize(
    ("auth", "verdict"), [("AzureActiveDirectory", PASS), ("None", FAIL), (None, FAIL)]
)
def test_the_data_access_authentication_of_a_disk_is_a_check_of_its_own(
    check: str, auth: str | None, verdict: Say
) -> None:
    """Whatever the network access is."""
    for resource in (body("DenyAll", "Disabled", auth), body("AllowAll", "Enabled", auth)):
        assert says(DISKS, check, resource) is verdict


def test_nobody_checks_a_snapshot() -> None:
    """No verdict whatever its settings, and each checker says why."""
    for network, public in itertools.product(["AllowAll", "DenyAll", None], ["Disabled", None]):
        found = opinions(SNAPSHOTS, body(network, public))
        assert {one.verdict for one in found} == {NONE, SKIP}
        assert [one.check[:8] for one in found if one.verdict is SKIP] == ["c3921d55"]


REGISTRY_TABLE = [
    # exports, public, 524b0254, 0fdf0491, PSRule on Premium, Checkov 139, Steampipe
    ("enabled", "Enabled", FAIL, FAIL, FAIL, FAIL, FAIL),
    ("enabled", "Disabled", FAIL, PASS, FAIL, PASS, PASS),
    ("enabled", None, FAIL, FAIL, FAIL, FAIL, PASS),
    ("disabled", "Enabled", FAIL, FAIL, FAIL, FAIL, FAIL),
    ("disabled", "Disabled", PASS, PASS, PASS, PASS, PASS),
    ("disabled", None, FAIL, FAIL, FAIL, FAIL, PASS),
    (None, "Enabled", FAIL, FAIL, SKIP, FAIL, FAIL),
    (None, "Disabled", FAIL, PASS, SKIP, PASS, PASS),
    (None, None, FAIL, FAIL, SKIP, FAIL, PASS),
]


@pytest.mark.parametrize("tier", ["Premium", "Standard", "Basic", None])
@pytest.mark.parametrize(
    ("exports", "public", "policy", "policy_public", "psrule", "checkov", "steampipe"),
    REGISTRY_TABLE,
)
def test_a_registry_is_judged_as_each_checker_does(
    tier: str | None,
    exports: str | None,
    public: str | None,
    policy: Say,
    policy_public: Say,
    psrule: Say,
    checkov: Say,
    steampipe: Say,
) -> None:
    """Every combination in every tier; only PSRule asks for the tier."""
    resource = body(public=public, exports=exports, tier=tier)
    assert says(REGISTRIES, "Azure Policy 524b0254", resource) is policy
    assert says(REGISTRIES, "Azure Policy 0fdf0491", resource) is policy_public
    assert says(REGISTRIES, "PSRule", resource) is (psrule if tier == "Premium" else SKIP)
    assert says(REGISTRIES, "Checkov CKV_AZURE_139", resource) is checkov
    assert says(REGISTRIES, "Steampipe", resource) is steampipe
    assert says(REGISTRIES, "CIS", resource) is NONE


@pytest.mark.parametrize(
    ("pull", "verdict"), [("true", FAIL), ("false", PASS), (None, PASS), ("sometimes", PASS)]
)
def test_anonymous_pull_is_a_check_of_its_own(pull: str | None, verdict: Say) -> None:
    """Whatever exports are; Export Guard's rule is off, and the difference says so."""
    for exports in ("enabled", "disabled"):
        said = opinion(REGISTRIES, "Azure Policy 9f2dea28", body(exports=exports, pull=pull))
        assert said.verdict is verdict
        assert said.reason.endswith(f"it is {pull or 'not set'}")
    assert ("unless the policy turns it on" in differs(said, compliant=True)) is (verdict is FAIL)


@pytest.mark.parametrize(("check", "what"), [("ff05e24e", "token"), ("84497762", "cache rule")])
def test_checks_of_a_registrys_children_are_named_and_not_applied(check: str, what: str) -> None:
    """Its body does not show them."""
    said = opinion(REGISTRIES, f"Azure Policy {check}", body(pull="true"))
    assert (said.verdict, said.reason) == (SKIP, f"judges each {what}, not the registry")


def verdicts(resource: dict[str, Any]) -> list[Say]:
    """Of all checks of a registry itself, in order."""
    found = opinions(REGISTRIES, resource)
    return [one.verdict for one in found if not one.reason.endswith("not the registry")]


def test_casing_matters_only_to_those_who_compare_with_it() -> None:
    """Azure Policy, CIS and PSRule ignore casing; so does a boolean in Terraform; SQL does not."""
    shut = body("denyall", "DISABLED", "azureactivedirectory")
    assert {f"{o.checker} {o.check.split()[0]}": o.verdict for o in opinions(DISKS, shut)} == {
        "Azure Policy 8405fdab": PASS,
        "Azure Policy c3921d55": PASS,
        "CIS Azure": PASS,
        "Checkov CKV_AZURE_251": PASS,
        "Steampipe compute_disk_public_access_disabled": FAIL,
        "Steampipe compute_disk_data_access_auth_mode_enabled": FAIL,
        "PSRule export": NONE,
    }
    shut = body(public="disabled", exports="Disabled", tier="premium")
    assert verdicts(shut) == [PASS, PASS, PASS, NONE, FAIL, PASS, PASS]
    opened = body(public="enabled", exports="Enabled", tier="PREMIUM")
    assert verdicts(opened) == [FAIL, FAIL, PASS, NONE, FAIL, PASS, FAIL]
    for resource_type in (DISKS, REGISTRIES):
        assert opinions(resource_type.lower(), shut) == opinions(resource_type, shut)


@pytest.mark.parametrize(
    ("resource_type", "check", "resource"),
    [
        (DISKS, "Steampipe compute_disk_public", body("denyall", "disabled")),
        (DISKS, "Steampipe compute_disk_data", body(auth="azureactivedirectory")),
        (REGISTRIES, "Checkov", body(public="disabled")),
    ],
)
def test_a_failure_by_casing_is_told_as_such(
    resource_type: str, check: str, resource: dict[str, Any]
) -> None:
    """Nobody has to look for a difference in the settings that is not there."""
    assert "casing" in differs(opinion(resource_type, check, resource), compliant=True)


def test_the_reason_names_the_values_it_is_about() -> None:
    """Read without the resource at hand; an absent value is called so, and what is inferred is."""
    reason = opinion(DISKS, "Azure Policy 8405fdab", body("AllowAll", "Disabled")).reason
    assert reason == (
        "fails only if networkAccessPolicy is neither DenyAll nor AllowPrivate and "
        "publicNetworkAccess is not Disabled; they are AllowAll and Disabled"
    )
    reason = opinion(DISKS, "Azure Policy 8405fdab", body()).reason
    assert "neither is set" in reason
    assert "inferred, not verified" in reason
    assert opinion(DISKS, "CIS 20.5", body(auth="")).reason.endswith("it is empty")
    assert "the tier is Basic" in opinion(REGISTRIES, "PSRule", body(tier="Basic")).reason
    assert "exportPolicy is not set" in opinion(REGISTRIES, "PSRule", body(tier="Premium")).reason
    assert "Enabled and not set" in opinion(DISKS, "CIS 20.4", body("Enabled")).reason


@pytest.mark.parametrize(
    ("network", "public", "check", "why"),
    [
        ("AllowAll", "Disabled", "Azure Policy 8405fdab", "counts either setting as enough"),
        ("DenyAll", "Enabled", "Azure Policy 8405fdab", "counts either setting as enough"),
        ("AllowPrivate", "Disabled", "Azure Policy 8405fdab", "counts AllowPrivate as closed"),
        ("AllowPrivate", "Disabled", "CIS 20.4", "counts AllowPrivate as closed"),
        ("DenyAll", "Disabled", "CIS 20.4", "looks at network access only"),
        ("AllowAll", "Disabled", "Checkov", "looks at publicNetworkAccess only"),
    ],
)
def test_a_check_that_asks_for_less_says_what_it_lets_through(
    network: str, public: str, check: str, why: str
) -> None:
    """The sentence fits the settings of the very disk."""
    assert differs(opinion(DISKS, check, body(network, public)), compliant=False).startswith(why)


def test_psrule_knows_a_premium_registry_by_either_property_of_its_sku() -> None:
    """As its selector for Premium does."""
    resource = body(public="Disabled", exports="disabled")
    assert says(REGISTRIES, "PSRule", resource | {"sku": {"tier": "Premium"}}) is PASS
    assert says(REGISTRIES, "PSRule", resource | {"sku": {"tier": "Basic"}}) is SKIP


def test_steampipe_says_why_an_absent_setting_passes() -> None:
    """A registry that never named publicNetworkAccess is open for Export Guard."""
    said = differs(opinion(REGISTRIES, "Steampipe", body()), compliant=False)
    assert "absent means Enabled" in said


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.resource_type)
def test_every_checker_says_something_of_every_type_that_is_compared(guard: Guard) -> None:
    """A missing check is an answer, too; a type that is not compared has no opinions."""
    checkers = {one.checker for one in opinions(guard.resource_type, {})}
    every = {"Azure Policy", "CIS", "Checkov", "Steampipe", "PSRule"}
    assert checkers == (every if guard.resource_type in TYPES.values() else set())
    assert opinions("Microsoft.Compute/images", {}) == ()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["DenyAll", "AllowPrivate", "Disabled", "Enabled", "disabled", "Premium"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
POLICIES = JSON | st.fixed_dictionaries(
    {}, optional={"exportPolicy": JSON | st.fixed_dictionaries({"status": JSON})}
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "networkAccessPolicy": JSON,
        "publicNetworkAccess": JSON,
        "dataAccessAuthMode": JSON,
        "policies": POLICIES,
        "anonymousPullEnabled": JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={"properties": JSON | PROPERTIES, "sku": JSON | st.fixed_dictionaries({"name": JSON})},
)


@given(resource_type=st.sampled_from(sorted(GUARD_OF)), resource=BODIES)
def test_no_body_makes_it_fail(resource_type: str, resource: dict[str, Any]) -> None:
    """One readable line for each check, and a difference exactly where there is one."""
    for one in opinions(resource_type, resource):
        lines = [one.reason, differs(one, compliant=True), differs(one, compliant=False)]
        assert one.reason
        assert [bool(line) for line in lines[1:]] == [
            one.verdict is FAIL,
            one.verdict is PASS,
        ]
        assert all(len(line) < 400 and not re.search(r"[\x00-\x1f]", line) for line in lines)


@pytest.mark.parametrize("value", [True, 5, ["Disabled"], {"Disabled": "Disabled"}, "a\nb"])
def test_a_value_of_a_wrong_type_is_none_that_a_check_wants(value: Any) -> None:
    """It is shown in the reason, on one line."""
    for check in ("Azure Policy 8405fdab", "CIS 20.4", "Checkov", "Steampipe compute_disk_public"):
        found = opinion(DISKS, check, body(value, value))
        assert found.verdict is FAIL
        assert ({"a\nb": "a b", "True": "true"}.get(str(value)) or repr(value)) in found.reason


def tables() -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of each table of the page that shows verdicts."""
    found = []
    for block in re.findall(r"(?m)(?:^\|.*\n)+", PAGE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        ]
        if "Export Guard `strict`" in header:
            found.append((header, rows))
    return found


SETTINGS = {
    "networkAccessPolicy": "network",
    "publicNetworkAccess": "public",
    "dataAccessAuthMode": "auth",
    "exportPolicy": "exports",
    "tier": "tier",
    "anonymousPullEnabled": "pull",
}
TYPES = {
    "disks": DISKS,
    "auth": DISKS,
    "snapshots": SNAPSHOTS,
    "registries": REGISTRIES,
    "doors": REGISTRIES,
}
TABLES = dict(zip(TYPES, tables(), strict=True))
ASSUMED = {
    "auth": {"network": "DenyAll", "public": "Disabled"},
    "doors": {"exports": "disabled", "public": "Disabled"},
}
"""What is closed in a table of another setting."""


def given_settings(table: str) -> list[tuple[dict[str, str | None], dict[str, str]]]:
    """The settings of each row, with those of a cell such as `Basic, Standard` apart; its cells."""
    header, rows = TABLES[table]
    found = []
    for row in rows:
        assert len(row) == len(header), row
        cells = dict(zip(header, row, strict=True))
        names = [name for name in header if name in SETTINGS]
        for values in itertools.product(*(cells[name].split(", ") for name in names)):
            settings = {
                SETTINGS[name]: None if value == "not set" else value
                for name, value in zip(names, values, strict=True)
            }
            found.append((settings, {key: cells[key] for key in header if key not in SETTINGS}))
    return found


def minimum(resource_type: str, resource: dict[str, Any]) -> Say:
    """The profile's rule for disks and snapshots, in a line of its own; registries as strict."""
    if resource_type == REGISTRIES:
        return strict(resource_type, resource)
    network, public = (
        resource["properties"].get(name) for name in ("networkAccessPolicy", "publicNetworkAccess")
    )
    return FAIL if network not in ("DenyAll", "AllowPrivate") and public != "Disabled" else PASS


def strict(resource_type: str, resource: dict[str, Any]) -> Say:
    """What Export Guard finds under its built-in policy."""
    guard = GUARD_OF[resource_type]
    return FAIL if guard.inspect(resource, STRICT.of(guard)) else PASS


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_of_the_page_is_what_the_code_says(table: str) -> None:
    """docs/policy.md and docs/registries.md cannot go stale."""
    for settings, cells in given_settings(table):
        resource = body(**{**ASSUMED.get(table, {}), **settings})
        for column, cell in cells.items():
            verdict = {
                "Export Guard `strict`": strict,
                "Export Guard `minimum`": minimum,
            }.get(column, lambda type_, body_, check=column: says(type_, check, body_))
            wanted = verdict(TYPES[table], resource)
            assert cell == wanted, f"{table}: {settings}, {column}: write {wanted}"


def test_the_page_shows_every_combination_that_azure_has() -> None:
    """No row is left out: an open disk, or a tier, would be missing just there."""
    shown = {
        table: {tuple(settings.values()) for settings, _ in given_settings(table)}
        for table in TABLES
    }
    networks = itertools.product(["AllowAll", "AllowPrivate", "DenyAll"], ["Enabled", "Disabled"])
    assert shown["disks"] == shown["snapshots"] == {*networks, (None, None)}
    assert shown["auth"] == {("AzureActiveDirectory",), ("None",), (None,)}
    assert shown["doors"] == {("true",), ("false",), (None,)}
    exports, publics = ["enabled", "disabled", None], ["Enabled", "Disabled", None]
    assert shown["registries"] == {
        *itertools.product(["Premium"], exports, publics),
        *itertools.product(["Basic", "Standard"], ["enabled", None], ["Enabled", None]),
    }


def test_the_page_has_a_column_for_every_check() -> None:
    """A check that is added to the code is added to the page."""
    for resource_type in GUARD_OF:
        columns = [
            opinion(resource_type, column, {})
            for table, (header, _) in TABLES.items()
            if TYPES[table] == resource_type
            for column in header
            if column not in SETTINGS and not column.startswith("Export Guard")
        ]
        missing = set(opinions(resource_type, {})) - set(columns)
        assert not missing, f"{resource_type}: add a column for {missing}"


def test_the_page_says_where_every_check_is_defined() -> None:
    """By the id and the name under which its owner publishes it."""
    where = "".join(PAGE.split("## Where each check is defined")[1:])
    for resource_type in GUARD_OF:
        for said in opinions(resource_type, {}):
            if said.verdict is NONE or said.checker == "CIS":
                continue
            id_, _, name = said.check.partition(" ")
            name, _, version = name.partition(" (")
            assert f"`{id_}" in where, said.check
            assert f"*{name}*" in where or not name, said.check
            assert f"({version}" in where or not version, said.check
    for section in ("20.4", "20.5", "8.5", "8.6"):
        assert section in where
