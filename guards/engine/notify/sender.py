"""Sends what waits for one channel, as long as it has the channel's lane."""

import contextlib
import logging
from collections.abc import Sequence

from guards.engine.errors import Terminal, Transient
from guards.engine.later import FIRST_DELAY_S, TELL_AT
from guards.engine.notify.aftermath import Aftermath
from guards.engine.notify.grants import Free, Grants
from guards.engine.notify.lane import SEND_S, Lane
from guards.engine.notify.outbox import Outbox, Waiting
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Channel, Post

log = logging.getLogger(__name__)

WORK_S = 60.0
"""For how long one sender begins new messages; then somebody else goes on."""

MOST_MESSAGES = 1000
"""Of one sender."""

CLEAN_S = 3600.0

_PROBED = 10
"""Of so many that wait one is tried at a time, where nothing goes through any more."""

_MARGIN_S = 10.0
_SLOW_S = 2.0
"""A message that took longer counts from its end, not from its beginning."""


class Sender:
    """One sender for one channel."""

    def __init__(self, channel: Channel, post: Post) -> None:
        self._channel = channel
        self._post = post
        self._outbox = Outbox(post.store, channel.name)
        self._grants = Grants(post.store, channel.limits)
        self._lane = Lane(channel.name, post.ticket(), post)
        self._aftermath = Aftermath(channel, post, self._outbox, self._lane)
        self._sent = 0

    async def keep(self, item: Item) -> bool:
        """Keep an alert until it is sent; False if the channel was told of it already."""
        return await self._outbox.arrive(item, self._post.now())

    async def work(self, woken: float) -> str:
        """Send what waits, or see to it that somebody does; returns what happened, for the log."""
        end = self._post.now() + WORK_S
        wake_at = None
        for _ in range(MOST_MESSAGES):
            try:
                if not await self._lane.take(woken):
                    return "waits"
                wake_at = await self._send_all(end)
                await self._lane.leave(wake_at)
                # What arrived before the lane was free relies on a look at it.
                if wake_at is not None or not await self._outbox.waiting(1):
                    break
            except Exception:  # also of taking and leaving: what was written is not known then
                await self._lane.abandon(self._post.now() + FIRST_DELAY_S)
                raise
        return f"{self._sent} sent" + (", others wait" if wake_at is not None else "")

    async def _send_all(self, end: float) -> float | None:
        """Message after message; returns when to go on, None if nothing waits."""
        for _ in range(MOST_MESSAGES):
            now = self._post.now()
            if now > end or not await self._is_ours():
                return now
            waiting = await self._outbox.waiting(2)
            if not waiting:
                await self._clean()
                return None
            many = len(waiting) > 1
            free = await self._grants.free(now, many=many)
            if free is not None and not free.messages:
                return now + free.wait_s
            await self._lane.insure()
            if many:
                most = max(self._channel.capacity + 1, _PROBED if self._is_stuck() else 0)
                waiting = await self._outbox.waiting(most)
            wake_at = await self._send(waiting, self._chosen(waiting, free))
            if wake_at is not None:
                return wake_at
        return self._post.now()

    async def _is_ours(self) -> bool:
        """Whether the lane is ours for as long as a message may take."""
        left = self._lane.state.until - self._post.now()
        return left > SEND_S + _MARGIN_S or await self._lane.prolong()

    def _is_stuck(self) -> bool:
        return self._lane.state.failures >= TELL_AT

    def _chosen(self, waiting: Sequence[Waiting], free: Free | None) -> Sequence[Waiting]:
        """One alert while all that wait could go alone, else as many as fit.

        Where nothing goes through any more, any one of them: what fails may be the first.
        """
        state = self._lane.state
        if self._is_stuck():
            return [waiting[(state.failures - TELL_AT + 1) % len(waiting)]]
        if free is not None and len(waiting) <= free.messages:
            return waiting[:1]
        return waiting[: min(self._channel.capacity, state.most or self._channel.capacity)]

    async def _send(self, waiting: Sequence[Waiting], told: Sequence[Waiting]) -> float | None:
        """One message, and what is written down of it; returns when to go on, None for now."""
        more = len(told) > 1 and await self._outbox.waits_after(told[-1])
        parcel = Parcel(tuple(one.item for one in told), await self._post.links(), more)
        began = self._post.now()
        if not await self._grants.take(began, many=len(waiting) > 1):
            return None  # another channel for the same people was faster
        try:
            sent = await self._channel.send(parcel, self._another)
        except Transient as e:
            return await self._aftermath.failed(told, e)
        except Terminal as e:
            await self._aftermath.refused(told, e, ours=False)
        except Exception as e:  # whatever an alert does to a channel, the others go on
            log.exception("channel %s: an error of Export Guard itself", self._channel.name)
            error = Terminal(f"an error of Export Guard: {type(e).__name__}")
            await self._aftermath.refused(told, error, ours=True)
        else:
            await self._aftermath.sent(told, sent, waiting[0])
            self._sent += len(told)
            if (ended := self._post.now()) > began + _SLOW_S:
                with contextlib.suppress(Transient):
                    await self._grants.took(began, ended)
        return None

    async def _another(self) -> bool:
        return await self._grants.take(self._post.now(), at_once=True)

    async def _clean(self) -> None:
        now, state = self._post.now(), self._lane.state
        if 0 <= now - state.cleaned < CLEAN_S:
            return
        lost, cleaning = await self._outbox.clean(now, state.cleaning)
        await self._lane.note(cleaned=now, cleaning=cleaning)
        if lost:
            log.critical(
                "channel %s: %d alerts were never delivered and are forgotten after 30 days",
                self._channel.name,
                lost,
            )
