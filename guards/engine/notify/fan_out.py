"""One alert to one delivery for each channel that the policy's routes lead to."""

import logging
from collections.abc import Iterable

from guards.engine.notify.deliveries import Delivery, read_alert
from guards.engine.notify.parcel import Item
from guards.engine.notify.ports import Post

log = logging.getLogger(__name__)


async def on_alert(text: str | bytes, post: Post) -> str:
    """A message of `guard-alerts`; returns what became of it, for the log.

    Raises:
        Transient: the queue cannot be reached. What was put already is put again, and told once.
    """
    item = Item(read_alert(text))
    routed = (await post.routes()).channels_for(item.alert, tuple(post.channels))
    if routed.unknown:
        log.error(
            "the policy's notify names channels that no app setting defines: %s",
            ", ".join(routed.unknown),
        )
    await put(item, routed.channels, post)
    return f"{_name(item)} to {', '.join(routed.channels) or 'nobody, as the policy says'}"


async def on_poison_alert(text: str | bytes, post: Post) -> str:
    """A message of `guard-alerts` that failed five times: to every channel, whatever routes say."""
    item = Item(read_alert(text), "its routes could not be followed, so every channel gets it")
    await put(item, post.channels, post)
    log.critical("%s failed again and again; sent to every channel", _name(item))
    return f"{_name(item)} to every channel"


async def put(item: Item, channels: Iterable[str], post: Post) -> None:
    """An alert into `guard-deliveries`, for each of these channels."""
    for name in channels:
        await post.deliveries.put(Delivery(name, first_seen=post.now(), item=item).message())


def _name(item: Item) -> str:
    return f"alert {str(item.alert.get('alertId', '?'))[:12]!a}"
