"""`policy check` of what has an end: what has expired is a mistake, what soon will is a note."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Said, guards
from tests.engine.policies import BACKUP_ID, BOTH_RULES, SCANNER_ID, exemption, exporter
from tests.engine.samples import GROUP

NOW = "2026-03-01T12:00:00Z"
WORDS = ("exemption", "exporter")


def checked(folder: Path, *options: str, **keys: Any) -> Said:
    """The answer to a policy of these keys, an entry a line."""
    lines = ["version: 1"]
    for key, entries in keys.items():
        lines += [f"{key}:", *(f"- {json.dumps(entry)}" for entry in entries)]
    path = folder / "policy.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return guards("policy", "check", path, "--at", NOW, *options)


def test_what_has_expired_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    """Exporters as exemptions, in the order of the file."""
    gone, left = {"expires_on": "2026-03-01"}, {"expires_on": "2026-12-31"}
    said = checked(
        tmp_path,
        exporters=[exporter(**left), exporter(**gone)],
        exemptions=[exemption(**gone), exemption(**left), exemption(**gone)],
    )
    end = (
        "expired at 2026-03-01T00:00:00.000Z and counts no more; take it out, or have a new date "
        "approved"
    )
    file = tmp_path / "policy.yaml"
    assert (said.code, said.err) == (2, "")
    assert said.out.splitlines() == [
        f"{file}:4: exporters[1].expires_on: {end}",
        f"{file}:6: exemptions[0].expires_on: {end}",
        f"{file}:8: exemptions[2].expires_on: {end}",
    ]


@pytest.mark.parametrize(
    ("expires_on", "noted"),
    [
        ("2026-03-01T12:00:01Z", True),
        ("2026-03-16T12:00:00Z", True),
        ("2026-03-16T12:00:01Z", False),
    ],
)
def test_what_ends_within_fifteen_days_is_noted(
    expires_on: str, noted: bool, tmp_path: Path
) -> None:
    """Nothing is wrong yet, so the exit code is 0."""
    said = checked(
        tmp_path,
        exemptions=[exemption(expires_on=expires_on)],
        exporters=[exporter(), exporter(expires_on=expires_on)],
    )
    good, *notes = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert ": good: 0 scopes, 1 exemptions, 2 exporters, SHA-256 " in good
    file, end = tmp_path / "policy.yaml", expires_on.replace("Z", ".000Z")
    told = [f"{file}: note: the {what} of {GROUP} expires at {end}" for what in WORDS]
    assert notes == (told if noted else [])


def test_a_pipeline_reads_the_same_as_json(tmp_path: Path) -> None:
    """With all that the entry says."""
    end = {"expires_on": "2026-03-10"}
    entry = exporter(principals=[SCANNER_ID.upper(), BACKUP_ID], hours=48, **end)
    said = checked(
        tmp_path, "--format", "json", exemptions=[exemption(**end)], exporters=[entry, exporter()]
    )
    (found,) = said.json
    assert (found["exemptions"], found["exporters"], found["mistakes"]) == (1, 2, [])
    assert [one["rules"] for one in found["expiringSoon"]] == [list(BOTH_RULES)]
    assert found["exportersExpiringSoon"] == [
        {
            "principals": [SCANNER_ID, BACKUP_ID],
            "scope": GROUP,
            "purpose": "nightly backup",
            "owner": "backup-team",
            "expiresOn": "2026-03-10T00:00:00.000Z",
            "hours": 48,
        }
    ]
