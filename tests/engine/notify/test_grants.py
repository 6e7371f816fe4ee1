"""Grants: instances that race share a limit, and what is used up in part is given back."""

import asyncio
import json
from typing import Any

import pytest

from guards.engine.errors import Transient
from guards.engine.notify import limits
from guards.engine.notify.grants import PARTITION, Grants
from guards.engine.notify.limits import Limit
from guards.engine.store import Put
from tests.fakes import Store, Trouble

NOW = 1_793_000_000.0
TEAMS = limits.teams("workflow")
ANN, BOB = limits.mail("ann"), limits.mail("bob")


@pytest.fixture
def store() -> Store:
    """One that several instances share."""
    return Store(Trouble())


async def given(store: Store, limit: Limit) -> list[float]:
    """What stands in the row of a limit."""
    row = await store.get(PARTITION, limit.key)
    times: list[float] = json.loads(str(row.values["grants"])) if row else []
    return times


async def use_up(store: Store, limit: Limit, at: float = NOW) -> None:
    """Another channel sends all that may be sent."""
    await store.write(PARTITION, Put(limit.key, {"grants": json.dumps([at] * limit.count)}))


async def test_instances_that_race_share_the_limit(store: Store) -> None:
    """Of seven that ask at the same moment five get a post, and no grant is lost in the race."""
    asking = (Grants(store, [TEAMS]).take(NOW, many=True) for _ in range(7))
    assert sum(await asyncio.gather(*asking)) == TEAMS.burst
    assert await given(store, TEAMS) == [NOW] * TEAMS.burst


async def test_instances_that_race_for_the_last_one_get_it_once(store: Store) -> None:
    """A recipient gets one mail, whichever channel was faster."""
    asking = (Grants(store, [ANN]).take(NOW) for _ in range(9))
    assert sorted(await asyncio.gather(*asking)) == [False] * 8 + [True]


async def test_a_message_uses_up_one_of_every_limit(store: Store) -> None:
    """A mail to two people is one for each of them."""
    assert await Grants(store, [ANN, BOB]).take(NOW)
    assert await given(store, ANN) == await given(store, BOB) == [NOW]
    assert not await Grants(store, [BOB]).take(NOW)


async def test_what_was_taken_is_given_back_if_another_limit_is_used_up(store: Store) -> None:
    """Ann can still be told by another channel while Bob has to wait."""
    await use_up(store, BOB, NOW - 30)
    assert not await Grants(store, [ANN, BOB]).take(NOW)
    assert await given(store, ANN) == []
    assert await Grants(store, [ANN]).take(NOW)


async def test_only_ones_own_grant_is_given_back(store: Store) -> None:
    """Those of others, the same moment included, stay."""
    other = Limit("other", count=2, window_s=60, single=2, burst=2)
    await store.write(PARTITION, Put(other.key, {"grants": json.dumps([NOW])}))
    await use_up(store, BOB)
    assert not await Grants(store, [other, BOB]).take(NOW)
    assert await given(store, other) == [NOW]


async def test_channels_that_share_two_recipients_never_mail_one_of_them_twice(
    store: Store,
) -> None:
    """In whatever order they name them."""
    asking = [
        *(Grants(store, [ANN, BOB]).take(NOW) for _ in range(3)),
        *(Grants(store, [BOB, ANN]).take(NOW) for _ in range(3)),
    ]
    granted = sum(await asyncio.gather(*asking))
    assert granted <= 1
    assert await given(store, ANN) == await given(store, BOB) == [NOW] * granted


async def test_without_a_limit_everything_may_go(store: Store) -> None:
    """Machines are not disturbed by messages, and the store is not asked."""
    grants = Grants(store, [])
    assert await grants.free(NOW, many=True) is None
    assert await grants.take(NOW, many=True)
    assert not store.rows


async def test_what_is_free_is_what_the_tightest_limit_has(store: Store) -> None:
    """And when there is nothing, one waits for the slowest."""
    both = Grants(store, [TEAMS, ANN])
    free = await both.free(NOW, many=True)
    assert free is not None
    assert (free.messages, free.wait_s) == (1, 0)
    await use_up(store, ANN, NOW - 2)
    await use_up(store, TEAMS, NOW - 300)
    free = await both.free(NOW, many=True)
    assert free is not None
    assert (free.messages, free.wait_s) == (0, 60)
    one = await Grants(store, [TEAMS]).free(NOW, many=False)
    assert one is not None
    assert (one.messages, one.wait_s) == (0, 10)


async def test_one_alert_alone_is_one_message(store: Store) -> None:
    """However much the limit has left."""
    free = await Grants(store, [TEAMS]).free(NOW, many=False)
    assert free is not None
    assert (free.messages, free.wait_s) == (1, 0)


async def test_a_second_form_of_a_message_asks_of_the_window_only(store: Store) -> None:
    """The plain form of a refused card does not wait for the even spread, only for room."""
    grants = Grants(store, [TEAMS])
    await store.write(PARTITION, Put(TEAMS.key, {"grants": json.dumps([NOW] * 19)}))
    assert not await grants.take(NOW)
    assert await grants.take(NOW, at_once=True)
    assert not await grants.take(NOW, at_once=True)


async def test_rows_do_not_grow(store: Store) -> None:
    """What lies behind the window is forgotten with the next grant."""
    grants = Grants(store, [TEAMS])
    for minute in range(500):
        assert await grants.take(NOW + 60 * minute)
    assert len(await given(store, TEAMS)) <= TEAMS.count


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"grants": ""},
        {"grants": "no json"},
        {"grants": "{}"},
        {"grants": "7"},
        {"grants": "null"},
        {"grants": "[" * 10_000},
        {"grants": f"[1{'0' * 400}]"},
        {"grants": '["x", null, [1], {}, true, NaN, Infinity, -Infinity, 1e308, -1e308]'},
        {"grants": 7},
        {"grants": b"\xff"},
    ],
)
async def test_a_row_of_nonsense_counts_as_no_grant(store: Store, values: dict[str, Any]) -> None:
    """Nobody who writes into the store keeps a channel silent."""
    await store.write(PARTITION, Put(TEAMS.key, values))
    grants = Grants(store, [TEAMS])
    free = await grants.free(NOW, many=True)
    assert free is not None
    assert free.messages == TEAMS.burst
    assert await grants.take(NOW)
    assert await given(store, TEAMS) == [NOW]


class Contended(Store):
    """A store in which somebody writes a row just before everyone else does."""

    async def write(self, partition: str, *writes: Any) -> None:
        values = {"grants": json.dumps([NOW - 5])}
        for write in writes:
            await super().write(partition, Put(write.key, values))
        await super().write(partition, *writes)


async def test_a_limit_that_everybody_writes_is_transient_trouble() -> None:
    """After a bounded number of tries the delivery is put off, and names no secret."""
    store = Contended(trouble := Trouble())
    with pytest.raises(Transient, match="teams workflow"):
        await Grants(store, [TEAMS]).take(NOW)
    assert trouble.count("store.get") == 10


async def test_a_store_that_cannot_be_reached_is_transient_trouble(store: Store) -> None:
    """Nothing is sent without being counted."""
    store._trouble.errors["store.write"] = [Transient("ServerBusy")]
    with pytest.raises(Transient):
        await Grants(store, [TEAMS]).take(NOW)
    assert await given(store, TEAMS) == []
