"""`notify render`: a page of what would be sent, or a line that says what is wrong where."""

import argparse
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from guards.cli import notify
from guards.cli.notify_samples import SAMPLES
from guards.engine.notify import card
from tests.cli.command import ROOT, guards, write
from tests.engine.notify.samples import HOSTILE, alert, named
from tests.fakes import START


@dataclass(frozen=True)
class Said:
    """What came out, and the page if one was written."""

    code: int
    out: str
    err: str
    page: str


@dataclass
class Render:
    """The action with a folder to write into."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, alerts: str | Path, page: Path | None = None) -> Said:
        parser = argparse.ArgumentParser()
        notify.add(parser.add_subparsers())
        page = page or self.folder / "page.html"
        options = parser.parse_args(["notify", "render", str(alerts), "--html", str(page)])
        code = options.run(options)
        out, err = self.capture.readouterr()
        return Said(code, out, err, page.read_text("utf-8") if page.exists() else "")

    def of(self, document: object) -> Said:
        """Render this JSON."""
        return self(write(self.folder / "alert.json", document))


@pytest.fixture
def render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Render:
    """The action, in a folder of its own."""
    return Render(tmp_path, capsys)


def test_one_alert_becomes_a_page(render: Render) -> None:
    """Subject, mail, text and card, with their sizes."""
    said = render.of(alert())
    assert (said.code, said.err) == (0, "")
    assert re.search(r"page\.html: 1 alert, mail [\d,]+ bytes, card [\d,]+ bytes\n", said.out)
    assert "<h1>[Export Guard] HIGH reverted: ledger-disk (disk)</h1>" in said.page
    assert '<iframe sandbox title="Mail" srcdoc="&lt;!DOCTYPE html&gt;' in said.page
    assert re.search(r"Teams <small>card, [\d,]+ of 28,000 bytes</small>", said.page)
    assert '<a href="https://portal.azure.com/#@/resource/subscriptions/' in said.page


def test_a_list_is_a_digest(render: Render) -> None:
    """With the file that the mail has attached."""
    said = render.of([alert(alertId="1"), alert(alertId="2")])
    assert said.code == 0
    assert said.out.partition(": ")[2].startswith("2 alerts, ")
    assert "Alice opened 1 disk (2 alerts): 2 reverted in 2 s" in said.page
    assert re.search(r"<h2>alerts\.csv <small>attached, \d+ bytes</small></h2>", said.page)
    assert "<summary>Alert IDs</summary>" in said.page


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        ("plain", "A sample: no resource was read, and nothing was changed."),
        ("revoked-link", "A SAS link to test-of-export-guard was revoked"),
    ],
)
def test_a_sample_needs_no_file(tmp_path: Path, sample: str, shown: str) -> None:
    """For whoever has no alert yet."""
    page = tmp_path / "page.html"
    said = guards("notify", "render", "--sample", sample, "--html", page)
    assert (said.code, said.err) == (0, "")
    assert shown in page.read_text("utf-8")


def test_the_sample_of_a_link_says_how_long_it_was_out(tmp_path: Path) -> None:
    """In the mail, in its plain text, and on the card."""
    page = tmp_path / "page.html"
    guards("notify", "render", "--sample", "revoked-link", "--html", page)
    assert page.read_text("utf-8").count("Link out for 47 s. The link was revoked.") == 3


@pytest.mark.parametrize("arguments", [(), ("x.json", "--sample", "plain"), ("--sample", "odd")])
def test_it_is_either_a_file_or_a_sample(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Exit 2, and no page."""
    page = tmp_path / "page.html"
    said = guards("notify", "render", *arguments, "--html", page)
    assert said.code == 2
    assert "--sample" in said.err
    assert not page.exists()


def test_every_sample_fits_the_published_schema() -> None:
    """It looks like what the guard posts."""
    schema = json.loads((ROOT / "docs" / "alert.schema.json").read_text("utf-8"))
    for sample in SAMPLES.values():
        jsonschema.validate(json.loads(json.dumps(sample(START).message())), schema)


def test_more_alerts_than_a_card_holds_are_cut_as_the_channel_would(render: Render) -> None:
    """The card says that others follow."""
    said = render.of([alert(alertId=f"{n:064x}") for n in range(card.MOST_ALERTS + 1)])
    assert f"digest of {card.MOST_ALERTS} alerts" in said.page
    assert f"digest of {card.MOST_ALERTS + 1} alerts" in said.page
    assert said.page.count("Other alerts wait and follow.") == 1


def test_standard_input_is_read(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the other commands do."""
    entry = io.TextIOWrapper(io.BytesIO(json.dumps(alert()).encode()))
    monkeypatch.setattr(sys, "stdin", entry)
    assert render("-").code == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_the_page_runs_nothing_whatever_the_names(render: Render, name: str) -> None:
    """Its own rules allow no script and no address, and no name adds one."""
    page = render.of(named(name)).page
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert not re.search(r"<(script|img|b|i)\b", page)
    assert set(re.findall(r'<a href="([^"]*)"', page)) == set()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{\n"a": }', "line 2, column 6: Expecting value"),
        (b"\xff", "line 1: not UTF-8: invalid start byte"),
        (b"", "line 1, column 1: Expecting value"),
        (b"7", "an object is needed, not int"),
        (b'[{}, "x"]', "alerts[1]: an object is needed, not str"),
        (b"[]", "an empty list; one alert at least is needed"),
        (b"[" * 100_000, "not readable as JSON: "),
        (b"1" * 5000, "not readable as JSON: "),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    render: Render, content: bytes, why: str
) -> None:
    """One line, exit 2, no page."""
    file = render.folder / "alert.json"
    file.write_bytes(content)
    said = render(file)
    assert (said.code, said.out, said.page) == (2, "", "")
    assert said.err.startswith(f"{file}: {why}")
    assert said.err.count("\n") == 1


def test_a_file_that_is_not_there_is_named(render: Render) -> None:
    """Exit 2 as for everything that cannot be read."""
    said = render(render.folder / "nothing.json")
    assert said.code == 2
    assert said.err.endswith("nothing.json: cannot be read: No such file or directory\n")


def test_a_page_that_cannot_be_written_is_named(render: Render) -> None:
    """A folder that is not there."""
    file = write(render.folder / "alert.json", alert())
    said = render(file, render.folder / "nowhere" / "page.html")
    assert said.code == 2
    assert said.err.endswith("page.html: cannot be written: No such file or directory\n")


def test_a_line_for_each_alert_is_a_list_of_them(render: Render) -> None:
    """As a loop over a queue's messages writes them."""
    lines = "\n".join(json.dumps(alert(alertId=f"{n:064x}")) for n in range(3))
    file = render.folder / "alerts.jsonl"
    file.write_text(lines + "\n", "utf-8")
    said = render(file)
    assert said.code == 0
    assert "3 alerts" in said.out
