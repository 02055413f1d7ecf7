"""The one-sided bound of a gain: against exact limits, and where few rows carry the loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from tests.trainer.problems.made_up import EVERY, make
from trainer.evaluation.bootstrap import paired_bootstrap
from trainer.evaluation.loss_bound import lower_bound
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions

BINARY = problem_of("binary_classification")
ROWS = 400


def answers(*, wrong: int, rows: int = ROWS) -> Predictions:
    """A model that answers wrongly to the first rows."""
    truth = np.arange(rows) % 2 == 0
    predicted = truth.copy()
    predicted[:wrong] = ~truth[:wrong]
    return Predictions(truth, predicted, predicted.astype(float), positive=True)


@pytest.mark.parametrize(("problem", "metric"), EVERY)
def test_a_bound_lies_below_the_gain_and_deeper_with_more_confidence(problem: str, metric: str) -> None:
    ours, theirs = make(problem, model=1), make(problem, model=2)
    solver = problem_of(problem)
    gain = paired_bootstrap(solver, metric, ours, theirs, resamples=200).gain
    usual, strict = (
        lower_bound(solver, metric, ours, theirs, confidence=confidence, resamples=300) for confidence in (0.95, 0.999)
    )
    assert strict < usual < gain


@pytest.mark.parametrize("confidence", [0.95, 0.999])
@pytest.mark.parametrize("wrong", [1, 2, 4, 8, 40])
def test_losses_in_few_rows_have_the_exact_limit_of_shares(wrong: int, confidence: float) -> None:
    """Of n rows, k were lost: the exact limit is that of Clopper and Pearson."""
    found = -ROWS * lower_bound(
        BINARY, "accuracy", answers(wrong=wrong), answers(wrong=0), confidence=confidence, resamples=4000
    )
    exact = ROWS * beta.ppf(confidence, wrong + 1, ROWS - wrong)
    assert found == pytest.approx(exact, rel=0.02 if confidence == 0.95 else 0.12)  # of 4,000 draws


def test_models_that_answer_alike_lose_nothing() -> None:
    same = answers(wrong=3)
    assert lower_bound(BINARY, "accuracy", same, answers(wrong=3), confidence=0.95, resamples=200) == 0


def test_the_worst_row_is_found_among_many() -> None:
    """A regression with one answer far off: the bound reaches for another such row, wherever it stands."""
    truth = np.random.default_rng(3).normal(size=ROWS)
    theirs = Predictions(truth, truth + 0.1, None)
    regression = problem_of("regression")
    for at in (0, ROWS // 2, ROWS - 1):
        off = truth + 0.1
        off[at] += 10
        bound = lower_bound(regression, "mse", Predictions(truth, off, None), theirs, confidence=0.95, resamples=300)
        assert (
            bound < -3 * 100 / ROWS
        )  # four or five of two such rows, where the bootstrap alone would draw three of one


def test_more_resamples_are_drawn_where_the_confidence_needs_them() -> None:
    drawn = [
        lower_bound(BINARY, "accuracy", answers(wrong=8), answers(wrong=4), confidence=0.999, resamples=resamples)
        for resamples in (200, 1000)
    ]
    assert drawn[0] == drawn[1]
