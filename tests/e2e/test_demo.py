"""`make demo` is the first thing a user sees: it must tell its whole story and say how it went."""

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import pictures

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "demo"
NAMES = ("card", "mail", "theft", "digest")
WIDTH = 100

SPOILT = {
    "GUARD_MODE": "off",
    "GUARD_POLICY": "no-such-policy.yaml",
    "GUARD_NOTIFY": "off",
    "GUARD_CHANNEL_SECOPS__teams": "http://mine",
}
"""What a user may have set. This channel would be told of as failing, and the demo fail for it."""


def _told() -> str:
    """What a run prints; files of an earlier one are gone before."""
    for name in NAMES:
        for kind in ("html", "png"):
            (FOLDER / f"{name}.{kind}").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo"],
        cwd=ROOT,
        env={**os.environ, **SPOILT},
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def the_demo_tells_its_story_and_ends_with_success(told: str) -> None:
    """Exit 0, every step as expected, the alert shown; whatever the user has set."""
    table = told.partition("What happened")[2]
    assert table.count("as expected") == 13
    assert "UNEXPECTED" not in table
    assert '"schema": "exportguard.alert/1"' in told


def the_first_scene_shows_its_card_and_its_mail(told: str) -> None:
    """Readable, without the marks that keep Markdown away, and how soon the card was there."""
    scene = told.partition("mallory opens")[2].partition("nightly-backup takes")[0]
    card, _, mail = scene.partition("  the mail:")
    assert re.search(r"the card in Teams, \d+ ms after the PUT", card)
    for line in (
        "    Export settings of payroll-data were reverted\n",
        "    networkAccessPolicy: AllowAll → DenyAll\n",
        "    Who: mallory@contoso.example (User)\n",
        "    [Open in Azure portal]  [Activity log]\n",
    ):
        assert line in card
    assert "    Subject: [Export Guard] HIGH reverted: payroll-data (disk)\n" in mail
    assert "    Export settings of payroll-data were reverted\n" in mail


def no_line_is_too_long(told: str) -> None:
    """Whatever window it is read in: IDs, links and the table as well."""
    assert [line for line in told.splitlines() if len(line) > WIDTH] == []


def a_thief_is_cut_off_in_the_middle(told: str) -> None:
    """Some bytes of all were read, the link is dead, and the guard made three calls for it."""
    theft = _theft(told)
    read = re.search(r"read: ([\d,]+) of ([\d,]+) bytes; the link answers 403 now", theft)
    assert read is not None
    some, every = (int(number.replace(",", "")) for number in read.groups())
    assert 0 < some < every == 32 << 20
    assert re.search(r"  cut off [1-9]\d* ms later", theft)
    assert "  ARM calls of the guard: GET, POST endGetAccess, GET\n" in theft
    row = re.search(r"\nmallory: a link to archive-copy +reverted +(\S+ m?s) .*as expected", told)
    assert row is not None


def the_alert_says_how_long_the_link_was_out(told: str) -> None:
    """Its exposure record is shown whole; seconds and sentence agree; the link is nowhere."""
    theft = _theft(told)
    record = re.search(r"  its exposure record.*?\n(    \{\n.*?\n    \}\n)", theft, re.DOTALL)
    assert record is not None
    exposure = json.loads(re.sub(r"\n {6,}(?![ \"])", " ", record[1]))
    assert exposure["secondsOpen"] > 0
    assert exposure["grantedAt"] < exposure["revokedAt"]
    assert exposure["stateAfter"] == "Unattached"
    assert f"in the {exposure['secondsOpen']:.1f} s it was out" in exposure["statement"]
    assert "    A SAS link to archive-copy was revoked\n" in theft
    assert "sig=" not in told


def _theft(told: str) -> str:
    return told.partition("mallory finds it")[2].partition("the guard closed three")[0]


def a_flood_is_a_handful_of_posts(told: str) -> None:
    """As many disks closed as were opened; the digest says so in a line."""
    flood = told.partition("aks-nodepool creates")[2].partition("Told so far")[0]
    assert "60 of 60 closed" in flood
    posts = re.search(r"60 disks, (\d) posts? in Teams", flood)
    assert posts is not None
    assert 1 <= int(posts[1]) <= 6
    digest = re.search(r"aks-nodepool@contoso.example opened (\d+) disks: \1 reverted in", flood)
    assert digest is not None
    assert int(digest[1]) > 50


def what_waits_for_a_mail_is_said(told: str) -> None:
    """One mail a minute: the rest of 66 alerts is counted."""
    counts = re.search(r"mail: (\d+), at most one a minute .*; (\d+) alerts wait", told)
    assert counts is not None
    sent, waiting = map(int, counts.groups())
    assert (sent, waiting) == (1, 65) or (sent > 1 and waiting < 65)


def the_pages_are_there_and_say_what_they_should(told: str) -> None:
    """Named relative to the project, each with its text in it."""
    texts = ("payroll-data", "payroll-data", "archive-copy", "aks-nodepool")
    for name, text in zip(NAMES, texts, strict=True):
        assert f"build/demo/{name}.html" in told
        assert text in (FOLDER / f"{name}.html").read_text("utf-8")


def the_pictures_are_there_or_it_is_said_how_to_get_them(told: str) -> None:
    """A desktop and a phone beside each other, as high as what is on it."""
    for name in NAMES:
        if pictures.chromium() is None:
            assert "No Chromium was found" in told
            assert f"{name}.png" not in told
            continue
        assert f"build/demo/{name}.png" in told
        content = (FOLDER / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert width == 900 + 16 + 375
        assert 300 < height < 2000
        assert len(content) > 20_000


PROMISES = (
    the_demo_tells_its_story_and_ends_with_success,
    the_first_scene_shows_its_card_and_its_mail,
    no_line_is_too_long,
    a_thief_is_cut_off_in_the_middle,
    the_alert_says_how_long_the_link_was_out,
    a_flood_is_a_handful_of_posts,
    what_waits_for_a_mail_is_said,
    the_pages_are_there_and_say_what_they_should,
    the_pictures_are_there_or_it_is_said_how_to_get_them,
)


def test_the_demo_keeps_its_promises(subtests: pytest.Subtests) -> None:
    """All of them of one run, which takes a minute: as tests, each worker would make its own."""
    told = _told()
    for promise in PROMISES:
        with subtests.test(promise.__name__):
            promise(told)
