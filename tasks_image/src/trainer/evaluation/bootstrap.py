"""Whether one model is better than another beyond noise: a paired bootstrap over the rows that both have scored.

A percentile interval alone is too narrow where few rows carry the whole difference: of equal models that differ in six
rows, 6.5 % had an interval above 0 instead of 2.5 %. So a difference has to exceed what swapping answers explains, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from trainer.errors import DataValidationError, ModelRefusedError
from trainer.evaluation.permutation_test import swapped_gains
from trainer.pipeline import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.problems import Problem
    from trainer.problems.figure import Figure
    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]

Value = TypeVar("Value", float, "Array")

CHUNK_BYTES = 4_000_000
"""Bound on the arrays of one chunk of resamples, of which about four as large as the weights live at once; what fits
into a core's cache is resampled half as fast again as what does not."""
ARRAYS = 4
BYTES_PER_WEIGHT = 8
SHARE_OF_SWAPS = 4
"""Resamples for each swap of answers: a swap costs as much as four, and counts for both directions."""
ROUNDING = 1e-9
"""Relative; a gain that chance alone reaches must not exceed it by rounding."""
LOSS_CONFIDENCE = 0.99
"""Of the bound by which a drop is real: year after year of weekly looks must not start training runs by chance."""
MAX_UNDEFINED = 0.01
"""Share of the resamples that may be left out because the metric is undefined in them."""


@dataclass(frozen=True)
class Comparison:
    """A challenger against production on the same rows."""

    metric: str
    challenger: float
    production: float
    gain: float
    """Above 0 where the challenger is better, whichever the metric's direction."""
    lower: float
    """The gain's interval, two-sided."""
    upper: float
    rows: int
    resamples: int
    """Those in which the metric is defined, on which the interval rests."""


def paired_bootstrap(  # noqa: PLR0913
    problem: Problem,
    metric: str,
    challenger: Predictions,
    production: Predictions,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Comparison:
    """The gain of a challenger over production and its interval.

    It is the percentile interval (Efron and Tibshirani 1993, chapter 13), each resample drawing n of the n rows with
    replacement, the same ones for both models. Where it leaves 0 out, it is widened to the gain plus and minus what
    chance alone exceeds in a share 1 - `confidence` of cases, both models being one and the same (see `swapping`): a
    difference counts only if both say so. Raises ModelRefusedError if
    the two have not the same true values; DataValidationError if the metric is undefined on the rows, or in more than
    1 % of the resamples; ConfigurationError if it does not fit the problem.
    """
    import numpy as np

    _check_same_rows(challenger, production)
    ours, theirs = (problem.score(side, [metric])[metric] for side in (challenger, production))
    figure = problem.figure(metric)
    gains = resampled_gains(figure, challenger, production, resampled_weights(challenger.truth.size, resamples, seed))
    defined = gains[np.isfinite(gains)]
    if gains.size - defined.size > MAX_UNDEFINED * gains.size:
        raise DataValidationError(_too_few(metric, challenger, gains.size - defined.size, gains.size))
    lower, upper = percentiles(defined, confidence)
    gain = gain_of(metric, ours, theirs)
    if lower > 0 or upper < 0:
        chance = _chance(figure, challenger, production, resamples // SHARE_OF_SWAPS, confidence, seed)
        lower, upper = min(lower, gain - chance), max(upper, gain + chance)
    return Comparison(metric, ours, theirs, gain, lower, upper, challenger.truth.size, defined.size)


@dataclass(frozen=True, eq=False)
class Resampled:
    """A metric of one model, and its values in resamples of the rows."""

    metric: str
    value: float
    values: Array
    """(resamples,): those in which the metric is defined."""

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided percentile interval (Efron and Tibshirani 1993, chapter 13)."""
        return percentiles(self.values, confidence)


def resampled(problem: Problem, metric: str, predictions: Predictions, *, resamples: int, seed: int) -> Resampled:
    """Return a metric and its bootstrap distribution, each resample drawing n of the n rows with replacement.

    Raises DataValidationError if the metric is undefined on the rows, or in more than 1 % of the resamples;
    ConfigurationError if it does not fit the problem.
    """
    import numpy as np

    value = problem.score(predictions, [metric])[metric]
    weighted = problem.figure(metric).weighted(predictions)
    values = np.concatenate([
        weighted(weights) for weights in resampled_weights(predictions.truth.size, resamples, seed)
    ])
    defined = values[np.isfinite(values)]
    if values.size - defined.size > MAX_UNDEFINED * values.size:
        raise DataValidationError(_too_few(metric, predictions, values.size - defined.size, values.size))
    return Resampled(metric, value, defined)


def loss_of(reference: Resampled, now: Resampled) -> tuple[float, Array]:
    """Return how much worse a metric is on other rows than on the reference's, and that in resamples of both.

    Above 0 it is worse. The two are of different rows, so their resamples are independent; give them different seeds.
    """
    size = min(reference.values.size, now.values.size)
    value = gain_of(reference.metric, reference.value, now.value)
    return value, gain_of(reference.metric, reference.values[:size], now.values[:size])


def drop_bound(values: Array) -> float:
    """Return the one-sided 99 % lower percentile bound of a loss, from its values (resamples,) of `loss_of`."""
    import numpy as np

    return float(np.quantile(values, 1 - LOSS_CONFIDENCE))


def percentiles(values: Array, confidence: float) -> tuple[float, float]:
    """Return the two-sided percentile interval of values (resamples,)."""
    import numpy as np

    tail = (1 - confidence) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return float(lower), float(upper)


def gain_of(metric: str, challenger: Value, production: Value) -> Value:
    """Return a challenger's gain, above 0 if it is better, whichever the metric's direction."""
    return challenger - production if METRICS[metric].greater_is_better else production - challenger


def resampled_gains(figure: Figure, challenger: Predictions, production: Predictions, chunks: Iterator[Array]) -> Array:
    """The gain in each resample (resamples,), NaN where the metric is undefined."""
    import numpy as np

    ours, theirs = (figure.weighted(side) for side in (challenger, production))
    if _same_answers(challenger, production):
        return np.concatenate([values - values for values in map(ours, chunks)])  # exactly 0, or still undefined
    return np.concatenate([gain_of(figure.name, ours(weights), theirs(weights)) for weights in chunks])


def _chance(
    figure: Figure, challenger: Predictions, production: Predictions, swaps: int, confidence: float, seed: int
) -> float:
    """What the gain exceeds, either way, in a share 1 - `confidence` of swaps at the most."""
    import numpy as np

    chunk = max(1, CHUNK_BYTES // (ARRAYS * BYTES_PER_WEIGHT * 2 * challenger.truth.size))
    sizes = np.sort(abs(swapped_gains(figure, challenger, production, swaps, seed, chunk)))
    return float(sizes[math.ceil(confidence * (swaps + 1)) - 1]) * (1 + ROUNDING)


def resampled_weights(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each row is drawn, (rows, some of the resamples): multinomial counts, the same for any chunk size."""
    import numpy as np

    random = np.random.default_rng(seed)
    largest = max(1, CHUNK_BYTES // (ARRAYS * BYTES_PER_WEIGHT * rows))
    for first in range(0, resamples, largest):
        count = min(largest, resamples - first)
        # Counting n uniform draws gives the same distribution as random.multinomial and takes a fifth of the time.
        drawn = random.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows)
        yield np.ascontiguousarray(counts.T, dtype=float)


def _check_same_rows(challenger: Predictions, production: Predictions) -> None:
    import numpy as np

    ours, theirs = challenger.truth, production.truth
    if ours.size != theirs.size:
        raise ModelRefusedError(f"not the same rows: {ours.size} of the challenger, {theirs.size} of production")
    if not np.array_equal(ours, theirs):
        raise ModelRefusedError(f"not the same rows: {(ours != theirs).sum()} of {ours.size} true values differ")
    if challenger.positive != production.positive:
        classes = f"the challenger's is {challenger.positive!r}, production's {production.positive!r}"
        raise ModelRefusedError(f"not the same positive class: {classes}")


def _same_answers(challenger: Predictions, production: Predictions) -> bool:
    import numpy as np

    return (
        challenger.classes == production.classes
        and np.array_equal(challenger.predicted, production.predicted)
        and np.array_equal(challenger.probability, production.probability)  # type: ignore[arg-type]
        and np.array_equal(challenger.tokens, production.tokens)  # type: ignore[arg-type]
    )


def _too_few(metric: str, predictions: Predictions, undefined: int, resamples: int) -> str:
    import numpy as np

    values, counts = np.unique(predictions.truth, return_counts=True)
    few = ", ".join(f"{values[at]!s}: {counts[at]}" for at in counts.argsort()[:5])
    return (
        f"{metric} is undefined in {undefined} of {resamples} resamples: the test set has too few rows of a class "
        f"or target value ({predictions.truth.size} rows; {few}); test on more rows"
    )
