"""What gain chance alone gives: the answers of both models, swapped between them row by row as coins fall.

Where both models are one and the same, neither answer of a row belongs to one more than to the other, so each way of
handing them out is equally likely (Fisher 1935; for areas under the ROC curve Venkatraman and Begg 1996). That holds
however few rows the models differ in; for accuracy it is McNemar's exact test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.problems.figure import Figure, Weighted
    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]


def swapped_gains(
    figure: Figure, challenger: Predictions, production: Predictions, swaps: int, seed: int, chunk: int
) -> Array:
    """Differences between the models (swaps,) when answers are swapped; handing out the others changes the sign.

    Areas look at ranks, as two models need not mean the same by a probability. At most `chunk` swaps are scored at a
    time, which changes nothing but the memory that they take.
    """
    import numpy as np

    stacked, rows = _stacked_score(figure, challenger, production), challenger.truth.size
    coins = np.random.default_rng(seed)
    gains = []
    for first in range(0, swaps, chunk):
        keeps = (coins.random((min(chunk, swaps - first), rows)) < 0.5).T.astype(float)  # noqa: PLR2004  (a fair coin)
        weights = np.concatenate([keeps, 1 - keeps])
        gains.append(stacked(weights) - stacked(1 - weights))
    return np.concatenate(gains)


def _stacked_score(figure: Figure, challenger: Predictions, production: Predictions) -> Weighted:
    """A figure of weights for the challenger's n answers and then production's (2 n, swaps)."""
    import numpy as np

    classes = tuple(sorted({*challenger.classes, *production.classes}))
    sides = [_of_classes(side, classes) for side in (challenger, production)]
    if figure.of_ranks is None:
        return figure.weighted(_stack(*sides))
    by_class = zip(*(side.one_versus_rest() for side in sides), strict=True)
    return figure.of_ranks([
        (np.concatenate([member, member]), np.concatenate([_ranks(ours), _ranks(theirs)]))
        for (member, ours), (_, theirs) in by_class
    ])


def _of_classes(side: Predictions, classes: tuple[Any, ...]) -> Predictions:
    """A model's answers with a column for each of the classes, in their order; 0 for one that it does not know."""
    import numpy as np

    if side.probability is None or side.probability.ndim == 1:
        return side
    probability = np.zeros((side.truth.size, len(classes)))
    probability[:, [classes.index(label) for label in side.classes]] = side.probability
    return replace(side, probability=probability, classes=classes)


def _stack(challenger: Predictions, production: Predictions) -> Predictions:
    """Both models' answers under each other."""
    import numpy as np

    sides = (challenger, production)
    probabilities = [side.probability for side in sides if side.probability is not None]
    tokens = [side.tokens for side in sides if side.tokens is not None]
    return replace(
        challenger,
        truth=np.concatenate([side.truth for side in sides]),
        predicted=np.concatenate([side.predicted for side in sides]),
        probability=np.concatenate(probabilities) if probabilities else None,
        tokens=np.concatenate(tokens) if tokens else None,
    )


def _ranks(values: Array) -> Array:
    """Ranks (n,) from 1, equal values sharing their mean rank."""
    import numpy as np

    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return ranks
