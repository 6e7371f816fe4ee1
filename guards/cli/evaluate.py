"""Files of resources and ARM templates, judged: what is, and what a deployment would write."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from guards.cli import positions, rows, template
from guards.cli.judge import Judged, judge
from guards.cli.unresolved import ANYWHERE, judge_template
from guards.engine.errors import Unreadable
from guards.engine.policy import Policy

_LOOKS_LIKE_TEMPLATE = re.compile(rb'(?i)deploymentTemplate\.json|"contentVersion"')


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said about a file; a mistake is something that could not be read."""

    file: str
    line: int
    text: str
    mistake: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(slots=True)
class Evaluated:
    """Verdicts in the files' order, remarks, and how many resources are not guarded."""

    verdicts: list[Judged] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    skipped: int = 0

    @property
    def code(self) -> int:
        """The exit code: 0 all compliant or exempt, 1 something is not, 2 something is unread."""
        if any(remark.mistake for remark in self.remarks):
            return 2
        return 0 if all(verdict.passes for verdict in self.verdicts) else 1


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is known of a template's deployment: parameters, and subscription and group."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    within: tuple[str, str] = ANYWHERE


def run(
    files: Sequence[str], policy: Policy, now: datetime, deployment: Deployment | None = None
) -> Evaluated:
    """Judge every resource in the files."""
    result = Evaluated()
    for file in files:
        try:
            content = read(file)
            located = _template(content)
        except Unreadable as e:
            result.remarks.append(_remark(file, str(e)))
            continue
        if located is None:
            _judge_rows(file, content, policy, now, result)
        else:
            _judge_template(file, located, policy, now, deployment or Deployment(), result)
    return result


def name_of(file: str) -> str:
    """A file as messages call it."""
    return "standard input" if file == "-" else file


def read(file: str) -> bytes:
    """The whole of a file, or of standard input for `-`.

    Raises:
        Unreadable: it cannot be opened, or breaks off.
    """
    with rows.opened(file) as stream:
        try:
            return stream.read()
        except OSError as e:
            raise Unreadable(f"cannot be read: {e.strerror or e}") from e


def text(content: bytes) -> str:
    """UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: it is something else.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise Unreadable(f"line {line}: not UTF-8: {e.reason}") from e


def _template(content: bytes) -> positions.Located | None:
    """The document, if it is a template; everything else is read row by row."""
    if not _LOOKS_LIKE_TEMPLATE.search(content):
        return None
    try:
        located = positions.parse(text(content))
    except Unreadable:
        first = next(rows.read(io.BytesIO(content)), None)
        if isinstance(first, rows.Row) and not template.is_template(first.value):
            return None  # JSON lines, say, in which a template is mentioned
        raise
    return located if template.is_template(located.value) else None


def _remark(file: str, why: str) -> Remark:
    """A mistake; `line N, ...` in front of it becomes its line."""
    found = re.match(r"line (\d+)(?:, column (\d+))?: ", why)
    if found is None:
        return Remark(name_of(file), 0, why, mistake=True)
    column = f"column {found[2]}: " if found[2] else ""
    return Remark(name_of(file), int(found[1]), column + why[found.end() :], mistake=True)


def _judge_rows(
    file: str, content: bytes, policy: Policy, now: datetime, result: Evaluated
) -> None:
    for item in rows.read(io.BytesIO(content)):
        place = f"{item.place}: " if item.place else ""
        if isinstance(item, rows.Bad):
            remark = Remark(name_of(file), item.line, place + item.reason, mistake=True)
            result.remarks.append(remark)
            continue
        try:
            verdict = judge(item.value, policy, now)
        except Unreadable as e:
            result.remarks.append(Remark(name_of(file), item.line, f"{place}{e}", mistake=True))
            continue
        if verdict is None:
            result.skipped += 1
        else:
            result.verdicts.append(replace(verdict, file=name_of(file), line=item.line))


def _judge_template(
    file: str,
    located: positions.Located,
    policy: Policy,
    now: datetime,
    deployment: Deployment,
    result: Evaluated,
) -> None:
    try:
        found, notes = template.resources(located, deployment.parameters)
    except Unreadable as e:
        result.remarks.append(_remark(file, str(e)))
        return
    result.remarks += [Remark(name_of(file), n.line, n.text, mistake=n.mistake) for n in notes]
    for resource in found:
        verdict = judge_template(resource, policy, now, deployment.within)
        if verdict is None:
            result.skipped += 1
        else:
            result.verdicts.append(replace(verdict, file=name_of(file)))
