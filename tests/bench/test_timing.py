"""Pairs, their order and their median; what a piece of work costs is not tested here."""

import gc
from collections.abc import Callable

import pytest

from bench.timing import Pair, alternate, cpu_seconds, median_pair


def test_the_median_is_that_of_the_ratios_and_stays_a_measured_pair():
    pairs = [Pair(10.0, 10.0), Pair(9.0, 3.0), Pair(2.0, 1.0)]
    assert median_pair(pairs) == Pair(2.0, 1.0)


def test_a_disturbed_pair_does_not_move_the_median():
    assert median_pair([Pair(2.0, 1.0), Pair(2.0, 1.0), Pair(900.0, 1.0)]) == Pair(2.0, 1.0)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_an_even_number_of_pairs_has_no_median(count):
    with pytest.raises(ValueError, match=f"not {count}"):
        median_pair([Pair(1.0, 1.0)] * count)


def test_value_and_reference_take_turns_in_changing_order():
    calls: list[str] = []

    def measure(name: str, seconds: float) -> Callable[[], float]:
        def measured() -> float:
            calls.append(name)
            return seconds

        return measured

    pair = alternate(measure("value", 6.0), measure("reference", 2.0), 3)
    assert pair == Pair(value=6.0, reference=2.0)
    assert calls == ["value", "reference", "reference", "value", "value", "reference"]


def test_the_garbage_collector_rests_during_the_work_and_works_again_after_it():
    seen: list[bool] = []
    assert cpu_seconds(lambda: seen.append(gc.isenabled())) >= 0
    assert seen == [False]
    assert gc.isenabled()


def test_the_garbage_collector_works_again_after_a_failure():
    with pytest.raises(ZeroDivisionError):
        cpu_seconds(lambda: 1 / 0)
    assert gc.isenabled()
