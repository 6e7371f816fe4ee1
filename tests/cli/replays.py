"""Replays of events on resources, with everything in files; and an exemption to try them with.

Events and resources have the shapes of `tests.engine.samples`.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

from guards import GUARDS
from guards.cli import replay
from guards.engine import policy
from tests.cli.command import Said, guards, write
from tests.engine.samples import GROUP, event

CLOSING = {"properties": {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}}
EXEMPT_ID = f"{GROUP}/providers/Microsoft.Compute/disks/archive"
SITE_WRITE, SITE_ID = "Microsoft.Web/sites/write", f"{GROUP}/providers/Microsoft.Web/sites/shop"

EXEMPTION = f"""\
version: 1
exemptions:
  - scope: {EXEMPT_ID}
    rules: [networkAccessPolicy, publicNetworkAccess]
    reason: nightly copy
    owner: backup@contoso.example
    approved_by: security@contoso.example
    ticket: CHG0042
    expires_on: 2026-03-01T12:00:00Z
"""


def at(time: object, **parts: Any) -> dict[str, Any]:
    """An event of the exempt disk at another time."""
    return {**event(resource=EXEMPT_ID, **parts), "eventTime": time}


def replayed(
    tmp_path: Path,
    events: object,
    *resources: Any,
    rules: str = "version: 1\n",
    principal_id: str = "",
    form: str = "json",
) -> Said:
    """The command, with everything in files; events as they are if they are bytes."""
    recorded = tmp_path / "events.json"
    recorded.write_bytes(events if isinstance(events, bytes) else json.dumps(events).encode())
    (tmp_path / "policy.yaml").write_text(rules, encoding="utf-8")
    return guards(
        "replay", recorded,
        "--resources", write(tmp_path / "resources.json", list(resources)),
        "--policy", tmp_path / "policy.yaml",
        "--principal-id", principal_id,
        "--format", form,
    )  # fmt: skip


def run(tmp_path: Path, events: list[Any], *resources: Any) -> int:
    """The table, without the command line around it."""
    recorded = str(write(tmp_path / "events", events))
    estate = str(write(tmp_path / "resources", resources))
    return replay.run(recorded, estate, policy.default(GUARDS), principal_id="", as_json=False)


def outcomes(said: Said) -> list[str]:
    """Of every event."""
    return [line["outcome"] for line in said.json]


_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def raw(text: str) -> list[str]:
    """Characters that can steer a terminal, or be half of one."""
    steering = (c for c in text if c != "\n")
    return [
        c
        for c in steering
        if unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in _DIRECTIONS
    ]
