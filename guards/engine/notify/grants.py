"""The messages that instances granted each other lately: what `limits` is asked about."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from guards.engine.errors import Transient
from guards.engine.notify.limits import Limit
from guards.engine.store import Conflict, Insert, Put, Row, Store

PARTITION = "limits"

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Free:
    """How many messages may go now, and if none, in how many seconds one may."""

    messages: int
    wait_s: float


class Grants:
    """The limits of one channel, a row of the store each; one message uses one of each."""

    def __init__(self, store: Store, limits: Sequence[Limit]) -> None:
        self._store = store
        self._limits = limits

    async def free(self, now: float, *, many: bool) -> Free | None:
        """What may go now, if one alert waits or many; None if there is no limit."""
        if not self._limits:
            return None
        given = [(limit, _given(await self._row(limit))) for limit in self._limits]
        wait_s = max(limit.wait_s(grants, now, many=many) for limit, grants in given)
        if wait_s > 0 or not many:
            return Free(int(not wait_s), wait_s)
        return Free(min(limit.free(grants, now) for limit, grants in given), 0.0)

    async def take(self, now: float, *, many: bool = False, at_once: bool = False) -> bool:
        """One message, if all limits allow it; what was taken of some is given back if not.

        Raises:
            Transient: too many others want the same.
        """
        taken: list[Limit] = []
        try:
            for limit in self._limits:
                if not await self._change(limit, now, many=many, at_once=at_once):
                    break
                taken.append(limit)
        finally:
            if len(taken) < len(self._limits):
                for other in taken:
                    with contextlib.suppress(Transient):
                        await self._replace(other, now, None)
        return len(taken) == len(self._limits)

    async def _change(self, limit: Limit, now: float, *, many: bool, at_once: bool) -> bool:
        for _ in range(_TRIES):
            row = await self._row(limit)
            grants = _given(row)
            if limit.wait_s(grants, now, many=many, at_once=at_once) > 0:
                return False
            if await self._write(limit, row, [*limit.recent(grants, now), now]):
                return True
        raise Transient(f"the limit {limit.key} is written by too many at once")

    async def took(self, began: float, ended: float) -> None:
        """A message took its time: it counts from when it had arrived."""
        for limit in self._limits:
            await self._replace(limit, began, ended)

    async def _replace(self, limit: Limit, grant: float, other: float | None) -> None:
        for _ in range(_TRIES):
            row = await self._row(limit)
            if row is None or grant not in (grants := _given(row)):
                return
            grants.remove(grant)
            if await self._write(limit, row, grants if other is None else [*grants, other]):
                return

    async def _row(self, limit: Limit) -> Row | None:
        return await self._store.get(PARTITION, limit.key)

    async def _write(self, limit: Limit, row: Row | None, grants: Sequence[float]) -> bool:
        values = {"grants": json.dumps(grants)}
        write = Put(limit.key, values, row.etag) if row else Insert(limit.key, values)
        try:
            await self._store.write(PARTITION, write)
        except Conflict:
            return False
        return True


def _given(row: Row | None) -> list[float]:
    """The times in a row; one that cannot be read counts as none."""
    try:
        read = json.loads(str(row.values["grants"])) if row else []
        return [float(t) for t in read if isinstance(t, int | float)]
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return []
