"""The one-sided lower bound of a challenger's gain: a paired bootstrap to which the worst row is added once more.

A bootstrap knows only the rows that it draws from. If a loss comes from few rows, such as five of 500, a sample with
two of them is not rare, and resampling these two shows too small a loss. One more row like the worst makes up for that:
of shares of rows, such as accuracy, resampling k + 1 losses instead of k gives about the exact limit (Clopper and
Pearson 1934). If many rows carry the difference, one more changes little. A loss in rows of which the sample has none
stays unseen: at 95 %, if there are fewer than three of them among so many rows on average.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainer.evaluation.bootstrap import (
    ARRAYS,
    BYTES_PER_WEIGHT,
    CHUNK_BYTES,
    MAX_UNDEFINED,
    ROUNDING,
    resampled_gains,
    resampled_weights,
)

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

    There are more resamples than asked for if the confidence needs them. See Davison and Hinkley 1997, section 5.2.
    `paired_bootstrap` has to have found that the rows are the same, and that the metric is defined on them.
    """
    import numpy as np

    figure = problem.figure(metric)
    rows = np.append(np.arange(challenger.truth.size), _worst_row(figure, challenger, production, resamples))
    enough = max(resamples, math.ceil((1 + 2 * MAX_UNDEFINED) / (1 - confidence)))
    gains = resampled_gains(
        figure, challenger.rows(rows), production.rows(rows), resampled_weights(rows.size, enough, seed)
    )
    defined = np.sort(gains[np.isfinite(gains)])
    place = math.floor((1 - confidence) * (defined.size + 1) * (1 + ROUNDING))
    return float(defined[place - 1])


def _worst_row(figure: Figure, challenger: Predictions, production: Predictions, most: int) -> int:
    """Return the row that costs the challenger the most if it is there once more, among the `most` that differ most."""
    import numpy as np

    candidates = np.argsort(_differences(challenger, production), kind="stable")[::-1][:most]
    gains = resampled_gains(figure, challenger, production, _one_more(challenger.truth.size, candidates))
    return int(candidates[np.nanargmin(gains)])


def _one_more(rows: int, candidates: Array) -> Iterator[Array]:
    """Yield weights (rows, some of the candidates) of 1, and of 2 for the candidate."""
    import numpy as np

    chunk = max(1, CHUNK_BYTES // (ARRAYS * BYTES_PER_WEIGHT * rows))
    for first in range(0, candidates.size, chunk):
        some = candidates[first : first + chunk]
        weights = np.ones((rows, some.size))
        weights[some, np.arange(some.size)] = 2
        yield weights


def _differences(challenger: Predictions, production: Predictions) -> Array:
    """How far the answers to each row (n,) are apart: in probability if there are any, else in numbers or labels."""
    ours, theirs = challenger.probability, production.probability
    if ours is not None and theirs is not None and challenger.classes == production.classes:
        apart: Array = abs(ours - theirs)
        return apart if apart.ndim == 1 else apart.sum(axis=1)
    if challenger.predicted.dtype.kind in "iuf" and production.predicted.dtype.kind in "iuf":
        distance: Array = challenger.predicted - production.predicted
        return abs(distance)
    differ: Array = challenger.predicted != production.predicted
    return differ.astype(float)
