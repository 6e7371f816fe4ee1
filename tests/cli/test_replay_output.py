"""What `replay` shows: tables that fit, names that cannot steer, rows as they come."""

import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from guards.cli import memory as memories
from guards.cli import rows
from guards.cli.replay import Would
from guards.engine.model import Body
from tests.cli.command import HOSTILE, cut_off, write
from tests.cli.replays import outcomes, raw, replayed, run
from tests.engine.samples import DISK_ID, DISK_WRITE, GROUP, REGISTRY_WRITE, disk, event


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def on_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, events: list[Any], *bodies: Body
) -> str:
    """The table as a person sees it."""
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen)
    run(tmp_path, events, *bodies)
    return screen.getvalue()


def without_colours(text: str) -> str:
    """What is left of it without the colours that this program writes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_table_fits_the_terminal(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns stand where they stood, and nothing is cut: long texts are folded."""
    long = event(resource=f"{DISK_ID}-{'x' * 100}")
    wide = event(REGISTRY_WRITE, f"{GROUP}/providers/Microsoft.Web/sites/数据数据数据数据数据数据")
    seen = on_terminal(tmp_path, monkeypatch, width, [event(), long, wide], disk())
    assert "\x1b[31m" in seen
    lines = without_colours(seen).splitlines()
    table = lines[: lines.index("")]
    assert not [line for line in table if cell_len(line) > max(width, 80)]
    assert table[0].split() == ["TIME", "OPERATION", "RESOURCE", "CALLER", "OUTCOME", "WHAT"]
    starts = {line.index("2026-03-01") for line in table if "2026-03-01" in line}
    assert starts == {0}
    assert sum(line.count("x") for line in table) >= 100


def hostile(text: str) -> list[Any]:
    """Events that carry a text wherever one is shown."""
    upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
    return [
        event(id=text, claims={upn: text}),
        event(claims={"appid": text}, authorization={}),
        event(text, DISK_ID),
        event(f"{DISK_WRITE}{text}", f"{DISK_ID}{text}"),
        event(resource=f"{DISK_ID}/{text}"),
        {**event(), "eventTime": text},
        {"eventType": text, "subject": text, "data": {"claims": {upn: text}}},
        {"id": text},
        text,
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", ["table", "json"])
def test_names_cannot_steer_the_terminal(text: str, form: str, tmp_path: Path) -> None:
    """Events come from others; markup is text, control characters are gone."""
    resources = [disk(networkAccessPolicy=text), {"id": text}, {"id": f"{DISK_ID}{text}"}]
    said = replayed(tmp_path, hostile(text), *resources, form=form)
    assert said.code == 2
    assert (raw(said.out), raw(said.err)) == ([], [])
    if form == "table":
        assert len(said.out.splitlines()) == 1 + len(hostile(text)) + 5
        assert ("[bold red]" in said.out) == ("markup" in text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nor_where_there_is_one(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal only the outcomes have colours, and they are ours."""
    seen = on_terminal(tmp_path, monkeypatch, 150, hostile(text), disk())
    assert raw(without_colours(seen)) == []
    assert set(re.findall(r"\x1b\[([0-9;]*)m", seen)) <= {
        "",
        "0",
        "1",
        "31",
        "32",
        "33",
        "35",
        "36",
    }


def test_rows_come_while_events_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of a whole week need not be over before the first line."""
    read = rows.from_file
    seen: list[int] = []

    def slowly(file: str) -> Iterator[rows.Row | rows.Bad]:
        for item in read(file):
            yield item
            if file.endswith("events"):
                seen.append(capsys.readouterr().out.count("would be reverted"))

    monkeypatch.setattr(rows, "from_file", slowly)
    run(tmp_path, [event()] * 3, disk())
    assert seen == [1, 1, 1]


def test_the_engines_log_stays_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is for operators of the app; afterwards it goes where it went."""
    log = logging.getLogger("guards.engine.reconcile")
    read = memories.Arm.get

    async def noisy(self: memories.Arm, *args: Any) -> Body:
        log.error("something")
        return await read(self, *args)

    monkeypatch.setattr(memories.Arm, "get", noisy)
    said = replayed(tmp_path, [event()], disk())
    assert (outcomes(said), said.err, caplog.records) == ([Would.REVERTED], "", [])
    log.error("something else")
    assert [record.message for record in caplog.records] == ["something else"]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`| head -n 1`: no traceback, not a word."""
    files = [write(tmp_path / "e", [event()] * 2000), write(tmp_path / "r", [disk()])]
    assert cut_off("replay", files[0], "--resources", files[1]) == 0
