"""The one-sided lower bound of a challenger's gain: a Bayesian bootstrap to which the worst row is added once more.

A bootstrap knows only the rows that it draws from. If a loss comes from few rows, such as five of 500, a sample with
two of them is not rare, and resampling these two shows too small a loss. One more row like the worst makes up for that.
With weights drawn as in Rubin 1981, a loss in k of n rows that count alike, as for accuracy, is then bounded by a
quantile of Beta(k + 1, n - k): the exact limit (Clopper and Pearson 1934). If many rows carry the difference, one more
changes little. A loss in rows of which the sample has none stays unseen: at 95 %, if there are fewer than three of them
among so many rows on average.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainer.evaluation.bootstrap import ARRAYS, BYTES_PER_WEIGHT, CHUNK_BYTES, ROUNDING, resampled_gains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.problems import Problem
    from trainer.problems.figure import Figure
    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]


def lower_bound(  # noqa: PLR0913
    problem: Problem,
    metric: str,
    challenger: Predictions,
    production: Predictions,
    *,
    confidence: float,
    resamples: int = 2000,
    seed: int = 42,
) -> float:
    """Return the lower bound of the gain over the same rows, as an order statistic of resampled gains.

    There are more resamples than asked for if the confidence needs them. `paired_bootstrap` has to have found that the
    rows are the same, and that the metric is defined on them.
    """
    import numpy as np

    figure = problem.figure(metric)
    rows = np.append(np.arange(challenger.truth.size), _worst_row(figure, challenger, production, resamples))
    enough = max(resamples, math.ceil(1 / (1 - confidence)))
    gains = resampled_gains(
        figure, challenger.rows(rows), production.rows(rows), _drawn_weights(rows.size, enough, seed)
    )
    place = math.floor((1 - confidence) * (gains.size + 1) * (1 + ROUNDING))
    return float(np.sort(gains)[place - 1])


def _drawn_weights(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield weights (rows, some of the resamples) that are exponential, so that their shares are uniform."""
    import numpy as np

    random, largest = np.random.default_rng(seed), _chunk(rows)
    for first in range(0, resamples, largest):
        yield random.standard_exponential((min(largest, resamples - first), rows)).T.copy()


def _worst_row(figure: Figure, challenger: Predictions, production: Predictions, most: int) -> int:
    """Return the row that costs the challenger the most if it is there once more, among the `most` that differ most."""
    import numpy as np

    candidates = np.argsort(_differences(challenger, production), kind="stable")[::-1][:most]
    gains = resampled_gains(figure, challenger, production, _one_more(challenger.truth.size, candidates))
    return int(candidates[np.nanargmin(gains)])


def _one_more(rows: int, candidates: Array) -> Iterator[Array]:
    """Yield weights (rows, some of the candidates) of 1, and of 2 for the candidate."""
    import numpy as np

    chunk = _chunk(rows)
    for first in range(0, candidates.size, chunk):
        some = candidates[first : first + chunk]
        weights = np.ones((rows, some.size))
        weights[some, np.arange(some.size)] = 2
        yield weights


def _chunk(rows: int) -> int:
    return max(1, CHUNK_BYTES // (ARRAYS * BYTES_PER_WEIGHT * rows))


def _differences(challenger: Predictions, production: Predictions) -> Array:
    """Return how far apart the answers to each row are (n,): in probability if there are any, else in values."""
    ours, theirs = challenger.probability, production.probability
    if ours is not None and theirs is not None and challenger.classes == production.classes:
        apart: Array = abs(ours - theirs)
        return apart if apart.ndim == 1 else apart.sum(axis=1)
    if challenger.predicted.dtype.kind in "iuf" and production.predicted.dtype.kind in "iuf":
        distance: Array = challenger.predicted - production.predicted
        return abs(distance)
    differ: Array = challenger.predicted != production.predicted
    return differ.astype(float)
