"""Estates, read row by row: what is read from which form, what a mistake costs, and how little."""

import io
import itertools
import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.cli import rows
from guards.cli.rows import Bad, Progress, Row

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


# Forms -----------------------------------------------------------------------------------------

FORMS: dict[str, tuple[str, list[str]]] = {
    "a list": ('[\n {"a": 1},\n {"a": 2}]', ['f:2: [0] = {"a": 1}', 'f:3: [1] = {"a": 2}']),
    "a list in one line": ('[{"a":1},{"a":2}]', ['f:1: [0] = {"a": 1}', 'f:1: [1] = {"a": 2}']),
    "an empty list": ("[]", []),
    "a page": (
        '{"count": 1, "data": [\n{"a": 1}], "skip_token": null, "facets": [{"x": []}]}\n',
        ['f:2: data[0] = {"a": 1}'],
    ),
    "a list of ARM": (
        '{"value": [{"a": 1}], "nextLink": "https://x", "id": null}',
        ['f:1: value[0] = {"a": 1}'],
    ),
    "an empty page": ('{"data": []}', []),
    "two lists in an object": (
        '{"data": [{"a": 1}], "value": [{"a": 2}]}',
        ['f:1: data[0] = {"a": 1}', 'f:1: value[0] = {"a": 2}'],
    ),
    "a resource": ('\n{\n "id": "x",\n "a": {}\n}\n', ['f:2 = {"id": "x", "a": {}}']),
    "a resource with a value": ('{"id": "x", "value": [1]}', ['f:1 = {"id": "x", "value": [1]}']),
    "a resource with data": (
        '{"a": 1, "type": "x", "data": [1]}',
        ['f:1 = {"a": 1, "type": "x", "data": [1]}'],
    ),
    "data that is no list": ('{"data": {"rows": []}}', ['f:1 = {"data": {"rows": []}}']),
    "an empty object": ("{}", ["f:1 = {}"]),
    "JSON lines": (
        '{"a": 1}\n\n  \n{"data": 2}\n{"id": "x"}',
        ['f:1 = {"a": 1}', 'f:4 = {"data": 2}', 'f:5 = {"id": "x"}'],
    ),
    "resources after one another": (
        '{\n"a": 1\n}\n{\n"a": 2\n} {"a": 3}',
        ['f:1 = {"a": 1}', 'f:4 = {"a": 2}', 'f:6 = {"a": 3}'],
    ),
    "pages after one another": (
        '{"data": [{"a": 1}]} {"data": [{"a": 2}]}\n{"count": 1, "data": [{"a": 3}]}[{"a": 4}]',
        [
            'f:1: data[0] = {"a": 1}',
            'f:1: data[0] = {"a": 2}',
            'f:2: data[0] = {"a": 3}',
            'f:2: [0] = {"a": 4}',
        ],
    ),
    "files after one another": (
        '\ufeff[{"a": 1}]\n\ufeff[{"a": 2}]',
        ['f:1: [0] = {"a": 1}', 'f:2: [0] = {"a": 2}'],
    ),
    "what is no object": (
        '[5, null, "a, ]", [{}], -1.5e3 ]\n"x"\n7',
        [
            "f:1: [0] = 5",
            "f:1: [1] = null",
            'f:1: [2] = "a, ]"',
            "f:1: [3] = [{}]",
            "f:1: [4] = -1500.0",
            'f:2 = "x"',
            "f:3 = 7",
        ],
    ),
    "brackets and quotes in texts": (
        r'[{"a": "}]\\\"["}, {"\"}": "\\"}]',
        [r'f:1: [0] = {"a": "}]\\\"["}', r'f:1: [1] = {"\"}": "\\"}'],
    ),
    "half a character": (r'{"a": "\ud800"}', [r'f:1 = {"a": "\ud800"}']),
    "a key that stands twice": ('{"a": 1, "a": 2}', ['f:1 = {"a": 2}']),
}


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_with_its_places(form: str, mark: str, end: str, chunk: int) -> None:
    """Told apart by content, whatever the line ends, and wherever a chunk ends."""
    content, expected = FORMS[form]
    assert told((mark + content.replace("\n", end)).encode(), chunk) == expected


def test_a_file_name_tells_nothing(tmp_path: Path) -> None:
    """Only what stands in the file counts."""
    for name in ("rows.jsonl", "rows.json", "rows"):
        file = tmp_path / name
        file.write_text('{"id": "a"}\n{"id": "b"}\n')
        assert ids(rows.from_file(str(file))) == ["a", "b"]


# Mistakes --------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str | bytes, list[str]]] = {
    "a line that is not JSON": (
        '{"a": 1}\n{"a" 1}\n{"a": 2}\n',
        ['f:1 = {"a": 1}', "f:2: not JSON: Expecting ':' delimiter at column 6", 'f:3 = {"a": 2}'],
    ),
    "lines of something else": (
        'warning: x\n{"a": 1}\n}\n]\n,\n',
        [
            "f:1: not JSON: Expecting value at column 1",
            'f:2 = {"a": 1}',
            "f:3: not JSON: Expecting value at column 1",
            "f:4: not JSON: Expecting value at column 1",
            "f:5: not JSON: Expecting value at column 1",
        ],
    ),
    "lines that were cut": (
        '{"a": [1,\n{"a": {"b":\n{"a": "x\n{"a": 1}\n',
        [
            "f:1: not JSON: Expecting value at column 10",
            "f:2: not JSON: Expecting value at column 12",
            "f:3: not JSON: Unterminated string starting at column 7",
            'f:4 = {"a": 1}',
        ],
    ),
    "text after a row in its line": (
        '{"a": 1}}\n{"a": 2}, "b": {}\n{"a": 3}\n',
        [
            "f:1: not JSON: text after the row at column 9",
            "f:2: not JSON: text after the row at column 9",
            'f:3 = {"a": 3}',
        ],
    ),
    "a row of a list, in many lines": (
        '[\n  {\n    "a": [\n      {"b": }\n    ]\n  },\n  {"a": 1}\n]\n',
        ["f:4: [0]: not JSON: Expecting value at column 13", 'f:7: [1] = {"a": 1}'],
    ),
    "a row of a list, in one line": (
        '[{"a": 1}, {"a": tru, "b": "}"}, {"a": 2}]',
        [
            'f:1: [0] = {"a": 1}',
            "f:1: [1]: not JSON: Expecting value at column 18",
            'f:1: [2] = {"a": 2}',
        ],
    ),
    "a row of a page": (
        '{"data": [{"a": +1}, {"a": 2}], "count": 2}',
        ["f:1: data[0]: not JSON: Expecting value at column 17", 'f:1: data[1] = {"a": 2}'],
    ),
    "a text without its end": (
        '[\n  {\n    "a": "x,\n    "b": {}\n  },\n  {"a": 1}\n]',
        ["f:3: [0]: not JSON: Invalid control character at column 13", 'f:6: [1] = {"a": 1}'],
    ),
    "a row without its end, the next in the next line": (
        '[{"a": {"b": "x},\n {"a": {"b": 1,\n {"a": 1}]',
        [
            "f:1: [0]: not JSON: Unterminated string starting at column 14",
            "f:2: [1]: not JSON: Expecting property name enclosed in double quotes at column 16",
            'f:3: [2] = {"a": 1}',
        ],
    ),
    "a row without its end, in one line": (
        '[{"a": 0},\n {"a": "x}, {"a": 1}]',
        [
            'f:1: [0] = {"a": 0}',
            "f:2: [1]: ends in the middle of the row that began in line 2, column 2",
        ],
    ),
    "a bracket of a list that is missing": (
        '[{"a": [1, 2}, {"a": 1}]',
        ["f:1: [0]: not JSON: Expecting ',' delimiter at column 13", 'f:1: [1] = {"a": 1}'],
    ),
    "a bracket that is missing, before the list's end": (
        '[{"a": {"b": 1}]\n[{"a": 1}]',
        ["f:1: [0]: not JSON: Expecting ',' delimiter at column 16", 'f:2: [0] = {"a": 1}'],
    ),
    "a list in a list that is not JSON": (
        '[[1, }, 2], {"a": 1}]\n[[1\n{"a": 2}]',
        [
            "f:1: [0]: not JSON: Expecting value at column 6",
            'f:1: [1] = {"a": 1}',
            "f:2: [0]: not JSON: Expecting ',' delimiter at column 4",
            'f:3: [1] = {"a": 2}',
        ],
    ),
    "a file that was cut in a row": (
        '[\n{"a": 1},\n{\n"a',
        [
            'f:2: [0] = {"a": 1}',
            "f:3: [1]: ends in the middle of the row that began in line 3, column 1",
        ],
    ),
    "a file that was cut after a row": (
        '{"data": [\n{"a": 1},\n',
        [
            'f:2: data[0] = {"a": 1}',
            "f:3: ends before the ']' of the list that began in line 1",
        ],
    ),
    "a file that was cut after a list": (
        '{"data": [{"a": 1}]\n',
        [
            'f:1: data[0] = {"a": 1}',
            "f:2: ends before the '}' of the object that began in line 1",
        ],
    ),
    "a file that was cut after the list's comma": (
        '{"data": [{"a": 1}], ',
        [
            'f:1: data[0] = {"a": 1}',
            "f:1: the rest of the object is left out: Expecting value at column 22",
        ],
    ),
    "text after a list": (
        '[{"a": 1}]]\n[{"a": 2}] {"a": 3}\n',
        [
            'f:1: [0] = {"a": 1}',
            "f:1: not JSON: Expecting value at column 11",
            'f:2: [0] = {"a": 2}',
            'f:2 = {"a": 3}',
        ],
    ),
    "a comma that is missing": (
        '[{"a": 1}\n{"a": 2} {"a": 3}]',
        [
            'f:1: [0] = {"a": 1}',
            "f:2: [1]: no ',' before this row (told once for this list)",
            'f:2: [1] = {"a": 2}',
            'f:2: [2] = {"a": 3}',
        ],
    ),
    "commas too many": (
        '[, {"a": 1},, {"a": 2},\n]',
        [
            "f:1: [0]: no row before the ',' at column 2",
            'f:1: [0] = {"a": 1}',
            "f:1: [1]: no row before the ',' at column 13",
            'f:1: [1] = {"a": 2}',
            "f:2: a ',' before the ']' at column 1",
        ],
    ),
    "text between rows": (
        '[{"a": 1} x, y, {"a": 2}, "b": {"c": [,]}, {"a": 3}]',
        [
            "f:1: [0]: not JSON: text after the row at column 11",
            "f:1: [1]: not JSON: Expecting value at column 14",
            'f:1: [2] = {"a": 2}',
            "f:1: [3]: not JSON: Extra data at column 30",
            'f:1: [4] = {"a": 3}',
        ],
    ),
    "text beside a list": (
        '{"data": [{"a": 1}], "x": tru, "value": []}\n{"data": [{"a": 2}] x}\n{"a": 3}',
        [
            'f:1: data[0] = {"a": 1}',
            "f:1: the rest of the object is left out: Expecting value at column 27",
            'f:2: data[0] = {"a": 2}',
            "f:2: the rest of the object is left out: Expecting ',' delimiter at column 21",
            'f:3 = {"a": 3}',
        ],
    ),
    "a page without its end, and the next one": (
        '{"data": [{"a": 1}] {"data": [{"a": 2}] {"id": "x"}',
        [
            'f:1: data[0] = {"a": 1}',
            "f:1: the rest of the object is left out: Expecting ',' delimiter at column 21",
            'f:1: data[0] = {"a": 2}',
            "f:1: the rest of the object is left out: Expecting ',' delimiter at column 41",
            'f:1 = {"id": "x"}',
        ],
    ),
    "a resource that looks like a list": (
        '{"data": [], "type": "Microsoft.Compute/disks", "id": 5}\n{"a": 1}',
        ["f:1: type after a list of resources: taken for a list", 'f:2 = {"a": 1}'],
    ),
    "numbers that JSON does not have": (
        '[{"a": NaN}, {"a": -Infinity}, Infinity, {"a": 1}]',
        [
            "f:1: [0]: not JSON: NaN",
            "f:1: [1]: not JSON: -Infinity",
            "f:1: [2]: not JSON: Infinity",
            'f:1: [3] = {"a": 1}',
        ],
    ),
    "NUL": (
        '{"a": "\0"}\n\0\n{"a": 1}',
        [
            "f:1: not JSON: Invalid control character at column 8",
            "f:2: not JSON: Expecting value at column 1",
            'f:3 = {"a": 1}',
        ],
    ),
    "not UTF-8": (
        b'{"a": "\xc3\xa4\xff"}\n{"a": "\xed\xa0\x80"}\n{"a": "\xc3\xa4"}\n\xf0\x9f\n{"a": "\xc3',
        [
            "f:1: not UTF-8: byte 0xFF at column 9",
            "f:2: not UTF-8: byte 0xED at column 8",
            'f:3 = {"a": "\\u00e4"}',
            "f:4: not UTF-8: byte 0xF0 at column 1",
            "f:5: ends in the middle of the row that began in line 5, column 1",
        ],
    ),
    "not UTF-8, in a list of many lines": (
        b'[\n {\n  "a": 1,\n  "b": "x\xe4"\n },\n {"a": 1}]',
        ["f:4: [0]: not UTF-8: byte 0xE4 at column 10", 'f:6: [1] = {"a": 1}'],
    ),
    "empty": ("", ["f: empty: no resources in it"]),
    "empty but for space": ("\ufeff \r\n\t\n", ["f: empty: no resources in it"]),
}


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_its_row_and_is_told_with_its_place(name: str, chunk: int) -> None:
    """Line, place, reason and column; what can be read beside it is read."""
    content, expected = MISTAKES[name]
    assert told(content.encode() if isinstance(content, str) else content, chunk) == expected


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_with_what_to_do(coding: str) -> None:
    """Windows PowerShell writes it where nobody asked for it."""
    (message,) = told('[{"id": "x"}]'.encode(coding))
    assert "not UTF-8 but UTF-16" in message
    assert "Out-File -Encoding utf8" in message


@pytest.mark.parametrize("chunk", [5_000, rows.CHUNK])
@pytest.mark.parametrize(
    "form", ["{}\n{}\n{}\n", "[{},\n{},\n{}]\n", '{{"data": [{},\n{},\n{}]}}\n']
)
@pytest.mark.parametrize("depth", [100, 20_000, 200_000])
def test_no_depth_hides_the_next_row(depth: int, form: str, chunk: int) -> None:
    """Levels by the thousand cost their row, if Python cannot read them."""
    deep = '{"id": ' + "[" * depth + "]" * depth + "}"
    content = form.replace("{}", "%s") % ('{"id": 1}', deep, '{"id": 3}')
    content = content.replace("{{", "{").replace("}}", "}") if "data" in form else content
    first, second, third = rows.read(io.BytesIO(content.encode()), chunk=chunk)
    assert [item.line for item in (first, second, third)] == [1, 2, 3]
    assert isinstance(first, Row)
    assert isinstance(second, Row if depth == 100 else Bad)
    assert isinstance(third, Row)


@pytest.mark.parametrize("digits", [4_000, 5_000, 500_000])
def test_no_number_hides_the_next_row(digits: int) -> None:
    """Python refuses to read more than 4,300 digits."""
    content = f'{{"id": 1}}\n{{"id": {"1" * digits}}}\n{{"id": 3}}'.encode()
    first, second, third = rows.read(io.BytesIO(content))
    assert (first, third) == (Row(1, "", {"id": 1}), Row(3, "", {"id": 3}))
    if digits == 4_000:
        assert isinstance(second, Row)
    else:
        assert isinstance(second, Bad)
        assert f"{digits} digits" in second.reason
        assert "set_int_max_str_digits" not in second.reason


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("form", ['%s\n{"a": 1}', '[%s, {"a": 1}]', '{"data": [%s,\n{"a": 1}]}'])
@pytest.mark.parametrize("row", ['{"id": "%s"}', '"%s"'])
def test_a_row_is_as_long_as_told_at_most(row: str, form: str, over: int) -> None:
    """One character more, and it is bad; the next one is read."""
    text = row % ("x" * (rows.LONGEST + over - len(row % "")))
    long, last = rows.read(io.BytesIO((form % text).encode()))
    assert isinstance(last, Row)
    if over:
        assert isinstance(long, Bad)
        assert long.reason == "longer than 4194304 characters"
    else:
        assert isinstance(long, Row)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_row_is_told_too_long_wherever_a_chunk_ends(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length counts, not what of it stands in memory."""
    monkeypatch.setattr(rows, "LONGEST", 30)
    fits, long = '{"a": "' + "x" * 21 + '"}', '{"a": [' + "[{}], " * 20 + "1]}"
    content = f"[{fits},\n{long}, {fits}]\n{long}\n{fits}\nnot {long}\n{fits}".encode()
    row = json.dumps(json.loads(fits))
    assert told(content, chunk) == [
        f"f:1: [0] = {row}",
        "f:2: [1]: longer than 30 characters",
        f"f:2: [2] = {row}",
        "f:3: longer than 30 characters",
        f"f:4 = {row}",
        "f:5: longer than 30 characters",
        f"f:6 = {row}",
    ]


def test_lines_that_were_all_cut_are_all_told() -> None:
    """Each could go on in the next one, for a hundred thousand lines: none is tried with all."""
    cut = [*rows.read(io.BytesIO(b'{"id": "x", "sku":\n' * 20_000 + b'{"id": "y"}'))]
    assert [item.line for item in cut] == list(range(1, 20_002))
    assert cut[-1] == Row(20_001, "", {"id": "y"})
    assert not [item for item in cut[:-1] if isinstance(item, Row)]


# Files -----------------------------------------------------------------------------------------


def test_a_file_is_read_with_its_progress(tmp_path: Path) -> None:
    """Bytes read, and how many there are."""
    file = tmp_path / "estate.json"
    file.write_bytes(b'{"id": "x"}\n' * 100_000)
    progress = Progress()
    seen = []
    for _ in rows.from_file(str(file), progress):
        seen.append(progress.done)
        assert progress.total == 1_200_000
    assert seen == sorted(seen)
    assert (seen[0] <= 2 * rows.CHUNK, seen[-1]) == (True, 1_200_000)


def test_a_pipe_has_no_size_and_a_row_is_told_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not when the next one has come, or a chunk is full."""
    entry, exit_ = os.pipe()
    with os.fdopen(entry) as stdin, os.fdopen(exit_, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdin", stdin)
        progress = Progress()
        read = rows.from_file("-", progress)
        for number in range(3):
            pipe.write(b'{"id": %d}\n' % number)
            assert next(read) == Row(number + 1, "", {"id": number})
            assert (progress.done, progress.total) == (10 * (number + 1), None)
        pipe.close()
        assert list(read) == []


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_a_file_that_cannot_be_opened_is_told(name: str, tmp_path: Path) -> None:
    """Missing, a folder, a name that cannot be; of the file as a whole."""
    (bad,) = rows.from_file(str(tmp_path / name))
    assert isinstance(bad, Bad)
    assert bad.reason.startswith("cannot be read: ")
    assert rows.where("x.json", bad) == "x.json"


def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `<&-` does."""
    monkeypatch.setattr(sys, "stdin", None)
    assert [*rows.from_file("-")] == [Bad(0, "", "cannot be read: it is closed")]


class _Breaks(io.BytesIO):
    """A disk that fails after a while."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(size) or self._fail()

    def _fail(self) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_file_that_fails_in_the_middle_is_told_after_its_rows() -> None:
    """What was read counts."""
    read = [*rows.read(_Breaks(b'{"id": 1}\n{"id": 2}\n{"id'), chunk=8)]
    assert read == [
        Row(1, "", {"id": 1}),
        Row(2, "", {"id": 2}),
        Bad(3, "", "cannot be read: Input/output error"),
    ]


def test_a_file_is_closed_when_nobody_wants_more(tmp_path: Path) -> None:
    """A caller may stop at any row; an open file would be a warning, and so fail this test."""
    file = tmp_path / "estate.json"
    file.write_bytes(b'{"id": "x"}\n' * 100)
    read = rows.from_file(str(file))
    assert isinstance(next(read), Row)
    del read


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
FRAMES = {
    "list": ("[", ",", "]"),
    "list in lines": ("[\n", ",\n", "\n]\n"),
    "page": ('{"count": 3, "x": {"data": [1]},\n"data":[ ', " , ", '], "skip_token": null}'),
    "ARM": ('{"value": [\n', "\n,", '\n], "nextLink": "https://x"}\n'),
    "lines": ("", "\n", "\n"),
    "lines with space between": ("\n ", "\n\n", ""),
}


@settings(deadline=None, max_examples=100)
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


@settings(deadline=None, max_examples=150)
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


@settings(deadline=None, max_examples=150)
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
