"""How much may be sent when: a number of messages in a window, soon spread evenly over it.

Pure: the times of earlier grants come from the store, which all instances share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SKEW_S = 60.0
"""How far the clocks of two instances may be apart."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` messages in any `window_s` seconds to what `key` stands for.

    The first `burst` go at once; the others are spread, so that a flood does not use up in a
    second what is needed for minutes. `key` is no secret: it ends up in the store.
    """

    key: str
    count: int
    window_s: float
    burst: int

    @property
    def spacing_s(self) -> float:
        """Seconds between two messages once the burst is used up."""
        return self.window_s / self.count

    def recent(self, grants: Sequence[float], now: float) -> list[float]:
        """The grants that still count; what lies in the future was written by a wrong clock."""
        counting = (grant for grant in grants if -_SKEW_S < now - grant < self.window_s)
        return sorted(counting)[-self.count :]

    def wait_s(self, grants: Sequence[float], now: float, *, at_once: bool = False) -> float:
        """Seconds until the next message may go, 0 if now; `at_once` asks of the window only."""
        recent = self.recent(grants, now)
        if len(recent) < (self.count if at_once else self.burst):
            return 0.0
        wait = 0.0
        if len(recent) >= self.count:
            wait = recent[0] + self.window_s - now
        if not at_once:
            wait = max(wait, recent[-1] + self.spacing_s - now)
        return max(wait, 0.0)

    def free(self, grants: Sequence[float], now: float) -> int:
        """How many messages may go right now, one after the other."""
        used = len(self.recent(grants, now))
        if used < self.burst:
            return self.burst - used
        return int(self.wait_s(grants, now) == 0.0)


def teams(key: str) -> Limit:
    """20 posts in 5 minutes, of the Flow bot's 25; and what a post may take to arrive."""
    return Limit(f"teams {key}", count=20, window_s=310, burst=5)


def mail(key: str) -> Limit:
    """One mail a minute for one recipient."""
    return Limit(f"mail {key}", count=1, window_s=62, burst=1)
