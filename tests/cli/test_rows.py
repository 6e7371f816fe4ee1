"""Estates, read row by row: what is read from which form, and from which file."""

import io
import os
import sys
from pathlib import Path

import pytest

from guards.cli import rows
from guards.cli.rows import Bad, Progress, Row
from tests.cli.row_files import CHUNKS, ids, told

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
