"""Tables like Telco's: 18 independent columns, numbers and categories, some values missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from numpy.random import Generator

BINARY = {f"binary_{at}": (share,) for at, share in enumerate((0.5, 0.3, 0.1, 0.16, 0.4, 0.05))}
SEVERAL = {
    "three_a": (0.55, 0.76),
    "three_b": (0.34, 0.78),
    "three_c": (0.5, 0.9),
    "three_d": (0.22, 0.66),
    "four_a": (0.34, 0.57, 0.78),
    "four_b": (0.7, 0.9, 0.97),
    "five": (0.4, 0.7, 0.88, 0.97),
}
"""Where a uniform number is cut into categories."""
NUMBERS = ("skewed", "heavy", "with_zeros", "with_missing", "count")
COLUMNS = [*NUMBERS, *BINARY, *SEVERAL]
MISSING_SHARE, SHARE_ABOVE_0 = 0.05, 0.8


def draw_table(random: Generator, rows: int, shift: float = 0.0) -> pl.DataFrame:
    """So many rows, every column moved by `shift`.

    A number moves by so many of its own standard deviations, where it is not 0; a count has a larger mean; a category
    moves by as much of the standard normal variable that it is cut from.
    """
    import polars as pl

    table = pl.DataFrame({
        **_numbers(random, rows, shift),
        **{name: _cut(random, rows, cuts, shift) for name, cuts in (BINARY | SEVERAL).items()},
    })
    absent = [pl.Series("absent", random.random(rows) < MISSING_SHARE) for _ in range(2)]
    return table.with_columns(
        pl.when(~absent[0]).then("with_missing").alias("with_missing"), pl.when(~absent[1]).then("five").alias("five")
    )


def _numbers(random: Generator, rows: int, shift: float) -> dict[str, Any]:
    return {
        "skewed": random.gamma(2.0, 20.0, rows) + shift * 20.0 * 2.0**0.5,
        "heavy": random.lognormal(7.0, 0.5, rows) * math.exp(0.5 * shift),
        "with_zeros": random.normal(60.0 + 20.0 * shift, 20.0, rows) * (random.random(rows) < SHARE_ABOVE_0),
        "with_missing": random.normal(shift, size=rows),
        "count": random.poisson(3.0 + shift * 3.0**0.5, rows).astype(float),
    }


def _cut(random: Generator, rows: int, cuts: tuple[float, ...], shift: float) -> Any:
    import numpy as np
    from scipy.stats import norm

    names = np.array([f"category {at}" for at in range(len(cuts) + 1)])
    return names[np.searchsorted(norm.ppf(cuts), random.normal(size=rows) + shift)]
