"""Splitting rows into parts, as the KIND of a split says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import GivenSplit, GroupSplit, HashSplit, TimeSplit
from trainer.tables.parts import check_parts
from trainer.tables.split_by_key import draw_as_given, draw_at_random, draw_by_group, draw_by_hash
from trainer.tables.split_by_time import split_by_time

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import AnySplit


def split_rows(
    split: AnySplit,
    keys: pl.Series,
    labels: pl.Series | None = None,
    times: pl.Series | None = None,
    given: pl.Series | None = None,
) -> tuple[pl.Series, int]:
    """Return the part of each row (n,), and how many rows were moved to the part of the first row with the same key.

    A part is "train", "validation" or "test". `labels` (n,) are the classes of a classification, None for a
    regression; `times` (n,), dates or datetimes, are only for a split by time, which moves no rows; `given` (n,)
    is the column that names the test rows or the groups of a split that has them.
    Raises DataValidationError if a part is empty, or a class is absent from one.
    """
    if isinstance(split, TimeSplit):
        return split_by_time(split, labels, times), 0
    if isinstance(split, GroupSplit):
        return _by_group(split, labels, given), 0
    if isinstance(split, GivenSplit):
        drawn = draw_as_given(split, keys, given)
    else:
        drawn = draw_by_hash(split, keys) if isinstance(split, HashSplit) else draw_at_random(split, keys, labels)
    parts = _part_of_first(keys, drawn)
    check_parts(parts, labels)
    return parts, int((parts != drawn).sum())


def _by_group(split: GroupSplit, labels: pl.Series | None, groups: pl.Series | None) -> pl.Series:
    """The part of each row; equal rows are of one group, so none is moved."""
    if groups is None:
        raise DataValidationError(f"split.column: the rows have no column {split.column!r}")
    parts, count = draw_by_group(split, groups), groups.n_unique()
    remedy = f"the {count:,} groups of {split.column!r} are drawn whole; get more of them, or use another seed"
    check_parts(parts, labels, remedy, remedy)
    return parts


def _part_of_first(keys: pl.Series, parts: pl.Series) -> pl.Series:
    import polars as pl

    drawn = pl.DataFrame({"key": keys, "part": parts})
    return drawn.select(pl.col("part").first().over("key").alias("__part__"))["__part__"]
