"""Files of rows: what was read of them as messages show it, and the frames that rows stand in."""

import io
import json
from collections.abc import Iterator
from typing import Any

from guards.cli import rows
from guards.cli.rows import Bad, Row

CHUNKS = (1, 2, 3, 7, 64, rows.CHUNK)


def told(content: bytes, chunk: int = rows.CHUNK) -> list[str]:
    """What was read, as messages show it: `f:1: [0] = {...}`, or `f:1: [0]: why not`."""
    return [
        f"{rows.where('f', item)} = {json.dumps(item.value)}"
        if isinstance(item, Row)
        else f"{rows.where('f', item)}: {item.reason}"
        for item in rows.read(io.BytesIO(content), chunk=chunk)
    ]


def ids(items: Iterator[Row | Bad]) -> list[Any]:
    """The values under id, with the line; None where something is bad."""
    return [item.value["id"] if isinstance(item, Row) else None for item in items]


FRAMES = {
    "list": ("[", ",", "]"),
    "list in lines": ("[\n", ",\n", "\n]\n"),
    "page": ('{"count": 3, "x": {"data": [1]},\n"data":[ ', " , ", '], "skip_token": null}'),
    "ARM": ('{"value": [\n', "\n,", '\n], "nextLink": "https://x"}\n'),
    "lines": ("", "\n", "\n"),
    "lines with space between": ("\n ", "\n\n", ""),
}
