"""The cut-off of two classes: the probability from which a row counts as positive, chosen on validation rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from trainer.errors import DataValidationError, ModelRefusedError
from trainer.problems.predictions import check_probability

if TYPE_CHECKING:
    from trainer.pipeline import CutOff
    from trainer.problems.problem import Array

logger = logging.getLogger(__name__)


class Levels(NamedTuple):
    """The m distinct probabilities above 0, ascending, and the counts of rows (m,) if one of them is the cut-off."""

    cut_off: Array
    found: Array
    """Positive rows that count as positive."""
    called: Array
    """All rows that count as positive."""
    positives: int
    """All positive rows."""


def choose_cut_off(rule: CutOff | None, truth_is_positive: Array, probability: Array) -> float:
    """Return the cut-off that a rule chooses from truth (n,) and P(positive) (n,); without a rule, the best F1's.

    Every distinct probability is tried, and of equally good ones the lowest wins. By cost, one above all of them is
    tried as well. Raises DataValidationError without a positive row, and ModelRefusedError without a probability above
    0 or if no cut-off reaches the precision.
    """
    levels = _levels(truth_is_positive, probability)
    if rule is None:
        return _best(levels, 2 * levels.found / (levels.called + levels.positives))
    if rule.precision is not None:
        return _of_precision(levels, rule.precision, len(probability))
    return _of_least_cost(levels, rule.false_positive or 0.0, rule.false_negative or 0.0)


def _levels(truth_is_positive: Array, probability: Array) -> Levels:
    import numpy as np

    is_positive = np.asarray(truth_is_positive, dtype=bool)
    check_probability(probability, is_positive.size)
    if not is_positive.any():
        raise DataValidationError(f"no cut-off can be chosen: none of the {is_positive.size} rows is positive")
    levels, where, counts = np.unique(np.asarray(probability, dtype=float), return_inverse=True, return_counts=True)
    if levels[-1] <= 0:
        raise ModelRefusedError(f"no cut-off can be chosen: all {is_positive.size} probabilities are 0")
    hits = np.bincount(where, weights=is_positive, minlength=levels.size)
    found, called = (np.cumsum(column[::-1])[::-1][levels > 0] for column in (hits, counts))
    return Levels(levels[levels > 0], found, called, int(is_positive.sum()))


def _best(levels: Levels, goodness: Array) -> float:
    return float(levels.cut_off[goodness.argmax()])


def _of_least_cost(levels: Levels, false_positive: float, false_negative: float) -> float:
    import numpy as np

    cost = false_positive * (levels.called - levels.found) + false_negative * (levels.positives - levels.found)
    highest = float(levels.cut_off[-1])
    if highest < 1 and false_negative * levels.positives < cost.min():
        logger.warning(
            "cut_off: of the validation rows none counts as positive: with these costs, %g for a false positive and %g "
            "for a false negative, every cut-off that finds some is more expensive",
            false_positive, false_negative,
        )  # fmt: skip
        return float(np.nextafter(highest, 1.0))
    return _best(levels, -cost)


def _of_precision(levels: Levels, wanted: float, rows: int) -> float:
    precision = levels.found / levels.called
    if not (precision >= wanted).any():
        best = precision.argmax()
        raise ModelRefusedError(
            f"cut_off.precision: no cut-off reaches {wanted:g} on the {rows:,} validation rows; the highest is "
            f"{precision[best]:.3g}, from a probability of {levels.cut_off[best]:.3g} on; lower cut_off.precision, or "
            "improve the model"
        )
    return _best(levels, precision >= wanted)
