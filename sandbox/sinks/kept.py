"""What a sink remembers: the last things, bounded by number and by size."""

from collections import deque

KEPT = 20_000
"""How many things a sink remembers; older ones are forgotten."""

KEPT_BYTES = 32 * 2**20
"""How large they are together, as they came over the wire; small ones make up the number."""


class Kept[T]:
    """Things in the order they came."""

    def __init__(self) -> None:
        self._things: deque[tuple[T, int]] = deque()
        self._bytes = 0

    def add(self, thing: T, size: int) -> None:
        """Remember a thing that took `size` bytes; forget the oldest while there is too much."""
        self._things.append((thing, size))
        self._bytes += size
        while len(self._things) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= self._things.popleft()[1]

    def all(self) -> list[T]:
        """Everything that is remembered, oldest first."""
        return [thing for thing, _ in self._things]
