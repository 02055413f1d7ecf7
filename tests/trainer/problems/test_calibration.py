"""Predicted against observed: rows, ranges and shares add up."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.problems.calibration import reliability
from trainer.problems.predictions import Predictions


def predictions(probability: list[float], positive: list[bool]) -> Predictions:
    truth = np.where(positive, "Yes", "No")
    return Predictions(truth, truth, np.array(probability), positive="Yes")


def test_a_bin_tells_what_was_predicted_and_what_came_true() -> None:
    probability = np.linspace(0, 0.99, 100)
    bins = reliability(predictions(probability.tolist(), (np.arange(100) % 4 == 0).tolist()))
    assert [found.rows for found in bins] == [10] * 10
    edges = [found.lower for found in bins] + [bins[-1].upper]
    assert edges[0] == 0
    assert edges[-1] == 0.99
    assert [found.upper for found in bins] == edges[1:]
    assert all(found.lower <= found.predicted <= found.upper for found in bins)
    assert sum(found.predicted * found.rows for found in bins) == pytest.approx(probability.sum())
    assert sum(found.observed * found.rows for found in bins) == pytest.approx(25)
    assert bins[0].predicted == pytest.approx(0.045)
    assert bins[0].observed == 0.3


def test_calibrated_probabilities_lie_on_the_diagonal_and_others_do_not() -> None:
    rng = np.random.default_rng(3)
    probability = rng.uniform(0, 1, 20_000)
    came_true = (rng.uniform(0, 1, 20_000) < probability).tolist()
    calibrated = reliability(predictions(probability.tolist(), came_true))
    assert max(abs(found.predicted - found.observed) for found in calibrated) < 0.03
    certain = reliability(predictions((probability**3).tolist(), came_true))
    assert max(found.observed - found.predicted for found in certain) > 0.3


def test_equal_probabilities_stay_together() -> None:
    bins = reliability(predictions([0.1] * 60 + [0.2] * 30 + [0.9] * 10, [False] * 90 + [True] * 10))
    assert [(found.rows, found.observed) for found in bins] == [(60, 0), (30, 0), (10, 1)]
    assert [found.predicted for found in bins] == pytest.approx([0.1, 0.2, 0.9])


def test_a_model_that_says_the_same_of_all_has_one_bin() -> None:
    [only] = reliability(predictions([0.25] * 8, [True] * 2 + [False] * 6))
    assert (only.lower, only.upper, only.rows, only.predicted, only.observed) == (0.25, 0.25, 8, 0.25, 0.25)


def test_only_two_classes_have_it() -> None:
    numbers = np.array([1.0, 2.0])
    assert reliability(Predictions(numbers, numbers, None)) == []
    labels, shares = np.array(["a", "b", "c"]), np.eye(3)
    assert reliability(Predictions(labels, labels, shares, classes=("a", "b", "c"))) == []
