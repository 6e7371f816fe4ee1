"""The sandbox as a stage: ARM's events are kept for the bench to post, instead of being delivered.

So a block holds the events it should and no others: the guard's own PATCH raises an event here as
everywhere, and it is posted only where its cost is what is measured.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from sandbox.arm import Arm
from sandbox.bench import floor
from sandbox.identity import GUARD_OBJECT_ID
from sandbox.outside import Outside
from sandbox.up import Sandbox

DISK = "Microsoft.Compute/disks"
UNGUARDED_TYPE = "Microsoft.Compute/diskAccesses"

_OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
_CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_AT_ONCE = 16


class Kind(StrEnum):
    """What an event is about."""

    NONCOMPLIANT = "noncompliant"
    COMPLIANT = "compliant"
    OWN_WRITE = "own write"
    UNGUARDED = "unguarded"


class Stage(Sandbox):
    """The sandbox with the app in it, its topic left without events."""

    def __init__(self) -> None:
        self.log: deque[str] = deque(maxlen=40)
        """The app's last lines, for when something does not work."""
        super().__init__(
            env={"GUARD_MODE": "enforce", "GUARD_POLICY": "policy.yaml"}, say=self.log.append
        )
        self.arm = Arm(self.tokens, self._keep)
        self._by_people: dict[str, bytes] = {}
        self._by_guard: dict[str, bytes] = {}

    def _keep(self, event: dict[str, Any]) -> None:
        """ARM raises an event; the last one about a resource is kept, as the body of a delivery."""
        caller = event["data"]["claims"][_OBJECT_ID]
        kept = self._by_guard if caller == GUARD_OBJECT_ID else self._by_people
        kept[event["subject"].lower()] = json.dumps([event]).encode()

    def event(self, kind: Kind, resource: str) -> bytes:
        """The event about the last write of a resource."""
        kept = self._by_guard if kind is Kind.OWN_WRITE else self._by_people
        return kept[resource.lower()]

    async def webhook(self) -> str:
        """The path and query of the webhook of the function with the Event Grid trigger."""
        for function in await self.functions.functions():
            if any(b["type"] == "eventGridTrigger" for b in function["bindings"]):
                return self.functions.webhook(function["name"]).removeprefix(self.functions.url)
        raise LookupError("the app has no function with an Event Grid trigger")

    def app_settings(self) -> dict[str, str]:
        """The environment of the app's process, for another process of the same app."""
        return self._app_settings()


class Props:
    """The resources of the stage, and its queues: whatever is needed around a block."""

    def __init__(self, stage: Stage, outside: Outside) -> None:
        self._stage = stage
        self._outside = outside
        self._standing: dict[Kind, list[str]] = {kind: [] for kind in Kind}

    async def resources(self, kind: Kind, count: int) -> list[str]:
        """IDs of `count` resources of a kind; noncompliant ones are opened anew each time."""
        if kind is Kind.NONCOMPLIANT:
            return await _all(count, lambda number: self._disk(f"open-{number:05}", _OPEN))
        standing = self._standing[kind]
        if kind is Kind.OWN_WRITE:
            while len(standing) < count:  # as many as the guard has closed: few are enough
                closed = [*self._stage._by_guard]
                standing += closed
        elif kind is Kind.COMPLIANT:
            have = len(standing)
            standing += await _all(
                count - have, lambda number: self._disk(f"closed-{have + number:05}", _CLOSED)
            )
        else:
            have = len(standing)
            standing += await _all(
                count - have, lambda number: self._unguarded(f"access-{have + number:05}")
            )
        return standing[:count]
