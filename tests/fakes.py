"""Short fakes of the engine's ports. They hold state, so that tests look at the state of the world.

What they do not imitate is said in each docstring; the sandbox is the one that is no yes-man.
"""

import asyncio
import bisect
import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from guards.engine.errors import Gone
from guards.engine.ids import ResourceId
from guards.engine.model import Body
from guards.engine.ports import Receipt
from guards.engine.store import MOST_WRITES, Conflict, Delete, Insert, Row, Write

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Crash(BaseException):
    """The process dies here. No `except` of the guard may catch it."""


@dataclass
class Trouble:
    """What happens at each call of a port: nothing, an error, the end of the process.

    `calls` are all calls so far, as `arm.patch`. `errors` are used up, one a call; None is a call
    that works. `crash` is the number of the call at which the process dies, and on which side of
    its effect. Every call lets other tasks run first, so that concurrent looks interleave.
    """

    calls: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception | None]] = field(default_factory=dict)
    crash: tuple[int, str] | None = None

    async def enter(self, name: str) -> None:
        """Before the effect of a call."""
        await asyncio.sleep(0)
        self.calls.append(name)
        if self.crash == (len(self.calls), "before"):
            raise Crash(name)
        planned = self.errors.get(name)
        error = planned.pop(0) if planned else None
        if error is not None:
            raise error

    def leave(self) -> None:
        """After the effect of a call, before its answer arrives."""
        if self.crash == (len(self.calls), "after"):
            raise Crash(self.calls[-1])

    def count(self, prefix: str) -> int:
        """How many calls went to a port or to one of its methods."""
        return sum(call.startswith(prefix) for call in self.calls)


class Clock:
    """Time that only the test moves. Does not imitate two clocks that drift apart."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000 + self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Arm:
    """Resources by lower-case ID; a PATCH is a JSON merge, null removes.

    Does not imitate Azure's validation, tiers, locks, asynchronous operations or throttling: tests
    inject their errors. `deaf` are top-level properties that a PATCH does not change; `lingering`
    says how many GETs after a revocation still show the link.
    """

    def __init__(self, trouble: Trouble, clock: Clock, bodies: Iterable[Body]) -> None:
        self._trouble = trouble
        self._clock = clock
        self.bodies = {str(body["id"]).lower(): copy.deepcopy(dict(body)) for body in bodies}
        self.asked: list[ResourceId] = []
        self.patches: list[dict[str, Any]] = []
        self.pipelines: list[Body] = []
        self.deaf: set[str] = set()
        self.at_patch: Callable[[], None] = lambda: None
        self.posts: list[tuple[str, str]] = []
        self.deleted: list[str] = []
        self.lingering = 0
        self._ending: dict[str, int] = {}

    async def get(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        self.asked.append(resource)
        await self._trouble.enter("arm.get")
        self._end_link(resource)
        body = copy.deepcopy(self._body(resource))
        self._trouble.leave()
        return body

    async def patch(
        self, resource: ResourceId, api_version: str, body: Body, deadline: float
    ) -> Body:
        self.asked.append(resource)
        self.patches.append(copy.deepcopy(dict(body)))
        self.at_patch()
        await self._trouble.enter("arm.patch")
        stored = self._body(resource)
        merge(
            stored,
            {"properties": {k: v for k, v in body["properties"].items() if k not in self.deaf}},
        )
        stored["systemData"] = {"lastModifiedAt": f"patched {len(self.patches)}"}
        self._trouble.leave()
        return copy.deepcopy(stored)

    async def children(
        self, resource: ResourceId, type_: str, api_version: str, deadline: float
    ) -> Sequence[Body]:
        self.asked.append(resource)
        await self._trouble.enter("arm.children")
        self._trouble.leave()
        below = f"{resource.key}/{type_}/".lower()
        there = [b for key, b in self.bodies.items() if key.startswith(below)]
        return self.pipelines or copy.deepcopy(there)

    async def post(
        self, resource: ResourceId, action: str, api_version: str, deadline: float
    ) -> None:
        """Ends the links of a disk or snapshot, if that is the action."""
        self.asked.append(resource)
        self.posts.append((resource.key, action))
        await self._trouble.enter("arm.post")
        state = str(self._body(resource).get("properties", {}).get("diskState")).lower()
        if action == "endGetAccess" and state in {"activesas", "activesasfrozen", "activeupload"}:
            self._ending[resource.key] = self.lingering
            if not self.lingering:
                self._end_link(resource)
        self._trouble.leave()

    def _end_link(self, resource: ResourceId) -> None:
        """A link that was revoked, once it has lingered long enough."""
        left = self._ending.get(resource.key)
        if left == 0:
            del self._ending[resource.key]
            self._body(resource)["properties"]["diskState"] = "Unattached"
        elif left:
            self._ending[resource.key] = left - 1

    async def delete(self, resource: ResourceId, api_version: str, deadline: float) -> None:
        self.asked.append(resource)
        await self._trouble.enter("arm.delete")
        self.deleted.append(resource.key)
        self.bodies.pop(resource.key, None)
        self.pipelines = [
            one for one in self.pipelines if str(one.get("id", "")).lower() != resource.key
        ]
        self._trouble.leave()

    def _body(self, resource: ResourceId) -> dict[str, Any]:
        if resource.key not in self.bodies:
            raise Gone("not found", code="ResourceNotFound", status=404)
        return self.bodies[resource.key]


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """RFC 7396: objects merge, null removes, anything else replaces."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merge(target[key], value)
        else:
            target[key] = value


@dataclass
class Message:
    """One message of a fake queue; `due` is in the clock's passed seconds."""

    number: int
    text: bytes
    due: float
    receipt: str = "0"

    @property
    def json(self) -> dict[str, Any]:
        """Its content."""
        read: dict[str, Any] = json.loads(self.text)
        return read


class Queue:
    """Messages with delay and pop receipts, JSON text of at most 48 KiB each.

    Does not imitate counts of deliveries, poison queues, expiry, or polling: tests take messages.
    """

    def __init__(self, name: str, trouble: Trouble, clock: Clock) -> None:
        self._name = name
        self._trouble = trouble
        self._clock = clock
        self._numbers = 0
        self.messages: list[Message] = []

    async def put(self, message: Mapping[str, Any], delay_s: float = 0) -> Receipt:
        text = _encoded(message)
        await self._trouble.enter(f"{self._name}.put")
        self._numbers += 1
        self.messages.append(Message(self._numbers, text, self._clock.passed + delay_s))
        self._trouble.leave()
        return Receipt(str(self._numbers), "0")

    async def update(self, receipt: Receipt, message: Mapping[str, Any], delay_s: float) -> None:
        text = _encoded(message)
        await self._trouble.enter(f"{self._name}.update")
        for held in self._held(receipt):
            held.text, held.due = text, self._clock.passed + delay_s
        self._trouble.leave()

    async def delete(self, receipt: Receipt) -> None:
        await self._trouble.enter(f"{self._name}.delete")
        for held in self._held(receipt):
            self.messages.remove(held)
        self._trouble.leave()

    def take(self) -> Message | None:
        """What a listener does: the first due message, hidden for 30 s under a new receipt."""
        now = self._clock.passed
        due = next((message for message in self.messages if message.due <= now), None)
        if due is not None:
            due.due, due.receipt = now + 30, due.receipt + "+"
        return due

    def _held(self, receipt: Receipt) -> list[Message]:
        wanted = (receipt.id, receipt.pop_receipt)
        return [m for m in self.messages if (str(m.number), m.receipt) == wanted]


def _encoded(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message).encode()
    assert len(text) <= 48 * 1024, "the storage queue would refuse it"
    return text


class Store:
    """Rows of partitions with ETags; transactions of one partition, 100 writes at most.

    Does not imitate Azure's limits on the size of rows and transactions; tests/edges hold it and
    the real edge to the same promises.
    """

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._written = 0
        self.rows: dict[str, dict[str, Row]] = {}
        self._keys: dict[str, list[str]] = {}

    async def get(self, partition: str, key: str) -> Row | None:
        await self._trouble.enter("store.get")
        row = self.rows.get(partition, {}).get(key)
        self._trouble.leave()
        return row

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> Sequence[Row]:
        await self._trouble.enter("store.page")
        keys, rows = self._keys.get(partition, []), self.rows.get(partition, {})
        first = bisect.bisect_right(keys, after) if after else bisect.bisect_left(keys, prefix)
        some = keys[first : first + min(limit, 1000)]
        found = [rows[key] for key in some if key.startswith(prefix)]
        self._trouble.leave()
        return found

    async def write(self, partition: str, *writes: Write) -> None:
        assert 1 <= len(writes) <= MOST_WRITES
        assert len({write.key for write in writes}) == len(writes), "one row twice is refused"
        await self._trouble.enter("store.write")
        rows, keys = self.rows.setdefault(partition, {}), self._keys.setdefault(partition, [])
        for write in writes:
            self._check(rows.get(write.key), write)
        for write in writes:
            if isinstance(write, Delete):
                del rows[write.key]
                del keys[bisect.bisect_left(keys, write.key)]
            else:
                self._written += 1
                if write.key not in rows:
                    bisect.insort(keys, write.key)
                rows[write.key] = Row(partition, write.key, dict(write.values), str(self._written))
        self._trouble.leave()

    def _check(self, row: Row | None, write: Write) -> None:
        if isinstance(write, Insert):
            fits = row is None
        elif write.etag is not None or isinstance(write, Delete):
            fits = row is not None and write.etag in (None, row.etag)
        else:
            fits = True
        if not fits:
            raise Conflict(write.key)
