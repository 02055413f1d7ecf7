"""Whether probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.records import ReliabilityBin

if TYPE_CHECKING:
    from trainer.problems.predictions import Predictions

BINS = 10


def reliability(predictions: Predictions) -> list[ReliabilityBin]:
    """Predicted against observed in ranges of the probability with about as many rows each; empty unless binary.

    Equal probabilities stay together, so there are fewer than ten bins where many rows share one.
    """
    import numpy as np

    if predictions.positive is None or predictions.probability is None:
        return []
    probability = np.asarray(predictions.probability, dtype=float)
    positive = predictions.truth == predictions.positive
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)))
    bins = np.searchsorted(edges[1:-1], probability, side="left")
    return [
        ReliabilityBin(
            lower=float(edges[place]),
            upper=float(edges[min(place + 1, edges.size - 1)]),
            rows=int(inside.sum()),
            predicted=float(probability[inside].mean()),
            observed=float(positive[inside].mean()),
        )
        for place in range(max(edges.size - 1, 1))
        if (inside := bins == place).any()
    ]
