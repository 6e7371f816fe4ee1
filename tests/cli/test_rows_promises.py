"""What holds for estates of any kind: all of it is read or told, in little memory."""

import io
import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.cli import rows
from guards.cli.rows import Bad, Row
from tests.cli.row_files import FRAMES, told

# Anything --------------------------------------------------------------------------------------

SIZES = st.sampled_from([1, 2, 3, 5, 16, 100, rows.CHUNK])
KEYS = st.text(max_size=5) | st.sampled_from(["type", "data", "value", "properties", "id"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.text('{}[]",:\\ \n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
RESOURCES = st.lists(
    st.dictionaries(KEYS.filter(lambda key: key != "id"), VALUES, max_size=4).map(
        lambda rest: {"id": "x", **rest}
    ),
    max_size=6,
)
LAYOUTS = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]),
        "ensure_ascii": st.booleans(),
    }
)


@settings(max_examples=50)
@given(
    resources=RESOURCES,
    layout=LAYOUTS,
    frame=st.sampled_from([*FRAMES]),
    windows=st.booleans(),
    chunk=SIZES,
)
def test_what_was_written_is_read(
    resources: list[Any], layout: dict[str, Any], frame: str, windows: bool, chunk: int
) -> None:
    """Any resources in any form and layout, with the line that each begins in."""
    start, between, end = FRAMES[frame]
    content = start
    expected = []
    for number, resource in enumerate(resources):
        content += between if number else ""
        expected.append((content.count("\n") + 1, resource))
        content += json.dumps(resource, **layout)
    content += end
    if windows:
        content = "\ufeff" + content.replace("\n", "\r\n")
    read = [*rows.read(io.BytesIO(content.encode()), chunk=chunk)]
    if not resources and not content.strip("\ufeff\r\n "):
        assert read == [Bad(0, "", "empty: no resources in it")]
    else:
        assert [(item.line, item) for item in read if isinstance(item, Bad)] == []
        assert [(item.line, item.value) for item in read if isinstance(item, Row)] == expected


DAMAGE = st.binary(max_size=6) | st.text('{}[]",:\\ x1', max_size=6).map(str.encode)


@settings(max_examples=75)
@given(
    resources=RESOURCES.filter(bool),
    which=st.integers(min_value=0),
    start=st.integers(min_value=0),
    length=st.integers(min_value=0, max_value=200),
    damage=DAMAGE.map(lambda some: some.replace(b"\n", b"")),
    chunk=SIZES,
)
def test_damage_to_one_line_leaves_the_others(
    resources: list[Any], which: int, start: int, length: int, damage: bytes, chunk: int
) -> None:
    """Whatever is cut out of a line of JSON lines, and put into it."""
    lines = [json.dumps(resource).encode() for resource in resources]
    which %= len(lines)
    start %= len(lines[which]) + 1
    lines[which] = lines[which][:start] + damage + lines[which][start + length :]
    read = rows.read(io.BytesIO(b"\n".join(lines)), chunk=chunk)
    others = [(i.line, i.value) for i in read if isinstance(i, Row) and i.line != which + 1]
    expected = [(n + 1, resource) for n, resource in enumerate(resources) if n != which]
    assert others == expected


TOKENS = st.sampled_from(
    [
        *("{", "}", "[", "]", ",", ":", '"', "\\", "\n", " ", "x", "1", "-", "\ufeff", "\r\n  "),
        *('"id":"x"', '"type":', '"data":[', '"value": [', '{"a": 1}', '{"id": "y"}\n', "NaN"),
    ]
)
SOUP = st.lists(TOKENS, max_size=30).map(lambda some: "".join(some).encode())


@settings(max_examples=75)
@given(content=SOUP | st.binary(max_size=60), chunk=SIZES)
def test_any_bytes_are_read_or_told_whatever_the_chunks(content: bytes, chunk: int) -> None:
    """Nothing is raised, it ends, nothing passes in silence, and no chunk's end matters."""
    read = told(content)
    assert read == told(content, chunk)
    assert read or b"[" in content  # an empty list


# Memory ----------------------------------------------------------------------------------------


class _Made(io.RawIOBase):
    """A file that is made while it is read, so that it does not count."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(rest))
        buffer[:size], self._rest = rest[:size], rest[size:]
        return size


def peak(pieces: Iterator[bytes]) -> tuple[int, int]:
    """How many rows there are, and the most bytes that were held while reading them."""
    content = io.BufferedReader(_Made(pieces))
    tracemalloc.start()
    try:
        number = sum(1 for _ in rows.read(content))
        return number, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ROW = {"id": "disk", "properties": {"fill": "ж" * 450, "zones": [1] * 20}}
GOOD = json.dumps(ROW, ensure_ascii=False).encode()
BAD = GOOD.replace(b"[", b"[,")


@pytest.mark.parametrize(("row", "count"), [(GOOD, 6_000), (BAD, 2_000)], ids=["good", "bad"])
@pytest.mark.parametrize("frame", ["list", "page", "lines"])
def test_memory_does_not_grow_with_the_rows(frame: str, row: bytes, count: int) -> None:
    """Thousands of a kilobyte each, good or bad, in what a few hundred would need."""
    start, between, end = (part.encode() for part in FRAMES[frame])
    rest = itertools.repeat(between + row, count - 1)
    number, most = peak(itertools.chain([start + row], rest, [end]))
    assert number == count
    assert most < 2_000_000


@pytest.mark.parametrize("text", ["", '{"a": [', '\\"', "\n"])
def test_memory_does_not_grow_with_what_is_no_row(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, brackets and lines without an end are not kept."""
    monkeypatch.setattr(rows, "LONGEST", 100_000)
    pieces = itertools.repeat((text + "x" * 200).encode(), 20_000)
    number, most = peak(itertools.chain([b'[{"a": "'], pieces))
    assert number == 1
    assert most < 2_000_000
