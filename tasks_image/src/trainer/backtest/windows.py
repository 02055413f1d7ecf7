"""The windows of a backtest: stretches of time of equal length, each judged by models that know only earlier rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError

if TYPE_CHECKING:
    import polars as pl

FEWEST = 2
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """Rows from `begin` to before `end`; a challenger of this window has learned from rows before `begin`."""

    begin: datetime
    end: datetime


def times_of(rows: pl.LazyFrame, column: str) -> pl.Series:
    """Return when each row (n,) was observed, as datetimes.

    Raises DataValidationError if the column is not one of dates or datetimes, or has missing values.
    """
    import polars as pl

    schema = rows.collect_schema()
    if column not in schema or schema[column] not in (pl.Date, pl.Datetime):
        found = f"it is {schema[column]}" if column in schema else f"the columns are {', '.join(schema)}"
        raise DataValidationError(
            f"columns.time: {column!r} must be a column of dates or datetimes, and {found}; declare it under "
            "source.types"
        )
    times = rows.select(pl.col(column).cast(pl.Datetime("us"))).collect().to_series()
    if missing := times.null_count():
        raise DataValidationError(
            f"columns.time: {column!r} is missing in {missing} of {len(times)} rows; leave those rows out"
        )
    return times


def windows_of(times: pl.Series, count: int, first_share: float) -> list[Window]:
    """Cut the time after the oldest rows (a share of all) into so many windows of equal length, oldest first.

    Raises ConfigurationError for fewer than two windows, DataValidationError if one of them has no rows.
    """
    if count < FEWEST:
        raise ConfigurationError(f"--windows {count}: at least {FEWEST} are needed, one to judge by and one to live in")
    ordered = times.sort()
    begin, end = ordered[round(first_share * (len(ordered) - 1))], ordered[-1] + MICROSECOND
    length = (end - begin) / count
    windows = [
        Window(begin + at * length, end if at == count - 1 else begin + (at + 1) * length) for at in range(count)
    ]
    for window in windows:
        if not ((times >= window.begin) & (times < window.end)).any():
            raise DataValidationError(
                f"{times.name!r}: no row lies between {window.begin} and {window.end}; use fewer than {count} windows"
            )
    return windows
