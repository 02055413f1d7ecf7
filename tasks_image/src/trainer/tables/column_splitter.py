"""A job's splitter: a rule that draws the parts, or a column that has them already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainer.errors import DataValidationError
from trainer.pipeline import Spec
from trainer.tables.splitters import PARTS, HashSplitter, RandomSplitter, TimeSplitter
from trainer.tables.training_table import SplitPart

if TYPE_CHECKING:
    import polars as pl


class ColumnSplitter(Spec):
    """Takes each row's part from a column of the inputs.

    Rows of the parts under `learned` are training rows too.

    >>> ColumnSplitter(column="part").KIND
    'column'
    """

    KIND: Literal["column"] = "column"
    column: str
    learned: tuple[SplitPart, ...] = ()


AnySplitter = Annotated[HashSplitter | RandomSplitter | TimeSplitter | ColumnSplitter, Field(discriminator="KIND")]


def parts_of(
    splitter: HashSplitter | RandomSplitter | TimeSplitter | ColumnSplitter,
    inputs: pl.DataFrame | pl.LazyFrame,
    labels: pl.Series | None,
    id_column: str | None,
) -> pl.Series:
    """The part of each row of `inputs` (n, columns); `labels` (n,) are the classes, None for a regression.

    Raises DataValidationError for a part that is empty or lacks a class, and for a column that names other parts.
    """
    from trainer.tables.row_keys import row_keys

    if isinstance(splitter, HashSplitter | RandomSplitter):
        return splitter.split(row_keys(inputs, id_column), labels)
    rows = inputs.lazy()
    if splitter.column not in rows.collect_schema():
        raise DataValidationError(f"splitter.column: no column {splitter.column!r} in the inputs")
    column = rows.select(splitter.column).collect().to_series()
    if isinstance(splitter, TimeSplitter):
        return splitter.split(row_keys(rows, id_column), labels, column)
    strange = sorted({str(part) for part in column.unique()} - {*PARTS})
    if strange:
        raise DataValidationError(f"splitter.column: {splitter.column!r} holds {strange[:5]}; parts are {PARTS}")
    return column.replace(list(splitter.learned), "train") if splitter.learned else column
