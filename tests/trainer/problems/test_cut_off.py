"""Cut-offs of two classes: the best F1, the least cost, or the lowest that is precise enough."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.metrics import f1_score

from trainer.errors import DataValidationError, ModelRefusedError
from trainer.pipeline import CutOff
from trainer.problems.cut_off import choose_cut_off


@pytest.mark.parametrize("seed", range(30))
def test_the_best_cut_off_against_every_cut_off(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.random(60) < 0.3
    truth[0] = True
    probability = random.integers(0, 1 + 10 ** random.integers(1, 4), 60) / 10**3
    probability[1] = 0.001
    candidates = [value for value in np.unique(probability) if value > 0]
    figures = [f1_score(truth, probability >= value, zero_division=0) for value in candidates]
    best = max(figures)
    assert choose_cut_off(None, truth, probability) == next(
        value for value, figure in zip(candidates, figures, strict=True) if figure >= best - 1e-12
    )


@pytest.mark.parametrize(
    ("truth", "probability", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.6, 0.4, 0.1], 0.6),
        ([1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.6, 0.5, 0.3, 0.1], 0.6),
        ([1, 0, 0, 1], [0.8, 0.6, 0.4, 0.2], 0.2),
        ([1, 1], [0.0, 0.5], 0.5),
        ([1, 1], [1.0, 1.0], 1.0),
        ([1, 0], [0.0, 0.5], 0.5),
    ],
    ids=["separable", "one-error", "tie-takes-the-lowest", "never-0", "all-1", "all-f1-0"],
)
def test_cut_offs_worked_out_by_hand(truth: list[int], probability: list[float], expected: float) -> None:
    assert choose_cut_off(None, np.array(truth, dtype=bool), np.array(probability)) == expected


@pytest.mark.parametrize(
    ("truth", "probability", "error", "message"),
    [
        ([False, False], [0.1, 0.2], DataValidationError, "none of the 2 rows is positive"),
        ([True, False], [0.0, 0.0], ModelRefusedError, "all 2 probabilities are 0"),
        ([True, False], [0.5, 1.5], ModelRefusedError, "1 of 2 probabilities"),
        ([True, False], [0.5], ModelRefusedError, "for 2 rows"),
    ],
    ids=["no-positive", "all-0", "out-of-range", "length"],
)
def test_no_cut_off(truth: list[bool], probability: list[float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        choose_cut_off(None, np.array(truth), np.array(probability))


def test_a_cut_off_of_32_bit_probabilities_calls_the_same_rows() -> None:
    small = np.random.default_rng(2).random(50).astype(np.float32)
    cut_off = choose_cut_off(None, small > 0.4, small)
    assert (small.astype(float) >= cut_off).sum() == (small >= np.float32(cut_off)).sum() > 0


@pytest.mark.parametrize("costs", [(1.0, 5.0), (1.0, 1.0), (5.0, 1.0), (0.01, 0.03)], ids=str)
def test_the_cheapest_cut_off_against_every_cut_off(costs: tuple[float, float]) -> None:
    random = np.random.default_rng(5)
    truth = random.random(200) < 0.3
    probability = np.clip(truth * 0.2 + random.random(200), 0, 1).round(2)
    rule = CutOff(false_positive=costs[0], false_negative=costs[1])

    def cost(cut_off: float) -> float:
        called = probability >= cut_off
        return float(costs[0] * (called & ~truth).sum() + costs[1] * (~called & truth).sum())

    candidates = [value for value in np.unique(probability) if value > 0]
    assert choose_cut_off(rule, truth, probability) == min(candidates, key=cost)


def test_costs_by_which_no_row_should_count_as_positive(caplog: pytest.LogCaptureFixture) -> None:
    rule = CutOff(false_positive=100, false_negative=1)
    with caplog.at_level(logging.WARNING):
        cut_off = choose_cut_off(rule, np.array([True, False]), np.array([0.2, 0.5]))
    assert 0.5 < cut_off < 0.5001
    assert (
        "none counts as positive: with these costs, 100 for a false positive and 1 for a false negative" in caplog.text
    )


@pytest.mark.parametrize(("wanted", "expected"), [(0.5, 0.2), (0.6, 0.3), (0.75, 0.6), (0.9, 0.8)])
def test_the_lowest_cut_off_that_is_precise_enough(wanted: float, expected: float) -> None:
    truth = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    probability = np.array([0.9, 0.8, 0.6, 0.6, 0.3, 0.3, 0.2, 0.2])
    assert choose_cut_off(CutOff(precision=wanted), truth, probability) == expected


def test_a_precision_that_no_cut_off_reaches_is_refused() -> None:
    truth, probability = np.array([False, True, True]), np.array([0.9, 0.8, 0.1])
    message = r"no cut-off reaches 0.9 on the 3 validation rows; the highest is 0.667, from a probability of 0.1 on"
    with pytest.raises(ModelRefusedError, match=message):
        choose_cut_off(CutOff(precision=0.9), truth, probability)
