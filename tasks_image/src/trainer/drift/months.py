"""How far an ordinary month lies from the others: months differ by season, and that is not drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.drift.compare import Figures, distances

if TYPE_CHECKING:
    import polars as pl

FEWEST_MONTHS = 12
"""With fewer, a season may be missing."""
MOST_ROWS = 500_000
"""Of the reference; of more, a seeded choice is looked at."""
SEED = 42


def month_limits(reference: pl.LazyFrame, time: str | None, columns: list[str]) -> dict[str, Figures]:
    """The largest distance, per column and statistic, of any month of the reference from its other months.

    Empty if there is no column that says when a row was observed, or if it spans fewer than `FEWEST_MONTHS` months. A
    month with less than half of the median month's rows is one that the table begins or ends in, and does not count.
    """
    import polars as pl

    if time is None or reference.collect_schema()[time] not in (pl.Date, pl.Datetime):
        return {}
    rows = _some(reference)
    months = rows.select(pl.col(time).dt.truncate("1mo")).collect(engine="streaming").to_series()
    whole = _whole_months(months)
    if len(whole) < FEWEST_MONTHS:
        return {}
    return {
        name: _largest(rows.select(name).collect(engine="streaming").to_series(), months, whole) for name in columns
    }


def _some(rows: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    height = rows.select(pl.len()).collect(engine="streaming").item()
    return rows if height <= MOST_ROWS else rows.collect(engine="streaming").sample(MOST_ROWS, seed=SEED).lazy()


def _whole_months(months: pl.Series) -> list[object]:
    counts = months.drop_nulls().value_counts()
    least = float(counts["count"].median() or 0) / 2  # type: ignore[arg-type]  # of counts
    return counts.filter(counts["count"] >= least)[months.name].to_list()


def _largest(values: pl.Series, months: pl.Series, whole: list[object]) -> Figures:
    largest: Figures = {}
    for month in whole:
        inside = (months == month).fill_null(value=False)
        for name, value in distances(values.filter(~inside), values.filter(inside)).items():
            largest[name] = max(value, largest.get(name, 0.0))
    return largest
