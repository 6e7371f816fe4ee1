"""One sender at a time for a channel, and who wakes the next one.

The lane is a row of the store. A sender takes it for a while; what arrives meanwhile waits, and
the sender takes it along. Whatever waits longer has an appointment: a message in `guard-deliveries`
that surfaces at `wake`. The message is put before the row says so, so that a row never promises a
look that nobody makes.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, get_type_hints

from guards.engine.errors import Transient
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.outbox import partition
from guards.engine.notify.ports import Post
from guards.engine.store import Conflict, Insert, Put, Row

SEND_S = 30.0
"""What one message to a channel may take."""

LEASE_S = 60.0
"""For how long a lane is taken; a sender that died gives way after it."""

_KEY = "lane"
_TRIES = 20
_TRIES_IN_TROUBLE = 3
_LONGEST_REST_S = 7200.0
_SOON_S = 1.0
"""An appointment that much later is as good."""


@dataclass(frozen=True, slots=True)
class State:
    """The row; times are seconds since 1970, 0 is never.

    Attributes:
        owner: who has the lane, until `until`.
        wake: the next appointment.
        not_before: nothing is sent before it: a limit is used up, or the channel failed.
        failures: how many messages in a row failed, the first of them at `failing_since`.
        unanswered: how many of these were handed over and not answered.
        suspect: the first alert that waited, if others went through while it did not.
        most: alerts in one message, after one that was refused as it was; 0 is no bound.
        undelivered: when alerts were given up last that the channel may still get.
        cleaned: when the outbox was cleaned, which goes on after the key `cleaning`.
    """

    owner: str = ""
    until: float = 0.0
    wake: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    failing_since: float = 0.0
    unanswered: int = 0
    suspect: str = ""
    most: int = 0
    undelivered: float = 0.0
    cleaned: float = 0.0
    cleaning: str = ""

    def is_free(self, now: float) -> bool:
        """Whether nobody has it."""
        return not self.owner or not now < self.until <= now + 2 * LEASE_S

    def rests(self, now: float) -> bool:
        """Whether nothing is sent yet; a rest of hours was written by a wrong clock."""
        return now < self.not_before <= now + _LONGEST_REST_S


_KINDS = get_type_hints(State)


class Lane:
    """The lane of one channel, for one sender."""

    def __init__(self, channel: str, owner: str, post: Post) -> None:
        self._channel = channel
        self._owner = owner
        self._post = post
        self.state = State()
        """As last read or written."""

    async def take(self, woken: float = 0.0) -> bool:
        """Have it, or see to it that somebody looks when it is free.

        `woken` is the appointment that led here, if one did: it is kept by that.
        """

        def taken(state: State) -> State | None:
            now = self._post.now()
            mine = state.owner == self._owner
            if not (state.is_free(now) or mine) or state.rests(now):
                return None
            wake = 0.0 if state.wake in (0.0, woken) or state.wake <= now else state.wake
            return replace(state, owner=self._owner, until=now + LEASE_S, wake=wake)

        if await self.change(taken):
            return True
        now = self._post.now()
        state = self.state
        at = (
            now if state.is_free(now) else state.until,
            state.not_before if state.rests(now) else now,
        )
        await self.wake_at(max(at), woken)
        return False

    async def leave(self, wake_at: float | None = None) -> None:
        """Give it back; at `wake_at`, if given, somebody goes on, and nobody before."""
        if wake_at is None:
            await self.note(owner="", until=0.0)
        else:
            await self.wake_at(wake_at)
            await self.change(lambda state: self._left(state, wake_at))

    async def abandon(self, rest_until: float) -> None:
        """Give it back in trouble; whoever had it sees to it that somebody looks again.

        A lane that is not given back stands still until its lease is over: worth some more tries.
        """
        for _ in range(_TRIES_IN_TROUBLE):
            with contextlib.suppress(Transient):
                await self.change(lambda state: self._left(state, rest_until))
                break

    async def insure(self) -> None:
        """Before something is sent: if this process dies, somebody looks when the lane is free."""
        await self.wake_at(self.state.until)

    async def prolong(self) -> bool:
        """Have it for longer; False if somebody else took it meanwhile."""
        return await self.note(until=self._post.now() + LEASE_S)

    async def note(self, **changes: float | int | str) -> bool:
        """Write something into the row; False if the lane is somebody else's by now."""
        return await self.change(lambda state: self._mine(state, **changes))

    async def wake_at(self, at: float, woken: float = 0.0) -> None:
        """See to it that somebody looks at that time, or soon after: once for many that wait."""
        now = self._post.now()
        at = max(at, now + _SOON_S)
        if self._is_kept(self.state, at, woken):
            return
        wake = Delivery(self._channel, first_seen=now, wake=at)
        await self._post.deliveries.put(wake.message(), math.ceil(at - now))
        await self.change(lambda s: None if self._is_kept(s, at, woken) else replace(s, wake=at))

    def _is_kept(self, state: State, at: float, woken: float) -> bool:
        """Whether an appointment that still lies ahead does as well."""
        return self._post.now() < state.wake <= at + _SOON_S and state.wake != woken

    def _left(self, state: State, wake_at: float) -> State | None:
        """Given back, at rest until then; a rest that was noted already is not cut short."""
        rest = state.not_before if state.rests(self._post.now()) else 0.0
        return self._mine(state, owner="", until=0.0, not_before=max(wake_at, rest))

    def _mine(self, state: State, **changes: float | int | str) -> State | None:
        return replace(state, **changes) if state.owner == self._owner else None  # type: ignore[arg-type]

    async def change(self, change: Callable[[State], State | None]) -> bool:
        """Write the row as `change` says, from what stands there now; None leaves it.

        Raises:
            Transient: too many others write it.
        """
        for _ in range(_TRIES):
            row = await self._post.store.get(partition(self._channel), _KEY)
            self.state = _state(row)
            after = change(self.state)
            if after is None:
                return False
            values = asdict(after)
            write = Put(_KEY, values, row.etag) if row else Insert(_KEY, values)
            try:
                await self._post.store.write(partition(self._channel), write)
            except Conflict:
                continue
            self.state = after
            return True
        raise Transient(f"the lane of {self._channel} is written by too many at once")


def _state(row: Row | None) -> State:
    """A row as state; what is missing or of another kind is as if never written."""
    if row is None:
        return State()
    read: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        value = row.values.get(name)
        if kind is float and isinstance(value, int):
            value = float(value)  # as the store may write it
        if isinstance(value, kind):
            read[name] = value
    return State(**read)
