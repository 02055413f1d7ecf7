"""Columns that only count rows: they reach a table when an index is written along with the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainer.sources.files.pandas_index import UNNAMED_INDEX

if TYPE_CHECKING:
    import polars as pl

NAMES = re.compile(
    rf"Unnamed: ?\d+(\.\d+)?|{UNNAMED_INDEX.pattern}|level_\d+|index|row_?(index|no|nr|num|number)?|", re.IGNORECASE
)
"""Names that pandas, R and spreadsheets give a column of row numbers."""


def has_counter_name(name: str) -> bool:
    """Return whether a column is called like a row number.

    >>> has_counter_name("Unnamed: 0"), has_counter_name("price_index")
    (True, False)
    """
    return NAMES.fullmatch(name) is not None


def is_counter(values: pl.Series) -> bool:
    """Return whether whole numbers (n,) rise from row to row, or are n consecutive ones in whatever order."""
    if not values.dtype.is_integer() or len(values) < 2 or values.null_count():  # noqa: PLR2004  (two to compare)
        return False
    least, most = values.min(), values.max()
    consecutive = most - least == len(values) - 1 and values.n_unique() == len(values)  # type: ignore[operator]
    return bool(consecutive or (values.diff().drop_nulls() > 0).all())
