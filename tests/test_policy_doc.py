"""docs/policy.md is run: policies, resources, command lines, and what it says of them."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from guards import GUARDS
from guards.__main__ import _parser
from guards.engine import policy
from guards.engine.ids import ResourceId
from guards.engine.model import Caller, Guard, Rule
from guards.engine.policy.changes import loosened
from guards.engine.policy.exemptions import moment
from guards.engine.policy.notices import changed
from guards.engine.policy.settings import of_profile
from guards.engine.policy.shape import Profile, schema
from tests.cli.command import ROOT, guards

DOC = ROOT / "docs/policy.md"
PAGE = DOC.read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
STRICT = "version: 1\n"
UNSAID = ("fine", "not looked at", "not in a file: the app looks")
"""What `explain` says of settings that the page leaves out."""
WRITTEN = "2026-12-01"
"""When nothing is said about the time."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and what is in it."""

    language: str
    text: str


def section(title: str, level: str = "##") -> str:
    """What stands under a heading, without the heading."""
    (found,) = re.findall(rf"(?ms)^{level} {re.escape(title)}\n(.*?)(?=^{level} |\Z)", PAGE)
    return str(found)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text in their order."""
    return [Block(*found) for found in re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", text)]


def sections(text: str) -> dict[str, str]:
    """The parts of a section by their headings."""
    _, *parts = re.split(r"(?m)^### ", text)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


EXAMPLES = sections(section("Worked examples"))
TOLD = sections(section("Who is told"))
EXPORTERS = blocks(section("Who may export"))[:3]
CHANNELS = ("security", "on-call", "data-team")
"""Those that the page calls configured."""


@dataclass(frozen=True)
class Claim:
    """What the page says of one resource: a line, and what is indented below it."""

    line: str
    below: tuple[str, ...]


def claims(text: str) -> Iterator[tuple[str, list[Claim]]]:
    """The claims of a block by the time they are about."""
    for part in text.strip().split("\n\n"):
        # Long lines are wrapped.
        lines = re.sub(r"\n  (?!PATCH|endGetAccess|blocked:)", " ", part).splitlines()
        at = lines.pop(0).removeprefix("--at ") if lines[0].startswith("--at ") else WRITTEN
        found: list[Claim] = []
        for line in lines:
            if line.startswith(" "):
                found[-1] = Claim(found[-1].line, (*found[-1].below, line.strip()))
            else:
                found.append(Claim(line, ()))
        yield at, found


def step_line(step: dict[str, Any]) -> str:
    """A step of a plan in the page's form."""
    if step["step"] == "revokeAccess":
        return "endGetAccess"
    return f"PATCH {json.dumps(step['body'])}"


def answers(rules: str, resources: Any, at: str, folder: Path) -> tuple[int, list[Claim]]:
    """Exit code and verdicts of the command line, in the page's form."""
    file, entry = folder / "policy.yaml", folder / "resources.json"
    file.write_text(rules, encoding="utf-8")
    options = ("--policy", file, "--at", at, "--format", "json")
    entry.write_text(json.dumps(resources), encoding="utf-8")
    evaluated = guards("evaluate", entry, *options)
    assert not evaluated.err
    found = []
    for resource, verdict in zip(resources, evaluated.json, strict=True):
        entry.write_text(json.dumps(resource), encoding="utf-8")
        explained = guards("explain", entry, *options)
        assert not explained.err
        results: dict[str, list[str]] = {}
        for setting in explained.json["settings"]:
            if setting["result"] not in UNSAID:
                results.setdefault(setting["result"], []).append(setting["rule"])
        words = [f"{verdict['resourceId'].rpartition('/')[2]}: {verdict['complianceState']}"]
        words += [f"{result}: {', '.join(which)}" for result, which in results.items()]
        below = [step_line(step) for step in verdict["plan"]]
        below += [f"blocked: {verdict['blocked']}"] if verdict["blocked"] else []
        found.append(Claim("; ".join(words), tuple(below)))
    return evaluated.code, found


def of_example(title: str) -> tuple[str, Any, str]:
    """Policy, resources (or alerts) and claims of an example: one of each, in this order."""
    found = blocks({**EXAMPLES, **TOLD}[title])
    assert [block.language for block in found] == ["yaml", "json", "text"]
    rules, resources, said = (block.text for block in found)
    assert rules.startswith("version: 1\n")
    return rules, json.loads(resources), said


def test_there_are_at_least_ten_examples() -> None:
    """Numbered one after another."""
    assert len(EXAMPLES) >= 10
    numbers = [int(title.partition(".")[0]) for title in EXAMPLES]
    assert numbers == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_guard_says_what_the_example_says(title: str, tmp_path: Path) -> None:
    """Of every resource and at every time; a PATCH where it is shown, a reason always."""
    rules, resources, said = of_example(title)
    for at, claimed in claims(said):
        code, found = answers(rules, resources, at, tmp_path)
        assert [one.line for one in claimed] == [one.line for one in found]
        for one, actual in zip(claimed, found, strict=True):
            assert set(one.below) <= set(actual.below)
            reasons = {line for line in actual.below if line.startswith("blocked: ")}
            assert reasons <= set(one.below), "write the reason down"
        passes = all(re.search(": (Compliant|Exempt)", one.line) for one in claimed)
        assert code == (0 if passes else 1)


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_example_is_about_its_policy(title: str, tmp_path: Path) -> None:
    """Under the built-in policy the answer would be another one."""
    _, resources, said = of_example(title)
    at, claimed = next(claims(said))
    _, found = answers(STRICT, resources, at, tmp_path)
    assert [one.line for one in claimed] != [one.line for one in found]


def test_whoever_may_export_is_who_the_page_says() -> None:
    """By object ID or app ID, place and time; without the entries it would be nobody."""
    rules, grants, said = (block.text for block in EXPORTERS)
    for at, claimed in claims(said):
        for text, may in ((rules, True), (STRICT, False)):
            found = [exporting(text, grant, moment(at)) for grant in json.loads(grants)]
            assert ([one.line for one in claimed] == found) is may


def exporting(rules: str, grant: dict[str, str], when: datetime) -> str:
    """Whether somebody may take a link, in the page's form."""
    caller = Caller(object_id=grant.get("objectId", "").lower(), app_id=grant.get("appId", ""))
    resource = ResourceId.parse(grant["resourceId"])
    found = policy.parse(rules, GUARDS, moment(WRITTEN)).exporter(caller, resource, when)
    words = f"may be exported, {found.hours} hours at most" if found else "no exporter"
    return f"{resource.name}: {words}"


def test_adding_the_exporters_of_the_page_is_told() -> None:
    """In the words that stand there."""
    now = moment(WRITTEN)
    old, new = (policy.parse(text, GUARDS, now) for text in (STRICT, EXPORTERS[0].text))
    told = loosened(old, new, now)
    assert told
    for line in told:
        word = line.partition(":")[0]
        assert f"`{word}`" in " ".join(section("Who may export").split())


def receivers(rules: str, alert: dict[str, Any]) -> str:
    """Who is told of an alert, in the page's form."""
    routed = policy.parse(rules, GUARDS, moment(WRITTEN)).notify.channels_for(alert, CHANNELS)
    name = (alert["resourceId"] or "no resource").rpartition("/")[2]
    unknown = f"; not configured: {', '.join(routed.unknown)}" if routed.unknown else ""
    return f"{name}: {', '.join(routed.channels) or 'nobody'}{unknown}"


@pytest.mark.parametrize("title", TOLD)
def test_the_channels_of_an_alert_are_those_of_the_page(title: str) -> None:
    """Of every alert of the example; without routes it would be another answer."""
    rules, alerts, said = of_example(title)
    assert [receivers(rules, alert) for alert in alerts] == said.splitlines()
    assert [receivers(STRICT, alert) for alert in alerts] != said.splitlines()


@pytest.mark.parametrize("title", TOLD)
def test_changing_to_the_routes_of_the_page_is_told(title: str) -> None:
    """In the words that stand there."""
    old, new = (
        policy.parse(text, GUARDS, moment(WRITTEN)) for text in (STRICT, of_example(title)[0])
    )
    told = loosened(old, new, moment(WRITTEN))
    assert told is not None
    assert [f"`{line}`" in section("Who is told") for line in told] == [True]


def test_the_channels_of_the_page_are_the_configured_ones() -> None:
    """The examples hang on them."""
    *others, last = (f"`{name}`" for name in CHANNELS)
    assert f"{', '.join(others)} and {last} are configured" in " ".join(
        section("Who is told").split()
    )


MISTAKES = blocks(section("Mistakes, and what check says"))


@pytest.mark.parametrize("number", range(len(MISTAKES) // 2))
def test_check_says_of_a_mistake_what_the_page_says(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of it, and nothing else."""
    rules, said = MISTAKES[2 * number : 2 * number + 2]
    assert (rules.language, said.language) == ("yaml", "text")
    (tmp_path / "policy.yaml").write_text(rules.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    checked = guards("policy", "check", "policy.yaml", "--at", WRITTEN)
    assert (checked.code, checked.out) == (2, said.text)


def test_every_policy_of_the_page_is_run() -> None:
    """None stands outside the examples and the mistakes, where no test would read it."""
    shown = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    run = [EXPORTERS[0].text, *(of_example(title)[0] for title in (*TOLD, *EXAMPLES))]
    run += [block.text for block in MISTAKES if block.language == "yaml"]
    assert shown == run


def keys_of(node: Any) -> Iterator[str]:
    """The names of all properties in a JSON Schema."""
    if isinstance(node, dict):
        properties = node.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for value in node.values():
            yield from keys_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of(value)


SCHEMA = schema(GUARDS)


@pytest.mark.parametrize("key", sorted(set(keys_of(SCHEMA))))
def test_every_key_is_explained(key: str) -> None:
    """In a table or a sentence, not only in an example."""
    assert f"`{key}`" in section("The file in one look")


def shown_settings() -> dict[tuple[str, str], list[str]]:
    """The rows of the table of types and rules."""
    found: dict[tuple[str, str], list[str]] = {}
    current = ""
    for line in section("The file in one look").splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1] in {rule.id for guard in GUARDS for rule in guard.rules}:
            current = cells[0] or current
            found[current, cells[1]] = cells[2:]
    return found


def allowed_in_schema(guard: Guard, rule: Rule) -> str:
    """The words that the schema lets stand in a rule's `allowed`, as the table has them."""
    name = guard.resource_type.replace("/", "_").replace(".", "_")
    keys = SCHEMA["$defs"][f"{name}_{rule.id}"]["properties"]
    if "allowed" not in keys:
        return "—"
    items = keys["allowed"]["items"]
    words = items.get("enum", [items.get("const")])
    return ", ".join(word for word in words if isinstance(word, str))


def test_the_table_of_rules_says_what_the_profiles_say() -> None:
    """Every rule of every type: what may be allowed, and what both profiles mean."""
    wanted = {}
    for guard in GUARDS:
        for rule in guard.rules:
            cells = [allowed_in_schema(guard, rule)]
            for profile in Profile:
                settings = of_profile(guard, profile)[rule.id]
                fine = f", {' or '.join(settings.allowed)}" if cells[0] != "—" else ""
                words = [f"{settings.mode}{fine}"]
                words += [f"satisfied by {other}" for other in settings.satisfied_by]
                cells.append(", ".join(words))
            wanted[guard.resource_type, rule.id] = cells
    assert shown_settings() == wanted


def command_lines(text: str) -> list[str]:
    """What stands behind `python -m guards` in shell blocks, up to the end of that command."""
    shells = "".join(block.text for block in blocks(text) if block.language == "sh")
    return re.findall(r"python -m guards ([^|>&;)\n]*)", shells.replace("\\\n", " "))


@pytest.mark.parametrize("line", sorted({*command_lines(PAGE), *command_lines(README)}))
def test_the_command_line_is_understood(line: str) -> None:
    """No option is misspelt, and none is missing."""
    words = line.replace("$SUB", "11111111-2222-3333-4444-555555555555").replace("$RG", "rg-web")
    _parser().parse_args(shlex.split(words, comments=True))


def test_the_page_shows_every_command_that_takes_a_policy() -> None:
    """Those that get nothing but a name are in the README."""
    shown = {line.split()[0] for line in command_lines(PAGE)}
    assert shown >= {"evaluate", "explain", "preview", "replay", "policy"}


def test_the_alert_of_a_change_is_the_one_on_the_page() -> None:
    """The exemption of an example comes into the built-in policy."""
    (shown,) = [
        block for block in blocks(section("Where the policy lives")) if block.language == "json"
    ]
    said = json.loads(shown.text)
    title = next(title for title in EXAMPLES if title.startswith("8."))
    now = moment(WRITTEN)
    old, new = (policy.parse(text, GUARDS, now) for text in (STRICT, of_example(title)[0]))
    where, last_modified = re.findall(
        r"the policy (\S+) has changed, last modified (\S+):", said["reason"]
    )[0]
    alert = changed(old.hash, new.hash, loosened(old, new, now), where, last_modified, now)
    message = alert.message()
    assert said == {key: message[key] for key in said}


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    titles = re.findall(r"(?m)^#+ (.*)$", prose)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


_PAGES = ("README.md", *(f"docs/{name}.md" for name in ("policy", "alert", "live-exports")))


@pytest.mark.parametrize("file", [*_PAGES, "docs/registries.md"])
def test_no_link_leads_nowhere(file: str) -> None:
    """To a file of the repository, and to a heading in it."""
    page = ROOT / file
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https:"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link
