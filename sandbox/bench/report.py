"""The figures for people: tables, each with a sentence saying what is compared with what."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandbox.bench.cold import ColdResult
from sandbox.bench.cpu import CpuResult
from sandbox.bench.estate import EstateResult
from sandbox.bench.flood import FloodResult
from sandbox.bench.latency import LatencyResult
from sandbox.bench.memory import MIX, MemoryResult
from sandbox.bench.notify import NotifyResult
from sandbox.bench.stage import Kind
from sandbox.bench.trial import Ratio

out = Console(highlight=False, soft_wrap=True, width=130)

_COUNTED = ("alerts", "messages")
"""Units of figures that are whole numbers."""


def cpu(result: CpuResult) -> None:
    """CPU per event."""
    _section(
        "CPU per event",
        "Milliseconds of user and system time of each contender's own process per event, one event "
        "after another, no added latency; medians of blocks by turns, lowest and highest block in "
        "brackets. `naive` is the SDK clients with their defaults and no app around, `bare` the "
        "same requests with plain aiohttp; both make the same calls in the same order. What an "
        "unguarded event costs is the local host's half. The guard's own PATCH raises an event, "
        "too: it is kept back here, and its cost is the row `own write`.",
    )
    table = _table("EVENT", ">GUARD", ">WITHOUT HOST", ">NAIVE", ">BARE", ">ARM CALLS", ">ALERTS")
    host = result.of("guard", Kind.UNGUARDED).cpu_ms
    floors = {(cost.who, cost.kind): cost for cost in result.costs}
    for kind in Kind:
        mine = result.of("guard", kind)
        cells = [f"{mine.cpu_ms:.2f} ({mine.low_ms:.2f}-{mine.high_ms:.2f})"]
        cells.append("-" if kind is Kind.UNGUARDED else f"{mine.cpu_ms - host:.2f}")
        for name in ("naive", "bare"):
            cost = floors.get((name, kind))
            cells.append(
                f"{cost.cpu_ms:.2f} ({cost.low_ms:.2f}-{cost.high_ms:.2f})" if cost else "-"
            )
        table.add_row(kind.value, *cells, f"{mine.arm_calls:g}", f"{mine.alerts:g}")
    out.print(table)
    out.print(f"Idle, the app's process takes {result.idle_ms_per_s:.1f} ms a second.")
    ratios(result.ratios)


def latency(result: LatencyResult) -> None:
    """Latency and throughput."""
    azurite = result.azurite
    _section(
        "Latency and events per second, noncompliant events",
        "Milliseconds from the moment before an event is posted to the webhook (the floors: before "
        "their GET) until ARM has received the PATCH, and until everything is done: alert posted, "
        "intent deleted, webhook answered. The alert is posted one queue delete "
        f"({azurite.delete_ms:.1f} ms alone) before that. Floors run at the same concurrency.",
    )
    table = _table(
        *(">ARM LATENCY", ">AT ONCE", "WHO", ">EVENTS", ">EVENTS/S", ">TO PATCH P50", ">P99"),
        *(">TO ALERT AND END P50", ">P99", ">ARM CALLS"),
    )
    place = None
    for cell in result.cells:
        if place is not None and place != (cell.latency_ms, cell.at_once):
            table.add_section()
        place = (cell.latency_ms, cell.at_once)
        table.add_row(
            *(f"{cell.latency_ms} ms", str(cell.at_once), cell.who, str(cell.events)),
            f"{cell.events_per_s:.0f}",
            *(f"{v:.1f}" for v in (cell.patch_p50, cell.patch_p99, cell.end_p50, cell.end_p99)),
            f"{cell.arm_calls:g}",
        )
    out.print(table)
    out.print(
        Text(
            f"Azurite, asked by plain HTTP with {azurite.at_once} requests at once: "
            f"{azurite.puts_per_s:.0f} puts and {azurite.gets_per_s:.0f} gets a second, with "
            f"{azurite.calls} messages in the queue; alone, a put takes {azurite.put_ms:.1f} ms, a "
            f"get {azurite.get_ms:.1f} ms, a delete {azurite.delete_ms:.1f} ms. A noncompliant "
            "event takes two puts and a delete, and ARM, Azurite and whoever posts share this "
            "machine's cores: events a second measure Azurite and the machine rather than the "
            "guard. It runs with its garbage collection every 100 ms instead of once a minute "
            "and keeps idle connections, so that neither stops a block at random."
        ),
        soft_wrap=False,
    )
    ratios(result.ratios)


def memory(result: MemoryResult) -> None:
    """RSS."""
    share = sum(kind is Kind.NONCOMPLIANT for kind in MIX) / len(MIX)
    _section(
        "Memory",
        "Resident memory of one fresh functions process after so many events, 16 at once, "
        f"{share:.0%} of them noncompliant, the rest compliant, own writes and unguarded.",
    )
    table = _table(*(f">{events:,} EVENTS" for events in result.rss_mb))
    table.add_row(*(f"{megabytes:.1f} MB" for megabytes in result.rss_mb.values()))
    out.print(table)
    ratios(result.ratios)


def cold(result: ColdResult) -> None:
    """Cold start."""
    _section(
        "Cold start",
        "Seconds from the start of a Python process: until the app in the local host has handled "
        "its first noncompliant event, without a channel, and with Teams and mail among its "
        "settings; until a process that only imports the SDKs it uses has ended (the first ratio's "
        "other side), and until its imports are done; and, for comparison, until the same host has "
        "handled an event with an app of one empty function. By turns, with bytecode and cached "
        "files.",
    )
    table = _table("", ">MEDIAN", ">LOWEST", ">HIGHEST", ">TIMES")
    for name, times in (
        ("the app, first event handled", result.first_event_s),
        ("the app with channels, first event handled", result.with_channels_s),
        ("bare import of the SDKs, process ended", result.imports_s),
        ("bare import of the SDKs, imports done", result.imported_s),
        ("an empty app, first event handled", result.empty_app_s),
    ):
        figures = (statistics.median(times), min(times), max(times))
        table.add_row(name, *(f"{seconds:.3f}" for seconds in figures), str(len(times)))
    out.print(table)
    ratios(result.ratios)


def estate(result: EstateResult) -> None:
    """Previews, and single decisions."""
    _section(
        "Preview of an estate",
        "`python -m guards preview FILE --format json`, each a process of its own, beside a bare "
        "process that parses the same lines: medians of rounds by turns. The seconds are those of "
        "the whole process, the memory is what it held at most; 0 rows are its start.",
    )
    table = _table(
        *(">ROWS", ">FILE", ">SECONDS", ">CPU", ">ROWS/S", ">PEAK MEMORY"),
        *(">FLOOR SECONDS", ">PEAK MEMORY"),
    )
    for one in result.previews:
        table.add_row(
            *(f"{one.rows:,}", f"{one.file_mb:.1f} MB", f"{one.seconds:.2f}", f"{one.cpu_s:.2f}"),
            *(f"{one.rows_per_s:,.0f}", f"{one.rss_mb:.1f} MB"),
            *(f"{one.floor_s:.2f}", f"{one.floor_rss_mb:.1f} MB"),
        )
    out.print(table)
    _section(
        "Deciding one resource",
        "Microseconds of CPU for the decision alone, beyond reading the resource (row and ID "
        "parsed); medians of rounds, lowest and highest in brackets. Scopes and exemptions are "
        "exact IDs, beginnings and ends of names, resource groups with *, and subscriptions.",
    )
    table = _table(">SCOPES", ">EXEMPTIONS", ">READ", ">DECIDE")
    for at in result.decisions:
        decided = f"{at.decide_us:.1f} ({at.low_us:.1f}-{at.high_us:.1f})"
        table.add_row(str(at.scopes), str(at.exemptions), f"{at.read_us:.1f}", decided)
    out.print(table)
    ratios(result.ratios)


def notify(result: NotifyResult) -> None:
    """Notifications: one alert, and a flood."""
    _section(
        "From an alert to Teams",
        "Seconds from the moment before an alert is put into guard-alerts until the sink has the "
        "request, one alert after another, the app idle before each. The floor is the SDK's queue "
        "client and two pollers that ask once a second, as host.json has it, and a POST of the "
        "same card. The first alert after the app's start also loads what delivering needs.",
    )
    table = _table("", ">MEDIAN", ">LOWEST", ">HIGHEST", ">TIMES")
    for name, times in (
        ("the app", result.to_teams_s),
        ("floor: two queues, polled, and a POST", result.floor_s),
        ("the app, first alert after its start", [result.first_s]),
    ):
        figures = (statistics.median(times), min(times), max(times))
        table.add_row(name, *(f"{seconds:.2f}" for seconds in figures), str(len(times)))
    out.print(table)
    _flood(result.flood)
    ratios(result.ratios)


def _flood(result: FloodResult) -> None:
    _section(
        f"A flood of {result.alerts:,} alerts",
        "All there at once, to Teams and by mail, through the app's own wiring in a process of its "
        "own: the table is Azurite's, messages go to the sandbox's Teams and mail server, queues "
        "are in memory, and time that would only be waited for is skipped. Alerts are those whose "
        "ID was found in a message that arrived.",
    )
    table = _table(
        *("CHANNEL", ">MESSAGES", ">ALERTS TOLD", ">NOT TOLD", ">TOLD TWICE", ">MOST MESSAGES"),
        *(">ALLOWED", ">LAST SENT AFTER"),
    )
    for one in result.told:
        counts = (f"{one.messages}", f"{one.alerts:,}", f"{one.lost}", f"{one.doubled}")
        most = f"{one.most} in {one.window_s:.0f} s"
        table.add_row(one.channel, *counts, most, str(one.limit), f"{one.last_s:.0f} s")
    out.print(table)
    _section(
        "What an alert of it costs",
        "Two channels together. The floor writes a row for each channel with the SDK's table "
        "client, deletes it again, and sends nothing.",
    )
    table = _table("", ">CPU", ">STORE CALLS", ">PEAK MEMORY")
    calls = ", ".join(f"{name} {number:.2f}" for name, number in result.calls.items())
    mine = f"{sum(result.calls.values()):.2f} ({calls})"
    table.add_row("the app", f"{result.cpu_ms:.1f} ms", mine, f"{result.rss_mb:.1f} MB")
    floor = (f"{result.floor_cpu_ms:.1f} ms", f"{result.floor_calls:.2f}")
    table.add_row("floor", *floor, f"{result.floor_rss_mb:.1f} MB")
    out.print(table)
    came = ", ".join(f"{number:,} {name}" for name, number in sorted(result.handled.items()))
    out.print(f"It took {result.wall_s:.0f} s. Messages handled: {came}.")


def ratios(found: Sequence[Ratio]) -> None:
    """Ratios beside their targets."""
    for one in found:
        unit = f" {one.unit}" if one.unit else ""
        value = f"{one.value:.0f}" if one.unit in _COUNTED else f"{one.value:.2f}"
        spread = "" if one.low == one.high else f" (rounds {one.low:.2f} to {one.high:.2f})"
        verdict = Text("met", "green") if one.met else Text("MISSED", "bold red")
        out.print(
            Text.assemble(
                f"{one.name}: ",
                (f"{value}{unit}", "bold"),
                f"{spread}, target at most {one.target:g}{unit}: ",
                verdict,
            )
        )


def trouble(repeated: Sequence[str], intents_left: int) -> None:
    """What did not go as it should; nothing, if all went well."""
    for why in repeated:
        out.print(f"\nA block was thrown away and run again: {why}")
    if intents_left:
        out.print(f"\n{intents_left} messages were left in guard-work.")


def _section(title: str, sentence: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    out.print(Text(sentence), soft_wrap=False)


def _table(*columns: str) -> Table:
    """A column whose title begins with > holds numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in columns:
        table.add_column(title.lstrip(">"), justify="right" if title.startswith(">") else "left")
    return table
