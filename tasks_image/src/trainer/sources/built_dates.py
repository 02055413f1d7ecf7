"""Dates that stand in several columns, such as year, month and day, as one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline.sources import DateParts

EXAMPLES = 5
FORMATS = {False: "%Y-%m-%d", True: "%Y-%m-%d %H:%M"}
YEARS = (1000, 9999)


def build_dates(rows: pl.LazyFrame, dates: dict[str, DateParts], name: str) -> pl.LazyFrame:
    """Return the rows with a column for each date that is built from others; `name` stands in error messages.

    It is a date, or a datetime if an hour is among its parts, and missing where a part is. Looks at all values, and
    raises DataValidationError where a column is missing, there already, or the parts of a row make no date.
    """
    if not dates:
        return rows
    known = rows.collect_schema()
    for date, parts in dates.items():
        where = f"{name}: source.dates.{date}"
        if date in known:
            raise DataValidationError(f"{where}: the table has a column {date!r} already; choose another name")
        absent = [part for part in parts.columns if part not in known]
        if absent:
            raise DataValidationError(f"{where}: there is no column {absent[0]!r}{did_you_mean(absent[0], known)}")
    built = {date: _built(parts) for date, parts in dates.items()}
    for date, parts in dates.items():
        _refuse_lost(rows, built[date], parts, f"{name}: source.dates.{date}")
    return rows.with_columns(**built)


def _built(parts: DateParts) -> pl.Expr:
    import polars as pl

    year, month = _whole(parts.year), _whole(parts.month)
    day, minute = (_whole(part) if part else pl.lit(default) for part, default in ((parts.day, 1), (parts.minute, 0)))
    columns = [pl.when(year.is_between(*YEARS)).then(year), month, day]
    if parts.hour is None:
        return pl.format("{}-{}-{}", *columns).str.to_date(FORMATS[False], strict=False)
    text = pl.format("{}-{}-{} {}:{}", *columns, _whole(parts.hour), minute)
    return text.str.to_datetime(FORMATS[True], strict=False, time_unit="us")


def _whole(column: str) -> pl.Expr:
    """A part as a whole number, missing where it is none."""
    import polars as pl

    numbers = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(numbers == numbers.round(0)).then(numbers.cast(pl.Int64, strict=False))


def _refuse_lost(rows: pl.LazyFrame, built: pl.Expr, parts: DateParts, where: str) -> None:
    import polars as pl

    lost = rows.filter(pl.all_horizontal(pl.col(parts.columns).is_not_null()) & built.is_null()).select(parts.columns)
    if number := lost.select(pl.len()).collect(engine="streaming").item():
        found = lost.unique(maintain_order=True).head(EXAMPLES).collect(engine="streaming")
        examples = ", ".join(str(row) for row in found.iter_rows())
        raise DataValidationError(
            f"{where}: {', '.join(parts.columns)} make no date in {number:,} rows, such as {examples}; fix the "
            "data, or make a part missing there"
        )
