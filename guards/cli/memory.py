"""The engine's ports in memory, to see what it would do: nothing leaves the process.

Arm only reads. Under `Mode.AUDIT` and `Mode.OFF` the engine asks for nothing else; whatever would
change something is a mistake of the program, not of its input, and ends it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from guards import GUARDS
from guards.engine.errors import Gone
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Mode
from guards.engine.policy import Policy
from guards.engine.ports import Ports, Receipt
from guards.engine.store import Delete, Row, Write


class Clock:
    """Stands at `time` until it is set; no budget ever runs out."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        """What it was set to."""
        return self.time

    def monotonic(self) -> float:
        """Always the same."""
        return 0.0


class Arm:
    """Resources by lower-case ID, as they are; `reads` counts what was asked for."""

    def __init__(self, bodies: Mapping[str, Body]) -> None:
        self.bodies = bodies
        self.reads = 0

    async def get(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """The resource, in whatever version it is; `Gone` if it is not there."""
        self.reads += 1
        try:
            return self.bodies[resource.key]
        except KeyError as e:
            raise Gone("not among the resources") from e

    async def patch(
        self, resource: ResourceId, api_version: str, body: Body, deadline: float
    ) -> Body:
        """Never."""
        _refuse("a PATCH")

    async def children(
        self, resource: ResourceId, type_: str, api_version: str, deadline: float
    ) -> Sequence[Body]:
        """Those of the type that are there."""
        self.reads += 1
        below = f"{resource.key}/{type_}/".lower()
        return [body for key, body in self.bodies.items() if key.startswith(below)]

    async def post(
        self, resource: ResourceId, action: str, api_version: str, deadline: float
    ) -> None:
        """Never."""
        _refuse("a POST")

    async def delete(self, resource: ResourceId, api_version: str, deadline: float) -> None:
        """Never."""
        _refuse("a DELETE")


class Store:
    """Rows that live as long as the process."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}

    async def get(self, partition: str, key: str) -> Row | None:
        """As `Store.get`."""
        return self._rows.get((partition, key))

    async def page(
        self, partition: str, prefix: str, limit: int, *, after: str = ""
    ) -> Sequence[Row]:
        """As `Store.page`."""
        keys = (key for of, key in self._rows if of == partition and key.startswith(prefix))
        return [self._rows[partition, key] for key in sorted(keys) if key > after][:limit]

    async def write(self, partition: str, *writes: Write) -> None:
        """Keep rows, one after the other; nobody else writes them."""
        for one in writes:
            if isinstance(one, Delete):
                self._rows.pop((partition, one.key), None)
            else:
                row = Row(partition, one.key, one.values, str(len(self._rows)))
                self._rows[partition, one.key] = row


class Queue:
    """Keeps what is put, with its delay in seconds, until it is taken."""

    def __init__(self) -> None:
        self._kept: list[tuple[Mapping[str, Any], float]] = []

    def take(self) -> list[tuple[Mapping[str, Any], float]]:
        """Everything since the last time."""
        taken, self._kept = self._kept, []
        return taken

    async def put(self, message: Mapping[str, Any], delay_s: float = 0) -> Receipt:
        """Keep a message."""
        self._kept.append((message, delay_s))
        return Receipt(str(len(self._kept)), "")

    async def update(self, receipt: Receipt, message: Mapping[str, Any], delay_s: float) -> None:
        """Never: only the intent of a change is updated."""
        _refuse("an intent")

    async def delete(self, receipt: Receipt) -> None:
        """Never: only the intent of a change is deleted."""
        _refuse("an intent")


async def _no_sleep(seconds: float) -> None:
    """Never: only a change is waited for."""
    _refuse(f"waiting {seconds} s")


def _refuse(what: str) -> NoReturn:
    raise AssertionError(f"{what} where nothing may change")


class Memory:
    """The ports of a guard that may only report, and what went through them."""

    def __init__(
        self, bodies: Mapping[str, Body], policy: Policy, principal_id: str, time: datetime
    ) -> None:
        self.clock = Clock(time)
        self.arm = Arm(bodies)
        self.work = Queue()
        self.alerts = Queue()
        self._policy = policy
        self._principal_id = principal_id.strip().lower()
        self.ports = Ports(
            guards=GUARDS,
            arm=self.arm,
            work=self.work,
            alerts=self.alerts,
            clock=self.clock,
            policy=self._read_policy,
            own_id=self._own_id,
            own_names=self._own_names,
            store=Store(),
            sleep=_no_sleep,
            cap=Mode.AUDIT,
        )

    async def _read_policy(self) -> Policy:
        return self._policy

    async def _own_id(self) -> str:
        return self._principal_id

    async def _own_names(self) -> frozenset[str]:
        return frozenset({self._principal_id} - {""})
