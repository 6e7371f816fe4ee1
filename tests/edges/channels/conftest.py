"""What channels are tried with: the app's own session, free slots, and an ear for secrets."""

import logging
import traceback
from collections.abc import Awaitable
from typing import Protocol

import pytest

from guards.engine.errors import GuardError
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Channel
from tests.edges.channels.parcels import ONE


class Slots:
    """The `Another` of a sender: grants as many further messages as there are."""

    def __init__(self, free: int = 0) -> None:
        self.asked = 0
        self._free = free

    async def __call__(self) -> bool:
        """Whether one more may be sent."""
        self.asked += 1
        return self.asked <= self._free


class Fails(Protocol):
    """Lets a channel fail."""

    def __call__(
        self, channel: Channel, *secrets: str, parcel: Parcel = ONE, slots: Slots | None = None
    ) -> Awaitable[GuardError]: ...


@pytest.fixture
def fails(caplog: pytest.LogCaptureFixture) -> Fails:
    """Sends, and returns the error: no secret is in it, its traceback, a `repr` or a log."""
    caplog.set_level(logging.DEBUG)

    async def failing(
        channel: Channel, *secrets: str, parcel: Parcel = ONE, slots: Slots | None = None
    ) -> GuardError:
        with pytest.raises(GuardError) as caught:
            await channel.send(parcel, slots or Slots())
        error = caught.value
        told = "".join(traceback.format_exception(error))
        for text in (told, str(error), repr(error), repr(channel), caplog.text):
            for secret in secrets:
                assert secret not in text
        assert error.__context__ is None  # where a traceback of another kind would look
        return error

    return failing
