"""The confidence sequence: the numbers of its theorem."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from trainer.experiments.confidence_sequence import ArmSummary, difference_interval, rho

A = ArmSummary(10_000, 0.30, 0.21)
B = ArmSummary(10_000, 0.35, 0.2275)


def test_the_interval_is_that_of_theorem_2_2() -> None:
    found = difference_interval(A, B)
    assert found is not None
    t, variance = 20_000, 20_000 * (0.21 + 0.2275) / 10_000
    square = t * rho(0.05) ** 2
    factor = 2 * (square + 1) / (t**2 * rho(0.05) ** 2) * math.log(math.sqrt(square + 1) / 0.05)
    expected = math.sqrt(variance * factor)
    assert (found.lower, found.upper) == pytest.approx((0.05 - expected, 0.05 + expected))
    assert found.excludes_zero
    assert expected / math.sqrt((0.21 + 0.2275) / 10_000) == pytest.approx(3.06, abs=0.01)  # 1.96 at a single look


def test_rho_makes_the_interval_narrowest_at_ten_thousand_units() -> None:
    def width(scale: float) -> float:
        square = 10_000 * (scale * rho(0.05)) ** 2
        return (square + 1) / square * math.log(math.sqrt(square + 1) / 0.05)

    assert width(1) < min(width(0.8), width(1.25))
    assert width(1) == pytest.approx(min(width(0.9 + step / 500) for step in range(100)), rel=1e-3)


@pytest.mark.parametrize(("count", "is_known"), [(99, False), (100, True)])
def test_few_outcomes_have_no_interval(count: int, is_known: bool) -> None:
    assert (difference_interval(A, replace(B, count=count)) is not None) == is_known
    assert (difference_interval(replace(A, count=count), B) is not None) == is_known


def test_the_same_outcomes_everywhere_name_no_winner() -> None:
    constant = ArmSummary(500, 0.0, 0.0)
    found = difference_interval(constant, constant)
    assert found is not None
    assert not found.excludes_zero
