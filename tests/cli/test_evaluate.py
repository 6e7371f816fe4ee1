"""`python -m guards evaluate`: every form of input, exit codes, the shape of the JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import GROUP, closed, cut_off, disk, flattened, guards, process, write

FORMS: dict[str, Any] = {
    "one resource": disk(),
    "a list": [disk()],
    "az disk list": [flattened(disk())],
    "az disk show": flattened(disk()),
    "Resource Graph": {"count": 1, "data": [disk()], "skip_token": None, "total_records": 1},
    "ARM list": {"value": [disk()], "nextLink": None},
    "lower-case type": {**disk(), "type": "microsoft.compute/disks"},
    "no type": {key: value for key, value in disk().items() if key != "type"},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_input_is_understood(form: str, tmp_path: Path) -> None:
    """What az and ARM write can be given as it is."""
    said = guards("evaluate", write(tmp_path / "in.json", FORMS[form]), "--format", "json")
    assert (said.code, said.err) == (1, "")
    (verdict,) = said.json
    assert f"{GROUP}/Microsoft.Compute/disks/ledger" == verdict["resourceId"]
    assert verdict["complianceState"] == "NonCompliant"
    closing = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    assert [{"step": "patch", "body": {"properties": closing}}] == verdict["plan"]


def test_children_of_a_flattened_registry_are_read(tmp_path: Path) -> None:
    """`az acr list` flattens private endpoint connections, too: an approved one is seen."""
    registry = {
        "id": f"{GROUP}/Microsoft.ContainerRegistry/registries/acr",
        "type": "Microsoft.ContainerRegistry/registries",
        "sku": {"name": "Premium"},
        "publicNetworkAccess": "Enabled",
        "privateEndpointConnections": [
            {
                "id": f"{GROUP}/Microsoft.ContainerRegistry/registries/acr/x/y",
                "privateLinkServiceConnectionState": {"status": "Approved"},
            }
        ],
    }
    file = write(tmp_path / "in.json", [registry])
    (verdict,) = guards("evaluate", file, "--format", "json").json
    assert (verdict["blocked"], len(verdict["plan"])) == (None, 1)


def test_the_json_has_exactly_the_promised_shape(tmp_path: Path) -> None:
    """Programs are written against it."""
    registry = {
        "id": f"{GROUP}/Microsoft.ContainerRegistry/registries/acr",
        "type": "Microsoft.ContainerRegistry/registries",
        "sku": {"name": "Basic"},
        "properties": {"privateEndpointConnections": []},
    }
    said = guards("evaluate", write(tmp_path / "in.json", [closed(), registry]), "--format", "json")
    shut, blocked = said.json
    assert {
        "resourceId": f"{GROUP}/Microsoft.Compute/disks/shut",
        "resourceType": "Microsoft.Compute/disks",
        "complianceState": "Compliant",
        "findings": [],
        "plan": [],
        "blocked": None,
        "exemption": None,
    } == shut
    assert list(shut) == list(blocked)
    assert blocked["findings"] == [
        {
            "rule": "exportPolicy",
            "path": "properties.policies.exportPolicy.status",
            "actual": None,
            "desired": "disabled",
            "severity": "high",
        },
        {
            "rule": "publicNetworkAccess",
            "path": "properties.publicNetworkAccess",
            "actual": None,
            "desired": "Disabled",
            "severity": "high",
        },
    ]
    assert blocked["plan"] == []
    assert "tier is Basic" in blocked["blocked"]


def test_the_severity_is_that_of_the_finding(tmp_path: Path) -> None:
    """By what the resource shows, in JSON and in the table."""
    file = write(tmp_path / "in.json", disk(networkAccessPolicy="DenyAll"))
    (verdict,) = guards("evaluate", file, "--format", "json").json
    assert [one["severity"] for one in verdict["findings"]] == ["low"]
    said = guards("evaluate", file).out
    assert "publicNetworkAccess is Enabled, not Disabled (low)" in said


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ([closed()], 0),
        ([], 0),
        ({"data": []}, 0),
        ([closed(), disk()], 1),
        ([closed(), 5], 2),
        ([disk(), {}], 2),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_the_exit_code_tells_what_was_found(
    document: Any, code: int, form: str, tmp_path: Path
) -> None:
    """0 all compliant, 1 something is not, 2 something could not be read."""
    assert code == guards("evaluate", write(tmp_path / "a", document), "--format", form).code


@pytest.mark.parametrize(("document", "code"), [(closed(), 0), (disk(), 1), (5, 2)])
def test_the_process_ends_with_that_code(document: Any, code: int, tmp_path: Path) -> None:
    """As a pipeline sees it."""
    assert code == process("evaluate", write(tmp_path / "in.json", document)).code


def test_a_finding_in_audit_mode_is_not_compliant(tmp_path: Path) -> None:
    """The policy decides what is done, not what is so."""
    rules = "{networkAccessPolicy: {mode: audit}, publicNetworkAccess: {mode: audit}}"
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\nresources: {{Microsoft.Compute/disks: {rules}}}\n")
    file = write(tmp_path / "in.json", disk())
    said = guards("evaluate", file, "--policy", policy, "--format", "json")
    (verdict,) = said.json
    assert (said.code, len(verdict["findings"]), verdict["plan"]) == (1, 2, [])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_standard_input_is_a_file_too(start: bytes) -> None:
    """With the byte order mark that PowerShell puts in front."""
    said = process("evaluate", "-", "--format", "json", stdin=start + json.dumps(disk()).encode())
    assert (said.code, said.err) == (1, "")
    assert len(said.json) == 1


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    """Files from Windows begin with one."""
    file = tmp_path / "in.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(closed("größe")).encode())
    assert guards("evaluate", file).code == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("form", ["table", "json"])
def test_names_come_out_whatever_the_terminal_can_write(
    encoding: str, form: str, tmp_path: Path
) -> None:
    """A pipe on Windows is not UTF-8; the verdict counts, not the letters."""
    file = write(tmp_path / "in.json", {**disk("ledger"), "id": f"{disk()['id']}-数据\u2028"})
    said = process("evaluate", file, "--format", form, environ={"PYTHONIOENCODING": encoding})
    assert said.code == 1
    assert "ledger" in said.out


def test_types_that_are_not_guarded_are_left_out_with_a_note(tmp_path: Path) -> None:
    """A whole subscription can be given."""
    others = [{"id": f"{GROUP}/Microsoft.Web/sites/a", "type": "Microsoft.Web/sites"}] * 2
    said = guards("evaluate", write(tmp_path / "in.json", [*others, closed()]), "--format", "json")
    assert (said.code, len(said.json)) == (0, 1)
    assert "2 resources of types that are not guarded were left out" in said.err


def test_the_table_says_what_is_open_and_what_the_guard_would_do(tmp_path: Path) -> None:
    """Read by a person: names, findings, the PATCH, and a count."""
    said = guards("evaluate", write(tmp_path / "in.json", [disk(), closed()]))
    assert said.code == 1
    assert "networkAccessPolicy is AllowAll, not DenyAll (high)" in said.out
    assert "PATCH" in said.out
    assert "2 resources, 1 not compliant" in said.out
    assert "\x1b" not in said.out


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_that_has_seen_enough_is_no_error(form: str, tmp_path: Path) -> None:
    """`| head -n 1` on hundreds of resources: no traceback, not a word."""
    file = write(tmp_path / "in.json", [disk(f"d{i}") for i in range(500)])
    assert cut_off("evaluate", file, "--format", form) in (0, 1)


@pytest.mark.parametrize(
    ("mode", "why"), [("enforce", "nobody knows who took"), ("audit", "audit")]
)
def test_a_link_that_is_out_is_told_with_why_it_is_left(
    mode: str, why: str, tmp_path: Path
) -> None:
    """A file does not say who took it; what the policy only reports is called so."""
    rules = f"resources: {{Microsoft.Compute/disks: {{liveExport: {{mode: {mode}}}}}}}"
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\n{rules}\n")
    body = closed()
    body["properties"]["diskState"] = "ActiveSAS"
    said = guards("evaluate", write(tmp_path / "disk.json", body), "--policy", policy)
    assert (said.code, "alert only (" + why in said.out) == (1, True)
