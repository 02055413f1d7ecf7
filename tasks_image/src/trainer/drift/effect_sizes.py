"""Effect sizes between two samples: how far apart their distributions lie, whatever the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[Any]
    Counts = NDArray[Any]

EMPTY_SHARE = 1e-4
"""What PSI takes for the share of an empty or nearly empty bin: its logarithm has no value at 0."""
MAX_CATEGORIES = 500
"""Categories beyond the most frequent ones (of both samples together) share one bin."""
DECILES = 10


@dataclass(frozen=True)
class Pooled:
    """Two samples in one ascending order."""

    values: Floats
    """Of both samples, ascending, length `reference_size + current_size`."""
    reference_ranks: Counts
    """How many of the reference's values stand at or before each position."""
    reference_size: int
    current_size: int

    @property
    def gaps(self) -> Floats:
        """From each value to the next, 0 between equal ones."""
        import numpy as np

        return np.diff(self.values)

    @property
    def differences(self) -> Floats:
        """Reference's minus current's empirical distribution function at each value but the last, where it is 0."""
        import numpy as np

        before = self.reference_ranks[:-1]
        return before / self.reference_size - (np.arange(1, before.size + 1) - before) / self.current_size


def pool(reference: Floats, current: Floats) -> Pooled:
    """Two ascending samples merged; neither may be empty or hold a value that is not finite."""
    import numpy as np

    both = np.concatenate([reference, current])
    order = both.argsort(kind="stable")  # merges the two ascending runs in linear time
    return Pooled(both[order], np.cumsum(order < reference.size), reference.size, current.size)


def kolmogorov_smirnov(pooled: Pooled) -> float:
    """The two-sample D: the largest difference of the distribution functions, 0 to 1 (Smirnov 1939)."""
    import numpy as np

    return float(np.max(np.abs(pooled.differences), where=pooled.gaps > 0, initial=0.0))


def wasserstein(pooled: Pooled) -> float:
    """The first Wasserstein distance, in the column's units: the area between the distribution functions."""
    import numpy as np

    return float(np.abs(pooled.differences) @ pooled.gaps)


def wasserstein_scale(reference: Floats, pooled: Pooled) -> float:
    """What the Wasserstein distance is divided by: the reference's standard deviation (divisor n).

    A constant reference has none: then the deviation of both samples together, and 1 where both hold the same constant.
    """
    if reference[0] != reference[-1]:
        return float(reference.std())
    return float(pooled.values.std()) if pooled.values[0] != pooled.values[-1] else 1.0


def population_stability_index(reference: Counts, current: Counts) -> Floats:
    """PSI of counts per bin, shape (..., bins) to (...): the sum of (q - p) ln(q / p), at least 0 (Siddiqi 2006).

    Shares below `EMPTY_SHARE` are raised to it.
    """
    import numpy as np

    p, q = (np.maximum(_shares(counts), EMPTY_SHARE) for counts in (reference, current))
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def jensen_shannon_distance(reference: Counts, current: Counts) -> Floats:
    """JS distance of counts per bin, shape (..., bins) to (...): the root of the divergence in bits, 0 to 1.

    Source: Endres and Schindelin 2003, A new metric for probability distributions.
    """
    import numpy as np

    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence = (_bits(p, middle) + _bits(q, middle)).sum(axis=-1) / 2
    distance: Floats = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return distance


def decile_counts(reference: Floats, current: Floats, missing: tuple[int, int]) -> Counts:
    """Counts of two ascending samples in bins that end at the reference's deciles, and a last bin for missing values.

    Shape (2, bins). The outer bins are open; equal deciles are one edge. Where the lowest decile is the reference's
    minimum, values below it have a bin of their own, as values above the maximum have where that is a decile.
    """
    import numpy as np

    at = np.ceil(np.arange(1, DECILES) * reference.size / DECILES).astype(int) - 1
    edges = np.unique(reference[at])
    if edges[0] == reference[0]:
        edges = np.insert(edges, 0, np.nextafter(reference[0], -np.inf))
    return np.array([_counts_up_to(edges, reference, missing[0]), _counts_up_to(edges, current, missing[1])])


def category_counts(reference: pl.Series, current: pl.Series) -> Counts:
    """Counts of each category of either series, shape (2, bins); a missing value is a category too, and comes first.

    At most `MAX_CATEGORIES` stand alone. Which ones follows from both samples together, as the null distribution needs;
    a hash decides between equally frequent ones, as their order by name may follow the samples (running numbers).
    """
    import numpy as np
    import polars as pl

    sides = [values.alias("value").value_counts(name=name) for name, values in (("p", reference), ("q", current))]
    counts = sides[0].join(sides[1], on="value", how="full", coalesce=True, nulls_equal=True)
    counts = counts.with_columns(pl.col("p", "q").fill_null(0).cast(pl.Int64))
    order = [pl.col("value").is_null(), pl.col("p") + pl.col("q"), pl.col("value").hash(seed=0)]
    table = counts.sort(order, descending=True).select("p", "q").to_numpy().T
    if table.shape[1] <= MAX_CATEGORIES:
        return table
    rest = table[:, MAX_CATEGORIES:].sum(axis=1, keepdims=True)
    return np.hstack([table[:, :MAX_CATEGORIES], rest])


def _shares(counts: Counts) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _bits(share: Floats, middle: Floats) -> Floats:
    """Each bin's part of the Kullback-Leibler divergence, base 2; an empty bin has none."""
    import numpy as np

    ratio = np.divide(share, middle, out=np.ones_like(share), where=share > 0)
    bits: Floats = share * np.log2(ratio)
    return bits


def _counts_up_to(edges: Floats, values: Floats, missing: int) -> Counts:
    import numpy as np

    up_to = np.searchsorted(values, edges, side="right")
    return np.append(np.diff(up_to, prepend=0, append=values.size), missing)
