"""Chosen rows of a table that may be larger than memory: they are read a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.tables.parquet import height_of, rows_where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Places = npt.NDArray[np.int64]

BATCH_ROWS = 1 << 18


@dataclass(frozen=True, eq=False)
class ChosenRows:
    """Rows of a table, in its order."""

    table: pl.LazyFrame
    is_chosen: pl.Series
    """Of every row of the table (n,)."""

    @property
    def height(self) -> int:
        """How many rows are chosen."""
        return int(self.is_chosen.sum())

    def lazy(self) -> pl.LazyFrame:
        """The rows, for whoever asks for a few columns or a sum; all of them at once may be too many."""
        return rows_where(self.table, self.is_chosen)

    def batches(self) -> Iterator[pl.DataFrame]:
        """The rows, at most `BATCH_ROWS` at a time; no batch is empty."""
        for begin in range(0, len(self.is_chosen), BATCH_ROWS):
            is_chosen = self.is_chosen.slice(begin, BATCH_ROWS)
            if is_chosen.any():
                yield self.table.slice(begin, BATCH_ROWS).collect().filter(is_chosen)

    def collect(self) -> pl.DataFrame:
        """The rows, in memory."""
        import polars as pl

        return pl.concat([*self.batches()] or [self.lazy().collect()])

    def among(self, places: Places) -> ChosenRows:
        """Of these rows those at some places (m,), counted from 0, in the order of the table."""
        import numpy as np
        import polars as pl

        is_chosen = np.zeros(len(self.is_chosen), dtype=bool)
        is_chosen[self.is_chosen.arg_true().to_numpy()[places]] = True
        return ChosenRows(self.table, pl.Series(self.is_chosen.name, is_chosen))


def all_of(table: pl.DataFrame) -> ChosenRows:
    """All rows of a table in memory."""
    import polars as pl

    return ChosenRows(table.lazy(), pl.repeat(value=True, n=table.height, eager=True))


def open_table(file: Path) -> pl.LazyFrame:
    """The rows of a Parquet file: in memory where they are a single batch, else read as they are asked for."""
    import polars as pl

    rows = pl.scan_parquet(file)
    return rows.collect().lazy() if height_of(file) <= BATCH_ROWS else rows
