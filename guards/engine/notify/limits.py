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

    The first ones go at once, `single` of them while one alert waits at a time, `burst` once there
    are many; the others are spread over the rest of the window, so that a flood does not use up in
    a second what is needed for minutes. `key` is no secret: it ends up in the store.
    """

    key: str
    count: int
    window_s: float
    single: int
    burst: int

    def recent(self, grants: Sequence[float], now: float) -> list[float]:
        """The grants that still count; what lies in the future was written by a wrong clock."""
        counting = (grant for grant in grants if -_SKEW_S < now - grant < self.window_s)
        return sorted(counting)[-self.count :]

    def wait_s(
        self, grants: Sequence[float], now: float, *, many: bool = False, at_once: bool = False
    ) -> float:
        """Seconds until the next message may go, 0 if now; `at_once` asks of the window only."""
        recent = self.recent(grants, now)
        left = self.count - len(recent)
        if not left:
            then = recent[0] + self.window_s  # the next place becomes free, and may be spread
            return then - now + self.wait_s(recent[1:], then, many=many, at_once=at_once)
        if at_once or len(recent) < (self.burst if many else self.single):
            return 0.0
        spread = (recent[0] + self.window_s - recent[-1]) / (left + 1)
        return max(recent[-1] + spread - now, 0.0)

    def free(self, grants: Sequence[float], now: float) -> int:
        """How many messages may go right now, one after the other, while many wait."""
        used = len(self.recent(grants, now))
        if used < self.burst:
            return self.burst - used
        return int(self.wait_s(grants, now, many=True) == 0.0)


def teams(key: str) -> Limit:
    """20 posts in 5 minutes, of the Flow bot's 25; and what a post may take to arrive."""
    return Limit(f"teams {key}", count=20, window_s=310, single=15, burst=5)


def mail(key: str) -> Limit:
    """One mail a minute for one recipient."""
    return Limit(f"mail {key}", count=1, window_s=62, single=1, burst=1)
