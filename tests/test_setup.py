"""scripts/setup.sh: does nothing when nothing changed, and says in one line what is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = (
    "scripts/setup.sh",
    "requirements-dev.txt",
    "sandbox/node/package.json",
    "sandbox/node/package-lock.json",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that set-up needs, in a folder of their own."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(checkout: Path, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run set-up with a home of its own; output and exit code."""
    return subprocess.run(
        ["/bin/sh", str(checkout / "scripts/setup.sh")],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fake_python(folder: Path, version: str) -> str:
    """A folder for PATH whose Pythons are of another version."""
    folder.mkdir()
    for name in ("python3.13", "python3", "python"):
        script = folder / name
        answer = f'[ "$1" = --version ] && echo "Python {version}" && exit 0'
        script.write_text(f"#!/bin/sh\n{answer}\nexit 1\n")
        script.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_python_that_is_too_old_is_named(checkout: Path) -> None:
    """One line: what is needed, what was found, what to do."""
    done = setup(checkout, checkout, PATH=fake_python(checkout / "bin", "3.9.2"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "needs Python 3.13, found Python 3.9.2" in line
    assert "PYTHON=" in line


def test_a_wrong_choice_of_python_is_named(checkout: Path) -> None:
    """PYTHON=... that is no Python 3.13 is not used silently."""
    done = setup(checkout, checkout, PYTHON="/bin/true-is-no-python")
    assert done.returncode == 1
    assert "PYTHON=/bin/true-is-no-python is not a Python 3.13" in done.stderr


def test_without_a_network_one_line_says_so(checkout: Path) -> None:
    """The package index cannot be reached: said in one line, details in the log."""
    done = setup(
        checkout,
        checkout,
        PYTHON=str(ROOT / ".venv/bin/python"),
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
        PIP_TIMEOUT="2",
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "package index reachable" in line
    assert (checkout / "build/setup.log").read_text()


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    """In this checkout everything is there: set-up is silent."""
    done = setup(ROOT, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_installed_that_reports_to_anybody() -> None:
    """Azurite loads a telemetry client, switched off or not: an empty package stands for it."""
    lock = json.loads((ROOT / "sandbox/node/package-lock.json").read_text("utf-8"))
    found = {name: kind for name, kind in lock["packages"].items() if "applicationins" in name}
    assert found == {"node_modules/applicationinsights": {"resolved": "no-telemetry", "link": True}}
