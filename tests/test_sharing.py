"""How the tests are spread over workers: none is lost, and what is long begins first."""

import pytest

from tests.sharing import spread

SECONDS = {"a": 60, "b": 30, "c": 20, "d": 10}
"""Of the units that are long; any other is short."""

TESTS = [f"{unit}{number}" for unit in "xaybzcwd" for number in range(7)]


def unit(test: str) -> tuple[str, float]:
    """The letter of a test."""
    return test[0], SECONDS.get(test[0], 0)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 40, 100])
def test_every_test_is_there_once_and_units_stay_in_order(workers: int) -> None:
    """However many workers there are: also more than tests."""
    ordered = spread(TESTS, unit, workers)
    assert sorted(ordered) == sorted(TESTS)
    for name in SECONDS:
        place = ordered.index(f"{name}0")
        assert ordered[place : place + 7] == [f"{name}{number}" for number in range(7)]


def test_all_workers_but_one_begin_with_their_share_of_what_is_long() -> None:
    """Of xdist each of them gets the next so many tests; the least busy one has the next unit."""
    ordered = spread(TESTS, unit, 4)
    parts = [ordered[:14], ordered[14:28], ordered[28:42], ordered[42:]]
    assert [part[0][0] for part in parts[:3]] == ["a", "b", "c"]
    assert parts[2][7:] == [f"d{number}" for number in range(7)]
    assert not {test[0] for test in parts[3]} & set(SECONDS)


def test_without_anything_long_the_order_is_as_it_was() -> None:
    """Of single files, say."""
    assert spread(TESTS, lambda test: (test[0], 0), 4) == TESTS
