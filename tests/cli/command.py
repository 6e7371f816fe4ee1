"""Runs `python -m guards` as a person or a pipeline does, and resources to give it."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guards.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-data/providers"


@dataclass(frozen=True)
class Said:
    """What came out."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)


def guards(*arguments: str | Path, stdin: bytes = b"") -> Said:
    """One command, within this process: a tenth of a second instead of a whole one."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    entry = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdin", entry)
        patched.setattr(sys, "stdout", out)
        patched.setattr(sys, "stderr", err)
        try:
            code: object = main([str(argument) for argument in arguments])
        except SystemExit as e:  # of argparse
            code = e.code
    assert isinstance(code, int) or code is None
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Said(code or 0, *texts)


def process(
    *arguments: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> Said:
    """One command as a pipeline runs it; a traceback is never an answer."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "guards", *map(str, arguments)],
        cwd=ROOT,
        input=stdin,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        check=False,
    )
    err = run.stderr.decode(errors="replace")
    assert "Traceback" not in err, err
    return Said(run.returncode, run.stdout.decode(errors="replace"), err)


def cut_off(*arguments: str | Path, after_a_line: bool = True) -> int:
    """One command whose reader goes away, as `| head -n 1`: not a word, and the exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "guards", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        if after_a_line:
            assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        return running.wait()


HOSTILE = [
    "\x1b]0;owned\x07\x1b[31mred",
    "\x9b31mred",
    "\u202egnp.exe",
    "[bold red]markup[/bold red] [/] [link=https://evil.example]x[/link]",
    "\ud800half",
    "a\r\nb\x00c\x7f",
]
"""Names that want to steer a terminal, or rich's markup, or are half of a character."""


def disk(name: str = "ledger", **properties: Any) -> dict[str, Any]:
    """A disk as ARM shows it; open unless told otherwise."""
    settings = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled", **properties}
    return {
        "id": f"{GROUP}/Microsoft.Compute/disks/{name}",
        "name": name,
        "type": "Microsoft.Compute/disks",
        "location": "westeurope",
        "properties": {"diskState": "Unattached", **settings},
    }


def closed(name: str = "shut") -> dict[str, Any]:
    """A disk that the policy accepts."""
    return disk(name, networkAccessPolicy="DenyAll", publicNetworkAccess="Disabled")


def flattened(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The form of `az disk list`: properties beside id and type."""
    outer = {key: value for key, value in resource.items() if key != "properties"}
    return {**outer, **resource["properties"], "resourceGroup": "rg-data", "zones": None}


def write(path: Path, document: Any) -> Path:
    """A file with this JSON."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
