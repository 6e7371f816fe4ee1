"""What is written down after a message to a channel: it was sent, put off, refused or given up."""

import contextlib
import logging
from collections.abc import Sequence

from guards.engine.errors import Terminal, Transient, Unanswered
from guards.engine.later import GIVE_UP, TELL_AT, delay_s
from guards.engine.notify import fan_out, notices
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.lane import Lane
from guards.engine.notify.outbox import AT_ONCE, Outbox, Waiting
from guards.engine.notify.parcel import Item
from guards.engine.notify.ports import Channel, Post, Sent

log = logging.getLogger(__name__)

REVIVE_S = 15 * 60.0
"""So long after something was given up, a channel that works is trusted with it again."""

MOST_UNANSWERED = 3
"""Messages in a row that may have arrived although nobody said so; then the others are told."""

_ABOUT_THE_MESSAGE = {400, 413, 422, 552, 554}
"""Answers of https and SMTP that may mean this message only."""

_MOST_LATE = 300
_TRIES = 3


class Aftermath:
    """The bookkeeping of one sender, which has the channel's lane."""

    def __init__(self, channel: Channel, post: Post, outbox: Outbox, lane: Lane) -> None:
        self._channel = channel
        self._post = post
        self._outbox = outbox
        self._lane = lane

    async def sent(self, told: Sequence[Waiting], sent: Sent, first: Waiting) -> None:
        """They arrived; `first` is the first that waited, told or not."""
        now, state = self._post.now(), self._lane.state
        await self._remember(told, now)
        log.info("channel %s: %d alerts: %s", self._channel.name, len(told), sent.answer)
        news: dict[str, float | int | str] = {}
        if state.failures:
            news |= {"failures": 0, "unanswered": 0, "failing_since": 0.0, "not_before": 0.0}
        if state.failures >= TELL_AT:
            news["suspect"] = "" if first in told else first.identity
        if state.most:
            most = state.most * 2
            news["most"] = most if most < self._channel.capacity else 0
        revives = state.undelivered and not 0 <= now - state.undelivered <= REVIVE_S
        if revives and not await self._outbox.revive(now):
            news["undelivered"] = 0.0
        if news:
            await self._lane.note(**news)
        if sent.refused:
            await self._tell_refused(sent.refused)

    async def _remember(self, told: Sequence[Waiting], now: float) -> None:
        """What is sent and not remembered would be sent again: worth some more tries."""
        for _ in range(_TRIES):
            with contextlib.suppress(Transient):
                return await self._outbox.sent(told, now)
        return await self._outbox.sent(told, now)

    async def _tell_refused(self, recipients: Sequence[str]) -> None:
        notice = notices.refused(self._channel.name, recipients, self._post.clock.now())
        log.error("%s", notice.reason)
        readers = self.others or [self._channel.name]
        await fan_out.put(Item(notice.message()), readers, self._post)

    async def failed(self, told: Sequence[Waiting], error: Transient) -> float:
        """Later, twice as late each time; returns when.

        What waited for a day is given up, and what may have arrived several times.
        """
        now, state = self._post.now(), self._lane.state
        failures, unanswered = state.failures + 1, state.unanswered + isinstance(error, Unanswered)
        not_before = now + max(delay_s(state.failures), min(error.retry_after or 0, 3600))
        since = state.failing_since or now
        await self._lane.note(
            failures=failures, unanswered=unanswered, failing_since=since, not_before=not_before
        )
        log.warning("channel %s: again in %.0f s: %s", self._channel.name, not_before - now, error)
        if failures == TELL_AT:
            notice = notices.failing(self._channel.name, str(error), self._post.clock.now())
            await fan_out.put(Item(notice.message()), self.others, self._post)
        if [one.identity for one in told] == [state.suspect]:
            await self.give_up(told, f"others go through, and this one does not: {error}")
            await self._lane.note(suspect="")
        elif unanswered >= MOST_UNANSWERED:
            await self.give_up(
                told, f"handed over {unanswered} times, and it may be there: {error}"
            )
            await self._lane.note(unanswered=0)
        elif now - since >= GIVE_UP.total_seconds():
            waiting = await self._outbox.waiting(_MOST_LATE)
            late = [one for one in waiting if now - one.since >= GIVE_UP.total_seconds()]
            await self.give_up(late, f"tried for a day: {error}")
        return not_before

    async def refused(self, told: Sequence[Waiting], error: Terminal, *, ours: bool) -> None:
        """Not again as it was: half as many at a time if one of many may be why, else given up."""
        if len(told) > 1 and (ours or error.status in _ABOUT_THE_MESSAGE):
            log.warning("channel %s: fewer at a time: %s", self._channel.name, error)
            await self._lane.note(most=len(told) // 2)
        else:
            await self.give_up(told, str(error))

    async def give_up(self, told: Sequence[Waiting], reason: str) -> None:
        """Poison, from where the other channels are told; then they wait no more."""
        if told:
            await self._lane.note(undelivered=self._post.now())
        for i in range(0, len(told), AT_ONCE):
            some = told[i : i + AT_ONCE]
            await hand_over(some, self._channel.name, reason, self._outbox, self._post)
            await self._lane.prolong()

    @property
    def others(self) -> list[str]:
        """The other channels."""
        return [name for name in self._post.channels if name != self._channel.name]


async def hand_over(
    told: Sequence[Waiting], channel: str, reason: str, outbox: Outbox, post: Post
) -> None:
    """To the poison queue, where the other channels learn of it; then they wait no more."""
    for one in told:
        delivery = Delivery(channel, one.since, one.item, reason=reason)
        await post.given_up.put(delivery.message())
    await outbox.give_up(told, post.now())
