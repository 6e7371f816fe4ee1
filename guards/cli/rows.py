"""Estates: files of a hundred thousand resources and more, read row by row in little memory.

What `az`, Resource Graph and ARM write is told apart by what stands in it, never by a file's name:

    [{...}, {...}]                   a list: az disk list, az graph query --query data
    {"count": 2, "data": [...]}      a list in an object, under data or value: pages, ARM's lists
    {"id": "...", "type": "..."}     one resource, in as many lines as it likes
    {...}                            JSON lines
    {...}

in UTF-8, and any of them after one another in one file. In an object, the first of a list under
data or value and of a text under id or type says what it is.

A mistake costs its row, not the others. The end of a row that is not JSON is where its brackets
match, or before a line that begins as a row does and is indented no more than its own. Memory
holds one row, at most `LONGEST`, and a buffer, however many rows there are.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from guards.cli.rows_text import LINE, LISTED, WRONG, Extent, Text, past_space
from guards.engine.errors import Unreadable

LONGEST = 4 * 1024 * 1024
"""Characters in one row; Azure's own resources are far smaller."""
CHUNK = 128 * 1024
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A JSON value where a resource should be, not always an object; `line` is where it begins."""

    line: int
    place: str  # [3], data[3]; empty where the line says it all
    value: Any


@dataclass(frozen=True, slots=True)
class Bad:
    """What could not be read, and why; `line` is that of the mistake, 0 for the whole file."""

    line: int
    place: str
    reason: str


@dataclass(slots=True)
class Progress:
    """Bytes read so far; `total` is None for a pipe."""

    done: int = 0
    total: int | None = None


def where(name: str, item: Row | Bad) -> str:
    """The place as compilers write it: `estate.json:1042: [3]`."""
    line = f":{item.line}" if item.line else ""
    return f"{name}{line}: {item.place}" if item.place else f"{name}{line}"


def from_file(file: str, progress: Progress | None = None) -> Iterator[Row | Bad]:
    """The rows of a file, or of standard input for `-`; raises nothing `read` does not."""
    progress = progress or Progress()
    try:
        with opened(file) as stream:
            progress.total = _size(stream)
            yield from read(stream, progress)
    except Unreadable as e:
        yield Bad(0, "", str(e))


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input for `-`, which stays open.

    Raises:
        Unreadable: it cannot be opened.
    """
    if file == "-":
        if sys.stdin is None:  # closed by whoever started this
            raise Unreadable("cannot be read: it is closed")
        yield sys.stdin.buffer
        return
    with ExitStack() as kept:
        try:
            stream = kept.enter_context(Path(file).open("rb"))
        except (OSError, ValueError) as e:  # ValueError: a name that no file can have
            raise Unreadable(f"cannot be read: {getattr(e, 'strerror', None) or e}") from e
        yield stream


def _size(stream: BinaryIO) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # no file of the operating system at all
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def read(
    stream: BinaryIO, progress: Progress | None = None, chunk: int = CHUNK
) -> Iterator[Row | Bad]:
    """The rows of a stream in their order, and what could not be read of it in between.

    Bytes of any kind raise nothing and come to an end. Where a key stands twice in an object, the
    last one counts, as for most programs: to look for that makes parsing half as long again.
    """
    text = Text(stream, progress or Progress(), chunk, LONGEST)
    try:
        if text.is_utf_16():
            yield Bad(0, "", _UTF_16)
        else:
            yield from _documents(text)
    except OSError as e:
        yield Bad(text.line, "", f"cannot be read: {e.strerror or e}")


_UTF_16 = "not UTF-8 but UTF-16, as PowerShell's > writes it: use Out-File -Encoding utf8"

# One row ----------------------------------------------------------------------------------------


def _constant(name: str) -> Any:
    raise ValueError(name)


_STRICT = json.JSONDecoder(parse_constant=_constant)  # Python would take NaN and Infinity


def _row(text: Text, place: str, followers: str) -> Row | Bad:
    """What begins here, taken; and what follows it up to where the next row may begin."""
    item = _whole(text, place) or _torn(text, place, followers)
    after = text.peek(in_line=True)
    if after and after not in followers:
        if isinstance(item, Row):
            item = Bad(text.line, place, f"not JSON: text after the row at column {text.column}")
        Extent(text, followers).take()
    return item


def _whole(text: Text, place: str) -> Row | None:
    """An object or list that is JSON; None, and nothing taken, if it has to be looked at closely.

    A row that the window cuts is tried again with a window of twice the size: linear.
    """
    if text.window[text.at] not in "{[" or text.doubt > text.at:
        return None
    while True:
        try:
            value, end = _STRICT.raw_decode(text.window, text.at)
        except json.JSONDecodeError as e:
            if text.may_be_cut(e.pos, e.msg) and not text.is_long():
                text.more()
                continue
            text.doubt = e.pos
        except RecursionError:
            text.doubt = len(text.window)
        except ValueError:  # NaN, or a number of thousands of digits
            pass
        else:
            if end - text.at <= LONGEST and not text.is_wrong(end):
                row = Row(text.line, place, value)
                text.take(end)
                return row
        return None


def _torn(text: Text, place: str, followers: str) -> Row | Bad:
    """Anything else: its end is looked for first, then it is read by itself."""
    line, column = text.line, text.column
    extent = Extent(text, followers)
    piece = extent.take()
    if not extent.closed:
        text.lost = True
        reason = f"ends in the middle of the row that began in line {line}, column {column}"
        return Bad(line, place, reason)
    if piece is None:
        return Bad(line, place, f"longer than {LONGEST} characters")
    try:
        return Row(line, place, _value(piece))
    except json.JSONDecodeError as e:
        at = e.colno if e.lineno > 1 else column + e.colno - 1
        reason = f"{e.msg.removesuffix(' at')} at column {at}"  # "Invalid control character at"
        return Bad(line + e.lineno - 1, place, reason)
    except RecursionError:
        return Bad(line, place, "not JSON of a reasonable depth")
    except ValueError as e:  # NaN, or a number of thousands of digits and Python's advice on it
        return Bad(line, place, f"not JSON: {str(e).partition(';')[0]}")


def _value(piece: str) -> Any:
    wrong = WRONG.search(piece)
    if wrong:
        byte = f"0x{ord(wrong[0]) - 0xDC00:02X}"
        raise json.JSONDecodeError(f"not UTF-8: byte {byte}", piece, wrong.start())
    try:
        return _STRICT.decode(piece)
    except json.JSONDecodeError as e:
        raise json.JSONDecodeError(f"not JSON: {e.msg}", piece, e.pos) from None


# Lists in objects -------------------------------------------------------------------------------

_LISTS = ("data", "value")
_OWN = ("id", "type")
_RESOURCE = re.compile(r'\{\s*"(?:id|type)"\s*:\s*"')
_PLAIN = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Found:
    """A list's key, a resource's own, `}`, or nothing and the reason; `at` is where to go on."""

    name: str
    at: int
    reason: str = ""


def _seek(text: Text, sign: str) -> _Found:
    """What an object holds next, from its bracket on, or from the comma after a list in it.

    Nothing is taken, so that the object can still be read as a row.
    """
    if sign == "{" and _RESOURCE.match(text.window, text.at):  # nearly always: spares the steps
        return _Found("id", text.at)
    while True:
        try:
            found = _steps(text, sign)
        except json.JSONDecodeError as e:
            found = _Found("", e.pos, e.msg)
        except IndexError:
            found = _Found("", len(text.window), "the file ends")
        except (ValueError, RecursionError):
            return _Found("", text.at, "a value that cannot be read")
        cut = not found.name and text.may_be_cut(found.at, found.reason)
        if cut and not text.is_long():
            text.more()
        elif cut or found.at - text.at > LONGEST:
            return _Found("", text.at, f"longer than {LONGEST} characters")
        else:
            return found


def _steps(text: Text, sign: str) -> _Found:
    window, at = text.window, text.at
    in_doubt = sign == "{" and text.doubt > text.at
    while window[at] != "}":
        if window[at] != sign:
            return _Found("", at, "Expecting ',' delimiter")
        key, at = _PLAIN.raw_decode(window, past_space(window, at + 1))
        at = past_space(window, at)
        if not isinstance(key, str) or window[at] != ":":
            return _Found("", at, "Expecting ':' delimiter")
        at = past_space(window, at + 1)
        if window[at] == "[" and key in _LISTS:
            return _Found(key, at + 1)
        if window[at] in "{[" and in_doubt:
            return _Found("", text.at, "a value in doubt")
        value, at = _PLAIN.raw_decode(window, at)
        if key in _OWN and isinstance(value, str):
            return _Found(key, at)
        at = past_space(window, at)
        sign = ","
    return _Found("}", at + 1)


# What stands in a file --------------------------------------------------------------------------


def _documents(text: Text) -> Iterator[Row | Bad]:
    """Lists, pages, resources, one after another."""
    if not text.peek():
        yield Bad(0, "", "empty: no resources in it")
    while first := text.peek():
        if first == "[":
            text.take()
            yield from _list(text, "")
        elif first == "{" and (found := _seek(text, "{")).name in _LISTS:
            yield from _page(text, found)
        else:
            yield _row(text, "", LINE)


def _list(text: Text, name: str) -> Iterator[Row | Bad]:
    """The rows of a list whose bracket was taken, up to and with its other bracket."""
    began = text.line
    index = 0
    last = "["
    told = False
    while (first := text.peek()) not in {"", "]"}:
        place = f"{name}[{index}]"
        if first == ",":
            if last in {"[", ","}:
                yield Bad(text.line, place, f"no row before the ',' at column {text.column}")
            text.take()
            last = ","
            continue
        if last == "row" and not told:  # lines put in brackets would have it at every row
            yield Bad(text.line, place, "no ',' before this row (told once for this list)")
            told = True
        item = _row(text, place, LISTED)
        yield item
        index += 1
        last = "row" if isinstance(item, Row) else "bad"  # which may have cost its comma
    if first == "]":
        if last == ",":
            yield Bad(text.line, "", f"a ',' before the ']' at column {text.column}")
        text.take()
    elif not text.lost:
        text.lost = True
        yield Bad(text.line, "", f"ends before the ']' of the list that began in line {began}")


def _page(text: Text, found: _Found) -> Iterator[Row | Bad]:
    """An object around a list of rows: whatever stands beside the list is only read over."""
    began = text.line
    while found.name != "}":
        text.take(found.at)
        if found.name in _LISTS:
            yield from _list(text, found.name)
        elif found.name:
            yield Bad(text.line, "", f"{found.name} after a list of resources: taken for a list")
        else:
            reason = f"{found.reason} at column {text.column}"
            yield Bad(text.line, "", f"the rest of the object is left out: {reason}")
            if text.peek() not in {"", "{", "["}:
                Extent(text, LINE).take()
            return
        if not text.peek():
            if not text.lost:
                reason = f"ends before the '}}' of the object that began in line {began}"
                yield Bad(text.line, "", reason)
            return
        found = _seek(text, ",")
    text.take(found.at)
