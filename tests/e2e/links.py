"""Links that are out, as the end-to-end tests look at them: still good, or dead; closed behind."""

from typing import Any

from sandbox.outside import Outside, until
from tests.e2e.names import CLOSED

WHOLE = 32 << 20
"""Bytes behind every link of the sandbox."""

LATE = 40
"""Seconds: what goes on from guard-work comes after 10 s."""


async def properties_of(outside: Outside, path: str) -> dict[str, Any]:
    """The properties of a disk, snapshot, or whatever else, as they stand."""
    status, body = await outside.arm("GET", path, "onlooker")
    assert status == 200, body
    found: dict[str, Any] = body["properties"]
    return found


async def is_closed(outside: Outside, path: str) -> bool:
    """Whether nothing of the network is open."""
    found = await properties_of(outside, path)
    return CLOSED.items() <= found.items()


async def cut(outside: Outside, link: str, within_s: float = 20) -> None:
    """Wait until a link answers 403."""

    async def dead() -> bool | None:
        return await outside.link_status(link) == 403 or None

    await until(dead, "the link to be dead", within_s)


async def closed(outside: Outside, path: str, within_s: float = 20) -> None:
    """Wait until nothing of the network is open."""

    async def shut() -> bool | None:
        return await is_closed(outside, path) or None

    await until(shut, f"{path} to be closed", within_s)


async def told(outside: Outside, name: str, outcome: str, within_s: float = LATE) -> dict[str, Any]:
    """Wait for the first alert about a resource that ended so."""

    async def found() -> dict[str, Any] | None:
        alerts = await outside.alerts_about(name)
        return next((alert for alert in alerts if alert["outcome"] == outcome), None)

    try:
        return await until(found, f'an alert "{outcome}" about {name}', within_s)
    except TimeoutError as e:
        there = [(one["outcome"], one["reason"]) for one in await outside.alerts_about(name)]
        raise AssertionError(f"{e}; there are {there}") from e


async def asked(outside: Outside, name: str) -> list[str]:
    """What the guard asked of a resource, as `GET`, `PATCH`, or `POST endGetAccess`."""
    calls = await outside.guard_calls_of(name)
    return [
        f"POST {call['path'].rpartition('/')[2]}" if call["method"] == "POST" else call["method"]
        for call in calls
    ]


def rules(alert: dict[str, Any]) -> set[str]:
    """The rules that an alert has findings of."""
    return {finding["rule"] for finding in alert["findings"]}
