"""What the engine needs from outside, as arguments: ARM, queues, its own identity, a clock.

`guards.wiring` passes the real edges; unit tests pass fakes that hold state.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from guards.engine.ids import ResourceId
from guards.engine.model import Body, Guard, Lead, Mode
from guards.engine.policy import Policy
from guards.engine.store import Store


class Arm(Protocol):
    """Azure Resource Manager. `deadline` is in the clock's monotonic seconds.

    Each method raises Transient, Terminal or Gone of `guards.engine.errors`, and nothing else.
    """

    async def get(self, resource: ResourceId, api_version: str, deadline: float) -> Body:
        """The resource as it stands."""
        ...

    async def patch(
        self, resource: ResourceId, api_version: str, body: Body, deadline: float
    ) -> Body:
        """PATCH, wait until Azure is done, and return the resource as it then stands.

        Raises StillRunning if Azure accepted the change and is not done by the deadline.
        """
        ...

    async def children(
        self, resource: ResourceId, type_: str, api_version: str, deadline: float
    ) -> Sequence[Body]:
        """The children of one type, of all pages; `type_` may be an extension's path."""
        ...

    async def post(
        self, resource: ResourceId, action: str, api_version: str, deadline: float
    ) -> None:
        """POST an action without a body, and wait until Azure is done.

        Raises StillRunning if Azure accepted it and is not done by the deadline.
        """
        ...

    async def delete(self, resource: ResourceId, api_version: str, deadline: float) -> None:
        """DELETE, and wait until Azure is done; one that is not there is fine.

        Raises StillRunning if Azure accepted it and is not done by the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that was put: its id, and the pop receipt that changes or deletes it."""

    id: str
    pop_receipt: str


class Queue(Protocol):
    """One storage queue. `put` and `update` raise Transient if it cannot be reached."""

    async def put(self, message: Mapping[str, Any], delay_s: float = 0) -> Receipt:
        """Add a message, invisible for `delay_s` seconds."""
        ...

    async def update(self, receipt: Receipt, message: Mapping[str, Any], delay_s: float) -> None:
        """Replace a message that is still invisible; one that somebody took is left to them."""
        ...

    async def delete(self, receipt: Receipt) -> None:
        """Remove a message; one that somebody took or removed is left to them. Never raises."""
        ...


class Clock(Protocol):
    """Time, passed in so that tests own it."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        ...


class Recent:
    """Pairs of names, the last thousand, in this process only."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], None] = {}

    def add(self, one: str, other: str) -> None:
        """Remember a pair; the oldest is forgotten for it."""
        self._kept[one, other] = None
        if len(self._kept) > 1000:
            del self._kept[next(iter(self._kept))]

    def has(self, one: str, other: str) -> bool:
        """Whether a pair is remembered."""
        return (one, other) in self._kept


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the engine may touch.

    Attributes:
        policy: reads the policy; raises Transient while it cannot be read.
        own_id: the object ID of the guard's own identity, "" while unknown.
        own_names: how Azure may name that identity as a writer (`systemData.lastModifiedBy`).
        sleep: lets seconds pass.
        store: what all instances know together; most events never ask it.
        recent: events of links that this process has cut.
        cap: GUARD_MODE.
        budget_s: seconds for one look; Event Grid waits 30 s for an answer.
    """

    guards: tuple[Guard, ...]
    arm: Arm
    work: Queue
    alerts: Queue
    clock: Clock
    policy: Callable[[], Awaitable[Policy]]
    own_id: Callable[[], Awaitable[str]]
    own_names: Callable[[], Awaitable[frozenset[str]]]
    store: Store
    sleep: Callable[[float], Awaitable[None]]
    leads: tuple[Lead, ...] = ()
    recent: Recent = field(default_factory=Recent)
    cap: Mode = Mode.ENFORCE
    budget_s: float = 20.0

    @property
    def intent_delay_s(self) -> float:
        """Seconds an intent stays invisible: its writer is done or dead by then."""
        return 3 * self.budget_s
