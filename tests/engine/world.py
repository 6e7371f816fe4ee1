"""The engine on fakes, and a host that delivers `guard-work` to it while time passes."""

import json
from dataclasses import replace
from typing import Any

from guards import GUARDS, LEADS
from guards.engine import intake, policy
from guards.engine.errors import Transient
from guards.engine.look import Result
from guards.engine.model import Body, Mode
from guards.engine.policy import Policy
from guards.engine.ports import Ports
from tests.engine.samples import DISK_ID, GUARD_ID, event
from tests.fakes import START, Arm, Clock, Crash, Message, Queue, Store, Trouble


class World:
    """Resources, queues and a clock, with the engine between them.

    Does not imitate the host's poison queues or Event Grid's redelivery: tests do that.
    """

    def __init__(
        self,
        *bodies: Body,
        rules: str = "",
        cap: Mode = Mode.ENFORCE,
        own_id: str = GUARD_ID,
    ) -> None:
        self.clock = Clock()
        self.trouble = Trouble()
        self.arm = Arm(self.trouble, self.clock, bodies)
        self.work = Queue("work", self.trouble, self.clock)
        self.alert_queue = Queue("alerts", self.trouble, self.clock)
        self.store = Store(self.trouble)
        self.policy = policy.parse(f"version: 1\n{rules}", GUARDS, START)
        self._own_id = own_id
        self.ports = Ports(
            guards=GUARDS,
            arm=self.arm,
            work=self.work,
            alerts=self.alert_queue,
            clock=self.clock,
            policy=self._policy,
            own_id=self._own,
            own_names=self._names,
            store=self.store,
            sleep=self.clock.sleep,
            leads=LEADS,
            cap=cap,
        )

    async def _policy(self) -> Policy:
        await self.trouble.enter("policy")
        self.trouble.leave()
        return self.policy

    async def _own(self) -> str:
        await self.trouble.enter("own_id")
        self.trouble.leave()
        return self._own_id

    async def _names(self) -> frozenset[str]:
        return frozenset({self._own_id} - {""})

    async def event(self, event: object) -> Result:
        """Deliver one event."""
        return await intake.on_event(event, self.ports)

    async def message(self, message: object) -> Result:
        """Deliver one message of guard-work, whoever wrote it."""
        text = message if isinstance(message, bytes) else json.dumps(message).encode()
        return await intake.on_work(text, self.ports)

    async def deliver(self, message: Message) -> None:
        """What the host does with a message it took: away if handled, back later if not."""
        try:
            await intake.on_work(message.text, self.ports)
        except (Crash, Transient):
            return
        self.work.messages = [kept for kept in self.work.messages if kept is not message]

    async def settle(self, at_most: int = 300) -> None:
        """Let time pass and deliver what falls due, until guard-work is empty."""
        for _ in range(at_most):
            if not self.work.messages:
                return
            await self.step()
        raise AssertionError("guard-work never empties")

    async def step(self) -> None:
        """Let time pass until the next message falls due, and deliver it."""
        self.clock.passed = max(self.clock.passed, min(m.due for m in self.work.messages))
        taken = self.work.take()
        assert taken is not None
        await self.deliver(taken)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The alerts posted so far."""
        return [message.json for message in self.alert_queue.messages]

    @property
    def alert(self) -> dict[str, Any]:
        """The only alert, but for the note that a look is being put off."""
        (only,) = (alert for alert in self.alerts if alert["outcome"] != "deferred")
        return only

    @property
    def intents(self) -> list[dict[str, Any]]:
        """What guard-work holds."""
        return [message.json for message in self.work.messages]

    @property
    def delays(self) -> list[float]:
        """In how many seconds the messages of guard-work fall due."""
        return [message.due - self.clock.passed for message in self.work.messages]

    @property
    def outcomes(self) -> list[str]:
        """How the alerts posted so far say it ended."""
        return [alert["outcome"] for alert in self.alerts]

    @property
    def exports(self) -> list[dict[str, Any]]:
        """The exporters' exports that the shared state knows of."""
        rows = self.store.rows.get("exports", {}).values()
        return [dict(row.values) for row in rows if row.values.get("until")]

    async def spares_the_next_link(self, resource_id: str = DISK_ID) -> bool:
        """Whether a link of nobody known, some minutes later, is left alone."""
        await self.pass_time(300)
        self.opened(resource_id)
        await self.event(event(resource=resource_id, id="of another time"))
        return self.link_is_out(resource_id)

    @property
    def changed(self) -> bool:
        """Whether anything was sent to ARM that changes a resource."""
        return bool(self.arm.posts or self.arm.patches or self.arm.deleted)

    def opened(self, resource_id: str = DISK_ID, **properties: Any) -> None:
        """Somebody takes a link, and changes these properties, too."""
        self.properties(resource_id).update({"diskState": "ActiveSAS", **properties})

    def link_is_out(self, resource_id: str = DISK_ID) -> bool:
        """Whether a link to a disk or snapshot is out."""
        return self.properties(resource_id)["diskState"] in ("ActiveSAS", "ActiveSASFrozen")

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and deliver what falls due on the way."""
        end = self.clock.passed + seconds
        while self.work.messages and min(m.due for m in self.work.messages) <= end:
            await self.step()
        self.clock.passed = max(self.clock.passed, end)

    def properties(self, resource_id: str = DISK_ID) -> dict[str, Any]:
        """The properties of a resource as they stand."""
        found: dict[str, Any] = self.arm.bodies[resource_id.lower()]["properties"]
        return found

    def body(self, resource_id: str = DISK_ID) -> dict[str, Any]:
        """A resource as it stands."""
        return self.arm.bodies[resource_id.lower()]

    def with_cap(self, cap: Mode) -> Ports:
        """The same ports under another GUARD_MODE."""
        return replace(self.ports, cap=cap)

    def is_closed(self, resource_id: str = DISK_ID) -> bool:
        """Whether a disk or snapshot has nothing open by the default policy."""
        now = self.properties(resource_id)
        shut = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
        return all(now.get(name) == value for name, value in shut.items())
