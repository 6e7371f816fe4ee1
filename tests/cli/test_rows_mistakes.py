"""What a mistake in an estate costs: its row, told with its place, and no other."""

import io
import json

import pytest

from guards.cli import rows
from guards.cli.rows import Bad, Row
from tests.cli.row_files import CHUNKS, told

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
