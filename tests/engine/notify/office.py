"""Delivering on fakes: queues, a store and channels that keep what they get, while time passes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guards.engine.errors import Terminal, Transient
from guards.engine.notify import deliver, fan_out, limits
from guards.engine.notify.limits import Limit
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Post, Sent
from guards.engine.notify.routes import Routes
from tests.fakes import Clock, Crash, Message, Queue, Store, Trouble


@dataclass
class FakeChannel:
    """Keeps parcels and when they came; `answers` are used up one a message, None is a success.

    `takes_s` passes while a message is sent. Does not imitate any channel's own limits: tests
    look at the times.
    """

    name: str
    clock: Clock
    trouble: Trouble
    limits: tuple[Limit, ...] = ()
    capacity: int = 250
    answers: list[Transient | Terminal | None] = field(default_factory=list)
    always: Transient | Terminal | None = None
    refuses: tuple[str, ...] = ()
    takes_s: float = 0.0
    parcels: list[Parcel] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        self.times.append(self.clock.passed)
        await self.trouble.enter(f"{self.name}.send")
        self.clock.passed += self.takes_s
        answer = self.answers.pop(0) if self.answers else self.always
        if answer is not None:
            raise answer
        self.parcels.append(parcel)
        self.trouble.leave()
        return Sent("taken", self.refuses)

    @property
    def told(self) -> list[str]:
        """The ids of alerts about resources that arrived, doubles included."""
        return [
            str(item.alert["alertId"])
            for parcel in self.parcels
            for item in parcel.items
            if item.alert.get("resourceId")
        ]

    @property
    def notices(self) -> list[str]:
        """The reasons of alerts without a resource."""
        return [
            str(item.alert["reason"])
            for parcel in self.parcels
            for item in parcel.items
            if not item.alert.get("resourceId")
        ]


class Office:
    """Alerts in, messages out; imitates the host: a message comes again 30 s after a failure."""

    def __init__(self, *names: str, routes: Routes | None = None) -> None:
        self.clock = Clock()
        self.trouble = Trouble()
        self.store = Store(self.trouble)
        self.alerts = Queue("alerts", self.trouble, self.clock)
        self.deliveries = Queue("deliveries", self.trouble, self.clock)
        self.given_up = Queue("given_up", self.trouble, self.clock)
        self.routes = routes or Routes()
        self.tickets = 0
        self.channels = {name: self._channel(name) for name in names or ("teams",)}
        self.post = Post(
            channels=self.channels,
            deliveries=self.deliveries,
            given_up=self.given_up,
            store=self.store,
            clock=self.clock,
            routes=self._routes,
            ticket=self._ticket,
        )

    def _channel(self, name: str) -> FakeChannel:
        kinds = {"teams": limits.teams, "mail": limits.mail}
        kind = kinds.get(name.partition("-")[0])
        return FakeChannel(name, self.clock, self.trouble, (kind(name),) if kind else ())

    async def _routes(self) -> Routes:
        return self.routes

    def _ticket(self) -> str:
        self.tickets += 1
        return f"sender {self.tickets}"

    def __getitem__(self, name: str) -> FakeChannel:
        return self.channels[name]

    async def alert(self, **fields: Any) -> dict[str, Any]:
        """Post an alert, and fan it out."""
        posted = alert(**fields)
        await self.fan_out(posted)
        return posted

    async def fan_out(self, posted: Mapping[str, Any] | bytes) -> str:
        """What the app does with a message of guard-alerts."""
        text = posted if isinstance(posted, bytes) else json.dumps(posted).encode()
        return await fan_out.on_alert(text, self.post)

    async def step(self) -> bool:
        """Deliver the next message that is due, of whichever queue; False if none is."""
        for queue, handle in (
            (self.deliveries, deliver.on_delivery),
            (self.given_up, deliver.on_given_up),
        ):
            taken = queue.take()
            if taken is not None:
                await self._handle(taken, queue, handle)
                return True
        return False

    async def _handle(self, taken: Message, queue: Queue, handle: Any) -> None:
        try:
            await handle(taken.text, self.post)
        except (Crash, Transient):
            return
        queue.messages.remove(taken)

    async def settle(self, for_s: float = 0.0, at_most: int = 100_000) -> None:
        """Deliver what is due, and what falls due within so many seconds."""
        end = self.clock.passed + for_s
        for _ in range(at_most):
            if await self.step():
                continue
            due = [m.due for q in (self.deliveries, self.given_up) for m in q.messages]
            if not due or min(due) > end:
                self.clock.passed = max(self.clock.passed, end)
                return
            self.clock.passed = max(self.clock.passed, min(due))
        raise AssertionError("it never settles")

    def keys(self, channel: str, prefix: str) -> list[str]:
        """The keys of a channel's rows that begin so."""
        rows = self.store.rows.get(f"channel {channel}", {})
        return sorted(key for key in rows if key.startswith(prefix))


_numbers = iter(range(10**9))


def alert(**fields: Any) -> dict[str, Any]:
    """An alert about a disk, of its own id unless one is given."""
    number = next(_numbers)
    disk = f"disk-{number}"
    return {
        "schema": "exportguard.alert/1",
        "alertId": f"{number:064x}",
        "source": "event",
        "resourceId": "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
        f"/providers/Microsoft.Compute/disks/{disk}",
        "resourceType": "Microsoft.Compute/disks",
        "outcome": "reverted",
        "severity": "high",
        "reason": None,
        **fields,
    }
