"""The sandbox as a stage: ARM's events are kept for the bench to post, instead of being delivered.

So a block holds the events it should and no others: the guard's own PATCH raises an event here as
everywhere, and it is posted only where its cost is what is measured.
"""

import asyncio
import json
import os
from collections.abc import Callable
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Self

from sandbox.arm import Arm
from sandbox.bench import floor
from sandbox.identity import GUARD_OBJECT_ID
from sandbox.outside import Outside
from sandbox.up import Sandbox

DISK = "Microsoft.Compute/disks"
ALERTS, DELIVERIES, WORK = "guard-alerts", "guard-deliveries", "guard-work"
UNGUARDED_TYPE = "Microsoft.Compute/diskAccesses"

GUARDING = {"GUARD_MODE": "enforce", "GUARD_POLICY": "policy.yaml"}
"""Settings of the app, whatever stands in the environment."""

_OPEN = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
_CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
_NOTHING: dict[str, str] = {}
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_AT_ONCE = 16
_AZURITE = Path(__file__).with_name("azurite.js")


class Kind(StrEnum):
    """What an event is about."""

    NONCOMPLIANT = "noncompliant"
    COMPLIANT = "compliant"
    OWN_WRITE = "own write"
    UNGUARDED = "unguarded"


class Site(Sandbox):
    """A sandbox whose emulators keep out of the figures, and whose app's settings can be had."""

    async def __aenter__(self) -> Self:
        os.environ["NODE_OPTIONS"] = f'--require "{_AZURITE}"'
        try:
            return await super().__aenter__()
        finally:
            del os.environ["NODE_OPTIONS"]

    def app_settings(self) -> dict[str, str]:
        """The environment of the app's process, for another process of the same app."""
        return self._app_settings()


class Stage(Site):
    """The sandbox with the app in it, its topic left without events, its alerts to nobody."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(env={**GUARDING, "GUARD_NOTIFY": "off"}, say=say)
        self.arm = Arm(self.tokens, self._keep)
        self.function = ""
        """The name of the function with the Event Grid trigger."""
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

    def closed_by_guard(self) -> list[str]:
        """The resources about which there is an event of the guard's own."""
        return [*self._by_guard]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        for function in await self.functions.functions():
            if any(b["type"] == "eventGridTrigger" for b in function["bindings"]):
                self.function = function["name"]
        return self


class Props:
    """What stands around a block: resources to write about, ARM's latency, and the queues."""

    def __init__(self, stage: Stage, outside: Outside) -> None:
        self._stage = stage
        self._outside = outside
        self._standing: dict[Kind, list[str]] = {}
        queues = (WORK, ALERTS, DELIVERIES, floor.WORK, floor.ALERTS)
        self._queues = {name: outside.queue(name) for name in queues}

    async def __aenter__(self) -> Self:
        await self._stage.azurite.create_queues((floor.WORK, floor.ALERTS, floor.LIMITS))
        return self

    async def __aexit__(self, *_: object) -> None:
        for queue in self._queues.values():
            await queue.close()

    async def resources(self, kind: Kind, count: int) -> list[str]:
        """IDs of `count` resources for events of a kind; the noncompliant are opened anew."""
        if kind is Kind.NONCOMPLIANT:
            return await self._put(DISK, "open", _OPEN, count)
        if kind is Kind.OWN_WRITE:
            return [*islice(cycle(self._stage.closed_by_guard()), count)]
        if len(self._standing.get(kind, [])) < count:
            type_, properties = (
                (DISK, _CLOSED) if kind is Kind.COMPLIANT else (UNGUARDED_TYPE, _NOTHING)
            )
            self._standing[kind] = await self._put(type_, kind.value, properties, count)
        return self._standing[kind][:count]

    async def _put(
        self, type_: str, name: str, properties: dict[str, str], count: int
    ) -> list[str]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def put(number: int) -> str:
            async with limit:
                sku = "Premium_LRS" if type_ == DISK else None
                return await self._outside.put(
                    "mallory", type_, f"{name}-{number:05}", properties, sku
                )

        return await asyncio.gather(*(put(number) for number in range(count)))

    async def latency(self, milliseconds: float) -> None:
        """Set what is added to every ARM call from now on."""
        await self._outside.settings(latency_ms=milliseconds)

    async def an_alert(self) -> str:
        """The text of an alert as it lies in the queue of alerts."""
        [message] = await self._queues[ALERTS].peek_messages(max_messages=1)
        return str(message.content)

    async def messages(self, queue: str) -> int:
        """How many messages are in a queue."""
        properties = await self._queues[queue].get_queue_properties()
        return int(properties.approximate_message_count or 0)

    async def empty_queues(self) -> None:
        """Delete every message, invisible ones as well."""
        for queue in self._queues.values():
            await queue.clear_messages()
