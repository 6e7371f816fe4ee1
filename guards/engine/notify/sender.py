"""Sends what waits for one channel, as long as it has the channel's lane."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from guards.engine.errors import Terminal, Transient
from guards.engine.later import FIRST_DELAY_S, GIVE_UP, LONGEST_DELAY_S, TELL_AT
from guards.engine.notify import fan_out, notices
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.grants import Free, Grants
from guards.engine.notify.lane import SEND_S, Lane
from guards.engine.notify.outbox import Outbox, Waiting
from guards.engine.notify.parcel import Item, Parcel
from guards.engine.notify.ports import Channel, Post, Sent

log = logging.getLogger(__name__)

WORK_S = 60.0
"""For how long one sender begins new messages; then somebody else goes on."""

MOST_MESSAGES = 1000
"""Of one sender."""

REVIVE_S = 15 * 60.0
"""So long after something was given up, a channel that works is trusted with it again."""

CLEAN_S = 3600.0

_TRIES = 3
_MARGIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Tried:
    """What became of one message."""

    told: Sequence[Waiting]
    sent: Sent | None = None
    error: Transient | Terminal | None = None


class Sender:
    """One sender for one channel."""

    def __init__(self, channel: Channel, post: Post) -> None:
        self._channel = channel
        self._post = post
        self._outbox = Outbox(post.store, channel.name)
        self._grants = Grants(post.store, channel.limits)
        self._lane = Lane(channel.name, post.ticket(), post)
        self._sent = 0

    async def keep(self, item: Item) -> bool:
        """Keep an alert until it is sent; False if the channel was told of it already."""
        return await self._outbox.arrive(item, self._post.now())

    async def work(self, woken: float) -> str:
        """Send what waits, or see to it that somebody does; returns what happened, for the log."""
        end = self._post.now() + WORK_S
        for _ in range(MOST_MESSAGES):
            if not await self._lane.take(woken):
                return "waits"
            try:
                wake_at = await self._send_all(end)
            except Exception:
                with contextlib.suppress(Transient):
                    await self._lane.leave(self._post.now() + FIRST_DELAY_S)
                raise
            await self._lane.leave(wake_at)
            # What arrived before the lane was free relies on a look at it.
            if wake_at is not None or not await self._outbox.waiting(1):
                break
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
            if not await self._grants.take(now, many=many):
                continue
            await self._lane.insure()
            if many:
                waiting = await self._outbox.waiting(self._channel.capacity + 1)
            wake_at = await self._settle(await self._message(waiting, free))
            if wake_at is not None:
                return wake_at
        return self._post.now()

    async def _is_ours(self) -> bool:
        """Whether the lane is ours for as long as a message may take."""
        left = self._lane.state.until - self._post.now()
        return left > SEND_S + _MARGIN_S or await self._lane.prolong()

    async def _message(self, waiting: Sequence[Waiting], free: Free | None) -> _Tried:
        """One message: an alert alone while all that wait could go alone, else as many as fit."""
        alone = free is not None and len(waiting) <= free.messages
        told = waiting[: 1 if alone else self._channel.capacity]
        more = len(waiting) > len(told) and not alone
        parcel = Parcel(tuple(one.item for one in told), await self._post.links(), more)
        try:
            return _Tried(told, sent=await self._channel.send(parcel, self._another))
        except (Transient, Terminal) as e:
            return _Tried(told, error=e)
        except Exception as e:  # whatever an alert does to a channel, the others go on
            log.exception("channel %s: an error of Export Guard itself", self._channel.name)
            return _Tried(told, error=Terminal(f"an error of Export Guard: {type(e).__name__}"))

    async def _another(self) -> bool:
        return await self._grants.take(self._post.now(), at_once=True)

    async def _settle(self, tried: _Tried) -> float | None:
        """Write down what was sent, put off or given up; returns when to go on, None for now."""
        if isinstance(tried.error, Transient):
            return await self._failed(tried.told, tried.error)
        if tried.sent is not None:
            await self._was_sent(tried.told, tried.sent)
        else:
            await self._give_up(tried.told, str(tried.error))
        return None

    async def _was_sent(self, told: Sequence[Waiting], sent: Sent) -> None:
        now = self._post.now()
        await self._remember(told, now)
        self._sent += len(told)
        log.info("channel %s: %d alerts: %s", self._channel.name, len(told), sent.answer)
        state = self._lane.state
        if state.failures:
            await self._lane.note(failures=0, failing_since=0.0, not_before=0.0)
        if state.undelivered and now - state.undelivered > REVIVE_S:
            some = await self._outbox.revive(now)
            await self._lane.note(undelivered=state.undelivered if some else 0.0)
        if sent.refused:
            notice = notices.refused(self._channel.name, sent.refused, self._post.clock.now())
            log.error("%s", notice.reason)
            await fan_out.put(
                Item(notice.message()), self._others() or [self._channel.name], self._post
            )

    async def _remember(self, told: Sequence[Waiting], now: float) -> None:
        """What is sent and not remembered would be sent again: worth some more tries."""
        for _ in range(_TRIES):
            with contextlib.suppress(Transient):
                return await self._outbox.sent(told, now)
        return await self._outbox.sent(told, now)

    async def _failed(self, told: Sequence[Waiting], error: Transient) -> float:
        """Later, twice as late each time; after a day the other channels get what waited."""
        now, state = self._post.now(), self._lane.state
        failures = state.failures + 1
        delay = min(FIRST_DELAY_S * 2 ** min(failures - 1, 10), LONGEST_DELAY_S)
        not_before: float = now + max(delay, min(error.retry_after or 0, 3600))
        since = state.failing_since or now
        await self._lane.note(failures=failures, failing_since=since, not_before=not_before)
        log.warning("channel %s: again in %.0f s: %s", self._channel.name, not_before - now, error)
        if failures == TELL_AT:
            notice = notices.failing(self._channel.name, str(error), self._post.clock.now())
            await fan_out.put(Item(notice.message()), self._others(), self._post)
        late = [one for one in told if now - max(one.since, since) >= GIVE_UP.total_seconds()]
        await self._give_up(late, f"tried for a day: {error}")
        return not_before

    async def _give_up(self, told: Sequence[Waiting], reason: str) -> None:
        """Poison, from where the other channels are told; then they wait no more."""
        now = self._post.now()
        for one in told:
            delivery = Delivery(self._channel.name, one.since, one.item, reason=reason)
            await self._post.given_up.put(delivery.message())
        if told:
            await self._outbox.give_up(told, now)
            await self._lane.note(undelivered=now)

    def _others(self) -> list[str]:
        return [name for name in self._post.channels if name != self._channel.name]

    async def _clean(self) -> None:
        now, state = self._post.now(), self._lane.state
        if now - state.cleaned < CLEAN_S:
            return
        lost, cleaning = await self._outbox.clean(now, state.cleaning)
        await self._lane.note(cleaned=now, cleaning=cleaning)
        if lost:
            log.critical(
                "channel %s: %d alerts were never delivered and are forgotten after 30 days",
                self._channel.name,
                lost,
            )
