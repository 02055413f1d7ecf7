"""What chance alone gives: swaps of answers against exact enumeration and SciPy's sign test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation.bootstrap import paired_bootstrap
from trainer.evaluation.permutation_test import swapped_gains
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions

FIGURES = {**problem_of("multiclass_classification").figures, **problem_of("binary_classification").figures}


def other_in(rows: int, total: int = 200) -> tuple[Predictions, Predictions]:
    """Two models that differ in some rows, all of them right by the first."""
    truth = np.arange(total) % 3 == 0
    worse = truth.copy()
    worse[:rows] = ~worse[:rows]
    sides = [Predictions(truth, answer, np.where(answer, 0.8, 0.2), positive=True) for answer in (truth, worse)]
    return sides[0], sides[1]


def test_swaps_of_accuracy_are_the_sign_test() -> None:
    challenger, production = other_in(6)
    gains = swapped_gains(FIGURES["accuracy"], challenger, production, 20_000, 1, 500)
    as_large = (abs(gains) >= 6 / 200 - 1e-12).mean()
    assert as_large == pytest.approx(stats.binomtest(6, 6).pvalue, abs=0.005)


def test_areas_are_those_of_every_way_to_hand_out_the_answers() -> None:
    truth = np.array([True, False, True, False, False])
    probabilities = np.array([[0.9, 0.1, 0.6, 0.7, 0.2], [0.8, 0.85, 0.3, 0.7, 0.2]])
    sides = [Predictions(truth, p > 0.5, p, positive=True) for p in probabilities]
    ranks = np.array([stats.rankdata(p) for p in probabilities])

    def area(scores: np.ndarray) -> float:
        higher = scores[truth][:, None] - scores[~truth]
        return float((higher > 0).mean() + (higher == 0).mean() / 2)

    every = set()
    for coins in product([0, 1], repeat=5):
        at = np.array(coins)
        every.add(round(area(ranks[at, range(5)]) - area(ranks[1 - at, range(5)]), 9))
    found = swapped_gains(FIGURES["auc_roc"], sides[0], sides[1], 2000, 0, 64)
    assert {round(float(gain), 9) for gain in found} == every


def test_the_size_of_the_chunks_changes_nothing() -> None:
    sides = other_in(20)
    whole, pieces = (swapped_gains(FIGURES["auc_pr"], *sides, 50, 3, chunk) for chunk in (50, 7))
    assert pieces == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(("rows", "better"), [(4, False), (5, False), (8, True)])
def test_few_rows_show_a_gain_only_if_chance_does_not(rows: int, *, better: bool) -> None:
    found = paired_bootstrap(problem_of("binary_classification"), "accuracy", *other_in(rows), confidence=0.95)
    assert (found.lower > 0) == better


def test_a_class_that_production_does_not_know() -> None:
    truth = np.array(["a", "b", "c"] * 40)
    ours = np.eye(3)[[0, 1, 2] * 40] * 0.7 + 0.1
    theirs = np.tile([0.4, 0.6], (120, 1))
    challenger = Predictions(truth, truth, ours, ("a", "b", "c"))
    production = Predictions(truth, np.array(["b"] * 120), np.hstack([theirs, np.zeros((120, 1))]), ("b", "a", "c"))
    assert np.isfinite(swapped_gains(FIGURES["auc_roc"], challenger, production, 20, 0, 20)).all()
    assert np.isfinite(swapped_gains(FIGURES["log_loss"], challenger, production, 20, 0, 20)).all()
