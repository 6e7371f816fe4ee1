"""What host.json says, read once at the start, and the little languages that it is written in."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_RUN = 30 * 60.0
"""Seconds a function may run when host.json does not say: the default of Flex and Premium."""


class HostSettingsError(ValueError):
    """host.json or an app setting cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues` of host.json, with the defaults of the storage extension 5.x."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    """Seconds that a message rests after a failure; not the lease while its function runs."""
    max_polling_interval: float = 60.0
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The part of host.json that this host obeys."""

    function_timeout: float | None = LONGEST_RUN
    route_prefix: str = "api"
    queues: QueueSettings = QueueSettings()


def read_host_json(app_dir: Path) -> HostSettings:
    """Settings from `host.json`; a missing file means the defaults."""
    path = app_dir / "host.json"
    try:
        document = json.loads(path.read_text()) if path.exists() else {}
        extensions = document.get("extensions", {})
        return HostSettings(
            function_timeout=_timeout(document.get("functionTimeout")),
            route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
            queues=_queues(extensions.get("queues", {})),
        )
    except (ValueError, TypeError, AttributeError) as exc:
        raise HostSettingsError(f"host.json: {exc}") from exc


def _timeout(text: str | None) -> float | None:
    if text is None:
        return LONGEST_RUN
    return None if text == "-1" else seconds(text)


def _queues(given: Mapping[str, Any]) -> QueueSettings:
    known = {
        "batchSize",
        "newBatchThreshold",
        "maxDequeueCount",
        "visibilityTimeout",
        "maxPollingInterval",
        "messageEncoding",
    }
    # The real host ignores what it does not know, which hides typing errors until production.
    if unknown := set(given) - known:
        raise HostSettingsError(
            f"unknown setting in extensions.queues: {', '.join(sorted(unknown))}"
        )
    batch = int(given.get("batchSize", 16))
    if not 1 <= batch <= 32:
        raise HostSettingsError("batchSize must be 1 to 32")
    encoding = str(given.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise HostSettingsError("messageEncoding must be base64 or none")
    return QueueSettings(
        batch_size=batch,
        new_batch_threshold=int(given.get("newBatchThreshold", batch // 2)),
        max_dequeue_count=max(1, int(given.get("maxDequeueCount", 5))),
        visibility_timeout=seconds(given.get("visibilityTimeout", "00:00:00")),
        max_polling_interval=max(0.1, seconds(given.get("maxPollingInterval", "00:01:00"))),
        base64=encoding == "base64",
    )


_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


def seconds(text: str) -> float:
    """A .NET TimeSpan, [d.]hh:mm:ss[.fff], in seconds."""
    found = _TIMESPAN.fullmatch(text.strip())
    if not found:
        raise HostSettingsError(f"not a time span: {text!r}")
    days, hours, minutes, rest = found.groups()
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)


def resolve(text: str) -> str:
    """Put the app setting in place of each %NAME%; one that is missing is an error."""

    def setting(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise HostSettingsError(f"no app setting {match[1]}, needed for {text!r}")
        return value

    return re.sub(r"%([^%]+)%", setting, text)
