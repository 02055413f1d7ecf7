"""A training job's split: a rule that draws the parts, or a column that has them already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainer.errors import DataValidationError
from trainer.pipeline import GroupSplit, HashSplit, RandomSplit, Spec, TimeSplit
from trainer.tables.parts import PARTS
from trainer.tables.row_keys import row_keys
from trainer.tables.splits import split_rows
from trainer.tables.training_table import SplitPart

if TYPE_CHECKING:
    import polars as pl


class JobTimeSplit(TimeSplit):
    """The split by time, with the column that a pipeline names under `columns.time`.

    >>> JobTimeSplit(test_hours=24, column="hour").KIND
    'time'
    """

    column: str = ""
    """The column with each row's time."""


class ColumnSplit(Spec):
    """Takes each row's part from a column of the inputs.

    Rows of the parts under `learned` are training rows too.

    >>> ColumnSplit(column="part").KIND
    'column'
    """

    KIND: Literal["column"] = "column"
    column: str
    learned: tuple[SplitPart, ...] = ()


AnyJobSplit = Annotated[HashSplit | RandomSplit | JobTimeSplit | ColumnSplit | GroupSplit, Field(discriminator="KIND")]


def parts_of(
    split: AnyJobSplit, inputs: pl.DataFrame | pl.LazyFrame, labels: pl.Series | None, id_column: str | None
) -> pl.Series:
    """Return the part of each row of `inputs` (n, columns); `labels` (n,) are the classes, None for a regression.

    Raises DataValidationError for a part that is empty or lacks a class, and for a column that names other parts.
    """
    if isinstance(split, HashSplit | RandomSplit):
        return split_rows(split, row_keys(inputs, id_column), labels)[0]
    rows = inputs.lazy()
    if split.column not in rows.collect_schema():
        raise DataValidationError(f"splitter.column: no column {split.column!r} in the inputs")
    column = rows.select(split.column).collect().to_series()
    if isinstance(split, JobTimeSplit):
        return split_rows(split, row_keys(rows, id_column), labels, column)[0]
    if isinstance(split, GroupSplit):
        return split_rows(split, row_keys(rows, id_column), labels, given=column)[0]
    strange = sorted({str(part) for part in column.unique()} - {*PARTS})
    if strange:
        raise DataValidationError(f"splitter.column: {split.column!r} holds {strange[:5]}; parts are {PARTS}")
    return column.replace(list(split.learned), "train") if split.learned else column
