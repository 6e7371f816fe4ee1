"""`python -m guards policy`: check a policy, or print the JSON Schema of all of them."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from guards import GUARDS
from guards.cli import report
from guards.engine import policy
from guards.engine.policy import Policy, PolicyError
from guards.engine.policy.exemptions import Exemption
from guards.engine.policy.exporters import Exporter
from guards.engine.policy.shape import schema
from guards.engine.policy.text import MAX_SIZE, Mistake
from guards.engine.shapes import timestamp

DEFAULT = Path(__file__).parents[2] / "policy.yaml"
_SOON = timedelta(days=15)


def load(path: Path, now: datetime) -> Policy:
    """The policy in a file.

    Raises:
        PolicyError: it cannot be read, or has mistakes.
    """
    return policy.parse(_text(path), GUARDS, now)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as e:
        raise PolicyError([Mistake(0, "policy", f"cannot be read: {e.strerror}")]) from e
    if len(content) > MAX_SIZE:
        advice = f"more than {MAX_SIZE:,} bytes, which is the most that is read"
        raise PolicyError([Mistake(0, "policy", advice)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise PolicyError([Mistake(line, "policy", f"not UTF-8: {e.reason}")]) from e


def _sentence(file: object, line: int, place: str, text: str) -> str:
    """`file:line: place: advice`, as editors and code reviews find it."""
    return f"{file}:{line}: {place}: {text}" if line else f"{file}: {place}: {text}"


def check(paths: Sequence[Path], now: datetime, out: TextIO, *, as_json: bool) -> int:
    """Say what is wrong with policies, or what is in them; 0 if nothing is wrong, else 2.

    Stricter than the running app: what has expired is a mistake here, since whoever checks the
    file can take it out.
    """
    results = [_checked(path, now) for path in paths]
    if as_json:
        report.dump(results, out)
    else:
        for result in results:
            _print(result, out)
    return 2 if any(result["mistakes"] for result in results) else 0


def _checked(path: Path, now: datetime) -> dict[str, Any]:
    result: dict[str, Any] = {"file": str(path), "hash": None, "mistakes": []}
    try:
        read = load(path, now)
    except PolicyError as e:
        result["mistakes"] = [_mistake(m) for m in e.mistakes]
        return result
    entries: dict[str, Sequence[Exemption | Exporter]] = {
        "exemptions": read.exemptions,
        "exporters": read.exporters,
    }
    late = [
        _expired(f"{name}[{number}]", one)
        for name, those in entries.items()
        for number, one in enumerate(those)
        if one.expired(now)
    ]
    return {
        **result,
        "hash": read.hash,
        "mistakes": [_mistake(one) for one in sorted(late, key=lambda one: one.line)],
        "scopes": len(read.layers) - 1,
        **{name: len(those) for name, those in entries.items()},
        "expiringSoon": [report.exemption_json(one) for one in _soon(read.exemptions, now)],
        "exportersExpiringSoon": [_exporter_json(one) for one in _soon(read.exporters, now)],
    }


def _soon[T: (Exemption, Exporter)](entries: Iterable[T], now: datetime) -> list[T]:
    return [one for one in entries if not one.expired(now) and one.expired(now + _SOON)]


def _exporter_json(exporter: Exporter) -> dict[str, Any]:
    return {
        "principals": list(exporter.principals),
        "scope": exporter.scope.text,
        "purpose": exporter.purpose,
        "owner": exporter.owner,
        "expiresOn": timestamp(exporter.expires_on),
        "hours": exporter.hours,
    }


def _mistake(mistake: Mistake) -> dict[str, Any]:
    return {"line": mistake.line, "place": mistake.place, "text": mistake.text}


def _expired(place: str, entry: Exemption | Exporter) -> Mistake:
    ended = timestamp(entry.expires_on)
    return Mistake(
        entry.line,
        f"{place}.expires_on",
        f"expired at {ended} and counts no more; take it out, or have a new date approved",
    )


def _print(result: dict[str, Any], out: TextIO) -> None:
    file = result["file"]
    out.writelines(f"{_sentence(file, **one)}\n" for one in result["mistakes"])
    if result["mistakes"]:
        return
    out.write(
        f"{file}: good: {result['scopes']} scopes, {result['exemptions']} exemptions, "
        f"{result['exporters']} exporters, SHA-256 {result['hash']}\n"
    )
    for one in result["expiringSoon"]:
        where = one["scope"] or f"tag {one['tag']['name']}"
        out.write(f"{file}: note: the exemption of {where} expires at {one['expiresOn']}\n")
    for one in result["exportersExpiringSoon"]:
        out.write(f"{file}: note: the exporter of {one['scope']} expires at {one['expiresOn']}\n")


def print_schema(out: TextIO) -> None:
    """The JSON Schema, as policy.schema.json holds it."""
    report.dump(schema(GUARDS), out)


def told(path: Path, error: PolicyError) -> None:
    """The mistakes on standard error."""
    for one in error.mistakes:
        print(_sentence(path, **_mistake(one)), file=sys.stderr)
