"""From a message of `guard-deliveries` to messages sent, put off, or given up.

An alert is kept first. Then whoever has the channel's lane sends what waits: an alert alone while
the limits have room for all that wait, else a digest.
"""

import logging
from dataclasses import replace

from guards.engine.errors import Transient, Unreadable
from guards.engine.excerpt import excerpt
from guards.engine.later import LONGEST_DELAY_S, TELL_AT, delay_s
from guards.engine.notify import deliveries, fan_out, notices
from guards.engine.notify.aftermath import hand_over
from guards.engine.notify.deliveries import Delivery
from guards.engine.notify.outbox import Outbox
from guards.engine.notify.parcel import Item
from guards.engine.notify.ports import Post
from guards.engine.notify.sender import Sender

log = logging.getLogger(__name__)

MOST_ORPHANS = 100
"""Alerts that are given up at a time because their channel is gone."""


async def on_delivery(text: str | bytes, post: Post) -> str:
    """A message of `guard-deliveries`; returns what became of it, for the log.

    Raises:
        Transient: the queue cannot be reached: the message comes again.
    """
    try:
        delivery = deliveries.parse(text)
    except Unreadable as e:
        return await _unreadable(e, text, post)
    channel = post.channels.get(delivery.channel)
    if channel is None:
        return await _without_channel(delivery, post)
    sender = Sender(channel, post)
    try:
        if delivery.item is not None:
            if not await sender.keep(delivery.item):
                return f"{channel.name}: told already"
            delivery = replace(delivery, item=None)  # kept: what is put off now is a look
        return f"{channel.name}: {await sender.work(delivery.wake)}"
    except Transient as e:
        return await _put_off(delivery, e, post)


async def on_given_up(text: str | bytes, post: Post) -> str:
    """A message of the poison queue: the other channels are told what this one could not deliver.

    One without a reason failed five times in the app itself, and may be in no outbox.
    """
    try:
        delivery = deliveries.parse(text)
    except Unreadable as e:
        return await _unreadable(e, text, post)
    reason = delivery.reason or "delivering failed again and again; the app's log says why"
    others = [name for name in post.channels if name != delivery.channel]
    alert_id = delivery.item.alert.get("alertId", "?") if delivery.item else "(none)"
    log.critical(
        "channel %s cannot deliver alert %a: %s. %s",
        delivery.channel,
        str(alert_id)[:64],
        reason,
        f"Told instead: {', '.join(others)}" if others else "There is no other channel to tell",
    )
    if delivery.item is None or not notices.is_failing(delivery.item.alert):
        notice = notices.failing(delivery.channel, reason, post.clock.now())
        await fan_out.put(Item(notice.message()), others, post)
    if delivery.item is not None:
        note = delivery.item.note or f"the channel {delivery.channel} cannot deliver it: {reason}"
        await fan_out.put(Item(delivery.item.alert, note), others, post)
    if not delivery.reason and delivery.channel in post.channels:
        await _try_again(delivery, bool(others), post)
    return f"{delivery.channel}: given up, {len(others)} others told"


async def _try_again(delivery: Delivery, others_told: bool, post: Post) -> None:
    """After crashes: a look at what waits is due in any case, and an alert that nobody else has."""
    if delivery.item is None or others_told:
        again = Delivery(delivery.channel, post.now(), wake=post.now() + LONGEST_DELAY_S)
    else:
        again = delivery.again()
    await post.deliveries.put(again.message(), LONGEST_DELAY_S)


async def _put_off(delivery: Delivery, error: Transient, post: Post) -> str:
    """The store is in trouble: again later, however long it takes.

    The other channels share the store, so telling them would only make more to be told.
    """
    delay = delay_s(delivery.attempt)
    await post.deliveries.put(delivery.again().message(), delay)
    level = logging.CRITICAL if delivery.attempt >= TELL_AT else logging.WARNING
    log.log(level, "channel %s cannot deliver, again in %d s: %s", delivery.channel, delay, error)
    return f"{delivery.channel}: again in {delay:.0f} s"


async def _without_channel(delivery: Delivery, post: Post) -> str:
    """No app setting defines the channel: on this instance, or nowhere any more.

    While a new version of the settings arrives, another instance may know it; later what it was to
    get is given up, and what waits for it as well.
    """
    reason = "no app setting defines such a channel"
    if delivery.attempt < TELL_AT:
        return await _put_off(delivery, Transient(reason), post)
    outbox = Outbox(post.store, delivery.channel)
    try:
        waiting = await outbox.waiting(MOST_ORPHANS)
        await hand_over(waiting, delivery.channel, reason, outbox, post)
    except Transient as e:
        return await _put_off(delivery, e, post)
    if delivery.item is not None:
        await post.given_up.put(delivery.because(reason).message())
    if len(waiting) == MOST_ORPHANS:
        await post.deliveries.put(replace(delivery, item=None).message())
    return f"{delivery.channel}: {reason}, {len(waiting)} given up that waited for it"


async def _unreadable(error: Unreadable, text: object, post: Post) -> str:
    """A message that is none, from wherever: every channel is told."""
    notice = notices.unreadable(f"{error}. It was: {excerpt(text)}", post.clock.now())
    log.critical("%s", notice.reason)
    await fan_out.put(Item(notice.message()), post.channels, post)
    return "unreadable, every channel told"
