"""The table of what a live export costs, as docs/live-exports.md has it, and the calls it means."""

import re
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "live-exports.md"
COLUMNS = ("arm", "work", "alerts", "table")

N, P = 2, 3
"""What the tests take for the letters of the table: so many copies or pipelines, and pages."""

type Calls = Counter[str]


def table(n: int = N) -> dict[str, dict[str, Calls]]:
    """Case -> column -> how many calls of each kind, with `n` for N."""
    section = (
        PAGE.read_text("utf-8").partition("## What each case costs\n")[2].partition("\n## ")[0]
    )
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {
        case: {name: _calls(cell, n) for name, cell in zip(COLUMNS, cells, strict=True)}
        for case, *cells in rows
    }


def _calls(cell: str, n: int) -> Calls:
    """`1+N GET, 2 reads` as numbers."""
    found: Calls = Counter()
    for part in cell.split(", ") if cell != "0" else ():
        match = re.fullmatch(r"([\dNP+]+) (\w+?)s?", part)
        assert match is not None, f"{part!r} is no number of calls"
        values = {"N": n, "P": P}
        found[match[2]] = sum(values.get(one) or int(one) for one in match[1].split("+"))
    return found
