"""`python -m guards preview`: what is counted, whose it is, what it costs, and how it is shown."""

import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guards import GUARDS
from guards.cli import preview, rows
from guards.cli.preview import READS, WRITES, Cost, cost
from tests.cli.command import ROOT, Said, closed, cut_off, disk, flattened, guards, process, write

ONE = "11111111-2222-3333-4444-555555555555"
TWO = "22222222-2222-3333-4444-555555555555"
OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
SHUT = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}

POLICY = f"""
version: 1
scopes:
  - scope: /subscriptions/{ONE}/resourceGroups/rg-audit
    mode: audit
  - scope: /subscriptions/{TWO}/resourceGroups/rg-strict
    resources: {{Microsoft.Compute/disks: {{dataAccessAuthMode: {{mode: enforce}}}}}}
exemptions:
  - scope: /subscriptions/{ONE}/resourceGroups/rg-nobody
    rules: [networkAccessPolicy, publicNetworkAccess]
    reason: nightly copy
    owner: backup@contoso.example
    approved_by: security@contoso.example
    ticket: CHG0042
    expires_on: 2026-12-31
"""


def exemption(group: str, expires_on: str, rules: str = "publicNetworkAccess") -> str:
    """One more entry of the policy's exemptions."""
    return f"""
  - scope: /subscriptions/{ONE}/resourceGroups/{group}
    rules: [{rules}]
    reason: nightly copy
    owner: backup@contoso.example
    approved_by: security@contoso.example
    ticket: CHG0042
    expires_on: {expires_on}
"""


BOTH = "networkAccessPolicy, publicNetworkAccess"


def resource(place: str, type_: str = "Microsoft.Compute/disks", **more: Any) -> dict[str, Any]:
    """One resource, open, at `subscription/group/name`."""
    subscription, group, name = place.split("/")
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{type_}/{name}",
        "type": type_.lower(),
        "location": "westeurope",
        "properties": OPEN,
        **more,
    }


def held(by: str) -> str:
    """The ID of a machine."""
    return f"/subscriptions/{TWO}/resourceGroups/MC/providers/Microsoft.Compute/{by}"


SNAPSHOT, REGISTRY = "Microsoft.Compute/snapshots", "Microsoft.ContainerRegistry/registries"
ESTATE = [
    resource(f"{ONE}/rg-app/a", tags={"Owner": "anna"}),
    resource(f"{ONE}/rg-app/b", tags={"owner": "anna"}, properties=SHUT),
    resource(f"{ONE}/rg-audit/c", tags={"OWNER": "bert"}, location="West Europe"),
    resource(f"{ONE}/rg-exempt/d", tags=None),
    resource(f"{ONE}/RG-EXEMPT/e", properties={**OPEN, "networkAccessPolicy": "DenyAll"}),
    resource(f"{ONE}/rg-late/f", managedBy=held("virtualMachines/VM-1"), tags={"owner": " "}),
    resource(f"{TWO}/rg-data/g", SNAPSHOT, properties={**SHUT, "publicNetworkAccess": "Enabled"}),
    resource(f"{TWO}/rg-data/h", REGISTRY, properties={}, sku={"name": "Basic"}),
    resource(f"{TWO}/rg-strict/i", managedBy=held("virtualMachineScaleSets/p1/virtualMachines/3")),
    resource(f"{TWO}/rg-strict/j", managedBy=held("virtualMachines/vm-1"), location="eastus"),
    resource(f"{TWO}/rg-data/k", "Microsoft.Web/sites"),
]
EXEMPTIONS = (
    exemption("rg-exempt", "2026-12-31", BOTH)
    + exemption("rg-exempt", "2026-09-30")
    + exemption("rg-late", "2026-05-01", BOTH)
)


def previewed(tmp_path: Path, document: Any, *arguments: str, policy: str = "version: 1") -> Said:
    """A preview of one file as of June 2026."""
    (tmp_path / "policy.yaml").write_text(policy)
    file = write(tmp_path / "estate.json", document)
    common = ("--policy", tmp_path / "policy.yaml", "--at", "2026-06-01")
    return guards("preview", file, *common, *arguments)


def numbers(
    total: int, compliant: int, exempt: int, reported: int, revert: int, blocked: int
) -> dict[str, int]:
    """How JSON says it."""
    return {
        "total": total,
        "compliant": compliant,
        "exempt": exempt,
        "reportedOnly": reported,
        "toRevert": revert,
        "blocked": blocked,
    }


@pytest.fixture
def counted(tmp_path: Path) -> Any:
    """The small estate."""
    said = previewed(tmp_path, ESTATE, "--format", "json", policy=POLICY + EXEMPTIONS)
    assert said.code == 0
    assert said.err == "1 resources of types that are not guarded were left out\n"
    return said.json


def test_every_resource_has_one_fate(counted: Any) -> None:
    """Worked out by hand: b; d e; c; a f g i j; h."""
    assert counted["resources"] == numbers(10, 1, 2, 1, 5, 1)
    assert (counted["notGuarded"], counted["unreadable"], counted["complete"]) == (1, 0, True)


def test_fates_are_broken_down(counted: Any) -> None:
    """By type, subscription and location; the sums are the same."""
    assert [one["type"] for one in counted["types"]] == [one.resource_type for one in GUARDS]
    assert [one for one in counted["types"] if one["total"]] == [
        {"type": "Microsoft.Compute/disks", **numbers(8, 1, 2, 1, 4, 0)},
        {"type": SNAPSHOT, **numbers(1, 0, 0, 0, 1, 0)},
        {"type": REGISTRY, **numbers(1, 0, 0, 0, 0, 1)},
    ]
    assert counted["subscriptions"] == [
        {"subscription": TWO, **numbers(4, 0, 0, 0, 3, 1)},
        {"subscription": ONE, **numbers(6, 1, 2, 1, 2, 0)},
    ]
    assert counted["locations"] == [
        {"location": "westeurope", **numbers(9, 1, 2, 1, 4, 1)},
        {"location": "eastus", **numbers(1, 0, 0, 0, 1, 0)},
    ]


def test_findings_are_counted_by_rule(counted: Any) -> None:
    """A resource to revert may have a finding that is blocked; each is counted where it belongs."""
    found = {
        (one["type"].rpartition("/")[2], one["rule"]): (
            *(one["toRevert"], one["blocked"], one["reportedOnly"], one["exempt"]),
        )
        for one in counted["rules"]
    }
    assert len(counted["rules"]) == sum(len(guard.rules) for guard in GUARDS)
    assert {rule: numbers_ for rule, numbers_ in found.items() if any(numbers_)} == {
        ("disks", "networkAccessPolicy"): (4, 0, 1, 1),
        ("disks", "publicNetworkAccess"): (4, 0, 1, 2),
        ("disks", "dataAccessAuthMode"): (0, 2, 0, 0),
        ("snapshots", "publicNetworkAccess"): (1, 0, 0, 0),
        ("registries", "exportPolicy"): (0, 1, 0, 0),
        ("registries", "publicNetworkAccess"): (0, 1, 0, 0),
    }


def test_owners_are_told_by_tag_or_by_what_holds_the_disk(counted: Any) -> None:
    """The tag in any casing of its name; else the machine or its whole scale set, in any casing."""
    assert counted["owners"] == {
        "total": 5,
        "largest": [
            {"owner": "VM-1", "source": "managedBy", **numbers(2, 0, 0, 0, 2, 0)},
            {"owner": None, "source": "none", **numbers(4, 0, 2, 0, 1, 1)},
            {"owner": "anna", "source": "tag", **numbers(2, 1, 0, 0, 1, 0)},
            {"owner": "p1", "source": "managedBy", **numbers(1, 0, 0, 0, 1, 0)},
            {"owner": "bert", "source": "tag", **numbers(1, 0, 0, 1, 0, 0)},
        ],
    }


def test_the_tag_of_owners_can_be_named(tmp_path: Path) -> None:
    """Every company calls it something else."""
    document = [resource(f"{ONE}/g/d", tags={"costCenter": "42", "owner": "anna"})]
    said = previewed(tmp_path, document, "--owner-tag", "COSTCENTER", "--format", "json")
    assert said.json["owners"]["largest"][0]["owner"] == "42"
    assert "tag COSTCENTER" in previewed(tmp_path, document, "--owner-tag", "COSTCENTER").out


@pytest.mark.parametrize("holder", [None, "", 5, "vm-1", "/a/b", "/".join("abcdefghi"), "[red]/x"])
def test_what_is_held_by_no_resource_has_no_owner(holder: object, tmp_path: Path) -> None:
    """Whatever stands there."""
    document = [resource(f"{ONE}/g/d", managedBy=holder, tags=[])]
    (owner,) = previewed(tmp_path, document, "--format", "json").json["owners"]["largest"]
    assert (owner["owner"], owner["source"]) == (None, "none")


def test_groups_with_something_to_revert_are_named(counted: Any) -> None:
    """Most first; those with nothing to revert only count."""
    groups = counted["resourceGroups"]
    assert (groups["total"], groups["withReverts"]) == (6, 4)
    assert groups["largest"] == [
        {"subscription": TWO, "resourceGroup": "rg-strict", **numbers(2, 0, 0, 0, 2, 0)},
        {"subscription": ONE, "resourceGroup": "rg-app", **numbers(2, 1, 0, 0, 1, 0)},
        {"subscription": TWO, "resourceGroup": "rg-data", **numbers(2, 0, 0, 0, 1, 1)},
        {"subscription": ONE, "resourceGroup": "rg-late", **numbers(1, 0, 0, 0, 1, 0)},
    ]


def test_exemptions_tell_what_they_cover_and_which_nobody_needs(counted: Any) -> None:
    """An expired one covers nothing; of two that cover the same resource, both are in use."""
    used = {one["expiresOn"][:10]: one for one in counted["exemptions"]["used"]}
    unused = {one["scope"].rpartition("/")[2]: one for one in counted["exemptions"]["unused"]}
    assert {ends: one["resources"] for ends, one in used.items()} == {
        "2026-12-31": 2,
        "2026-09-30": 2,
    }
    assert {group: one["expired"] for group, one in unused.items()} == {
        "rg-nobody": False,
        "rg-late": True,
    }
    shown = {"scope", "tag", "rules", "reason", "owner", "approvedBy", "ticket", "expiresOn"}
    assert {*used["2026-12-31"]} == shown | {"resources"}
    assert {*unused["rg-late"]} == shown | {"expired"}


def test_the_json_has_exactly_the_promised_keys(counted: Any) -> None:
    """Programs are written against it; what is below is compared whole above."""
    assert list(counted) == [
        *("policyHash", "at", "complete", "unreadable", "notGuarded", "notLookedAt"),
        *("resources", "types"),
        *("rules", "subscriptions", "locations", "owners", "resourceGroups", "exemptions", "cost"),
    ]
    assert counted["at"] == "2026-06-01T00:00:00.000Z"
    assert re.fullmatch("[0-9a-f]{64}", counted["policyHash"])
    assert counted["cost"] == {
        "writes": 5,
        "reads": 5,
        "minutes": 0.0,
        "writeMinutes": 0.0,
        "readMinutes": 0.0,
        "slowestSubscription": TWO,
    }


def test_the_tables_say_the_same(tmp_path: Path) -> None:
    """Read by a person; what nobody needs is a dash."""
    said = previewed(tmp_path, ESTATE, policy=POLICY + EXEMPTIONS)
    words = [line.split() for line in said.out.splitlines()]
    assert ["disks", "dataAccessAuthMode", "-", "2", "-", "-"] in words
    assert f"{ONE} 6 2 - 1 2 1".split() in words
    assert f"{TWO} rg-data 2 1 1 - - -".split() in words
    assert ["VM-1", "what", "holds", "it", "2", "2", "-", "-", "-", "-"] in words
    assert ["anna", "tag", "owner", "2", "1", "-", "-", "-", "1"] in words
    assert ["(none)", "-", "4", "1", "1", "-", "2", "-"] in words
    assert ["all", "10", "5", "1", "1", "2", "1"] in words
    assert re.search(r"(?m)^ +2  2026-09-30T00:00:00.000Z  /subscriptions/", said.out)
    assert re.search(r"(?m)^ +-  2026-05-01T00:00:00.000Z \(expired\)  /subscriptions/", said.out)
    assert re.search(r"(?m)^ +-  2026-12-31T00:00:00.000Z +/subscriptions/", said.out)
    assert "All at once it would take 5 ARM writes and as many reads" in said.out
    assert "\x1b" not in said.out


LINES = "\n".join(json.dumps(one) for one in (disk(), closed())).encode()
FORMS: dict[str, bytes] = {
    "a list": json.dumps([disk(), closed()]).encode(),
    "az disk list": json.dumps([flattened(disk()), flattened(closed())], indent=2).encode(),
    "Resource Graph": json.dumps({"count": 2, "data": [disk(), closed()]}).encode(),
    "ARM list": json.dumps({"value": [disk(), closed()], "nextLink": None}).encode(),
    "JSON lines": LINES,
    "with a byte order mark": b"\xef\xbb\xbf" + LINES,
    "pages": b"\n".join(json.dumps({"data": [one]}).encode() for one in (disk(), closed())),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_input_is_understood(form: str, tmp_path: Path) -> None:
    """As files, and on standard input."""
    (file := tmp_path / "estate").write_bytes(FORMS[form])
    from_file = guards("preview", file, "--format", "json")
    piped = guards("preview", "-", "--format", "json", stdin=FORMS[form])
    for said in (from_file, piped):
        assert (said.code, said.err) == (0, "")
        assert said.json["resources"] == numbers(2, 1, 0, 0, 1, 0)


def test_files_are_counted_together(tmp_path: Path) -> None:
    """One a subscription, perhaps."""
    files = [write(tmp_path / f"{number}.json", [disk(), closed()]) for number in range(3)]
    assert guards("preview", *files, "--format", "json").json["resources"]["total"] == 6


def test_a_bad_row_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    """With file, line and place; then the exit code is 2."""
    nowhere = {"type": "microsoft.compute/disks", "properties": OPEN}
    lines = [json.dumps(disk()), '{"id": nope}', "7", json.dumps(nowhere), json.dumps(closed())]
    file = tmp_path / "estate.json"
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    said = guards("preview", file, "--format", "json")
    assert said.code == 2
    assert said.json["resources"]["total"] == 2
    assert said.json["unreadable"] == len(said.err.splitlines()) == 3
    assert said.err.startswith(f"{file}:3: [1]: not JSON")
    assert f"{file}:4: [2]: a resource is an object, not int" in said.err
    assert f"{file}:5: [3]: resource ID: a string is needed" in said.err


def test_many_bad_rows_are_not_all_told(tmp_path: Path) -> None:
    """Twenty of each file say enough."""
    files = [write(tmp_path / name, [5] * count) for name, count in (("a", 20), ("b", 25))]
    said = guards("preview", *files)
    assert said.code == 2
    assert len(said.err.splitlines()) == 20 + 20 + 1
    assert said.err.splitlines()[-1] == f"{files[1]}: and 5 more"


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    """Missing, or a folder; the other files are counted."""
    good = write(tmp_path / "good.json", [closed()])
    said = guards("preview", tmp_path / name, good, "--format", "json")
    assert (said.code, said.json["resources"]["total"]) == (2, 1)
    assert f"{tmp_path / name}: cannot be read" in said.err


def test_an_empty_estate_is_no_mistake(tmp_path: Path) -> None:
    """Nothing is counted, and nothing is to be done."""
    told = previewed(tmp_path, [], "--format", "json")
    assert (told.code, told.json["resources"]) == (0, numbers(0, 0, 0, 0, 0, 0))
    assert told.json["cost"]["slowestSubscription"] is None
    said = previewed(tmp_path, [])
    assert (said.code, said.out) == (0, "no resource of a guarded type was read\n")


def test_what_is_off_is_not_called_compliant_in_silence(tmp_path: Path) -> None:
    """A laxer policy makes more resources compliant; how many are not looked at is said."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nmode: 'off'\n")
    estate = write(tmp_path / "estate.json", [disk(), closed()])
    assert (
        "2 of the compliant are not looked at" in guards("preview", estate, "--policy", policy).out
    )
    said = guards("preview", estate, "--policy", policy, "--format", "json")
    assert said.json["notLookedAt"] == 2
    assert "does not look at it" in guards("evaluate", estate, "--policy", policy).out


def test_nothing_to_revert_costs_nothing(tmp_path: Path) -> None:
    """A preview is a question: what is found does not change the exit code."""
    said = previewed(tmp_path, [closed()])
    assert said.code == 0
    assert "Nothing is to revert" in said.out


def _many() -> Iterator[dict[str, Any]]:
    """25 groups in as many subscriptions, of as many owners; the first has one disk, and so on."""
    for number in range(25):
        for disk_number in range(number + 1):
            place = f"{number:08}-2222-3333-4444-555555555555/rg-{number:02}/d{disk_number}"
            yield resource(place, tags={"owner": f"owner-{number:02}"})


def test_the_twenty_largest_are_shown_and_the_rest_is_summed_up(tmp_path: Path) -> None:
    """The five smallest have 1 + 2 + 3 + 4 + 5 resources."""
    said = previewed(tmp_path, [*_many()])
    rest = "and 5 more with 15 resources, 15 to revert"
    assert said.out.count(rest) == 3
    assert "rg-05 " in said.out
    assert "rg-04 " not in said.out
    told = previewed(tmp_path, [*_many()], "--format", "json").json
    assert len(told["subscriptions"]) == 25
    assert (told["owners"]["total"], len(told["owners"]["largest"])) == (25, 20)
    assert (told["resourceGroups"]["total"], len(told["resourceGroups"]["largest"])) == (25, 20)
    assert told["owners"]["largest"][0]["owner"] == "owner-24"
    assert told["resourceGroups"]["largest"][-1]["resourceGroup"] == "rg-05"


def test_many_exemptions_are_not_all_shown(tmp_path: Path) -> None:
    """JSON has all of them."""
    head, _, _ = POLICY.partition("exemptions:")
    policy = f"{head}exemptions:" + "".join(exemption(f"g{n}", "2026-12-31") for n in range(23))
    assert "and 3 more\n" in previewed(tmp_path, [disk()], policy=policy).out
    told = previewed(tmp_path, [disk()], "--format", "json", policy=policy).json
    assert len(told["exemptions"]["unused"]) == 23


@pytest.mark.parametrize(
    ("bucket", "requests", "seconds"),
    [(WRITES, 0, 0), (WRITES, 200, 0), (WRITES, 201, 0.1), (WRITES, 6200, 600), (READS, 500, 10)],
)
def test_a_bucket_is_full_at_the_start(
    bucket: preview.Bucket, requests: int, seconds: float
) -> None:
    """What it holds costs no time; after that it is what flows in."""
    assert bucket.seconds(requests) == pytest.approx(seconds)


def test_the_slowest_subscription_decides() -> None:
    """Each has limits of its own, so they are done side by side."""
    found = cost({"a": 800, "b": 3200, "c": 0})
    assert found == Cost(4000, "b", 3200)
    assert (found.write_seconds, found.read_seconds, found.seconds) == (300, 118, 300)


def test_without_anything_to_revert_no_subscription_is_slowest() -> None:
    """Not even one whose resources are all compliant."""
    assert cost({"a": 0}) == cost({}) == Cost(0)
    assert cost({}).seconds == 0


def test_the_cost_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Writes, reads, and the minutes of the slowest subscription: (320 - 200) / 10 s."""
    document = [resource(f"{ONE}/g/d{number}") for number in range(320)]
    document += [resource(f"{TWO}/g/d{number}") for number in range(10)]
    last = previewed(tmp_path, document).out.splitlines()[-1]
    assert last == (
        "330 would be closed, each when it is next written: the guard does not go looking. "
        "All at once it would take 330 ARM writes and as many reads, at Azure's limits at least "
        f"0.2 minutes: the slowest subscription, {ONE}, has 320 (200 writes at once and 10 a "
        "second, 250 reads at once and 25 a second: 0.2 minutes for the writes, 0.0 minutes for "
        "the reads)."
    )
    told = previewed(tmp_path, document, "--format", "json").json["cost"]
    assert (told["writes"], told["minutes"], told["readMinutes"]) == (330, 0.2, 0.05)


HOSTILE = "\x1b[2J\x1b]0;gone\x07[bold red]anna[/] \u202eevil\nline"


@pytest.mark.parametrize(
    "tags", [{"owner": HOSTILE}, {"owner": "[/nonsense]"}, {"owner": "a" * 9999}]
)
def test_hostile_names_cannot_steer_the_terminal(tags: dict[str, str], tmp_path: Path) -> None:
    """Tags, places and IDs are text from outside: no control characters, no markup."""
    document = [
        resource(f"{ONE}/g/d", tags=tags, location=f"{HOSTILE}{'x' * 999}"),
        resource(f"{ONE}/g/e"),
        {**disk(), "id": f"/subscriptions/{HOSTILE}/resourceGroups/g/providers/a/b/c"},
    ]
    said = previewed(tmp_path, document)
    assert said.code == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said.out + said.err)
    assert clean_start(tags["owner"]) in said.out
    assert len(said.err.splitlines()) == 1


def clean_start(text: str) -> str:
    """What is left of the beginning of a text: markup as it was written."""
    return "[bold red]anna[/]" if text == HOSTILE else text[:11]


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_closed_pipe_is_no_error(form: str, tmp_path: Path) -> None:
    """`| head` that has gone already: no traceback, not a word."""
    file = write(tmp_path / "estate.json", [disk(f"d{number}") for number in range(100)])
    assert cut_off("preview", file, "--format", form, after_a_line=False) in (0, 1)


def test_piped_it_is_plain(tmp_path: Path) -> None:
    """No escape codes in a file or a log, not on standard error either."""
    file = write(tmp_path / "estate.json", [disk(), 5])
    said = process("preview", file, environ={"TERM": "xterm-256color"})
    assert said.code == 2
    assert "\x1b" not in said.out + said.err


def _on_a_terminal(*arguments: str | Path) -> tuple[str, str]:
    """Standard output, piped, and what a terminal got on standard error."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "guards", "preview", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        assert running.stdout is not None
        out = running.stdout.read().decode()
        err = b""
        try:
            while piece := os.read(ours, 65536):
                err += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            os.close(ours)
    return out, err.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals like these")
def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    """On standard error, gone when done; what is told stays, and the output is as ever."""
    file = write(tmp_path / "estate.json", [disk(), 5])
    out, err = _on_a_terminal(file)
    assert "\x1b" not in out
    assert "estate.json" in err
    assert "a resource is an object, not int" in err
    erased = err.rpartition("\x1b[2K")
    assert erased[1]
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\s", "", erased[2]) == ""
    _, err = _on_a_terminal(file, "--format", "json")
    assert "\x1b" not in err


def test_ctrl_c_shows_what_was_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked as incomplete, whatever the format; 130 as shells expect it."""

    def interrupted(file: str, progress: rows.Progress) -> Iterator[rows.Row]:
        yield rows.Row(1, "[0]", disk())
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "from_file", interrupted)
    told = previewed(tmp_path, [], "--format", "json")
    assert (told.code, told.json["complete"], told.json["resources"]["total"]) == (130, False, 1)
    said = previewed(tmp_path, [])
    assert said.code == 130
    assert said.out.endswith("\nIncomplete: interrupted before all was read.\n")


def test_memory_does_not_grow_with_the_estate(tmp_path: Path) -> None:
    """Rows are counted and forgotten: three times as many need no more than a few names."""
    peaks = []
    for count in (500, 500, 1500):  # the first fills caches
        file = tmp_path / f"{count}.jsonl"
        with file.open("w") as lines:
            for number in range(count):
                row = resource(f"{ONE}/g/d{number}", tags={"owner": "anna", "about": "x" * 1000})
                lines.write(json.dumps(row) + "\n")
        tracemalloc.start()
        assert guards("preview", file, "--format", "json").json["resources"]["total"] == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 200_000  # the rows that are more have 1 MB
