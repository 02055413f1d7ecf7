"""How well probabilities agree with what came true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.run.results import ReliabilityBin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def reliability(truth_is_positive: Array, probability: Array, bins: int = 10) -> list[ReliabilityBin]:
    """Rows (n,) in bins of about equal size by rising probability; equal probabilities share a bin, so some may go."""
    import numpy as np

    order = np.argsort(probability, kind="stable")
    probabilities, positives = probability[order], np.asarray(truth_is_positive, dtype=float)[order]
    wanted = np.linspace(0, order.size, bins + 1)[1:-1].astype(int)
    first = np.unique(np.searchsorted(probabilities, probabilities[wanted[wanted < order.size]], side="left"))
    parts = zip(np.split(probabilities, first), np.split(positives, first), strict=True)
    return [
        ReliabilityBin(
            lower=float(part[0]),
            upper=float(part[-1]),
            rows=int(part.size),
            predicted=float(part.mean()),
            observed=float(true.mean()),
        )
        for part, true in parts
        if part.size
    ]
