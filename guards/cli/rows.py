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

import codecs
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
    if file == "-" and sys.stdin is None:
        yield Bad(0, "", "cannot be read: it is closed")
        return
    with ExitStack() as opened:
        try:
            if file == "-":
                stream: BinaryIO = sys.stdin.buffer
            else:
                stream = opened.enter_context(Path(file).open("rb"))
        except (OSError, ValueError) as e:  # ValueError: a name that no file can have
            yield Bad(0, "", f"cannot be read: {getattr(e, 'strerror', None) or e}")
            return
        progress.total = _size(stream)
        yield from read(stream, progress)


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
    text = _Text(stream, progress or Progress(), chunk)
    try:
        if text.is_utf_16():
            yield Bad(0, "", _UTF_16)
        else:
            yield from _documents(text)
    except OSError as e:
        yield Bad(text.line, "", f"cannot be read: {e.strerror or e}")


_UTF_16 = "not UTF-8 but UTF-16, as PowerShell's > writes it: use Out-File -Encoding utf8"

# The text ---------------------------------------------------------------------------------------

_SPACE = re.compile("[ \t\n\r\ufeff]*")  # files that were put together have BOMs between them
_WRONG = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
_LITERAL = len("-Infinity")  # JSON's longest that is half a mistake
_BEHIND = 16 * 1024
"""Characters kept behind what was taken: JSON's errors count lines from the window's beginning."""


class _Text:
    """A window on the text of a stream, which moves on as rows are taken; counts its lines."""

    def __init__(self, stream: BinaryIO, progress: Progress, chunk: int) -> None:
        self.window = ""
        self.at = 0  # in the window: what stands before it was taken
        self.line = 1
        self.fresh = True  # nothing but space was taken of this line
        self.indent = 0  # of this line
        self.ended = False
        self.lost = False  # the rest was given up, and told so
        self.doubt = 0  # up to there, text was part of a row that has no end: rows begin by lines
        self._line_start = 0
        self._wrong = False
        self._stream = stream
        self._read_some = getattr(stream, "read1", stream.read)  # what a pipe has, not a chunk
        self._progress = progress
        self._chunk = chunk
        self._bytes = b""  # of a character that is not complete

    def is_utf_16(self) -> bool:
        """Whether it begins as no JSON in UTF-8 does; to be asked first, as it skips the BOM."""
        start = self._read(self._stream.read, 4)
        self._bytes = start.removeprefix(codecs.BOM_UTF8)
        marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return start.startswith(marks) or (start[::2] == b"\0\0") != (start[1::2] == b"\0\0")

    @property
    def column(self) -> int:
        """Of what comes next, counted from 1."""
        return self.at - self._line_start + 1

    def peek(self, *, in_line: bool = False) -> str:
        """The next character that is not space; empty at the end, or that of the line if asked.

        So a row that comes through a pipe need not wait for the next one.
        """
        while True:
            end = _past_space(self.window, self.at)
            if end > self.at:
                fresh, line = self.fresh, self.line
                self.take(end)
                self.fresh = fresh or self.line > line
            if self.at > _BEHIND:
                self._drop()
            if in_line and self.fresh:
                return ""
            if self.at < len(self.window):
                if self.fresh:
                    self.indent = self.column - 1
                return self.window[self.at]
            if not self.more():
                return ""

    def take(self, end: int | None = None) -> None:
        """Go on to there; one character if not told."""
        end = self.at + 1 if end is None else end
        lines = self.window.count("\n", self.at, end)
        if lines:
            self.line += lines
            self._line_start = self.window.rindex("\n", self.at, end) + 1
            self.indent = _past_space(self.window, self._line_start) - self._line_start
        self.fresh = False
        self.at = end

    def more(self) -> bool:
        """Let the window grow to twice what is left in it, or by one chunk; False at the end."""
        self._drop()
        pieces = [self.window]
        grown = 0
        while not self.ended and grown <= len(self.window):
            pieces.append(self._decoded())
            grown += len(pieces[-1])
        self.window = "".join(pieces)
        return grown > 0

    def may_be_cut(self, at: int, reason: str) -> bool:
        """Whether a mistake that `json` found may only be the end of the window."""
        at_end = at >= len(self.window) - _LITERAL or reason.startswith("Unterminated string")
        return at_end and not self.ended

    def is_long(self) -> bool:
        """Whether the window has room for the longest row."""
        return len(self.window) - self.at > LONGEST + _LITERAL

    def is_wrong(self, end: int) -> bool:
        """Whether there is anything but UTF-8 up to there."""
        return self._wrong and _WRONG.search(self.window, self.at, end) is not None

    def _drop(self) -> None:
        self.window = self.window[self.at :]
        self.doubt -= self.at
        self._line_start -= self.at
        self.at = 0

    def _decoded(self) -> str:
        data = self._bytes + self._read(self._read_some, self._chunk)
        try:
            text, used = codecs.utf_8_decode(data, "strict", self.ended)
        except UnicodeDecodeError:
            self._wrong = True
            text, used = codecs.utf_8_decode(data, "surrogateescape", self.ended)
        self._bytes = data[used:]
        return text

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        data = read(size)
        self.ended = not data
        self._progress.done += len(data)
        return data


def _past_space(window: str, at: int) -> int:
    space = _SPACE.match(window, at)
    assert space is not None, "which matches nothing as well"
    return space.end()


# Where a row ends -------------------------------------------------------------------------------

_LISTED = ",]{["
_LINE = "{["
"""What may follow a row in its line: in a list, and in a file."""
_OUTSIDE = re.compile(r'"[^"\\\n]*"|["{}\[\],\n]')
_INSIDE = re.compile(r'["\n]|\\["\\]')
_BEFORE = 1
_AFTER = 2


class _Extent:
    """How far a value goes that need not be JSON, by its brackets outside of strings.

    An object or list ends with its bracket, or before a line where the next one must begin, as it
    is indented no more. Anything else ends with its line, and in a list with a comma or the list.
    """

    def __init__(self, text: _Text, followers: str) -> None:
        self.closed = True  # False: the file ended first
        self._text = text
        self._listed = followers == _LISTED
        first = text.window[text.at]
        self._opener = first if first in "{[" else ""
        self._indent = min(text.column - 1, text.indent + 1)  # "[{...}," and " {...}" below it
        self._quoted = False
        self._curly = 0
        self._square = 0

    def take(self) -> str | None:
        """Take all of it; the text, or None if that is longer than any row."""
        text = self._text
        fits, offset, done = True, 0, False
        while not done:
            at, done = self._look(text.at + offset)
            if not done and text.ended:
                at, done = len(text.window), True
                self.closed = not self._opener
            offset = at - text.at
            if offset > LONGEST:
                fits, offset = False, 0
                text.take(at)
            if not done:
                text.more()
        piece = text.window[text.at : text.at + offset] if fits else None
        text.take(text.at + offset)
        return piece

    def _look(self, at: int) -> tuple[int, bool]:
        """Go through the window: where the value ends, or where to go on in a longer one."""
        window = self._text.window
        while mark := (_INSIDE if self._quoted else _OUTSIDE).search(window, at):
            at = mark.end()
            if self._quoted:
                self._quoted = mark[0][0] == "\\"
                if mark[0] == "\n":  # no string goes over a line: this one lacks its end
                    at = mark.start()
            elif mark[0] == '"':
                self._quoted = True
            elif mark[0] == "\n":
                if at + self._indent >= len(window) and not self._text.ended:
                    return mark.start(), False
                if self._ends_with_line(window[at : at + self._indent + 1]):
                    return mark.start(), True
            elif end := self._ends_with(mark[0]):
                return (mark.start() if end == _BEFORE else at), True
        return max(at, len(window) - window.endswith("\\")), False  # its other half is to come

    def _ends_with_line(self, following: str) -> bool:
        if not self._opener and (not self._listed or (self._curly <= 0 and self._square <= 0)):
            return True
        return following.lstrip(" \t").startswith(("{", self._opener or "{"))

    def _ends_with(self, mark: str) -> int:
        if mark == "{":
            self._curly += 1
        elif mark == "[":
            self._square += 1
        elif mark == "}":
            self._curly -= 1
            return _AFTER if self._opener == "{" and not self._curly else 0
        elif mark == "]":
            self._square -= 1
            if self._opener == "[":
                return 0 if self._square else _AFTER
            return _BEFORE if self._listed and self._square < 0 else 0
        elif mark == "," and self._listed and not self._opener:
            return _BEFORE if self._curly <= 0 and self._square <= 0 else 0
        return 0


# One row ----------------------------------------------------------------------------------------


def _constant(name: str) -> Any:
    raise ValueError(name)


_STRICT = json.JSONDecoder(parse_constant=_constant)  # Python would take NaN and Infinity


def _row(text: _Text, place: str, followers: str) -> Row | Bad:
    """What begins here, taken; and what follows it up to where the next row may begin."""
    item = _whole(text, place) or _torn(text, place, followers)
    after = text.peek(in_line=True)
    if after and after not in followers:
        if isinstance(item, Row):
            item = Bad(text.line, place, f"not JSON: text after the row at column {text.column}")
        _Extent(text, followers).take()
    return item


def _whole(text: _Text, place: str) -> Row | None:
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


def _torn(text: _Text, place: str, followers: str) -> Row | Bad:
    """Anything else: its end is looked for first, then it is read by itself."""
    line, column = text.line, text.column
    extent = _Extent(text, followers)
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
    wrong = _WRONG.search(piece)
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


def _seek(text: _Text, sign: str) -> _Found:
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


def _steps(text: _Text, sign: str) -> _Found:
    window, at = text.window, text.at
    in_doubt = sign == "{" and text.doubt > text.at
    while window[at] != "}":
        if window[at] != sign:
            return _Found("", at, "Expecting ',' delimiter")
        key, at = _PLAIN.raw_decode(window, _past_space(window, at + 1))
        at = _past_space(window, at)
        if not isinstance(key, str) or window[at] != ":":
            return _Found("", at, "Expecting ':' delimiter")
        at = _past_space(window, at + 1)
        if window[at] == "[" and key in _LISTS:
            return _Found(key, at + 1)
        if window[at] in "{[" and in_doubt:
            return _Found("", text.at, "a value in doubt")
        value, at = _PLAIN.raw_decode(window, at)
        if key in _OWN and isinstance(value, str):
            return _Found(key, at)
        at = _past_space(window, at)
        sign = ","
    return _Found("}", at + 1)


# What stands in a file --------------------------------------------------------------------------


def _documents(text: _Text) -> Iterator[Row | Bad]:
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
            yield _row(text, "", _LINE)


def _list(text: _Text, name: str) -> Iterator[Row | Bad]:
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
        item = _row(text, place, _LISTED)
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


def _page(text: _Text, found: _Found) -> Iterator[Row | Bad]:
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
                _Extent(text, _LINE).take()
            return
        if not text.peek():
            if not text.lost:
                reason = f"ends before the '}}' of the object that began in line {began}"
                yield Bad(text.line, "", reason)
            return
        found = _seek(text, ",")
    text.take(found.at)
