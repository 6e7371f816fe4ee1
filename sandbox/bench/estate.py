"""Estates: previews of thousands of resources from a file, and what one decision costs.

Each preview is a process of its own, and so is its floor, which only parses the same lines. Files
are written into a temporary folder: rows as Azure Resource Graph returns them, one a line.
"""

import json
import statistics
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sandbox.bench import timed
from sandbox.bench.contenders import BenchError
from sandbox.bench.estates import policy_of, rows
from sandbox.bench.plans import Plan
from sandbox.bench.timed import Used
from sandbox.bench.trial import Ratio, ratio

TARGET_S = 20.0
TARGET_MB = 300.0
TARGET_LINEAR = 1.3
TARGET_US = 50.0

_ENTRIES = 500
"""Scopes, and exemptions, of the large policy."""

_FLOOR = """
import json, sys
for line in open(sys.argv[1], "rb"):
    json.loads(line)
"""

_DECIDE = """
import json, sys, time
from datetime import UTC, datetime
from guards import GUARDS
from guards.engine.catalogue import by_type
from guards.engine.decide import decide
from guards.engine.ids import ResourceId
from guards.engine.model import Mode
from guards.engine.policy import parse

policy, rows, rounds = open(sys.argv[1]).read(), open(sys.argv[2]).readlines(), int(sys.argv[3])
now = datetime.now(UTC)
policy = parse(policy, GUARDS, now)
print(len(policy.layers) - 1, len(policy.exemptions))
for _ in range(rounds):
    clock = [time.process_time()]
    read = [(body := json.loads(row), ResourceId.parse(body["id"])) for row in rows]
    clock.append(time.process_time())
    work = [(guard, id, body) for body, id in read if (guard := by_type(GUARDS).get(body["type"]))]
    clock.append(time.process_time())
    for guard, id, body in work:
        decide(guard, id, body, policy, Mode.ENFORCE, now)
    clock.append(time.process_time())
    print((clock[1] - clock[0]) / len(rows) * 1e6, (clock[3] - clock[2]) / len(work) * 1e6)
"""
"""Microseconds for reading a row and for deciding about it, a line for each round."""


@dataclass(frozen=True, slots=True)
class Preview:
    """`preview` of so many rows, medians of rounds; with 0 rows it is the start of the process."""

    rows: int
    file_mb: float
    seconds: float
    cpu_s: float
    rss_mb: float
    """At its highest, in MB (10^6 bytes)."""
    rows_per_s: float
    floor_s: float
    """A bare process that parses the same lines."""
    floor_rss_mb: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Microseconds of CPU per resource under one policy, medians of rounds."""

    scopes: int
    exemptions: int
    read_us: float
    """The row and its ID parsed."""
    decide_us: float
    low_us: float
    high_us: float


@dataclass(frozen=True, slots=True)
class EstateResult:
    """The section's figures."""

    previews: list[Preview]
    decisions: list[Decision]
    ratios: list[Ratio]


async def measure(plan: Plan) -> EstateResult:
    """Every size in rounds, preview and floor by turns; then single decisions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = (0, *plan.estate_rows)
        files = {count: _written(folder / f"{count}.jsonl", count) for count in counts}
        files[0].write_text("[]")
        seen: dict[int, list[tuple[Used, Used]]] = {count: [] for count in counts}
        for _ in range(plan.estate_rounds):
            for count, file in files.items():
                seen[count].append((await _preview(file, count), await _floor(file)))
        previews = [_medians(count, file, seen[count]) for count, file in files.items()]
        rows = _written(folder / "decide.jsonl", plan.decide_rows)
        decisions = []
        for entries in (0, _ENTRIES):
            policy = folder / f"policy-{entries}.yaml"
            policy.write_text(json.dumps(policy_of(entries)))  # which is YAML, too
            decisions.append(await _decisions(policy, rows, plan))
    mine = {count: [used for used, _ in pairs] for count, pairs in seen.items()}
    return EstateResult(previews, [one for one, _ in decisions], _ratios(mine, decisions[-1][1]))


def _ratios(mine: dict[int, list[Used]], decided: list[float]) -> list[Ratio]:
    *_, few, many = mine
    start = statistics.median(used.cpu_s for used in mine[0])
    per_row = [
        ((more.cpu_s - start) / many) / ((less.cpu_s - start) / few)
        for less, more in zip(mine[few], mine[many], strict=True)
    ]
    whole = f"preview of {many:,} resources"
    return [
        ratio(f"{whole}, time", [used.seconds for used in mine[many]], TARGET_S, "s"),
        ratio(f"{whole}, peak memory", [used.rss_mb for used in mine[many]], TARGET_MB, "MB"),
        ratio(
            f"CPU per row of {many:,}, to that of {few:,}, without the process's start",
            per_row,
            TARGET_LINEAR,
        ),
        ratio(f"a decision with {_ENTRIES} scopes and exemptions", decided, TARGET_US, "µs"),
    ]


def _medians(count: int, file: Path, pairs: list[tuple[Used, Used]]) -> Preview:
    mine, floors = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    seconds = statistics.median(used.seconds for used in mine)
    return Preview(
        rows=count,
        file_mb=file.stat().st_size / 1e6,
        seconds=seconds,
        cpu_s=statistics.median(used.cpu_s for used in mine),
        rss_mb=statistics.median(used.rss_mb for used in mine),
        rows_per_s=count / seconds,
        floor_s=statistics.median(used.seconds for used in floors),
        floor_rss_mb=statistics.median(used.rss_mb for used in floors),
    )


def _written(file: Path, count: int) -> Path:
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in islice(rows(), count))
    return file


# Processes -------------------------------------------------------------------------------------


async def _preview(file: Path, count: int) -> Used:
    """A preview that has read every row."""
    out = file.with_suffix(".out")
    used = await timed.used(out, "-m", "guards", "preview", file, "--format", "json")
    told = json.loads(out.read_bytes())
    read = told["resources"]["total"] + told["notGuarded"]
    if (read, told["unreadable"], told["complete"]) != (count, 0, True):
        raise BenchError(f"the preview of {count} rows tells of {read}")
    return used


async def _floor(file: Path) -> Used:
    return await timed.used(file.with_suffix(".out"), "-c", _FLOOR, file)


async def _decisions(policy: Path, rows: Path, plan: Plan) -> tuple[Decision, list[float]]:
    rounds = str(plan.decide_rounds)
    answer = await timed.said("-c", _DECIDE, policy, rows, rounds)
    counts, *lines = [line.split() for line in answer.splitlines()]
    read_us, decide_us = ([float(line[i]) for line in lines] for i in (0, 1))
    found = Decision(
        scopes=int(counts[0]),
        exemptions=int(counts[1]),
        read_us=statistics.median(read_us),
        decide_us=statistics.median(decide_us),
        low_us=min(decide_us),
        high_us=max(decide_us),
    )
    return found, decide_us
