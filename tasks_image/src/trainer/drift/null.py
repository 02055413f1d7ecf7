"""What chance alone explains: 99.9 % quantiles of the effect sizes where both samples come from one distribution.

Bins and Wasserstein use the permutation distribution: given all values together, each choice of the reference's rows
among them is equally likely (Fisher 1935; Lehmann and Romano, Testing Statistical Hypotheses, ch. 15). The counts per
bin are then multivariate hypergeometric, so drawing those is drawing permutations. That holds at every number of rows,
for sparse bins, ties, heavy tails and unequal sizes, where chi-square and Brownian-bridge limits may be too narrow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.drift.effect_sizes import jensen_shannon_distance, population_stability_index

if TYPE_CHECKING:
    from trainer.drift.effect_sizes import Counts, Floats, Pooled

LEVEL = 0.999
DRAWS = 4000
"""The quantile is the fourth largest of them: a further draw exceeds it with probability 4 / 4001."""
SEED = 42
INNER_RANKS = 48
OUTER_RANKS = 24
"""Ranks at which Wasserstein's null is evaluated: evenly spread, and ever closer towards each end."""
ROUNDING = 1e-9
"""Relative; a statistic that equals its quantile must not exceed it by rounding."""


def kolmogorov_smirnov_null(reference_size: int, current_size: int) -> float:
    """The quantile of D: sqrt(-ln(alpha / 2) / 2) sqrt((n + m) / (n m)), alpha = 0.001.

    From the first term of Kolmogorov's series (Smirnov 1948), beside which the others are below 1e-12. The limit is
    approached from below; ties only make D smaller.
    """
    spread = (reference_size + current_size) / (reference_size * current_size)
    return math.sqrt(-math.log((1 - LEVEL) / 2) / 2 * spread)


def binned_null(counts: Counts) -> dict[str, float]:
    """The quantiles of `psi` and `jensen_shannon` for counts per bin of both samples, shape (2, bins)."""
    pooled = counts.sum(axis=0)
    reference = _permuted(pooled, int(counts[0].sum()))
    current = pooled - reference
    statistics = {"psi": population_stability_index, "jensen_shannon": jensen_shannon_distance}
    return {name: quantile(statistic(reference, current)) for name, statistic in statistics.items()}


def wasserstein_null(pooled: Pooled) -> float:
    """The quantile of the Wasserstein distance, in the column's units: the sum of |difference| x gap under permutation.

    The difference of the distribution functions is drawn at up to `INNER_RANKS + 2 OUTER_RANKS` ranks at which the
    value changes (all of them where there are no more); each gap takes the difference at the nearest of these.
    """
    import numpy as np

    ranks = _grid(pooled)
    if ranks.size == 0:
        return 0.0
    size = pooled.reference_size + pooled.current_size
    cells = np.diff(ranks, prepend=0, append=size)
    before = _permuted(cells, pooled.reference_size)[:, :-1].cumsum(axis=1)
    differences = before / pooled.reference_size - (ranks - before) / pooled.current_size
    return quantile(np.abs(differences) @ _widths(pooled.values, ranks))


def _permuted(cells: Counts, reference_size: int) -> Counts:
    """How many of the reference's rows fall into each cell, shape (DRAWS, cells)."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    return rng.multivariate_hypergeometric(cells, reference_size, size=DRAWS, method="marginals")


def quantile(statistics: Floats) -> float:
    """The value that few statistics (n,) drawn by chance exceed."""
    import numpy as np

    position = math.ceil(LEVEL * (statistics.size + 1)) - 1
    return float(np.partition(statistics, position)[position]) * (1 + ROUNDING)


def _grid(pooled: Pooled) -> Counts:
    """Ranks, ascending, after which the value changes."""
    import numpy as np

    steps = np.flatnonzero(pooled.gaps) + 1
    if steps.size <= INNER_RANKS + 2 * OUTER_RANKS:
        return steps
    size = pooled.values.size
    outer = np.geomspace(1, size / INNER_RANKS, OUTER_RANKS)
    wanted = np.concatenate([outer, np.linspace(1, size - 1, INNER_RANKS), size - outer])
    nearest = np.searchsorted((steps[:-1] + steps[1:]) / 2, wanted)
    return np.unique(steps[nearest])


def _widths(values: Floats, ranks: Counts) -> Floats:
    """How much of the values' range lies nearest to each of the ranks."""
    import numpy as np

    middles = (ranks[:-1] + ranks[1:]) // 2
    ends = np.concatenate([[0], middles, [values.size - 1]])
    return np.diff(values[ends])
