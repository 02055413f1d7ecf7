"""Columns of a table that are compared, and new ones that are refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run.records import ColumnDrift

logger = logging.getLogger(__name__)

EXAMPLES = 5


def columns_to_compare(pipeline: Pipeline, reference: pl.LazyFrame, current: pl.LazyFrame) -> list[str]:
    """The columns to compare: the inputs that the reference has; one that is new has nothing to be compared with.

    Else no version with a new column could ever become production; but one that the pipeline does not name would become
    an input that nobody asked for, and is refused. A column that has gone is compared, and so refused.
    """
    before, now = reference.collect_schema().names(), current.collect_schema().names()
    inputs = [name for name in now if name not in pipeline.columns.not_inputs]
    new = [name for name in inputs if name not in before]
    columns = [name for name in before if name not in pipeline.columns.not_inputs]
    if not columns:
        raise DataValidationError(
            "drift: the reference has no column to compare: all are the id, the time, the target or excluded; "
            "name inputs under `columns`"
        )
    _refuse_unnamed([name for name in new if name not in pipeline.source.declared])
    if new:
        logger.warning("new since production was trained, and not compared: %s", ", ".join(new))
    return columns


def _refuse_unnamed(new: list[str]) -> None:
    if new:
        shown = ", ".join(map(repr, new[:EXAMPLES]))
        raise DataValidationError(
            f"{len(new)} {'column is' if len(new) == 1 else 'columns are'} new since production was trained, and the "
            f"pipeline does not name {'it' if len(new) == 1 else 'them'}: {shown}; a model that takes what nobody "
            "expected cannot be served. Give a type under `source.types` to make a new column an input, or list it "
            "under `columns.exclude`"
        )


def explained(drift: ColumnDrift) -> str:
    """Return a column's name with the statistics that exceed their thresholds."""
    exceeding = [
        f"{name} {value:.3f} > {drift.thresholds[name]:.3f}"
        for name, value in drift.statistics.items()
        if value > drift.thresholds[name]
    ]
    return f"{drift.column} ({', '.join(exceeding)})"
