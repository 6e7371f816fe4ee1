"""The policy in force: read where it is stored, checked once a minute, kept while that fails.

An unreadable policy never means "no policy": the last good one stays in force, and an instance
that never had one makes its callers wait. A change of content and a failing read are alerts.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from guards.edges.policy_source import UNREADABLE, Document
from guards.edges.register import Seen
from guards.engine import policy
from guards.engine.alerts import Alert
from guards.engine.errors import Transient
from guards.engine.events import clean
from guards.engine.model import Guard
from guards.engine.policy import Policy, PolicyError
from guards.engine.policy.changes import loosened
from guards.engine.policy.notices import changed, unusable
from guards.engine.ports import Clock, Queue

log = logging.getLogger(__name__)

CHECK_S = 60.0
"""Seconds between two looks at the stored policy."""

RETRY_S = 5.0
"""The same while there is none yet: events come back of themselves, and nobody is hammered."""

TELLING_S = 5.0
"""For alerts about the policy: an event waits for them, and Event Grid for the event."""

_MOST_UNTOLD = 20


class Source(Protocol):
    """Where the policy is stored."""

    name: str

    async def read(self, etag: str) -> Document | None:
        """The document, or None if it is still the one with this etag; raises Transient."""
        ...


class Memory(Protocol):
    """What was in force last, across restarts and instances; raises Transient."""

    async def recall(self) -> Seen | None:
        """The policy seen last."""
        ...

    async def remember(self, seen: Seen) -> None:
        """From now on this one."""
        ...


@dataclass(frozen=True, slots=True)
class _Announcement:
    """A policy that came into force, and has not been compared with the one before it yet."""

    seen: Seen
    last_modified: str
    policy: Policy


class PolicyKeeper:
    """The `policy` of the ports: `current()`."""

    def __init__(
        self,
        source: Source,
        memory: Memory,
        alerts: Queue,
        clock: Clock,
        guards: tuple[Guard, ...],
    ) -> None:
        self._source = source
        self._memory = memory
        self._alerts = alerts
        self._clock = clock
        self._guards = guards
        self._lock = asyncio.Lock()
        self._policy: Policy | None = None
        self._etag = ""
        self._next_check = float("-inf")
        self._trouble = ""
        self._told: tuple[str, str] | None = None
        self._untold: list[Alert] = []
        self._announcement: _Announcement | None = None

    async def current(self) -> Policy:
        """The policy in force.

        Raises:
            Transient: there has never been one that could be read.
        """
        # One asks; the others go on with what is in force, or wait for it if there is nothing yet.
        if self._is_due() and (self._policy is None or not self._lock.locked()):
            async with self._lock:
                if self._is_due():
                    await self._check()
        if self._policy is None:
            raise Transient(f"the policy cannot be used: {self._trouble}", code=UNREADABLE)
        return self._policy

    def _is_due(self) -> bool:
        return self._clock.monotonic() >= self._next_check

    async def _check(self) -> None:
        try:
            await self._refresh()
            self._trouble, self._told = "", None
        except (Transient, PolicyError) as e:
            self._trouble = str(e).removeprefix(f"{UNREADABLE}: ")
            self._report()
        except Exception as e:
            log.exception("the policy %s cannot be read", self._source.name)
            self._trouble = f"an error of Export Guard itself, {type(e).__name__}"
            self._report()
        wait = CHECK_S if self._policy is not None else RETRY_S
        self._next_check = self._clock.monotonic() + wait
        try:
            async with asyncio.timeout(TELLING_S):
                await self._announce()
                await self._tell()
        except TimeoutError:
            log.warning("alerts about the policy take too long and are posted later")

    async def _refresh(self) -> None:
        """Read the document if it changed, and put it in force if it is a policy."""
        document = await self._source.read(self._etag)
        if document is None:
            return
        self._etag = ""  # a document with mistakes is read, and told, again
        now = self._clock.now()
        # A big policy takes a while to read; other events go on meanwhile.
        self._policy = await asyncio.to_thread(policy.parse, document.text, self._guards, now)
        self._etag = document.etag
        log.info("policy %s in force: SHA-256 %s", self._source.name, self._policy.hash)
        self._announcement = _Announcement(
            Seen(self._policy.hash, document.text), document.last_modified, self._policy
        )

    def _report(self) -> None:
        """Once a day for the same trouble, until it is over."""
        now, name = self._clock.now(), self._source.name
        telling = (self._trouble, now.date().isoformat())
        if telling == self._told:
            return
        self._told = telling
        kept = self._policy.hash if self._policy is not None else ""
        log.critical("the policy %s cannot be used: %s", name, clean(self._trouble, 2000))
        alert = unusable(name, self._trouble, kept, now)
        self._untold = [*self._untold, alert][-_MOST_UNTOLD:]

    async def _announce(self) -> None:
        """A policy that came into force is told if it is another than the one remembered."""
        new = self._announcement
        if new is None:
            return
        try:
            before = await self._memory.recall()
            if before is not None and before.hash != new.seen.hash:
                alert = await asyncio.to_thread(self._change, before, new)
                await self._alerts.put(alert.message())
            if before is None or before.hash != new.seen.hash:
                await self._memory.remember(new.seen)
        except Transient as e:
            log.warning("whether the policy changed is not known yet: %s", e)
        else:
            self._announcement = None

    def _change(self, before: Seen, new: _Announcement) -> Alert:
        now = self._clock.now()
        found: list[str] | None
        try:
            old = policy.parse(before.text, self._guards, now)
            found = loosened(old, new.policy, now)
        except PolicyError:  # it did not fit, or was of an older version
            found = None
        hashes = before.hash, new.seen.hash
        return changed(*hashes, found, self._source.name, new.last_modified, now)

    async def _tell(self) -> None:
        """Post what has to be told; what cannot be posted now is posted at the next check."""
        while self._untold:
            try:
                await self._alerts.put(self._untold[0].message())
            except Transient as e:
                log.warning("an alert about the policy could not be posted yet: %s", e)
                return
            self._untold.pop(0)
