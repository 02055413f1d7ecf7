"""Missing values and unseen categories of a look's rows, beside the snapshot of the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.records import ColumnWatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import polars as pl

EXAMPLES = 5


def watch_columns(reference: pl.LazyFrame, rows: pl.LazyFrame, columns: Iterable[str]) -> Iterator[ColumnWatch]:
    """Yield missing values and unseen categories of each column of rows (n); both sides have at least one row."""
    schema = reference.collect_schema()
    for name in columns:
        before, now = (side.select(name).collect(engine="streaming").to_series() for side in (reference, rows))
        unseen = _unseen(before, now) if not schema[name].is_numeric() and not schema[name].is_temporal() else None
        examples = [] if unseen is None else unseen.value_counts(sort=True).head(EXAMPLES).to_series().to_list()
        yield ColumnWatch(
            column=name,
            missing=_missing(now),
            missing_before=_missing(before),
            unseen=0 if unseen is None else len(unseen),
            examples=[str(value) for value in examples],
        )


def _unseen(before: pl.Series, now: pl.Series) -> pl.Series:
    import polars as pl

    texts = now.cast(pl.String).drop_nulls()
    return texts.filter(~texts.is_in(before.cast(pl.String).drop_nulls().unique().implode()))


def _missing(values: pl.Series) -> float:
    known = values.fill_nan(None) if values.dtype.is_float() else values
    return known.null_count() / len(values)
