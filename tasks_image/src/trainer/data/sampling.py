"""Taking a share of the rows: the same ones each time, classes in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def sample_rows(frame: pl.DataFrame, ratio: float, seed: int, stratify_by: str | None) -> pl.DataFrame:
    """About `ratio` of the rows, in their order; with `stratify_by`, of each of that column's values (one at least).

    The choice is a seeded shuffle, so equal frames give equal samples.
    """
    import numpy as np
    import polars as pl

    if ratio >= 1:
        return frame
    order = pl.Series("__rank__", np.random.default_rng(seed).permutation(frame.height))
    group = pl.col(stratify_by) if stratify_by else pl.lit(0)
    kept = pl.col("__rank__").rank("ordinal").over(group) <= (pl.len().over(group) * ratio).ceil()
    return frame.with_columns(order).filter(kept).drop("__rank__")
