"""`python -m guards notify render`: what mail and Teams would show of alerts, as one HTML page."""

import argparse
import json
import sys
from typing import Any

from guards.cli import evaluate, notify_page
from guards.cli.notify_samples import SAMPLES
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.notify.digest import plural
from guards.engine.notify.parcel import Item


def run(options: argparse.Namespace) -> int:
    """0, or 2 if the alerts cannot be read or the page cannot be written."""
    try:
        alerts = _sampled(options) if options.sample else _read(options.alerts)
    except Unreadable as e:
        print(f"{evaluate.name_of(options.alerts)}: {e}", file=sys.stderr)
        return 2
    page, sizes = notify_page.page(Item(alert) for alert in alerts)
    try:
        options.html.write_text(page, encoding="utf-8")
    except (OSError, ValueError) as e:  # ValueError: a name that no file can have
        why = getattr(e, "strerror", None) or e
        print(f"{options.html}: cannot be written: {why}", file=sys.stderr)
        return 2
    print(f"{options.html}: {plural(len(alerts), 'alert')}, {sizes}")
    return 0


def _sampled(options: argparse.Namespace) -> list[dict[str, Any]]:
    return [SAMPLES[options.sample](options.now).message()]


def _document(text: str) -> Any:
    """JSON, or a line of JSON for each alert."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        if e.msg != "Extra data":
            raise
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            raise e from None


def _read(file: str) -> list[dict[str, Any]]:
    text = evaluate.text(evaluate.read(file))
    try:
        document = _document(text)
    except json.JSONDecodeError as e:
        raise Unreadable(f"line {e.lineno}, column {e.colno}: {e.msg}") from e
    except (ValueError, RecursionError) as e:
        raise Unreadable(f"not readable as JSON: {clean(str(e))}") from e
    alerts = document if isinstance(document, list) else [document]
    if not alerts:
        raise Unreadable("an empty list; one alert at least is needed")
    for number, alert in enumerate(alerts):
        if not isinstance(alert, dict):
            place = f"alerts[{number}]: " if isinstance(document, list) else ""
            raise Unreadable(f"{place}an object is needed, not {type(alert).__name__}")
    return alerts
