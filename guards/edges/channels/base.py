"""What every kind of channel has: a name, limits, a capacity, and a `repr` without secrets."""

from collections.abc import Sequence

from guards.engine.notify.limits import Limit


class Base:
    """The attributes of `notify.ports.Channel`; `limits` and `capacity` are explained there."""

    def __init__(self, name: str, limits: Sequence[Limit], capacity: int) -> None:
        self.name = name
        self.limits = limits
        self.capacity = capacity

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
