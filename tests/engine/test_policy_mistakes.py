"""Each mistake in policy.yaml: its line, its place, and what is allowed, all of them at once."""

from typing import Any

import pytest

from guards import GUARDS, disk
from tests.engine.policies import (
    BOTH_RULES,
    DISKS,
    REGISTRIES,
    SUB,
    Data,
    exemption,
    mistakes,
    on_disks,
    tag,
    wrong,
)
from tests.engine.samples import DISK_ACCESS_ID, DISK_ID

DISK_RULES = ", ".join(rule.id for rule in disk.GUARD.rules)
TYPES = ", ".join(guard.resource_type for guard in GUARDS)
TOP = "version, profile, mode, resources, tags_may_exempt, scopes, exemptions, exporters, notify"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"resource": {}}, f"resource: unknown; allowed: {TOP}"),
        ({"resources": []}, f"resources: a mapping of {TYPES} is needed"),
        (
            {"resources": {"Microsoft.Web/sites": {}}},
            f"resources.Microsoft.Web/sites: unknown; allowed: {TYPES}",
        ),
        ({"resources": {DISKS: 5}}, f"resources.{DISKS}: a mapping of {DISK_RULES} is needed"),
        (
            {"resources": on_disks(exportPolicy={"mode": "off"})},
            f"resources.{DISKS}.exportPolicy: unknown; allowed: {DISK_RULES}",
        ),
        (
            {"resources": on_disks(publicNetworkAccess={"when_unreachable": "revert"})},
            "publicNetworkAccess.when_unreachable: unknown; allowed: mode, allowed, satisfied_by",
        ),
        (
            {"resources": on_disks(networkAccessPolicy={"modes": "off"})},
            "networkAccessPolicy.modes: unknown; allowed: mode, allowed, allowed_disk_accesses, "
            "satisfied_by",
        ),
        (
            {"resources": {REGISTRIES: {"publicNetworkAccess": {"when_unreachable": "ask"}}}},
            "when_unreachable: 'ask' is not allowed; allowed: 'block' or 'revert'",
        ),
        (
            {"resources": on_disks(networkAccessPolicy={"allowed": ["AllowAll"]})},
            "networkAccessPolicy.allowed[0]: 'AllowAll' is not allowed; allowed: 'DenyAll' or "
            "'AllowPrivate'",
        ),
        (
            {"resources": on_disks(networkAccessPolicy={"allowed": "DenyAll"})},
            "networkAccessPolicy.allowed: a list is needed (found 'DenyAll')",
        ),
        (
            {"resources": on_disks(publicNetworkAccess={"satisfied_by": ["publicNetworkAccess"]})},
            "satisfied_by[0]: 'publicNetworkAccess' is not allowed; allowed: "
            "'networkAccessPolicy' or 'dataAccessAuthMode'",
        ),
        ({"profile": "lax"}, "profile: 'lax' is not allowed; allowed: 'strict' or 'minimum'"),
        ({"mode": "deny"}, "mode: 'deny' is not allowed; allowed: 'off', 'audit' or 'enforce'"),
        ({"tags_may_exempt": "yes"}, "tags_may_exempt: "),
        ({"tags_may_exempt": 1}, "tags_may_exempt: "),
        ({"scopes": {}}, "scopes: a list is needed (found {})"),
        ({"scopes": None}, "scopes: a list is needed (found None)"),
        ({"exemptions": "all"}, "exemptions: a list is needed (found 'all')"),
        ({"exemptions": ["all"]}, "exemptions[0]: a mapping of scope, tag, rules, reason"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(keys: Data, told: str) -> None:
    """Nothing is guessed, and the sentence is enough to mend it."""
    assert told in wrong(**keys)


@pytest.mark.parametrize("key", ["scopes", "exemptions"])
@pytest.mark.parametrize("value", [5, 0, True, False, 1.5])
def test_a_list_that_is_none_is_a_mistake_like_any_other(key: str, value: object) -> None:
    """`scopes: 5` is refused in a sentence, not with a traceback."""
    assert f"{key}: a list is needed" in wrong(**{key: value})


@pytest.mark.parametrize("word", ["on", "true", "Enforce", "enforced", "1", "[]", "''", "deny", ""])
def test_a_mode_nobody_knows_is_a_mistake(word: str) -> None:
    """It is not taken for the nearest one."""
    text = f"version: 1\nresources: {{{DISKS}: {{publicNetworkAccess: {{mode: {word}}}}}}}"
    (line,) = mistakes(text)
    assert line.startswith(f"line 2: resources.{DISKS}.publicNetworkAccess.mode: ")
    assert line.endswith("is not allowed; allowed: 'off', 'audit' or 'enforce'")


@pytest.mark.parametrize(
    "text", ["resources: {}", "version: 2", "version: '1'", "version: 1.0", "version:"]
)
def test_a_version_nobody_wrote_this_for_is_a_mistake(text: str) -> None:
    """A later form of the file is never read as this one."""
    (line,) = mistakes(text)
    assert "version: " in line


@pytest.mark.parametrize("entry", [DISK_ID, "*", "", f"{DISK_ACCESS_ID}/", 5, None, ["x"]])
def test_what_is_no_disk_access_is_refused(entry: Any) -> None:
    """A typing mistake does not open every disk, or none."""
    told = wrong(resources=on_disks(networkAccessPolicy={"allowed_disk_accesses": [entry]}))
    assert "networkAccessPolicy.allowed_disk_accesses[0]: " in told


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"mode": "audit"}, "scopes[0]: either `scope` or `tag` is needed, and not both"),
        (
            {"scope": SUB, "tag": tag("a", "b"), "mode": "audit"},
            "scopes[0]: either `scope` or `tag` is needed, and not both",
        ),
        ({"scope": SUB}, "scopes[0]: changes nothing; allowed: mode, profile, resources"),
        ({"scope": SUB, "name": "x"}, "scopes[0]: changes nothing; allowed: mode, profile"),
        ({"scope": SUB, "modes": "off"}, "scopes[0].modes: unknown; allowed: name, scope, tag, mo"),
        ({"scope": 5, "mode": "audit"}, "scopes[0].scope: "),
        ({"scope": "rg-x", "mode": "audit"}, "scopes[0].scope: a scope is /subscriptions/GUID, "),
        ({"tag": {"name": "a"}, "mode": "enforce"}, "scopes[0].tag.values: is missing"),
        ({"tag": tag("a"), "mode": "enforce"}, "scopes[0].tag.values: "),
        ({"tag": tag("", "b"), "mode": "enforce"}, "scopes[0].tag.name: "),
        (
            {"tag": tag("a", "b*"), "mode": "enforce"},
            "scopes[0].tag.values[0]: a value is written out, without * (found 'b*')",
        ),
        (
            {"scope": SUB, "resources": {REGISTRIES: {"networkAccessPolicy": {}}}},
            f"scopes[0].resources.{REGISTRIES}.networkAccessPolicy: unknown; allowed: exportPolicy",
        ),
    ],
)
def test_a_scope_with_a_mistake_is_told(entry: Data, told: str) -> None:
    """A scope that says nothing, or nothing that can be read, is never skipped."""
    assert told in wrong(scopes=[entry])


@pytest.mark.parametrize(("key", "most"), [("scopes", 1000), ("exemptions", 5000)])
def test_lists_have_an_end(key: str, most: int) -> None:
    """So that a look never costs more than it may."""
    scope = "/subscriptions/*/resourceGroups/x"
    short = exemption(scope=scope, reason="x", owner="x", approved_by="x", ticket="x")
    entry = {"scope": scope, "mode": "audit"} if key == "scopes" else short
    assert f"{key}: List should have at most {most} items" in wrong(**{key: [entry] * (most + 1)})


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    """One look at the message is enough to mend the file."""
    text = f"""version: 1
mode: deny
resources:
  {DISKS}:
    exportPolicy: {{mode: audit}}
    publicNetworkAccess:
      when_unreachable: block
      mode: wrong
  Microsoft.Web/sites: {{}}
scopes:
- scope: {SUB}
- {{scope: rg-x, mode: audit}}
- {{scope: '{SUB}/resourceGroups/a*', mode: audit}}
- {{scope: '{SUB}/resourceGroups/*a', mode: audit}}
- {{tag: {{name: a, values: [b]}}, mode: audit}}
exemptions:
- {{scope: {SUB}, rules: [{", ".join(BOTH_RULES)}], reason: x, owner: x}}
exemption: []
"""
    told = mistakes(text)
    lines = [int(line.split()[1].rstrip(":")) for line in told]
    assert lines == [2, 5, 7, 8, 9, 11, 12, 14, 15, 17, 17, 17, 18]


def test_a_key_that_stands_twice_is_told_with_the_other_mistakes() -> None:
    """The first read tells what the second would have to tell."""
    told = mistakes("version: 1\nmode: deny\nprofile: strict\nprofile: minimum\n")
    assert [line.split(":")[0] for line in told] == ["line 2", "line 4"]


def test_a_type_named_twice_in_two_casings_is_told_at_its_line() -> None:
    """One of them would count without a word about the other."""
    text = (
        f"version: 1\nresources:\n  {DISKS}: {{publicNetworkAccess: {{mode: enforce}}}}\n"
        f"  {DISKS.lower()}: {{publicNetworkAccess: {{mode: 'off'}}}}\n"
    )
    (told,) = mistakes(text)
    assert told.startswith(f"line 4: resources.{DISKS.lower()}: ")


def test_a_mistake_is_one_line_without_control_characters() -> None:
    """It goes into logs and alerts."""
    told = mistakes('version: 1\n"a\\n\\u202eb": 1\nmode: "x\\nline 9: y"\n')
    assert len(told) == 2
    assert "\u202e" not in "".join(told)
    assert all(line.startswith("line ") for line in told)
