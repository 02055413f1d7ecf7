"""Taking a share of the rows: the same ones each time, classes in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.tables.parquet import rows_where

if TYPE_CHECKING:
    import polars as pl


def sample_rows(rows: pl.LazyFrame, ratio: float, seed: int, stratify_by: str | None) -> tuple[pl.LazyFrame, int]:
    """About `ratio` of the rows, in their order; with `stratify_by`, of each of that column's values (one at least).

    Also returns the number of rows that they are taken from.

    The choice is a seeded shuffle, so equal rows give equal samples. Only the column to stratify by is held in memory.
    """
    import numpy as np
    import polars as pl

    groups = rows.select(pl.col(stratify_by) if stratify_by else pl.first()).collect(engine="streaming").to_series()
    order = pl.Series("__rank__", np.random.default_rng(seed).permutation(len(groups)))
    group = groups if stratify_by else pl.lit(0)
    kept = pl.col("__rank__").rank("ordinal").over(group) <= (pl.len().over(group) * ratio).ceil()
    return rows_where(rows, order.to_frame().select(kept).to_series()), len(groups)
