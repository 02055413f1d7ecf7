"""How well one column alone predicts the target, on rows that it was not fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from trainer.problems import Problem

LEAK = 0.98
"""Score of a single column on held-out rows from which on it leaks the target."""
MOST_ROWS, SEED, DEPTH, LEAF = 20_000, 42, 8, 5
SMALLEST = 20


def score_alone(values: pl.Series, target: pl.Series, problem: Problem) -> float:
    """The problem's `leak_measure` of a small tree on the half of the rows that it was not fitted on."""
    import numpy as np

    chosen = np.random.default_rng(SEED).permutation(len(values))[:MOST_ROWS]
    inputs, truth = _numbers(values)[chosen], target.to_numpy()[chosen]
    half = len(chosen) // 2
    if half < SMALLEST or len({*truth[:half].tolist()}) == 1 or len({*truth[half:].tolist()}) == 1:
        return 0.0
    return problem.score_alone(inputs, truth, depth=DEPTH, leaf=LEAF, seed=SEED)


def _numbers(values: pl.Series) -> Any:
    """A column (n, 1) as numbers: texts by their place in the order, a missing value below all."""
    import polars as pl

    if not values.dtype.is_numeric():
        values = values.cast(pl.String).rank("dense")
    numbers = values.cast(pl.Float64).fill_nan(None)
    least = numbers.min()
    return numbers.fill_null((least if isinstance(least, float) else 0.0) - 1.0).to_numpy().reshape(-1, 1)
