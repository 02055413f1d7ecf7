"""ROC-AUC of two classes estimated before labels arrive: confidence-based performance estimation (CBPE).

The method is that of NannyML (https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html): each
answer with a calibrated probability p counts as p positive rows and 1 - p negative ones. It holds while the target
depends on the inputs as it did on the calibration rows: it is blind to concept drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.evaluation.bootstrap import percentiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]

RESAMPLES = 200
MOST_POINTS = 10_000
"""Of more answers, as many evenly spaced ranks stand for all in the interval."""
SEED = 43


@dataclass(frozen=True)
class Estimate:
    """An expected ROC-AUC with its interval, which has the errors of calibration and of the rows."""

    value: float
    lower: float
    upper: float


def estimated_auc_roc(calibration: Predictions, probability: Array, confidence: float = 0.95) -> Estimate | None:
    """Return the expected ROC-AUC of answers P(positive) (n,) without labels.

    :param calibration: answers with true values that the model has not learned from, two classes

    None if all answers, once calibrated, are of one class for sure, so that there is nothing to rank.
    """
    import numpy as np

    ((is_positive, known),) = calibration.one_versus_rest()
    value = expected_auc_roc(_calibrated(known, is_positive, probability))
    if value is None:
        return None
    points = _spread(np.sort(np.asarray(probability, dtype=float)))
    random = np.random.default_rng(SEED)
    values = []
    for _ in range(RESAMPLES):
        drawn = random.integers(known.size, size=known.size)
        weights = random.poisson(probability.size / points.size, size=points.size).astype(float)
        values.append(expected_auc_roc(_calibrated(known[drawn], is_positive[drawn], points), weights))
    lower, upper = percentiles(np.array([one for one in values if one is not None]), confidence)
    return Estimate(value, min(lower, value), max(upper, value))


def expected_auc_roc(calibrated: Array, weights: Array | None = None) -> float | None:
    """Return the ROC-AUC to expect of calibrated probabilities (n,), each row counting `weights` (n,) times.

    Rows of one probability are one step of the curve. None if no positive, or no negative, row is to be expected.

    >>> import numpy as np
    >>> expected_auc_roc(np.array([0.9, 0.1]))
    0.9
    """
    import numpy as np

    order = np.argsort(-calibrated, kind="stable")
    counts = np.ones(calibrated.size) if weights is None else weights[order]
    positive = np.concatenate([[0.0], np.cumsum(counts * calibrated[order])])
    negative = np.concatenate([[0.0], np.cumsum(counts * (1 - calibrated[order]))])
    if positive[-1] <= 0 or negative[-1] <= 0:
        return None
    return float(np.trapezoid(positive / positive[-1], negative / negative[-1]))


def _calibrated(known: Array, is_positive: Array, probability: Array) -> Array:
    """Return probabilities calibrated by isotonic regression of what came true (Zadrozny and Elkan 2002)."""
    from sklearn.isotonic import IsotonicRegression

    regression = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted: Array = regression.fit(known, is_positive.astype(float)).predict(probability)
    return fitted


def _spread(ascending: Array) -> Array:
    import numpy as np

    if ascending.size <= MOST_POINTS:
        return ascending
    spread: Array = ascending[np.linspace(0, ascending.size - 1, MOST_POINTS).astype(int)]
    return spread
