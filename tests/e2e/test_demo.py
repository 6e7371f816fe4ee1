"""`make demo` is the first thing a user sees: it must tell its whole story and say how it went."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_tells_its_story_and_ends_with_success() -> None:
    """Exit 0, every step as expected, the alert shown; whatever GUARD_MODE the user has set."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("What happened")[2]
    assert table.count("as expected") == 7
    assert "NOT AS EXPECTED" not in table
    assert '"schema": "exportguard.alert/1"' in done.stdout
