"""The text of an estate's file: a window on it, and where what cannot be parsed comes to an end."""

import codecs
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from guards.cli.rows import Progress

# The text ---------------------------------------------------------------------------------------

_SPACE = re.compile("[ \t\n\r\ufeff]*")  # files that were put together have BOMs between them
WRONG = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
_LITERAL = len("-Infinity")  # JSON's longest that is half a mistake
_BEHIND = 16 * 1024
"""Characters kept behind what was taken: JSON's errors count lines from the window's beginning."""


class Text:
    """A window on the text of a stream, which moves on as rows are taken; counts its lines."""

    def __init__(self, stream: BinaryIO, progress: "Progress", chunk: int, longest: int) -> None:
        self.longest = longest  # characters in one row
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
            end = past_space(self.window, self.at)
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
            self.indent = past_space(self.window, self._line_start) - self._line_start
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
        return len(self.window) - self.at > self.longest + _LITERAL

    def is_wrong(self, end: int) -> bool:
        """Whether there is anything but UTF-8 up to there."""
        return self._wrong and WRONG.search(self.window, self.at, end) is not None

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


def past_space(window: str, at: int) -> int:
    """Where space ends that begins there; right there if there is none."""
    space = _SPACE.match(window, at)
    assert space is not None, "which matches nothing as well"
    return space.end()


# Where a row ends -------------------------------------------------------------------------------

LISTED = ",]{["
LINE = "{["
"""What may follow a row in its line: in a list, and in a file."""
_OUTSIDE = re.compile(r'"[^"\\\n]*"|["{}\[\],\n]')
_INSIDE = re.compile(r'["\n]|\\["\\]')
_BEFORE = 1
_AFTER = 2


class Extent:
    """How far a value goes that need not be JSON, by its brackets outside of strings.

    An object or list ends with its bracket, or before a line where the next one must begin, as it
    is indented no more. Anything else ends with its line, and in a list with a comma or the list.
    """

    def __init__(self, text: Text, followers: str) -> None:
        self.closed = True  # False: the file ended first
        self._text = text
        self._listed = followers == LISTED
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
            if offset > text.longest:
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
