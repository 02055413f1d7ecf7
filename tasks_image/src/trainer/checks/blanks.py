"""Columns of strings in which one value stands with and without blanks around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.inputs import input_warning
from trainer.tables.parquet import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run.records import CheckResult

CHECK = "input_has_no_blanks_around_values"
EXAMPLES = 3


def blanks_around_values(pipeline: Pipeline, rows: pl.LazyFrame) -> Iterator[CheckResult]:
    """Yield a warning for each input of strings that has a value both with and without blanks around it.

    A model takes them for two categories.
    """
    import polars as pl

    for name, kind in rows.collect_schema().items():
        if kind != pl.String or name in pipeline.columns.not_inputs:
            continue
        counts = column_of(rows, name).drop_nulls().value_counts(name="rows")
        stripped = pl.col(name).str.strip_chars()
        padded = counts.filter(stripped.is_duplicated() & (stripped != pl.col(name)))
        if not len(padded):
            continue
        quoted = '"' + name.replace('"', '""') + '"'
        message = (
            f"{len(padded)} values in {padded['rows'].sum():,} rows have blanks around them, and each is a category "
            f"beside the one without; derive TRIM({quoted}) under features.derive, and put it under columns.exclude"
        )
        examples = padded.sort("rows", name, descending=[True, False])[name].head(EXAMPLES).to_list()
        yield input_warning(CHECK, name, "validity", message, examples)
