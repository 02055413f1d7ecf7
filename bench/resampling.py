"""The paired bootstrap, beside a loop over scikit-learn's metric."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ROWS = 1_057
SHARE_OF_LEAVERS = 0.27
CUT_OFF = 0.5
RESAMPLES, LOOPED = 2_000, 200
REPEATS = 7
GOAL = 0.05


def bootstrap() -> list[Figure]:
    """2,000 resamples of a test set of the Telco data's size, against 200 of a plain loop, times ten."""
    answers = _answers()
    value, reference = partial(_ours, *answers), partial(_loop, *answers)
    value(), reference()  # warm up
    pair = alternate(value, reference, REPEATS)
    how = (
        f"paired bootstrap of auc_roc, {ROWS:,} rows x {RESAMPLES:,} resamples, against a loop over scikit-learn's "
        f"roc_auc_score of both models on resampled rows ({LOOPED} resamples, scaled); median of {REPEATS} pairs"
    )
    return [Figure("bootstrap", pair.value, pair.reference, GOAL, "lower", "CPU s", how)]


def _answers() -> tuple[Array, Array, Array]:
    """True values, and the probabilities of two models for them."""
    import numpy as np

    random = np.random.default_rng(42)
    leaves = random.random(ROWS) < SHARE_OF_LEAVERS
    ours, theirs = (np.clip(0.3 * leaves + 0.35 + 0.2 * random.normal(size=ROWS), 0, 1) for _ in "ab")
    return leaves, ours, theirs


def _ours(truth: Array, ours: Array, theirs: Array) -> float:
    from trainer.evaluation.bootstrap import paired_bootstrap
    from trainer.problems import problem_of
    from trainer.problems.predictions import Predictions

    sides = [Predictions(truth, answers >= CUT_OFF, answers, positive=True) for answers in (ours, theirs)]
    return cpu_seconds(
        lambda: paired_bootstrap(problem_of("binary_classification"), "auc_roc", *sides, resamples=RESAMPLES)
    )


def _loop(truth: Array, ours: Array, theirs: Array) -> float:
    return cpu_seconds(lambda: _resample(truth, ours, theirs)) * RESAMPLES / LOOPED


def _resample(truth: Array, ours: Array, theirs: Array) -> list[float]:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(42)
    gains = []
    for _ in range(LOOPED):
        drawn = random.integers(ROWS, size=ROWS)
        gains.append(roc_auc_score(truth[drawn], ours[drawn]) - roc_auc_score(truth[drawn], theirs[drawn]))
    return gains
