"""`--format sarif`: valid by the schema of SARIF 2.1.0, and what the schema cannot say."""

import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from guards import GUARDS
from guards.cli import evaluate, sarif
from guards.cli.evaluate import Evaluated
from guards.engine import policy
from guards.engine.model import Severity
from guards.engine.policy.exemptions import moment
from tests.cli.command import GROUP, Said, closed, disk, flattened, guards, process, write

SCHEMA = json.loads((Path(__file__).parent / "data/sarif-schema-2.1.0.json").read_bytes())
VALID = Draft7Validator(SCHEMA)
TODAY = "2026-06-01"
RULES = [(guard, rule) for guard in GUARDS for rule in guard.rules]

TEMPLATE = """\
{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "access": { "type": "string" }
  },
  "resources": [
    {
      "type": "Microsoft.Compute/disks",
      "apiVersion": "2023-04-02",
      "name": "ledger",
      "properties": {
        "diskSizeGB": 64,
        "networkAccessPolicy": "[parameters('access')]",
        "publicNetworkAccess": "Enabled" // for now
      }
    },
    {
      "type": "Microsoft.ContainerRegistry/registries",
      "apiVersion": "2023-07-01",
      "name": "images",
      "sku": { "name": "Basic" },
      "properties": {
        "policies": {
          "quarantinePolicy": { "status": "disabled" }
        }
      }
    },
    {
      "type": "Microsoft.Compute/snapshots",
      "apiVersion": "2023-04-02",
      "name": "nightly"
    }
  ]
}
"""
LINES = {
    ("ledger", "disks/networkAccessPolicy"): 14,
    ("ledger", "disks/publicNetworkAccess"): 15,
    ("images", "registries/exportPolicy"): 24,  # what comes nearest: policies
    ("images", "registries/publicNetworkAccess"): 23,  # properties
    ("nightly", "snapshots/networkAccessPolicy"): 29,
    ("nightly", "snapshots/publicNetworkAccess"): 29,
}


def exemption(name: str, *rules: str, **changed: str) -> dict[str, Any]:
    """An exemption of some rules for one disk of the samples."""
    return {
        "scope": f"{GROUP}/Microsoft.Compute/disks/{name}",
        "rules": list(rules),
        "reason": f"copy of {name}",
        "owner": "data@contoso.example",
        "approved_by": "security@contoso.example",
        "ticket": "CHG0042",
        "expires_on": "2026-12-31",
        **changed,
    }


def policy_file(path: Path, **keys: Any) -> Path:
    """A policy of these top-level keys; JSON is YAML."""
    return write(path / "policy.yaml", {"version": 1, **keys})


def valid(said: Said) -> dict[str, Any]:
    """The one run that came out, after the schema had no objection and the standard's text none."""
    document = said.json
    mistakes = [f"{list(one.path)}: {one.message}" for one in VALID.iter_errors(document)]
    assert mistakes == []
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert (result["kind"] == "fail") is (result["level"] != "none")
        assert isinstance(result["suppressions"], list)
    for text in texts(run):
        assert "{" not in text.replace("{{", "")
        assert "}" not in text.replace("}}", "")
        assert "](" not in text
    assert isinstance(run, dict)
    return run


def texts(run: Mapping[str, Any]) -> list[str]:
    """Every message, which SARIF searches for placeholders and links."""
    notes = run["invocations"][0]["toolExecutionNotifications"]
    rules = run["tool"]["driver"]["rules"]
    found = [one["message"]["text"] for one in (*run["results"], *notes)]
    return found + [
        rule[key]["text"]
        for rule in rules
        for key in ("shortDescription", "fullDescription", "help")
    ]


def checked(*arguments: str | Path, stdin: bytes = b"") -> dict[str, Any]:
    """The valid run of `evaluate`, as of a day."""
    return valid(guards("evaluate", *arguments, "--at", TODAY, "--format", "sarif", stdin=stdin))


def place(result: Mapping[str, Any]) -> tuple[str, str]:
    """The resource and the rule of a result."""
    (location,) = result["locations"]
    (logical,) = location["logicalLocations"]
    return logical["fullyQualifiedName"].rpartition("/")[2], result["ruleId"]


def line(located: Mapping[str, Any]) -> int | None:
    """The line of a result or a notification."""
    (location,) = located["locations"]
    found = location["physicalLocation"].get("region", {}).get("startLine")
    assert found is None or isinstance(found, int)
    return found


def uri(located: Mapping[str, Any]) -> str:
    """The file of a result or a notification."""
    (location,) = located["locations"]
    return str(location["physicalLocation"]["artifactLocation"]["uri"])


def prints(run: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """The fingerprints of the results."""
    return {place(one): one["partialFingerprints"]["resourceAndRule/v1"] for one in run["results"]}


def test_the_schema_is_that_of_sarif() -> None:
    """And refuses what is not."""
    assert SCHEMA["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    Draft7Validator.check_schema(SCHEMA)
    assert not VALID.is_valid({"version": "2.1.0", "runs": [{"results": []}]})


# Rules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(RULES)))
def test_every_setting_of_the_catalogue_is_a_rule(number: int, tmp_path: Path) -> None:
    """Whoever reads it learns what is compliant, what to write, and what Azure does without it."""
    guard, rule = RULES[number]
    found = checked(write(tmp_path / "in.json", []))["tool"]["driver"]["rules"]
    assert len(found) == len(RULES) == len({one["id"] for one in found})
    one = found[number]
    assert one["id"] == f"{guard.resource_type.rpartition('/')[2]}/{rule.id}"
    assert one["name"].isidentifier()
    assert rule.desired in one["shortDescription"]["text"]
    for value in (rule.path, guard.resource_type, *rule.values):
        assert value in one["fullDescription"]["text"]
    for value in (rule.path, f'": "{rule.desired}"', f"default is {rule.when_absent}"):
        assert value in one["help"]["text"]
    assert one["properties"]["tags"] == ["security", "azure", "data-exfiltration"]
    levels = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
    assert one["defaultConfiguration"]["level"] == levels[rule.severity]


GITHUB = {"critical": (9.0, 10.0), "high": (7.0, 8.9), "medium": (4.0, 6.9), "low": (0.1, 3.9)}


@pytest.mark.parametrize("severity", Severity)
def test_each_severity_has_its_level_and_its_score(severity: Severity, tmp_path: Path) -> None:
    """GitHub shows the word that we mean, and a result has the level of its finding."""
    result = judged(tmp_path, disk())
    (verdict,) = result.verdicts
    findings = tuple(replace(one, severity=severity) for one in verdict.findings)
    out = io.StringIO()
    sarif.write(Evaluated([replace(verdict, findings=findings)]), out)
    levels = {one["level"] for one in valid(Said(1, out.getvalue(), ""))["results"]}
    wanted = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
    assert levels == {wanted[severity]}
    low, high = GITHUB[severity]
    assert low <= float(sarif.SCORES[severity]) <= high


def judged(folder: Path, *resources: Any) -> Evaluated:
    """The verdicts on resources by the built-in policy."""
    file = write(folder / "judged.json", list(resources))
    return evaluate.run([str(file)], policy.default(GUARDS), moment(TODAY))


# Results -----------------------------------------------------------------------------------------


def test_a_compliant_resource_has_no_result(tmp_path: Path) -> None:
    """An empty list, which says that all was looked at; not its absence."""
    run = checked(write(tmp_path / "in.json", [closed(), {"type": "Microsoft.Web/sites"}]))
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


@pytest.mark.parametrize("form", [disk(), [disk()], [flattened(disk())], {"value": [disk()]}])
def test_each_finding_of_a_resource_is_a_result(form: Any, tmp_path: Path) -> None:
    """Whatever the form of the file."""
    first, second = checked(write(tmp_path / "in.json", form))["results"]
    assert (first["ruleId"], first["level"]) == ("disks/networkAccessPolicy", "error")
    assert (second["ruleId"], second["level"]) == ("disks/publicNetworkAccess", "error")
    assert first["message"]["text"] == (
        "networkAccessPolicy of ledger (Microsoft.Compute/disks) is AllowAll and should be DenyAll."
    )
    (logical,) = first["locations"][0]["logicalLocations"]
    assert logical == {"fullyQualifiedName": disk()["id"], "kind": "resource"}


def test_the_level_follows_from_what_is_open(tmp_path: Path) -> None:
    """A result may be milder than its rule: attached, behind a private endpoint, or shut off."""
    mild = [
        disk("attached", diskState="Attached"),
        disk("private", networkAccessPolicy="AllowPrivate"),
        disk("shut", publicNetworkAccess="Disabled"),
    ]
    results = checked(write(tmp_path / "in.json", mild))["results"]
    levels = [one["level"] for one in results]
    assert levels == ["warning", "warning", "warning", "note", "note"]


def test_resources_of_a_list_are_found_in_their_lines(tmp_path: Path) -> None:
    """Where each begins: its settings have no lines of their own."""
    file = tmp_path / "in.json"
    file.write_text(json.dumps([closed(), disk("a"), disk("b")], indent=1))
    begins = [n for n, text in enumerate(file.read_text().splitlines(), 1) if text == " {"]
    run = checked(file)
    assert [(place(one)[0], line(one)) for one in run["results"][::2]] == [
        ("a", begins[1]),
        ("b", begins[2]),
    ]


def test_settings_of_a_template_are_found_in_their_lines(tmp_path: Path) -> None:
    """The setting; what is nearest to where it is missing; else the resource."""
    file = tmp_path / "main.json"
    file.write_text(TEMPLATE)
    run = checked(file)
    assert {place(one): line(one) for one in run["results"]} == LINES


def test_what_is_not_set_is_told_with_azures_default(tmp_path: Path) -> None:
    """Nothing in the file shows it."""
    resource = {"type": "Microsoft.Compute/snapshots", "name": "s", "properties": {}}
    for one in checked(write(tmp_path / "in.json", resource))["results"]:
        assert re.search("is not set, which means (AllowAll|Enabled), and", one["message"]["text"])


def test_what_is_known_only_at_deployment_is_open(tmp_path: Path) -> None:
    """Not a failure, so without a level; the expression is told."""
    file = tmp_path / "main.json"
    file.write_text(TEMPLATE)
    (one,) = [one for one in checked(file)["results"] if one["kind"] == "open"]
    assert (place(one), one["level"]) == (("ledger", "disks/networkAccessPolicy"), "none")
    assert one["message"]["text"] == (
        "networkAccessPolicy of ledger (Microsoft.Compute/disks) is known only at deployment, "
        "[parameters('access')], and should be DenyAll."
    )


def test_a_known_setting_that_hangs_on_an_unknown_one_is_told_as_it_is(tmp_path: Path) -> None:
    """By the profile minimum one of the two is enough: the first is open, its value is known."""
    file = tmp_path / "main.json"
    text = TEMPLATE.replace('"Enabled"', "\"[parameters('access')]\"")
    file.write_text(text.replace('"networkAccessPolicy": "[parameters(\'access\')]",', ""))
    rules = policy_file(tmp_path, profile="minimum")
    first, second, *_ = checked(file, "--policy", rules)["results"]
    assert [first["kind"], second["kind"]] == ["open", "open"]
    assert first["message"]["text"] == (
        "networkAccessPolicy of ledger (Microsoft.Compute/disks) is not set, which means AllowAll, "
        "and should be DenyAll, unless what is known only at deployment makes it compliant."
    )


def test_a_blocked_plan_says_why(tmp_path: Path) -> None:
    """The finding is there all the same, with what a person has to do."""
    registry = {
        "id": f"{GROUP}/Microsoft.ContainerRegistry/registries/acr",
        "type": "Microsoft.ContainerRegistry/registries",
        "sku": {"name": "Basic"},
        "properties": {},
    }
    for one in checked(write(tmp_path / "in.json", registry))["results"]:
        assert "The guard cannot close it: the registry's tier is Basic" in one["message"]["text"]


# Suppressions ------------------------------------------------------------------------------------


def test_an_exempt_finding_is_suppressed_with_its_reason(tmp_path: Path) -> None:
    """Who, why, until when; the finding beside it is not suppressed, and says so."""
    rules = policy_file(tmp_path, exemptions=[exemption("ledger", "networkAccessPolicy")])
    run = checked(write(tmp_path / "in.json", disk()), "--policy", rules)
    open_, exempt = sorted(run["results"], key=lambda one: len(one["suppressions"]))
    assert exempt["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "copy of ledger",
            "properties": {
                "owner": "data@contoso.example",
                "approvedBy": "security@contoso.example",
                "ticket": "CHG0042",
                "until": "2026-12-31T00:00:00.000Z",
            },
        }
    ]
    assert "It is exempt until 2026-12-31T00:00:00.000Z, copy of" in exempt["message"]["text"]
    assert open_["suppressions"] == []


def test_each_finding_has_the_exemption_it_hangs_on(tmp_path: Path) -> None:
    """Of several the one that lasts longest; none that has ended."""
    both = ("networkAccessPolicy", "publicNetworkAccess")
    rules = policy_file(
        tmp_path,
        exemptions=[
            exemption("ledger", both[0], ticket="short", expires_on="2026-07-01"),
            exemption("ledger", both[1], ticket="only"),
            exemption("l*", both[0], ticket="long", expires_on="2027-01-01"),
            exemption("led*", both[1], ticket="over", expires_on="2026-05-01"),
            exemption("other", *both, ticket="other", expires_on="2027-01-01"),
        ],
    )
    run = checked(write(tmp_path / "in.json", disk()), "--policy", rules)
    tickets = {
        place(one)[1]: one["suppressions"][0]["properties"]["ticket"] for one in run["results"]
    }
    assert [tickets[f"disks/{rule}"] for rule in both] == ["long", "only"]


# Fingerprints and bytes --------------------------------------------------------------------------


def test_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    """A comment above, another order: the alerts are the same, in other lines."""
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(TEMPLATE)
    moved = TEMPLATE.replace('"resources": [', '"resources": [\n\n// three lines\n')
    after.write_text(moved.replace('"diskSizeGB": 64,', ""))
    one, other = checked(before), checked(after)
    assert prints(one) == prints(other)
    assert [line(r) for r in one["results"]] != [line(r) for r in other["results"]]


def test_fingerprints_stay_when_a_value_changes(tmp_path: Path) -> None:
    """It is the same alert until it is closed; casing and file do not matter."""
    first = checked(write(tmp_path / "a.json", disk()))
    same = {**disk(networkAccessPolicy="AllowPrivate"), "id": disk()["id"].upper()}
    second = checked(write(tmp_path / "b.json", [same]))
    assert [*prints(first).values()] == [*prints(second).values()]


def test_fingerprints_tell_resources_types_and_rules_apart(tmp_path: Path) -> None:
    """No two results of an estate share one."""
    kinds = ["Microsoft.Compute/disks", "Microsoft.Compute/snapshots"]
    rows = [{"type": kind, "name": name, "properties": {}} for kind in kinds for name in "ab"]
    run = checked(write(tmp_path / "in.json", rows))
    found = [one["partialFingerprints"]["resourceAndRule/v1"] for one in run["results"]]
    assert len(found) == len(set(found)) == 8


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """In other processes, at other times: reviews compare it."""
    file = tmp_path / "main.json"
    file.write_text(TEMPLATE)
    said = [
        process("evaluate", file, "--format", "sarif", environ={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert said[0].out == guards("evaluate", file, "--format", "sarif").out
    assert said[0].out.isascii()


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main.json", "main.json"),
        ("./main.json", "main.json"),
        ("infra/a b/main.json", "infra/a%20b/main.json"),
        ("größe#1?.json", "gr%C3%B6%C3%9Fe%231%3F.json"),
        ("100%.json", "100%25.json"),
        ("c:x.json", "c%3Ax.json"),
        ("-", "stdin"),
    ],
)
def test_a_relative_file_is_a_relative_uri(
    name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the repository has it, percent-encoded; a colon is no scheme."""
    monkeypatch.chdir(tmp_path)
    if name != "-":
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write(Path(name), disk())
    for one in checked(name, stdin=json.dumps(disk()).encode())["results"]:
        assert uri(one) == expected
        assert urlsplit(uri(one)).scheme == ""


@pytest.mark.parametrize("name", ["a b/main.json", "x/../main.json"])
def test_an_absolute_file_is_a_file_uri(name: str, tmp_path: Path) -> None:
    """Without `..`, which viewers must not resolve."""
    (tmp_path / name.partition("/")[0]).mkdir()
    file = write(tmp_path / name, disk())
    found = urlsplit(uri(checked(str(tmp_path / name))["results"][0]))
    assert (found.scheme, found.netloc) == ("file", "")
    assert Path(unquote(found.path)) == file.resolve()


@pytest.mark.parametrize("name", ["\ud800.json", "a\0b.json"])
def test_a_name_no_file_can_have_is_told(name: str) -> None:
    """A mistake like any other, whatever is in the name."""
    run = checked(name)
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert uri(note).isascii()
    assert unquote(uri(note), errors="surrogateescape").endswith(name[1:])


# Notifications -----------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str, int | None, str]] = {
    "not JSON": ("\n\nnope", 3, "not JSON"),
    "a row": ('[{"type": "a/b"},\n 5]', 2, "[1]: a resource is an object, not int"),
    "a template that was cut": (TEMPLATE[:300], 11, "ends in the middle of"),
    "a template without resources": ('{"$schema":"deploymentTemplate.json#"}', 1, "resources"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_cannot_be_read_is_an_error_with_its_line(name: str, tmp_path: Path) -> None:
    """The run was not successful, and says where; the other file's results are there."""
    content, number, words = MISTAKES[name]
    bad = tmp_path / "bad.json"
    bad.write_text(content)
    said = guards("evaluate", bad, write(tmp_path / "good.json", disk()), "--format", "sarif")
    run = valid(said)
    (invocation,) = run["invocations"]
    (note,) = invocation["toolExecutionNotifications"]
    assert (said.code, invocation["executionSuccessful"], len(run["results"])) == (2, False, 2)
    assert (note["level"], line(note), uri(note)) == ("error", number, bad.as_uri())
    assert words in note["message"]["text"]


def test_a_missing_file_is_an_error_without_a_line(tmp_path: Path) -> None:
    """There is none."""
    (note,) = checked(tmp_path / "none")["invocations"][0]["toolExecutionNotifications"]
    assert (note["level"], line(note)) == ("error", None)
    assert "cannot be read" in note["message"]["text"]


def test_what_a_template_links_to_is_a_note(tmp_path: Path) -> None:
    """The run was successful as far as it went."""
    linked = {
        "type": "Microsoft.Resources/deployments",
        "name": "more",
        "properties": {"templateLink": {"uri": "https://contoso.example/{0}.json"}},
    }
    file = write(tmp_path / "main.json", {"contentVersion": "1.0.0.0", "resources": [linked]})
    (invocation,) = checked(file)["invocations"]
    (note,) = invocation["toolExecutionNotifications"]
    assert (invocation["executionSuccessful"], note["level"], line(note)) == (True, "note", 1)


def test_a_rule_that_only_a_tag_may_ask_for_is_open(tmp_path: Path) -> None:
    """Its settings are fine; a tag nobody knows yet may ask for more of them."""
    file = tmp_path / "main.json"
    tagged = TEMPLATE.replace(
        '"name": "ledger",', '"name": "ledger", "tags": {"data": "[parameters(\'access\')]"},'
    )
    shut = tagged.replace('"networkAccessPolicy": "[parameters(\'access\')]"', '"x": 1')
    shut = shut.replace('"publicNetworkAccess": "Enabled"', '"publicNetworkAccess": "Disabled"')
    file.write_text(shut.replace('"diskSizeGB": 64', '"networkAccessPolicy": "DenyAll"'))
    strict = {"tag": {"name": "data", "values": ["secret"]}, "mode": "enforce"}
    asks = {"Microsoft.Compute/disks": {"dataAccessAuthMode": {"mode": "enforce"}}}
    rules = policy_file(tmp_path, scopes=[{**strict, "resources": asks}])
    (found,) = (
        one
        for one in checked(file, "--policy", rules)["results"]
        if one["ruleId"] == "disks/dataAccessAuthMode"
    )
    assert (found["kind"], found["level"]) == ("open", "none")
    assert "known only at deployment" in found["message"]["text"]


# Hostile input -----------------------------------------------------------------------------------

HOSTILE = [
    "\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe",
    "[Fix now](https://evil.example/)",
    "{0} {1} {{2}}",
    "\ud800half",
    "a\r\nb\x00c\x7f",
    "<script>alert(1)</script>",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_names_and_values_are_text_and_nothing_else(text: str, tmp_path: Path) -> None:
    """No placeholder, no link, no control character, and not a page of it."""
    rows = [
        {**disk(networkAccessPolicy=text), "id": f"{disk()['id']}{text}"},
        {"type": "Microsoft.Compute/disks", "name": text, "properties": {}},
        {**disk(), "id": text},
        {"id": text},
    ]
    template = {
        "contentVersion": "1.0.0.0",
        "resources": [
            {"type": "Microsoft.Compute/disks", "name": text, "properties": f"[x('{text}')]"},
            {"type": text, "name": f"[concat('{text}')]"},
        ],
    }
    run = checked(write(tmp_path / "in.json", rows), write(tmp_path / "main.json", template))
    assert run["results"]
    strings: list[str] = []
    each_string(run, strings.append)
    assert [
        one for one in strings if re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", one)
    ] == []
    assert max(map(len, strings)) <= 2048


def each_string(value: Any, seen: Callable[[str], object]) -> None:
    """Every text within a JSON value."""
    if isinstance(value, str):
        seen(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            each_string(item, seen)


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
ANY_VALUE = VALUES | st.sampled_from(["DenyAll", "AllowAll", "Disabled", "disabled", "Premium"])
RESOURCES = st.fixed_dictionaries(
    {"type": st.sampled_from([guard.resource_type for guard in GUARDS])},
    optional={
        "id": VALUES,
        "name": VALUES,
        "tags": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
        "sku": ANY_VALUE | st.fixed_dictionaries({"name": ANY_VALUE}),
        "properties": ANY_VALUE
        | st.dictionaries(
            st.sampled_from(["networkAccessPolicy", "publicNetworkAccess", "policies"]), ANY_VALUE
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(resources=st.lists(RESOURCES | ANY_VALUE, max_size=6), template=st.booleans())
def test_whatever_is_judged_comes_out_valid(
    resources: list[Any], template: bool, tmp_path: Path
) -> None:
    """As a list and as a template: a result for each finding, an error for each mistake."""
    document = {"contentVersion": "1", "resources": resources} if template else resources
    file = write(tmp_path / "in.json", document)
    result = evaluate.run([str(file)], policy.default(GUARDS), moment(TODAY))
    out = io.StringIO()
    sarif.write(result, out)
    run = valid(Said(result.code, out.getvalue(), ""))
    assert len(run["results"]) == sum(len(verdict.findings) for verdict in result.verdicts)
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == len(result.remarks)
    assert (result.code == 2) is any(note["level"] == "error" for note in notes)


def test_the_names_of_files_are_encoded_as_the_file_system_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not UTF-8 leads to its bytes."""
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9.json")
    try:
        write(Path(name), disk())
    except OSError:
        pytest.skip("this file system has no such names")
    assert {uri(one) for one in checked(name)["results"]} == {"caf%E9.json"}
