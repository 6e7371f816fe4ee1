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

TELLING_S = 4.0
"""For alerts about the policy: an event waits for them, and Event Grid for the event."""

_MOST_UNTOLD = 20
_MOST_REMEMBERED = 1000


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
    """A policy that came into force, and is to be compared with the one before it.

    `before` is the one this instance had, if it had any.
    """

    before: Seen | None
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
        self._reading = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._policy: Policy | None = None
        self._seen: Seen | None = None
        self._etag = ""
        self._next_check = self._stale_from = float("-inf")
        self._trouble = ""
        self._told: set[tuple[str, ...]] = set()
        self._untold: list[Alert] = []
        self._announcements: list[_Announcement] = []

    async def current(self) -> Policy:
        """The policy in force.

        Raises:
            Transient: there has never been one that could be read.
        """
        # One asks; the others go on with what is in force, unless nobody has asked for long.
        now = self._clock.monotonic()
        if now >= self._next_check and (now >= self._stale_from or not self._reading.locked()):
            async with self._reading:
                mine = self._clock.monotonic() >= self._next_check
                if mine:
                    await self._check()
            if mine:
                await self._tell()
        if self._policy is None:
            raise Transient(f"the policy cannot be used: {self._trouble}", code=UNREADABLE)
        return self._policy

    async def _check(self) -> None:
        try:
            await self._refresh()
            self._trouble = ""
        except (Transient, PolicyError) as e:
            self._trouble = str(e).removeprefix(f"{UNREADABLE}: ")
            self._report()
        except Exception as e:  # whatever a document does to the reader, the last good one stays
            log.exception("the policy %s cannot be read", self._source.name)
            self._trouble = f"an error of Export Guard itself, {type(e).__name__}"
            self._report()
        now = self._clock.monotonic()
        self._next_check = now + (RETRY_S if self._policy is None else CHECK_S)
        self._stale_from = self._next_check + CHECK_S

    async def _refresh(self) -> None:
        """Read the document if it changed, and put it in force if it is a policy."""
        document = await self._source.read(self._etag)
        if document is None:
            return
        self._etag = ""  # a document with mistakes is read, and told, again
        now = self._clock.now()
        # A big policy takes a while to read; other events go on meanwhile.
        read = await asyncio.to_thread(policy.parse, document.text, self._guards, now)
        before, self._seen = self._seen, Seen(read.hash, document.text)
        self._policy, self._etag = read, document.etag
        log.info("policy %s in force: SHA-256 %s", self._source.name, read.hash)
        if before is None or before.hash != read.hash:
            new = _Announcement(before, self._seen, document.last_modified, read)
            self._announcements = [*self._announcements, new][-_MOST_UNTOLD:]

    def _report(self) -> None:
        """Once a day for the same trouble."""
        now, name = self._clock.now(), self._source.name
        if not self._is_news(self._trouble, now.date().isoformat()):
            return
        kept = self._policy.hash if self._policy is not None else ""
        log.critical("the policy %s cannot be used: %s", name, clean(self._trouble, 2000))
        alert = unusable(name, self._trouble, kept, now)
        self._untold = [*self._untold, alert][-_MOST_UNTOLD:]

    def _is_news(self, *what: str) -> bool:
        """Whether this process has not told it yet."""
        if what in self._told:
            return False
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told.add(what)
        return True

    async def _tell(self) -> None:
        """Post what has to be told, for as long as an event can wait for it; the rest later."""
        try:
            async with asyncio.timeout(TELLING_S), self._telling:
                await self._post()
                await self._announce()
        except (Transient, TimeoutError) as e:
            log.warning("alerts about the policy are posted later: %s", e)

    async def _post(self) -> None:
        while self._untold:
            await self._alerts.put(self._untold[0].message())
            self._untold.pop(0)

    async def _announce(self) -> None:
        """Policies that came into force, in their order: told if others than the one remembered."""
        while self._announcements:
            new = self._announcements[0]
            before = await self._memory.recall() or new.before
            if before is not None and new.before is not None and before.hash == new.before.hash:
                before = new.before  # whose text is known, however long it is
            if before is None or before.hash != new.seen.hash:
                change = (new.seen.hash, new.last_modified)
                if before is not None and self._is_news(before.hash, *change):
                    self._untold.append(await asyncio.to_thread(self._change, before, new))
                await self._post()
                await self._memory.remember(new.seen)
            self._announcements.pop(0)

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
