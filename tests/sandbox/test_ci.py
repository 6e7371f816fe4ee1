"""The gate's script, with stand-ins for the programs that it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
UPDATE = "apt-get noninteractive update"
INSTALL = (
    "apt-get noninteractive install -y --no-install-recommends "
    "chromium fonts-liberation fonts-noto-color-emoji"
)
MADE = ["make 1 test", "make 1 check", "make 1 demo"]

APT = """
echo "apt-get $DEBIAN_FRONTEND $*" >> log
[ -e failures ] || exit 0
read -r left < failures
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) > failures
exit 100
"""


class Gate:
    """A copy of the script in a folder where nothing is real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = folder / "bin"
        self._programs.mkdir()
        for real in ("bash", "dirname", "env"):
            found = shutil.which(real)
            assert found is not None
            (self._programs / real).symlink_to(found)
        self.program("make", 'echo "make $EXPORT_GUARD_NEEDS_CHROMIUM $*" >> log')
        self.program("apt-get", APT)
        self.program("sudo", 'echo sudo >> log; exec "$@"')
        self.program("id", "echo 0")
        (folder / ".ci").mkdir()
        shutil.copy(SCRIPT, folder / ".ci" / "run")

    def program(self, name: str, text: str) -> None:
        """A stand-in of that name."""
        path = self._programs / name
        path.write_text(f"#!{self._programs / 'bash'}\n{text}\n")
        path.chmod(0o755)

    def run(self, failures: int = 0) -> tuple[int, str, list[str]]:
        """Exit code, complaints, and what was called; the first `failures` of apt-get fail."""
        (self.folder / "failures").write_text(f"{failures}\n")
        ended = subprocess.run(
            [self.folder / ".ci" / "run"],
            cwd="/",
            env={"PATH": str(self._programs), "LC_ALL": os.environ.get("LC_ALL", "C")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        log = self.folder / "log"
        return ended.returncode, ended.stderr, log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """The script without a browser, as root."""
    return Gate(tmp_path)


def test_with_chromium_nothing_is_installed(gate: Gate) -> None:
    """The tests, the checks and the demo run, and may not skip what needs it."""
    gate.program("chromium", "exit 1")
    assert gate.run() == (0, "", MADE)


def test_chromium_is_installed_first(gate: Gate) -> None:
    """Without a question, with fonts for what is drawn."""
    assert gate.run() == (0, "", [UPDATE, INSTALL, *MADE])


def test_who_is_not_root_asks_sudo(gate: Gate) -> None:
    """For both steps."""
    gate.program("id", "echo 1000")
    assert gate.run() == (0, "", ["sudo", UPDATE, "sudo", INSTALL, *MADE])


def test_an_installation_that_fails_is_tried_again(gate: Gate) -> None:
    """Once, from its first step."""
    assert gate.run(failures=1) == (0, "", [UPDATE, UPDATE, INSTALL, *MADE])


def test_without_chromium_the_gate_is_closed(gate: Gate) -> None:
    """It says why and makes nothing."""
    code, complaints, log = gate.run(failures=9)
    assert (code, log) == (1, [UPDATE, UPDATE])
    assert "chromium could not be installed" in complaints


@pytest.mark.parametrize("target", ["test", "check", "demo"])
def test_a_target_that_fails_closes_the_gate(gate: Gate, target: str) -> None:
    """Nothing after it is made."""
    gate.program("chromium", "exit 1")
    gate.program("make", f'echo "make 1 $*" >> log; [ "$1" != {target} ]')
    code, _, log = gate.run()
    assert code != 0
    assert log == MADE[: MADE.index(f"make 1 {target}") + 1]
